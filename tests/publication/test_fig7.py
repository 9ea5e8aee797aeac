"""Figure 7: what each training set lights, the strip that is predicted, a block of it and what is unseen of the block."""

import numpy as np
import pytest

from ptychoformer.errors import InputError
from ptychoformer.measurement.cxi import read_scan
from ptychoformer.publication.figures.fig7 import compose, draw, lit_pixels, unseen_part
from ptychoformer.publication.figures.parts.style import DOUBLE_COLUMN, house_style
from ptychoformer.training.split import split_of, training_subset

BLOCKS = {"lower_right": "lower right block", "lower_left": "lower left block", "strip": "test strip"}


@pytest.fixture
def split(dataset):
    return split_of(read_scan(dataset))


def test_lit_pixels_are_the_union_of_the_windows(split):
    indices = training_subset(split, 5, 0, "scattered")
    union = np.zeros(split.scan.amplitude.shape, bool)
    for y, x in split.scan.true_positions[indices]:
        union[y : y + 16, x : x + 16] = True
    np.testing.assert_array_equal(lit_pixels(split, indices), union)


@pytest.mark.parametrize("block", BLOCKS)
def test_the_unseen_part_is_no_training_patterns(split, block):
    rows, columns = unseen_part(split, block)
    lit = lit_pixels(split, split.train)
    assert not lit[rows, columns].any()
    assert lit[rows.start - 1, columns].any()
    assert (rows.stop, columns) == (split.rectangle(block)[0].stop, split.rectangle(block)[1])


@pytest.mark.parametrize("block", BLOCKS)
def test_strip_and_block_are_outlined_where_they_are_and_named(split, block):
    with house_style():
        figure = compose(split, {320: split.train}, block)
    (axes,) = figure.axes
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    outlines = {
        patch.get_linestyle(): patch.get_extents().transformed(axes.transData.inverted())
        for patch in axes.patches
        if not patch.fill and patch.get_linewidth()
    }
    shown = {"-": block} | ({"--": "strip"} if block != "strip" else {})
    assert outlines.keys() == shown.keys()
    for line, name in shown.items():
        rows, columns = split.rectangle(name)
        # Half a line within the part's own edge.
        expected = columns.start, rows.start, columns.stop, rows.stop
        np.testing.assert_allclose(np.sort(outlines[line].corners()[[0, 3]], axis=0).ravel(), expected, atol=1.5)
    assert labels[1:-1] == ["test strip", *([] if block == "strip" else [BLOCKS[block]])]


@pytest.mark.parametrize("block", BLOCKS)
def test_every_word_can_be_read(split, experiment, block):
    training = {size: training_subset(split, size, 0, "scattered") for size in (320, 100, 20)}
    with house_style():
        assert not experiment.illegible(compose(split, training, block))


@pytest.mark.parametrize("count", [1, 3, 4, 5, 6, 8])
def test_one_panel_a_size_within_the_page(split, count):
    training = {
        n_train: training_subset(split, n_train, 0, "scattered") for n_train in (320, 160, 80, 40, 20, 10, 5, 2)[:count]
    }
    with house_style():
        figure = compose(split, training, "lower_right")
    assert len(figure.axes) == count
    boxes = np.array([axes.get_position().extents for axes in figure.axes])
    assert boxes.min() > 0
    assert boxes.max() < 1
    texts = " ".join(text.get_text() for text in figure.texts)
    assert all(
        f"{n_train} patterns ({100 * lit_pixels(split, indices).mean():.0f} %)" in texts
        for n_train, indices in training.items()
    )


@pytest.mark.parametrize("subset", ["scattered", "square"])
def test_files(tmp_path, dataset, subset):
    for name in ("first", "second"):
        draw(
            dataset,
            sizes=[100, 10],
            seed=0,
            subset=subset,
            block="strip",
            pdf=tmp_path / f"{name}.pdf",
            png=tmp_path / f"{name}.png",
        )
    assert (tmp_path / "first.pdf").read_bytes() == (tmp_path / "second.pdf").read_bytes()
    assert f"[ 0 0 {DOUBLE_COLUMN * 72:.2f}".encode()[:12] in (tmp_path / "first.pdf").read_bytes()


def test_the_largest_training_set_stands_first(tmp_path, dataset, monkeypatch):
    shown = []
    monkeypatch.setattr(
        "ptychoformer.publication.figures.fig7.compose",
        lambda split, indices, *rest: shown.extend(indices) or compose(split, indices, *rest),
    )
    draw(
        dataset,
        sizes=[10, 320, 40],
        seed=0,
        subset="square",
        block="lower_right",
        pdf=tmp_path / "a.pdf",
        png=tmp_path / "a.png",
    )
    assert shown == [320, 40, 10]


def test_no_size_too_many_patterns_and_an_unknown_block_are_refused(tmp_path, dataset):
    rest = dict(seed=0, subset="scattered", pdf=tmp_path / "a.pdf", png=tmp_path / "a.png")
    with pytest.raises(InputError, match="at least one size"):
        draw(dataset, sizes=[], block="strip", **rest)
    with pytest.raises(InputError, match="999 training patterns were asked for"):
        draw(dataset, sizes=[999], block="strip", **rest)
    with pytest.raises(InputError, match="no block 'scan', they have lower_right, lower_left, strip"):
        draw(dataset, sizes=[10], block="scan", **rest)
