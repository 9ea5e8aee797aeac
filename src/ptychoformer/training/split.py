"""Which patterns train, which are tested, and which pixels no training pattern illuminates.

The split of a scan on a grid: the first 80 % of its rows train, and the strip of the remaining rows
tests. Scores are given for named blocks of the strip. With n rows in it, ``lower_right`` are its
last n columns, on which the paper tested by all evidence, ``lower_left`` its first n columns, which
the authors' release has tested on since August 2025 (`docs/readings.md`), and ``strip`` is all of
it. Neighbouring patterns overlap, so the strip's first rows share pixels with training; the part of
a block that shares none is *unseen*.

A scan off the grid is split by place: the lowest fifth tests, what shares no pixel with it trains,
and what lies between, the guard band, does neither. Its only block is the ``strip``, and all of it
is unseen. A scan that no network was trained on is tested as a whole, as its only block ``scan``.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ptychoformer.errors import InputError
from ptychoformer.measurement.cxi import Scan
from ptychoformer.measurement.windows import coverage, window_sums
from ptychoformer.randomness import generator
from ptychoformer.simulation.scan import LOWER_LEFT, LOWER_RIGHT, STRIP, TRAIN_FRACTION, WHOLE_SCAN, train_rows

Rectangle = tuple[slice, slice]


@dataclass(frozen=True)
class Split:
    """Patterns of a scan by their part, and the part of the object that training never saw.

    Args:
        scan: the scan that is split.
        train: indices of all patterns that may be trained on, increasing.
        test: indices of all patterns that are tested, increasing.
        blocks: name of a block to the places in ``test`` of its patterns, increasing.
    """

    scan: Scan
    train: np.ndarray
    test: np.ndarray
    blocks: Mapping[str, np.ndarray]

    @cached_property
    def unseen_pixels(self) -> np.ndarray:
        """(H, W) bool, pixels of the object that no pattern of ``train`` illuminates, wherever
        its window really was.
        """
        return times_lit(self.scan, self.train) == 0

    @cached_property
    def unseen_test(self) -> np.ndarray:
        """(len(test),) bool, test patterns whose true window holds unseen pixels only."""
        y, x = self.scan.true_positions[self.test].T
        return window_sums(~self.unseen_pixels, self.scan.window)[y, x] == 0

    def places(self, block: str) -> np.ndarray:
        """Find the places in ``test`` of a block's patterns.

        Raises:
            InputError: the split has no such block.
        """
        if block not in self.blocks:
            raise InputError(
                f"The test patterns of this scan have no block '{block}', they have {', '.join(self.blocks)}."
            )
        return self.blocks[block]

    def rectangle(self, block: str) -> Rectangle:
        """Find the rows and columns of the object that a block covers at its recorded positions."""
        return rectangle_of(self.scan.positions[self.test[self.places(block)]], self.scan.window)


def times_lit(scan: Scan, indices: np.ndarray) -> np.ndarray:
    """Count how many of the patterns ``indices`` illuminate each pixel of the object, (H, W) int64,
    wherever their windows really were.
    """
    return coverage(scan.true_positions[indices], scan.window, scan.amplitude.shape)


def rectangle_of(corners: np.ndarray, window: tuple[int, int]) -> Rectangle:
    """Find the rows and columns that windows at ``corners`` (n, 2) cover together."""
    (top, left), (bottom, right) = corners.min(0), corners.max(0) + window
    return slice(int(top), int(bottom)), slice(int(left), int(right))


def split_of(scan: Scan) -> Split:
    """Split a scan on a grid as the paper does, any other by place.

    Raises:
        InputError: the scan is too small to be split.
    """
    return grid_split(scan) if scan.grid else guarded_split(scan)


def grid_split(scan: Scan) -> Split:
    """Split a scan on a grid as the paper does.

    Raises:
        InputError: the grid is too small to be split.
    """
    rows, columns = scan.grid
    first = train_rows(rows)
    if not 0 < first < rows:
        raise InputError(
            f"A scan of {rows} x {columns} positions is too small to be split: at least 2 rows are needed."
        )
    index = np.arange(rows * columns).reshape(rows, columns)
    places = np.arange((rows - first) * columns).reshape(rows - first, columns)
    side = rows - first
    blocks = {LOWER_RIGHT: places[:, -side:].ravel(), LOWER_LEFT: places[:, :side].ravel(), STRIP: places.ravel()}
    return Split(scan, index[:first].ravel(), index[first:].ravel(), blocks)


def guarded_split(scan: Scan) -> Split:
    """Test the lowest fifth of a scan's extent, train on everything whose windows, recorded and
    true ones, end above it.

    Raises:
        InputError: nothing is left to train on.
    """
    top, true_top = scan.positions[:, 0], scan.true_positions[:, 0]
    tested = top >= top.min() + TRAIN_FRACTION * np.ptp(top)
    border = min(top[tested].min(), true_top[tested].min())
    trained = np.maximum(top, true_top) + scan.window[0] <= border
    if not trained.any():
        raise InputError(
            f"The scan, {np.ptp(top) + scan.window[0]} pixels high, is too small to train on: its lowest fifth is kept"
            f" for testing, and every window of {scan.window[0]} pixels above it shares pixels with that; a larger"
            " --bin (patterns.bin in a config) makes windows smaller."
        )
    return Split(scan, np.flatnonzero(trained), np.flatnonzero(tested), {STRIP: np.arange(tested.sum())})


def whole_scan(scan: Scan) -> Split:
    """Return the split of a scan that networks were not trained on: all of it is test."""
    index = np.arange(len(scan.positions))
    return Split(scan, index[:0], index, {WHOLE_SCAN: index})


def tested_split(scan: Scan, transferred: bool) -> Split:
    """Split a scan by `split_of` for networks that were trained on it, and by `whole_scan` for
    those that were trained on another (``transferred``).

    Raises:
        InputError: the scan is too small to be split.
    """
    return whole_scan(scan) if transferred else split_of(scan)


def training_subset(split: Split, n_train: int, seed: int, how: str) -> np.ndarray:
    """Choose ``n_train`` of the training patterns, increasing.

    Args:
        how: ``scattered``, drawn by the seed from all of them, a smaller subset within the larger;
            or ``square``, the scan's first rows and columns in as square a block as the training
            rows allow, as in the paper's Fig. 7; off the grid, those nearest its corner.

    Raises:
        InputError: there are fewer training patterns.
    """
    if n_train > len(split.train):
        raise InputError(
            f"{n_train} training patterns were asked for, the scan has {len(split.train)} to train on"
            " (--patterns; n_train in a config)."
        )
    if how == "scattered":
        return np.sort(generator(seed, "subset").permutation(split.train)[:n_train])
    return _square(split, n_train) if split.scan.grid else _nearest_the_corner(split, n_train)


def _square(split: Split, n_train: int) -> np.ndarray:
    """Choose training patterns of a grid, in as square a block as its rows and columns allow."""
    index = split.train.reshape(-1, split.scan.grid[1])
    side = math.ceil(math.sqrt(n_train))
    rows = max(min(side, len(index)), math.ceil(n_train / index.shape[1]))
    return index[:rows, : math.ceil(n_train / rows)].ravel()[:n_train]


def _nearest_the_corner(split: Split, n_train: int) -> np.ndarray:
    """Choose training patterns by how far, along either axis, they lie from the upper left."""
    corners = split.scan.positions[split.train]
    distance = (corners - corners.min(axis=0)).max(axis=1)
    return np.sort(split.train[np.argsort(distance, kind="stable")[:n_train]])


def validation_part(indices: np.ndarray, fraction: float, how: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Divide training patterns into fitted and watched ones, at least one of each.

    Args:
        how: ``random`` as published, or ``block``, the last patterns in scan order. Overlapping
            neighbours of random validation patterns are trained on, which hides overfitting.

    Raises:
        InputError: there is one pattern only.
    """
    if len(indices) < 2:
        raise InputError(
            f"{len(indices)} training patterns cannot be divided into fitted and validation ones, at least 2 are"
            " needed."
        )
    count = min(max(1, round(fraction * len(indices))), len(indices) - 1)
    order = generator(seed, "validation").permutation(indices) if how == "random" else indices
    return np.sort(order[: len(order) - count]), np.sort(order[len(order) - count :])
