"""What networks and losses are tried on before they train, and how it is told what went wrong."""

import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ptychoformer.errors import PtychoformerError, TrainingError
from ptychoformer.outside import told

PATTERNS = 2
SEED = 0x51DE_C0DE  # of all that is drawn; one that a network would hardly set itself
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
        """Draw random values (PATTERNS, channels, h, w) from 0 to 1."""
        return torch.rand(PATTERNS, channels, *self.window, device=self.device)

    def patterns(self) -> Tensor:
        """Draw random patterns (PATTERNS, 1, h, w); the first has less contrast than the others, so
        that the least and the greatest value of a batch are not those of each.
        """
        patterns = self.greatest * self.images(1)
        patterns[0] = 0.5 * patterns[0] + 0.25 * self.greatest
        return patterns


@contextmanager
def own_draws(device: torch.device) -> Iterator[None]:
    """Draw random numbers that nobody else misses."""
    of_python, of_numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        seed_draws()
        try:
            yield
        finally:
            random.setstate(of_python)
            np.random.set_state(of_numpy)  # noqa: NPY002


def seed_draws() -> None:
    """Seed torch's, NumPy's and Python's random numbers."""
    torch.manual_seed(SEED)
    np.random.seed(SEED)  # noqa: NPY002 - the old generator is what networks may draw from
    random.seed(SEED)


@contextmanager
def drawing_from_torch(what: str) -> Iterator[None]:
    """Refuse other random numbers: a training seeds torch's alone, and goes on with them.

    Args:
        what: may draw them, as a sentence begins.

    Raises:
        TrainingError: NumPy's or Python's were drawn or seeded.
    """
    before = _other_draws()
    yield
    if drawn := [name for name, state in _other_draws().items() if state != before[name]]:
        raise TrainingError(
            f"{what} draws from {' and '.join(drawn)} random numbers, which a training does not seed; it must draw"
            " from torch's."
        )


def _other_draws() -> dict[str, Any]:
    kind, key, *places = np.random.get_state()  # noqa: NPY002
    return {"NumPy's": (kind, key.tobytes(), *places), "Python's": random.getstate()}


@contextmanager
def telling(what: str, source: Path) -> Iterator[None]:
    """Say in one sentence what went wrong, and on which line of a network's or loss's source."""
    try:
        yield
    except (PtychoformerError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
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
