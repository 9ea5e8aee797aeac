"""What a measured scan holds, at a glance: counts, geometry, step and overlap, and what is odd
about it.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypedDict

import numpy as np
from scipy import constants

from ptychoformer.measurement.curl import Bearing, about_bearings, find_bearings
from ptychoformer.measurement.geometry import (
    Preparation,
    known_lengths,
    lengths_of,
    particle_of,
    positions_without_pixels,
)
from ptychoformer.measurement.options import Patterns, Reading
from ptychoformer.measurement.particles import energy_of
from ptychoformer.measurement.plausibility import (
    IN_PLACE,
    NOISE,
    nearest_step,
    overlap,
    probe_diameter,
    strange_lengths,
)
from ptychoformer.measurement.preparation import PreparedScan, check_moves, lengths_missing, prepare
from ptychoformer.measurement.readers import RawScan, open_described

BLOCK = 1024


@dataclass(frozen=True)
class Summary:
    """A scan as it is prepared, without its patterns.

    Args:
        path: of the file.
        format: one of `readers.FORMATS`.
        particle: that makes the patterns, a key of `particles.MASSES`; None if nobody says.
        frame: (h, w) detector pixels of the file's frames.
        scan: the prepared scan; its frames can no longer be read.
        bin: side of the blocks of detector pixels that were summed.
        photons: (n,) in the window of each pattern that is used.
        mean: (h, w) mean pattern.
        brightest: photons in the brightest pixel of any pattern.
        lengths: wavelength, distance and detector pixel (y), metres, given or of the file; None if
            nobody recorded one.
        pixels: (n, 2) corners of the windows, pixels of the object; None if they are in metres and
            the geometry is not known.
        metres: (n, 2) the same in metres; None if the geometry is not known, and they are in
            pixels.
        probe_given: whether the probe is what somebody said in place of the file's own.
    """

    path: Path
    format: str
    particle: str | None
    frame: tuple[int, int]
    scan: PreparedScan
    bin: int
    photons: np.ndarray
    mean: np.ndarray
    brightest: float
    lengths: dict[str, float | None]
    pixels: np.ndarray | None
    metres: np.ndarray | None
    probe_given: bool


class Fluence(TypedDict):
    """Photons of a pattern in the window."""

    mean: float
    min: float
    max: float


class Axes(TypedDict):
    """What positions may be, as the patterns tell: ``--positions-axes`` and ``--positions-turn``,
    degrees with their standard error.
    """

    axes: str
    turn: float
    error: float


class Facts(TypedDict):
    """What `ptychoformer inspect` tells; lengths in metres and pixels of the object, None if not
    known. Two numbers are along y and x.
    """

    file: str
    format: str
    patterns: int  # that are used
    grid: list[int] | None  # rows and columns
    frame: list[int]
    centre: list[int]
    crop: int
    bin: int
    window: list[int]
    bad_pixels: int  # of the window
    bad_pixels_of_frame: Mapping[str, int]  # by kind
    left_out: dict[str, list[int]]  # numbers of patterns by reason
    photons: Fluence
    brightest_pixel: float
    wavelength: float | None
    distance: float | None
    detector_pixel: float | None
    particle: str | None
    energy_kev: float | None
    pixel_size: float | None
    extent_pixels: list[float] | None
    extent_metres: list[float] | None
    positions_axes: str  # as the positions were read
    positions_turn: float
    axes_told: list[Axes]  # by the patterns; none if they tell nothing
    step_pixels: float | None
    step_metres: float | None
    overlap_of_windows: float | None
    probe_given: bool  # rather than recorded, or not
    probe_diameter_pixels: float | None
    overlap_of_probes: float | None
    warnings: list[str]


def summarise(path: str | os.PathLike, reading: Reading, patterns: Patterns) -> Summary:
    """Look at a scan of any format that can be read, in a few passes over its patterns.

    Raises:
        InputError: the file or the preparation cannot be used.
    """
    with open_described(path, reading) as raw:
        preparation = Preparation.of(reading, patterns)
        lengths = lengths_of(raw, preparation)
        lost = raw.unit == "metres" and None in lengths.values()
        # Positions in metres have no pixels without a geometry; the patterns can be looked at all
        # the same.
        usable = replace(raw, positions=np.zeros_like(raw.positions), unit="frame pixels") if lost else raw
        prepared = prepare(usable, preparation)
        used = np.isin(raw.numbered, prepared.numbers)
        if lost:
            prepared = replace(prepared, bearings=find_bearings(raw.positions[used], prepared.centres))
            prepared = replace(prepared, warnings=_warnings_in_metres(raw, preparation, prepared))
            check_moves(raw, used)
        lengths |= {"detector_pixel": lengths["detector_pixel"] and lengths["detector_pixel"][0]}
        photons, mean, brightest = _counts(prepared)
        pixels = None if lost else prepared.positions
        metres = (
            prepared.positions * prepared.optics.pixel_size
            if prepared.optics
            else raw.positions[used]
            if lost
            else None
        )
    return Summary(
        Path(path),
        raw.format,
        particle_of(raw, preparation),
        raw.frame,
        prepared,
        patterns.bin,
        photons,
        mean,
        brightest,
        lengths,
        pixels,
        metres,
        reading.probe is not None,
    )


def _warnings_in_metres(raw: RawScan, preparation: Preparation, prepared: PreparedScan) -> tuple[str, ...]:
    """Collect the warnings of a scan whose positions stay in metres: it can be looked at, and no
    more.
    """
    untrue = lengths_missing(raw, preparation, None)  # in pixels
    strange = strange_lengths(raw.path, known_lengths(raw, preparation, None))
    true = tuple(warning for warning in prepared.warnings if warning not in untrue)
    turned = about_bearings(raw.path, raw.axes, raw.turn, prepared.bearings)
    return (*true, *turned, positions_without_pixels(raw, preparation), *strange)


def _counts(scan: PreparedScan) -> tuple[np.ndarray, np.ndarray, float]:
    photons, total, brightest = [], np.zeros(scan.window), 0.0
    for block in scan.frames(BLOCK):
        photons.append(block.sum(axis=(1, 2), dtype=np.float64))
        total += block.sum(axis=0, dtype=np.float64)
        brightest = max(brightest, float(block.max()))
    photons = np.concatenate(photons)
    return photons, total / len(photons), brightest


def as_mapping(summary: Summary) -> Facts:
    """Put all numbers of a summary into a mapping, for JSON."""
    scan, lengths = summary.scan, summary.lengths
    probe = probe_diameter(scan.probe) if scan.probe is not None else None
    in_place = IN_PLACE * scan.window[0]
    step = None if summary.pixels is None else nearest_step(summary.pixels, in_place)
    return {
        "file": summary.path.name,
        "format": summary.format,
        "patterns": len(summary.photons),
        "grid": list(scan.grid) if scan.grid else None,
        "frame": list(summary.frame),
        "centre": [int(at) for at in scan.centre],
        "crop": scan.crop,
        "bin": summary.bin,
        "window": list(scan.window),
        "bad_pixels": int(scan.mask.sum()),
        "bad_pixels_of_frame": scan.bad,
        "left_out": {reason: np.setdiff1d(numbers, scan.numbers).tolist() for reason, numbers in scan.unusable.items()},
        "photons": {
            "mean": float(summary.photons.mean()),
            "min": float(summary.photons.min()),
            "max": float(summary.photons.max()),
        },
        "brightest_pixel": summary.brightest,
        **lengths,
        "particle": summary.particle,
        "energy_kev": (
            energy_of(lengths["wavelength"], summary.particle) / constants.eV / 1e3
            if lengths["wavelength"] and summary.particle
            else None
        ),
        "pixel_size": scan.optics.pixel_size if scan.optics else None,
        "extent_pixels": None if summary.pixels is None else _extent(summary.pixels),
        "extent_metres": None if summary.metres is None else _extent(summary.metres),
        "positions_axes": scan.axes,
        "positions_turn": scan.turn,
        "axes_told": [_axes(scan, bearing) for bearing in scan.bearings],
        "step_pixels": step,
        "step_metres": None if summary.metres is None else _step_in_metres(summary, step),
        "overlap_of_windows": None if step is None else overlap(step, scan.window[0]),
        "probe_given": summary.probe_given,
        "probe_diameter_pixels": probe,
        "overlap_of_probes": None if step is None or probe is None else overlap(step, probe),
        "warnings": list(scan.warnings),
    }


def _axes(scan: PreparedScan, bearing: Bearing) -> Axes:
    axes, turn = bearing.cure(scan.axes, scan.turn)
    return {"axes": axes, "turn": turn, "error": bearing.error}


def _step_in_metres(summary: Summary, pixels: float | None) -> float:
    """Measure the step of a scan in metres. Where no window tells which exposures are in place,
    those are taken to be that lie closer together than a tenth of the mean spacing.
    """
    if pixels is not None:
        return pixels * summary.scan.optics.pixel_size
    spacing = np.sqrt(np.prod(_extent(summary.metres)) / len(summary.metres))
    return nearest_step(summary.metres, NOISE * float(spacing))


def _extent(positions: np.ndarray) -> list[float]:
    return [float(side) for side in np.ptp(positions, axis=0)]
