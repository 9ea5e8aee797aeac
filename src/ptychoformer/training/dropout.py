"""Random numbers of torch's layers, dropout above all, kept apart for every run.

Layers draw from torch's default generator of their device, and what they decide on the host from
that of the CPU. Each run puts generators of its own in these places while it computes, so that what
it draws depends on its seed and epoch alone, whatever trains beside it.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


class Draws:
    """What a run's layers draw, on the CPU or on a CUDA device; elsewhere runs share the default
    generator.

    Args:
        device: of the run.
    """

    def __init__(self, device: torch.device):
        self._device = device
        if device.type == "cuda":
            # A captured graph keeps the generator's state that was in place when it was captured,
            # and advances it at every replay.
            self._own = _default(device).clone_state()
        self._state = torch.get_rng_state()

    def seed(self, seed: int) -> None:
        """Start anew."""
        self._state = torch.Generator().manual_seed(seed).get_state()
        if self._device.type == "cuda":
            self._own.manual_seed(seed)
        elif self._device.type != "cpu":
            torch.manual_seed(seed)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Have layers draw from here."""
        with self._on_the_device():
            before = torch.get_rng_state()
            torch.set_rng_state(self._state)
            try:
                yield
            finally:
                self._state = torch.get_rng_state()
                torch.set_rng_state(before)

    @contextmanager
    def _on_the_device(self) -> Iterator[None]:
        if self._device.type != "cuda":
            yield
            return
        generator = _default(self._device)
        before = generator.graphsafe_get_state()
        generator.graphsafe_set_state(self._own)
        try:
            yield
        finally:
            generator.graphsafe_set_state(before)


def _default(device: torch.device) -> torch.Generator:
    torch.cuda.init()
    return torch.cuda.default_generators[device.index or 0]
