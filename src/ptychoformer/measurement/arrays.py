"""A scan that somebody holds as arrays, written as a file, so that it is read and checked like
any other.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import h5py
import numpy as np
from numpy.typing import ArrayLike

from ptychoformer.errors import InputError
from ptychoformer.measurement.cxi import create_dataset
from ptychoformer.measurement.readers.scan import (
    RawScan,
    check_frames,
    check_positions,
    counted,
    saturation,
    sound,
)
from ptychoformer.measurement.readers.stopped import recorded

BLOCK = 2**24  # pixels written at a time
Unit = Literal["pixels", "metres"]


def write_arrays(
    path: str | os.PathLike,
    patterns: ArrayLike | h5py.Dataset,
    positions: ArrayLike,
    *,
    unit: Unit | None = None,
    lengths: Mapping[str, float | None],
    probe: ArrayLike | None = None,
    mask: ArrayLike | None = None,
) -> None:
    """Write patterns and positions as a CXI file without geometry, some patterns at a time.

    Args:
        patterns: (n, h, w) photons, zero frequency at (h // 2, w // 2). Integers stay integers,
            whose largest is overexposed or blind.
        positions: (n, 2) y and x of the window on the object, from any origin; NaN of patterns
            without light that were never recorded, see `readers.stopped`.
        unit: of the positions: ``pixels`` of the object as the whole frame samples it, or
            ``metres``; None is pixels if no length is known.
        lengths: ``wavelength``, ``distance`` and ``detector_pixel``, metres, None where not known;
            metres need all of them.
        probe: (h, w) complex, square root of photons.
        mask: (h, w) bool, True where the detector is not to be trusted.

    Raises:
        InputError: the arrays do not fit each other, or the positions' unit is not clear.
        OutputError: the file cannot be written.
    """
    patterns = patterns if isinstance(patterns, h5py.Dataset) else _numbers("patterns", patterns, "iuf")
    check_frames("patterns", patterns.shape)
    if patterns.ndim != 3 or patterns.dtype.kind not in "iuf":
        raise InputError(
            f"patterns must be real numbers of shape (n, h, w), found {patterns.dtype} of shape {patterns.shape}."
        )
    count, *frame = patterns.shape
    corners = _numbers("positions", positions, "iuf").astype(np.float64)
    if corners.shape != (count, 2):
        raise InputError(f"positions must have the shape ({count}, 2), y and x of each pattern, found {corners.shape}.")
    check_positions("positions", corners, count)
    contents = {"window": tuple(frame)}
    contents["probe"] = None if probe is None else _of_frame("probe", _numbers("probe", probe, "iufc"), frame)
    contents["mask"] = None if mask is None else _of_frame("mask", _numbers("mask", mask, "b"), frame)
    dtype = patterns.dtype if patterns.dtype.kind in "iu" else np.dtype(np.float32)

    def frames(size: int) -> Iterator[np.ndarray]:
        return counted("patterns", (patterns[start : start + size] for start in range(0, count, size)))

    # As the file will be read, so that nothing is written that its reader refuses.
    raw = RawScan(
        path=Path("positions"),
        format="cxi",
        frame=tuple(frame),
        positions=corners,
        unit="frame pixels",
        frames=frames,
        mask=contents["mask"],
        saturation=saturation(dtype),
    )
    offsets = np.where(sound(corners), corners, np.nan) - recorded(raw).positions.min(axis=0)
    contents["positions"] = _pixels(offsets, unit, lengths, frame)
    with create_dataset(path, **contents, dtype=dtype) as data:
        at_once = max(1, BLOCK // (frame[0] * frame[1]))
        for start in range(0, count, at_once):
            data[start : start + at_once] = patterns[start : start + at_once]


def _numbers(name: str, array: ArrayLike, kinds: str) -> np.ndarray:
    """Take ``array`` as one of NumPy's, whose kind of numbers must be one of ``kinds``."""
    try:
        found = np.asarray(array)
    except ValueError as error:  # of lists with rows of different lengths
        raise InputError(f"{name} must be an array of numbers ({error}).") from error
    if found.dtype.kind not in kinds:
        allowed = {"b": "bool, True where a pixel is bad", "iuf": "real numbers", "iufc": "real or complex numbers"}[
            kinds
        ]
        raise InputError(f"{name} must be {allowed}, found {found.dtype}.")
    return found


def _of_frame(name: str, array: np.ndarray, frame: list[int]) -> np.ndarray:
    if array.shape != tuple(frame):
        raise InputError(f"{name} must have the patterns' shape {tuple(frame)}, found {array.shape}.")
    return array


def _pixels(
    offsets: np.ndarray, unit: Unit | None, lengths: Mapping[str, float | None], frame: list[int]
) -> np.ndarray:
    """Turn ``offsets`` (n, 2) into pixels of the object as the whole frame samples it, lambda z /
    (N detector pixels).
    """
    missing = [name for name, value in lengths.items() if value is None]
    if unit is None and len(missing) < len(lengths):
        raise InputError(
            "The unit of positions must be said where a length is given: unit='pixels' of the object, or unit='metres'."
        )
    if unit not in (None, "pixels", "metres"):
        raise InputError(f"unit must be 'pixels' (of the object) or 'metres', found {unit!r}.")
    if unit == "metres" and missing:
        raise InputError(f"positions in metres need {', '.join(missing)} too, in metres.")
    if unit != "metres":
        return offsets
    pixel_size = lengths["wavelength"] * lengths["distance"] / (np.array(frame) * lengths["detector_pixel"])
    return offsets / pixel_size
