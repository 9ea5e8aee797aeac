"""Scans that ptychodus has assembled: ``diffraction.h5`` with the patterns, and beside it
``product.h5`` (see `product`); names may stand before either word.

    patterns      (n, h, w) counts, zero frequency at (h // 2, w // 2); its attributes
        detector_pixel_height_m and detector_pixel_width_m
    indexes       (n,) numbers of the patterns, by which they belong to positions
    bad_pixels    (h, w) bool, True where the detector is not to be trusted
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ptychoformer.errors import InputError
from ptychoformer.measurement.groups import means_of_groups
from ptychoformer.measurement.options import Geometry, names_of
from ptychoformer.measurement.readers.hdf5 import Source
from ptychoformer.measurement.readers.product import (
    NUMBERS,
    Product,
    check_pixel,
    conjugate_pixel,
    numbers_of,
    open_with_product,
    patterns_of,
    read_product,
    stated_pixel,
)
from ptychoformer.measurement.readers.quantities import unless_replaced
from ptychoformer.measurement.readers.scan import RawScan, check_positions, counted, saturation

PATTERNS, INDEXES, BAD = "patterns", "indexes", "bad_pixels"
NAMES = ("diffraction", "product")


def open_ptychodus(path: Path, replaced: Mapping[str, Any]) -> AbstractContextManager[RawScan]:
    """Open the scan whose patterns ptychodus has assembled.

    Args:
        replaced: as in `readers.open_scan`.

    Raises:
        InputError: the file or its product is missing or damaged, or they do not fit each other.
    """
    return open_with_product(path, NAMES, _read, replaced)


def _read(source: Source, beside: Source, replaced: Mapping[str, Any]) -> RawScan:
    patterns = patterns_of(source, PATTERNS)
    where = f"{source.path}: '{PATTERNS}'"
    frame = patterns.shape[1:]
    product = read_product(beside, frame, replaced)
    used, positions, doubts = _paired(source, beside, product, len(patterns))
    numbers = np.flatnonzero(used)
    check_positions(str(beside.path), positions, len(positions))
    pixel = unless_replaced(lambda: stated_pixel(source, PATTERNS, "detector_"), None, "detector_pixel" in replaced)
    unit = "metres"
    if pixel and product.wavelength and product.distance:
        if replaced.keys().isdisjoint(names_of(Geometry)):  # else `geometry.check_object_pixel` tells
            made = conjugate_pixel(frame, pixel, product.wavelength, product.distance)
            check_pixel(beside, product, made, "energy, distance and the detector's pixel")
    elif product.pixel:
        positions, unit = positions / product.pixel, "frame pixels"
    return RawScan(
        path=source.path,
        format="ptychodus",
        frame=frame,
        positions=positions,
        unit=unit,
        frames=lambda size: counted(where, _selected(patterns, used, size)),
        numbers=numbers,
        wavelength=product.wavelength,
        distance=product.distance,
        detector_pixel=pixel,
        mask=_bad(source, frame),
        object_pixel=product.pixel,
        saturation=saturation(patterns.dtype),
        centred=True,
        probe=product.probe,
        warnings=product.warnings + doubts,
    )


def _paired(
    source: Source, beside: Source, product: Product, count: int
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Find which patterns have a position, (n,) bool; their positions, of several with one number
    the mean; and warnings about what is not one to one.
    """
    numbers = _numbers(source, beside, product, count)
    known, place = np.unique(product.numbers, return_inverse=True)
    used = np.isin(numbers, known)
    if used.sum() < 2:
        raise InputError(f"{source.path}: {used.sum()} of {count} patterns have a position in {beside.path}.")
    times, warnings = np.bincount(place), []
    with np.errstate(invalid="ignore", over="ignore"):  # of positions that are infinite, which are named later
        means = means_of_groups(product.positions, place)
        apart = np.abs(product.positions - means[place]).max()
    if idle := count - used.sum():
        more = f"no position in {beside.path} and are left out"
        warnings.append(f"{source.path}: {idle} of {count} patterns have {more}.")
    if (times > 1).any():
        more = f"up to {apart:.3g} m from their means, which are used"
        warnings.append(f"{beside.path}: {times[times > 1].sum()} positions share their numbers with others, {more}.")
    if alike := used.sum() - len(np.unique(numbers[used])):
        warnings.append(f"{source.path}: {alike} patterns have the number, and so the position, of an earlier one.")
    return used, means[np.searchsorted(known, numbers[used])], tuple(warnings)


def _numbers(source: Source, beside: Source, product: Product, count: int) -> np.ndarray:
    """Read the numbers (n,) of the patterns; those of the positions are looked at too.

    Raises:
        InputError: either are missing, or not as many as what they number.
    """
    numbers = numbers_of(source, INDEXES)
    if numbers is None or product.numbers is None:
        lacking, name = (source, INDEXES) if numbers is None else (beside, NUMBERS)
        raise InputError(f"{lacking.path}: '{name}' is missing, which says what position belongs to a pattern.")
    for where, found, expected in (
        (f"{source.path}: '{INDEXES}'", len(numbers), count),
        (f"{beside.path}: '{NUMBERS}'", len(product.numbers), len(product.positions)),
    ):
        if found != expected:
            raise InputError(f"{where} must hold {expected} numbers, found {found}.")
    return numbers


def _selected(patterns: h5py.Dataset, used: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Yield those of the patterns that are ``used``, at most ``size`` at a time; of parts that hold
    none nothing is read.
    """
    for start in range(0, len(used), size):
        chosen = used[start : start + size]
        if chosen.any():
            part = patterns[start : start + size]
            yield part if chosen.all() else part[chosen]


def _bad(source: Source, frame: tuple[int, int]) -> np.ndarray | None:
    bad = source.small(BAD, "biu")
    if bad is not None and bad.shape != frame:
        raise InputError(f"{source.path}: '{BAD}' must have the shape {frame}, found {bad.shape}.")
    return None if bad is None else bad != 0
