"""A measured scan as networks see it: its patterns cropped and binned to their size, and its
reconstruction as the object to learn.

The reconstruction uses more of the detector than networks do, so its pixels are finer. It is
brought to theirs in Fourier space, which is what the smaller detector does to the exit waves.
Labels are cut at whole pixels.
"""

import math
import os
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import numpy as np
from scipy.signal import resample

from ptychoformer.measurement.cxi import create_dataset, read_transmission
from ptychoformer.measurement.matching import check_reconstruction, label_step
from ptychoformer.measurement.modes import orthogonal, read_modes
from ptychoformer.measurement.options import Patterns, Reading
from ptychoformer.measurement.origin import Origin, read_origin
from ptychoformer.measurement.preparation import PreparedScan, open_prepared, rescaled_probe, write_patterns
from ptychoformer.measurement.readers import merge_labels
from ptychoformer.measurement.windows import whole_pixels
from ptychoformer.measurement.wrapping import at_pixels, told_phase, with_turns_of, wrapped_phase
from ptychoformer.progress import say
from ptychoformer.storage import create_hdf5, open_hdf5, read_whole, write

PADDING = 32  # pixels, mirrored, over which the periodic borders of a Fourier transform fade


def make_labelled(
    path: str | os.PathLike,
    reading: Reading,
    patterns: Patterns,
    *,
    labels: str | os.PathLike | None,
    reconstruction: str | os.PathLike | None,
    output: str | os.PathLike,
    object_output: str | os.PathLike,
) -> None:
    """Write a dataset and its object.

    Args:
        path: measured scan.
        reading: how it is read.
        patterns: what networks see of them.
        labels: patches of the object that were published with the scan, or None.
        reconstruction: of `measurement.reconstruct`, where there are no labels.
        output: CXI file, see `measurement.cxi`.
        object_output: HDF5 file with ``object/amplitude`` and ``object/phase``.

    Raises:
        InputError: a file cannot be used, or they do not belong together.
    """
    with open_prepared(path, reading, patterns) as prepared:
        places = {"positions": whole_pixels(prepared.positions)}
        if labels:
            step = label_step(labels, path, prepared)
            places["positions"] = _on_raster(prepared, step)
            transmission = merge_labels(labels, step)
            phase, told = np.angle(transmission), np.ones(transmission.shape, bool)
        else:
            origin = read_origin(reconstruction)
            check_reconstruction(reconstruction, origin, path, prepared)
            places["true_positions"] = _refined(prepared, origin)
            transmission = resampled(read_transmission(reconstruction), prepared.crop / origin.crop)
            phase, told = _phase(transmission, reconstruction, prepared.crop / origin.crop)
        if where := wrapped_phase(phase, told):
            say(
                f"The labels of {labels or reconstruction} wrap, {where}: a network takes jumps by 2 pi for edges"
                " (reconstruct --unwrap)."
            )
        shown = (_with_room_for(image, places.values(), prepared.window) for image in (np.abs(transmission), phase))
        _write_object(*shown, prepared, object_output)
        contents = {"window": prepared.window, "optics": prepared.optics, "probe": _probe(prepared, reconstruction)}
        contents |= {"mask": prepared.mask, "numbers": prepared.numbers}
        with create_dataset(
            output, **places, **contents, object_file=object_output, condition={"source": Path(path).name}
        ) as data:
            write_patterns(prepared, data)


def _on_raster(prepared: PreparedScan, step: float) -> np.ndarray:
    """Return the corners (n, 2) of windows ``step`` pixels apart, whole pixels."""
    return np.rint(step * np.indices(prepared.raster).reshape(2, -1).T[prepared.numbers]).astype(np.int64)


def _refined(prepared: PreparedScan, origin: Origin) -> np.ndarray:
    """Find where (n, 2) the dataset's windows are according to its reconstruction, whole pixels."""
    moved = prepared.positions + prepared.crop / origin.crop * (origin.moved - origin.recorded)
    return np.maximum(whole_pixels(moved), 0)


def _phase(transmission: np.ndarray, reconstruction: str | os.PathLike, factor: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the phase of a resampled reconstruction (H, W), and where it is told, bool."""
    phase = np.angle(transmission)
    with open_hdf5(reconstruction) as file:
        if file.attrs.get("unwrapped", False):
            phase = with_turns_of(phase, read_whole(file, "object/phase", 2), factor)
        light = at_pixels(read_whole(file, "object/light", 2), phase.shape, factor)
    return phase, told_phase(np.abs(transmission), light)


def resampled(transmission: np.ndarray, factor: float) -> np.ndarray:
    """Bring an object (H, W) to pixels 1 / ``factor`` as wide, band-limited; pixel (y, x) goes to
    (factor y, factor x).
    """
    ratio = Fraction(factor).limit_denominator(4096)
    # Lengths that become a whole number of the new pixels.
    before = ratio.denominator * math.ceil(PADDING / ratio.denominator)
    padded = np.pad(
        transmission, [(before, before - size % -ratio.denominator) for size in transmission.shape], mode="symmetric"
    )
    for axis in (0, 1):
        padded = resample(padded, int(padded.shape[axis] * ratio), axis=axis)
    start = int(before * ratio)
    height, width = (math.ceil(size * ratio) for size in transmission.shape)
    return padded[start : start + height, start : start + width].astype(np.complex64)


def _probe(prepared: PreparedScan, reconstruction: str | os.PathLike | None) -> np.ndarray:
    """Return the dataset's probe (modes, h, w): reconstructed, the scan's own, or dark if nobody
    knows it.
    """
    if reconstruction:
        with open_hdf5(reconstruction) as file:
            found, bin = read_modes(file, "probe/wavefield", "probe/modes"), int(file.attrs["bin"])
        # Its spectrum has a pixel for every block of the detector's.
        side = round(prepared.crop / bin)
        return orthogonal(np.stack([rescaled_probe(mode, side, prepared.window[0]) for mode in found]))
    return prepared.probe[None] if prepared.probe is not None else np.zeros((1, *prepared.window), np.complex64)


def _with_room_for(image: np.ndarray, places: Iterable[np.ndarray], window: tuple[int, int]) -> np.ndarray:
    """Repeat the border of an image of the object until every window lies on it."""
    needed = np.max([corners.max(axis=0) for corners in places], axis=0) + window
    missing = np.maximum(needed - image.shape, 0)
    return np.pad(image, [(0, int(extra)) for extra in missing], mode="edge")


def _write_object(amplitude: np.ndarray, phase: np.ndarray, prepared: PreparedScan, path: str | os.PathLike) -> None:
    with create_hdf5(path) as file:
        group = file.create_group("object")
        group.attrs["kind"] = "measured"
        group.attrs.update({"pixel_size": prepared.optics.pixel_size} if prepared.optics else {})
        write(group, "amplitude", amplitude.astype(np.float32), "", "y,x")
        write(group, "phase", phase.astype(np.float32), "rad", "y,x")
