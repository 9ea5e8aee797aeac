"""Scans as pty-chi's examples and tests keep them: ``name_dp.hdf5`` with the patterns, and beside
it ``name_para.hdf5``, a product of ptychodus (see `product`).

    dp    (n, h, w) counts, zero frequency at (h // 2, w // 2), in the order of the positions

The detector's pixel is that which the object's belongs to. Products of simulations may know neither
energy nor distance: their positions are pixels of the object.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from ptychoformer.errors import InputError
from ptychoformer.measurement.readers.hdf5 import Source, blocks
from ptychoformer.measurement.readers.product import (
    NUMBERS,
    POSITIONS,
    Product,
    conjugate_pixel,
    open_with_product,
    patterns_of,
    read_product,
)
from ptychoformer.measurement.readers.scan import RawScan, check_positions, counted, saturation

PATTERNS = "dp"
NAMES = ("_dp", "_para")
FOLD_SLICE = ("ppX", "ppY")  # positions of fold_slice, whose pairs have the same names


def open_ptychi(path: Path, replaced: Mapping[str, Any]) -> AbstractContextManager[RawScan]:
    """Open the scan of a pair of files.

    Args:
        replaced: as in `readers.open_scan`.

    Raises:
        InputError: a file is missing or damaged, or they do not fit each other.
    """
    return open_with_product(path, NAMES, _read, replaced)


def _read(source: Source, beside: Source, replaced: Mapping[str, Any]) -> RawScan:
    patterns = patterns_of(source, PATTERNS)
    where = f"{source.path}: '{PATTERNS}'"
    if not beside.holds(POSITIONS[0]) and any(map(beside.holds, FOLD_SLICE)):
        raise InputError(
            f"{beside.path} holds positions of fold_slice, {' and '.join(FOLD_SLICE)}, whose unit and axes it does not"
            " say; copy them into the file of the patterns and name both (format hdf5)."
        )
    frame = patterns.shape[1:]
    product = read_product(beside, frame, replaced)
    check_positions(str(beside.path), product.positions, len(patterns))
    if product.pixel is None:
        raise InputError(f"{beside.path}: 'object' has no attributes pixel_height_m and pixel_width_m.")
    known = product.wavelength and product.distance
    return RawScan(
        path=source.path,
        format="ptychi",
        frame=frame,
        positions=product.positions if known else product.positions / product.pixel,
        unit="metres" if known else "frame pixels",
        frames=lambda size: counted(where, blocks(patterns, size)),
        wavelength=product.wavelength,
        distance=product.distance,
        detector_pixel=conjugate_pixel(frame, product.pixel, product.wavelength, product.distance) if known else None,
        object_pixel=product.pixel,
        saturation=saturation(patterns.dtype),
        centred=True,
        probe=product.probe,
        warnings=product.warnings + _about_order(beside, product),
    )


def _about_order(source: Source, product: Product) -> tuple[str, ...]:
    """Warn if positions are numbered as if patterns were missing.

    Raises:
        InputError: their numbers say that they are not in the order of the patterns.
    """
    numbers = product.numbers
    if numbers is None or np.array_equal(numbers, np.arange(len(product.positions))):
        return ()
    if len(numbers) != len(product.positions) or not (np.diff(numbers) > 0).all():
        raise InputError(
            f"{source.path}: '{NUMBERS}' must increase, one number a position, as patterns belong to positions in their"
            " order."
        )
    return (
        f"{source.path} numbers its {len(numbers)} positions {numbers[0]} to {numbers[-1]}; they are taken for those of"
        " the patterns, one after another.",
    )
