"""Whether a reconstruction, or labels that were published, belong to the scan that they are
used with.
"""

import os

import numpy as np

from ptychoformer.errors import InputError
from ptychoformer.measurement.origin import Origin
from ptychoformer.measurement.preparation import PreparedScan
from ptychoformer.measurement.readers import label_raster

SAME_PLACE = 0.1  # pixels by which positions may differ that count as the same
SAME_PIXEL = 0.01  # largest relative difference between pixel sizes that count as the same
SAME_COUNT = 1e-3  # and between the counts of a pattern: what another summation of the same frames may differ by


def check_reconstruction(
    path: str | os.PathLike, origin: Origin, scan: str | os.PathLike, prepared: PreparedScan
) -> None:
    """Check that the reconstruction at ``path`` was made of the same patterns, positions and
    geometry as ``scan``.

    Raises:
        InputError: it was not.
    """
    if len(origin.recorded) != len(prepared.positions):
        both = f"{len(origin.recorded)} patterns, {scan} has {len(prepared.positions)} that are used"
        raise InputError(f"{path} is a reconstruction from {both}; both must be read with the same --keep-frames.")
    # Of any preparation, the centres of the windows lie at the same parts of a frame.
    own = (prepared.positions + prepared.window[0] // 2) / prepared.crop
    distance = np.abs((origin.recorded + origin.crop // origin.bin // 2) - own * origin.crop).max()
    if distance > SAME_PLACE:
        raise InputError(
            f"{path} was reconstructed at other positions than those of {scan}, {distance:.3g} pixels apart; it must be"
            " made of the same scan, read with the same lengths, step and axes."
        )
    _check_patterns(path, origin, scan, prepared)
    if origin.centre != tuple(prepared.centre):
        y, x = origin.centre
        raise InputError(
            f"{path} was reconstructed around detector pixel {y} {x}, {scan} is cut around another; give --centre {y}"
            f" {x}."
        )
    _check_pixel_size(path, origin, scan, prepared)


def _check_patterns(path: str | os.PathLike, origin: Origin, scan: str | os.PathLike, prepared: PreparedScan) -> None:
    """Check that the patterns count as much, and at the same places: of frames that were transposed
    or mirrored since, only the latter tells.
    """
    others = f"{path} was reconstructed from other patterns than those of {scan}"
    if (other := ~np.isclose(origin.counts, prepared.counts, rtol=SAME_COUNT, atol=0)).any():
        first = int(other.argmax())
        raise InputError(
            f"{others}: {other.sum()} of {len(other)} differ in what they count, pattern {prepared.numbers[first]}"
            f" counted {origin.counts[first]:.6g} and has {prepared.counts[first]:.6g}; both must be read with the same"
            " mask, too."
        )
    whole = np.abs(prepared.part_counts).sum(axis=(1, 2), dtype=np.float64)
    moved = np.abs(origin.part_counts - prepared.part_counts).sum(axis=(1, 2), dtype=np.float64) / 2
    if (other := moved > SAME_COUNT * whole).any():
        most = int(moved.argmax())
        raise InputError(
            f"{others}: {other.sum()} of {len(other)} count as much, but at other places of the detector, pattern"
            f" {prepared.numbers[most]} {moved[most]:.6g} of {whole[most]:.6g}; frames may have been transposed or"
            " mirrored since."
        )


def _check_pixel_size(path: str | os.PathLike, origin: Origin, scan: str | os.PathLike, prepared: PreparedScan) -> None:
    if origin.pixel_size and prepared.optics:
        expected = prepared.optics.pixel_size * prepared.crop / origin.crop
        if abs(origin.pixel_size / expected - 1) > SAME_PIXEL:
            raise InputError(
                f"{path} was reconstructed with pixels of {origin.pixel_size:.4g} m, the geometry of {scan} makes them"
                f" {expected:.4g} m; read both with the same lengths."
            )


def label_step(labels: str | os.PathLike, scan: str | os.PathLike, prepared: PreparedScan) -> float:
    """Find the distance in pixels from a patch of published ``labels`` to the next, which is that
    from a window of the scan to the next.

    Raises:
        InputError: the patches are not those of the scan's windows.
    """
    rows, columns, side = label_raster(labels)
    if prepared.raster != (rows, columns) or prepared.window != (side, side):
        raster = "no raster" if prepared.raster is None else "a raster of {} x {}".format(*prepared.raster)
        raise InputError(
            f"{labels} holds {rows} x {columns} patches of {side} pixels, but {scan} is {raster}, with windows of "
            f"{prepared.window[0]} pixels; labels must be those of the scan, and crop and bin give their size."
        )
    places = np.indices(prepared.raster).reshape(2, -1).T[prepared.numbers]
    offsets, places = (at - at.min(axis=0) for at in (prepared.positions, places))
    longest = int(places.max(axis=0).argmax())
    step = float(offsets[:, longest].max() / places[:, longest].max())
    if (distance := np.abs(offsets - step * places).max()) > SAME_PLACE:
        raise InputError(
            f"{labels} are patches on a raster, from which positions of {scan} lie up to {distance:.3g} pixels away."
        )
    return step
