"""Structural similarity that gradients flow through."""

from math import exp

import torch
from torch import Tensor

from ptychoformer.similarity import C1, C2, RADIUS, SIGMA

_GAUSSIAN = [exp(-0.5 * (offset / SIGMA) ** 2) for offset in range(-RADIUS, RADIUS + 1)]
_WEIGHTS = [value / sum(_GAUSSIAN) for value in _GAUSSIAN]  # of the window's pixels along an axis


def ssim(first: Tensor, second: Tensor) -> Tensor:
    """Compute the mean structural similarity of images (batch, channels, h, w) with a peak of 1, as
    `evaluation.scores.ssim_map` does.
    """
    both = torch.stack([first, second, first * first, second * second, first * second])
    mean_1, mean_2, square_1, square_2, product = _window_mean(both.flatten(0, 2)).unflatten(0, both.shape[:3])
    luminance = (2 * mean_1 * mean_2 + C1) / (mean_1**2 + mean_2**2 + C1)
    structure = (2 * (product - mean_1 * mean_2) + C2) / (square_1 - mean_1**2 + square_2 - mean_2**2 + C2)
    return (luminance * structure).mean()


def _window_mean(images: Tensor) -> Tensor:
    """Compute the Gaussian mean around each pixel of images (n, h, w), mirrored at the edges of
    their outermost pixels as SciPy's ``reflect`` does.

    No convolution, which a GPU may shorten to TF32: a variance is the small difference of two
    means.
    """
    for dim in (-2, -1):
        # torch's own padding mirrors about the centres of the outermost pixels; two flips make
        # SciPy's.
        size = images.shape[dim]
        head, tail = images.narrow(dim, 0, RADIUS), images.narrow(dim, size - RADIUS, RADIUS)
        padded = torch.cat([head.flip(dim), images, tail.flip(dim)], dim=dim)
        images = sum(weight * padded.narrow(dim, start, size) for start, weight in enumerate(_WEIGHTS))
    return images
