"""The probe that a reconstruction begins with, from the scan's own patterns: the square roots of
all of them, (n, h, w), zero frequency at [0, 0].
"""

import numpy as np
import torch

from ptychoformer.measurement.iterative import TINY

BLOCK = 1024  # patterns looked at together


def first_probe(amplitudes: torch.Tensor) -> np.ndarray:
    """A probe (h, w) complex64 that nobody measured: flat in phase on the detector, with the
    amplitude of the mean of all patterns, each divided by its photons, so that no bright one tells
    its shape alone.
    """
    total, mean = _photons(amplitudes), torch.zeros(amplitudes.shape[1:], dtype=torch.float64)
    for part, photons in zip(amplitudes.split(BLOCK), total.split(BLOCK), strict=True):
        mean += (part.square() / photons.clamp_min(TINY)[:, None, None]).sum(dim=0)
    return np.fft.fftshift(np.fft.ifft2((mean / len(total) * total.median()).sqrt().numpy(), norm="ortho")).astype(
        np.complex64
    )


def as_bright_as(probe: np.ndarray, amplitudes: torch.Tensor) -> np.ndarray:
    """The same probe with as many photons as the brightest pattern, since no object amplifies."""
    return probe * np.float32(np.sqrt(brightest(amplitudes) / max(np.sum(np.abs(probe) ** 2), 1e-30)))


def brightest(amplitudes: torch.Tensor, pixels: torch.Tensor | None = None) -> float:
    """Photons of the brightest pattern, or those on ``pixels`` (h, w) of it; but for the brightest
    tenth, of which one may be brighter by a fault.
    """
    return float(np.quantile(_photons(amplitudes, pixels).numpy(), 0.9, method="lower"))


def _photons(amplitudes: torch.Tensor, pixels: torch.Tensor | None = None) -> torch.Tensor:
    """(n,) of each pattern, or those on ``pixels`` (h, w), bool, of it."""
    parts = (part.square() for part in amplitudes.split(BLOCK))
    return torch.cat([(part if pixels is None else part * pixels).sum(dim=(1, 2)) for part in parts])
