"""HDF5 and CSV as contracts: self-describing, written whole or not at all, checked bit by bit where
they are read, and read with errors a user understands.

HDF5 checks what it reads by checksums in the file, a part of an array at a time. The digest of a
CSV stands in its provenance. A file without any, a user's own or an older one, is taken as it is.
"""

import csv
import gzip
import io
import math
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from ptychoformer.errors import InputError, first_line, is_out_of_memory, why_not_now
from ptychoformer.files import atomic
from ptychoformer.memory import MOST_EXPANSION, check_room
from ptychoformer.provenance import check_content

if TYPE_CHECKING:  # pandas takes a quarter of a second to import, and most jobs write no table
    import pandas as pd


# Tables are written with nine significant digits: what differs by less than this part of itself is
# rounding.
DIGITS = "%.9g"
PRECISION = 1e-8
FORMAT = ("v110", "v110")  # of HDF5, the oldest in which all that describes data has a checksum
COMPACT = 4096  # bytes of an array that is still kept with what describes it
PART = 2**20  # bytes of an array with one checksum


@contextmanager
def create_hdf5(path: str | os.PathLike) -> Iterator[h5py.File]:
    """An HDF5 file to write to, which appears under ``path`` only when it is complete.

    Raises:
        OutputError: see `atomic`.
    """
    with atomic(path) as temporary, _Stream(temporary, "w+") as stream:
        file = h5py.File(stream, "w", libver=FORMAT)
        try:
            yield file
        finally:
            stream.closing = True
            file.close()
        if stream.failure:
            raise stream.failure


class _Stream(io.FileIO):
    """The file under an HDF5 file, on a disk that may fill up.

    HDF5 makes the process crash at its end if it cannot write what it still holds when a file
    closes. So the first failure is raised where it happens, or kept while the file closes, and
    whatever HDF5 writes after it is thrown away.
    """

    failure: OSError | None = None
    closing = False

    def write(self, data: memoryview) -> int:
        data = memoryview(data).cast("B")
        written = 0
        while written < len(data) and not self.failure:
            with self._noting_failure():
                written += super().write(data[written:])
        return len(data)

    def truncate(self, size: int | None = None) -> int:
        if not self.failure:
            with self._noting_failure():
                super().truncate(size)
        return size

    @contextmanager
    def _noting_failure(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.failure = error
            if not self.closing:
                raise


@contextmanager
def open_hdf5(path: str | os.PathLike) -> Iterator[h5py.File]:
    """An HDF5 file to read from.

    Raises:
        InputError: the file is missing, damaged, not HDF5, or breaks off while it is read.
    """
    if not Path(path).is_file():
        raise InputError(f"{path} does not exist.")
    try:
        with h5py.File(path, "r") as file:
            check_descriptions(file)
            yield file
    except OSError as error:
        if is_out_of_memory(error):
            raise
        if reason := why_not_now(error):
            raise InputError(f"{path} cannot be read: {reason}.") from error
        raise InputError(
            f"{path} cannot be read as HDF5, it may be truncated or damaged ({first_line(error)}); delete it, and run"
            " the same command that made it again."
        ) from error


def check_descriptions(file: h5py.File) -> None:
    """Look at what describes each array, group and attribute, which HDF5 checks as it does: one
    that is damaged would later seem not to be there.

    Raises:
        OSError: one is damaged.
    """

    def look(found: h5py.Group | h5py.Dataset) -> None:
        for attribute in found.attrs:
            found.attrs.get_id(attribute)

    try:
        look(file)
        file.visititems(lambda _, found: look(found))
    except (KeyError, RuntimeError, ValueError) as error:
        raise OSError(first_line(error)) from error


def read(file: h5py.File, name: str, ndim: int) -> h5py.Dataset:
    """The HDF5 dataset ``name``, which must exist and have ``ndim`` axes.

    Raises:
        InputError: it is missing, a group, or has another number of axes.
    """
    found = file.get(name)
    if not isinstance(found, h5py.Dataset):
        raise InputError(f"{file.filename} holds no dataset '{name}'.")
    if found.ndim != ndim:
        raise InputError(f"{file.filename}: '{name}' must have {ndim} axes, found shape {found.shape}.")
    return found


def read_whole(file: h5py.File, name: str, ndim: int) -> np.ndarray:
    """All of the HDF5 dataset ``name``, once it is sure that its values are there and find room.

    Raises:
        InputError: as `read`, or it claims to hold more than is stored, or than memory can take.
    """
    found, where = read(file, name, ndim), f"{file.filename}: '{name}'"
    if found.nbytes > MOST_EXPANSION * (stored := found.id.get_storage_size()):
        raise InputError(
            f"{where} claims the shape {found.shape} of {found.dtype}, of which {stored} bytes are stored."
        )
    check_room(where, found.nbytes)
    return found[:]


def write(group: h5py.Group, name: str, data: np.ndarray | float, units: str, axes: str) -> h5py.Dataset:
    """Store an array with its ``units`` (``""`` if it has none) and comma-separated ``axes``."""
    return describe(store(group, name, data), units, axes)


def store(group: h5py.Group, name: str, data: np.ndarray | float | bytes) -> h5py.Dataset:
    """Store an array, a number or a text, under HDF5's checksums."""
    data = np.asarray(data)
    in_parts = data.shape and data.nbytes > COMPACT
    made = allocate(group, name, data.shape, data.dtype) if in_parts else _compact(group, name, data)
    made[...] = data
    return made


def _compact(group: h5py.Group, name: str, data: np.ndarray) -> h5py.Dataset:
    """Room for an array among what describes it, for which h5py has no option."""
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_layout(h5py.h5d.COMPACT)
    properties.set_obj_track_times(False)  # the same bytes at any time
    space = h5py.h5s.create_simple(data.shape) if data.shape else h5py.h5s.create(h5py.h5s.SCALAR)
    kind = h5py.h5t.py_create(data.dtype, logical=True)
    group[name] = made = h5py.Dataset(h5py.h5d.create(group.id, None, kind, space, properties))
    return made


def allocate(
    group: h5py.Group,
    name: str,
    shape: tuple[int, ...],
    dtype: np.typing.DTypeLike,
    *,
    chunks: tuple[int, ...] | None = None,
    **options: Any,
) -> h5py.Dataset:
    """An array that is yet to be filled, in parts of the shape ``chunks`` (None: rows, about
    ``PART`` bytes of them), each with a checksum; ``options`` are of h5py's ``create_dataset``.
    """
    if 0 in shape:
        return _compact(group, name, np.empty(shape, dtype))
    if chunks is None:
        size = math.prod(shape) * np.dtype(dtype).itemsize
        chunks = (math.ceil(shape[0] / math.ceil(size / PART)), *shape[1:])
    return group.create_dataset(name, shape, dtype, chunks=chunks, fletcher32=True, **options)


def describe(dataset: h5py.Dataset, units: str, axes: str) -> h5py.Dataset:
    """Attach units and axes to an HDF5 dataset."""
    dataset.attrs["units"] = units
    dataset.attrs["axes"] = axes
    return dataset


def write_csv(frame: "pd.DataFrame", path: str | os.PathLike) -> None:
    """A tidy CSV, nine significant digits, the same bytes for the same numbers; compressed if
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
    """The same file as ``write_csv`` makes of a table with these rows, without pandas."""
    with atomic(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_printed(value) for value in row] for row in rows)


def _printed(value: str | int | float) -> str | int:
    if not isinstance(value, float):
        return value
    return "" if math.isnan(value) else DIGITS % value


def read_text(path: str | os.PathLike, what: str = "a table") -> "pd.DataFrame":
    """A CSV file, compressed or not, as text, digit for digit.

    Args:
        what: the file is, for the sentence of an error.

    Raises:
        InputError: it is missing, not as its provenance says, no table, or a row is not as long as
            the head.
    """
    import pandas as pd

    try:
        check_content(path)
        opened = gzip.open if Path(path).suffix == ".gz" else open
        with opened(path, "rt", encoding="utf-8", newline="") as file:
            head, *rows = csv.reader(file, strict=True)
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist.") from error
    except (OSError, EOFError, ValueError, csv.Error, zlib.error) as error:
        raise InputError(f"{path} cannot be read as {what} ({error}).") from error
    if not any(head):
        raise InputError(f"{path} cannot be read as {what} (it has no columns).")
    if any(len(row) != len(head) for row in rows):
        raise InputError(f"{path} breaks off in the middle of a row.")
    return pd.DataFrame(rows, columns=head, dtype=str)


def read_csv(
    path: str | os.PathLike, types: Mapping[str, type], required: Iterable[str] = (), what: str = "a table"
) -> "pd.DataFrame":
    """A CSV file whose names are names, ``NA`` and ``075`` too: only an empty number, or an empty
    true or false, is a missing one.

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
    """A column of text in another type, and which of its values cannot be."""
    if kind is str:
        return column, column.isna()
    if kind is bool:
        return column.map({"True": True, "False": False, "": None}), ~column.isin(["True", "False", ""])
    numbers = column.map(_number).astype(float)
    if kind is float:
        return numbers, numbers.isna() & (column != "")
    wrong = ~np.isfinite(numbers) | (numbers % 1 != 0)
    return numbers if wrong.any() else numbers.astype(int), wrong


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
