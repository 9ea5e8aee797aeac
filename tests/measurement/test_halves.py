"""Two halves of a scan share no pattern, and each reaches all of the object."""

import numpy as np
import pytest
from scipy.spatial import KDTree

from ptychoformer.errors import InputError
from ptychoformer.measurement.halves import _pairs, half_of, halves
from ptychoformer.measurement.options import Patterns, Reading
from ptychoformer.measurement.plausibility import nearest_step
from ptychoformer.measurement.preparation import open_prepared


def spiral(count):
    turn, radius = np.arange(count) * np.pi * (3 - np.sqrt(5)), np.sqrt(np.arange(count))
    return 4 * np.stack([radius * np.cos(turn), radius * np.sin(turn)], axis=1)


SCANS = {
    "raster": 7.0 * np.indices((20, 26)).reshape(2, -1).T,
    "raster of odd sides": 7.0 * np.indices((19, 27)).reshape(2, -1).T,
    "spiral": spiral(516),
    "random": np.random.default_rng(0).uniform(0, 100, (500, 2)),
    "line": np.stack([np.zeros(101), np.arange(101.0)], axis=1),
    "exposed twice": np.repeat(7.0 * np.indices((12, 12)).reshape(2, -1).T, 2, axis=0),
}


@pytest.mark.parametrize("name", SCANS)
def test_each_half_is_half_of_the_scan_and_reaches_all_of_it(name):
    positions = SCANS[name]
    second = halves(positions, seed=0)
    assert abs(int(second.sum()) * 2 - len(positions)) <= 1
    step = nearest_step(positions)
    # Of places without order, the nearest is the one that goes to the other half; on a line a half
    # has half as many to the length.
    longer = {"random": 1.75, "line": 2}.get(name, 1.6)
    places = np.unique(positions, axis=0)
    spacing = np.median(KDTree(places).query(places, 5)[0][:, 1:].mean(axis=1))  # to the four nearest
    for half in (positions[second], positions[~second]):
        assert nearest_step(half) <= longer * step
        far = KDTree(half).query(positions)[0] / spacing
        assert np.mean(far <= 1.6) > 0.97
        assert far.max() <= (4 if name == "random" else 2.5)


@pytest.mark.parametrize("side", [8, 20, 21, 30, 50])
def test_of_a_raster_each_pair_is_of_neighbours(side):
    positions = np.indices((side, side)).reshape(2, -1).T.astype(float)
    order = np.concatenate(_pairs(positions, np.arange(len(positions))))
    assert sorted(order) == list(range(side**2))
    even = side**2 // 2 * 2
    apart = np.linalg.norm(positions[order[0:even:2]] - positions[order[1:even:2]], axis=1)
    assert apart.max() <= 3
    assert np.mean(apart <= 2) > 0.9


def test_the_seed_decides_and_another_draws_other_halves():
    positions = SCANS["spiral"]
    assert np.array_equal(halves(positions, 3), halves(positions, 3))
    assert 0.3 < np.mean(halves(positions, 3) != halves(positions, 4)) < 0.7


@pytest.mark.parametrize("size", [1, 5, 100])
def test_the_halves_are_the_scan(write, size):
    with open_prepared(write("cxi"), Reading(), Patterns()) as scan:
        parts = [half_of(scan, half, seed=0) for half in (0, 1)]
        numbers = np.concatenate([part.numbers for part in parts])
        assert sorted(numbers) == list(range(12))
        whole = np.concatenate(list(scan.frames(size)))
        second = halves(scan.positions, seed=0)
        for part, which in zip(parts, (~second, second), strict=True):
            np.testing.assert_array_equal(part.numbers, np.flatnonzero(which))
            np.testing.assert_array_equal(part.centres, scan.centres[part.numbers])
            np.testing.assert_array_equal(np.concatenate(list(part.frames(size))), whole[part.numbers])
            np.testing.assert_array_equal(part.positions, scan.positions[part.numbers])
            np.testing.assert_array_equal(part.counts, scan.counts[part.numbers])
            np.testing.assert_array_equal(part.part_counts, scan.part_counts[part.numbers])


def test_a_handful_of_patterns_cannot_be_halved(write, simulate):
    with (
        open_prepared(write("cxi", scan=simulate(grid=(2, 3))), Reading(), Patterns()) as scan,
        pytest.raises(InputError, match="at least 8 patterns that can be used, found 6"),
    ):
        half_of(scan, 0, seed=0)
    with open_prepared(write("cxi", scan=simulate(grid=(2, 4))), Reading(), Patterns()) as scan:
        assert [len(half_of(scan, half, seed=0).positions) for half in (0, 1)] == [4, 4]
