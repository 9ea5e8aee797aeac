"""Blocks of a page that are made from tables: a text between two marks."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from ptychoformer.errors import InputError
from ptychoformer.files import check_file, write_text


def write_block(page: str | os.PathLike, text: str, marks: tuple[str, str]) -> None:
    """Put a text between the two marks of a page.

    Raises:
        InputError: see `around_block`.
    """
    before, after = around_block(page, marks)
    write_text(f"{before}{marks[0]}\n{text}{marks[1]}{after}", page)


def around_block(page: str | os.PathLike, marks: tuple[str, str]) -> tuple[str, str]:
    """Read what stands before and after a marked block of a page.

    Raises:
        InputError: it cannot be read, or has not both marks, each once, in their order.
    """
    check_file(page)
    try:
        text = Path(page).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(f"{page} cannot be read as a page of text ({error}).") from error
    begin, end = marks
    before, _, rest = text.partition(begin)
    _, ended, after = rest.partition(end)
    if not ended or (text.count(begin), text.count(end)) != (1, 1):
        raise InputError(f"{page} must have the lines '{begin}' and '{end}', each once, in this order.")
    return before, after


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table in Markdown."""
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])
