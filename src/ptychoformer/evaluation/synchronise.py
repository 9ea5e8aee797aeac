"""Constant phases of overlapping patches, found from each other (placeholder of the founder's branch)."""

import numpy as np
from scipy.signal import correlate
from scipy.sparse import coo_matrix, diags
from scipy.sparse.linalg import spsolve
from scipy.spatial import cKDTree

DEFAULT_TIE = 0.01


def overlap_excess(phase, total, patches, weights):
    return (weights * (phase - patches * total)).sum(axis=(1, 2))


def constants(corners, weights, excess, tie):
    h, w = weights.shape
    table = correlate(weights, weights)
    pairs = cKDTree(corners).query_pairs(max(h, w) - 0.5, p=np.inf, output_type="ndarray")
    dy, dx = (corners[pairs[:, 1]] - corners[pairs[:, 0]]).T
    inside = (abs(dy) < h) & (abs(dx) < w)
    i, j = pairs[inside].T
    s = table[h - 1 + dy[inside], w - 1 + dx[inside]]
    n = len(corners)
    m = coo_matrix((s, (i, j)), (n, n)).tocsr()
    m = m + m.T
    matrix = diags(np.asarray(m.sum(1)).ravel() + max(tie, 1e-9) * (weights**2).sum()) - m
    return spsolve(matrix.tocsc(), excess)
