"""Pictures and curves side by side, each picture with its colour bar and scale bar."""

import io
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ptychoformer.publication.figures.parts.bars import beyond, colour_bar, frame, scale_bar, ticks_of
from ptychoformer.publication.figures.parts.style import axes_at, house_style

BEFORE, BAR_GAP, BAR, FOR_TICKS = 0.12, 0.05, 0.07, 0.5  # left of a picture, and right of it for its colour bar
AFTER = 0.03  # right of the words beside a colour bar
ABOVE, BELOW = 0.3, 0.34  # a title, a scale bar or the label of an axis
LOW = 0.9  # a picture of that height has no room for all ticks
NOTEBOOK_DPI = 150


@dataclass(frozen=True)
class Picture:
    """An image with its colour bar.

    Args:
        title: above it.
        image: (h, w), NaN where there is nothing to show.
        scale: from values to colours.
        colours: name of a colour map.
        label: of the colour bar.
        pixel_size: of the scale bar, metres; None for a scale in pixels.
        step: pixels, along a side, that one of ``image`` stands for.
    """

    title: str
    image: np.ndarray
    scale: Normalize
    colours: str
    label: str
    pixel_size: float | None = None
    step: int = 1

    @property
    def beyond(self) -> str:
        """At which ends of the colour scale values lie beyond it, see `bars.beyond`."""
        return beyond(self.scale, self.image)


class Shown(Figure):
    """A figure that a notebook shows by itself, whether or not it uses pyplot."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        with house_style():
            self.savefig(buffer, format="png", dpi=NOTEBOOK_DPI)
        return buffer.getvalue()


class Row:
    """A figure with places for panels from left to right.

    Args:
        count: of panels.
        width, height: of a panel, inches.
    """

    def __init__(self, count: int, width: float, height: float):
        self.width, self.height = width, height
        pitch = BEFORE + width + BAR_GAP + BAR + FOR_TICKS
        self.edges = [place * pitch for place in range(count + 1)]  # of panels, inches from the left
        self.figure = Shown(figsize=(count * pitch, ABOVE + self.height + BELOW))

    def picture(self, place: int, picture: Picture) -> Axes:
        """Draw an image as large as its panel allows, its scale bar below."""
        rows, columns = picture.image.shape
        width, height = (size * min(self.width / columns, self.height / rows) for size in (columns, rows))
        left, top = self.edges[place] + BEFORE, ABOVE
        axes = axes_at(self.figure, (left, top, width, height))
        colours = colormaps[picture.colours].with_extremes(bad="lightgrey")
        far = (columns * picture.step - 0.5, rows * picture.step - 0.5)
        axes.imshow(picture.image, norm=picture.scale, cmap=colours, aspect="auto", extent=(-0.5, far[0], far[1], -0.5))
        axes.set(xticks=[], yticks=[])
        frame(axes)
        axes.set_title(picture.title, pad=3)
        scale_bar(axes, columns * picture.step, picture.pixel_size)
        bar = self._colour_bar(picture, (left + width + BAR_GAP, top, BAR, height))
        words_end = bar.get_tightbbox().x1 / self.figure.dpi
        self._widen(place, max(0.0, words_end + AFTER - self.edges[place + 1]))
        return axes

    def _colour_bar(self, picture: Picture, box: tuple[float, float, float, float]) -> Axes:
        logarithmic = isinstance(picture.scale, LogNorm)
        ticks = None if logarithmic else MaxNLocator(5) if box[3] > LOW else ticks_of(box[3])
        bar = colour_bar(self.figure, box, picture.scale, picture.colours, picture.label, ticks, picture.beyond)
        if not logarithmic:  # numbers in full: what is taken off them would stand in the title's place
            bar.formatter.set_useOffset(False)
            bar.update_ticks()
        return bar.ax

    def _widen(self, place: int, more: float) -> None:
        """Give the panel at a place ``more`` inches on its right, and move what stands there."""
        width, height = self.figure.get_size_inches()
        end, wider = self.edges[place + 1], width + more
        for axes in self.figure.axes if more else ():
            box = axes.get_position(original=True)
            left = box.x0 * width + (more if box.x0 * width >= end else 0.0)
            axes.set_position((left / wider, box.y0, box.width * width / wider, box.height))
        self.figure.set_size_inches(wider, height)
        self.edges[place + 1 :] = [edge + more for edge in self.edges[place + 1 :]]

    def plot(self, place: int, title: str) -> Axes:
        """Place axes for a curve or points, with room for ticks on their left."""
        left = self.edges[place] + BEFORE + 0.4
        axes = axes_at(self.figure, (left, ABOVE, self.width, self.height))
        axes.set_title(title, pad=3)
        return axes
