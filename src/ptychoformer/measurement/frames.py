"""Patterns of a measured scan that are not to be used: without light, overexposed as a whole,
repeated, or far from all others in their total of photons.
"""

from collections.abc import Mapping

import numpy as np
from scipy.spatial import KDTree

from ptychoformer.measurement.pixels import Survey

# How a pattern that is left out is described, by the reason; each pattern has the first reason that
# holds.
REASONS = {
    "empty": "hold no light",
    "overexposed": "are overexposed in more than a tenth of their pixels",
    "repeated": "repeat an earlier one",
    "dim": "hold far less light than the others",
    "bright": "hold far more light than the others",
}
# No object in a scan whose windows overlap makes a few patterns ten times brighter, or dimmer, than
# nine tenths of the others.
FEW = 0.1
FAR = 10.0
# Nor are patterns with a hundredth of the median worth having, however many they are: a beam that
# was off for a while.
DARK = 0.01
# Where more of a pattern's pixels are overexposed than usual, by so much of the frame, it is left
# out rather than those pixels in all patterns.
FULL = 0.1
AROUND = 4  # nearest positions that a pattern is compared with
FEWEST = 8  # patterns that make a distribution
# Two counted patterns with fewer photons may be the same by chance.
ENOUGH = 100
SHOWN = 4  # ranges of numbers in a sentence


def unusable(seen: Survey, positions: np.ndarray) -> dict[str, np.ndarray]:
    """Find which of n patterns at ``positions`` (n, 2) are not to be used: (n,) bool for each of
    `REASONS`, no pattern under two of them.
    """
    lit = seen.total > 0
    over = lit & overexposed(seen)
    repeated = lit & ~over & _repeated(seen)
    if np.sum(lit & ~repeated) < 2:  # then it is no frame that was written twice, but a scan in which nothing changes
        repeated[:] = False
    found = {"empty": ~lit, "overexposed": over, "repeated": repeated}
    found |= {"dim": np.zeros_like(lit), "bright": np.zeros_like(lit)}
    usual = lit & ~over & ~repeated
    if usual.sum() >= FEWEST:
        total = seen.total[usual]
        lowest, highest = np.quantile(total, FEW, method="higher"), np.quantile(total, 1 - FEW, method="lower")
        found["dim"] = usual & (seen.total < max(lowest / FAR, DARK * np.median(total)))
        bright = usual & (seen.total > FAR * highest)
        # What makes patterns all around as bright is the object.
        around = KDTree(positions).query(positions, 1 + AROUND)[1][:, 1:]
        found["bright"] = bright & (bright[around].sum(axis=1) < AROUND / 2)
    return found


def overexposed(seen: Survey) -> np.ndarray:
    """Find the patterns, (n,) bool, in which so many pixels hold the marker of an overflow, gaps
    aside, that these pixels are not worth losing in all others.
    """
    return seen.marked > np.median(seen.marked) + FULL * seen.mean.size


def _repeated(seen: Survey) -> np.ndarray:
    """Find the patterns, (n,) bool, with the same counts as an earlier one. Without noise, which
    whole numbers show, equal parts of an object look equal.
    """
    if not seen.whole:
        return np.zeros(len(seen.digest), bool)
    _, first = np.unique(seen.digest, axis=0, return_index=True)
    repeated = np.ones(len(seen.digest), bool)
    repeated[first] = False
    return repeated & (seen.total >= ENOUGH)


def sentences(path: object, left_out: Mapping[str, np.ndarray], count: int, kept: bool) -> tuple[str, ...]:
    """Put in words which patterns are unusable, a sentence for each reason.

    Args:
        left_out: their numbers for each of `REASONS`.
        count: patterns in the file.
        kept: whether they are used all the same.
    """
    fate = "they are used, as was asked for" if kept else "they are left out (--keep-frames keeps them)"
    return tuple(
        f"{path}: {len(numbers)} of {count} patterns {REASONS[reason]}, {fate}: {ranges(numbers)}."
        for reason, numbers in left_out.items()
        if len(numbers)
    )


def ranges(numbers: np.ndarray) -> str:
    """Put increasing ``numbers`` in words, such as 3, 7-9 and 12 more."""
    parts = np.split(numbers, np.flatnonzero(np.diff(numbers) != 1) + 1)
    shown = ", ".join(str(part[0]) if len(part) == 1 else f"{part[0]}-{part[-1]}" for part in parts[:SHOWN])
    more = sum(map(len, parts[SHOWN:]))
    return f"{shown} and {more} more" if more else shown
