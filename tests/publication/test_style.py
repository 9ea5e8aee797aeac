"""Colours mean the same everywhere, and files are the same every time."""

import re

import numpy as np
import pytest
from matplotlib import rcParams
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LogNorm, Normalize, to_rgb
from matplotlib.figure import Figure

from ptychoformer.publication.figures.fig1 import WAYS
from ptychoformer.publication.figures.fig7 import TEST, TRAIN, TRAIN_FILL
from ptychoformer.publication.figures.parts.bars import beyond, colour_bar, photon_scale
from ptychoformer.publication.figures.parts.style import COLOURS, MARK, colour, heading, house_style, save, svg
from ptychoformer.publication.figures.parts.sweeps import REFERENCE_LOOK


def test_colours_are_distinct_and_fixed_by_name():
    assert len(set(COLOURS.values())) == len(COLOURS)
    assert colour("ptychoformer") == "#D55E00"
    assert colour("a_new_network") == colour("a_new_network") != colour("another_new_network")
    assert re.fullmatch("#[0-9A-F]{6}", colour("a_new_network"))


def test_what_a_figure_points_at_has_the_colour_of_no_network():
    networks = {to_rgb(value) for value in COLOURS.values()}
    others = [MARK, TRAIN, TEST, TRAIN_FILL[0], REFERENCE_LOOK["color"], *(colour for colour, _ in WAYS.values())]
    assert not networks & {to_rgb(other) for other in others}


def test_a_colour_bar_points_at_the_ends_beyond_which_there_are_values():
    scale = Normalize(0, 1)
    for values, ends in (
        ([0, 0.5, 1], "neither"),
        ([0, 1 + 1e-6], "neither"),  # nobody sees rounding
        ([-0.1, 0.5], "min"),
        ([np.nan, 1.1], "max"),
        ([-0.1, 1.1], "both"),
    ):
        assert beyond(scale, np.array([0.5]), np.array(values)) == ends
    assert beyond(LogNorm(1, 1e6), np.array([[1e-3, 1e5]])) == "min"  # however small beside the largest


@pytest.mark.parametrize(
    ("brightest", "ends"),
    [
        ((200.0, 3.0), (0.2, 200.0)),
        ((0.0, 0.0), (1e-3, 1.0)),  # no light at all
        ((-2.0, -1.0), (1e-3, 1.0)),  # read-out noise alone
    ],
)
def test_images_in_photons_share_a_scale_that_ends_at_the_brightest_of_them(brightest, ends):
    scale = photon_scale(3, *(np.array([[value, value - 5]]) for value in brightest))
    np.testing.assert_allclose((scale.vmin, scale.vmax), ends)
    assert scale(-1.0) == scale(ends[0]) == 0


def test_colour_bars_are_labelled_whichever_way_they_lie():
    with house_style():
        figure = Figure(figsize=(4, 4))
        upright = colour_bar(figure, (0.5, 0.5, 0.1, 1), Normalize(0, 1), "gray", "rad")
        flat = colour_bar(figure, (1.5, 0.5, 1, 0.1), Normalize(0, 1), "gray", "photons")
    assert (upright.ax.get_ylabel(), flat.ax.get_xlabel()) == ("rad", "photons")


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg"])
def test_the_same_figure_gives_the_same_bytes(tmp_path, suffix):
    for name in ("first", "second"):
        with house_style():
            figure = Figure()
            figure.subplots().plot([1, 2], [2, 1], label="line")
            save(figure, tmp_path / f"{name}.{suffix}")
    first, second = (tmp_path / f"{name}.{suffix}" for name in ("first", "second"))
    assert first.read_bytes() == second.read_bytes() != b""


def test_svg_holds_no_date():
    with house_style():
        assert b"dc:date" not in svg(Figure())


@pytest.mark.parametrize(
    ("label", "width", "expected"),
    [
        ("Truth", 0.44, "Truth"),
        ("My U-Net", 0.46, "My U-Net"),
        ("Ptychoformer", 0.44, "Ptycho-\nformer"),
        ("PtychoNN", 0.44, "Ptycho-\nNN"),
        ("PtychoNN", 0.6, "PtychoNN"),
        ("My wide U-Net", 0.44, "My wide\nU-Net"),
        ("My  wide U-Net ", 0.44, "My wide\nU-Net"),
        (" ", 0.44, ""),
        ("\u200b", 0.44, "\u200b"),
    ],
)
def test_titles_of_two_lines_are_parted_where_a_reader_would(label, width, expected):
    with house_style():
        assert heading(label, width, lines=2) == expected


@pytest.mark.parametrize("width", [0.2, 0.4, 0.9])
def test_a_title_is_as_wide_as_it_is_drawn_and_no_wider_than_its_panel(width):
    with house_style():
        figure = Figure()
        for label in ("Ptychoformer with the release's attention", "WWWWWWWWWWWW", "iiiiiiiiiiii"):
            for lines in (1, 2):
                title = figure.text(0, 0, heading(label, width, lines), fontsize=rcParams["axes.titlesize"])
                drawn = title.get_window_extent(FigureCanvasAgg(figure).get_renderer()).width / figure.dpi
                assert drawn <= width + 0.02
