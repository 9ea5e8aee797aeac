"""Colours mean the same everywhere, and files are the same every time."""

import re

import pytest
from matplotlib.figure import Figure

from ptychoformer.publication.figures.parts.style import COLOURS, colour, house_style, save, svg


def test_colours_are_distinct_and_fixed_by_name():
    assert len(set(COLOURS.values())) == len(COLOURS)
    assert colour("ptychoformer") == "#D55E00"
    assert colour("a_new_network") == colour("a_new_network") != colour("another_new_network")
    assert re.fullmatch("#[0-9A-F]{6}", colour("a_new_network"))


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
