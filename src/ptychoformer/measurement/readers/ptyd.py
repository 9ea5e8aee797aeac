"""Scans as PtyPy prepares them, ``.ptyd``: patterns in chunks, in the file or linked to, and what
all of them share.

    chunks/0, chunks/1, ...    in the order of their numbers
        data         (m, h, w) counts; none in a chunk that is empty
        positions    (m, 2) y and x of the window on the object, metres
        weights      (m, h, w), greater than 0 where the detector is to be trusted; may be empty
    meta                       each entry may be missing, or be PtyPy's None
        energy       of a photon, keV
        distance     from object to detector, metres
        psize        side of a pixel of the patterns, or y and x, metres
        center       (y, x) of the zero frequency, pixels, whole numbers in the middle of each
        num_frames   how many patterns there should be
        weight2d     (h, w), in place of weights
        propagation  "farfield"
"""

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from scipy import constants

from ptychoformer.errors import InputError
from ptychoformer.measurement.particles import wavelength_of
from ptychoformer.measurement.readers.beam import WAVELENGTHS
from ptychoformer.measurement.readers.detector import beside
from ptychoformer.measurement.readers.hdf5 import MOST_PARTS, Source, Stack, blocks, open_scan_of, stacked
from ptychoformer.measurement.readers.quantities import (
    ENERGY_UNITS,
    LENGTH_UNITS,
    quantity,
    scale,
    unit_of,
    unless_replaced,
)
from ptychoformer.measurement.readers.scan import (
    LENGTHS,
    RawScan,
    check_frames,
    check_positions,
    counted,
    decoding,
    saturation,
    sound,
)

CHUNKS, META = "chunks", "meta"
NUMBER = re.compile(r"0|[1-9]\d{0,8}")
DATA = re.compile(rf"/*{CHUNKS}(/+\d+(/+data)?)?/*")  # paths at which somebody may look for patterns
Chunks = dict[str, h5py.Dataset]
KILOELECTRONVOLT = 1e3 * constants.eV


def open_ptyd(path: Path, replaced: Mapping[str, Any]) -> AbstractContextManager[RawScan]:
    """Open the scan that PtyPy has prepared.

    Args:
        replaced: as in `readers.open_scan`.

    Raises:
        InputError: the file, or one that it links to, is missing or damaged, or its parts do not
            fit each other.
    """
    return open_scan_of(path, lambda source: _read(source, replaced))


def is_ptyd(source: Source) -> bool:
    """Say whether a file has the groups that all of PtyPy's have."""
    return source.holds(CHUNKS) and source.holds(META)


def _read(source: Source, replaced: Mapping[str, Any]) -> RawScan:
    if source.text(f"{META}/propagation") == "nearfield":
        raise InputError(
            f"{source.path}: '{META}/propagation' must be farfield, patterns of the near field are not read."
        )
    where = f"{source.path}: '{CHUNKS}'"
    chunks, gaps = _chunks(source)
    patterns = stacked(where, {f"{chunk}/data": data for chunk, data in chunks.items()})
    check_frames(where, patterns.shape)
    count, *frame = patterns.shape
    positions = np.concatenate([_positions(source, chunk, len(data)) for chunk, data in chunks.items()])
    check_positions(str(source.path), positions, count)
    weights = _weights(source, chunks)
    bad = _bad(source, tuple(frame), weights)
    wavelength = unless_replaced(lambda: _wavelength(source), None, "wavelength" in replaced)
    centre, ignored = unless_replaced(lambda: _centre(source, frame), (None, ()), "centre" in replaced)
    return RawScan(
        path=source.path,
        format="ptyd",
        frame=tuple(frame),
        positions=positions,
        unit="metres",
        frames=lambda size: counted(where, _trusted(where, patterns, weights, bad, size)),
        wavelength=wavelength,
        distance=unless_replaced(
            lambda: _quantity(source, f"{META}/distance", LENGTH_UNITS), None, "distance" in replaced
        ),
        detector_pixel=unless_replaced(lambda: _pixel(source), None, "detector_pixel" in replaced),
        mask=bad,
        saturation=saturation(patterns.dtype),
        centre=centre,
        particle="photon" if wavelength else None,
        warnings=gaps + _about_count(source, count) + ignored,
    )


def _chunks(source: Source) -> tuple[Chunks, tuple[str, ...]]:
    """Find the patterns (m, h, w) of each chunk that has some, by the chunk's path, and warn if
    chunks are missing between them.

    Raises:
        InputError: there are none, or too many, or one lacks its dataset.
    """
    numbers = sorted(int(name) for name in source.names(CHUNKS) if NUMBER.fullmatch(name))
    if len(numbers) > MOST_PARTS:
        raise InputError(f"{source.path}: '{CHUNKS}' holds {len(numbers)} chunks, at most {MOST_PARTS} can be.")
    chunks = {}
    for number in numbers:
        name = f"{CHUNKS}/{number}"
        data = source.array(f"{name}/data")
        if data is None:
            raise InputError(f"{source.path}: '{name}/data' is not in the file.")
        if data.size:
            chunks[name] = data
    if not chunks:
        raise InputError(f"{source.path}: '{CHUNKS}' holds no patterns.")
    source.check_rows(f"{next(iter(chunks))}/data")
    if numbers[-1] == len(numbers) - 1:
        return chunks, ()
    first = next(place for place, number in enumerate(numbers) if place != number)
    return chunks, (f"{source.path}: '{CHUNKS}' holds chunks up to number {numbers[-1]}, but no chunk {first}.",)


def _positions(source: Source, chunk: str, count: int) -> np.ndarray:
    """Read y and x (m, 2) float64 of the ``count`` patterns of a chunk, metres."""
    name = f"{chunk}/positions"
    positions = source.small(name)
    if positions is None:
        raise InputError(f"{source.path}: '{name}' is not in the file.")
    if positions.shape != (count, 2):
        raise InputError(f"{source.path}: '{name}' must have the shape ({count}, 2), found {positions.shape}.")
    return positions.astype(np.float64)


def _weights(source: Source, chunks: Chunks) -> Stack | None:
    """Find the weights of all patterns, which are not read; None if no chunk has any.

    Raises:
        InputError: some chunks have weights, but not all, or they do not fit the patterns.
    """
    found = {chunk: source.array(f"{chunk}/weights") for chunk in chunks}
    given = {chunk: weights for chunk, weights in found.items() if weights is not None and weights.size}
    if not given:
        return None
    for chunk, data in chunks.items():
        shape = given[chunk].shape if chunk in given else None
        if shape != data.shape:
            raise InputError(
                f"{source.path}: '{chunk}/weights' must have the patterns' shape {data.shape}, as no chunk or every one"
                f" has weights, found {shape or 'none'}."
            )
    return stacked(f"{source.path}: '{CHUNKS}'", {f"{chunk}/weights": part for chunk, part in given.items()})


def _bad(source: Source, frame: tuple[int, int], weights: Stack | None) -> np.ndarray | None:
    """Find the pixels, (h, w) bool, that the weights of the first pattern, or those of all, speak
    against; None if there are no weights.
    """
    name = f"{META}/weight2d"
    if weights is not None:
        name = f"{CHUNKS}/*/weights"
        with decoding(f"{source.path}: '{name}'"):
            trusted = next(blocks(weights, 1))[0] > 0
    elif _says(source, name) and (weight := source.small(name)) is not None:
        trusted = weight > 0
    else:
        return None
    if trusted.shape != frame:
        raise InputError(f"{source.path}: '{name}' must have the patterns' shape {frame}, found {trusted.shape}.")
    if not trusted.any():
        raise InputError(f"{source.path}: '{name}' leaves no pixel; a weight is 0 where the detector is bad.")
    return ~trusted


def _trusted(
    where: str, patterns: Stack, weights: Stack | None, bad: np.ndarray | None, size: int
) -> Iterator[np.ndarray]:
    """Yield at most ``size`` patterns (m, h, w) at a time, whose weights are looked at as they are
    read: they may be as large.

    Raises:
        InputError: those of a pattern make other pixels bad than those of the first.
    """
    if weights is None:
        yield from blocks(patterns, size)
        return
    start = 0
    for block, of_block in zip(blocks(patterns, size), blocks(weights, size), strict=True):
        differs = ((of_block > 0) == bad).any(axis=(1, 2))
        if differs.any():
            raise InputError(
                f"{where} must have weights that are greater than 0 in the same pixels for all patterns, those of"
                f" pattern {start + differs.argmax()} differ."
            )
        start += len(block)
        yield block


def _says(source: Source, name: str) -> bool:
    """Say whether the entry ``name`` is anything but PtyPy's None, an array of that type or a word;
    one that is missing is.
    """
    return source.attribute(name, "type") != "None" and source.text(name) != "None"


def _quantity(source: Source, name: str, units: dict[str, float]) -> float | None:
    return quantity(source, name, units) if _says(source, name) else None


def _wavelength(source: Source) -> float | None:
    """Compute the wavelength, metres, of the photons whose energy is stated."""
    name = f"{META}/energy"
    energy = _quantity(source, name, ENERGY_UNITS)
    if energy is None:
        return None
    metres = wavelength_of(energy if unit_of(source, name) else energy * KILOELECTRONVOLT)
    if not WAVELENGTHS[0] <= metres <= WAVELENGTHS[1]:
        raise InputError(f"{source.path}: '{name}' must be that of a photon in keV, found {energy:g}.")
    return metres


def _pixel(source: Source) -> tuple[float, float] | None:
    """Read the sides (y, x) of a pixel, metres; None if neither is stated."""
    name = f"{META}/psize"
    sides = source.small(name, "iuf") if _says(source, name) else None
    if sides is None:
        return None
    metres = np.ravel(sides).astype(np.float64) * scale(source, name, LENGTH_UNITS)
    if metres.size not in (1, 2) or not ((metres >= LENGTHS[0]) & (metres <= LENGTHS[1])).all():
        raise InputError(
            f"{source.path}: '{name}' must be one or two lengths of {LENGTHS[0]:g} to {LENGTHS[1]:g} metres, found"
            f" {sides.tolist()!s:.60}."
        )
    return float(metres[0]), float(metres[-1])


def _centre(source: Source, frame: list[int]) -> tuple[tuple[int, int] | None, tuple[str, ...]]:
    """Find the pixel (y, x) with the zero frequency, and warn if it cannot be there."""
    name = f"{META}/center"
    if source.text(name) is not None or not _says(source, name):  # a word is none that patterns could not tell
        return None, ()
    found = source.small(name, "iuf")
    if found is None:
        return None, ()
    at = np.ravel(found).astype(np.float64)
    if at.size not in (1, 2) or not sound(at).all():
        raise InputError(f"{source.path}: '{name}' must be one or two numbers, found {found.tolist()!s:.60}.")
    y, x = float(at[0]), float(at[-1])
    if ignored := beside(source, name, (y, x), frame):
        return None, ignored
    return (math.floor(y + 0.5), math.floor(x + 0.5)), ()


def _about_count(source: Source, count: int) -> tuple[str, ...]:
    """Warn if there should be another number of patterns."""
    name = f"{META}/num_frames"
    expected = source.small(name, "iuf") if _says(source, name) else None
    if expected is None or expected.size != 1 or expected.item() == count:
        return ()
    return (f"{source.path} holds {count} patterns, of {expected.item():g} that there should be by '{name}'.",)
