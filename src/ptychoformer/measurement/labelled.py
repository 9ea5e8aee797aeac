"""A measured scan as networks see it: its patterns cropped and binned to their size, and its reconstruction as the object to learn.

The reconstruction uses more of the detector than networks do, so its pixels are finer. It is brought to theirs in Fourier space, which is
what the smaller detector does to the exit waves. Labels are cut at whole pixels.
"""

import math
import os
from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from scipy.signal import resample

from ptychoformer.errors import InputError
from ptychoformer.measurement.cxi import create_dataset, read_transmission
from ptychoformer.measurement.preparation import PreparedScan, open_prepared, rescaled_probe, write_patterns
from ptychoformer.measurement.readers import STEP, merge_labels
from ptychoformer.storage import create_hdf5, open_hdf5, read, write

PADDING = 32  # pixels, mirrored, over which the periodic borders of a Fourier transform fade


def make_labelled(
    path: str | os.PathLike,
    scan: Mapping[str, Any],
    patterns: Mapping[str, Any],
    *,
    labels: str | os.PathLike | None,
    reconstruction: str | os.PathLike | None,
    output: str | os.PathLike,
    object_output: str | os.PathLike,
) -> None:
    """Write a dataset and its object.

    Args:
        path: measured scan.
        scan: how it is read, see `preparation.open_prepared`.
        patterns: ``crop`` and ``bin`` of what networks see.
        labels: patches of the object that were published with the scan, or None.
        reconstruction: of `measurement.reconstruct`, where there are no labels.
        output: CXI file, see `measurement.cxi`.
        object_output: HDF5 file with ``object/amplitude`` and ``object/phase``.

    Raises:
        InputError: a file cannot be used, or they do not belong together.
    """
    with open_prepared(path, scan, patterns) as prepared:
        places = {"positions": _whole(prepared.positions)}
        if labels:
            transmission = _published(labels, prepared, scan.get("step", STEP))
        else:
            factor, places["true_positions"] = _refined(prepared, reconstruction)
            transmission = resampled(read_transmission(reconstruction), factor)
        transmission = _with_room_for(transmission, places.values(), prepared.window)
        _write_object(transmission, prepared, object_output)
        contents = {"window": prepared.window, "probe": _probe(prepared, reconstruction), "optics": prepared.optics, "mask": prepared.mask}
        with create_dataset(output, **places, **contents, object_file=object_output, condition={"source": Path(path).name}) as data:
            write_patterns(prepared, data)


def _published(labels: str | os.PathLike, prepared: PreparedScan, step: float) -> np.ndarray:
    transmission = merge_labels(Path(labels), step)
    rows, columns = prepared.raster or (0, 0)
    expected = tuple(int(np.rint(step * (count - 1))) + side for count, side in zip((rows, columns), prepared.window, strict=True))
    if transmission.shape != expected:
        raise InputError(
            f"{labels} holds patches that make an object of {transmission.shape} pixels, but the scan's raster of {rows} x {columns} "
            f"windows of {prepared.window[0]} pixels makes one of {expected}; crop and bin must give the patches' size."
        )
    return transmission


def _whole(positions: np.ndarray) -> np.ndarray:
    return np.floor(positions + 0.5).astype(np.int64)


def _refined(prepared: PreparedScan, reconstruction: str | os.PathLike) -> tuple[float, np.ndarray]:
    """How many of the dataset's pixels a pixel of the reconstruction is, and where (n, 2) its windows are according to it."""
    with open_hdf5(reconstruction) as file:
        if "recorded_positions" not in file or not {"crop", "bin"} <= set(file.attrs):
            raise InputError(f"{reconstruction} is no reconstruction of this project (ptychoformer reconstruct).")
        moved, recorded = (read(file, name, 2)[:] for name in ("positions", "recorded_positions"))
        factor = prepared.crop / float(file.attrs["crop"])
    if len(moved) != len(prepared.positions):
        raise InputError(f"{reconstruction} is a reconstruction from {len(moved)} patterns, the scan has {len(prepared.positions)}.")
    return factor, np.maximum(_whole(prepared.positions + factor * (moved - recorded)), 0)


def resampled(transmission: np.ndarray, factor: float) -> np.ndarray:
    """An object (H, W) on pixels 1 / ``factor`` as wide, band-limited; pixel (y, x) goes to (factor y, factor x)."""
    ratio = Fraction(factor).limit_denominator(4096)
    # Lengths that become a whole number of the new pixels.
    before = ratio.denominator * math.ceil(PADDING / ratio.denominator)
    padded = np.pad(transmission, [(before, before - size % -ratio.denominator) for size in transmission.shape], mode="symmetric")
    for axis in (0, 1):
        padded = resample(padded, int(padded.shape[axis] * ratio), axis=axis)
    start = int(before * ratio)
    height, width = (math.ceil(size * ratio) for size in transmission.shape)
    return padded[start : start + height, start : start + width].astype(np.complex64)


def _probe(prepared: PreparedScan, reconstruction: str | os.PathLike | None) -> np.ndarray:
    """The probe in the dataset's window: reconstructed, the scan's own, or dark if nobody knows it."""
    if reconstruction:
        with open_hdf5(reconstruction) as file:
            found, bin = read(file, "probe/wavefield", 2)[:], int(file.attrs["bin"])
        # Its spectrum has a pixel for every block of the detector's.
        return rescaled_probe(found, round(prepared.crop / bin), prepared.window[0])
    return prepared.probe if prepared.probe is not None else np.zeros(prepared.window, np.complex64)


def _with_room_for(transmission: np.ndarray, places: Iterable[np.ndarray], window: tuple[int, int]) -> np.ndarray:
    """The object with its border repeated until every window lies on it."""
    needed = np.max([corners.max(axis=0) for corners in places], axis=0) + window
    missing = np.maximum(needed - transmission.shape, 0)
    return np.pad(transmission, [(0, int(extra)) for extra in missing], mode="edge")


def _write_object(transmission: np.ndarray, prepared: PreparedScan, path: str | os.PathLike) -> None:
    with create_hdf5(path) as file:
        group = file.create_group("object")
        group.attrs["kind"] = "measured"
        group.attrs.update({"pixel_size": prepared.optics.pixel_size} if prepared.optics else {})
        write(group, "amplitude", np.abs(transmission).astype(np.float32), "", "y,x")
        write(group, "phase", np.angle(transmission).astype(np.float32), "rad", "y,x")
