"""A scan predicted and stitched in one pass, in memory that does not grow with the number of its patterns.

    scene/amplitude, scene/phase   (H, W) float32, arbitrary units and radians, NaN where nothing was stitched
    positions                      (n, 2) float64, y and x of the window's upper left corner on the object, pixels

Attributes of the group ``scene``: ``origin`` (y, x) of the scene on the object, pixels; the ``weighting``; ``pixel_size`` in metres if it
is known; the normalisation's constants. Positions are rounded to whole pixels for stitching, which is that of `evaluation.stitch`.

Sums are held for a band of the object alone: the rows that patterns still to come can touch. What is above them is final and goes to the
file. The band of a scan that runs row by row, or back and forth, is a few windows high; one that runs column by column is stitched along
its columns. Of a scan in random order, or on a spiral, no row is final before the last patterns: its band is the whole scene.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import h5py
import numpy as np

from ptychoformer.errors import InputError, OutputError
from ptychoformer.evaluation.patches import CHANNELS
from ptychoformer.evaluation.stitch import window_weights
from ptychoformer.files import atomic
from ptychoformer.measurement.preparation import PreparedScan
from ptychoformer.progress import progress
from ptychoformer.storage import create_hdf5, describe, write
from ptychoformer.training.normalisation import Normalisation

BATCH = 64  # patterns predicted at a time
TILE = 128  # pixels along a side of the pieces that a scene's file consists of, so that it is read as fast by rows as by columns
LARGEST_TIFF = 2**32 - 2**16  # bytes; ImageJ knows no larger ones

Network = Callable[[np.ndarray], np.ndarray]


class Band:
    """The sums of a scene in the rows that patches still to come can touch.

    Args:
        corners: (n, 2) whole pixels, where each patch will be added, in this order; the smallest of each axis is 0.
        weights: (h, w) of a patch's pixels.
        sink: takes the first row and the weighted means (2, rows, W) float64 of rows that are final, from top to bottom, each once; NaN
            where no patch lies.
    """

    def __init__(self, corners: np.ndarray, weights: np.ndarray, sink: Callable[[int, np.ndarray], None]):
        self._corners, self._weights, self._sink = corners, weights, sink
        self._height, width = corners.max(axis=0) + weights.shape
        # The smallest row that patch i or any later one touches.
        self._open_from = np.append(_least_to_come(corners[:, 0]), self._height)
        self._sums = np.zeros((3, 0, width))
        self._top = self._added = 0

    def add(self, patches: np.ndarray) -> None:
        """Add the next patches (m, 2, h, w), and pass on the rows that no other will touch."""
        corners = self._corners[self._added : self._added + len(patches)] - (self._top, 0)
        height, width = self._weights.shape
        self._reach(corners[:, 0].max() + height)
        weighted = patches * self._weights
        for (y, x), patch in zip(corners, weighted, strict=True):
            self._sums[:2, y : y + height, x : x + width] += patch
            self._sums[2, y : y + height, x : x + width] += self._weights
        self._added += len(patches)
        self._release()

    def _reach(self, bottom: int) -> None:
        """Hold ``bottom`` rows at least; more at a time than one step of a scan, since the band is copied."""
        if (held := self._sums.shape[1]) < bottom:
            extra = min(max(bottom - held, TILE), self._height - self._top - held)
            self._sums = np.pad(self._sums, ((0, 0), (0, extra), (0, 0)))

    def _release(self) -> None:
        final = self._open_from[self._added] - self._top
        if self._added < len(self._corners):
            final -= final % TILE
        if not final:
            return
        total = self._sums[2, :final]
        means = np.divide(self._sums[:2, :final], total, out=np.full((2, *total.shape), np.nan), where=total > 0)
        self._sink(self._top, means)
        self._sums = self._sums[:, final:].copy()
        self._top += final


def _least_to_come(rows: np.ndarray) -> np.ndarray:
    """(n,) the smallest of all items from the i-th on."""
    return np.minimum.accumulate(rows[::-1])[::-1]


def band_axis(corners: np.ndarray, window: tuple[int, int]) -> int:
    """The axis, 0 or 1, along which a scan has the smaller band."""
    held = np.max(np.maximum.accumulate(corners) - np.minimum.accumulate(corners[::-1])[::-1], axis=0) + window
    height, width = np.ptp(corners, axis=0) + window
    return int(held[1] * height < held[0] * width)


def predict_scene(
    scan: PreparedScan, network: Network, normalisation: Normalisation, output: str | os.PathLike, *, weighting: str = "radial"
) -> dict[str, float]:
    """Predict all patterns of a scan, in the order of its file, and stitch them.

    Args:
        network: from patterns (m, h, w) photons to patches (m, 2, h, w) on the labels' scale.
        normalisation: of those labels.
        output: HDF5 file.
        weighting: as in `stitch.window_weights`.

    Returns:
        Facts for the provenance: ``patterns``, ``prediction_seconds``, ``patterns_per_second``.

    Raises:
        InputError: the scan is damaged, the network yields NaN, or the weighting is unknown.
        OutputError: the scene cannot be written.
    """
    corners = np.floor(scan.positions + 0.5).astype(np.int64)
    origin = corners.min(axis=0)
    weights = window_weights(scan.window, weighting)
    began = time.perf_counter()
    with create_hdf5(output) as file:
        write(file, "positions", scan.positions, "pixels", "pattern,yx")
        images = _create_scene(file, corners.max(axis=0) - origin + scan.window)
        file["scene"].attrs.update({"origin": origin, "weighting": weighting, **normalisation.as_attributes()})
        file["scene"].attrs.update({"pixel_size": scan.optics.pixel_size} if scan.optics else {})
        _stitch(scan, network, weights, corners - origin, _Sink(images, normalisation, band_axis(corners, scan.window)))
    seconds = time.perf_counter() - began
    rate = round(len(corners) / seconds, 1)
    return {"patterns": len(corners), "prediction_seconds": round(seconds, 3), "patterns_per_second": rate}


def _create_scene(file: h5py.File, shape: tuple[int, int]) -> list[h5py.Dataset]:
    group, chunks = file.create_group("scene"), tuple(min(TILE, int(side)) for side in shape)
    arrays = [group.create_dataset(channel, shape, np.float32, chunks=chunks, fillvalue=np.nan) for channel in CHANNELS]
    return [describe(array, units, "y,x") for array, units in zip(arrays, ("", "rad"), strict=True)]


class _Sink:
    """Takes rows of a scene to its file, or columns, if ``axis`` is 1, as rows of the transposed scene."""

    def __init__(self, images: list[h5py.Dataset], normalisation: Normalisation, axis: int):
        self.images, self.normalisation, self.axis = images, normalisation, axis

    def __call__(self, start: int, means: np.ndarray) -> None:
        for image, channel, rows in zip(self.images, CHANNELS, means, strict=True):
            values = self.normalisation.restored(channel, rows).astype(np.float32)
            if self.axis:
                image[:, start : start + len(rows)] = values.T
            else:
                image[start : start + len(rows)] = values


def _stitch(scan: PreparedScan, network: Network, weights: np.ndarray, corners: np.ndarray, sink: _Sink) -> None:
    if sink.axis:
        corners, weights = corners[:, ::-1], weights.T
    band, start = Band(corners, weights, sink), 0
    patterns = (pattern for block in scan.frames(BATCH) for pattern in block)
    for batch in _batches(progress(patterns, len(corners), "predicting")):
        patches = network(batch)
        bad = ~np.isfinite(patches).all(axis=(1, 2, 3))
        if bad.any():
            raise InputError(f"The network answers pattern {start + bad.argmax()} with NaN or infinity; its checkpoint cannot be used.")
        band.add(patches.swapaxes(2, 3) if sink.axis else patches)
        start += len(patches)


def _batches(patterns: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    patterns = iter(patterns)
    while batch := list(islice(patterns, BATCH)):
        yield np.stack(batch)


def write_tiffs(scene: h5py.Group, prefix: str | os.PathLike) -> list[str]:
    """A scene as ``PREFIX_amplitude.tif`` and ``PREFIX_phase.tif`` for ImageJ, float32, with the size of a pixel in micrometres if it is
    known; some rows are in memory at a time.

    Args:
        scene: group that `predict_scene` wrote.

    Returns:
        The names of the two files.

    Raises:
        OutputError: the scene is too large for the format, or a file cannot be written.
    """
    names = [f"{os.fspath(prefix)}_{channel}.tif" for channel in CHANNELS]
    for name, channel in zip(names, CHANNELS, strict=True):
        _write_tiff(scene[channel], scene.attrs.get("pixel_size"), name)
    return names


def _write_tiff(image: h5py.Dataset, pixel_size: float | None, path: str) -> None:
    import tifffile  # takes a tenth of a second, which only those who ask for TIFFs should pay

    if image.size * 4 > LARGEST_TIFF:
        raise OutputError(f"{path} cannot be written: ImageJ reads TIFFs of up to 4 GB, the scene has {image.shape} pixels.")
    about = {"axes": "YX", **({"unit": "um"} if pixel_size else {})}
    resolution = (1e-6 / pixel_size, 1e-6 / pixel_size) if pixel_size else None
    with atomic(path) as temporary:
        # An image of zeros first, into which the rows are written: tifffile itself wants all of an image at once.
        tifffile.imwrite(temporary, shape=image.shape, dtype=np.float32, byteorder="<", imagej=True, resolution=resolution, metadata=about)
        with tifffile.TiffFile(temporary) as file:
            start = file.pages[0].dataoffsets[0]
        with temporary.open("r+b") as file:
            file.seek(start)
            for row in range(0, len(image), TILE):
                file.write(image[row : row + TILE].astype("<f4").tobytes())
