"""Scans: counts, coverage and the law of the jitter."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from ptychoformer.errors import InputError
from ptychoformer.simulation.scan import grid_of, jittered, raster, step_of


@pytest.mark.parametrize(
    ("overlap", "step", "grid"),
    [
        (0, 32, (16, 16)),
        (0.25, 24, (21, 21)),
        (0.5, 16, (31, 31)),
        (0.75, 8, (61, 61)),
        (0.9, 3, (161, 161)),
        (0.95, 2, (241, 241)),
    ],
)
def test_the_paper_s_object_is_scanned_in(overlap, step, grid):
    assert step_of(32, overlap) == step
    assert grid_of([512, 512], 32, overlap) == grid


@given(
    height=st.integers(8, 120),
    width=st.integers(8, 120),
    window=st.integers(2, 60),
    overlap=st.floats(0, 0.95),
)
def test_a_raster_covers_the_object_but_for_less_than_a_step(height, width, window, overlap):
    if window > min(height, width):
        with pytest.raises(InputError, match="too small for a probe"):
            raster((height, width), window, overlap)
        return
    step, positions = step_of(window, overlap), raster((height, width), window, overlap)
    rows, columns = grid_of((height, width), window, overlap)
    assert positions.shape == (rows * columns, 2)
    assert positions.dtype == np.int64
    np.testing.assert_array_equal(
        positions.reshape(rows, columns, 2)[:, :, 0], step * np.arange(rows)[:, None].repeat(columns, 1)
    )
    np.testing.assert_array_equal(
        positions.reshape(rows, columns, 2)[:, :, 1], step * np.arange(columns)[None].repeat(rows, 0)
    )
    uncovered = np.subtract((height, width), positions[-1] + window)
    assert (uncovered >= 0).all()
    assert (uncovered < step).all()


def test_jitter_is_uniform_inside_and_stays_on_the_object():
    shape, window, jitter = (512, 512), 32, 3
    positions = raster(shape, window, 0.75)
    true = jittered(positions, jitter, shape, window, np.random.default_rng(0))
    assert true.min() >= 0
    assert (true <= np.subtract(shape, window)).all()
    interior = ((positions >= jitter) & (positions <= 512 - window - jitter)).all(axis=1)
    deviation = (true - positions)[interior]
    for axis in (0, 1):
        values, counts = np.unique(deviation[:, axis], return_counts=True)
        np.testing.assert_array_equal(values, np.arange(-jitter, jitter + 1))
        assert chisquare(counts).pvalue > 0.01
    assert abs(np.corrcoef(deviation.T)[0, 1]) < 0.05
    assert np.abs(true - positions).max() == jitter


def test_no_jitter_leaves_the_raster():
    positions = raster((64, 64), 16, 0.5)
    np.testing.assert_array_equal(jittered(positions, 0, (64, 64), 16, np.random.default_rng(0)), positions)


@pytest.mark.parametrize("overlap", [-0.1, 0.96, 1.0])
def test_an_overlap_out_of_range_is_named(overlap):
    with pytest.raises(InputError, match=rf"scan\.overlap: {overlap} is not allowed; it must be between 0 and 0\.95"):
        step_of(32, overlap)
