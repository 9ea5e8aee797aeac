"""Where the windows of a scan lie on the object: corners (y, x) in pixels, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ptychoformer.errors import InputError

# The workflow counts positions while it parses, so that NumPy is imported only where arrays are
# made.
if TYPE_CHECKING:
    import numpy as np

GREATEST_OVERLAP = 0.95
TRAIN_FRACTION = 0.8  # of the rows, the authors' split
# Named blocks of the patterns that are tested, see `training.split`; the first three are those of a
# scan on a grid.
LOWER_RIGHT, LOWER_LEFT, STRIP, WHOLE_SCAN = "lower_right", "lower_left", "strip", "scan"
GRID_BLOCKS = (LOWER_RIGHT, LOWER_LEFT, STRIP)


def step_of(window: int, overlap: float) -> int:
    """Count the pixels between neighbouring positions whose windows share the fraction ``overlap``
    of their side; at least one.

    Raises:
        InputError: ``overlap`` lies outside 0 to 0.95.
    """
    if not 0 <= overlap <= GREATEST_OVERLAP:
        raise InputError(f"scan.overlap: {overlap} is not allowed; it must be between 0 and {GREATEST_OVERLAP}.")
    return max(1, round(window * (1 - overlap)))


def grid_of(shape: Sequence[int], window: int, overlap: float) -> tuple[int, int]:
    """Count rows and columns of a raster of square windows that stay on an object of ``shape``
    (H, W).

    Raises:
        InputError: the object is smaller than the window, or ``overlap`` is out of range.
    """
    height, width = shape
    if min(height, width) < window:
        raise InputError(f"An object of {height} x {width} pixels is too small for a probe of {window} x {window}.")
    step = step_of(window, overlap)
    return (height - window) // step + 1, (width - window) // step + 1


def train_rows(rows: int) -> int:
    """Count the first rows of a scan that train; the others are kept for testing."""
    return int(TRAIN_FRACTION * rows)


def raster(shape: Sequence[int], window: int, overlap: float) -> np.ndarray:
    """List the corners (n, 2) int64 of the scan, row by row from the object's upper left corner.

    Raises:
        InputError: see `grid_of`.
    """
    import numpy as np

    rows, columns = np.indices(grid_of(shape, window, overlap))
    return np.stack([rows.ravel(), columns.ravel()], axis=1).astype(np.int64) * step_of(window, overlap)


def jittered(
    positions: np.ndarray, jitter: int, shape: Sequence[int], window: int, rng: np.random.Generator
) -> np.ndarray:
    """Move corners (n, 2) int64 by a uniform integer of up to ``jitter`` pixels per axis either
    way, and keep them on the object.

    Only positions within ``jitter`` pixels of the object's border can meet it, and there the law is
    no longer uniform.
    """
    import numpy as np

    moved = positions + rng.integers(-jitter, jitter, positions.shape, endpoint=True)
    return np.clip(moved, 0, np.subtract(shape, window))
