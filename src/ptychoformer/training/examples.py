"""Patterns and labels of a dataset as tensors on the device."""

import os
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ptychoformer.measurement.cxi import Scan, read_patterns
from ptychoformer.measurement.windows import windows
from ptychoformer.training.inputs import network_input
from ptychoformer.training.normalisation import Normalisation


@dataclass(frozen=True)
class Examples:
    """What a network is trained on; the whole of it lies on the device.

    Args:
        inputs: (n, 1, h, w), patterns as the network sees them.
        patterns: (n, 1, h, w) log(1 + photons), what losses at the detector compare with; the
            inputs themselves if they are that.
        labels: (n, 2, h, w) amplitude and phase, normalised.
    """

    inputs: Tensor
    patterns: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.inputs)

    def to(self, device: torch.device) -> "Examples":
        """Bring the examples to another device."""
        inputs = self.inputs.to(device)
        patterns = inputs if self.patterns is self.inputs else self.patterns.to(device)
        return Examples(inputs, patterns, self.labels.to(device))

    def part(self, which: Tensor | slice) -> "Examples":
        """Select some of the examples."""
        inputs = self.inputs[which]
        return Examples(inputs, inputs if self.patterns is self.inputs else self.patterns[which], self.labels[which])


def load_examples(
    dataset: str | os.PathLike, scan: Scan, indices: np.ndarray, normalisation: Normalisation, inputs: str
) -> Examples:
    """Load the patterns ``indices`` of a dataset, as networks of ``inputs`` see them, and labels.

    Raises:
        InputError: the dataset is damaged or holds NaN.
    """
    images = normalisation.normalised("amplitude", scan.amplitude), normalisation.normalised("phase", scan.phase)
    labels = np.stack([windows(image, scan.true_positions[indices], scan.window) for image in images], axis=1)
    photons = read_patterns(dataset, indices)
    seen = torch.from_numpy(network_input(photons, inputs))
    patterns = seen if inputs == "log" else torch.from_numpy(network_input(photons, "log"))
    return Examples(seen, patterns, torch.from_numpy(labels))
