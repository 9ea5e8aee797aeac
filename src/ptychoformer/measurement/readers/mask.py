"""Masks of a detector: those that a scan's file holds, and one that is given besides them, which is
a dataset of that file or a file of NumPy or TIFF.

0 is a good pixel and any other number a bad one, as in CXI and in NeXus (pixel_mask).
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ptychoformer.errors import InputError
from ptychoformer.files import check_file
from ptychoformer.measurement.options import MASK_FILES, is_mask_file
from ptychoformer.measurement.readers import npy
from ptychoformer.measurement.readers.hdf5 import read_named
from ptychoformer.measurement.readers.scan import LARGEST_ARRAY, decoding


def given_mask(scan: Path, mask: str, frame: tuple[int, int]) -> np.ndarray:
    """Return the bad pixels (h, w) bool of the ``mask`` that somebody gives for a scan.

    Args:
        scan: its file.
        mask: path of a dataset in it, or name of a file.
        frame: (h, w) of the patterns.

    Raises:
        InputError: there is no such mask, it is damaged, holds no booleans or integers, has another
            shape, or leaves no pixel.
    """
    own = is_mask_file(mask)
    where = mask if own else f"{scan}: '{mask}'"
    flags = _of_file(Path(mask)) if own else read_named(scan, mask, "mask", frame, "biu", MASK_FILES)
    if flags.dtype.kind not in "biu":
        raise InputError(
            f"{where} must be a mask of booleans or integers, 0 where a pixel is good, found {flags.dtype}."
        )
    return bad_pixels(where, flags, frame)


def bad_pixels(where: str, flags: np.ndarray, frame: tuple[int, int], good: Iterable[int] = (0,)) -> np.ndarray:
    """Return the pixels (h, w) bool whose ``flags``, (h, w) or the same for each pattern, are none
    of those that speak for one.

    Raises:
        InputError: they have another shape, differ between patterns, or leave no pixel.
    """
    if flags.ndim < 2 or not flags.size or flags.shape[-2:] != frame:
        raise InputError(f"{where} must have the patterns' shape {frame}, found {flags.shape}.")
    every = flags.reshape(-1, *frame)
    if (every[1:] != every[0]).any():
        raise InputError(f"{where} must be the same for all patterns, found {len(every)} of which some differ.")
    bad = ~np.isin(every[0], tuple(good))
    if bad.all():
        raise InputError(f"{where} leaves no pixel; a mask is 0 where the detector is good.")
    return bad


def _of_file(path: Path) -> np.ndarray:
    check_file(path)
    if path.suffix.lower() == ".npy":
        return npy.read(npy.inspect(str(path), lambda: path.open("rb"), path.stat().st_size, "biuf"))
    import tifffile  # takes a tenth of a second, which only those who have TIFFs should pay

    with decoding(path), tifffile.TiffFile(path) as file:
        if (size := file.series[0].nbytes) > LARGEST_ARRAY:
            raise InputError(f"{path} must not be larger than {LARGEST_ARRAY} bytes, found {size}.")
        return file.asarray()
