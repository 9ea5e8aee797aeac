"""A measured scan made ready: centred, repaired, cropped and binned patterns, and positions in
pixels of the object that they sample.

**Zero frequency.** A crop of c pixels is summed in blocks of b x b to n = c / b pixels, and the
block with the index n // 2 holds the zero frequency. If b is odd this is the block's central pixel.
If b is even it is the last pixel before the block's middle, so that the patterns are sampled half a
detector pixel beside the zero frequency, which multiplies the object by a phase ramp of pi / b
across the window. Half a block at the border of a crop may lie beyond the frame; it is filled like
bad pixels.

**Coordinates.** A whole frame of N pixels samples the object at wavelength distance / (N detector
pixels), and one cropped to c at N / c of this. Binning makes the window smaller instead: it is n
object pixels wide. All preparations of a scan share the object's origin: a point that one
preparation has at y is at y c' / c in another one. The centre of the first window along each axis
is half a frame from it.
"""

import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

import h5py
import numpy as np
from scipy.fft import fft2, fftshift, ifft2, ifftshift

from ptychoformer.errors import InputError
from ptychoformer.measurement.curl import Bearing, about_bearings, find_bearings
from ptychoformer.measurement.cxi import Optics
from ptychoformer.measurement.examination import at_once, examine
from ptychoformer.measurement.geometry import (
    Preparation,
    check_object_pixel,
    corners_of,
    crop_side,
    crop_start,
    known_lengths,
    lengths_of,
    optics_of,
)
from ptychoformer.measurement.modes import photons
from ptychoformer.measurement.options import Patterns, Reading
from ptychoformer.measurement.pixels import Filling, beam_centre, light_of
from ptychoformer.measurement.plausibility import doubts, falls_apart
from ptychoformer.measurement.readers import AXES, RawScan, open_described
from ptychoformer.measurement.readers.probe import half_pixel
from ptychoformer.measurement.readers.quantities import AGREEING
from ptychoformer.measurement.readers.scan import chosen
from ptychoformer.progress import say

LEAST_LIGHT = 0.9  # of a probe that a window should hold
OFF = 0.1  # of a frame's side, between the recorded centre and the one that the patterns show
# Where the light of a file's patterns is found, where it is expected, and what brings it there.
CENTRED = ("the four corners", "in the middle", "fftshift")
CORNERED = ("the middle", "at [0, 0]", "ifftshift")
FEW = 0.1  # of the light of the whole frame, in a crop


@dataclass(frozen=True)
class PreparedScan:
    """A scan that can be reconstructed, or trained on; its patterns are made as they are asked for.

    Args:
        positions: (n, 2) float64, y and x of the window's upper left corner, pixels of the object,
            none below 0.
        counts: (n,) float64, what each whole frame counts, before anything is repaired or cropped:
            it tells one scan from another.
        part_counts: (n, 4, 4) float32, the same in 4 x 4 parts of the frame: it tells how the frame
            lies, which may be transposed or mirrored.
        centres: (n, 2) y, x of the centre of mass of each whole frame, detector pixels.
        window: (h, w) of the patterns.
        optics: with the pixel size of the object; None if that is not known.
        mask: (h, w) bool, True where most of what a pixel is made of is bad.
        probe: (h, w) complex64, the raw scan's first guess as it looks in this window.
        centre: (y, x) detector pixel with the zero frequency.
        crop: side of the square that the patterns are made of, detector pixels.
        warnings: full sentences for people.
        frames: ``frames(size)`` yields at most ``size`` patterns at a time, (m, h, w) float32
            photons, zero frequency at (h // 2, w // 2), without bad pixels; each call starts anew.
        numbers: (n,) of the patterns in the file.
        probe_light: photons of the raw scan's first guess, before it is cropped.
        raster: (rows, columns) of the file's patterns, some of which may be left out.
        bad: how many pixels of the whole frame are bad, by kind; see `examination.Examined`.
        unusable: numbers of the patterns that should not be used, for each of `frames.REASONS`.
        axes, turn: what the numbers of a position were taken to be, and by how many degrees they
            were turned then, see `readers.axes`.
        bearings: how positions lie against the detector, as far as ``centres`` tell; see `curl`.
    """

    positions: np.ndarray
    counts: np.ndarray
    part_counts: np.ndarray
    centres: np.ndarray
    window: tuple[int, int]
    optics: Optics | None
    mask: np.ndarray
    probe: np.ndarray | None
    centre: tuple[int, int]
    crop: int
    warnings: tuple[str, ...]
    frames: Callable[[int], Iterator[np.ndarray]]
    numbers: np.ndarray
    probe_light: float = 0.0
    raster: tuple[int, int] | None = None
    bad: Mapping[str, int] = field(default_factory=dict)
    unusable: Mapping[str, np.ndarray] = field(default_factory=dict)
    axes: str = AXES
    turn: float = 0.0
    bearings: tuple[Bearing, ...] = ()

    @property
    def grid(self) -> tuple[int, int] | None:
        """(rows, columns) of a raster, whose patterns run row by row, none of them left out."""
        whole = self.raster is not None and math.prod(self.raster) == len(self.numbers)
        return self.raster if whole else None


@contextmanager
def open_prepared(path: str | os.PathLike, reading: Reading, patterns: Patterns) -> Iterator[PreparedScan]:
    """Open a scan and prepare it; see `readers.open_described` and `prepare`."""
    with open_described(path, reading) as raw:
        yield prepare(raw, Preparation.of(reading, patterns))


def write_patterns(scan: PreparedScan, patterns: h5py.Dataset) -> None:
    """Fill the array of a dataset (n, h, w), as many patterns at a time as `prepare` reads."""
    start = 0
    for block in scan.frames(len(scan.positions)):
        patterns[start : start + len(block)] = block
        start += len(block)


def prepare(raw: RawScan, preparation: Preparation | None = None) -> PreparedScan:
    """Examine a scan and prepare it; the result reads the patterns of ``raw`` again, so it lives as
    long as ``raw``.

    If it cannot be used, the warnings of its reader are said first: what was ignored in the file
    may be what is missing.

    Raises:
        InputError: the frames cannot be used (`examination.examine`), their zero frequency lies in
            the corners, the crop does not fit around the centre or holds no light, positions in
            metres lack the wavelength, the distance or the detector's pixel size, lengths
            contradict the recorded pixel of the object, or all patterns that can be used have the
            same position.
    """
    try:
        return _prepared_scan(raw, preparation or Preparation())
    except InputError:
        for warning in raw.warnings:
            say(warning)
        raise


def _prepared_scan(raw: RawScan, preparation: Preparation) -> PreparedScan:
    found = examine(raw, preparation.keep_frames)
    about_corners = _about_corners(raw, preparation, found.function) if found.swapped else ()
    used, shown = found.used, beam_centre(found.mean)
    check_moves(raw, used)
    # The object lies between the positions of the patterns that are used.
    everything, raw = raw, replace(raw, positions=raw.positions[used], numbers=raw.numbered[used])
    centre = preparation.centre or raw.centre or (_middle(raw.frame) if raw.centred else shown)
    crop = crop_side(raw, centre, preparation)
    window = crop // preparation.bin
    cut = partial(_cut, start=crop_start(centre, crop, preparation.bin), crop=crop)
    bad = cut(found.any_bad[None], beyond=True)[0]
    if bad.all():
        raise InputError(f"{raw.path}: no detector pixel is good in the crop of {crop} pixels around {centre}.")
    fill = Filling(bad)
    about_light = _about_light(raw, centre, crop, found.mean, cut(found.mean[None], beyond=0)[0][~bad])

    def prepared(block: np.ndarray) -> np.ndarray:
        return _binned(fill(np.maximum(cut(block, beyond=0), 0)), preparation.bin)

    optics = optics_of(raw, preparation, crop)
    probe, held = (None, 1.0) if raw.probe is None else _prepared_probe(raw.probe, crop, window)
    if raw.probe_origin is not None:
        probe = probe * half_pixel(preparation.bin, window, crop)
    positions = corners_of(raw, preparation, crop)
    warnings = raw.warnings + found.warnings + about_corners + _beside_the_beam(raw, centre, shown) + about_light
    warnings += check_object_pixel(raw, preparation) + lengths_missing(raw, preparation, optics)
    warnings += _about_given_probe(raw, optics, crop) + _light_lost(raw, window, held)
    bearings = find_bearings(raw.even(raw.positions), found.centres[used])
    warnings += () if raw.simulated else about_bearings(raw.path, raw.axes, raw.turn, bearings)
    warnings += _about_positions(raw, positions, window, probe, known_lengths(raw, preparation, optics))
    return PreparedScan(
        positions=positions,
        counts=found.counts[used],
        part_counts=found.part_counts[used],
        centres=found.centres[used],
        window=(window, window),
        optics=optics,
        mask=_binned(bad[None].astype(np.float32), preparation.bin)[0] > preparation.bin**2 / 2,
        probe=probe,
        centre=centre,
        crop=crop,
        warnings=warnings,
        frames=lambda size: map(prepared, chosen(everything.frames(min(size, at_once(everything))), used)),
        numbers=raw.numbered,
        probe_light=0.0 if raw.probe is None else photons(raw.probe),
        raster=raw.grid,
        bad={kind: int(pixels.sum()) for kind, pixels in found.bad.items()},
        unusable=found.unusable,
        axes=raw.axes,
        turn=raw.turn,
        bearings=bearings,
    )


def check_moves(raw: RawScan, used: np.ndarray) -> None:
    """Refuse a scan whose ``used`` (n,) patterns all have one position, while others have not.

    Raises:
        InputError: they have.
    """
    if np.ptp(raw.positions, axis=0).any() and not np.ptp(raw.positions[used], axis=0).any():
        raise InputError(f"{raw.path}: all patterns that can be used have the same position; a scan moves the sample.")


def _about_corners(raw: RawScan, preparation: Preparation, function: str | None) -> tuple[str, ...]:
    """Warn of a beam in the corners of the frame, if somebody gives the centre.

    Args:
        function: of counts that the patterns are, if they are none.

    Raises:
        InputError: nobody gives the centre.
    """
    found, expected, swap = CORNERED if raw.corner_first else CENTRED
    sentence = (
        f"{raw.path}: the light lies in {found} of the patterns in the file, and so does their zero frequency, which"
        f" the format {raw.format} has {expected}; swap the quadrants of what is in the file, with"
        f" numpy.fft.{swap}(patterns, axes=(-2, -1))"
    )
    if preparation.centre is None:
        belongs = "" if raw.corner_first else ", or give --centre if the light does belong there"
        roots = f"; the counts are {function} of counts besides, undo that too" if function else ""
        raise InputError(f"{sentence}{belongs}{roots}.")
    return (f"{sentence}.",)


def _about_light(
    raw: RawScan, centre: tuple[int, int], crop: int, mean: np.ndarray, kept: np.ndarray
) -> tuple[str, ...]:
    """Warn of a crop beside the light: it holds less of it than so many pixels do on average.

    Args:
        mean: (h, w) mean pattern, bad pixels filled.
        kept: (m,) what good pixels of the crop have of it.

    Raises:
        InputError: no pixel of the crop counts anything.
    """
    where = f"{raw.path}: the crop of {crop} pixels around {tuple(map(int, centre))} holds"
    if not (kept > 0).any():
        raise InputError(f"{where} no light; another --centre or --crop would.")
    light = light_of(mean).sum()
    held = np.maximum(kept - np.median(mean), 0).sum() / light if light else 1.0
    if held >= min(FEW, kept.size / mean.size):
        return ()
    return (f"{where} {held:.1%} of the light of the patterns; another --centre or --crop would hold more.",)


def _beside_the_beam(raw: RawScan, centre: tuple[int, int], shown: tuple[int, int]) -> tuple[str, ...]:
    """Warn of a centre by the file, or its format, that is not where the patterns have theirs."""
    off = max(abs(a - b) / side for a, b, side in zip(centre, shown, raw.frame, strict=True))
    stated = raw.centre or (_middle(raw.frame) if raw.centred and not raw.simulated else None)
    if centre != stated or off <= OFF:
        return ()
    return (f"{raw.path} puts the beam at detector pixel {centre}, its patterns rather at {shown}.",)


def lengths_missing(raw: RawScan, preparation: Preparation, optics: Optics | None) -> tuple[str, ...]:
    """Warn of lengths without which pixels have no size in metres."""
    if optics is not None:
        return ()
    missing = [name.replace("_", " ") for name, value in lengths_of(raw, preparation).items() if value is None]
    return (f"{raw.path} records no {', '.join(missing)}: lengths are in pixels.",)


def _about_positions(
    raw: RawScan, positions: np.ndarray, window: int, probe: np.ndarray | None, lengths: Mapping[str, float]
) -> tuple[str, ...]:
    """Warn of ``positions`` (n, 2), pixels of the object, and ``lengths`` that do not go
    together.
    """
    if not np.ptp(positions, axis=0).any():
        return ()
    odd = doubts(raw.path, positions, window, probe, lengths, raw.positions_in)
    return odd + falls_apart(raw.path, positions, window, raw.numbered)


def _light_lost(raw: RawScan, window: int, held: float) -> tuple[str, ...]:
    """Warn of a window that leaves out much of the probe, of whose light it holds a part."""
    if held >= LEAST_LIGHT:
        return ()
    light = f"{100 * held:.0f}% of the probe's light"
    advice = "a smaller bin makes it wider, a smaller crop its pixels"
    return (f"{raw.path}: the window of {window} pixels holds {light}; {advice}.",)


def _prepared_probe(probe: np.ndarray, crop: int, window: int) -> tuple[np.ndarray, float]:
    """Bring the probe to the window; also returns the part of its light, 0 to 1, that is there."""
    whole, held = (rescaled_probe(probe, crop, side) for side in (crop, window))
    total = photons(whole)
    return held, photons(held) / total if total else 1.0


def _about_given_probe(raw: RawScan, optics: Optics | None, crop: int) -> tuple[str, ...]:
    """Check that the probe of another reconstruction has the pixels of this scan; warns where that
    cannot be told.

    Raises:
        InputError: it has not.
    """
    origin = raw.probe_origin
    if origin is None:
        return ()
    if optics is None or origin.pixel_size is None:
        whose = f"{raw.path} has" if optics is None else "it has"
        return (f"{raw.path}: the given probe is taken to be of the same geometry, since {whose} no size of pixels.",)
    given, own = origin.pixel_size * origin.crop, optics.pixel_size * crop
    if abs(own / given - 1) > AGREEING:
        raise InputError(
            f"{raw.path}: the given probe is that of a window of {given:.4g} m, and the scan's window is one of"
            f" {own:.4g} m: wavelength, distance or detector pixel differ; a probe must be found at those of the scan."
        )
    return ()


def _middle(frame: tuple[int, int]) -> tuple[int, int]:
    return frame[0] // 2, frame[1] // 2


def _cut(patterns: np.ndarray, start: tuple[int, int], crop: int, beyond: float) -> np.ndarray:
    """Cut the square from ``start`` of patterns (m, h, w), ``beyond`` outside their frame."""
    inside = [slice(max(first, 0), first + crop) for first in start]
    outside = [
        (max(-first, 0), max(first + crop - side, 0)) for first, side in zip(start, patterns.shape[1:], strict=True)
    ]
    cut = patterns[:, *inside]
    return np.pad(cut, ((0, 0), *outside), constant_values=beyond) if np.any(outside) else cut


def _binned(patterns: np.ndarray, bin: int) -> np.ndarray:
    """Sum patterns (m, h, w) over blocks of ``bin`` x ``bin`` pixels."""
    count, side, _ = patterns.shape
    return patterns.reshape(count, side // bin, bin, side // bin, bin).sum(axis=(2, 4)) if bin > 1 else patterns


def rescaled_probe(probe: np.ndarray, crop: int, window: int) -> np.ndarray:
    """Bring a probe (h, w) to a detector cropped to ``crop`` pixels and a window of ``window``
    pixels, complex64.

    The cropped detector is a crop in Fourier space, the smaller window one in real space. Each
    keeps the square modulus of what it keeps, so that the sum over a pattern is that over the exit
    wave (Parseval), as in `simulation.diffraction`.
    """
    spectrum = _central(fftshift(fft2(ifftshift(probe), norm="ortho")), crop)
    return _central(fftshift(ifft2(ifftshift(spectrum), norm="ortho")), window).astype(np.complex64)


def _central(image: np.ndarray, side: int) -> np.ndarray:
    # Zeros where there is no image, its middle kept at side // 2.
    before = [max(side // 2 - length // 2, 0) for length in image.shape]
    image = np.pad(image, [(gap, max(side - gap - length, 0)) for gap, length in zip(before, image.shape, strict=True)])
    top, left = (length // 2 - side // 2 if length > side else 0 for length in image.shape)
    return image[top : top + side, left : left + side]
