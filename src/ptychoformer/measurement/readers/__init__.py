"""Measured scans in the formats of facilities: recognised by what a file holds, read without being held, and believed only when checked."""

import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from ptychoformer.errors import InputError
from ptychoformer.measurement.readers import nanoprobe, velociprobe
from ptychoformer.measurement.readers.cxi import open_cxi
from ptychoformer.measurement.readers.nanoprobe import STEP, merge_labels, open_nanoprobe
from ptychoformer.measurement.readers.scan import RawScan, decoding
from ptychoformer.measurement.readers.velociprobe import open_velociprobe

__all__ = ["FORMATS", "STEP", "RawScan", "merge_labels", "open_scan"]

FORMATS = ("cxi", "velociprobe", "nanoprobe")


@contextmanager
def open_scan(path: str | os.PathLike, *, format: str | None = None, step: float = STEP) -> Iterator[RawScan]:
    """A measured scan, whose frames can be read until the context ends.

    Args:
        format: ``cxi``, ``velociprobe`` or ``nanoprobe``; None to recognise it.
        step: of the format nanoprobe, which records none: pixels of the prepared window between neighbours of the raster.

    Raises:
        InputError: the file is missing, of another format, damaged, or lies about itself.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} {'is no regular file' if path.exists() else 'does not exist'}.")
    if not os.access(path, os.R_OK):
        raise InputError(f"{path} may not be read by you; change its permissions.")
    match format or _recognised(path):
        case "cxi":
            opened = open_cxi(path)
        case "velociprobe":
            opened = open_velociprobe(path)
        case "nanoprobe":
            opened = open_nanoprobe(path, step)
        case other:
            raise InputError(f"There is no format '{other}' of scans; it must be one of {', '.join(FORMATS)}.")
    with opened as raw:
        yield raw


def _recognised(path: Path) -> str:
    """The format of a file by its first bytes, and of an archive by its members."""
    with path.open("rb") as file:
        first = file.read(8)
    if first.startswith(nanoprobe.MAGIC):
        return "nanoprobe"
    if first.startswith(velociprobe.MAGIC):
        return "velociprobe"
    with decoding(path):
        if h5py.is_hdf5(path):
            return "cxi"
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                return "nanoprobe" if "arr_0.npy" in archive.namelist() else "velociprobe"
    raise InputError(f"{path} is neither HDF5 (cxi), .npz.bz2 (velociprobe), .npz nor .npy (nanoprobe).")
