"""Patterns that a file has at one place, though they are not of one place, since their positions
were never written.

Exposures that were repeated at one place differ by noise alone. What else differs is found in
counts of parts of the frame. Each part is summed over two sets of its pixels, which lie so far
apart that not even a photon which several pixels share makes the same noise in both, while what the
object does to a part is the same. So the product of their deviations is free of noise on average,
whatever a photon counts as.
"""

import numpy as np
from scipy.spatial import KDTree

from ptychoformer.measurement.frames import FEWEST, ranges
from ptychoformer.measurement.groups import means_of_groups
from ptychoformer.measurement.pixels import part_counts
from ptychoformer.measurement.readers import RawScan
from ptychoformer.measurement.readers.scan import chosen

# Of what patterns of different places differ, that those of one place may: a sample that drifts, a
# beam that moves.
ALIKE = 0.25
# It is told only where the place decides: both sets of pixels agree about different places, with
# such a correlation, and neighbours are alike, by such a part of the difference.
SURE, NEAR = 0.75, 0.1
SETS = 6  # diagonals after which pixels of a set come again; the other set lies in the middle
UNITS = {"metres": "m", "frame pixels": "pixels"}


def about_places(raw: RawScan, used: np.ndarray, good: np.ndarray, at_once: int) -> tuple[str, ...]:
    """Warn of many patterns at one place that differ as those of different places do.

    Args:
        used: (n,) bool, patterns that tell.
        good: (h, w) bool, pixels that do.
        at_once: patterns in memory together.
    """
    places, first, at, size = np.unique(
        raw.positions[used], axis=0, return_index=True, return_inverse=True, return_counts=True
    )
    if len(places) < FEWEST or size.max() < FEWEST:
        return ()
    shares = _shares(raw, used, good, at_once)
    one, other = (set_[first] - set_[first].mean(axis=0) for set_ in shares)
    near = KDTree(places).query(places, 2)[1][:, 1]
    apart = np.sum(one * other)
    if apart < SURE * np.linalg.norm(one) * np.linalg.norm(other) or np.sum(one * other[near]) < NEAR * apart:
        return ()
    one, other = (set_ - means_of_groups(set_, at)[at] for set_ in shares)
    within = np.where(size < FEWEST, 0, np.bincount(at, np.sum(one * other, axis=1)) / np.maximum(size - 1, 1))
    worst = within.argmax()
    if within[worst] <= ALIKE * apart / (len(places) - 1):
        return ()
    y, x = places[worst] + 0.0  # -0 is 0
    return (
        f"{raw.path}: {size[worst]} patterns are at one place, y {y:.6g} and x {x:.6g} {UNITS[raw.unit]}, yet differ as"
        " those of different places do; their positions may never have been written, or sample or beam moved:"
        f" {ranges(raw.numbered[used][at == worst])}.",
    )


def _shares(raw: RawScan, used: np.ndarray, good: np.ndarray, at_once: int) -> list[np.ndarray]:
    """Count parts of the frame in each ``used`` pattern, (n, 16) by either set of ``good`` pixels,
    as parts of all that both count.
    """
    diagonal = np.indices(raw.frame).sum(axis=0) % SETS
    sets = [good & (diagonal == first) for first in (0, SETS // 2)]
    found = [
        np.stack([part_counts(block, pixels) for pixels in sets], axis=1) for block in chosen(raw.frames(at_once), used)
    ]
    counts = np.concatenate(found).astype(np.float64).reshape(used.sum(), 2, -1)
    counts /= np.maximum(counts.sum(axis=(1, 2), keepdims=True), np.finfo(float).tiny)
    return [counts[:, 0], counts[:, 1]]
