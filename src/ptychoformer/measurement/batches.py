"""Windows of a scan in random batches that share no pixel: updated together, they are updated
as if one after the other.
"""

import numpy as np

FINEST = 16
PIXELS_PER_BATCH = 2**22


def disjoint_batches(
    corners: np.ndarray, window: tuple[int, int], rng: np.random.Generator, modes: int = 1
) -> list[np.ndarray]:
    """Divide the indices of all windows, each once, into batches within which no two windows
    overlap; every call divides them anew.

    Positions are sorted into square cells, of which a window spans ``k``. Cells whose indices are
    equal modulo ``k + 1`` lie a window apart, so one position from each of them makes a batch.
    Cells about as wide as the scan's step give the largest batches.

    Args:
        corners: (n, 2) whole pixels.
        window: (h, w).
        modes: how many exit waves each window has, all of which are in memory at once.
    """
    spacing = np.sqrt((np.ptp(corners, axis=0) + 1).prod() / len(corners))
    per_window = int(np.clip(round(min(window) / spacing), 1, FINEST))
    side, modulus = -(-max(window) // per_window), per_window + 1
    cells = (corners - corners.min(axis=0) + rng.integers(side * modulus, size=2)) // side
    within = cells % modulus
    rank = _rank_within(cells[:, 0] * (cells[:, 1].max() + 1) + cells[:, 1], rng)
    batch = (rank * modulus + within[:, 0]) * modulus + within[:, 1]
    order = np.argsort(batch, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(batch[order])) + 1)
    largest = max(1, PIXELS_PER_BATCH // (modes * window[0] * window[1]))
    parts = [part[start : start + largest] for part in parts for start in range(0, len(part), largest)]
    return [parts[place] for place in rng.permutation(len(parts))]


def _rank_within(group: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Number the members of each group 0, 1, 2, ... in random order, (n,)."""
    order = rng.permutation(len(group))
    order = order[np.argsort(group[order], kind="stable")]
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    rank = np.empty(len(group), np.int64)
    rank[order] = np.arange(len(group)) - np.repeat(starts, np.diff(starts, append=len(group)))
    return rank
