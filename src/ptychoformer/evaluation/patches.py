"""A prediction as a file: the amplitude and phase patches of a dataset's test patterns, on the 0 to 1 scale of the labels.

    patches/amplitude, patches/phase   (m, h, w) float32
    patches/index                      (m,) int64, which pattern of the dataset
    patches/positions                  (m, 2) int64, y and x of the window's upper left corner as recorded

The constants of the normalisation are attributes of the group, so that a prediction can be measured, and brought back to radians,
without the network that made it.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import h5py
import numpy as np

from ptychoformer.errors import InputError
from ptychoformer.storage import create_hdf5, describe, open_hdf5, read, write
from ptychoformer.training.normalisation import Normalisation

CHANNELS = ("amplitude", "phase")
# What is computed of a quarter of a million pixels stays in a core's cache; with larger chunks stitching and SSIM are slower.
PIXELS_PER_CHUNK = 2**18


@dataclass(frozen=True)
class Patches:
    """A prediction whose patches stay on disk.

    Args:
        index: (m,) pattern of the dataset.
        positions: (m, 2) recorded corners y, x, pixels of the object.
        normalisation: of the labels that the patches predict.
        amplitude, phase: (m, h, w) HDF5 arrays of the open file.
    """

    index: np.ndarray
    positions: np.ndarray
    normalisation: Normalisation
    amplitude: h5py.Dataset
    phase: h5py.Dataset

    @property
    def window(self) -> tuple[int, int]:
        """(h, w) of a patch, pixels."""
        return self.amplitude.shape[1:]

    def chunks(self) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
        """Which patches, their amplitude and their phase, in order and in constant memory.

        Raises:
            InputError: a patch holds NaN or infinity.
        """
        for part in chunks(len(self.index), self.window):
            amplitude, phase = self.amplitude[part], self.phase[part]
            bad = ~(np.isfinite(amplitude) & np.isfinite(phase)).all(axis=(1, 2))
            if bad.any():
                raise InputError(f"{self.amplitude.file.filename}: the patch of pattern {self.index[part][bad][0]} holds NaN or infinity.")
            yield part, amplitude, phase


def chunks(count: int, window: tuple[int, int]) -> Iterator[slice]:
    """Slices that divide ``count`` patches of ``window`` pixels into parts of about ``PIXELS_PER_CHUNK``."""
    size = max(1, PIXELS_PER_CHUNK // (window[0] * window[1]))
    return (slice(start, min(start + size, count)) for start in range(0, count, size))


@contextmanager
def create_patches(
    path: str | os.PathLike, index: np.ndarray, positions: np.ndarray, window: tuple[int, int], normalisation: Normalisation
) -> Iterator[tuple[h5py.Dataset, h5py.Dataset]]:
    """Everything of a prediction but its patches; yields the arrays of amplitude and phase, (m, h, w), to be filled chunk by chunk."""
    with create_hdf5(path) as file:
        group = file.create_group("patches")
        group.attrs.update(normalisation.as_attributes())
        write(group, "index", np.asarray(index, np.int64), "", "pattern")
        write(group, "positions", np.asarray(positions, np.int64), "pixels", "pattern,yx")
        shape = (len(index), *window)
        # A patch that is never filled reads as NaN, which the reader refuses.
        arrays = [group.create_dataset(channel, shape, np.float32, fillvalue=np.nan) for channel in CHANNELS]
        amplitude, phase = (describe(array, "", "pattern,y,x") for array in arrays)
        yield amplitude, phase


@contextmanager
def open_patches(path: str | os.PathLike) -> Iterator[Patches]:
    """A prediction to read from.

    Raises:
        InputError: the file is damaged or empty, something is missing, or its parts do not fit each other.
    """
    with open_hdf5(path) as file:
        amplitude, phase = (read(file, f"patches/{channel}", 3) for channel in CHANNELS)
        index, positions = read(file, "patches/index", 1)[:], read(file, "patches/positions", 2)[:]
        if not len(index):
            raise InputError(f"{path} holds no patches.")
        if not (amplitude.shape == phase.shape and positions.shape == (len(amplitude), 2) and len(index) == len(amplitude)):
            raise InputError(
                f"{path}: amplitude {amplitude.shape}, phase {phase.shape}, positions {positions.shape} and index {index.shape} do not fit."
            )
        yield Patches(index, positions, read_normalisation(file["patches"]), amplitude, phase)


def read_normalisation(group: h5py.Group) -> Normalisation:
    """The normalisation that is stored as attributes of ``group``.

    Raises:
        InputError: a constant is missing.
    """
    try:
        return Normalisation.from_attributes(group.attrs)
    except KeyError as error:
        raise InputError(f"{group.file.filename}: the group '{group.name}' lacks a constant of the normalisation ({error}).") from error
