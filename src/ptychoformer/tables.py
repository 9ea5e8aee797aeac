"""CSV as a contract: tidy, written whole or not at all, checked bit by bit where it is read, and
read with errors a user understands.

The digest of a CSV stands in its provenance. A file without one, a user's own or an older one, is
taken as it is.
"""

import codecs
import csv
import gzip
import io
import math
import os
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ptychoformer.errors import InputError
from ptychoformer.files import atomic, check_file
from ptychoformer.provenance import check_content

if TYPE_CHECKING:  # pandas takes a quarter of a second to import, and most jobs write no table
    import pandas as pd


# Tables are written with nine significant digits: what differs by less than this part of itself is
# rounding.
DIGITS = "%.9g"
PRECISION = 1e-8


def write_csv(frame: "pd.DataFrame", path: str | os.PathLike) -> None:
    """Write a tidy CSV, nine significant digits, the same bytes for the same numbers; compressed if
    the name ends in ``.gz``.
    """
    with atomic(path) as temporary:
        if temporary.suffix != ".gz":
            frame.to_csv(temporary, index=False, float_format=DIGITS, lineterminator="\n")
            return
        # Neither a name nor a time goes into the head of the file.
        with open(temporary, "wb") as raw, gzip.GzipFile("", "wb", mtime=0, fileobj=raw) as file:
            frame.to_csv(file, index=False, float_format=DIGITS, lineterminator="\n")


def write_rows(columns: Iterable[str], rows: Iterable[Iterable[str | int | float]], path: str | os.PathLike) -> None:
    """Write the same file as ``write_csv`` makes of a table with these rows, without pandas."""
    with atomic(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_printed(value) for value in row] for row in rows)


def write_records(records: Sequence[Mapping[str, str | int | float]], path: str | os.PathLike) -> None:
    """Write the same file as ``write_rows`` makes of one or more rows that name their columns."""
    write_rows(records[0], (record.values() for record in records), path)


def _printed(value: str | int | float) -> str | int:
    if not isinstance(value, float):
        return value
    return "" if math.isnan(value) else DIGITS % value


def read_text(path: str | os.PathLike, what: str = "a table") -> "pd.DataFrame":
    """Read a CSV file, compressed or not, as text, digit for digit.

    Args:
        what: the file is, for the sentence of an error.

    Raises:
        InputError: it is missing, not as its provenance says, no table, or a row is not as long as
            the head.
    """
    import pandas as pd

    try:
        check_file(path)
        check_content(path)
        opened = gzip.open if Path(path).suffix == ".gz" else open
        with opened(path, "rb") as file:
            content = file.read()
        text = content.decode("utf-8")
        if _is_plain(content):
            # A quarter of the time, and the same text.
            own = dict(dtype=str, na_filter=False, skip_blank_lines=False, quoting=csv.QUOTE_NONE)
            return pd.read_csv(io.BytesIO(content), **own)
        head, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    except (OSError, EOFError, ValueError, csv.Error, zlib.error) as error:
        raise InputError(f"{path} cannot be read as {what} ({error}).") from error
    if not any(head):
        raise InputError(f"{path} cannot be read as {what} (it has no columns).")
    if any(len(row) != len(head) for row in rows):
        raise InputError(f"{path} breaks off in the middle of a row.")
    return pd.DataFrame(rows, columns=head, dtype=str)


def _is_plain(content: bytes) -> bool:
    """Say whether a CSV file is nothing but fields between commas, as many in every line as there
    are different names in the first: pandas would fill up and cut other rows, and rename columns.
    """
    head = content.partition(b"\n")[0].split(b",")
    if not all(head) or len(set(head)) < len(head) or content.startswith(codecs.BOM_UTF8):
        return False
    if any(mark in content for mark in (b'"', b"\r", b"\0", b"\n\n")):
        return False
    characters = np.frombuffer(content.removesuffix(b"\n") + b"\n", np.uint8)
    ends, commas = (np.flatnonzero(characters == ord(mark)) for mark in "\n,")
    return bool((np.diff(np.searchsorted(commas, ends), prepend=0) == len(head) - 1).all())


def read_csv(
    path: str | os.PathLike, types: Mapping[str, type], required: Iterable[str] = (), what: str = "a table"
) -> "pd.DataFrame":
    """Read a CSV file whose names are names, ``NA`` and ``075`` too: only an empty number, or an
    empty true or false, is a missing one.

    Args:
        types: column to ``str``, ``bool``, ``int`` (never missing) or ``float``; a column that is
            not named holds floats.
        required: columns that it must have.
        what: the file is, for the sentence of an error.

    Raises:
        InputError: see `read_text`, or it lacks a column, or a value is not of its column's type.
    """
    table = read_text(path, what)
    if missing := [name for name in required if name not in table]:
        raise InputError(f"{path} has no column {' and no column '.join(missing)}.")
    for name in table:
        kind = types.get(name, float)
        values, wrong = _converted(table[name], kind)
        if wrong.any():
            found = table.loc[wrong.idxmax(), name]
            allowed = {bool: "True or False", int: "a whole number", float: "a number"}[kind]
            raise InputError(
                f"{path} cannot be read as {what} (the column {name} holds '{found}', which is not {allowed})."
            )
        table[name] = values
    return table


def _converted(column: "pd.Series", kind: type) -> tuple["pd.Series", "pd.Series"]:
    """Convert a column of text to another type, and mark which of its values cannot be."""
    import pandas as pd

    if kind is str:
        return column, column.isna()
    if kind is bool:
        return column.map({"True": True, "False": False, "": None}), ~column.isin(["True", "False", ""])
    numbers = pd.Series(_numbers(column.to_numpy(object)), column.index)
    if kind is float:
        return numbers, numbers.isna() & (column != "")
    wrong = ~np.isfinite(numbers) | (numbers % 1 != 0)
    return numbers if wrong.any() else numbers.astype(int), wrong


def _numbers(texts: np.ndarray) -> np.ndarray:
    """Read numbers as Python does; NaN where there is none."""
    try:
        return np.where(texts == "", "nan", texts).astype(float)
    except ValueError:
        return np.array([_number(text) for text in texts])


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
