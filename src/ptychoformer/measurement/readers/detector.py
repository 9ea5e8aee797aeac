"""The detector of a CXI or NXcxi_ptycho file: where its pixels are, which are good, and what its
counts mean.

The laboratory's z runs along the beam, y up, and the sample is at its origin. ``basis_vectors``
lead from one row, and from one column, of pixels to the next; the specification's default is -y for
rows and -x for columns, an image as the sample sees it.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import h5py
import numpy as np

from ptychoformer.errors import InputError
from ptychoformer.measurement.particles import energy_of
from ptychoformer.measurement.readers.hdf5 import Source
from ptychoformer.measurement.readers.mask import bad_pixels
from ptychoformer.measurement.readers.quantities import (
    AGREEING,
    ALIKE,
    LENGTH_UNITS,
    PIXELS,
    quantity,
    scale,
    unit_of,
    unless_replaced,
)
from ptychoformer.measurement.readers.scan import LENGTHS, saturation, sound

DETECTOR = "entry_1/instrument_1/detector_1"
CORNER = f"{DETECTOR}/corner_position"
BEAM = tuple(f"{DETECTOR}/beam_center_{axis}" for axis in "yx")
DEFAULT_AXES = np.array([[0.0, -1.0, 0.0], [-1.0, 0.0, 0.0]])
# of a row or column to the plane across the beam, about 6 degrees: beyond it the far field is not
# sampled evenly
INCLINED = 0.1
SKEWED = 0.01  # cosine of the angle between rows and columns
BORDER = 4  # pixels, within which no detector has its beam
ROUNDED = 1e-3  # pixels, more than numbers of 32 bits are rounded by on the largest frame
GAINS = (1e-6, 1e9)  # counts a photon
NO_PIXEL = "the file records no size of a detector pixel"
DARKS = "data_dark", "dark"  # CXI's name, and PyNX's
FLATS = {  # and what to do about them
    "data_white": "an image without the sample, which is not applied: a flat field and a beam need different"
    " corrections; correct the patterns",
    "qe_mask": "a flat field, as CDTools has it, which is not applied; divide the patterns by it",
}
HAS_SIGNAL = 0x1000  # the one flag in a CXI mask that speaks for a pixel


@dataclass(frozen=True)
class Geometry:
    """Where the detector is.

    Args:
        directions: (2, 3) unit vectors along which rows and columns follow each other.
        pixel: (y, x) sides, metres; one that is not recorded is as long as the other, None if
            neither is.
        distance: from the sample, metres.
        centre: (y, x) pixel that the beam hits.
        warnings: full sentences for people.
    """

    directions: np.ndarray
    pixel: tuple[float, float] | None
    distance: float | None
    centre: tuple[int, int] | None
    warnings: tuple[str, ...]


def geometry(source: Source, frame: tuple[int, int], replaced: Mapping[str, Any] = MappingProxyType({})) -> Geometry:
    """Read all that the file says, and take what it does not say from the specification.

    Args:
        replaced: as in `readers.open_scan`.

    Raises:
        InputError: something is no number, in no known unit, or contradicts something else.
    """
    axes = _axes(source)
    given = replaced.get("detector_pixel")
    pixel = unless_replaced(lambda: _pixel(source, axes), given and (given, given), given is not None)
    directions = DEFAULT_AXES if axes is None else axes / np.linalg.norm(axes, axis=1, keepdims=True)
    corner = unless_replaced(lambda: _corner(source), None, replaced.keys() >= {"distance", "centre"})
    distance = unless_replaced(lambda: _distance(source, directions, corner), None, "distance" in replaced)
    centre, warnings = unless_replaced(
        lambda: _centre(source, frame, directions, pixel, corner), (None, ()), "centre" in replaced
    )
    if axes is None:
        default = "rows run along -y of the laboratory and columns along -x, as CXI has it"
        warnings = (f"{source.path} records no basis_vectors: {default}.", *warnings)
    return Geometry(directions, pixel, distance, centre, warnings)


def _axes(source: Source) -> np.ndarray | None:
    """Read the steps (2, 3) in x, y, z from one row, and from one column, to the next, metres; None
    if not recorded.
    """
    name = f"{DETECTOR}/basis_vectors"
    axes = _one_of_all(source, name, 2)
    if axes is None:
        return None
    axes = axes.T if axes.shape == (3, 2) else axes
    good = axes.shape == (2, 3) and sound(axes).all()
    axes = axes * scale(source, name, LENGTH_UNITS) if good else axes
    if not good or not (np.linalg.norm(axes[:, :2], axis=1) >= LENGTHS[0]).all():
        raise InputError(
            f"{source.path}: '{name}' must be a vector for rows and one for columns, (2, 3), found"
            f" {axes.tolist()!s:.200}."
        )
    unit = axes / np.linalg.norm(axes, axis=1, keepdims=True)
    if np.abs(unit[:, 2]).max() > INCLINED or abs(unit[0] @ unit[1]) > SKEWED:
        raise InputError(
            f"{source.path}: '{name}' must be at right angles to each other and to the beam, found {axes.tolist()}."
        )
    return axes


def _one_of_all(source: Source, name: str, ndim: int, noise: float = 0.0) -> np.ndarray | None:
    """Read an array of ``ndim`` axes, float64, which may be recorded once for each pattern if it is
    always the same, or differs by no more than ``noise``.
    """
    found = source.small(name)
    if found is None:
        return None
    found = found.astype(np.float64)
    if found.ndim <= ndim or not found.size or not sound(found).all():
        return found
    every = found.reshape(-1, *found.shape[found.ndim - ndim :])
    spread = every.max(axis=0) - every.min(axis=0)
    # of the plane of the detector, whose distance is much longer
    if spread.max() > max(noise, ALIKE * np.abs(every[..., :2]).max()):
        raise InputError(
            f"{source.path}: '{name}' must be the same for all patterns, found {len(every)} of which some differ."
        )
    return every.mean(axis=0)


def _pixel(source: Source, axes: np.ndarray | None) -> tuple[float, float] | None:
    """Read the sides (y, x) of a pixel, metres; None if neither is recorded. Steps of 1 are
    directions alone: no pixel is a metre wide.
    """
    y, x = (quantity(source, f"{DETECTOR}/{axis}_pixel_size", LENGTH_UNITS) for axis in "yx")
    steps = None if axes is None or np.allclose(np.linalg.norm(axes, axis=1), 1) else np.linalg.norm(axes, axis=1)
    if y is None and x is None:
        return None if steps is None else tuple(steps.tolist())
    y, x = y or x, x or y
    if steps is not None and not np.allclose(np.sort(steps), np.sort([y, x]), rtol=AGREEING, atol=0):
        found = f"'basis_vectors' of {steps[0]:.4g} and {steps[1]:.4g} m, and pixels of {y:.4g} by {x:.4g} m"
        raise InputError(f"{source.path} states two sizes of a detector pixel, {found}; correct or delete one.")
    return y, x


def _corner(source: Source) -> np.ndarray | None:
    """Read x, y, z (3,) of the outer corner of the first pixel, metres."""
    corner = _one_of_all(source, CORNER, 1)
    if corner is None:
        return None
    if corner.shape != (3,) or not sound(corner).all():
        raise InputError(f"{source.path}: '{CORNER}' must be x, y and z, found {corner.tolist()!s:.200}.")
    return corner * scale(source, CORNER, LENGTH_UNITS)


def _distance(source: Source, directions: np.ndarray, corner: np.ndarray | None) -> float | None:
    stated = quantity(source, f"{DETECTOR}/distance", LENGTH_UNITS)
    reached = 0.0 if corner is None else abs(float(corner @ np.cross(*directions)))
    if not LENGTHS[0] <= reached <= LENGTHS[1]:  # a detector in the sample is none
        return stated
    if stated and abs(reached / stated - 1) > AGREEING:
        two = f"'distance' of {stated:.4g} m and 'corner_position' at {reached:.4g} m"
        raise InputError(f"{source.path} states two distances of the detector, {two}; correct or delete one.")
    return stated or reached


def _centre(
    source: Source,
    frame: tuple[int, int],
    directions: np.ndarray,
    pixel: tuple[float, float] | None,
    corner: np.ndarray | None,
) -> tuple[tuple[int, int] | None, tuple[str, ...]]:
    """Find the pixel (y, x) that the beam hits, and warn if what says so cannot be used."""
    name, (at, ignored) = BEAM[1], _beam_centre(source, pixel)
    # A corner on the beam is one that nobody measured.
    if at is None and corner is not None and np.any(corner[:2]):
        if pixel is None:
            return None, (*ignored, f"{source.path}: '{CORNER}' is ignored, as {NO_PIXEL}.")
        name, at = CORNER, np.linalg.solve((directions * np.array(pixel)[:, None])[:, :2].T, -corner[:2])
    if at is None:
        return None, ignored
    if outside := beside(source, name, at, frame):
        return None, (*ignored, *outside)
    # On the border of two pixels a rounded number may lie in either.
    y, x = (math.floor(place + ROUNDED) for place in at)
    return (y, x), ignored


def beside(source: Source, name: str, at: Sequence[float], frame: Sequence[int]) -> tuple[str, ...]:
    """Warn if the entry ``name`` puts the beam ``at`` (y, x) pixels where no ``frame`` (h, w) has
    it.
    """
    if all(BORDER <= place <= side - BORDER for place, side in zip(at, frame, strict=True)):
        return ()
    place = f"pixel ({at[0]:.4g}, {at[1]:.4g}) of a frame of {frame[0]} x {frame[1]}"
    return (f"{source.path}: '{name}' puts the beam at {place}, and is ignored.",)


def _beam_centre(
    source: Source, pixel: tuple[float, float] | None
) -> tuple[tuple[float, float] | None, tuple[str, ...]]:
    """Read what NeXus records, in pixels (y, x) from the outer corner of the first one, and warn if
    that is of no use.

    Raises:
        InputError: patterns have it more than a pixel apart, or its unit is unknown.
    """
    stated = {
        name: side for name, side in zip(BEAM, pixel or (None, None), strict=True) if source.array(name) is not None
    }
    if len(stated) == 1:
        return None, (f"{source.path}: '{next(iter(stated))}' alone is ignored, of {' and '.join(BEAM)}.",)
    at = []
    for name, side in stated.items():
        in_pixels = unit_of(source, name).lower() in PIXELS
        if not in_pixels and side is None:
            return None, (f"{source.path}: '{name}' is ignored, as {NO_PIXEL}.",)
        step = 1.0 if in_pixels else side / scale(source, name, LENGTH_UNITS)  # from pixel to pixel
        found = _one_of_all(source, name, 0, noise=step)
        if found.ndim or not sound(found):
            return None, (f"{source.path}: '{name}' is ignored, as it is not a number, or one for each pattern.",)
        at.append(float(found) / step)
    return (at[0], at[1]) if at else None, ()


def mask(source: Source, frame: tuple[int, int]) -> np.ndarray | None:
    """Find the pixels, (h, w) bool, that the file's flags speak against."""
    name = f"{DETECTOR}/mask"
    flags = source.small(name)
    return None if flags is None else bad_pixels(f"{source.path}: '{name}'", flags, frame, good=(0, HAS_SIGNAL))


def correction(
    source: Source, data: h5py.Dataset, wavelength: float | None, particle: str
) -> tuple[Callable[[np.ndarray], np.ndarray], float | None, tuple[str, ...]]:
    """Make the function that turns patterns (m, h, w) into photons: the dark frame is subtracted,
    and counts are divided by those of a photon.

    Returns:
        The function; the photons at which every count at the limit of its type is put, as it says
            no more; and what people should know.

    Raises:
        InputError: the dark frame does not fit, or there is an image without the sample, or a flat
            field, with which nothing is done.
    """
    _check_flat(source)
    (name, dark), limit = _dark(source, data.shape[-2:]), saturation(data.dtype)
    gain, remarks = _gain(source, wavelength, particle)
    if dark is not None:
        remarks.append(f"{source.path}: '{name}' is subtracted, {dark.mean():.4g} counts a pixel.")
    if dark is None and gain == 1:
        return lambda block: block, limit, tuple(remarks)
    full = None if limit is None else limit / gain

    def corrected(block: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is named later
            photons = (block.astype(np.float32) - (0 if dark is None else dark)) / np.float32(gain)
        return photons if full is None else np.where(block == np.iinfo(data.dtype).max, np.float32(full), photons)

    return corrected, full, tuple(remarks)


def _dark(source: Source, frame: tuple[int, int]) -> tuple[str, np.ndarray | None]:
    """Return the mean (h, w) float32 of frames with the shutter closed, None if there are none; and
    the name of their dataset.
    """
    for entry in DARKS:
        name = f"{DETECTOR}/{entry}"
        found = source.small(name)
        if found is None or not found.any():
            continue
        if found.ndim < 2 or found.shape[-2:] != frame:
            raise InputError(
                f"{source.path}: '{name}' must have the patterns' shape {frame}, found shape {found.shape}."
            )
        frames = found.reshape(-1, *frame)
        if not (good := sound(frames)).all():
            raise InputError(
                f"{source.path}: '{name}' must be finite, {(~good).sum()} numbers of its {len(frames)} frames are NaN"
                " or infinite; repair or delete them."
            )
        return entry, frames.mean(axis=0, dtype=np.float64).astype(np.float32)
    return "", None


def _check_flat(source: Source) -> None:
    """Check that there is no image by which pixels would have to be corrected.

    Raises:
        InputError: there is one, which is not the same for all pixels.
    """
    for entry, told in FLATS.items():
        name = f"{DETECTOR}/{entry}"
        found = source.small(name)
        if found is not None and found.size and (found != found.flat[0]).any():
            raise InputError(f"{source.path}: '{name}' holds {told}, and delete it.")


def _gain(source: Source, wavelength: float | None, particle: str) -> tuple[float, list[str]]:
    """Find the counts of one photon, 1 if the file does not say, and what people should know of
    them.
    """
    name = f"{DETECTOR}/counts_per_joule"
    per_joule = quantity(source, name, None)
    if per_joule is None:
        return 1.0, []
    if wavelength is None:
        return 1.0, [f"{source.path}: '{name}' is ignored, as the file does not say how much energy a photon has."]
    gain = per_joule * energy_of(wavelength, particle)
    if not GAINS[0] <= gain <= GAINS[1]:
        raise InputError(f"{source.path}: '{name}' means {gain:.4g} counts a photon, which no detector has.")
    if abs(gain - 1) <= ALIKE:
        return 1.0, []
    return gain, [f"{source.path}: counts are divided by {gain:.4g} a photon, as '{name}' says."]
