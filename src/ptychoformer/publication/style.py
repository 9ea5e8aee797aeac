"""How figures look: one style file, one colour per model, the widths of a journal page, and files with the same bytes every time."""

import colorsys
import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from matplotlib import style
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from ptychoformer.files import atomic

DOUBLE_COLUMN = 7.16  # inches, IEEE Transactions
STYLE_FILE = Path(__file__).with_name("ptychoformer.mplstyle")

# Okabe and Ito's palette, which colour-blind readers can tell apart too.
COLOURS = {
    "ptychoformer": "#D55E00",
    "ptychonn": "#0072B2",
    "ptynet": "#009E73",
    "dpi": "#E69F00",
    "transunet": "#CC79A7",
    "segformer": "#56B4E9",
    "floor": "#999999",
    "ceiling": "#000000",
}

# Matplotlib writes the time of saving into PDF and SVG unless told not to.
_METADATA = {".pdf": {"CreationDate": None}, ".svg": {"Date": None}}


def colour(model: str) -> str:
    """The colour of a model in every figure, ``#rrggbb``; a model without an entry gets one that depends on its name alone."""
    if model in COLOURS:
        return COLOURS[model]
    hue = zlib.crc32(model.encode()) % 360 / 360
    return to_hex(colorsys.hls_to_rgb(hue, 0.4, 0.6)).upper()


@contextmanager
def house_style() -> Iterator[None]:
    """Draw and save inside this, whatever the user's own matplotlib settings are."""
    with style.context(["default", STYLE_FILE]):
        yield


def save(figure: Figure, *paths: str | os.PathLike) -> None:
    """Write the figure in the format of each path's suffix; the same figure gives the same bytes.

    Raises:
        OutputError: a file cannot be written.
    """
    for path in map(Path, paths):
        with atomic(path) as temporary:
            figure.savefig(temporary, metadata=_METADATA.get(path.suffix))


def svg(figure: Figure) -> bytes:
    """The figure as a self-contained SVG document."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata=_METADATA[".svg"])
    return buffer.getvalue()
