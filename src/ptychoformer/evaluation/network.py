"""A trained network as a function of patterns. The only module here that imports torch."""

import hashlib
import os
from pathlib import Path

import numpy as np
import torch

from ptychoformer.device import device_name, lookup_device
from ptychoformer.errors import InputError
from ptychoformer.training.checkpoint import load_checkpoint
from ptychoformer.training.inputs import network_input
from ptychoformer.training.precision import set_precision


class TrainedNetwork:
    """From patterns (m, h, w), photons, to amplitude and phase patches (m, 2, h, w) float32 on the labels' scale.

    Patterns are prepared as they were in training: the checkpoint says how.

    Args:
        path: checkpoint.
        threads: of the CPU.

    Raises:
        InputError: the checkpoint is missing or damaged.
    """

    def __init__(self, path: str | os.PathLike, threads: int = 1):
        torch.set_num_threads(threads)
        trained = load_checkpoint(path)
        self.kind, self.window, self._inputs = trained.kind, tuple(trained.window), trained.inputs
        self.model = {key: getattr(trained, key) for key in ("kind", "options", "initialisation", "inputs")}
        self.normalisation = trained.normalisation
        self._path = Path(path)
        self._device = lookup_device()
        try:
            self._network = trained.network().to(self._device, memory_format=torch.channels_last)
        except (RuntimeError, ImportError, TypeError) as error:  # of weights, a kind or options that this version does not know
            raise InputError(f"{path} holds a network '{trained.kind}' that this version of the code cannot build.") from error
        set_precision(self._network, "float32", self._device)

    @property
    def device(self) -> str:
        """For people."""
        return device_name(self._device)

    @property
    def digest(self) -> str:
        """SHA-256 of the checkpoint."""
        return hashlib.sha256(self._path.read_bytes()).hexdigest()

    @torch.inference_mode()
    def __call__(self, patterns: np.ndarray) -> np.ndarray:
        seen = torch.from_numpy(network_input(patterns, self._inputs))
        return self._network(seen.to(self._device)).float().cpu().numpy()
