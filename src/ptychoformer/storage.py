"""HDF5 and CSV as contracts: self-describing, written whole or not at all, and read with errors a user understands."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np

from ptychoformer.errors import InputError
from ptychoformer.files import atomic

if TYPE_CHECKING:  # pandas takes a quarter of a second to import, and most jobs write no table
    import pandas as pd


# Tables are written with nine significant digits: what differs by less than this part of itself is rounding.
PRECISION = 1e-8


@contextmanager
def create_hdf5(path: str | os.PathLike) -> Iterator[h5py.File]:
    """An HDF5 file to write to, which appears under ``path`` only when it is complete.

    Raises:
        OutputError: see `atomic`.
    """
    with atomic(path) as temporary, _Stream(temporary, "w+") as stream:
        file = h5py.File(stream, "w")
        try:
            yield file
        finally:
            stream.closing = True
            file.close()
        if stream.failure:
            raise stream.failure


class _Stream(io.FileIO):
    """The file under an HDF5 file, on a disk that may fill up.

    HDF5 makes the process crash at its end if it cannot write what it still holds when a file closes. So the first failure is raised
    where it happens, or kept while the file closes, and whatever HDF5 writes after it is thrown away.
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
        InputError: the file is missing, truncated, not HDF5, or breaks off while it is read.
    """
    if not Path(path).is_file():
        raise InputError(f"{path} does not exist.")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except OSError as error:
        raise InputError(f"{path} cannot be read as HDF5, it may be truncated ({_first_line(error)}).") from error


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


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


def write(group: h5py.Group, name: str, data: np.ndarray | float, units: str, axes: str) -> h5py.Dataset:
    """Store an array with what it means: ``units`` (``""`` if it has none) and comma-separated ``axes``."""
    return describe(group.create_dataset(name, data=data), units, axes)


def describe(dataset: h5py.Dataset, units: str, axes: str) -> h5py.Dataset:
    """Attach units and axes to an HDF5 dataset."""
    dataset.attrs["units"] = units
    dataset.attrs["axes"] = axes
    return dataset


def write_csv(frame: "pd.DataFrame", path: str | os.PathLike) -> None:
    """A tidy CSV, nine significant digits, the same bytes for the same numbers."""
    with atomic(path) as temporary:
        frame.to_csv(temporary, index=False, float_format="%.9g", lineterminator="\n")
