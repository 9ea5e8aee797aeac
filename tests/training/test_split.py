"""What is called unseen was never illuminated, and the paper's split has the paper's numbers."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptychoformer.errors import InputError
from ptychoformer.measurement.cxi import Scan
from ptychoformer.training.few import about_few
from ptychoformer.training.split import split_of, training_subset, validation_part, whole_scan


def grid_scan(rows, columns, step, window, jitter=0, seed=0) -> Scan:
    y, x = np.mgrid[:rows, :columns] * step
    positions = np.stack([y.ravel(), x.ravel()], axis=1)
    shape = (rows - 1) * step + window, (columns - 1) * step + window
    shifts = np.random.default_rng(seed).integers(-jitter, jitter + 1, positions.shape)
    true_positions = np.clip(positions + shifts, 0, np.array(shape) - window)
    blank, probe = np.zeros(shape, np.float32), np.ones((window, window), np.complex64)
    return Scan(positions, true_positions, (rows, columns), (window, window), probe, blank, blank, 1e-9)


@pytest.fixture(scope="module")
def paper():
    """512 x 512 pixels, windows of 32 x 32, 75 % overlap."""
    return split_of(grid_scan(61, 61, 8, 32))


def test_the_papers_geometry(paper):
    assert len(paper.train) == 2928
    assert len(paper.test) == 793
    assert not np.intersect1d(paper.train, paper.test).size
    assert {name: len(places) for name, places in paper.blocks.items()} == {
        "lower_right": 169,
        "lower_left": 169,
        "strip": 793,
    }
    assert paper.rectangle("lower_right") == (slice(384, 512), slice(384, 512))
    assert paper.rectangle("lower_left") == (slice(384, 512), slice(0, 128))
    assert paper.rectangle("strip") == (slice(384, 512), slice(0, 512))


def test_blocks_are_the_corners_of_the_scan(paper):
    for name, columns in (("lower_right", np.arange(48, 61)), ("lower_left", np.arange(13))):
        row, column = np.divmod(paper.test[paper.places(name)], 61)
        np.testing.assert_array_equal(np.unique(row), np.arange(48, 61))
        np.testing.assert_array_equal(np.unique(column), columns)


def test_a_block_that_a_scan_has_not_is_named(paper):
    with pytest.raises(InputError, match="no block 'upper_left', they have lower_right, lower_left, strip"):
        paper.places("upper_left")


def test_the_papers_unseen_part(paper):
    rows = np.flatnonzero(paper.unseen_pixels.all(axis=1))
    np.testing.assert_array_equal(rows, np.arange(408, 512))
    assert not paper.unseen_pixels[:408].any()
    np.testing.assert_array_equal(paper.unseen_test.reshape(13, 61), np.arange(13)[:, None] >= [3] * 61)


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(2, 12),
    columns=st.integers(1, 12),
    step=st.integers(1, 6),
    window=st.integers(1, 9),
    jitter=st.integers(0, 3),
    seed=st.integers(0, 99),
)
def test_unseen_pixels_lie_in_no_training_window_wherever_it_really_was(rows, columns, step, window, jitter, seed):
    scan = grid_scan(rows, columns, step, window, jitter, seed)
    split = split_of(scan)
    seen = np.zeros(scan.amplitude.shape, bool)
    for y, x in scan.true_positions[split.train]:
        seen[y : y + window, x : x + window] = True
    np.testing.assert_array_equal(split.unseen_pixels, ~seen)
    untouched = [not seen[y : y + window, x : x + window].any() for y, x in scan.true_positions[split.test]]
    np.testing.assert_array_equal(split.unseen_test, untouched)


def test_a_scan_of_one_row_cannot_be_split():
    with pytest.raises(InputError, match="1 x 7 positions is too small"):
        split_of(grid_scan(1, 7, 2, 4))


def test_subsets_are_nested_sorted_and_of_the_size_asked_for(paper):
    sizes = (1, 100, 732, 2928)
    subsets = [training_subset(paper, size, seed=3, how="scattered") for size in sizes]
    assert tuple(map(len, subsets)) == sizes
    for smaller, larger in pairwise(subsets):
        assert np.isin(smaller, larger).all()
        assert (np.diff(larger) > 0).all()
    np.testing.assert_array_equal(subsets[-1], paper.train)


def test_a_subset_belongs_to_its_seed(paper):
    one, again, other = (training_subset(paper, 50, seed, "scattered") for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


@pytest.mark.parametrize(
    ("size", "rows", "columns"),
    [(1, 1, 1), (4, 2, 2), (49, 7, 7), (50, 8, 7), (1000, 32, 32), (2000, 45, 45), (2500, 48, 53), (2928, 48, 61)],
)
def test_a_square_subset_is_one_block_of_the_scan_with_its_last_row_open(paper, size, rows, columns):
    subset = training_subset(paper, size, seed=3, how="square")
    y, x = np.divmod(subset, 61)
    assert len(subset) == size
    assert (y.max() + 1, x.max() + 1) == (rows, columns)
    assert size > (rows - 1) * columns  # only the last row may be incomplete
    assert (np.bincount(y)[:-1] == columns).all()
    assert np.isin(subset, paper.train).all()


def test_on_a_flat_grid_a_square_becomes_as_wide_as_it_must():
    split = split_of(grid_scan(10, 40, 2, 4))  # 8 rows train
    assert (
        np.divmod(training_subset(split, 300, 0, "square"), 40)[0].max(),
        len(np.unique(training_subset(split, 300, 0, "square"))),
    ) == (
        7,
        300,
    )


def test_of_a_whole_scan_everything_is_test_and_unseen(paper):
    split = whole_scan(paper.scan)
    assert split.unseen_pixels.all()
    assert split.unseen_test.all()
    assert [part.stop - part.start for part in split.rectangle("scan")] == list(paper.scan.amplitude.shape)
    np.testing.assert_array_equal(split.test, np.arange(3721))


def test_more_patterns_than_there_are_cannot_be_drawn(paper):
    with pytest.raises(InputError, match="2929 training patterns were asked for, the scan has 2928"):
        training_subset(paper, 2929, seed=0, how="scattered")


@pytest.mark.parametrize("how", ["random", "block"])
def test_validation_takes_its_part_and_leaves_the_rest(how):
    indices = np.arange(10, 110)
    fitted, watched = validation_part(indices, 0.05, how, seed=0)
    assert len(watched) == 5
    np.testing.assert_array_equal(np.sort(np.concatenate([fitted, watched])), indices)
    if how == "block":
        np.testing.assert_array_equal(watched, indices[-5:])


def test_a_validation_part_belongs_to_its_seed():
    parts = [validation_part(np.arange(100), 0.2, "random", seed)[1] for seed in (1, 1, 2)]
    np.testing.assert_array_equal(parts[0], parts[1])
    assert (parts[0] != parts[2]).any()


@pytest.mark.parametrize("fraction", [0.0, 1.0])
def test_neither_part_of_the_validation_is_ever_empty(fraction):
    assert min(map(len, validation_part(np.arange(4), fraction, "random", seed=0))) == 1


def test_a_single_pattern_cannot_be_divided():
    with pytest.raises(InputError, match="at least 2 are needed"):
        validation_part(np.array([3]), 0.05, "random", seed=0)


def measured(rows=200, count=400, window=32, seed=0):
    """A scan of random positions."""
    random = np.random.default_rng(seed)
    corners = random.integers(0, rows, (count, 2))
    moved = np.clip(corners + random.integers(-2, 3, corners.shape), 0, rows - 1)
    image = np.zeros((rows + window, rows + window), np.float32)
    return Scan(corners, moved, None, (window, window), np.ones((window, window)), image, image, None)


@pytest.mark.parametrize("seed", range(5))
def test_off_the_grid_a_guard_band_keeps_training_and_test_apart(seed):
    split = split_of(measured(seed=seed))
    assert list(split.blocks) == ["strip"]
    assert split.unseen_pixels[split.rectangle("strip")].all()
    assert split.unseen_test.all()
    assert 0.12 < len(split.test) / 400 < 0.28
    assert len(split.train) > 200
    assert not set(split.train) & set(split.test)


@pytest.mark.parametrize("seed", range(5))
def test_off_the_grid_nothing_is_left_out_that_shares_no_row_with_the_test_windows(seed):
    split = split_of(measured(seed=seed))
    tops = np.stack([split.scan.positions[:, 0], split.scan.true_positions[:, 0]])
    left_out = np.setdiff1d(np.arange(400), np.concatenate([split.train, split.test]))
    assert (tops[:, left_out].max(axis=0) + 32 > tops[:, split.test].min()).all()


def test_a_scan_that_a_guard_band_would_eat_up_is_named():
    with pytest.raises(
        InputError, match=r"The scan, 6. pixels high, is too small to train on: .* every window of 32 pixels above it"
    ):
        split_of(measured(rows=30))


@pytest.mark.parametrize(
    ("rows", "count", "window", "said"),
    [
        (200, 400, 32, False),
        (200, 90, 32, True),  # few, whatever is left out
        (1000, 2000, 500, True),  # many, but more are left out
        (60, 400, 32, True),
    ],
)
def test_few_training_patterns_are_told_with_what_gives_more(rows, count, window, said):
    split = split_of(measured(rows=rows, count=count, window=window))
    train, tested = len(split.train), len(split.test)
    left_out = count - train - tested
    assert said == (train <= 100 or train < left_out)
    sentence = about_few(split)
    assert bool(sentence) == said
    if said:
        assert sentence.startswith(f"{train} of {count} patterns may be trained on: {tested}, the lowest fifth of")
        assert f"{left_out} are left out, whose windows of {window} pixels overlap with those; a larger --bin " in (
            sentence
        )
        halved = replace(split.scan, window=(window // 2, window // 2))  # what twice the bin makes of it
        assert len(split_of(halved).train) > train


def test_no_window_is_blamed_where_none_is_left_out():
    assert about_few(split_of(grid_scan(10, 10, 2, 16))) == (
        "80 of 100 patterns may be trained on: 20, the lowest fifth of the scan, are kept for testing;"
        " a larger scan would give more."
    )


def test_a_square_off_the_grid_is_nearest_the_corner():
    split = split_of(measured())
    chosen = training_subset(split, 50, 0, "square")
    far = split.scan.positions.max(axis=1)
    others = np.setdiff1d(split.train, chosen)
    corner = split.scan.positions[split.train].min()
    assert far[chosen].max() <= far[others].min() + corner + 1
    assert set(training_subset(split, 20, 0, "square")) <= set(chosen)
