"""Scans of the APS Velociprobe as Tike ships them: an archive of NumPy arrays, packed once more
with bzip2.

    data    (1, n, h, w)              photons, zero frequency at [0, 0]
    scan    (1, n, 2)                 y and x of the window's upper left corner on the object,
        pixels
    probe   (1, 1, 1, modes, h, w)    complex, a first guess; may be absent

No wavelength, distance or pixel size is recorded. A bare ``.npz`` with these arrays is the same.
"""

import bz2
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

import numpy as np
from scipy.fft import fftshift

from ptychoformer.errors import InputError
from ptychoformer.measurement.readers import npy
from ptychoformer.measurement.readers.scan import (
    RawScan,
    check_frames,
    check_positions,
    counted,
    decoding,
    first_mode,
    saturation,
)
from ptychoformer.memory import MOST_EXPANSION

MAGIC = b"BZh"
BLOCK = 2**20  # bytes unpacked at a time


@contextmanager
def open_velociprobe(path: Path, replaced: Mapping[str, Any] = MappingProxyType({})) -> Iterator[RawScan]:
    """Open the scan in a ``.npz.bz2`` or ``.npz``; it is unpacked to a temporary file, as bzip2
    only reads forwards.

    Args:
        replaced: as in `readers.open_scan`.

    Raises:
        InputError: the file is damaged, lacks an array, or its arrays do not fit each other.
    """
    with _unpacked(path) as file, _archive(path, file) as archive:
        yield _read(path, archive, "probe" not in replaced)


def _read(path: Path, archive: zipfile.ZipFile, with_probe: bool) -> RawScan:
    data, scan = (npy.member(str(path), archive, name, "biuf") for name in ("data", "scan"))
    count, *frame = _single(data, 3)
    check_frames(data.where, (count, *frame))
    positions = npy.read(scan).reshape(_single(scan, 2)).astype(np.float64)
    if positions.shape[1] != 2:
        raise InputError(f"{scan.where} must hold y and x of each position, found shape {scan.shape}.")
    check_positions(str(path), positions, count)
    probe, warnings = None, ()
    if with_probe and "probe.npy" in archive.namelist():
        modes = npy.read(npy.member(str(path), archive, "probe", "biufc"))
        probe, warnings = first_mode(path, modes, frame)
    return RawScan(
        path=path,
        format="velociprobe",
        frame=tuple(frame),
        positions=positions,
        unit="frame pixels",
        frames=lambda size: counted(data.where, (fftshift(block, axes=(1, 2)) for block in npy.blocks(data, 2, size))),
        saturation=saturation(data.dtype),
        centred=True,
        corner_first=True,
        probe=probe,
        warnings=warnings,
    )


def _single(array: npy.Array, axes: int) -> tuple[int, ...]:
    """Take the last ``axes`` axes of the shape of an array of one view of the sample."""
    views, shape = array.shape[:-axes], array.shape[-axes:]
    if len(shape) < axes or views not in ((), (1,)):
        raise InputError(f"{array.where} must be one view, a 1 and {axes} more axes, found shape {array.shape}.")
    return shape


@contextmanager
def _unpacked(path: Path) -> Iterator[BinaryIO]:
    """Unpack the archive to a file in which one can go back and forth.

    Raises:
        InputError: the file is damaged, or grows to more than a thousand times its size.
    """
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            yield file
            return
    limit = MOST_EXPANSION * path.stat().st_size
    with tempfile.TemporaryFile() as unpacked:
        with decoding(path), bz2.open(path) as packed:
            while block := packed.read(BLOCK):
                if unpacked.tell() + len(block) > limit:
                    raise InputError(
                        f"{path} unpacks to more than {MOST_EXPANSION} times its size, as no measured scan does."
                    )
                unpacked.write(block)
        yield unpacked


@contextmanager
def _archive(path: Path, file: BinaryIO) -> Iterator[zipfile.ZipFile]:
    with decoding(path):
        archive = zipfile.ZipFile(file)
    with archive:
        yield archive
