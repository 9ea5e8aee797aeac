"""Arrays saved by NumPy, read in order from a stream, so that an array within an archive never
has to fit into memory.
"""

import math
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from ptychoformer.errors import InputError
from ptychoformer.measurement.readers.scan import LARGEST_ARRAY, decoding
from ptychoformer.memory import MOST_EXPANSION

# The two compressions of numpy.savez. They shrink data a thousandfold at most, so that a member's
# size can be believed (see `member`).
COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
MOST_NAMED = 8  # arrays of an archive, in a sentence
_READ_HEADER = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


@dataclass(frozen=True)
class Array:
    """An array of numbers whose values are still in its file.

    Args:
        where: file and key, for messages.
        shape: of the array.
        dtype: of numbers.
        fortran: whether the first index runs fastest in the file.
        start: bytes before the values.
        open: its file or archive member from the beginning.
    """

    where: str
    shape: tuple[int, ...]
    dtype: np.dtype
    fortran: bool
    start: int
    open: Callable[[], AbstractContextManager[BinaryIO]]


def inspect(where: str, open: Callable[[], AbstractContextManager[BinaryIO]], size: int, kinds: str) -> Array:
    """Look at the array in a stream of ``size`` bytes.

    Args:
        kinds: the kinds of number, as in `numpy.dtype.kind`, that will do.

    Raises:
        InputError: it was not saved by NumPy, holds something else, or is not as large as it says.
    """
    with decoding(where), open() as stream:
        version = np.lib.format.read_magic(stream)
        if version not in _READ_HEADER:
            raise InputError(f"{where} is saved in version {version} of NumPy's format, which holds no plain numbers.")
        shape, fortran, dtype = _READ_HEADER[version](stream)
        start = stream.tell()
        if dtype.hasobject or dtype.kind not in kinds:
            raise InputError(f"{where} must hold numbers ({', '.join(_KINDS[kind] for kind in kinds)}), found {dtype}.")
        expected = start + dtype.itemsize * math.prod(shape)
        if min(shape, default=0) < 0 or expected != size:
            raise InputError(
                f"{where} says that it holds {dtype} of shape {shape}, {expected} bytes, but it has {size}."
            )
    return Array(where, shape, dtype, fortran and len(shape) > 1, start, open)


_KINDS = {"b": "bool", "i": "int", "u": "unsigned int", "f": "float", "c": "complex"}


def member(where: str, archive: zipfile.ZipFile, name: str, kinds: str) -> Array:
    """Look at the array ``name`` of an archive made by `numpy.savez`; ``where`` names the archive.

    Raises:
        InputError: as `inspect`, or the archive lies about its size.
    """
    where = f"{where}: '{name}'"
    try:
        info = archive.getinfo(f"{name}.npy")
    except KeyError as error:
        held = [member.removesuffix(".npy") for member in archive.namelist() if member.endswith(".npy")]
        shown = ", ".join(held[:MOST_NAMED] + ["..."] * (len(held) > MOST_NAMED)) or "none"
        raise InputError(
            f"{where} is not in the archive, whose arrays are {shown}; those of other names are read in Python, by"
            " open_scan(patterns, positions)."
        ) from error
    if info.compress_type not in COMPRESSIONS:
        raise InputError(
            f"{where} is compressed in a way that numpy.savez_compressed does not use (method {info.compress_type})."
        )
    if info.file_size > 2 * MOST_EXPANSION * max(info.compress_size, 1):
        raise InputError(
            f"{where} cannot grow from {info.compress_size} bytes to {info.file_size}; the archive is damaged."
        )
    return inspect(where, lambda: archive.open(info), info.file_size, kinds)


def read(array: Array) -> np.ndarray:
    """Read all of a small array.

    Raises:
        InputError: it is not small, or damaged.
    """
    size = array.dtype.itemsize * math.prod(array.shape)
    if size > LARGEST_ARRAY:
        raise InputError(
            f"{array.where} must not be larger than {LARGEST_ARRAY} bytes, found shape {array.shape} of {array.dtype}."
        )
    with decoding(array.where), array.open() as stream:
        stream.read(array.start)
        values = np.frombuffer(_exactly(stream, size), array.dtype)
    return values.reshape(array.shape, order="F" if array.fortran else "C")


def blocks(array: Array, axes: int, size: int) -> Iterator[np.ndarray]:
    """Yield the array in order, ``size`` items of its last ``axes`` axes at a time, (m, ...), the
    other axes being one.

    Raises:
        InputError: the array is stored column by column, or damaged.
    """
    if array.fortran:
        raise InputError(f"{array.where} is stored in Fortran order; save numpy.ascontiguousarray of it.")
    item, count = array.shape[-axes:], math.prod(array.shape[:-axes])
    with decoding(array.where), array.open() as stream:
        stream.read(array.start)
        for first in range(0, count, size):
            shape = (min(size, count - first), *item)
            yield np.frombuffer(_exactly(stream, array.dtype.itemsize * math.prod(shape)), array.dtype).reshape(shape)


def _exactly(stream: BinaryIO, size: int) -> bytearray:
    """Read ``size`` bytes; a stream may return fewer than it is asked for."""
    buffer = bytearray(size)
    rest = memoryview(buffer)
    while rest:
        count = stream.readinto(rest)
        if not count:
            raise EOFError(f"{len(rest)} bytes are missing")
        rest = rest[count:]
    return buffer
