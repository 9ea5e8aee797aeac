"""How figures look: one style file, one colour per model, places on a journal page, and files
with the same bytes every time.
"""

import colorsys
import io
import math
import os
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from matplotlib import rcParams, style
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from ptychoformer.files import atomic

DOUBLE_COLUMN, SINGLE_COLUMN = 7.16, 3.5  # inches, IEEE Transactions
LETTER_WIDTH = 0.16  # of a bold panel letter and a blank, inches
LETTER = 0.065  # inches that a letter of a label is wide
POINTS = 72  # of type, in an inch
BESIDE_LABEL, LEGEND_LINE = 0.5, 0.15  # of a legend: its handle and gaps, and the height of a line, inches
STYLE_FILE = Path(__file__).with_name("ptychoformer.mplstyle")

# Networks in Okabe and Ito's palette, which colour-blind readers can tell apart too.
COLOURS = {
    "ptychoformer": "#D55E00",
    "ptychonn": "#0072B2",
    "ptynet": "#009E73",
    "dpi": "#E69F00",
    "transunet": "#CC79A7",
    "segformer": "#56B4E9",
}
# What a figure points at: squares, queries and test patterns. No network has it.
MARK = "#EE3377"
COLOURMAPS = {"amplitude": "gray", "phase": "cividis", "error": "inferno", "pattern": "inferno"}
Box = tuple[float, float, float, float]  # left, top, width and height, inches from the upper left corner of the page

# Matplotlib writes the time of saving into PDF and SVG unless told not to.
_METADATA = {".pdf": {"CreationDate": None}, ".svg": {"Date": None}}


def colour(model: str) -> str:
    """Choose the colour of a network in every figure, ``#rrggbb``; one without an entry gets a
    colour by its name alone.
    """
    if model in COLOURS:
        return COLOURS[model]
    hue = zlib.crc32(model.encode()) % 360 / 360
    return to_hex(colorsys.hls_to_rgb(hue, 0.4, 0.6)).upper()


@contextmanager
def house_style() -> Iterator[None]:
    """Draw and save inside this, whatever the user's own matplotlib settings are."""
    with style.context(["default", STYLE_FILE]):
        yield


def axes_at(figure: Figure, box: Box) -> Axes:
    """Place axes in a box."""
    left, top, width, height = box
    page_width, page_height = figure.get_size_inches()
    return figure.add_axes(
        (left / page_width, 1 - (top + height) / page_height, width / page_width, height / page_height)
    )


def legend_rows(labels: Sequence[str]) -> int:
    """Count the lines that a legend with these ``labels`` takes below a figure of two columns."""
    return math.ceil(sum(BESIDE_LABEL + LETTER * len(label) for label in labels) / DOUBLE_COLUMN)


def heading(label: str, width: float, lines: int = 1) -> str:
    """Fit a ``label`` as a title over a panel of ``width`` inches: in two ``lines`` if it must and
    may, parted at the blank nearest its middle or by a hyphen, before an inner capital if there is
    one; what is too long ends in an ellipsis.
    """
    label = " ".join(label.split())
    if lines == 1 or _inches(label) <= width:
        return _cut(label, width)
    middle = len(label) // 2
    blanks = [place for place, sign in enumerate(label) if sign == " "]
    if blanks:
        place = min(blanks, key=lambda blank: abs(blank - middle))
        return f"{_cut(label[:place], width)}\n{_cut(label[place + 1 :], width)}"
    capitals = [place for place in range(1, len(label)) if label[place - 1].islower() and label[place].isupper()]
    place = min(capitals, key=lambda capital: abs(capital - middle), default=middle)
    return f"{_cut(f'{label[:place]}-', width)}\n{_cut(label[place:], width)}"


def _cut(text: str, width: float) -> str:
    """End a title in an ellipsis where it would be wider than ``width`` inches."""
    if _inches(text) <= width:
        return text
    while len(text) > 1 and _inches(f"{text}…") > width:
        text = text[:-1].rstrip()
    return f"{text}…"


def _inches(text: str) -> float:
    """Measure how wide a title is."""
    font = FontProperties(size=rcParams["axes.titlesize"])
    return text_to_path.get_text_width_height_descent(text, font, ismath=False)[0] / POINTS


def letter(figure: Figure, box: Box, name: str, text: str, above: float) -> None:
    """Write a bold letter and a line of text, with their baseline ``above`` inches over the box."""
    left, top, *_ = box
    width, height = figure.get_size_inches()
    y = 1 - (top - above) / height
    figure.text(left / width, y, name, fontsize=9, fontweight="bold", ha="left", va="baseline")
    figure.text((left + LETTER_WIDTH) / width, y, text, ha="left", va="baseline")


def save(figure: Figure, *paths: str | os.PathLike, about: str = "") -> None:
    """Write the figure in the format of each path's suffix; the same figure gives the same bytes.

    Args:
        about: what a PNG says of itself (its text ``Description``), if anything.

    Raises:
        OutputError: a file cannot be written.
    """
    for path in map(Path, paths):
        with atomic(path) as temporary:
            metadata = {"Description": about} if about else _METADATA.get(path.suffix)
            figure.savefig(temporary, metadata=metadata)


def svg(figure: Figure) -> bytes:
    """Write the figure as a self-contained SVG document."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata=_METADATA[".svg"])
    return buffer.getvalue()
