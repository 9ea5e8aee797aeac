"""The window of a scan on its object."""

import numpy as np


def windows(image: np.ndarray, corners: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Cut ``image`` (H, W) at ``corners`` (n, 2), y and x, into windows (n, h, w) of ``shape``."""
    return np.lib.stride_tricks.sliding_window_view(image, shape)[corners[:, 0], corners[:, 1]]


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
