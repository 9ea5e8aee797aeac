"""Figure 7: what each training set lights, the test block and what is unseen."""

import numpy as np
import pytest
from matplotlib.patches import Rectangle

from ptychoformer.errors import InputError
from ptychoformer.measurement.cxi import read_scan
from ptychoformer.publication.fig7 import _unseen_rows, compose, draw, lit_pixels
from ptychoformer.publication.style import DOUBLE_COLUMN, house_style
from ptychoformer.training.split import authors_split, training_subset


@pytest.fixture
def split(dataset):
    return authors_split(read_scan(dataset))


def test_lit_pixels_are_the_union_of_the_windows(split):
    indices = training_subset(split, 5, 0, "scattered")
    union = np.zeros(split.scan.amplitude.shape, bool)
    for y, x in split.scan.true_positions[indices]:
        union[y : y + 16, x : x + 16] = True
    np.testing.assert_array_equal(lit_pixels(split, indices), union)


def test_the_unseen_part_is_no_training_patterns(split):
    rows, columns = _unseen_rows(split), split.block[1]
    lit = lit_pixels(split, split.train)
    assert not lit[rows, columns].any()
    assert lit[rows.start - 1, columns].any()
    assert rows.stop == split.block[0].stop


@pytest.mark.parametrize("count", [1, 3, 4, 5, 6, 8])
def test_one_panel_a_size_within_the_page(split, count):
    training = {n_train: training_subset(split, n_train, 0, "scattered") for n_train in (320, 160, 80, 40, 20, 10, 5, 2)[:count]}
    with house_style():
        figure = compose(split, training)
    assert len(figure.axes) == count
    boxes = np.array([axes.get_position().extents for axes in figure.axes])
    assert boxes.min() > 0
    assert boxes.max() < 1
    texts = " ".join(text.get_text() for text in figure.texts)
    assert all(f"{n_train} patterns ({100 * lit_pixels(split, indices).mean():.0f} %)" in texts for n_train, indices in training.items())
    outlines = [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]
    assert max(patch.get_height() for patch in outlines) == pytest.approx(split.block[0].stop - split.block[0].start, abs=2)


@pytest.mark.parametrize("subset", ["scattered", "square"])
def test_files(tmp_path, dataset, subset):
    for name in ("first", "second"):
        draw(dataset, sizes=[100, 10], seed=0, subset=subset, pdf=tmp_path / f"{name}.pdf", png=tmp_path / f"{name}.png")
    assert (tmp_path / "first.pdf").read_bytes() == (tmp_path / "second.pdf").read_bytes()
    assert f"[ 0 0 {DOUBLE_COLUMN * 72:.2f}".encode()[:12] in (tmp_path / "first.pdf").read_bytes()


def test_the_largest_training_set_stands_first(tmp_path, dataset, monkeypatch):
    shown = []
    monkeypatch.setattr("ptychoformer.publication.fig7.compose", lambda split, indices: shown.extend(indices) or compose(split, indices))
    draw(dataset, sizes=[10, 320, 40], seed=0, subset="square", pdf=tmp_path / "a.pdf", png=tmp_path / "a.png")
    assert shown == [320, 40, 10]


def test_no_size_and_too_many_patterns_are_refused(tmp_path, dataset):
    files = {"pdf": tmp_path / "a.pdf", "png": tmp_path / "a.png"}
    with pytest.raises(InputError, match="at least one size"):
        draw(dataset, sizes=[], seed=0, subset="scattered", **files)
    with pytest.raises(InputError, match="999 training patterns were asked for"):
        draw(dataset, sizes=[999], seed=0, subset="scattered", **files)
