"""Figure 3: matrices and attention on scales that fit them, the queries where they are."""

import re

import h5py
import numpy as np
import pytest

from ptychoformer.errors import InputError
from ptychoformer.publication.figures.fig3 import compose, draw, load_attention
from ptychoformer.publication.figures.parts.style import DOUBLE_COLUMN, house_style
from ptychoformer.storage import create_hdf5, write

SHAPE = (12, 16)
QUERIES = np.array([[6, 8], [10, 13]])


@pytest.fixture
def maps(tmp_path):
    """Maps of 3 blocks of 2 heads: the attention of every query falls from block to block towards an equal share."""
    random = np.random.default_rng(0)
    weights = random.dirichlet(np.full(np.prod(SHAPE), 0.3), (3, 2, 2)).reshape(3, 2, 2, *SHAPE)
    radius, angle = random.random(SHAPE), 2 * random.random(SHAPE) - 1
    with create_hdf5(tmp_path / "maps.h5") as file:
        for name, values in (("R", radius), ("Theta", angle), ("weight", radius + angle)):
            write(file, f"coordinates/{name}", values, "", "q_y,q_x")
        write(file, "attention/weights", weights, "", "block,head,query,q_y,q_x")
        write(file, "attention/queries", QUERIES, "pixels", "query,yx").attrs["names"] = ["central", "outer"]
        write(file, "patterns/mean", 1000 * random.random(SHAPE), "photons", "q_y,q_x")
        write(file, "patterns/index", np.arange(7), "", "pattern")
    return tmp_path / "maps.h5"


@pytest.fixture
def panels(maps):
    attention = load_attention(maps)
    with house_style():
        figure = compose(attention)
        figure.draw_without_rendering()
        pictures = [axes for axes in figure.axes if axes.images]
        assert len(pictures) == 3 + 2 * (1 + 3 * 2)
        yield attention, figure, pictures


def test_an_equal_share_is_one(maps):
    learned = load_attention(maps).learned
    np.testing.assert_allclose(learned.mean(axis=(-2, -1)), 1)


def test_signed_matrices_are_centred_on_zero_and_tell_their_negative_share(panels):
    attention, figure, axes = panels
    words = " ".join(text.get_text() for text in figure.texts)
    for panel, (name, matrix) in zip(axes, attention.matrices.items()):
        low, high = panel.images[0].get_clim()
        np.testing.assert_array_equal(panel.images[0].get_array(), matrix)
        assert low == (-high if name != "R" else 0)
        assert high == pytest.approx(np.abs(matrix).max())
        share = f"negative for {100 * (matrix < 0).mean():.0f} % of keys"
        assert (share in words) == (name != "R")


def test_every_block_head_and_query_has_a_panel_on_a_scale_around_an_equal_share(panels):
    attention, _, axes = panels
    learned = [panel for panel in axes[3:] if panel.images[0].get_cmap().name == "PuOr_r"]
    assert len(learned) == 3 * 2 * 2
    expected = attention.learned.transpose(2, 0, 1, 3, 4).reshape(12, *SHAPE)
    for panel, image in zip(learned, expected, strict=True):
        np.testing.assert_array_equal(panel.images[0].get_array(), image)
        low, high = panel.images[0].get_clim()
        assert low == pytest.approx(1 / high)
        # As wide as the map needs, and printed below it.
        reached = np.exp(np.quantile(np.abs(np.log(np.maximum(image, np.finfo(float).tiny))), 0.99))
        assert high == pytest.approx(min(reached, 100), rel=0.05)
        assert float(panel.get_xlabel().removeprefix("f = ")) == pytest.approx(high)
    titles = [panel.get_title() for panel in learned]
    assert titles[:6] == [f"block {block}, head {head}" for block in (1, 2, 3) for head in (1, 2)]


def test_queries_are_marked_where_they_are(panels):
    _, _, axes = panels
    for place, panel in enumerate(axes[3:]):
        (x,), (y,) = panel.lines[0].get_data()
        assert (y, x) == tuple(QUERIES[place // 7])


def test_a_map_without_contrast_is_drawn_pale_and_one_of_many_decades_is_cut_at_a_hundred(maps):
    with h5py.File(maps, "r+") as file:
        weights = file["attention/weights"]
        weights[:] = 1 / np.prod(SHAPE)
        weights[0, 0, 0, :6] = 1e-12
    with house_style():
        figure = compose(load_attention(maps))
    limits = [axes.images[0].get_clim() for axes in figure.axes if axes.images and axes.get_xlabel().startswith("f = ")]
    assert sorted(limits, key=lambda ends: -ends[1])[:2] == [(0.01, 100), (pytest.approx(1 / 1.1), 1.1)]


def test_bars_say_what_they_measure_and_marks_what_they_mean(panels, experiment):
    _, figure, _ = panels
    assert not experiment.illegible(figure)
    labels = {label for axes in figure.axes for label in (axes.get_xlabel(), axes.get_ylabel())}
    assert {"$R$ (no unit)", "$\\Theta$ (no unit)", "weight $R + \\Theta$ (no unit)", "photons"} <= labels
    (key,) = figure.legends
    assert [text.get_text() for text in key.get_texts()] == ["zero frequency", "sign changes", "query"]


def test_page_is_of_the_journal_and_the_same_every_time(tmp_path, maps):
    files = [{"pdf": tmp_path / f"{name}.pdf", "png": tmp_path / f"{name}.png"} for name in ("one", "two")]
    for pair in files:
        draw(maps, **pair)
    assert files[0]["pdf"].read_bytes() == files[1]["pdf"].read_bytes()
    assert files[0]["png"].read_bytes() == files[1]["png"].read_bytes()
    width = float(re.search(rb"/MediaBox \[ 0 0 ([\d.]+)", files[0]["pdf"].read_bytes()).group(1))
    assert width == pytest.approx(DOUBLE_COLUMN * 72)


def test_maps_that_do_not_fit_are_refused(maps):
    with h5py.File(maps, "r+") as file:
        del file["coordinates/R"]
        write(file, "coordinates/R", np.zeros((5, 5)), "", "q_y,q_x")
    with pytest.raises(InputError, match="do not fit"):
        load_attention(maps)


def test_missing_maps_are_named(maps):
    with h5py.File(maps, "r+") as file:
        del file["attention/weights"]
    with pytest.raises(InputError, match="attention/weights"):
        load_attention(maps)
