"""Reconstructions as rows of pictures: the truth and every network side by side, or their errors,
one colour scale a row, the PSNR under each.

The PSNR of a phase is printed twice, as it is and of the relative phase, whose mean error is taken
off: ``15.2 | 16.8 dB``. The key to the two stands below the truth.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from ptychoformer.evaluation.quantities import number
from ptychoformer.publication.figures.parts.bars import beyond, colour_bar, frame, photon_scale, scale_bar, ticks_of
from ptychoformer.publication.figures.parts.panels import UNITS, View
from ptychoformer.publication.figures.parts.style import COLOURMAPS, DOUBLE_COLUMN, Box, axes_at, heading, letter
from ptychoformer.publication.names import TRUTH

LEFT, GAP, MARGIN = 0.36, 0.03, 0.06
FOR_BARS = 0.62
WIDEST = 1.6
# Above the first row stand a letter and the headings of the columns, above any other with a letter
# the letter alone.
FOR_HEADINGS, FOR_LETTER = 0.36, 0.2
FOR_PSNR = 0.16
PSNR_KEY = "plain | relative"
TRUTH_ABOVE = "as above"
PATTERN_DECADES = 4
PATTERN_SHARE = 0.55  # of a cell's side, of the pattern that has its colour bar below it there


@dataclass(frozen=True)
class Row:
    """One channel of one view.

    Args:
        view: what is shown.
        channel: ``amplitude`` or ``phase``.
        limits: ends of the metrics' scale, and thereby the peak of the PSNR.
        letter: of the panel, bold, above the row; rows without one belong to the row above.
        title: beside the letter.
        shown: ends of the colour scale; those of the metrics' scale if None.
        error: whether the networks' errors are shown, in the row below their answers.
        truth: whether the truth is shown again, where a row above has it already.
        pattern: (h, w) photons, the diffraction pattern, in the place of the truth's error.
    """

    view: View
    channel: str
    limits: tuple[float, float]
    letter: str = ""
    title: str = ""
    shown: tuple[float, float] | None = None
    error: bool = False
    truth: bool = True
    pattern: np.ndarray | None = None

    @property
    def columns(self) -> list[str | None]:
        """The networks, after the truth, which is None."""
        return [None, *self.view.answers]

    @property
    def name(self) -> str:
        """What stands left of the row."""
        return f"{self.channel.capitalize()}\nerror" if self.error else self.channel.capitalize()

    @property
    def colours(self) -> Normalize:
        """From values to the colour scale."""
        return Normalize(*(self.shown or self.limits))

    @property
    def colourmap(self) -> Colormap:
        """The colour map of the channel, in which pixels that were not stitched are light grey."""
        return colormaps[COLOURMAPS["error" if self.error else self.channel]].with_extremes(bad="lightgrey")

    def image(self, model: str | None) -> np.ndarray | None:
        """Pick what a column shows; None if its place is empty."""
        if model is None:
            return self.view.truth[self.channel] if self.truth and not self.error else None
        return self.view.error(model, self.channel) if self.error else self.view.answers[model][self.channel]

    def below(self, model: str | None) -> str:
        """Say what stands under a column: of an answer its PSNR, of the truth where it is shown the
        key to it.
        """
        return "" if self.image(model) is None or self.error else psnr_text(self.view, model, self.channel, self.limits)


@dataclass(frozen=True)
class Pictures:
    """Where the pictures of all rows stand, inches from the upper left corner of the page.

    Args:
        rows: from top to bottom, all with the same networks.
        widest: greatest width of a picture.
    """

    rows: Sequence[Row]
    widest: float = WIDEST

    @property
    def columns(self) -> int:
        """Truth and networks."""
        return 1 + len(self.rows[0].view.answers)

    @property
    def width(self) -> float:
        """The width of a picture."""
        free = DOUBLE_COLUMN - LEFT - FOR_BARS - (self.columns - 1) * GAP
        return min(free / self.columns, self.widest)

    @property
    def left(self) -> float:
        """Left edge of the first picture; pictures that do not fill the page stand in its
        middle.
        """
        return LEFT + (DOUBLE_COLUMN - LEFT - FOR_BARS - (self.columns - 1) * GAP - self.columns * self.width) / 2

    @property
    def height(self) -> float:
        """The height of all rows, with what stands above and below them."""
        *_, (_, top, _, height) = self.boxes()
        return top + height + FOR_PSNR + MARGIN

    def boxes(self) -> Iterator[Box]:
        """Yield left, top, width and height of the first picture of every row."""
        bottom = 0.0
        for place, row in enumerate(self.rows):
            above = FOR_HEADINGS if place == 0 else FOR_LETTER if row.letter else GAP
            rows, columns = row.view.truth[row.channel].shape
            yield self.left, bottom + above, self.width, self.width * rows / columns
            bottom += above + self.width * rows / columns + (GAP if row.error else FOR_PSNR)

    def draw(self, figure: Figure, headings: Sequence[str], pixel_size: float | None, truth: str = TRUTH) -> None:
        """Draw all rows.

        Args:
            headings: of the networks' columns.
            pixel_size: metres; None for a scale in pixels.
            truth: heading of the first column.
        """
        seen: list[View] = []
        for place, (row, box) in enumerate(zip(self.rows, self.boxes(), strict=True)):
            axes = [self._picture(figure, box, column, row, model) for column, model in enumerate(row.columns)]
            axes[0].set_ylabel(row.name, labelpad=3, linespacing=1.0)
            if place == 0:
                for panel, label in zip(axes, [truth, *headings], strict=True):
                    panel.set_title(heading(label, self.width), pad=2)
            if row.letter:
                letter(figure, box, row.letter, row.title, above=0.22 if place == 0 else 0.06)
            if row.truth and not any(row.view is view for view in seen):
                scale_bar(axes[0], row.view.truth[row.channel].shape[1], pixel_size)
                seen.append(row.view)
            if row.pattern is not None:
                _draw_pattern(figure, box, row.pattern)
            self._colour_bar(figure, box, row)

    def _picture(self, figure: Figure, box: Box, column: int, row: Row, model: str | None) -> Axes:
        left, top, width, height = box
        axes = axes_at(figure, (left + column * (width + GAP), top, width, height))
        axes.set(xticks=[], yticks=[])
        axes.set_xlabel(row.below(model), labelpad=2)
        image = row.image(model)
        if image is None:
            axes.spines[:].set_visible(False)
            axes.patch.set_visible(False)
            if model is None and not row.truth:
                axes.text(0.5, 0.5, TRUTH_ABOVE, ha="center", va="center", transform=axes.transAxes)
        else:
            axes.imshow(image, norm=row.colours, cmap=row.colourmap, aspect="auto")
            frame(axes)
        return axes

    def _colour_bar(self, figure: Figure, box: Box, row: Row) -> None:
        left, top, width, height = box
        right = left + self.columns * (width + GAP)
        # Shorter than its row, so that the end labels of two bars do not meet.
        place = right + 0.03, top + 0.05, 0.07, height - 0.1
        extend = beyond(row.colours, *(image for image in map(row.image, row.columns) if image is not None))
        colour_bar(figure, place, row.colours, row.colourmap, UNITS[row.channel], ticks_of(height), extend)


def _draw_pattern(figure: Figure, box: Box, pattern: np.ndarray) -> None:
    """Draw a diffraction pattern with its colour bar below it, in one cell."""
    left, top, width, height = box
    side = PATTERN_SHARE * min(width, height)
    axes = axes_at(figure, (left + (width - side) / 2, top, side, side))
    scale = photon_scale(PATTERN_DECADES, pattern)
    axes.imshow(pattern, norm=scale, cmap=COLOURMAPS["pattern"], aspect="auto")
    axes.set(xticks=[], yticks=[])
    frame(axes)
    bar = (left + 0.1 * width, top + side + 0.04, 0.8 * width, 0.05)
    label, ticks = "pattern (photons)", LogLocator(numticks=3)
    colour_bar(figure, bar, scale, COLOURMAPS["pattern"], label, ticks, beyond(scale, pattern))


def psnr_text(view: View, model: str | None, channel: str, limits: tuple[float, float]) -> str:
    """Say what stands below a network's picture, or below the truth's if ``model`` is None, where
    an amplitude needs no key.
    """
    if model is None:
        return PSNR_KEY if channel == "phase" else ""
    values = [view.psnr(model, channel, limits)]
    if channel == "phase":
        values.append(view.psnr(model, channel, limits, relative=True))
    return f"{' | '.join(number(value, 1) for value in values)} dB"
