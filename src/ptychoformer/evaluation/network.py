"""A trained network as a function of patterns. It and `deployment` are the modules here that
import torch.
"""

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from ptychoformer.device import device_name, lookup_device
from ptychoformer.errors import InputError
from ptychoformer.files import content_digest
from ptychoformer.models import moved
from ptychoformer.training.checkpoint import load_checkpoint
from ptychoformer.training.inputs import network_input
from ptychoformer.training.precision import set_precision

BATCH = 64  # patterns that a CPU predicts at a time; more of them leave its caches
PIXELS_ON_CUDA = 2**20  # that a GPU predicts at a time; with fewer it waits for the host
Item = TypeVar("Item")


class TrainedNetwork:
    """From patterns, photons, to amplitude and phase patches on the labels' scale.

    Patterns are prepared as they were in training: the checkpoint says how.

    Attributes:
        batch: how many patterns are best predicted at a time.
        model: which network it is (`training.entries`).
        network: the module, on the device.
        reads_ahead: whether a batch is made ready while others are predicted, which takes a thread
            of the CPU.

    Args:
        path: checkpoint.
        threads: of the CPU.

    Raises:
        InputError: the checkpoint is missing or damaged, or its network cannot be built.
    """

    def __init__(self, path: str | os.PathLike, threads: int = 1):
        torch.set_num_threads(threads)
        trained = load_checkpoint(path)
        self.model, self.window, self.normalisation = trained.model, tuple(trained.window), trained.normalisation
        self._path = Path(path)
        self._device = lookup_device()
        try:
            self.network = moved(trained.network(), self._device)
        # of weights, a kind or options that this version does not know
        except (RuntimeError, ImportError, TypeError) as error:
            raise InputError(
                f"{path} holds a network '{trained.model.kind}' that this version of the code cannot build."
            ) from error
        except InputError as error:
            raise InputError(f"{path} holds a network that cannot be built: {error}") from error
        set_precision(self.network, "float32", self._device)
        self.reads_ahead = self._device.type == "cuda"
        self.batch = max(BATCH, PIXELS_ON_CUDA // (self.window[0] * self.window[1])) if self.reads_ahead else BATCH

    @property
    def device(self) -> str:
        """For people."""
        return device_name(self._device)

    @property
    def digest(self) -> str:
        """SHA-256 of the checkpoint."""
        return content_digest(self._path)

    def stream(self, batches: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Predict batches of patterns (m, h, w) in order; yield patches (m, 2, h, w) float32.

        With ``reads_ahead`` the device is at work on a batch while the one after it is made ready
        and the one before it is used.
        """
        ready = (torch.from_numpy(network_input(patterns, self.model.inputs)) for patterns in batches)
        if not self.reads_ahead:
            yield from (_on_host(self._launched(seen)) for seen in ready)
            return
        earlier = None
        for seen in _prefetched(ready):
            launched = self._launched(seen)
            if earlier:
                yield _on_host(earlier)
            earlier = launched
        if earlier:
            yield _on_host(earlier)

    @torch.inference_mode()
    def _launched(self, seen: Tensor) -> tuple[Tensor, torch.Event | None]:
        """Start to predict; return the host's memory for the patches, and the event after which it
        is filled (None: it is).
        """
        if self._device.type != "cuda":
            return self.network(seen.to(self._device)).float().cpu(), None
        # Only from and to pinned memory a GPU copies while it computes.
        patches = self.network(seen.pin_memory().to(self._device, non_blocking=True)).float()
        host = torch.empty(patches.shape, pin_memory=True)
        host.copy_(patches, non_blocking=True)
        return host, torch.cuda.current_stream().record_event()


def _on_host(launched: tuple[Tensor, torch.Event | None]) -> np.ndarray:
    patches, filled = launched
    if filled:
        filled.synchronize()
    return patches.numpy()


def _prefetched(items: Iterator[Item]) -> Iterator[Item]:
    """Pass ``items`` on in order while a thread makes the next one."""
    end = object()
    with ThreadPoolExecutor(1) as maker:
        following = maker.submit(next, items, end)
        while (item := following.result()) is not end:
            following = maker.submit(next, items, end)
            yield item
