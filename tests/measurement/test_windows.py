"""Windows, whole pixels, chosen patterns and means of groups: each by its plain definition."""

import numpy as np
import pytest

from ptychoformer.measurement.groups import means_of_groups
from ptychoformer.measurement.readers.scan import chosen
from ptychoformer.measurement.windows import coverage, whole_pixels, window_sums, windows


def test_every_window_is_summed():
    image = np.random.default_rng(0).integers(0, 9, (9, 11))
    corners = np.indices((7, 8)).reshape(2, -1).T
    sums = windows(image, corners, (3, 4)).sum(axis=(1, 2)).reshape(7, 8)
    np.testing.assert_array_equal(window_sums(image, (3, 4)), sums)
    np.testing.assert_array_equal(window_sums(image > 4, (9, 11)), [[(image > 4).sum()]])


def test_windows_are_counted_over_each_pixel():
    corners, expected = np.array([[0, 0], [1, 2], [1, 2]]), np.zeros((4, 6))
    for y, x in corners:
        expected[y : y + 3, x : x + 4] += 1
    np.testing.assert_array_equal(coverage(corners, (3, 4), (4, 6)), expected)


def test_halves_of_pixels_go_up_so_that_steps_stay_even():
    found = whole_pixels(np.array([-1.5, -0.5, 0.5, 1.5, 2.5, 0.49]))
    np.testing.assert_array_equal(found, [-1, 0, 1, 2, 3, 0])
    assert found.dtype == np.int64


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_chosen_patterns_come_in_order_and_no_block_is_empty(size):
    patterns, which = np.arange(7 * 4).reshape(7, 2, 2), np.array([1, 1, 0, 0, 0, 0, 1], bool)
    found = list(chosen((patterns[start : start + size] for start in range(0, 7, size)), which))
    assert all(len(block) for block in found)
    np.testing.assert_array_equal(np.concatenate(found), patterns[which])


def test_groups_are_averaged():
    values = np.array([[1.0, 2.0], [3.0, 6.0], [5.0, 7.0]])
    np.testing.assert_array_equal(means_of_groups(values, np.array([1, 0, 1])), [[3, 6], [3, 4.5]])
