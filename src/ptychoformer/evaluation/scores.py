"""MSE, PSNR and SSIM of images with a peak of 1, over regions of their pixels."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.ndimage import binary_erosion, gaussian_filter

from ptychoformer.similarity import C1, C2, RADIUS, SIGMA

# Predictions are stored in single precision: a mean square below this is its rounding, not an
# error.
ROUNDING = 1e-13


def psnr(mse: np.ndarray) -> np.ndarray:
    """Compute the peak signal-to-noise ratio for peak 1, dB; infinite for a perfect match."""
    with np.errstate(divide="ignore"):  # the logarithm of zero is the infinity that is meant
        return -10 * np.log10(mse)


LEAST_ERROR_PSNR = float(psnr(np.asarray(ROUNDING)))  # 130 dB, the highest that is finite


@dataclass(frozen=True)
class Images:
    """Images (..., h, w) in double precision, and what SSIM knows of them alone."""

    values: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> "Images":
        """Take images of any type."""
        return cls(np.asarray(values, np.float64))

    @cached_property
    def mean(self) -> np.ndarray:
        """The mean around each pixel, same shape."""
        return _window_mean(self.values)

    @cached_property
    def squared_mean(self) -> np.ndarray:
        """The square of ``mean``."""
        return self.mean**2

    @cached_property
    def variance(self) -> np.ndarray:
        """The population variance around each pixel, same shape."""
        return _window_mean(self.values * self.values) - self.squared_mean


@dataclass(frozen=True)
class Region:
    """Pixels that are scored together.

    Args:
        pixels: (h, w) bool.
    """

    pixels: np.ndarray

    @cached_property
    def whole_windows(self) -> np.ndarray:
        """(h, w) bool, pixels whose whole SSIM window lies in the region."""
        side = 2 * RADIUS + 1
        return binary_erosion(binary_erosion(self.pixels, np.ones((1, side))), np.ones((side, 1)))

    def scores(self, squares: np.ndarray, similarity: np.ndarray) -> dict[str, np.ndarray]:
        """Average squared errors and an SSIM map (..., h, w) over the region: MSE, PSNR and SSIM
        (...,), see `scores`.
        """
        mse = unless_rounding(_mean(squares, self.pixels))
        return {"mse": mse, "psnr": psnr(mse), "ssim": _mean(similarity, self.whole_windows)}


def ssim_map(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Compute the structural similarity around each pixel of images (..., h, w), same shape (Wang
    et al. 2004, Eq. 13).

    Population covariance and reflecting borders, as ``skimage.metrics.structural_similarity`` with
    Gaussian weights, but for a whole stack at once.
    """
    return _similarity(Images.of(first), Images.of(second))


def _similarity(first: Images, second: Images) -> np.ndarray:
    means = first.mean * second.mean
    covariance = _window_mean(first.values * second.values) - means
    luminance = (2 * means + C1) / (first.squared_mean + second.squared_mean + C1)
    return luminance * (2 * covariance + C2) / (first.variance + second.variance + C2)


def _window_mean(images: np.ndarray) -> np.ndarray:
    return gaussian_filter(images, SIGMA, mode="reflect", radius=RADIUS, axes=(-2, -1))


def scores(estimate: np.ndarray, truth: np.ndarray, region: np.ndarray) -> dict[str, np.ndarray]:
    """Compute MSE, PSNR (dB) and SSIM of images (..., h, w) over the pixels of ``region`` (h, w)
    bool; each (...,), NaN where it has no pixel.

    SSIM is the mean over those pixels whose whole window lies in the region, so that nothing
    outside of it counts, the border included.
    """
    return scores_by_region(Images.of(estimate), Images.of(truth), [Region(region)])[0]


def scores_by_region(estimate: Images, truth: Images, regions: Iterable[Region]) -> list[dict[str, np.ndarray]]:
    """Find the `scores` of every region; they share one map of squared errors and one of SSIM."""
    squares, similarity = (estimate.values - truth.values) ** 2, _similarity(estimate, truth)
    return [region.scores(squares, similarity) for region in regions]


def unless_rounding(mse: np.ndarray) -> np.ndarray:
    return np.where(mse < ROUNDING, 0.0, mse)


def _mean(images: np.ndarray, region: np.ndarray) -> np.ndarray:
    return images[..., region].mean(axis=-1) if region.any() else np.full(images.shape[:-2], np.nan)


def without_constant(estimate: np.ndarray, truth: np.ndarray, region: np.ndarray) -> np.ndarray:
    """Subtract from images (..., h, w) their mean error over the pixels of ``region`` (h, w)."""
    return estimate - _mean(np.asarray(estimate, np.float64) - truth, region)[..., None, None]
