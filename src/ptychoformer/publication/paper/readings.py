"""What the documentation says of readings, shortened for the paper: `docs/readings.md` is its one
source.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ptychoformer.errors import InputError

HEADING = "| open point | what is done here |"  # of the tables that are read
CONTRADICTIONS = "What the paper says against itself"


@dataclass(frozen=True)
class Reading:
    """An open point of the paper, and the first sentence of what is done here, as Markdown."""

    point: str
    done: str


@dataclass(frozen=True)
class Readings:
    """What is read.

    Args:
        groups: heading of each table, and its rows.
        contradictions: what the paper says against itself, a passage each, as Markdown.
    """

    groups: tuple[tuple[str, tuple[Reading, ...]], ...]
    contradictions: tuple[str, ...]


def read_readings(path: str | os.PathLike) -> Readings:
    """Read the page.

    Raises:
        InputError: it cannot be read, or has no open point or nothing that the paper says against
            itself.
    """
    try:
        sections = re.split(r"^## ", Path(path).read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error}).") from error
    groups, contradictions = [], []
    for heading, _, body in (section.partition("\n") for section in sections):
        groups += [(heading, rows)] if (rows := tuple(_rows(body))) else []
        contradictions += _items(body) if heading == CONTRADICTIONS else []
    if not groups:
        raise InputError(f"{path} has no table that is headed '{HEADING}'.")
    if not contradictions:
        raise InputError(f"{path} has no list under '## {CONTRADICTIONS}'.")
    return Readings(tuple(groups), tuple(contradictions))


def _rows(body: str) -> Iterator[Reading]:
    """Yield the rows of the table of open points in a section."""
    _, _, table = body.partition(f"{HEADING}\n")
    for line in table.splitlines()[1:]:  # below the rule
        if not line.startswith("|"):
            return
        point, done = (cell.replace(r"\|", "|").strip() for cell in re.split(r"(?<!\\)\|", line)[1:3])
        yield Reading(point, _first_sentence(done))


def _first_sentence(text: str) -> str:
    """Take the first sentence, closed by a full stop; what refers to other parts of the page is
    left out.
    """
    first = re.split(r"(?<=\.)\s+(?=[A-Z(`*])", text, maxsplit=1)[0]
    return re.sub(r"[,;] see [^;]*\bbelow\b[^;]*$", "", first).rstrip(".") + "."


def _items(body: str) -> list[str]:
    """Split a list into its items, each in one line."""
    return [" ".join(item.split()) for item in re.split(r"^- ", body, flags=re.MULTILINE)[1:]]
