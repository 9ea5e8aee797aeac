"""The scan of the 26-ID nanoprobe on which PtychoNN was published: frames on a raster, and patches
of the object as labels.

    arr_0 of a .npz, or a .npy    (rows, columns, h, w)    counts; 3.4 GB, so they are read in order
        and never held
    another .npy                  (rows, columns, p, p)    complex, the reconstructed object in the
        window of each frame

No geometry and no positions are recorded: neighbours on the raster lie ``step`` pixels of the
object apart, as the largest square of the whole frame samples it. A crop makes the object's pixels
coarser, so that there are fewer of them between neighbours, and the scan stays as long as it was.
"""

import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ptychoformer.errors import InputError
from ptychoformer.measurement.readers import npy
from ptychoformer.measurement.readers.scan import (
    RawScan,
    check_frames,
    check_positions,
    counted,
    decoding,
    frame_pixels,
    raster_positions,
    saturation,
)

MAGIC = b"\x93NUMPY"
STEP = 4.0  # pixels, as published: 3 of the labels, which a crop of 192 of the frame's 256 pixels gives
LARGEST_OBJECT = 2**14  # pixels along a side of merged labels


@contextmanager
def open_nanoprobe(path: Path, step: float = STEP) -> Iterator[RawScan]:
    """Open the scan in a ``.npz`` or ``.npy`` whose neighbours lie ``step`` pixels of the whole
    frame's object apart.

    Raises:
        InputError: the file is damaged or does not hold frames on a raster, or the step is no
            length.
    """
    with _array(path, "arr_0", "biuf") as array:
        check_frames(array.where, array.shape)
        frame = array.shape[-2:]
        positions = frame_pixels(raster_positions(array.where, array.shape, step), frame)
        rows, columns = array.shape[:2]
        check_positions(array.where, positions, rows * columns)
        yield RawScan(
            path=path,
            format="nanoprobe",
            frame=frame,
            positions=positions,
            unit="frame pixels",
            frames=lambda size: counted(array.where, npy.blocks(array, 2, size)),
            grid=(rows, columns),
            saturation=saturation(array.dtype),
            warnings=(),
        )


@contextmanager
def _array(path: Path, name: str, kinds: str) -> Iterator[npy.Array]:
    """Open the array of a ``.npy``, or the array ``name`` of a ``.npz``."""
    with path.open("rb") as file:
        bare = file.read(len(MAGIC)) == MAGIC
    if bare:
        yield npy.inspect(str(path), lambda: path.open("rb"), path.stat().st_size, kinds)
        return
    with decoding(path):
        archive = zipfile.ZipFile(path)
    with archive:
        yield npy.member(str(path), archive, name, kinds)


def label_raster(path: str | os.PathLike) -> tuple[int, int, int]:
    """Read rows, columns and side of the patches at ``path``.

    Raises:
        InputError: the file is damaged, or its patches are not square.
    """
    with _patches(Path(path)) as array:
        return array.shape[:3]


@contextmanager
def _patches(path: Path) -> Iterator[npy.Array]:
    """Open the array of published labels."""
    with _array(path, "arr_0", "c") as array:
        if len(array.shape) != 4 or array.shape[2] != array.shape[3]:
            raise InputError(f"{array.where} must have the axes (rows, columns, p, p), found shape {array.shape}.")
        yield array


def merge_labels(path: str | os.PathLike, step: float) -> np.ndarray:
    """Merge the patches at ``path`` into the object (H, W) complex64 of which they are windows;
    where they overlap, it is their mean.

    The patch of row i and column j has its upper left corner at (i step, j step), rounded to a
    pixel; a patch is never held with others than those of its row.

    Raises:
        InputError: the file is damaged, its patches are not square or hold NaN, or the step leaves
            gaps.
    """
    with _patches(Path(path)) as array:
        rows, columns, side, _ = array.shape
        if not 1 <= step <= side:
            raise InputError(f"{array.where}: step must be 1 to {side} pixels, the side of a patch, found {step}.")
        top, left = (np.rint(step * np.arange(count)).astype(int) for count in (rows, columns))
        shape = top[-1:].sum() + side, left[-1:].sum() + side
        if not rows * columns or max(shape) > LARGEST_OBJECT:
            raise InputError(
                f"{array.where}: {rows} x {columns} patches make no object of 1 to {LARGEST_OBJECT} pixels along each"
                " side."
            )
        total, weight = np.zeros(shape, np.complex128), np.zeros(shape)
        for corner, patches in zip(top, npy.blocks(array, 3, 1), strict=True):
            if not np.isfinite(patches).all():
                raise InputError(
                    f"{array.where} holds NaN or infinity in the row of patches whose top is at pixel {corner}."
                )
            for x in range(side):
                total[corner : corner + side, left + x] += patches[0, :, :, x].T
                weight[corner : corner + side, left + x] += 1
        return (total / weight).astype(np.complex64)
