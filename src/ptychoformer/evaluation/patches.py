"""A prediction as a file: the amplitude and phase patches of a dataset's test patterns, on the 0 to
1 scale of the labels.

    patches/amplitude, patches/phase   (m, h, w) float32
    patches/index                      (m,) int64, which pattern of the dataset
    patches/positions                  (m, 2) int64, y and x of the window's upper left corner as
        recorded
    patches/true_positions             (m, 2) int64, the same where the window really was: there the
        patch is compared with the object
    patches/blocks/{name}              (k,) int64, increasing, which of the patches belong to a
        named block of the test patterns

The constants of the normalisation are attributes of the group, so that a prediction can be
measured, and brought back to radians, without the network that made it.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

import h5py
import numpy as np

from ptychoformer.errors import InputError
from ptychoformer.evaluation import CHANNELS
from ptychoformer.storage import allocate, create_hdf5, describe, open_hdf5, read, write
from ptychoformer.training.normalisation import Normalisation
from ptychoformer.training.split import Split

# What is computed of a quarter of a million pixels stays in a core's cache; with larger chunks
# stitching and SSIM are slower.
PIXELS_PER_CHUNK = 2**18


@dataclass(frozen=True)
class Patches:
    """A prediction whose patches stay on disk.

    Args:
        index: (m,) pattern of the dataset.
        positions: (m, 2) recorded corners y, x, pixels of the object.
        true_positions: (m, 2) the same where the windows really were.
        places: (m,) which patches of the file these are, increasing.
        blocks: name of a block to which of these patches belong to it, increasing.
        normalisation: of the labels that the patches predict.
        amplitude, phase: (all patches, h, w) HDF5 arrays of the open file.
    """

    index: np.ndarray
    positions: np.ndarray
    true_positions: np.ndarray
    places: np.ndarray
    blocks: Mapping[str, np.ndarray]
    normalisation: Normalisation
    amplitude: h5py.Dataset
    phase: h5py.Dataset

    @property
    def window(self) -> tuple[int, int]:
        """(h, w) of a patch, pixels."""
        return self.amplitude.shape[1:]

    def block(self, name: str) -> "Patches":
        """Select the patches of one block."""
        own = self.blocks[name]
        parts = {part: getattr(self, part)[own] for part in ("index", "positions", "true_positions", "places")}
        return replace(self, **parts, blocks={name: np.arange(len(own))})

    def read(self, channel: str, part: slice) -> np.ndarray:
        """Read some of these patches, (len(part), h, w)."""
        wanted = self.places[part]
        # One stretch of the file that holds them all: HDF5 is slow to pick single rows.
        return getattr(self, channel)[wanted[0] : wanted[-1] + 1][wanted - wanted[0]]

    def chunks(self) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
        """Yield which patches, their amplitude and their phase, in order and in constant memory.

        Raises:
            InputError: a patch holds NaN or infinity.
        """
        for part in chunks(len(self.index), self.window):
            amplitude, phase = self.read("amplitude", part), self.read("phase", part)
            bad = ~(np.isfinite(amplitude) & np.isfinite(phase)).all(axis=(1, 2))
            if bad.any():
                raise InputError(
                    f"{self.amplitude.file.filename}: the patch of pattern {self.index[part][bad][0]} holds NaN or"
                    " infinity."
                )
            yield part, amplitude, phase


def chunks(count: int, window: tuple[int, int]) -> Iterator[slice]:
    """Divide ``count`` patches of ``window`` pixels into slices of about ``PIXELS_PER_CHUNK``."""
    size = max(1, PIXELS_PER_CHUNK // (window[0] * window[1]))
    return (slice(start, min(start + size, count)) for start in range(0, count, size))


@contextmanager
def create_patches(
    path: str | os.PathLike, split: Split, normalisation: Normalisation, *, cut_at: np.ndarray | None = None
) -> Iterator[tuple[h5py.Dataset, h5py.Dataset]]:
    """Create a prediction of a scan's test patterns that is complete but for its patches.

    Args:
        split: of the scan.
        cut_at: (n, 2) where the windows of all patterns of the scan were, if not at its true
            positions.

    Yields:
        The arrays of amplitude and phase, (m, h, w), to be filled chunk by chunk.
    """
    scan, test = split.scan, split.test
    with create_hdf5(path) as file:
        group = file.create_group("patches")
        group.attrs.update(normalisation.as_attributes())
        write(group, "index", test.astype(np.int64), "", "pattern")
        write(group, "positions", scan.positions[test].astype(np.int64), "pixels", "pattern,yx")
        write(
            group,
            "true_positions",
            (scan.true_positions if cut_at is None else cut_at)[test].astype(np.int64),
            "pixels",
            "pattern,yx",
        )
        for name, places in split.blocks.items():
            write(group, f"blocks/{name}", places.astype(np.int64), "", "pattern")
        shape = (len(test), *scan.window)
        # A patch that is never filled reads as NaN, which the reader refuses.
        arrays = [allocate(group, channel, shape, np.float32, fillvalue=np.nan) for channel in CHANNELS]
        amplitude, phase = (describe(array, "", "pattern,y,x") for array in arrays)
        yield amplitude, phase


@contextmanager
def open_patches(path: str | os.PathLike) -> Iterator[Patches]:
    """Open a prediction to read from.

    Raises:
        InputError: the file is damaged or empty, something is missing, or its parts do not fit each
            other.
    """
    with open_hdf5(path) as file:
        amplitude, phase = (read(file, f"patches/{channel}", 3) for channel in CHANNELS)
        index = read(file, "patches/index", 1)[:]
        positions, true_positions = (read(file, f"patches/{name}", 2)[:] for name in ("positions", "true_positions"))
        if not len(index):
            raise InputError(f"{path} holds no patches.")
        corners = (len(index), 2)
        if not (
            amplitude.shape == phase.shape
            and len(amplitude) == len(index)
            and positions.shape == true_positions.shape == corners
        ):
            raise InputError(
                f"{path}: amplitude {amplitude.shape}, phase {phase.shape}, positions {positions.shape}, true positions"
                f" {true_positions.shape} and index {index.shape} do not fit."
            )
        blocks = _read_blocks(file, len(index))
        yield Patches(
            index,
            positions,
            true_positions,
            np.arange(len(index)),
            blocks,
            read_normalisation(file["patches"]),
            amplitude,
            phase,
        )


def _read_blocks(file: h5py.File, count: int) -> dict[str, np.ndarray]:
    group = file.get("patches/blocks")
    if not isinstance(group, h5py.Group) or not len(group):
        raise InputError(f"{file.filename} names no blocks of its patches ('patches/blocks').")
    blocks = {name: read(file, f"patches/blocks/{name}", 1)[:] for name in group}
    for name, places in blocks.items():
        if not len(places) or places[0] < 0 or places[-1] >= count or (np.diff(places) <= 0).any():
            raise InputError(
                f"{file.filename}: 'patches/blocks/{name}' must hold increasing numbers from 0 to {count - 1}."
            )
    return blocks


def read_normalisation(group: h5py.Group) -> Normalisation:
    """Read the normalisation that is stored as attributes of ``group``.

    Raises:
        InputError: a constant is missing.
    """
    try:
        return Normalisation.from_attributes(group.attrs)
    except KeyError as error:
        raise InputError(
            f"{group.file.filename}: the group '{group.name}' lacks a constant of the normalisation ({error})."
        ) from error
