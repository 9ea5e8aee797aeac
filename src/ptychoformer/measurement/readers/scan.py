"""What every reader yields, and what it never takes on trust."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from ptychoformer.errors import InputError, first_line
from ptychoformer.measurement.origin import Origin
from ptychoformer.measurement.readers.axes import AXES

SMALLEST_FRAME = 8  # pixels along a side
LARGEST_FRAME = 8192
MOST_PATTERNS = 4_000_000
LARGEST_NUMBER = 1e20  # counts, positions and probes beyond it would make sums overflow; 64 bits count to 2e19
LENGTHS = (1e-15, 1e15)  # metres
ANOTHER_PROBE = "--probe (probe in a config) names another one"
LARGEST_ARRAY = 2**28  # bytes of what is read at once: positions, probes, masks


@dataclass(frozen=True)
class RawScan:
    """A measured scan as its file holds it; its frames stay on disk.

    Args:
        path: of the file.
        format: one of `readers.FORMATS`.
        frame: (h, w) detector pixels.
        positions: (n, 2) float64, y and x of the window on the object, from any origin.
        unit: of ``positions``: metres, or pixels of the object as the whole frame samples it.
        positions_in: the unit of lengths that they were in, as the file or the user says; None if
            there were two.
        axes: what the numbers of a position were taken to be, see `readers.axes`.
        turn: degrees by which they were turned then, see `axes.turned`.
        grid: (rows, columns) of a raster, whose patterns run row by row.
        wavelength: metres.
        distance: from object to detector, metres.
        detector_pixel: (y, x) metres.
        object_pixel: (y, x) of the object as the whole frame samples it, metres, where the file
            names it besides the lengths that make it, or without them.
        mask: (h, w) bool, True where the file says that the detector is not to be trusted.
        monitor: (n,) of the beam, in whatever unit, where the file has one number for each pattern.
        saturation: largest count that the file can hold, which stands for overexposed and for blind
            pixels; None if there is no limit.
        centred: whether the zero frequency is known to be at (h // 2, w // 2) of the frames.
        corner_first: whether the patterns in the file have the zero frequency at [0, 0], those of
            ``frames`` in the middle.
        centre: (y, x) detector pixel that the beam hits, as the file says.
        particle: that makes the patterns, a key of `particles.MASSES`; None if the file neither
            names it nor gives its energy, which is a photon's unless it says otherwise.
        particle_named: whether the file names it.
        probe: (h, w) complex64, square root of recorded photons; known, or a first guess. That of
            another reconstruction has the pixels of its crop.
        probe_origin: what the reconstruction was made of that the probe is of.
        warnings: full sentences for people.
        frames: ``frames(size)`` yields at most ``size`` at a time, (m, h, w) float32, NaN where the
            file holds no number, in order; each call starts anew.
        simulated: whether the file says that it was simulated: none of its patterns is at fault.
        numbers: (n,) of these patterns in the file, increasing; None if they are all of them.
    """

    path: Path
    format: str
    frame: tuple[int, int]
    positions: np.ndarray
    unit: Literal["metres", "frame pixels"]
    frames: Callable[[int], Iterator[np.ndarray]]
    positions_in: str | None = "m"
    axes: str = AXES
    turn: float = 0.0
    grid: tuple[int, int] | None = None
    wavelength: float | None = None
    distance: float | None = None
    detector_pixel: tuple[float, float] | None = None
    object_pixel: tuple[float, float] | None = None
    mask: np.ndarray | None = None
    monitor: np.ndarray | None = None
    saturation: float | None = None
    centred: bool = False
    corner_first: bool = False
    centre: tuple[int, int] | None = None
    particle: str | None = None
    particle_named: bool = False
    probe: np.ndarray | None = None
    probe_origin: Origin | None = None
    simulated: bool = False
    warnings: tuple[str, ...] = ()
    numbers: np.ndarray | None = None

    @property
    def numbered(self) -> np.ndarray:
        """The numbers (n,) of the patterns in the file."""
        return np.arange(len(self.positions)) if self.numbers is None else self.numbers

    def even(self, positions: np.ndarray) -> np.ndarray:
        """Bring ``positions`` (n, 2) to a unit that is as long along y as along x, which pixels of
        the object are not where the frame, of square pixels, is oblong.
        """
        return positions if self.unit == "metres" else positions / self.frame

    def uneven(self, positions: np.ndarray) -> np.ndarray:
        """Bring what was made even, (n, 2), back to the ``unit``."""
        return positions if self.unit == "metres" else positions * self.frame


@contextmanager
def decoding(where: object) -> Iterator[None]:
    """Put whatever a library raises on a damaged file in one sentence about ``where``."""
    try:
        yield
    except InputError:
        raise
    # h5py, zipfile and NumPy let through whatever they stumble over: KeyError, struct.error,
    # MemoryError, ...
    except Exception as error:
        raise InputError(f"{where} cannot be read, it may be damaged or truncated ({first_line(error)}).") from error


def check_frames(where: str, shape: tuple[int, ...]) -> None:
    """Check that ``shape``, (n, h, w) or (rows, columns, h, w), can be that of a scan's patterns.

    Raises:
        InputError: there are fewer than two patterns, or more or larger ones than any detector
            yields.
    """
    if len(shape) not in (3, 4):
        raise InputError(f"{where} must have the axes (n, h, w) or (rows, columns, h, w), found shape {shape}.")
    count = math.prod(shape[:-2])
    if not 2 <= count <= MOST_PATTERNS:
        raise InputError(f"{where} must hold 2 to {MOST_PATTERNS} patterns, found {count}.")
    if not all(SMALLEST_FRAME <= side <= LARGEST_FRAME for side in shape[-2:]):
        sizes = f"{SMALLEST_FRAME} x {SMALLEST_FRAME} to {LARGEST_FRAME} x {LARGEST_FRAME}"
        raise InputError(f"{where} must hold patterns of {sizes} pixels, found {shape[-2]} x {shape[-1]}.")


def raster_positions(where: str, shape: tuple[int, ...], step: float) -> np.ndarray:
    """Return the positions (n, 2), y and x, of patterns of a ``shape`` (rows, columns, h, w) whose
    neighbours lie ``step`` apart.

    Raises:
        InputError: the step is none, or the patterns are on no raster.
    """
    if not 0 < step < np.inf:
        raise InputError(f"step must be a number greater than 0, found {step}.")
    if len(shape) != 4:
        raise InputError(
            f"{where} must have the axes (rows, columns, h, w) of a raster with a step, found shape {shape}."
        )
    return step * np.indices(shape[:2]).reshape(2, -1).T


def frame_pixels(positions: np.ndarray, frame: tuple[int, int]) -> np.ndarray:
    """Convert ``positions`` (n, 2) from pixels of the object as the largest square of a ``frame``
    (h, w) samples it to those of the frame, which samples it more finely along its longer side.
    """
    return positions * (np.array(frame) / min(frame))


def in_order(shape: tuple[int, ...], raster: tuple[int, ...]) -> bool:
    """Say whether an array of ``shape`` has one entry for each pattern, in their order.

    Args:
        raster: the axes of the patterns, (n,) or (rows, columns).
    """
    sides, of_raster = ([side for side in axes if side != 1] for axes in (shape, raster))
    count = math.prod(raster)
    return math.prod(sides) == count and (len(raster) == 1 or sides in ([count], of_raster))


def orders(shape: tuple[int, ...], raster: tuple[int, ...]) -> tuple[bool, bool]:
    """Say whether positions of ``shape`` can be stored by pattern, (n, 2 or 3), and whether by
    axis, (2 or 3, n), where n may be rows and columns of a raster.

    Args:
        raster: the axes of the patterns, (n,) or (rows, columns).
    """
    if len(shape) not in (2, 3):
        return False, False
    by_axis = shape[0] in (2, 3) and in_order(shape[1:], raster)
    # Where both fit, (3, rows, 3) of a raster may as well be columns of rows.
    leading = [shape[:-1], shape[-2::-1]] if by_axis else [shape[:-1]]
    return shape[-1] in (2, 3) and any(in_order(axes, raster) for axes in leading), by_axis


def check_positions(where: str, positions: np.ndarray, count: int) -> None:
    """Check that ``positions`` (n, 2) are those of ``count`` patterns; that they are numbers,
    `stopped.recorded` looks at.

    Raises:
        InputError: there are more or fewer, or all are the same.
    """
    if len(positions) != count:
        raise InputError(f"{where}: {count} patterns do not fit {len(positions)} positions.")
    if not np.ptp(positions, axis=0).any():
        raise InputError(f"{where}: all {count} positions are the same; a scan moves the sample.")


def check_finite(where: str, positions: np.ndarray, numbers: np.ndarray) -> None:
    """Check that ``positions`` (n, 2) of patterns that hold light, of these ``numbers`` (n,) in the
    file, are usable.

    Raises:
        InputError: one is NaN, infinite or absurdly large.
    """
    bad = ~sound(positions).all(axis=1)
    if bad.any():
        raise InputError(
            f"{where}: {bad.sum()} positions are NaN or infinite, the first is that of pattern {numbers[bad.argmax()]};"
            " repair them, or write a file without those patterns (only patterns without light need no position)."
        )


def sound(numbers: np.ndarray) -> np.ndarray:
    """Find where ``numbers`` are neither NaN nor infinite, nor so large that sums would be; bool of
    the same shape.
    """
    with np.errstate(over="ignore"):  # in the modulus of complex ones
        return np.abs(numbers) <= LARGEST_NUMBER


def first_mode(path: object, modes: np.ndarray, frame: Sequence[int]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Take the first (h, w), complex64, of the ``modes`` (..., h, w) of a probe, and warn if there
    are more.

    Raises:
        InputError: they do not fit frames of (h, w) pixels, or are no numbers.
    """
    if modes.ndim < 2 or not modes.size or modes.shape[-2:] != tuple(frame):
        raise InputError(
            f"{path}: a probe of shape {modes.shape} does not fit patterns of {frame[0]} x {frame[1]} pixels;"
            f" {ANOTHER_PROBE}."
        )
    if not sound(modes).all():
        raise InputError(f"{path}: the probe holds NaN or infinity; {ANOTHER_PROBE}.")
    modes = modes.reshape(-1, *frame)
    return modes[0].astype(np.complex64), first_kept(path, len(modes))


def first_kept(path: object, count: int) -> tuple[str, ...]:
    """Warn that the first of ``count`` modes of the probe in a file is kept, if there are more."""
    return (f"{path}: the first of {count} modes of the probe is kept.",) if count > 1 else ()


def saturation(dtype: np.dtype) -> float | None:
    """Find the largest value of an integer type; None of another type."""
    return float(np.iinfo(dtype).max) if dtype.kind in "iu" else None


def chosen(blocks: Iterable[np.ndarray], which: np.ndarray) -> Iterator[np.ndarray]:
    """Yield, of ``blocks`` of patterns (m, h, w), those that ``which`` (n,) bool chooses; no block
    is empty.
    """
    start = 0
    for block in blocks:
        part = which[start : start + len(block)]
        start += len(block)
        if part.any():
            yield block if part.all() else block[part]


def counted(where: str, blocks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield ``blocks`` as float32, NaN where they hold infinity or no number that counts can be.

    Raises:
        InputError: the file breaks off.
    """
    with decoding(where):
        for block in blocks:
            with np.errstate(over="ignore", invalid="ignore"):
                patterns = block.astype(np.float32, copy=False)
            good = sound(patterns)
            yield patterns if good.all() else np.where(good, patterns, np.float32(np.nan))
