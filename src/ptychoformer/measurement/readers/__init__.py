"""Measured scans in the formats of facilities: recognised by what a file holds, read without
being held, and believed only when checked.
"""

import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import h5py

from ptychoformer.errors import InputError
from ptychoformer.files import check_file
from ptychoformer.measurement.options import Reading, choices_of
from ptychoformer.measurement.readers import nanoprobe, product, ptychi, ptychodus, ptyd, velociprobe
from ptychoformer.measurement.readers.axes import AXES, order_of, reordered, turned
from ptychoformer.measurement.readers.by_path import open_by_path
from ptychoformer.measurement.readers.cxi import open_cxi
from ptychoformer.measurement.readers.guard import rehearse
from ptychoformer.measurement.readers.hdf5 import open_source
from ptychoformer.measurement.readers.mask import given_mask
from ptychoformer.measurement.readers.nanoprobe import label_raster, merge_labels, open_nanoprobe
from ptychoformer.measurement.readers.probe import with_probe
from ptychoformer.measurement.readers.ptychi import open_ptychi
from ptychoformer.measurement.readers.ptychodus import open_ptychodus
from ptychoformer.measurement.readers.ptyd import open_ptyd
from ptychoformer.measurement.readers.scan import RawScan, decoding
from ptychoformer.measurement.readers.stopped import recorded
from ptychoformer.measurement.readers.velociprobe import open_velociprobe

__all__ = [
    "AXES",
    "FORMATS",
    "RawScan",
    "label_raster",
    "merge_labels",
    "open_described",
    "open_scan",
]

FORMATS = choices_of(Reading, "format")
KINDS = {"velociprobe": (".npz", "bzip2"), "nanoprobe": (".npz", ".npy")}  # of files; all others are HDF5


@contextmanager
def open_scan(
    path: str | os.PathLike,
    *,
    format: str | None = None,
    step: float | None = None,
    data: str | None = None,
    positions: str | None = None,
    positions_unit: str | None = None,
    positions_axes: str = AXES,
    positions_turn: float = Reading.positions_turn,
    mask: str | None = None,
    probe: str | None = None,
    replaced: Mapping[str, Any] = MappingProxyType({}),
) -> Iterator[RawScan]:
    """Open a measured scan, whose frames can be read until the context ends.

    Args:
        format: one of `FORMATS`; None to recognise it.
        step: between neighbours of a raster, of the formats that record no positions: nanoprobe, in
            pixels as the whole frame samples the object, by default `nanoprobe.STEP`; and hdf5, in
            place of ``positions``.
        data, positions: of the format hdf5, which they imply: paths of datasets in the file; see
            `by_path`.
        positions_unit: of these positions, or of the step, as in `by_path.open_by_path`.
        positions_axes: what the numbers of a position are, see `axes`; of the other formats, what
            their x and y are in truth.
        positions_turn: degrees by which positions are turned then, see `axes.turned`.
        mask: path of a dataset in the file, or a file, that names bad pixels besides those of the
            file's own mask, see `mask`; of the frames as they are yielded.
        probe: in place of the file's own, which then need not be usable, see `probe`.
        replaced: what is given in place of the file's own, by name, of the lengths of
            `options.Geometry` and ``centre``; the file's then need not be usable.

    Raises:
        InputError: the file is missing, of another format, damaged, or lies about itself.
    """
    path = Path(path)
    check_file(path)
    if not os.access(path, os.R_OK):
        raise InputError(f"{path} may not be read by you; change its permissions.")
    format = format or ("hdf5" if data or positions else _recognised(path))
    _check_kind(path, format)
    if format != "hdf5" and (data or positions or positions_unit):
        raise InputError(
            f"Paths of datasets, and the unit of their positions, are of the format hdf5, not of {format}."
        )
    if format not in ("hdf5", "nanoprobe") and step is not None:
        raise InputError(
            f"{path}: a step is of the formats nanoprobe and hdf5, not of {format}, which records positions."
        )
    if probe is not None:
        replaced = {**replaced, "probe": probe}
    match format:
        case "cxi":
            opened = open_cxi(path, replaced)
        case "ptychodus":
            opened = open_ptychodus(path, replaced)
        case "ptychi":
            opened = open_ptychi(path, replaced)
        case "ptyd":
            opened = open_ptyd(path, replaced)
        case "velociprobe":
            opened = open_velociprobe(path, replaced)
        case "nanoprobe":
            opened = open_nanoprobe(path, nanoprobe.STEP if step is None else step)
        case "hdf5":
            opened = open_by_path(path, data, positions, positions_unit, positions_axes, step)
        case other:
            raise InputError(f"There is no format '{other}' of scans; it must be one of {', '.join(FORMATS)}.")
    with opened as raw:
        raw = recorded(_masked(with_probe(raw, probe), mask))  # a pixel that is masked is no light
        raw = raw if format == "hdf5" else _reordered(raw, positions_axes)
        yield _turned(raw, positions_turn)


def _reordered(raw: RawScan, axes: str) -> RawScan:
    """Make x and y of a scan, as its format has them, what ``axes`` say."""
    if order_of(axes) == order_of(AXES):
        return raw
    # Rows and columns of a raster would be others, too.
    return replace(raw, positions=reordered(raw.path, raw.positions, axes), axes=axes, grid=None)


def _turned(raw: RawScan, turn: float) -> RawScan:
    """Turn the positions of a scan by ``turn`` degrees."""
    if turn == 0:
        return raw
    return replace(raw, positions=raw.uneven(turned(raw.even(raw.positions), turn)), turn=turn, grid=None)


def _masked(raw: RawScan, mask: str | None) -> RawScan:
    """Mask the pixels that a given ``mask`` of a scan's frames names, besides those of the scan's
    own.
    """
    if mask is None:
        return raw
    bad = given_mask(raw.path, mask, tuple(raw.frame))
    told = (
        f"{raw.path}: {mask} is taken for a mask of the frames as they are drawn, with the zero frequency in the"
        " middle; shift a mask of the file's own order with numpy.fft.fftshift."
    )
    warnings = raw.warnings + (told,) * raw.corner_first
    return replace(raw, mask=bad if raw.mask is None else bad | raw.mask, warnings=warnings)


def open_described(path: str | os.PathLike, reading: Reading) -> AbstractContextManager[RawScan]:
    """Open a scan as its options say; see `open_scan`."""
    given = vars(reading.geometry) | {"centre": reading.centre}
    return open_scan(
        path,
        format=reading.format,
        step=reading.step,
        data=reading.data,
        positions=reading.positions,
        positions_unit=reading.positions_unit,
        positions_axes=AXES if reading.positions_axes is None else reading.positions_axes,
        positions_turn=reading.positions_turn,
        mask=reading.mask,
        probe=reading.probe,
        replaced={name: value for name, value in given.items() if value is not None},
    )


def _kind(path: Path) -> str | None:
    """Tell the kind of a file by its first bytes: HDF5, .npy, .npz or bzip2; None if it is none of
    them.
    """
    with path.open("rb") as file:
        first = file.read(8)
    if first.startswith(nanoprobe.MAGIC):
        return ".npy"
    if first.startswith(velociprobe.MAGIC):
        return "bzip2"
    with decoding(path):
        if h5py.is_hdf5(path):
            return "HDF5"
        return ".npz" if zipfile.is_zipfile(path) else None


def _check_kind(path: Path, format: str) -> None:
    """Check that a file is of the kind that a ``format`` is stored in; a damaged one may be of
    none.

    Raises:
        InputError: it is of another kind.
    """
    kind, allowed = None, KINDS.get(format, ("HDF5",))
    with suppress(OSError):  # of a file that cannot be opened the reader tells
        kind = _kind(path)
    if format in FORMATS and kind is not None and kind not in allowed:
        raise InputError(f"{path} is {kind}, and not of the format {format}, which is {' or '.join(allowed)}.")


def _recognised(path: Path) -> str:
    """Recognise the format of a file by its first bytes, and of an archive by its members."""
    if not path.stat().st_size:
        raise InputError(f"{path} is empty.")
    match _kind(path):
        case "HDF5":
            return _recognised_hdf5(path)
        case ".npy":
            return "nanoprobe"
        case "bzip2":
            return "velociprobe"
        case ".npz":
            with decoding(path), zipfile.ZipFile(path) as archive:
                return "nanoprobe" if "arr_0.npy" in archive.namelist() else "velociprobe"
    raise InputError(
        f"{path} is neither HDF5 (cxi, ptychodus, ptychi, ptyd), .npz.bz2 (velociprobe), .npz nor .npy (nanoprobe)."
    )


def _recognised_hdf5(path: Path) -> str:
    """Recognise the format of an HDF5 file by what its root holds."""

    def entries() -> list[str]:
        with open_source(path) as source:
            return [
                name
                for name in ("entry_1", ptychi.PATTERNS, ptychodus.PATTERNS, *product.POSITIONS, ptyd.CHUNKS, ptyd.META)
                if source.holds(name)
            ]

    rehearse(path, entries)
    match entries():
        case ["entry_1", *_] | [] | [ptyd.CHUNKS] | [ptyd.META]:
            return "cxi"
        case [ptychi.PATTERNS, *_]:
            return "ptychi"
        case [ptychodus.PATTERNS, *_]:
            return "ptychodus"
        case [ptyd.CHUNKS, ptyd.META]:
            return "ptyd"
    raise InputError(
        f"{path} is a product of ptychodus without patterns; name the file with the patterns, which has it beside it."
    )
