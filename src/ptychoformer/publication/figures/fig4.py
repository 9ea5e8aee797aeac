"""Fig. 4: two single scan points and the stitched scene, the truth beside every network, each
with its error.
"""

import math
import os
from collections.abc import Iterator, Mapping

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator

from ptychoformer.evaluation import CHANNELS
from ptychoformer.publication.figures.parts.bars import (
    LIGHT_OUTLINE,
    beyond,
    colour_bar,
    frame,
    photon_scale,
    scale_bar,
    ticks_of,
)
from ptychoformer.publication.figures.parts.layout import Layout
from ptychoformer.publication.figures.parts.lengths import with_prefix
from ptychoformer.publication.figures.parts.panels import UNITS, View, Views
from ptychoformer.publication.figures.parts.pictures import psnr_text
from ptychoformer.publication.figures.parts.style import (
    COLOURMAPS,
    DOUBLE_COLUMN,
    MARK,
    Box,
    axes_at,
    heading,
    house_style,
    letter,
    save,
)
from ptychoformer.publication.names import TRUTH, scene_name

# Rows of every view: a channel, and whether it is its error.
ROWS = tuple((channel, is_error) for channel in CHANNELS for is_error in (False, True))
PATTERN_DECADES = 4
ABOVE, ABOVE_POINTS = 0.22, 0.32  # of letters over panels; headings of one and of two lines stand between
ROOM_FOR_TICKS = 0.45  # inches, of two numbers below a pattern
LETTER_ROOM = 0.14  # inches, of a square with a letter in it


def draw(
    views: Views,
    labels: Mapping[str, str],
    condition: str,
    *,
    block: str,
    level: str,
    pdf: str | os.PathLike,
    png: str | os.PathLike,
) -> None:
    """Draw the figure for one dataset.

    Args:
        views: of the truth and of the networks, in the order of the columns.
        labels: network to the heading of its column.
        condition: label of the dataset, for example ``Noise-free``.
        block: of the test patterns, that the views are of.
        level: of the scenes.
    """
    with house_style():
        save(
            compose(views, [labels[model] for model in views.scene.answers], condition, scene_name(block, level)),
            pdf,
            png,
        )


def compose(views: Views, headings: list[str], condition: str, scene: str) -> Figure:
    """Draw the views, one heading per network; ``scene`` says what the scene is."""
    layout = Layout(1 + len(headings), views.scene.truth["amplitude"].shape)
    figure = Figure(figsize=(DOUBLE_COLUMN, layout.height))
    page = Page(figure, views)
    for place, (view, name) in enumerate(zip(views.points, "ab", strict=True)):
        _draw_point(page, layout, place, view, [TRUTH, *headings])
        side = with_prefix(view.truth["amplitude"].shape[1] * views.pixel_size)
        words = f"{condition}, scan point {views.indices[place]}, {side} wide"
        letter(figure, layout.point_box(place, 0, 0), name, words, ABOVE_POINTS)
    _draw_scene(page, layout, [TRUTH, *headings])
    letter(figure, layout.scene_box(0, 0), "c", f"{condition}, {scene}", ABOVE)
    return figure


class Page:
    """A figure with the colour scales that all of its panels share.

    Args:
        figure: to draw on.
        views: that the scales must fit.
    """

    def __init__(self, figure: Figure, views: Views):
        self.figure, self.views = figure, views
        self.scales = {(channel, False): Normalize(*views.ranges[channel]) for channel in CHANNELS}
        self.scales |= {(channel, True): Normalize(0, views.error_limit(channel)) for channel in CHANNELS}
        self.pattern_scale = photon_scale(PATTERN_DECADES, views.patterns)

    def image(self, box: Box, image: np.ndarray, scale: Normalize, colours: Colormap) -> Axes:
        """Draw a panel without ticks; pixels without a value are light grey."""
        axes = axes_at(self.figure, box)
        axes.imshow(image, norm=scale, cmap=colours, aspect="auto")
        axes.set(xticks=[], yticks=[])
        frame(axes)
        return axes

    def shown(self, row: tuple[str, bool]) -> Iterator[np.ndarray]:
        """Yield all images of a channel, or all its errors, that one scale is for."""
        channel, is_error = row
        for view in (*self.views.points, self.views.scene):
            yield from (
                view.error(model, channel) if is_error else images[channel] for model, images in view.answers.items()
            )

    def panel(self, box: Box, view: View, model: str | None, row: tuple[str, bool]) -> Axes:
        """Draw a network's image or error in one channel, or the truth if ``model`` is None."""
        channel, is_error = row
        images = view.truth if model is None else view.answers[model]
        return self.image(
            box, view.error(model, channel) if is_error else images[channel], self.scales[row], _colours(row)
        )


def _draw_point(page: Page, layout: Layout, place: int, view: View, headings: list[str]) -> None:
    for row, what in enumerate(ROWS):
        for column, model in enumerate([None, *view.answers]):
            box = layout.point_box(place, row, column)
            missing = model is None and what[1]
            axes = _blank(page, box) if missing else page.panel(box, view, model, what)
            if row == 0:
                axes.set_title(heading(headings[column], layout.point, lines=2), pad=2, linespacing=1.0)
            if model is None and place == 0:
                _row_label(axes, _row_name(what))
    _draw_pattern(page, layout, place)


def _draw_pattern(page: Page, layout: Layout, place: int) -> None:
    """Draw the diffraction pattern with its colour bar below, where the phase error of the truth,
    which has none, would stand.
    """
    colours, pattern = colormaps[COLOURMAPS["pattern"]], page.views.patterns[place]
    page.image(layout.point_box(place, len(ROWS) - 1, 0), pattern, page.pattern_scale, colours)
    # Two powers of ten, or one, written out, since exponents would be too small to read.
    decade = math.floor(math.log10(page.pattern_scale.vmax)) - 1
    ticks = FixedLocator([10.0 ** (decade - 2), 10.0**decade] if layout.point > ROOM_FOR_TICKS else [10.0**decade])
    extend = beyond(page.pattern_scale, pattern)
    box = layout.pattern_bar_box(place)
    bar = colour_bar(page.figure, box, page.pattern_scale, colours, "pattern\n(photons)", ticks, extend)
    bar.ax.xaxis.set_major_formatter("{x:g}")


def _draw_scene(page: Page, layout: Layout, headings: list[str]) -> None:
    view = page.views.scene
    for row, what in enumerate(ROWS):
        for column, model in enumerate([None, *view.answers]):
            if model is None and what[1]:
                _row_label(_blank(page, layout.scene_box(row, column)), _row_name(what))
                continue
            axes = page.panel(layout.scene_box(row, column), view, model, what)
            if row == 0:
                axes.set_title(heading(headings[column], layout.scene[0]), pad=2)
            if model is None:
                _row_label(axes, _row_name(what))
                _mark_unseen(axes, page.views.unseen_from)
            if not what[1]:
                axes.set_xlabel(psnr_text(view, model, what[0], page.views.ranges[what[0]]), labelpad=2)
            if row == 0 and model is None:
                scale_bar(axes, view.truth["amplitude"].shape[1], page.views.pixel_size)
                _mark_points(axes, page.views)
        _colour_bar(page, layout, row)


def _colours(row: tuple[str, bool]) -> Colormap:
    return colormaps[COLOURMAPS["error" if row[1] else row[0]]].with_extremes(bad="lightgrey")


def _row_name(row: tuple[str, bool]) -> str:
    channel, is_error = row
    return f"{channel.capitalize()}\nerror" if is_error else channel.capitalize()


def _row_label(axes: Axes, text: str) -> None:
    axes.set_ylabel(text, labelpad=3, linespacing=1.0)


def _blank(page: Page, box: Box) -> Axes:
    axes = axes_at(page.figure, box)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    axes.patch.set_visible(False)
    return axes


def _colour_bar(page: Page, layout: Layout, row: int) -> None:
    what = ROWS[row]
    ticks = ticks_of(layout.scene[1])
    extend = beyond(page.scales[what], *page.shown(what))
    colour_bar(page.figure, layout.bar_box(row), page.scales[what], _colours(what), UNITS[what[0]], ticks, extend)


def _mark_unseen(axes: Axes, row: int | None) -> None:
    if row is not None:
        axes.axhline(row - 0.5, color=MARK, linewidth=1, linestyle=(0, (4, 2)), path_effects=LIGHT_OUTLINE)


def _mark_points(axes: Axes, views: Views) -> None:
    for view, name in zip(views.points, "ab", strict=True):
        y, x = np.subtract(view.corner, views.scene.corner)
        height, width = view.truth["amplitude"].shape
        axes.add_patch(Rectangle((x - 0.5, y - 0.5), width, height, fill=False, edgecolor=MARK, linewidth=1))
        # A letter has no room in the squares of a strip, and stands below them.
        corner = (
            (x, y)
            if axes.bbox.height * height > LETTER_ROOM * axes.figure.dpi * len(views.scene.truth["phase"])
            else (x, y + height)
        )
        style = {"color": MARK, "fontweight": "bold", "ha": "left", "va": "top", "path_effects": LIGHT_OUTLINE}
        axes.annotate(name, corner, (1, -1), textcoords="offset points", **style)
