"""Phase that jumps by 2 pi: patterns tell it but for multiples of that, and a network takes the
jumps for edges of the object.
"""

import numpy as np
from scipy.ndimage import map_coordinates

from ptychoformer.measurement.gauge import lit_pixels

TURN = 2 * np.pi
OPAQUE = 0.1  # of the median amplitude: where it is less, hardly any light tells the phase


def told_phase(amplitude: np.ndarray, light: np.ndarray) -> np.ndarray:
    """Find where (H, W) bool an object has a phase: it is lit, and lets light through."""
    lit = lit_pixels(light)
    return lit & (amplitude > OPAQUE * np.median(amplitude[lit]))


def wrapped_phase(phase: np.ndarray, told: np.ndarray) -> str:
    """Say, as a part of a sentence, where ``phase`` (H, W), radians, jumps by more than pi between
    neighbours that are ``told`` (H, W) bool; empty if it does not.
    """
    jumps = np.zeros(phase.shape, bool)
    for axis in (0, 1):
        first, second = (np.delete(np.where(told, phase, np.nan), end, axis) for end in (-1, 0))
        found = np.abs(second - first) > np.pi
        jumps[tuple(slice(0, side) for side in found.shape)] |= found
    if not jumps.any():
        return ""
    rows, columns = np.nonzero(jumps)
    place = f"rows {rows.min()} to {rows.max()}, columns {columns.min()} to {columns.max()}"
    return f"its phase jumps by more than pi between neighbouring pixels, at {len(rows)} pixels in {place}"


def unwrapped(phase: np.ndarray, told: np.ndarray) -> np.ndarray:
    """Take the jumps by 2 pi out of ``phase`` (H, W) float32, radians, where it is ``told`` (H, W)
    bool; elsewhere it stays as it is.

    Unwrapping is guided by reliability (Herraez et al., Appl. Opt. 41, 7437, 2002); the multiple of
    2 pi of the whole leaves its mean nearest to zero.
    """
    from skimage.restoration import unwrap_phase  # takes half a second, which only this pays

    smooth = np.asarray(unwrap_phase(np.ma.array(phase, mask=~told), rng=0).filled(0))
    smooth = smooth - TURN * np.rint(smooth[told].mean() / TURN)
    return np.where(told, smooth, phase).astype(np.float32)


def with_turns_of(phase: np.ndarray, other: np.ndarray, factor: float) -> np.ndarray:
    """Add to ``phase`` (H, W), radians, the multiples of 2 pi that bring it nearest to ``other``,
    whose pixels are ``factor`` as wide.
    """
    return phase + TURN * np.rint((at_pixels(other, phase.shape, factor) - phase) / TURN)


def at_pixels(image: np.ndarray, shape: tuple[int, int], factor: float) -> np.ndarray:
    """Interpolate ``image`` linearly at the pixels (y, x) / ``factor``, (y, x) being those of an
    image of ``shape``.
    """
    return map_coordinates(image, np.indices(shape) / factor, order=1, mode="nearest")
