"""The windows of a scan on its object."""

import numpy as np


def windows(image: np.ndarray, corners: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Cut ``image`` (H, W) at ``corners`` (n, 2), y and x, into windows (n, h, w) of ``shape``."""
    return np.lib.stride_tricks.sliding_window_view(image, shape)[corners[:, 0], corners[:, 1]]


def whole_pixels(positions: np.ndarray) -> np.ndarray:
    """Round ``positions`` to whole pixels, int64, halves up: np.rint takes halves to even numbers,
    which would make steps of 0.5, 1.5, 2.5, ... pixels uneven.
    """
    return np.floor(positions + 0.5).astype(np.int64)


def window_sums(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Sum an ``image`` (H, W) over its windows of ``shape`` (h, w) at every corner,
    (H - h + 1, W - w + 1), from cumulative sums, so that memory does not grow with the window.
    """
    height, width = shape
    total = np.pad(image, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    return total[height:, width:] - total[:-height, width:] - total[height:, :-width] + total[:-height, :-width]


def coverage(corners: np.ndarray, window: tuple[int, int], shape: tuple[int, int]) -> np.ndarray:
    """Count the windows at ``corners`` (n, 2) over each pixel of an image of ``shape``, (H, W)
    int64; memory does not grow with their number.
    """
    # Corners of all windows as a 2-D difference array; two cumulative sums count the windows over
    # each pixel.
    (height, width), (h, w) = shape, window
    difference = np.zeros((height + 1, width + 1), np.int64)
    for dy, dx, sign in ((0, 0, 1), (h, 0, -1), (0, w, -1), (h, w, 1)):
        np.add.at(difference, (corners[:, 0] + dy, corners[:, 1] + dx), sign)
    return difference.cumsum(0).cumsum(1)[:height, :width]
