"""Values of patterns that belong together."""

import numpy as np


def means_of_groups(values: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Average ``values`` (n, k) over each group, (m, k), where ``group`` (n,) numbers them from 0
    on and leaves out none.
    """
    return np.stack([np.bincount(group, column) for column in values.T], axis=1) / np.bincount(group)[:, None]
