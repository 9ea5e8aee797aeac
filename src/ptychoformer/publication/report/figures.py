"""The figures of the report: their pictures as a part of the page."""

import base64
import io
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from ptychoformer.contents import Figure
from ptychoformer.errors import InputError
from ptychoformer.files import check_file
from ptychoformer.publication.names import listed_figures

# Three quarters of what a page may weigh: base64 adds a third.
MOST_BYTES = 10_000_000
MOST_LETTERS = 250  # of an alternative text, whose caption stands below it
_SCREEN_PIXELS_PER_DOT = 0.45  # figures have 300 dots an inch; their smallest text, 7 points, is then 13 pixels high
_ABSENT = (
    "Skipped: the measured scan {file} is not at hand. With a copy of it under a folder, make paper DATA=folder uses"
    " that; asking for fig5 by name downloads it if the config knows its address, and every run after that includes"
    " this figure, its table and its claims."
)


@dataclass(frozen=True)
class Picture:
    """A figure on the page; ``source`` and ``pdf`` are empty if there is none.

    Args:
        number: the paper's.
        alt: what it shows, for those who do not see it.
        source: data URI.
        width, height: on the screen, CSS pixels.
        pdf: link, relative to the page.
    """

    number: str
    title: str
    caption: str
    alt: str = ""
    source: str = ""
    width: int = 0
    height: int = 0
    pdf: str = ""


def pictures(
    figures: Mapping[str, tuple[str | os.PathLike, str | os.PathLike]],
    known: Mapping[str, Figure],
    page: str | os.PathLike,
    missing_scan: str = "",
) -> list[Picture]:
    """Prepare the figures in the order of the paper, with a word on those that are not made.

    PNGs are embedded as they are, or at half their resolution if the page would weigh too much.

    Args:
        figures: ``fig1``, ``fig2``, ... to PDF and PNG.
        known: the paper's, by the same names.
        page: where it will lie.
        missing_scan: the file that Figure 5 was left out for.

    Raises:
        InputError: a file is missing or not a PNG, or the paper has no such figure.
    """
    if unknown := [name for name in figures if name not in known]:
        raise InputError(f"The figure '{unknown[0]}' has no caption; there are captions of {', '.join(known)}.")
    contents = {name: _read(png) for name, (_, png) in figures.items()}
    halved = sum(map(len, contents.values())) > MOST_BYTES
    made = {
        name: _picture(name, known[name], figures[name], contents[name], halved, Path(page).parent) for name in figures
    }
    if missing_scan:
        made["fig5"] = Picture("5", known["fig5"].title, absent(missing_scan))
    return sorted(made.values(), key=lambda picture: int(picture.number))


def absent(missing_scan: str) -> str:
    """Say why Figure 5 was left out, and how to get it."""
    return _ABSENT.format(file=missing_scan)


def _picture(
    name: str,
    figure: Figure,
    files: tuple[str | os.PathLike, str | os.PathLike],
    content: bytes,
    halved: bool,
    folder: Path,
) -> Picture:
    pdf, png = map(Path, files)
    check_file(pdf)
    try:
        with Image.open(io.BytesIO(content)) as image:
            width, height = (round(_SCREEN_PIXELS_PER_DOT * size) for size in image.size)
            content = _half(image) if halved else content
    except (OSError, Image.DecompressionBombError) as error:
        raise InputError(f"{png} cannot be read as a picture; delete it and run again.") from error
    source = f"data:image/png;base64,{base64.b64encode(content).decode('ascii')}"
    return Picture(
        name.removeprefix("fig"),
        figure.title,
        figure.caption,
        f"{listed_figures([name])}: {figure.title}. {_first_sentences(figure.caption)}",
        source,
        width,
        height,
        Path(os.path.relpath(pdf, folder)).as_posix(),
    )


def _first_sentences(caption: str) -> str:
    """Take as many whole sentences of a caption, without marks, as an alternative text may have."""
    found = ""
    for sentence in re.split(r"(?<=\.)\s+", caption.replace("**", "")):
        if found and len(found) + len(sentence) > MOST_LETTERS:
            break
        found += f" {sentence}"
    return found.strip()


def _half(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.convert("RGB").reduce(2).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _read(path: str | os.PathLike) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}).") from error
