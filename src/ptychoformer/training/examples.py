"""Patterns and labels of a dataset as tensors on the device."""

import os
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ptychoformer.measurement.cxi import Scan, read_patterns
from ptychoformer.training.normalisation import Normalisation, label_windows


@dataclass(frozen=True)
class Examples:
    """What a network is trained on; the whole of it lies on the device.

    Args:
        inputs: (n, 1, h, w) log(1 + photons).
        labels: (n, 2, h, w) amplitude and phase, normalised.
    """

    inputs: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.inputs)

    def to(self, device: torch.device) -> "Examples":
        """The same examples on another device."""
        return Examples(self.inputs.to(device), self.labels.to(device))


def network_input(patterns: np.ndarray) -> Tensor:
    """Patterns (n, h, w) in photons to log(1 + photons), (n, 1, h, w).

    Read-out noise can leave fewer than no photons; they count as none.
    """
    return torch.from_numpy(np.log1p(np.maximum(patterns, 0)))[:, None]


def load_examples(dataset: str | os.PathLike, scan: Scan, indices: np.ndarray, normalisation: Normalisation) -> Examples:
    """The patterns ``indices`` of a dataset and their labels.

    Raises:
        InputError: the dataset is damaged or holds NaN.
    """
    amplitude, phase = label_windows(scan, indices)
    labels = np.stack([normalisation.amplitude(amplitude), normalisation.phase(phase)], axis=1)
    return Examples(network_input(read_patterns(dataset, indices)), torch.from_numpy(labels))
