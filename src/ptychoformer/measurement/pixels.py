"""Detector pixels: which are not to be trusted, what stands in for them, and where the beam falls."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import binary_dilation, distance_transform_edt, median_filter, rank_filter
from scipy.sparse import csr_array

from ptychoformer.errors import InputError

# A hot pixel is this many times brighter than what surrounds it, as no fringe is of a beam that leaves half of its window dark.
HOT = 10.0
# A dead pixel counts nothing where its neighbours count this many photons in the whole scan, which chance does in one of 20,000.
ALIVE = 10.0
# Of the beam's peak; what is fainter is scattered by the object, and need not lie around the beam.
BEAM = 0.1
NEIGHBOURS = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], bool)
SURROUNDINGS = np.pad(NEIGHBOURS, 1, constant_values=True)
_OFFSETS = np.argwhere(NEIGHBOURS) - 1


@dataclass(frozen=True)
class Survey:
    """What a detector (h, w) recorded in a whole scan of n patterns.

    Args:
        total: (n,) counts of each pattern.
        mean: (h, w) float64.
        lowest: (h, w) float32.
        highest: (h, w) float32.
    """

    total: np.ndarray
    mean: np.ndarray
    lowest: np.ndarray
    highest: np.ndarray


def survey(blocks: Iterable[np.ndarray], frame: tuple[int, int]) -> Survey:
    """Look at all patterns once, ``blocks`` of (m, h, w) at a time."""
    total, summed = [], np.zeros(frame)
    lowest, highest = np.full(frame, np.inf, np.float32), np.full(frame, -np.inf, np.float32)
    for block in blocks:
        total.append(block.sum(axis=(1, 2), dtype=np.float64))
        summed += block.sum(axis=0, dtype=np.float64)
        np.minimum(lowest, block.min(axis=0), out=lowest)
        np.maximum(highest, block.max(axis=0), out=highest)
    total = np.concatenate(total)
    return Survey(total, summed / len(total), lowest, highest)


class Filling:
    """Bad pixels (h, w) bool take the mean of their good neighbours; those without one, the value of the nearest good pixel.

    Raises:
        InputError: no pixel is good.
    """

    def __init__(self, bad: np.ndarray):
        if bad.all():
            raise InputError("No pixel of the detector is good.")
        beside = bad & binary_dilation(~bad, np.ones((3, 3)))
        neighbours = np.argwhere(beside)[:, None] + _OFFSETS
        good = ~np.pad(bad, 1, constant_values=True)[tuple(np.moveaxis(neighbours + 1, 2, 0))]
        sources, rows = np.ravel_multi_index(tuple(neighbours[good].T), bad.shape), np.nonzero(good)[0]
        shares = (1 / good.sum(axis=1))[rows]
        self._targets = np.flatnonzero(beside)
        if (inside := bad & ~beside).any():
            nearest = distance_transform_edt(bad, return_distances=False, return_indices=True)[:, inside]
            sources = np.concatenate([sources, np.ravel_multi_index(tuple(nearest), bad.shape)])
            rows = np.concatenate([rows, len(self._targets) + np.arange(nearest.shape[1])])
            shares = np.concatenate([shares, np.ones(nearest.shape[1])])
            self._targets = np.concatenate([self._targets, np.flatnonzero(inside)])
        self._sources, columns = np.unique(sources, return_inverse=True)
        shape = len(self._sources), len(self._targets)
        self._weights = csr_array((shares.astype(np.float32), (columns, rows)), shape=shape)

    def __call__(self, patterns: np.ndarray) -> np.ndarray:
        """``patterns`` (m, h, w), which are filled in place."""
        if len(self._targets):
            flat = patterns.reshape(len(patterns), -1)
            flat[:, self._targets] = flat[:, self._sources] @ self._weights
        return patterns


def blind_pixels(seen: Survey, saturation: float | None) -> np.ndarray:
    """(h, w) bool: always at the largest count there is, or below zero, which is how detectors mark gaps and defects."""
    blind = seen.highest < 0
    return blind if saturation is None else blind | (seen.lowest >= np.float32(saturation))


def defects(seen: Survey, mean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Hot and dead pixels, each (h, w) bool.

    A hot pixel outshines the 24 around it but for two, a dead one counts less than its eight neighbours but for one: they may be bad too.
    Compared with the median of its neighbours, the fringes and sharp edges of a beam would be defects. The direct beam, with the brightest
    neighbours of all, is never hot: behind an object that scatters little it can be as narrow as a pixel.

    Args:
        mean: (h, w) pattern in which the pixels already known to be bad are filled.
    """
    brightest = rank_filter(mean, -3, footprint=SURROUNDINGS, mode="mirror")
    darkest = rank_filter(mean, 1, footprint=NEIGHBOURS, mode="mirror")
    # In the dark, where nothing around it counts, a hot pixel is one brighter than the detector is on average.
    hot = mean > HOT * np.maximum(brightest, 0) + max(mean.mean(), 0)
    hot.flat[median_filter(mean, footprint=NEIGHBOURS, mode="mirror").argmax()] = False
    return hot, (seen.highest <= 0) & (len(seen.total) * darkest >= ALIVE)


def beam_centre(mean: np.ndarray) -> tuple[int, int]:
    """The pixel (y, x) at the centre of mass of what is bright in a mean pattern (h, w) whose bad pixels are filled."""
    smooth = median_filter(mean, 3, mode="mirror")
    background, peak = np.median(smooth), smooth.max()
    weight = np.clip(smooth - background - BEAM * (peak - background), 0, None)
    if not weight.any():
        return mean.shape[0] // 2, mean.shape[1] // 2
    rows, columns = weight.sum(axis=1), weight.sum(axis=0)
    return tuple(round(np.average(np.arange(len(part)), weights=part)) for part in (rows, columns))
