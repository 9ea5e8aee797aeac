"""What patches that pass by tell of each other's constants: the right-hand side of `synchronise`,
without keeping a patch.

    b_i = sum_p w_i(p) N(p) - sum_p w_i(p) phi_i(p) T(p)

The first sum needs no patch, but the final sum N of all; it is taken from rows of N when they are
final. The second needs the patch, and the sum T of all weights, also those of patches still to
come; but T is known from positions alone, ahead of the patches.
"""

import numpy as np

from ptychoformer.evaluation.band import Rows
from ptychoformer.evaluation.synchronise import pulled


class Disagreement:
    """Gathers b.

    Args:
        corners: (n, 2) whole pixels, in the order in which the patches will pass; the smallest of
            each axis is 0.
        weights: (h, w) of a patch's pixels.

    Attributes:
        values: (n,) b, once all patches and all rows have passed.
    """

    def __init__(self, corners: np.ndarray, weights: np.ndarray):
        self.values = np.zeros(len(corners))
        self._corners, self._weights = corners, weights
        self._downwards = np.argsort(corners[:, 0])
        self._first_rows = corners[self._downwards, 0]
        self._total = Rows(1, tuple(corners.max(axis=0) + weights.shape))
        self._placed = self._passed = 0

    def pass_patches(self, phase: np.ndarray) -> None:
        """Take the next patches' phase (m, h, w), before any of their rows is passed."""
        part = slice(self._passed, self._passed + len(phase))
        corners = self._corners[part]
        self._place(corners[:, 0].max() + len(self._weights))
        self.values[part] -= pulled(self._total.sums[0], corners - (self._total.top, 0), self._weights, phase)
        self._passed = part.stop

    def _place(self, bottom: int) -> None:
        """Complete T above row ``bottom``: add the weights of all patches that reach there."""
        upto = np.searchsorted(self._first_rows, bottom)
        if upto > self._placed:
            corners = self._corners[self._downwards[self._placed : upto]]
            self._total.add(corners, [np.broadcast_to(self._weights, (len(corners), *self._weights.shape))])
            self._placed = upto

    def pass_rows(self, start: int, weighted: np.ndarray) -> None:
        """Take rows (r, W) of N, from row ``start`` on, that no patch to come will touch, from
        top to bottom.
        """
        height, stop = len(self._weights), start + len(weighted)
        self._total.take(stop)
        above = start - height + 1  # the first row of the first window that reaches down here
        touched = self._downwards[slice(*np.searchsorted(self._first_rows, (above, stop)))]
        padded = np.pad(weighted, ((height - 1, height - 1), (0, 0)))
        self.values[touched] += pulled(padded, self._corners[touched] - (above, 0), self._weights)
