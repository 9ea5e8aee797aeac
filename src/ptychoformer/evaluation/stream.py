"""A scan predicted and stitched as it is read, in memory that does not grow with the number of its
patches.

    scene/amplitude, scene/phase   (H, W) float32, arbitrary units and radians, NaN where nothing
        was stitched
    scene/plain_phase              (H, W) float32, radians, where ``scene/phase`` is synchronised:
        what plain stitching gives
    positions                      (n, 2) float64, y and x of the window's upper left corner on the
        object, pixels
    numbers                        (n,) int64, of these patterns in the scan's file, some of which
        may be left out

Attributes of the group ``scene``: ``origin`` (y, x) of the scene on the object, pixels; the
``weighting``; how ``phase`` was stitched, ``plain`` or ``synchronised``, with the ``tie`` of the
latter; ``pixel_size`` in metres if it is known; the normalisation's constants. Positions are
rounded to whole pixels for stitching, which is that of `evaluation.stitch`.

Sums are held for a band of the object alone: the rows that patterns still to come can touch. What
is above them is final and goes to the file. The band of a scan that runs row by row, or back and
forth, is a few windows high; one that runs column by column is stitched along its columns. Of a
scan in random order, or on a spiral, no row is final before the last patterns: its band is the
whole scene.

Phase-synchronised stitching (`evaluation.synchronise`) keeps no patch either: what patches tell of
each other's constants is a number of each, gathered as they pass. Once the constants are known the
file's plain phase is read back, band by band, and they are added. Memory then grows by numbers of
each pattern: twelve bytes, while they are gathered twice as many, for each of the others that it
overlaps with (48 at an overlap of 75 %), and about a hundred more.
"""

import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import h5py
import numpy as np

from ptychoformer.errors import InputError
from ptychoformer.evaluation import CHANNELS
from ptychoformer.evaluation.band import TILE, Band, band_axis, band_pixels, means
from ptychoformer.evaluation.disagreement import Disagreement
from ptychoformer.evaluation.stitch import window_weights
from ptychoformer.evaluation.synchronise import PHASES, TIE, overlapping, solved
from ptychoformer.measurement.preparation import PreparedScan
from ptychoformer.measurement.windows import whole_pixels
from ptychoformer.memory import check_memory
from ptychoformer.progress import progress, say
from ptychoformer.storage import allocate, create_hdf5, describe, open_hdf5, write
from ptychoformer.training.normalisation import Normalisation

BATCH = 64  # patches stitched at a time


class Network(Protocol):
    """What predicts: see `network.TrainedNetwork`."""

    batch: int

    def stream(self, batches: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Predict batches of patterns (m, h, w), photons; yield batches of patches (m, 2, h, w) on
        the labels' scale, in order.
        """


@dataclass(frozen=True)
class Layout:
    """Where a scan's patches lie on its scene, the band running along the first axis.

    Args:
        corners: (n, 2) whole pixels; the smallest of each axis is 0.
        weights: (h, w) of a patch's pixels.
        turned: whether the band runs along the columns of the scene, so that here its axes are
            swapped.
    """

    corners: np.ndarray
    weights: np.ndarray
    turned: bool

    @classmethod
    def of(cls, corners: np.ndarray, weights: np.ndarray) -> "Layout":
        """Choose the layout with the smaller band."""
        turned = bool(band_axis(corners, weights.shape))
        return cls(corners[:, ::-1], weights.T, turned) if turned else cls(corners, weights, turned)

    def write(self, image: h5py.Dataset, start: int, rows: np.ndarray) -> None:
        """Put rows of the band, from ``start`` on, into an image of the scene."""
        part = slice(start, start + len(rows))
        if self.turned:
            image[:, part] = rows.T
        else:
            image[part] = rows

    def read(self, image: h5py.Dataset, start: int, count: int) -> np.ndarray:
        """Read rows of the band out of an image of the scene."""
        part = slice(start, start + count)
        return image[:, part].T if self.turned else image[part]


def predict_scene(
    scan: PreparedScan,
    network: Network,
    normalisation: Normalisation,
    output: str | os.PathLike,
    *,
    weighting: str = "radial",
    phase: str = "plain",
    tie: float = TIE,
    announce: Callable[[], None] | None = None,
) -> dict[str, float]:
    """Predict all patterns of a scan, in the order of its file, and stitch them.

    Args:
        network: what predicts the patterns.
        normalisation: of the labels, on whose scale the network answers.
        output: HDF5 file.
        weighting: as in `stitch.window_weights`.
        phase: ``plain`` or ``synchronised``, how phase is stitched.
        tie: of synchronised constants to the network's own, as in `synchronise`.
        announce: is called when the scene is about to take its place at ``output``.

    Returns:
        Facts for the provenance: ``patterns``, ``prediction_seconds``, ``patterns_per_second``.

    Raises:
        InputError: the scan is damaged, the network yields NaN, or the weighting or ``phase`` is
            unknown.
        OutputError: the scene cannot be written.
    """
    if phase not in PHASES:
        raise InputError(f"The stitching of phase '{phase}' is unknown, allowed are {' and '.join(PHASES)}.")
    corners = whole_pixels(scan.positions)
    origin = corners.min(axis=0)
    weights = window_weights(scan.window, weighting)
    _check_memory(corners - origin, scan.window)
    synchronised = phase == "synchronised"
    began = time.perf_counter()
    with create_hdf5(output, announce) as file:
        write(file, "positions", scan.positions, "pixels", "pattern,yx")
        write(file, "numbers", scan.numbers, "", "pattern")
        group, shape = file.create_group("scene"), corners.max(axis=0) - origin + scan.window
        group.attrs.update({"origin": origin, "weighting": weighting, "phase": phase, **normalisation.as_attributes()})
        group.attrs.update(
            ({"tie": tie} if synchronised else {}) | ({"pixel_size": scan.optics.pixel_size} if scan.optics else {})
        )
        layout, images = Layout.of(corners - origin, weights), [_create_image(group, name, shape) for name in CHANNELS]
        if synchronised:
            plain = _create_image(group, "plain_phase", shape)
            disagreement = Disagreement(layout.corners, layout.weights)
            _stitch(scan, network, normalisation, layout, (images[0], plain), disagreement)
            _synchronise(layout, disagreement.values, tie, normalisation, plain, images[1])
        else:
            _stitch(scan, network, normalisation, layout, images)
    seconds = time.perf_counter() - began
    rate = round(len(corners) / seconds, 1)
    return {"patterns": len(corners), "prediction_seconds": round(seconds, 3), "patterns_per_second": rate}


def _check_memory(corners: np.ndarray, window: tuple[int, int]) -> None:
    """Check that the sums of the scene's band can be held.

    Raises:
        InputError: they cannot.
    """
    height, width = corners.max(axis=0) + window
    # Twice, as they are copied while they grow.
    needed = 2.0 * (len(CHANNELS) + 1) * np.float64().nbytes * band_pixels(corners, window)

    def advice(part: float) -> str:
        """Say which sides would fit, each smaller by the same factor."""
        fitting = " x ".join(str(int(side * np.sqrt(part))) for side in (height, width))
        return f"{fitting} would fit, or patterns that run row by row; check the scan's positions and lengths"

    check_memory(f"A scene of {height} x {width} pixels", needed, advice)


def _create_image(group: h5py.Group, name: str, shape: tuple[int, int]) -> h5py.Dataset:
    chunks = tuple(min(TILE, int(side)) for side in shape)
    image = allocate(group, name, shape, np.float32, chunks=chunks, fillvalue=np.nan)
    return describe(image, "" if name == "amplitude" else "rad", "y,x")


def _stitch(
    scan: PreparedScan,
    network: Network,
    normalisation: Normalisation,
    layout: Layout,
    images: Sequence[h5py.Dataset],
    disagreement: Disagreement | None = None,
) -> None:
    """Predict the patterns and stitch them plainly into ``images`` of amplitude and phase;
    ``disagreement`` sees all that passes.
    """

    def finish(start: int, sums: np.ndarray, total: np.ndarray) -> None:
        for image, channel, rows in zip(images, CHANNELS, means(sums, total), strict=True):
            layout.write(image, start, normalisation.restored(channel, rows))
        if disagreement:
            disagreement.pass_rows(start, sums[1])

    band = Band(layout.corners, layout.weights, len(CHANNELS), finish)
    for patches in _in_parts(_predicted(scan, network)):
        patches = patches.swapaxes(2, 3) if layout.turned else patches
        if disagreement:
            disagreement.pass_patches(patches[:, 1])
        band.add(patches)


def _synchronise(
    layout: Layout,
    disagreement: np.ndarray,
    tie: float,
    normalisation: Normalisation,
    plain: h5py.Dataset,
    image: h5py.Dataset,
) -> None:
    """Put ``plain`` and what the patches' constants, found from their ``disagreement`` (n,),
    add to it into ``image``, both (H, W).
    """
    if not overlapping(layout.corners, layout.weights.shape):
        say("No two patches overlap: there is nothing to synchronise, the phase is that of plain stitching.")
    low, high = normalisation.limits("phase")
    constants = (high - low) * solved(layout.corners, layout.weights, disagreement, tie)

    def finish(start: int, sums: np.ndarray, total: np.ndarray) -> None:
        layout.write(image, start, layout.read(plain, start, len(total)) + means(sums, total)[0])

    # The order is free now, and from top to bottom every scan's band is a window high.
    downwards = np.argsort(layout.corners[:, 0])
    band = Band(layout.corners[downwards], layout.weights, 1, finish)
    for start in range(0, len(constants), BATCH):
        some = constants[downwards[start : start + BATCH]]
        band.add(np.broadcast_to(some[:, None, None, None], (len(some), 1, *layout.weights.shape)))


def _predicted(scan: PreparedScan, network: Network) -> Iterator[np.ndarray]:
    """Yield patches (m, 2, h, w) of all patterns, in order.

    Raises:
        InputError: one holds NaN or infinity; its pattern is named by its number in the scan's
            file.
    """
    batches, start = _batches(scan.frames(network.batch), network.batch), 0
    for patches in progress(network.stream(batches), len(scan.positions), "predicting", len):
        bad = ~np.isfinite(patches).all(axis=(1, 2, 3))
        if bad.any():
            raise InputError(
                f"The network answers pattern {scan.numbers[start + bad.argmax()]} with NaN or infinity; its checkpoint"
                " cannot be used."
            )
        yield patches
        start += len(patches)


def _in_parts(batches: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Cut batches, as large as the network likes them, into parts of at most ``BATCH`` patches,
    whose sums stay in a core's cache.
    """
    for batch in batches:
        yield from (batch[start : start + BATCH] for start in range(0, len(batch), BATCH))


def _batches(blocks: Iterable[np.ndarray], size: int) -> Iterator[np.ndarray]:
    """Join blocks of at most ``size`` patterns into batches of ``size``, but for the last."""
    held, count = [], 0
    for block in blocks:
        held.append(block[: size - count])
        rest = block[size - count :]
        count += len(held[-1])
        if count == size:
            yield np.concatenate(held)
            held, count = [rest], len(rest)
    if count:
        yield np.concatenate(held)


def scene_deviations(path: str | os.PathLike) -> dict[str, float]:
    """Compute the standard deviation of each channel of a scene's file, over what was stitched;
    some rows are in memory at a time.
    """
    with open_hdf5(path) as file:
        return {channel: _deviation(file["scene"][channel]) for channel in CHANNELS}


def _deviation(image: h5py.Dataset) -> float:
    sums = np.zeros(3)  # of 1, values and squares; values about the first one, lest squares of a far mean drown them
    about = None
    for row in range(0, len(image), TILE):
        values = image[row : row + TILE].astype(np.float64)
        values = values[np.isfinite(values)]
        if values.size:
            about = values[0] if about is None else about
            sums += values.size, (values - about).sum(), ((values - about) ** 2).sum()
    _, mean, square = sums / max(sums[0], 1)
    return math.sqrt(max(0.0, square - mean**2))
