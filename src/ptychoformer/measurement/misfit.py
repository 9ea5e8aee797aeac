"""R factors to hold a reconstruction's against, from the patterns alone: the square roots of all of
them, (n, h, w).

The true object has one too, as counts scatter about what is expected: by sqrt(lambda) where hardly
any light falls, and by 0.4 in amplitude where much does, however much it is. And an object that is
the same everywhere makes every pattern their mean, which is right in what all of them share.
"""

import numpy as np
import torch
from scipy.special import gammaln, xlogy

BLOCK = 2**22  # pixels looked at together
BRIGHT = 300.0  # photons, beyond which an error in amplitude is the same to a part in a thousand
_EXPECTED = np.concatenate([[0.0], np.geomspace(1e-6, BRIGHT, 400)])


def counting_noise(amplitudes: torch.Tensor, good: torch.Tensor) -> float:
    """Compute the R factor that the true object would have, if patterns are photons that were
    counted one by one: as many at each pixel as on average of all patterns. Where patterns differ
    much and have a photon or less a pixel, that is up to a fifth too high.

    Args:
        good: (h, w) bool, detector pixels that are trusted.
    """
    errors = _errors_in_amplitude(_mean(amplitudes)[good].numpy())
    return float(len(amplitudes) * errors.sum()) / _recorded(amplitudes, good)


def misfit_of_mean(amplitudes: torch.Tensor, good: torch.Tensor) -> float:
    """Compute the R factor of a model whose patterns are all the mean of those recorded.

    Args:
        good: (h, w) bool, detector pixels that are trusted.
    """
    mean = _mean(amplitudes).sqrt().float()
    errors = sum(((part - mean).abs() * good).sum(dtype=torch.float64).item() for part in _parts(amplitudes))
    return errors / _recorded(amplitudes, good)


def _errors_in_amplitude(expected: np.ndarray) -> np.ndarray:
    """Average |sqrt(k) - sqrt(lambda)| over the counts k of pixels with lambda ``expected``."""
    counts = np.arange(2 * BRIGHT)[:, None]
    poisson = np.exp(xlogy(counts, _EXPECTED) - _EXPECTED - gammaln(counts + 1))
    errors = np.abs(np.sqrt(counts) - np.sqrt(_EXPECTED)) * poisson
    return np.interp(expected, _EXPECTED, errors.sum(axis=0))


def _mean(amplitudes: torch.Tensor) -> torch.Tensor:
    """Average the photons (h, w), float64, of all patterns."""
    total = sum(part.square().sum(dim=0, dtype=torch.float64) for part in _parts(amplitudes))
    return total / len(amplitudes)


def _recorded(amplitudes: torch.Tensor, good: torch.Tensor) -> float:
    return sum((part * good).sum(dtype=torch.float64).item() for part in _parts(amplitudes))


def _parts(amplitudes: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return amplitudes.split(max(1, BLOCK // amplitudes[0].numel()))
