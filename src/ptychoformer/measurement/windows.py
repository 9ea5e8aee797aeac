"""The window of a scan on its object."""

import numpy as np


def windows(image: np.ndarray, corners: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Cut ``image`` (H, W) at ``corners`` (n, 2), y and x, into windows (n, h, w) of ``shape``."""
    return np.lib.stride_tricks.sliding_window_view(image, shape)[corners[:, 0], corners[:, 1]]
