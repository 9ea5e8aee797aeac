"""HDF5 as a contract: self-describing, written whole or not at all, checked bit by bit where it is
read, and read with errors a user understands.

HDF5 checks what it reads by checksums in the file, a part of an array at a time. A file without
any, a user's own or an older one, is taken as it is.
"""

import io
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import h5py
import numpy as np

from ptychoformer.errors import InputError, first_line, raise_unless_damaged
from ptychoformer.files import atomic, check_file
from ptychoformer.memory import MOST_EXPANSION, check_room

FORMAT = ("v110", "v110")  # of HDF5, the oldest in which all that describes data has a checksum
COMPACT = 4096  # bytes of an array that is still kept with what describes it
PART = 2**20  # bytes of an array with one checksum


@contextmanager
def create_hdf5(path: str | os.PathLike, announce: Callable[[], None] | None = None) -> Iterator[h5py.File]:
    """Create an HDF5 file to write to, which appears under ``path`` only when it is complete.

    Args:
        announce: is called when it is, before it appears there.

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
        if announce:
            announce()


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
    """Open an HDF5 file to read from.

    Raises:
        InputError: the file is missing, damaged, not HDF5, or breaks off while it is read.
    """
    check_file(path)
    try:
        with h5py.File(path, "r") as file:
            check_descriptions(file)
            yield file
    except OSError as error:
        raise_unless_damaged(error, path)
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
    """Find the HDF5 dataset ``name``, which must exist and have ``ndim`` axes.

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
    """Read all of the HDF5 dataset ``name``, once it is sure that its values are there and find
    room.

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
    # Groups that HDF5 makes by itself on the way hold the time at which it does.
    above, _, name = name.rpartition("/")
    for part in filter(None, above.split("/")):
        group = group.require_group(part)
    in_parts = data.shape and data.nbytes > COMPACT
    made = allocate(group, name, data.shape, data.dtype) if in_parts else _compact(group, name, data)
    made[...] = data
    return made


def _compact(group: h5py.Group, name: str, data: np.ndarray) -> h5py.Dataset:
    """Make room for an array among what describes it, for which h5py has no option."""
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
    """Make room for an array that is yet to be filled, in parts of the shape ``chunks`` (None:
    rows, about ``PART`` bytes of them), each with a checksum; ``options`` are of h5py's
    ``create_dataset``.
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
