"""Scans in any HDF5 file, by the paths of the datasets that hold patterns and positions: facilities
without a format need no code.

    data          (n, h, w), or (rows, columns, h, w) of a raster; rows of a frame run down, columns
        to the right, as the sample sees them; or a group of datasets (m, h, w) that an Eiger's
        master names data_000001, data_000002, ...
    positions     (n, 2) or (n, 3), or either with n last; x, y[, z]; or two datasets of n numbers,
        ``X,Y``; n may be (rows, columns), or of two datasets rows and columns, one each

A raster may do without positions: then rows of windows run down the object, and columns to the
right, a step apart.

Positions are those of the sample in the laboratory, seen along the beam x to the left and y up, as
in CXI; or, what is the same, those of the window on the object, x to the right and y down. ``axes``
says which number is which, if they are others.

MATLAB's files (v7.3) have all axes in reverse. So patterns (h, w, n) of MATLAB are turned back, and
its positions (n, 2) are (2, n) here, which are told by their shape as always. Whether its rasters
are (h, w, rows, columns) or (h, w, columns, rows) nothing says.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from ptychoformer.errors import InputError
from ptychoformer.measurement.options import Reading, choices_of
from ptychoformer.measurement.readers import ptyd
from ptychoformer.measurement.readers.axes import AXES, order_of, reordered
from ptychoformer.measurement.readers.hdf5 import PART, Source, blocks, open_scan_of
from ptychoformer.measurement.readers.quantities import LENGTH_UNITS, PIXELS, unit_of, value_of
from ptychoformer.measurement.readers.scan import (
    RawScan,
    check_frames,
    check_positions,
    counted,
    frame_pixels,
    in_order,
    orders,
    raster_positions,
    saturation,
)
from ptychoformer.measurement.readers.suggested import are_positions, is_patterns, suggested_in

UNITS = choices_of(Reading, "positions_unit")
PIXEL = 0.0  # metres, as nobody knows how many
KNOWN = LENGTH_UNITS | dict.fromkeys(PIXELS, PIXEL)


@dataclass(frozen=True)
class Places:
    """Where the patterns were taken.

    Args:
        positions, unit, positions_in, grid: as of a `RawScan`.
        warnings: full sentences for people.
    """

    positions: np.ndarray
    unit: Literal["metres", "frame pixels"]
    positions_in: str | None
    grid: tuple[int, int] | None = None
    warnings: tuple[str, ...] = ()


def open_by_path(
    path: Path, data: str | None, positions: str | None, unit: str | None, axes: str, step: float | None = None
) -> AbstractContextManager[RawScan]:
    """Open the scan whose patterns are the dataset ``data`` and whose positions are ``positions``,
    or those of a raster with a ``step``.

    Args:
        positions: the path of one dataset, or of two with a comma between them.
        unit: of ``positions``, one of `UNITS`, whatever their attributes say; None for what the
            attribute ``units`` of each dataset says. A pixel is one of the object as the whole
            frame samples it. Of a step; None for pixels.
        axes: what the first numbers of a position are, see `axes`.
        step: between neighbours of the raster; None if positions are recorded.

    Raises:
        InputError: a path or the unit is missing, or the file cannot be used as they say.
    """
    if not data or (not positions and step is None):
        told = (
            "the format hdf5 needs the path of the patterns (data), and that of the positions or, of a raster without"
            " them, a step"
        )
        raise InputError(f"{path}: {told}{suggested_in(path, data)}.")
    if positions and step is not None:
        raise InputError(f"{path}: positions and a step exclude each other, which is of a raster without positions.")
    if unit is not None and unit not in UNITS:
        raise InputError(f"The unit of positions must be one of {', '.join(UNITS)}, found '{unit}'.")
    order_of(axes)  # before the file is opened
    return open_scan_of(path, lambda source: _read(source, data, positions, unit, axes, step))


def _read(source: Source, data: str, positions: str | None, unit: str | None, axes: str, step: float | None) -> RawScan:
    if ptyd.DATA.fullmatch(data) and ptyd.is_ptyd(source):
        raise InputError(
            f"{source.path}: '{data}' is of the format ptyd of PtyPy, whose chunks are read together; leave out --data"
            " and --positions (in a config data and positions)."
        )
    patterns = source.stack(data)
    where = f"{source.path}: '{data}'"
    if patterns is None:
        raise _absent(source, data, "patterns", is_patterns)
    check_frames(where, patterns.shape)
    turned, (rows, columns) = source.by_columns(data), patterns.shape[-2:]
    frame = (columns, rows) if turned else (rows, columns)
    if step is None:
        places = _recorded(source, data, positions, patterns.shape[:-2], unit, axes)
    else:
        places = _on_a_raster(source, where, patterns.shape, step, unit, axes)
        _check_order_of_raster(source, data)
    check_positions(f"{source.path}: '{positions or data}'", places.positions, math.prod(patterns.shape[:-2]))

    def frames(size: int) -> Iterator[np.ndarray]:
        stored = blocks(patterns, size)
        # Contiguous, since bad pixels are filled in place.
        return counted(where, (np.ascontiguousarray(block.mT) for block in stored) if turned else stored)

    return RawScan(
        path=source.path,
        format="hdf5",
        frame=frame,
        positions=places.positions,
        unit=places.unit,
        positions_in=places.positions_in,
        axes=axes,
        grid=places.grid,
        frames=frames,
        saturation=saturation(patterns.dtype),
        warnings=(f"{where} was saved by MATLAB; its frames are read as MATLAB has them, {_by(frame)}.",) * turned
        + places.warnings,
    )


def _recorded(
    source: Source, data: str, positions: str, raster: tuple[int, ...], unit: str | None, axes: str
) -> Places:
    """Read the positions that the file holds, of patterns with the axes ``raster``, (n,) or
    (rows, columns).
    """
    stored, names, assumed = _stored(source, data, positions, raster)
    factors, units, contradicted = _factors(source, names, unit)
    pixels = not factors.any()
    order, signs = order_of(axes)
    if max(order) >= stored.shape[1]:
        raise InputError(
            f"{source.path}: the axes of positions name number {max(order) + 1} of each, '{positions}' has"
            f" {stored.shape[1]}."
        )
    with np.errstate(over="ignore", invalid="ignore"):  # of positions that are infinite, which are named later
        window = (stored * (1.0 if pixels else factors))[:, order] * signs
    return Places(
        positions=window,
        unit="frame pixels" if pixels else "metres",
        positions_in=units[0] if len(set(factors)) == 1 and not pixels else None,
        warnings=contradicted + assumed,
    )


def _on_a_raster(
    source: Source, where: str, shape: tuple[int, ...], step: float, unit: str | None, axes: str
) -> Places:
    """Make the positions of a raster (rows, columns, h, w) that records none."""
    positions, metres = reordered(source.path, raster_positions(where, shape, step), axes), KNOWN[unit or PIXELS[0]]
    return Places(
        positions=positions * metres if metres else frame_pixels(positions, shape[-2:]),
        unit="metres" if metres else "frame pixels",
        positions_in=unit if metres else None,
        # Rows and columns of the window would be others, too.
        grid=shape[:2] if order_of(axes) == order_of(AXES) else None,
    )


def _check_order_of_raster(source: Source, data: str) -> None:
    """Check that it is known which axis of the raster of patterns ``data`` are its rows.

    Raises:
        InputError: MATLAB saved them, where either may come first.
    """
    if source.by_columns(data):
        raise InputError(
            f"{source.path}: '{data}' was saved by MATLAB, and nothing says whether as (h, w, rows, columns) or"
            " (h, w, columns, rows); give positions with one number for each pattern (two datasets, X,Y)."
        )


def _absent(source: Source, name: str, what: str, fits: Callable[[tuple[int, ...]], bool]) -> InputError:
    """Make an error about ``what`` that is not where it should be, with places where it may be."""
    return InputError(f"{source.path}: '{name}' is not in the file{source.suggestion(what, fits)}.")


def _about_parts(data: str) -> str:
    """Say what may be wrong with positions that do not fit the patterns ``data``, if these may be a
    part.
    """
    group, _, name = data.rstrip("/").rpartition("/")
    return f"; if '{name}' is one part of several, '{group or '/'}' names all of them" if PART.fullmatch(name) else ""


def _stored(
    source: Source, data: str, positions: str, raster: tuple[int, ...]
) -> tuple[np.ndarray, list[str], tuple[str, ...]]:
    """Return the numbers (n, 2 or 3) of each position, float64; their datasets; and a warning of
    what is assumed of them.

    Args:
        raster: the axes of the patterns ``data``, (n,) or (rows, columns).
    """
    names = [name.strip() for name in positions.split(",")]
    if len(names) > 2 or not all(names):
        raise InputError(
            f"{source.path}: positions must be one dataset, or two with a comma between them, found '{positions}'."
        )
    arrays, count = [source.small(name) for name in names], math.prod(raster)
    if missing := [name for name, array in zip(names, arrays, strict=True) if array is None]:
        raise _absent(source, missing[0], "positions", lambda shape: are_positions(shape, count))
    if len(names) == 2:
        numbers, assumed = _two(source, data, names, arrays, raster)
        return np.stack([array.ravel() for array in numbers], axis=1).astype(np.float64), names, assumed
    (array,) = arrays
    by_pattern, by_axis = orders(array.shape, raster)
    if by_pattern and by_axis:
        raise InputError(
            f"{source.path}: '{positions}' of shape {array.shape} may be stored by pattern or by axis; name two"
            " datasets."
        )
    if not by_pattern and not by_axis:
        allowed = f"({count}, 2), ({count}, 3), (2, {count}) or (3, {count})"
        patterns = f"{count} patterns" + (f" of {_by(raster)}, which may stand for {count}," if len(raster) > 1 else "")
        raise InputError(
            f"{source.path}: '{positions}' must have one of the shapes {allowed} for {patterns}, found"
            f" {array.shape}{_about_parts(data)}."
        )
    rows = array.reshape(count, -1) if by_pattern else array.reshape(-1, count).T
    return rows.astype(np.float64), names, ()


def _two(
    source: Source, data: str, names: list[str], arrays: list[np.ndarray], raster: tuple[int, ...]
) -> tuple[list[np.ndarray], tuple[str, ...]]:
    """Return ``arrays`` that hold a number for each pattern; of a raster they may also hold one for
    each column and one for each row. And a warning where it is not clear which is which.
    """
    if all(in_order(array.shape, raster) for array in arrays):
        return arrays, ()
    sides = tuple(array.size for array in arrays)
    one_each = len(raster) == 2 and all(array.size == max(array.shape, default=1) for array in arrays)
    if not one_each or sides not in (raster, raster[::-1]):
        whole = f"{math.prod(raster)} numbers each, one a pattern"
        if len(raster) == 2:
            whole += f" of {_by(raster)}, or {raster[1]} and {raster[0]}, one a column and one a row"
        shapes = " and ".join(str(array.shape) for array in arrays)
        raise InputError(
            f"{source.path}: '{','.join(names)}' must hold {whole}, found shapes {shapes}{_about_parts(data)}."
        )
    first_along_rows, assumed = sides == raster, ()
    if raster[0] == raster[1]:
        first_along_rows, assumed = _first_along_rows(source, data, names)
    grids = np.meshgrid(*arrays, indexing="ij" if first_along_rows else "xy")
    return grids, assumed


def _first_along_rows(source: Source, data: str, names: list[str]) -> tuple[bool, tuple[str, ...]]:
    """Say whether the first of two datasets of a raster with as many rows as columns has a number
    for each row: by the attribute ``axes`` of NeXus, or not, with a warning that this is assumed.

    Raises:
        InputError: see `_check_order_of_raster`.
    """
    last = [name.rstrip("/").rpartition("/")[2].lower() for name in names]
    stated = (source.axes(data) or source.axes(data.rstrip("/").rpartition("/")[0]))[:2]
    if stated in (last, last[::-1]):
        return stated == last, ()
    _check_order_of_raster(source, data)
    return False, (
        f"{source.path}: of as many rows as columns, the numbers of '{names[0]}' are taken for those of columns, and of"
        f" '{names[1]}' of rows; if not, name them the other way round, with --positions-axes.",
    )


def _by(raster: tuple[int, ...]) -> str:
    rows, columns = raster
    return f"{rows} rows and {columns} columns"


def _factors(source: Source, names: list[str], unit: str | None) -> tuple[np.ndarray, list[str], tuple[str, ...]]:
    """Find the unit of the numbers in each dataset, metres (1,) or (2,), `PIXEL` where they are
    pixels; the units' names; and warnings about datasets that say another one than ``unit``.

    Raises:
        InputError: nothing says the unit of one, or one is in metres and the other in pixels.
    """
    if unit:
        return np.full(len(names), KNOWN[unit]), [unit] * len(names), _contradicted(source, names, unit)
    stated = [unit_of(source, name) for name in names]
    if unknown := [name for name, found in zip(names, stated, strict=True) if not found]:
        how = "--positions-unit (positions_unit in a config) names it"
        raise InputError(f"{source.path}: '{','.join(unknown)}' records no unit; {how}, one of {', '.join(UNITS)}.")
    factors = [value_of(f"{source.path}: '{name}'", found, KNOWN) for name, found in zip(names, stated, strict=True)]
    if PIXEL in factors and any(factors):
        raise InputError(
            f"{source.path}: '{','.join(names)}' must both be lengths or both pixels, found {' and '.join(stated)}."
        )
    return np.array(factors), stated, ()


def _contradicted(source: Source, names: list[str], unit: str) -> tuple[str, ...]:
    """Warn of datasets that record another unit than the ``unit`` that was asked for; of what is
    none, nothing is said.
    """
    warnings = []
    for name in names:
        where = f"{source.path}: '{name}'"
        with suppress(InputError):
            found = unit_of(source, name)
            if found and value_of(where, found, KNOWN) != KNOWN[unit]:
                warnings.append(f"{where} says that it is in {found}; it is read in {unit}, as was asked for.")
    return tuple(warnings)
