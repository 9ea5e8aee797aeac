"""Patches of one phase, each with a constant of its own, become the exact scene again."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptychoformer.errors import InputError
from ptychoformer.evaluation import synchronise
from ptychoformer.evaluation.stitch import window_weights
from ptychoformer.evaluation.synchronise import (
    autocorrelation,
    corrections,
    overlap_system,
    overlapping,
    pulled,
    pushed,
    solved,
)
from ptychoformer.measurement.windows import windows

WINDOW = (8, 6)


def grid(rows, columns, step, jitter=0):
    corners = np.indices((rows, columns)).reshape(2, -1).T * step + np.random.default_rng(4).integers(
        0, jitter + 1, (rows * columns, 2)
    )
    return corners - corners.min(axis=0)


SCANS = {
    "grid": grid(9, 7, 2),
    "jittered": grid(9, 7, 3, 2),
    "corners touch": grid(2, 2, (7, 5)),
    "random": np.random.default_rng(5).integers(0, 30, (60, 2)),
    "one place": np.zeros((5, 2), int),
    "two groups": np.concatenate([grid(4, 4, 2), grid(5, 3, 3) + np.array([40, 3])]),
    "none overlap": grid(3, 3, 20),
    "one": np.zeros((1, 2), int),
}


def sums(corners, weights, patches):
    """N and T (H, W) of plain stitching."""
    weighted, total = np.zeros((2, *(corners.max(axis=0) + weights.shape)))
    for (y, x), patch in zip(corners, patches, strict=True):
        weighted[y : y + weights.shape[0], x : x + weights.shape[1]] += weights * patch
        total[y : y + weights.shape[0], x : x + weights.shape[1]] += weights
    return weighted, total


def synchronised(corners, weights, patches, tie):
    """Scene (H, W) and constants (n,)."""
    weighted, total = sums(corners, weights, patches)
    some = len(corners) // 2
    parts = [(slice(0, some), patches[:some]), (slice(some, None), patches[some:])]
    constants = corrections(parts, corners, weights, weighted, total, tie)
    with np.errstate(invalid="ignore"):
        return (weighted + pushed(constants, corners, weights, total.shape)) / np.where(
            total > 0, total, np.nan
        ), constants


def groups_of(corners, window):
    """(n,) the group of each window, by walking from overlap to overlap."""
    group = np.full(len(corners), -1)
    for start in range(len(corners)):
        front = [start] if group[start] < 0 else []
        while front:
            i = front.pop()
            group[i] = start
            near = (np.abs(corners - corners[i]) < window).all(axis=1)
            front.extend(np.flatnonzero(near & (group < 0)))
    return group


def exactly_up_to_constants(corners, window, weighting, seed=0):
    """Whether patches of a random phase with random constants give it back, up to one constant in each group."""
    random = np.random.default_rng(seed)
    phase = random.random(corners.max(axis=0) + window)
    constants = random.normal(0, 3, len(corners))
    patches = windows(phase, corners, window) + constants[:, None, None]
    scene, found = synchronised(corners, window_weights(window, weighting), patches, tie=0)
    group = groups_of(corners, np.array(window))
    for name in np.unique(group):
        members = group == name
        assert abs(found[members].mean()) < 1e-7
        np.testing.assert_allclose(found[members] + constants[members], constants[members].mean(), atol=1e-6)
        for y, x in corners[members]:
            seen = np.s_[y : y + window[0], x : x + window[1]]
            np.testing.assert_allclose(scene[seen] - phase[seen], constants[members].mean(), atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    corners=st.lists(st.tuples(st.integers(0, 25), st.integers(0, 23)), min_size=1, max_size=40),
    window=st.tuples(st.integers(1, 6), st.integers(1, 8)),
    weighting=st.sampled_from(["radial", "uniform"]),
)
def test_arbitrary_constants_are_found_at_random_positions(corners, window, weighting):
    exactly_up_to_constants(np.array(corners), window, weighting)


@pytest.mark.parametrize("direct", [0, synchronise.DIRECT])
@pytest.mark.parametrize("scan", SCANS)
def test_arbitrary_constants_are_found_by_either_solver(scan, direct, monkeypatch):
    monkeypatch.setattr(synchronise, "DIRECT", direct)
    exactly_up_to_constants(SCANS[scan], WINDOW, "radial")


@pytest.mark.parametrize("direct", [0, 2000])
def test_conjugate_gradients_reach_from_end_to_end_of_a_long_scan(direct, monkeypatch):
    monkeypatch.setattr(synchronise, "DIRECT", direct)
    exactly_up_to_constants(grid(400, 3, 3, 1), (6, 6), "radial")


@pytest.mark.parametrize("scan", [grid(1, 2000, 2), grid(40, 50, 2, 1)])
def test_conjugate_gradients_need_no_more_steps_for_a_longer_scan(scan, monkeypatch):
    monkeypatch.setattr(synchronise, "DIRECT", 6000)
    monkeypatch.setattr(synchronise, "ITERATIONS", 50)
    exactly_up_to_constants(scan, WINDOW, "radial")


def test_constants_that_are_not_found_are_not_returned(monkeypatch):
    monkeypatch.setattr(synchronise, "DIRECT", 0)
    monkeypatch.setattr(synchronise, "ITERATIONS", 3)
    with pytest.raises(InputError, match="of 63 patterns were not found in 3 steps"):
        exactly_up_to_constants(SCANS["jittered"], WINDOW, "radial")


def least_squares(corners, weights, patches, tie):
    """Constants (n,) of pairs and pixels, written out."""
    count, rows, right, overlaps = len(corners), [], [], np.zeros(len(corners))
    for i in range(count):
        for j in range(i):
            for y, x in np.ndindex(weights.shape):
                v, u = corners[i] + (y, x) - corners[j]
                if 0 <= v < weights.shape[0] and 0 <= u < weights.shape[1]:
                    overlaps[[i, j]] += weights[y, x] * weights[v, u]
                    root = np.sqrt(weights[y, x] * weights[v, u])
                    rows.append(root * (np.eye(count)[i] - np.eye(count)[j]))
                    right.append(root * (patches[j, v, u] - patches[i, y, x]))
    group = groups_of(corners, np.array(weights.shape))
    mean = np.array([overlaps[group == own].mean() for own in group])
    rows.extend(np.diag(np.sqrt(tie * mean)))
    return np.linalg.lstsq(np.array(rows), np.concatenate([right, np.zeros(count)]), rcond=None)[0]


@pytest.mark.parametrize("direct", [0, synchronise.DIRECT])
@pytest.mark.parametrize("tie", [1e-3, 0.1, 3.0])
@pytest.mark.parametrize("scan", ["jittered", "random", "one place", "two groups", "none overlap"])
def test_constants_are_those_of_least_squares_over_pairs_and_pixels(scan, tie, direct, monkeypatch):
    monkeypatch.setattr(synchronise, "DIRECT", direct)
    corners, weights = SCANS[scan][:30], window_weights((5, 4), "radial")
    patches = np.random.default_rng(6).random((len(corners), 5, 4))
    _, found = synchronised(corners, weights, patches, tie)
    np.testing.assert_allclose(found, least_squares(corners, weights, patches, tie), atol=1e-8)


def test_a_strong_tie_is_plain_stitching():
    corners, weights = SCANS["jittered"], window_weights(WINDOW, "radial")
    patches = np.random.default_rng(7).random((len(corners), *WINDOW))
    weighted, total = sums(corners, weights, patches)
    scene, _ = synchronised(corners, weights, patches, tie=1e9)
    np.testing.assert_allclose(scene, np.where(total > 0, weighted / np.where(total > 0, total, 1), np.nan), atol=1e-7)


@pytest.mark.parametrize("tie", [0, 0.01])
def test_a_constant_of_all_patches_is_one_of_the_scene(tie):
    corners, weights = SCANS["random"], window_weights(WINDOW, "radial")
    patches = np.random.default_rng(8).random((len(corners), *WINDOW))
    scene, constants = synchronised(corners, weights, patches, tie)
    moved, same = synchronised(corners, weights, patches + 5, tie)
    np.testing.assert_allclose(same, constants, atol=1e-9)
    np.testing.assert_allclose(moved, scene + 5, atol=1e-9)


@pytest.mark.parametrize("tie", [0, 0.01])
def test_groups_that_do_not_overlap_know_nothing_of_each_other(tie):
    weights, count = window_weights(WINDOW, "radial"), 16
    patches = np.random.default_rng(9).random((len(SCANS["two groups"]), *WINDOW))
    _, both = synchronised(SCANS["two groups"], weights, patches, tie)
    for part in (np.s_[:count], np.s_[count:]):
        corners = SCANS["two groups"][part]
        _, alone = synchronised(corners - corners.min(axis=0), weights, patches[part], tie)
        np.testing.assert_allclose(both[part], alone, atol=1e-9)


def test_the_system_is_that_of_overlaps():
    corners, weights = SCANS["random"], window_weights(WINDOW, "radial")
    system = overlap_system(corners, weights).toarray()
    placed = np.stack(
        [sums(corners, weights, np.eye(len(corners))[i][:, None, None] * np.ones((1, *WINDOW)))[0] for i in range(60)]
    )
    products = np.einsum("iyx,jyx->ij", placed, placed)
    np.testing.assert_allclose(system, np.diag(products.sum(axis=1)) - products, atol=1e-12)
    np.testing.assert_allclose(autocorrelation(weights)[0, 0], np.sum(weights**2))


def test_large_systems_are_built_in_parts(monkeypatch):
    corners, weights = SCANS["random"], window_weights(WINDOW, "radial")
    whole = overlap_system(corners, weights)
    monkeypatch.setattr(synchronise, "ROWS_AT_ONCE", 7)
    assert (overlap_system(corners, weights) != whole).nnz == 0


@pytest.mark.parametrize("scan", SCANS)
def test_whether_windows_overlap_is_known(scan):
    assert overlapping(SCANS[scan], WINDOW) == (scan not in ("none overlap", "one"))


def test_windows_side_by_side_do_not_overlap():
    assert not overlapping(np.array([[0, 0], [0, 6], [8, 0], [8, 6]]), WINDOW)
    assert overlapping(np.array([[0, 0], [7, 5]]), WINDOW)


def test_perfect_patches_need_no_constants():
    corners, weights = SCANS["jittered"], window_weights(WINDOW, "radial")
    phase = np.random.default_rng(10).random(corners.max(axis=0) + WINDOW)
    _, constants = synchronised(corners, weights, windows(phase, corners, WINDOW), tie=0.01)
    np.testing.assert_allclose(constants, 0, atol=1e-12)


def test_what_is_pushed_and_what_is_pulled_are_adjoint():
    corners, weights, random = SCANS["random"], window_weights(WINDOW, "radial"), np.random.default_rng(11)
    image, constants = random.random(corners.max(axis=0) + WINDOW), random.random(len(corners))
    pushed_ = pushed(constants, corners, weights, image.shape)
    np.testing.assert_allclose(np.sum(pushed_ * image), constants @ pulled(image, corners, weights))


def test_no_disagreement_no_constants():
    assert not solved(SCANS["random"], window_weights(WINDOW, "radial"), np.zeros(60), 0).any()
