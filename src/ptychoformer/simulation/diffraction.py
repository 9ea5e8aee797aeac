"""Far-field diffraction patterns and the detector that counts them (Eq. 2).

    I_j = Poisson(eta |F{mu P O + (1 - mu) P E[O]}|^2) + N(0, sigma^2)

with P the probe at position r_j + delta r_j, O the object within its window and E[O] its mean
there, mu the coherence, eta the detector's efficiency and sigma its read-out noise.
"""

from collections.abc import Mapping

import numpy as np
from scipy.fft import fft2, fftshift


def exit_waves(probe: np.ndarray, objects: np.ndarray, coherence: float) -> np.ndarray:
    """Compute mu P O + (1 - mu) P E[O], (n, h, w), of ``probe`` (h, w) and object windows
    (n, h, w); mu is ``coherence``.
    """
    mean = objects.mean(axis=(1, 2), keepdims=True)
    return probe * (coherence * objects + (1 - coherence) * mean)


def diffraction(waves: np.ndarray, workers: int = 1) -> np.ndarray:
    """Compute |F{waves}|^2 (n, h, w) in the precision of ``waves``; the zero frequency is at
    (h // 2, w // 2).

    The transform is unitary, so a pattern holds as many photons as its exit wave (Parseval).
    """
    spectrum = fft2(waves, norm="ortho", workers=workers)
    return fftshift(spectrum.real**2 + spectrum.imag**2, axes=(1, 2))


def detect(
    intensity: np.ndarray, detector: Mapping[str, float | bool], shot: np.random.Generator, readout: np.random.Generator
) -> np.ndarray:
    """Draw what a detector records of ``intensity`` (n, h, w) photons, same shape, float32.

    Photon noise and read-out noise have a generator each, so that patterns do not depend on how
    many are drawn at a time.

    Args:
        intensity: expected photons.
        detector: ``efficiency`` eta, ``poisson`` whether photons are counted one by one,
            ``read_noise`` sigma in photons.
        shot: draws the photons.
        readout: draws the read-out noise, which can leave less than no photons.
    """
    recorded = detector["efficiency"] * intensity
    if detector["poisson"]:
        recorded = shot.poisson(recorded)
    recorded = recorded.astype(np.float32)
    if detector["read_noise"] > 0:
        recorded += detector["read_noise"] * readout.standard_normal(recorded.shape, np.float32)
    return recorded
