"""Phase-synchronised stitching: overlapping patches tell each other's constants.

A pattern is exactly invariant to the constant phase of its window, so a network's phase patch phi_i
(h, w) is known up to a constant a_i. Where windows overlap their patches must agree, so the
constants are those that minimise, with the stitching weights w_i of a window,

    sum_{i<j} sum_p w_i(p) w_j(p) (phi_i(p) + a_i - phi_j(p) - a_j)^2  +  tie O sum_i a_i^2.

The second term ties them weakly to the network's own. O is how much patterns overlap, the mean of
L_ii over those that hang together, so that one ``tie`` means the same at every overlap: at 1 a
patch holds to its own constant as strongly as all its neighbours pull at it. The normal equations
are (L + tie O) a = b with

    L_ij = -S(d_ij), L_ii = sum_{j != i} S(d_ij);       b_i = sum_p w_i(p) (N(p) - phi_i(p) T(p)),

where S is the autocorrelation of w, d_ij the distance of two windows, N = sum_j w_j phi_j and T =
sum_j w_j the sums of plain stitching: pairs of pixels are never looked at. The mean of a is zero
over every group of patterns that hang together by overlaps; where tie = 0 that is the choice which
the equations leave open. The synchronised scene is (N + sum_i w_i a_i) / T. The phase's unit is of
no matter.
"""

from collections.abc import Iterable

import numpy as np
from scipy import sparse
from scipy.fft import irfft2, rfft2
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import LinearOperator, SuperLU, cg, splu
from scipy.spatial import cKDTree

from ptychoformer.errors import InputError
from ptychoformer.evaluation.patches import chunks
from ptychoformer.measurement.windows import windows

PHASES = ("plain", "synchronised")
TIE = 0.3  # gained most on held-out training patterns (`make ties`)
# Systems of up to so many entries (5,000 patterns that overlap by 75 %) are factorised in a tenth
# of a second, which is exact even where groups hang together by a corner's pixel. Factors of many
# more do not fit into memory; conjugate gradients take a second for 100,000 patterns.
DIRECT = 300_000
# of conjugate gradients, residual relative to b: constants to 1e-7 of their size for 100,000
# patterns
TOLERANCE = 1e-10
# Windows that overlap by 75 % need 30, those that touch by a corner's pixel 240.
ITERATIONS = 5000
ROWS_AT_ONCE = 4096  # of the system, while it is built


def corrections(
    patches: Iterable[tuple[slice, np.ndarray]],
    corners: np.ndarray,
    weights: np.ndarray,
    weighted: np.ndarray,
    total: np.ndarray,
    tie: float = TIE,
) -> np.ndarray:
    """Find the constant (n,) to be added to each phase patch, of a scene that is in memory.

    Args:
        patches: which of them, and their phase (m, h, w); chunk by chunk, each once.
        corners: (n, 2) whole pixels of the scene, none negative.
        weights: (h, w) of a window's pixels, positive.
        weighted, total: (H, W) sums of plain stitching, N and T.
        tie: at least 0.

    Raises:
        InputError: the constants are not found, see `solved`.
    """
    disagreement = pulled(weighted, corners, weights)
    for part, phase in patches:
        disagreement[part] -= pulled(total, corners[part], weights, phase)
    return solved(corners, weights, disagreement, tie)


def pulled(
    image: np.ndarray, corners: np.ndarray, weights: np.ndarray, patches: np.ndarray | None = None
) -> np.ndarray:
    """Sum what each window holds of ``image`` (H, W), sum_p w_i(p) image(p) (m,), times ``patches``
    (m, h, w) if there are any.
    """
    found = np.empty(len(corners))
    for part in chunks(len(corners), weights.shape):
        seen = windows(image, corners[part], weights.shape)
        seen = seen if patches is None else seen * patches[part]
        found[part] = seen.reshape(len(seen), -1) @ weights.ravel()
    return found


def pushed(constants: np.ndarray, corners: np.ndarray, weights: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Sum what ``constants`` (n,) add to N, sum_i w_i a_i (H, W): the convolution of points at the
    windows' corners with their weights.
    """
    points = np.zeros(shape)
    np.add.at(points, tuple(corners.T), constants)
    return irfft2(rfft2(points) * rfft2(weights, shape), shape)


def solved(corners: np.ndarray, weights: np.ndarray, disagreement: np.ndarray, tie: float) -> np.ndarray:
    """Find the constants (n,) that minimise the disagreement b (n,) of patches, with mean zero in
    every group that hangs together.

    Raises:
        InputError: they are not found in ``ITERATIONS`` steps.
    """
    system = overlap_system(corners, weights)
    _, group = connected_components(system, directed=False)
    disagreement = _centred(disagreement, group)  # as it is, but for rounding
    held = tie * _mean(system.diagonal(), group)
    # Without a tie, or an overlap, the equations leave a constant of the group open: its first
    # pattern has none.
    first = np.unique(group, return_index=True)[1]
    held[first] = np.where(held[first] > 0, held[first], np.sum(weights**2))
    system.setdiag(system.diagonal() + held)
    if system.nnz <= DIRECT:
        return _centred(_factorised(system).solve(disagreement), group)
    return _centred(_iterated(system, disagreement, group, corners // weights.shape), group)


def _centred(values: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Subtract from values (n,) the mean of their group."""
    return values - _mean(values, group)


def _mean(values: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Find the mean (n,) of each value's group."""
    return (np.bincount(group, values) / np.bincount(group))[group]


def _factorised(system: sparse.csr_array) -> SuperLU:
    return splu(system.tocsc(), "MMD_AT_PLUS_A", diag_pivot_thresh=0, options={"SymmetricMode": True})


def _iterated(system: sparse.csr_array, right: np.ndarray, group: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Solve by conjugate gradients.

    Constants pass a window's width in a step, too slow for a long scan without a tie. So each step
    also solves for what all patterns of a cell have in common, exactly.

    Args:
        group: (n,) of each pattern.
        cells: (n, 2) the cell of a window's size that it lies in.

    Raises:
        InputError: they do not converge.
    """
    members, common = _in_common(system, group, cells)
    while common.nnz > DIRECT and common.shape[0] > group.max() + 1:
        cells = cells // 2
        members, common = _in_common(system, group, cells)
    coarse, diagonal = _factorised(common), system.diagonal()
    step = LinearOperator(system.shape, lambda rest: rest / diagonal + members @ coarse.solve(members.T @ rest))
    found, failed = cg(system, right, rtol=TOLERANCE, maxiter=ITERATIONS, M=step)
    if failed:
        raise InputError(
            f"The constants of the phase patches of {len(right)} patterns were not found in {ITERATIONS} steps of"
            " conjugate gradients; a larger tie (--tie; stitching.tie in a config) makes them easier to find."
        )
    return found


def _in_common(
    system: sparse.csr_array, group: np.ndarray, cells: np.ndarray
) -> tuple[sparse.csr_array, sparse.csr_array]:
    """Say which patterns of a group share a cell (n, k), 1 or 0, and find the system (k, k) of one
    constant for each cell.
    """
    cell = np.unique(np.column_stack([group, cells]), axis=0, return_inverse=True)[1]
    members = sparse.csr_array((np.ones(len(cell)), (np.arange(len(cell)), cell)))
    return members, members.T @ system @ members


def overlap_system(corners: np.ndarray, weights: np.ndarray) -> sparse.csr_array:
    """Compute L (n, n) of windows at ``corners`` (n, 2) with ``weights`` (h, w); it takes twelve
    bytes for each pair of windows that overlap, both ways.
    """
    table = autocorrelation(weights)
    tree, reach = _tree(corners, weights.shape)
    parts = []
    for start in range(0, len(corners), ROWS_AT_ONCE):
        some = cKDTree(tree.data[start : start + ROWS_AT_ONCE])
        found = some.sparse_distance_matrix(tree, reach, p=np.inf, output_type="ndarray")
        row, column = found["i"].astype(np.int32), found["j"].astype(np.int32)
        y, x = (corners[row + start] - corners[column]).T
        values = np.where(row + start == column, 0, -table[y, x])
        parts.append(sparse.csr_array((values, (row, column)), shape=(some.n, tree.n)))
    system = sparse.vstack(parts, "csr")
    system.setdiag(-system.sum(axis=1))
    return system


def overlapping(corners: np.ndarray, window: tuple[int, int]) -> bool:
    """Say whether any two windows of (h, w) pixels at ``corners`` (n, 2) overlap."""
    tree, reach = _tree(corners, window)
    return tree.count_neighbors(tree, reach, p=np.inf) > tree.n


def _tree(corners: np.ndarray, window: tuple[int, int]) -> tuple[cKDTree, float]:
    """Put corners, in units of the window's sides, into a tree, and find the distance along either
    axis up to which windows overlap.

    Windows of h rows overlap up to h - 1 rows apart; half a pixel more keeps rounding away.
    """
    return cKDTree(corners / np.asarray(window)), 1 - 0.5 / max(window)


def autocorrelation(weights: np.ndarray) -> np.ndarray:
    """Compute S (2h - 1, 2w - 1), sum_p w(p) w(p + d) at all distances d at which windows overlap;
    negative ones count from the end.
    """
    shape = [2 * side - 1 for side in weights.shape]
    return irfft2(np.abs(rfft2(weights, shape)) ** 2, shape)
