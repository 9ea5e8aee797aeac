"""What networks and losses are tried on before they train, and how it is told what went wrong."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ptychoformer.errors import PtychoformerError, TrainingError
from ptychoformer.outside import told

PATTERNS = 2
# Of the greatest value that is compared. Rounding of float32 in batches of other sizes is a
# hundredth of it on a CPU; a GPU's is more.
TOLERANCE, ON_A_GPU = 1e-4, 1e-3


@dataclass(frozen=True)
class Conditions:
    """What a training will ask of a network.

    Args:
        window: (h, w) of the patterns.
        greatest: value that a prepared pattern holds.
        count: of the patterns that are fitted.
        batch_size: of these.
        precision: the training's.
        device: where it computes.
    """

    window: tuple[int, int]
    greatest: float
    count: int
    batch_size: int
    precision: str
    device: torch.device

    def sizes(self) -> list[int]:
        """Return how many patterns to try in training mode: as in whole and last batches, few."""
        whole = min(self.batch_size, self.count)
        return list(dict.fromkeys(min(size, PATTERNS) for size in (whole, self.count % whole or whole)))

    def images(self, channels: int) -> Tensor:
        """Random values (PATTERNS, channels, h, w) from 0 to 1."""
        return torch.rand(PATTERNS, channels, *self.window, device=self.device)

    def patterns(self) -> Tensor:
        """Random patterns (PATTERNS, 1, h, w); the first has less contrast than the others, so that
        the least and the greatest value of a batch are not those of each.
        """
        patterns = self.greatest * self.images(1)
        patterns[0] = 0.5 * patterns[0] + 0.25 * self.greatest
        return patterns


@contextmanager
def own_draws(device: torch.device) -> Iterator[None]:
    """Draw random numbers that nobody else misses."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(0)
        yield


@contextmanager
def telling(what: str, source: Path) -> Iterator[None]:
    """Say in one sentence what went wrong, and on which line of a network's or loss's source."""
    try:
        yield
    except (PtychoformerError, MemoryError):
        raise
    except Exception as error:
        raise TrainingError(f"{what}: {told(error, source)}.") from error


def are_same(one: Tensor, other: Tensor) -> bool:
    """Say whether two answers are equal but for rounding."""
    one, other = one.detach().float(), other.detach().float()
    tolerance = ON_A_GPU if one.is_cuda else TOLERANCE
    return bool((one - other).abs().max() <= tolerance * torch.maximum(one.abs().max(), other.abs().max()))


def counted(size: int) -> str:
    """Put a number of patterns in words."""
    return "one pattern" if size == 1 else f"{size} patterns"


def shape(sides: Iterable[int]) -> str:
    """Put the lengths of a tensor's axes in words."""
    return " x ".join(map(str, sides)) or "no axes"
