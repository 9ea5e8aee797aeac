"""What a reconstruction of this project says of how it was made."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

import h5py
import numpy as np

from ptychoformer.errors import InputError
from ptychoformer.measurement.modes import read_modes
from ptychoformer.measurement.pixels import PARTS
from ptychoformer.storage import open_hdf5, read, read_whole


@dataclass(frozen=True)
class Origin:
    """What a reconstruction was made of.

    Args:
        crop: detector pixels along a side.
        bin: side of the blocks that were summed.
        centre: (y, x) detector pixel with the zero frequency.
        pixel_size: metres; None if the geometry was not known.
        recorded: (n, 2) corners of the windows, pixels of the reconstruction.
        moved: (n, 2) the same after refinement.
        counts: (n,) of the whole frames.
        part_counts: (n, 4, 4) of the parts of these frames.
    """

    crop: int
    bin: int
    centre: tuple[int, int]
    pixel_size: float | None
    recorded: np.ndarray
    moved: np.ndarray
    counts: np.ndarray
    part_counts: np.ndarray


def read_origin(path: str | os.PathLike) -> Origin:
    """Read what the reconstruction at ``path`` was made of.

    Raises:
        InputError: it is no reconstruction of this project, or its parts do not fit each other.
    """
    with open_hdf5(path) as file:
        attributes, numbers = file.attrs, {"crop": 1, "bin": 1, "centre": 2}
        if "recorded_positions" not in file or not all(_whole(attributes, *each) for each in numbers.items()):
            raise InputError(f"{path} is no reconstruction of this project (ptychoformer reconstruct).")
        origin = Origin(
            crop=int(attributes["crop"]),
            bin=int(attributes["bin"]),
            centre=tuple(int(at) for at in attributes["centre"]),
            pixel_size=_pixel_size(path, attributes),
            recorded=read_whole(file, "recorded_positions", 2),
            moved=read_whole(file, "positions", 2),
            counts=read_whole(file, "counts", 1),
            part_counts=read_whole(file, "part_counts", 3),
        )
        _check_that_parts_fit(path, file, origin)
    return origin


def _pixel_size(path: str | os.PathLike, attributes: Mapping) -> float | None:
    found = attributes.get("pixel_size")
    if found is None:
        return None
    size = np.asarray(found)
    if size.ndim or size.dtype.kind not in "iuf" or not 0 < size < np.inf:
        raise InputError(f"{path}: the attribute 'pixel_size' must be a length in metres, found {found!s:.60}.")
    return float(size)


def _whole(attributes: Mapping, name: str, count: int) -> bool:
    """Say whether an attribute holds ``count`` integers from 0 on, or from 1 on if it is one."""
    value = np.asarray(attributes.get(name, "missing"))
    return value.dtype.kind in "iu" and value.size == count and value.min() >= (count == 1)


def _check_that_parts_fit(path: str | os.PathLike, file: h5py.File, origin: Origin) -> None:
    side, shape = origin.crop // origin.bin, read(file, "object/phase", 2).shape
    for probe in (read(file, "probe/wavefield", 2).shape, read_modes(file, "probe/wavefield", "probe/modes").shape[1:]):
        if probe != (side, side):
            raise InputError(
                f"{path}: a probe of {probe} pixels does not fit a crop of {origin.crop} and a bin of"
                f" {origin.bin} pixels."
            )
    if origin.recorded.shape != origin.moved.shape or origin.recorded.shape[1:] != (2,):
        raise InputError(
            f"{path}: positions {origin.moved.shape} and recorded_positions {origin.recorded.shape} must be (n, 2)"
            " both."
        )
    count = len(origin.recorded)
    for name, expected in (("counts", (count,)), ("part_counts", (count, PARTS, PARTS))):
        found = getattr(origin, name)
        if found.shape != expected or not np.isfinite(found).all():
            raise InputError(f"{path}: {name} must be {expected} finite numbers.")
    if not (np.isfinite(origin.recorded).all() and np.isfinite(origin.moved).all()):
        raise InputError(f"{path}: positions or recorded_positions hold NaN or infinity.")
    if (np.ceil(origin.recorded.max(axis=0)) + side > shape).any() or (origin.recorded < 0).any():
        raise InputError(f"{path}: recorded_positions have windows beyond the object of {shape} pixels.")
