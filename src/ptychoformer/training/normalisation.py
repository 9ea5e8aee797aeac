"""Labels between 0 and 1, with constants that come from training patterns alone and travel with
the checkpoint.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np

from ptychoformer.measurement.cxi import Scan
from ptychoformer.measurement.windows import windows
from ptychoformer.training.split import times_lit


@dataclass(frozen=True)
class Normalisation:
    """Map amplitude (arbitrary units) and phase (radians) to [0, 1] over the training labels."""

    amplitude_min: float
    amplitude_max: float
    phase_min: float
    phase_max: float

    @classmethod
    def of(cls, amplitude: np.ndarray, phase: np.ndarray) -> "Normalisation":
        """Take the constants from training labels of any shape."""
        return cls(*(float(limit) for limit in (amplitude.min(), amplitude.max(), phase.min(), phase.max())))

    @classmethod
    def from_attributes(cls, attributes: Mapping) -> "Normalisation":
        """Read back what ``as_attributes`` stored."""
        return cls(**{name: float(attributes[name]) for name in cls.__dataclass_fields__})

    def as_attributes(self) -> dict[str, float]:
        """Return the constants by name, for the attributes of an HDF5 group or a checkpoint."""
        return asdict(self)

    def normalised(self, channel: str, values: np.ndarray) -> np.ndarray:
        """Put values of ``amplitude`` (arbitrary units) or ``phase`` (radians) on the scale of the
        labels, same shape, float32.
        """
        low, contrast = self._scale(channel)
        return ((values - low) / contrast).astype(np.float32)

    def restored(self, channel: str, values: np.ndarray) -> np.ndarray:
        """Take labels of ``amplitude`` or ``phase`` back to arbitrary units or radians, same
        shape.
        """
        low, high = self.limits(channel)
        return low + (high - low) * values

    def limits(self, channel: str) -> tuple[float, float]:
        """Tell what the labels' 0 and 1 stand for in ``amplitude`` (arbitrary units) or ``phase``
        (radians).
        """
        low, contrast = self._scale(channel)
        return low, low + contrast

    def _scale(self, channel: str) -> tuple[float, float]:
        low, high = getattr(self, f"{channel}_min"), getattr(self, f"{channel}_max")
        # An object without contrast in one channel is all zeros there.
        return low, high - low if high > low else 1.0


def label_windows(scan: Scan, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut amplitude and phase out of the object where the window really was, each (n, h, w)."""
    corners = scan.true_positions[indices]
    return windows(scan.amplitude, corners, scan.window), windows(scan.phase, corners, scan.window)


def training_normalisation(scan: Scan, indices: np.ndarray) -> Normalisation:
    """Take the constants from the labels of the training patterns ``indices`` alone; memory grows
    with the object, not with them.
    """
    lit = times_lit(scan, indices) > 0
    return Normalisation.of(scan.amplitude[lit], scan.phase[lit])


def label_statistics(scan: Scan, indices: np.ndarray, scale: Normalisation) -> tuple[np.ndarray, np.ndarray]:
    """Compute mean and standard deviation (2,) of amplitude and phase over the windows of the
    patterns ``indices``, on their 0 to 1 scale; memory grows with the object, not with the
    patterns.
    """
    # A pixel of the object is a label in as many windows as it lies in.
    times = times_lit(scan, indices)
    images = scale.normalised("amplitude", scan.amplitude), scale.normalised("phase", scan.phase)
    means = [np.average(image, weights=times) for image in images]
    squares = [np.average((image - mean) ** 2, weights=times) for image, mean in zip(images, means, strict=True)]
    return np.array(means), np.sqrt(squares)
