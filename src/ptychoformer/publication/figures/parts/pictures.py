"""Reconstructions as rows of pictures: the truth and every network side by side, one colour scale a
row, the PSNR under each.

The PSNR of a phase is printed twice, as it is and of the relative phase, whose mean error is taken
off: ``15.2 | 16.8 dB``. The key to the two stands below the truth.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure

from ptychoformer.evaluation.quantities import number
from ptychoformer.publication.figures.parts.bars import colour_bar, frame, scale_bar, ticks_of
from ptychoformer.publication.figures.parts.panels import TRUTH, UNITS, View
from ptychoformer.publication.figures.parts.style import COLOURMAPS, DOUBLE_COLUMN, Box, axes_at, letter

LEFT, GAP, MARGIN = 0.36, 0.03, 0.06
FOR_BARS = 0.62
WIDEST = 1.6
# Above the first row stand a letter and the headings of the columns, above any other with a letter
# the letter alone.
FOR_HEADINGS, FOR_LETTER = 0.36, 0.2
FOR_PSNR = 0.13
PSNR_KEY = "plain | relative"


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
    """

    view: View
    channel: str
    limits: tuple[float, float]
    letter: str = ""
    title: str = ""
    shown: tuple[float, float] | None = None

    @property
    def colours(self) -> Normalize:
        """From values to the colour scale."""
        return Normalize(*(self.shown or self.limits))

    @property
    def colourmap(self) -> Colormap:
        """The colour map of the channel, in which pixels that were not stitched are light grey."""
        return colormaps[COLOURMAPS[self.channel]].with_extremes(bad="lightgrey")


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
        """Left, top, width and height of the first picture of every row."""
        bottom = 0.0
        for place, row in enumerate(self.rows):
            above = FOR_HEADINGS if place == 0 else FOR_LETTER if row.letter else GAP
            rows, columns = row.view.truth[row.channel].shape
            yield self.left, bottom + above, self.width, self.width * rows / columns
            bottom += above + self.width * rows / columns + FOR_PSNR

    def draw(self, figure: Figure, headings: Sequence[str], pixel_size: float | None, truth: str = TRUTH) -> None:
        """Draw all rows.

        Args:
            headings: of the networks' columns.
            pixel_size: metres; None for a scale in pixels.
            truth: heading of the first column.
        """
        seen: list[View] = []
        for place, (row, box) in enumerate(zip(self.rows, self.boxes(), strict=True)):
            axes = [
                self._picture(figure, box, column, row, model) for column, model in enumerate([None, *row.view.answers])
            ]
            axes[0].set_ylabel(row.channel.capitalize(), fontsize=6, labelpad=3)
            if place == 0:
                for panel, heading in zip(axes, [truth, *headings], strict=True):
                    panel.set_title(heading, fontsize=7, pad=2)
            if row.letter:
                letter(figure, box, row.letter, row.title, above=0.2 if place == 0 else 0.05)
            if not any(row.view is view for view in seen):
                scale_bar(axes[0], row.view.truth[row.channel].shape[1], pixel_size)
                seen.append(row.view)
            self._colour_bar(figure, box, row)

    def _picture(self, figure: Figure, box: Box, column: int, row: Row, model: str | None) -> Axes:
        left, top, width, height = box
        axes = axes_at(figure, (left + column * (width + GAP), top, width, height))
        image = (row.view.truth if model is None else row.view.answers[model])[row.channel]
        axes.imshow(image, norm=row.colours, cmap=row.colourmap, aspect="auto")
        axes.set(xticks=[], yticks=[])
        frame(axes)
        if below := psnr_text(row.view, model, row.channel, row.limits):
            axes.set_xlabel(below, fontsize=6, labelpad=2)
        return axes

    def _colour_bar(self, figure: Figure, box: Box, row: Row) -> None:
        left, top, width, height = box
        right = left + self.columns * (width + GAP)
        # Shorter than its row, so that the end labels of two bars do not meet.
        place = right + 0.03, top + 0.05, 0.07, height - 0.1
        colour_bar(figure, place, row.colours, row.colourmap, UNITS[row.channel], ticks_of(height))


def psnr_text(view: View, model: str | None, channel: str, limits: tuple[float, float]) -> str:
    """What stands below a network's picture, or below the truth's if ``model`` is None, where
    an amplitude needs no key.
    """
    if model is None:
        return PSNR_KEY if channel == "phase" else ""
    values = [view.psnr(model, channel, limits)]
    if channel == "phase":
        values.append(view.psnr(model, channel, limits, relative=True))
    return f"{' | '.join(number(value, 1) for value in values)} dB"
