"""How fine an object is reproduced: Fourier ring correlation of two reconstructions, each from one
half of a scan's patterns (`measurement.halves`).

Where the correlation falls below the half-bit threshold (`spectra.half_bit`), what a half tells has
less than 0.21 of the power of its noise. This says how well the object is *reproduced* from half
of the photons and at sqrt(2) times the step, so that the whole scan is somewhat better. It does not
say that the object is *right*: what both halves share, they agree about, such as wrong lengths,
positions that are stretched or turned, faults of the detector, a coherence that is not full; but
of models of the coherence the better one makes the correlation higher.

What patterns leave open is no difference. The two objects are brought to a common phase, phase ramp
and place before they are compared, on the largest rectangle found where the whole scan is well lit:
outside of it each has its own noise, and a border that both share would correlate by itself. Within
it a half may be dim between its patterns; what it does not tell there lowers the correlation.
"""

import os
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import binary_fill_holes, fourier_shift

from ptychoformer.errors import InputError
from ptychoformer.evaluation.spectra import (
    SMALLEST_SIDE,
    crossing,
    half_bit,
    radial_frequency,
    ring_correlation,
    windowed,
)
from ptychoformer.measurement.cxi import read_transmission
from ptychoformer.measurement.gauge import lit_pixels, phase_ramp, phase_slopes
from ptychoformer.storage import open_hdf5, read

# Columns of a table of rings: cycles/pixel, correlation of the halves, its threshold.
RINGS = ("frequency", "frc", "half_bit")
# The shift is found better once the ramp is gone, and the other way round.
ROUNDS = 3
FINENESS = 100  # parts of a pixel that a shift is found to
FINEST = 0.15  # cycles/pixel, beyond which detail counts ever less for the shift: of most objects it is noise
DIM = 0.25  # of what lights a pixel is enough for one amid lit ones, which a probe's bright core passed by
# Rings, or part of all rings, of which one must pass: further out noise passes now and then.
FIRST_RINGS, FIRST_PART = 4, 0.1


@dataclass(frozen=True)
class Agreement:
    """What two reconstructions have in common, frequencies in cycles/pixel.

    Args:
        frequency: (k,) of the rings.
        correlation: (k,) of the two objects.
        threshold: (k,) half a bit.
        resolved: the frequency up to which the correlation stays above the threshold; 0 if it never
            is.
        crossed: whether it falls below within the band, 1/2 cycles/pixel.
        shift: (y, x) pixels by which the second object was moved.
        rectangle: (h, w) pixels that were compared.
    """

    frequency: np.ndarray
    correlation: np.ndarray
    threshold: np.ndarray
    resolved: float
    crossed: bool
    shift: tuple[float, float]
    rectangle: tuple[int, int]


def agreement_of_files(first: str | os.PathLike, second: str | os.PathLike, whole: str | os.PathLike) -> Agreement:
    """Find the `agreement` of two halves of a scan where the ``whole`` is well lit, from files of
    `measurement.reconstruct` whose objects begin at the same pixel.

    Raises:
        InputError: a file cannot be read, or no part of the object is well lit.
    """
    with open_hdf5(whole) as file:
        lit = without_holes(read(file, "object/light", 2)[:])
    halves = [read_transmission(path) for path in (first, second)]
    common = tuple(slice(0, min(sides)) for sides in zip(*(image.shape for image in (*halves, lit)), strict=True))
    return agreement(*(half[common] for half in halves), lit[common])


def without_holes(light: np.ndarray) -> np.ndarray:
    """Find where (H, W) bool an object is lit by ``light`` (H, W), or dimly amid what is lit."""
    return binary_fill_holes(lit_pixels(light)) & lit_pixels(light, DIM)


def agreement(first: np.ndarray, second: np.ndarray, lit: np.ndarray) -> Agreement:
    """Compare two complex objects (H, W) where they are ``lit``, bool.

    Raises:
        InputError: no rectangle of the object is lit.
    """
    place = lit_rectangle(lit)
    # Traces of a raster that the halves share out agree best half a step away, if their steps are
    # long; so halves that are in place may be left there.
    ways = [_compared(*aligned(first[place], second[place], moves)) for moves in (True, False)]
    return max(ways, key=lambda way: way.resolved)


def _compared(first: np.ndarray, second: np.ndarray, shift: tuple[float, float]) -> Agreement:
    """Compare aligned objects (h, w), the second of which was moved by ``shift``."""
    frequency, correlation, independent = ring_correlation(first, second)
    threshold = half_bit(independent)
    early = max(FIRST_RINGS, int(FIRST_PART * len(frequency)))
    passed = (correlation > threshold)[:early].any()
    resolved = crossing(frequency, correlation, threshold)[0] if passed else 0.0
    crossed = resolved < frequency[-1]
    return Agreement(frequency, correlation, threshold, resolved, crossed, shift, first.shape)


def aligned(first: np.ndarray, second: np.ndarray, moves: bool) -> tuple[np.ndarray, np.ndarray, tuple[float, float]]:
    """Bring the second of two objects (h, w) to the first's phase, phase ramp and, if it ``moves``,
    place; return both, and by how many pixels (y, x) it was moved.
    """
    from skimage.registration import phase_cross_correlation  # takes half a second, which only this pays

    weights = detail_weights(first.shape)
    everywhere, moved = np.ones(first.shape, bool), np.zeros(2)
    for _ in range(ROUNDS):
        second = second * phase_ramp(second.shape, phase_slopes(first * second.conj(), everywhere))
        if not moves:
            break
        # Mean and border lie at one place in both objects, wherever what they show lies.
        detail = (weights * np.fft.fft2(windowed(image)) for image in (first, second))
        step = phase_cross_correlation(*detail, space="fourier", upsample_factor=FINENESS, normalization=None)[0]
        second = np.fft.ifft2(fourier_shift(np.fft.fft2(second), step))
        moved += step
    second = second * np.exp(1j * np.angle(np.sum(first * second.conj())))
    return first, second, (float(moved[0]), float(moved[1]))


def detail_weights(shape: tuple[int, int]) -> np.ndarray:
    """Compute the weights (h, w) of the Fourier coefficients, zero frequency first, by which a
    shift is found.

    They rise with the frequency, since of a phase that varies slowly a shift is all but a ramp,
    which was taken off before.
    """
    frequency = radial_frequency(shape)
    return frequency * np.exp(-((frequency / FINEST) ** 2))


def lit_rectangle(lit: np.ndarray) -> tuple[slice, slice]:
    """Find a large rectangle of pixels that are all ``lit`` (H, W) bool: draw in the border of the
    whole line by line, always where it is darkest.

    Raises:
        InputError: there is none whose sides have `spectra.SMALLEST_SIDE` pixels.
    """
    dark = np.pad(np.cumsum(np.cumsum(~lit, axis=0), axis=1), ((1, 0), (1, 0)))
    top, bottom, left, right = 0, lit.shape[0], 0, lit.shape[1]
    while min(bottom - top, right - left) >= SMALLEST_SIDE:
        if not dark[bottom, right] - dark[top, right] - dark[bottom, left] + dark[top, left]:
            return slice(top, bottom), slice(left, right)
        sides = {
            "top": np.mean(~lit[top, left:right]),
            "bottom": np.mean(~lit[bottom - 1, left:right]),
            "left": np.mean(~lit[top:bottom, left]),
            "right": np.mean(~lit[top:bottom, right - 1]),
        }
        darkest = max(sides, key=sides.get)
        top, bottom = top + (darkest == "top"), bottom - (darkest == "bottom")
        left, right = left + (darkest == "left"), right - (darkest == "right")
    raise InputError(
        f"The scan lights no part of the object of {SMALLEST_SIDE} x {SMALLEST_SIDE} pixels throughout;"
        " the Fourier ring correlation of its halves tells nothing."
    )
