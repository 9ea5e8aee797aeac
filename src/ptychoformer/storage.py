"""Files as contracts: written whole or not at all, self-describing, and read with errors a user understands."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from ptychoformer.errors import InputError, OutputError

_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def atomic(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary name beside ``path`` (same suffix); rename it on success, remove it on any failure.

    Raises:
        OutputError: the disk is full or the folder cannot be written to.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except (OSError, RuntimeError) as error:
        if reason := _why_not_written(error):
            raise OutputError(f"{path} cannot be written: {reason}. Nothing was left half-written.") from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def _why_not_written(error: Exception) -> str | None:
    # HDF5 reports a full disk as an OSError or a RuntimeError with the errno in its text only.
    code, text = getattr(error, "errno", None), str(error)
    if code in _DISK_FULL or any(f"errno = {full}," in text for full in _DISK_FULL) or "No space left" in text:
        return "the disk is full; free some space and run the same command again"
    if code in {errno.EACCES, errno.EROFS, errno.EPERM} and isinstance(error, OSError):
        return f"permission denied ({error.strerror})"
    return None


@contextmanager
def create_hdf5(path: str | os.PathLike) -> Iterator[h5py.File]:
    """An HDF5 file to write to, which appears under ``path`` only when it is complete."""
    with atomic(path) as temporary, h5py.File(temporary, "w") as file:
        yield file


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


def write_csv(frame: pd.DataFrame, path: str | os.PathLike) -> None:
    """A tidy CSV, nine significant digits, the same bytes for the same numbers."""
    with atomic(path) as temporary:
        frame.to_csv(temporary, index=False, float_format="%.9g", lineterminator="\n")


def write_text(text: str, path: str | os.PathLike) -> None:
    """A UTF-8 text file."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
