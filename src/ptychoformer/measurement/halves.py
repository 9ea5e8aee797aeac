"""A scan as two scans with half of its patterns each, of which two objects can be reconstructed
that share no noise.

Which half a pattern belongs to is drawn in pairs: of two neighbours one goes here and one there.
So each half reaches all of the object with an even density, and its step is no longer than need be,
about sqrt(2) times that of the whole. A draw without pairs would leave holes, where a half does not
overlap with itself; every other pattern of a raster is a stripe, whose step doubles along one axis;
and a chessboard is a raster again, whose artefacts both halves would share.
"""

from dataclasses import replace

import numpy as np

from ptychoformer.errors import InputError
from ptychoformer.measurement.preparation import PreparedScan
from ptychoformer.measurement.readers.scan import chosen
from ptychoformer.randomness import generator

FEWEST = 8  # patterns that can be halved


def halves(positions: np.ndarray, seed: int) -> np.ndarray:
    """Draw which of n patterns at ``positions`` (n, 2) are in the second half, (n,) bool."""
    order = np.concatenate(_pairs(positions, np.arange(len(positions))))
    first = generator(seed, "halves").integers(0, 2, (len(order) + 1) // 2).astype(bool)
    second = np.empty(len(order), bool)
    second[order] = np.stack([first, ~first], axis=1).ravel()[: len(order)]
    return second


def _pairs(positions: np.ndarray, those: np.ndarray) -> list[np.ndarray]:
    """Pair the numbers of neighbours; of an odd number the last three stay together. ``those`` are
    cut in two along their longer axis, an even number on one side, until two are left.
    """
    if len(those) <= 3:
        return [those]
    along = positions[those, np.ptp(positions[those], axis=0).argmax()]
    ordered, middle = those[np.argsort(along, kind="stable")], len(those) // 4 * 2
    return _pairs(positions, ordered[:middle]) + _pairs(positions, ordered[middle:])


def half_of(scan: PreparedScan, half: int, seed: int) -> PreparedScan:
    """Take the first (0) or second (1) half of a scan; the object keeps its origin.

    Raises:
        InputError: the scan has too few patterns.
    """
    if len(scan.positions) < FEWEST:
        raise InputError(f"Two halves need at least {FEWEST} patterns that can be used, found {len(scan.positions)}.")
    which = halves(scan.positions, seed) == bool(half)
    parts = {name: getattr(scan, name)[which] for name in ("positions", "counts", "part_counts", "centres", "numbers")}
    return replace(scan, **parts, frames=lambda size: chosen(scan.frames(size), which))
