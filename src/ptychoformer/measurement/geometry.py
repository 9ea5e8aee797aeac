"""Where a crop of a measured scan lies on the detector, and which pixels of the object its
windows are: see `preparation`.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from ptychoformer.errors import InputError
from ptychoformer.measurement.cxi import Optics
from ptychoformer.measurement.options import Geometry, Patterns, Reading, names_of
from ptychoformer.measurement.plausibility import EXTENT, IN_PLACE, likely_unit, nearest_step
from ptychoformer.measurement.readers import RawScan
from ptychoformer.measurement.readers.quantities import AGREEING
from ptychoformer.measurement.readers.scan import LENGTHS

SMALLEST_WINDOW = 4  # pixels along a side
LARGEST_OBJECT = 2**16
SQUARE = 0.01  # largest relative difference between the sides of a detector pixel


@dataclass(frozen=True)
class Preparation:
    """What to make of a scan.

    Args:
        centre: (y, x) detector pixel with the zero frequency; None where the file says, or else
            where the beam falls.
        crop: side of the square around it, detector pixels; None for the largest one.
        bin: side of the blocks of pixels that are summed.
        wavelength: metres, in place of the file's.
        distance: from object to detector, metres, in place of the file's.
        detector_pixel: side of a detector pixel, metres, in place of the file's.
        keep_frames: whether patterns are used that should not be, see `frames`.

    Raises:
        InputError: a value is not possible.
    """

    centre: tuple[int, int] | None = None
    crop: int | None = Patterns.crop
    bin: int = Patterns.bin
    wavelength: float | None = None
    distance: float | None = None
    detector_pixel: float | None = None
    keep_frames: bool = Reading.keep_frames

    def __post_init__(self):
        if self.bin < 1:
            raise InputError(f"bin must be at least 1, found {self.bin}.")
        if self.crop is not None and (self.crop % self.bin or self.crop < SMALLEST_WINDOW * self.bin):
            raise InputError(
                f"crop must be a multiple of bin, {self.bin}, and at least {SMALLEST_WINDOW * self.bin}, found"
                f" {self.crop}."
            )
        for name in names_of(Geometry):
            value = getattr(self, name)
            if value is not None and not LENGTHS[0] <= value <= LENGTHS[1]:
                raise InputError(f"{name} must be {LENGTHS[0]:g} to {LENGTHS[1]:g} metres, found {value}.")

    @classmethod
    def of(cls, reading: Reading, patterns: Patterns) -> Self:
        """Take what of these options the preparation of a scan depends on.

        Raises:
            InputError: a value is not possible.
        """
        own = {"centre": reading.centre, "keep_frames": reading.keep_frames}
        return cls(crop=patterns.crop, bin=patterns.bin, **own, **vars(reading.geometry))


def crop_start(centre: tuple[int, int], crop: int, bin: int) -> tuple[int, int]:
    """Find the first row and column of a crop whose block with the zero frequency has the index
    n // 2.
    """
    before = (bin - 1) // 2 + bin * (crop // bin // 2)
    return centre[0] - before, centre[1] - before


def crop_side(raw: RawScan, centre: tuple[int, int], preparation: Preparation) -> int:
    """Return the side of the crop: the one asked for, or the largest even number of blocks."""
    bin, frame = preparation.bin, f"the frame of {raw.frame[0]} x {raw.frame[1]} pixels"
    if not all(0 <= at < side for at, side in zip(centre, raw.frame, strict=True)):
        raise InputError(f"{raw.path}: the centre {centre} does not lie in {frame}.")
    within, beyond = (bin - 1) // 2, bin // 2  # of a block, before the zero frequency, and in no frame
    room = [
        (at - within + beyond, side + beyond + within - at, side // 2)
        for at, side in zip(centre, raw.frame, strict=True)
    ]
    largest = 2 * bin * (min(map(min, room)) // bin)
    if preparation.crop is None and largest >= SMALLEST_WINDOW * bin:
        return largest
    crop = preparation.crop or SMALLEST_WINDOW * bin
    starts = crop_start(centre, crop, bin)
    fits = all(
        -beyond <= first and first + crop <= side + beyond for first, side in zip(starts, raw.frame, strict=True)
    )
    if not fits or crop > min(raw.frame):
        raise InputError(
            f"{raw.path}: a crop of {crop} pixels around {centre} does not fit in {frame}; {largest} would."
        )
    return crop


def lengths_of(raw: RawScan, preparation: Preparation) -> dict[str, float | tuple[float, float] | None]:
    """Take wavelength, distance and detector pixel (y, x) from the preparation, or else from the
    file.
    """
    own = preparation.detector_pixel
    return {
        "wavelength": preparation.wavelength or raw.wavelength,
        "distance": preparation.distance or raw.distance,
        "detector_pixel": (own, own) if own else raw.detector_pixel,
    }


def positions_without_pixels(raw: RawScan, preparation: Preparation) -> str:
    """Put in words that positions are in metres, while a length is not known."""
    missing = [name for name, value in lengths_of(raw, preparation).items() if value is None]
    lacking = " and no ".join(name.replace("_", " ") for name in missing)
    options = " and ".join(f"--{name.replace('_', '-')}" for name in missing)
    return (
        f"{raw.path} records positions in metres but no {lacking}, so that they have no place in pixels of the object;"
        f" give {options} in metres (geometry in a config)."
    )


def known_lengths(raw: RawScan, preparation: Preparation, optics: Optics | None) -> dict[str, float]:
    """Collect those lengths of `plausibility.INSTRUMENTS`, metres, that are known."""
    lengths = {name.replace("_", " "): value for name, value in lengths_of(raw, preparation).items()}
    if lengths["detector pixel"]:
        lengths["detector pixel"] = float(np.mean(lengths["detector pixel"]))
    lengths[EXTENT] = float(np.ptp(raw.positions, axis=0).max()) if raw.unit == "metres" else None
    lengths["pixel of the object"] = optics.pixel_size if optics else None
    return {name: value for name, value in lengths.items() if value}


def particle_of(raw: RawScan, preparation: Preparation) -> str | None:
    """Name the particle that makes the patterns, a key of `particles.MASSES`; None if nobody says.
    An energy in the file tells nothing of a beam whose wavelength is given in its place.
    """
    return raw.particle if raw.particle_named or preparation.wavelength is None else None


def optics_of(raw: RawScan, preparation: Preparation, crop: int) -> Optics | None:
    """Compute the geometry of a crop of ``crop`` detector pixels; None if nobody says how large the
    object's pixels are.

    Raises:
        InputError: a pixel is not square.
    """
    wavelength, distance, detector_pixel = lengths_of(raw, preparation).values()
    if wavelength and distance and detector_pixel:
        pixel = wavelength * distance / (crop * _side(raw, "detector pixel", detector_pixel))
    elif raw.object_pixel:
        y, x = (side * pixels / crop for side, pixels in zip(raw.object_pixel, raw.frame, strict=True))
        pixel = _side(raw, "pixel of the object", (y, x))
    else:
        return None
    return Optics(wavelength, pixel, distance, particle_of(raw, preparation))


def _side(raw: RawScan, name: str, sides: tuple[float, float]) -> float:
    y, x = sides
    if abs(y - x) > SQUARE * max(y, x):
        raise InputError(f"{raw.path}: a {name} must be square, found {y:g} m by {x:g} m.")
    return (y + x) / 2


def check_object_pixel(raw: RawScan, preparation: Preparation) -> tuple[str, ...]:
    """Check that the lengths make the pixel of the object that the file records.

    Returns:
        A warning if others were given in place of the file's own, which make another one.

    Raises:
        InputError: they do not, and the file has no lengths that they could be corrections of.
    """
    lengths = lengths_of(raw, preparation).values()
    if raw.object_pixel is None or None in lengths:
        return ()
    wavelength, distance, detector_pixel = lengths
    made = wavelength * distance / (np.array(raw.frame) * detector_pixel)
    if np.abs(made / raw.object_pixel - 1).max() <= AGREEING:
        return ()
    two = [" x ".join(f"{side:.4g}" for side in sides) for sides in (raw.object_pixel, made)]
    lead = f"{raw.path}: the pixel of the object is recorded as {two[0]} m"
    if raw.unit == "metres" or None not in lengths_of(raw, Preparation()).values():
        return (f"{lead}, the lengths that are given in place of the file's make it {two[1]} m.",)
    raise InputError(f"{lead}, but wavelength, distance and detector pixel make it {two[1]} m; correct what is wrong.")


def corners_of(raw: RawScan, preparation: Preparation, crop: int) -> np.ndarray:
    """Compute the corners (n, 2) of the prepared window, pixels of its object, none below 0."""
    window = crop // preparation.bin
    frame = np.array(raw.frame)
    # Half a frame before the first window's centre; one more pixel if it is odd, so that no corner
    # of any crop is negative.
    corners = (_offsets(raw, preparation) + (frame + 1) // 2) * (crop / frame) - window // 2
    extent = np.ceil(corners.max(axis=0)) + window
    if not extent.max() <= LARGEST_OBJECT:
        size = " x ".join(f"{side:.4g}" for side in extent)
        step = nearest_step(corners, IN_PLACE * window) / window
        unit = likely_unit(step, known_lengths(raw, preparation, None), raw.positions_in)
        most = f"at most {LARGEST_OBJECT} can be; check its lengths"
        raise InputError(f"{raw.path}: the positions span an object of {size} pixels, {most}{unit}.")
    return corners


def _offsets(raw: RawScan, preparation: Preparation) -> np.ndarray:
    """Return positions (n, 2) from the smallest ones, pixels of the whole frame's object."""
    offsets = raw.positions - raw.positions.min(axis=0)
    if raw.unit != "metres":
        return offsets
    lengths = lengths_of(raw, preparation)
    if None in lengths.values():
        raise InputError(positions_without_pixels(raw, preparation))
    wavelength, distance, detector_pixel = lengths.values()
    return offsets * np.array(raw.frame) * np.array(detector_pixel) / (wavelength * distance)
