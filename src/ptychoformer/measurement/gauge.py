"""What patterns cannot tell of an object and its probe, fixed by convention.

A constant factor, and a phase ramp, can go from the object into the probe without any pattern
noticing; and no pattern knows the phase of the whole. With the probe known only that last freedom
is left.
"""

import numpy as np

LIT = 0.1  # of the greatest light: the part of the object that conventions are taken from
# Three quarters of the photons fell on pixels with a usual light or more, and no greatest light
# counts as more than four times that: a place that was exposed often, or the dense middle of a
# spiral, would leave all else dark. Scans of even density have less.
MOST, BRIGHTEST = 0.75, 4.0
CLEAR = 0.95  # of the lit pixels are darker than what counts as transparent


def fix_gauge(
    transmission: np.ndarray, probe: np.ndarray, light: np.ndarray, probe_known: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Take out of object (H, W) and probe (modes, h, w), complex64, what no pattern tells: the mean
    phase of the object is zero then where there is light.

    With an unknown probe, the object has no phase ramp either, and an amplitude of 1 where it is
    clear: 95 % of its lit pixels are darker.

    Args:
        light: (H, W) photons that fell on each pixel, not zero everywhere.
    """
    lit = lit_pixels(light)
    if not probe_known:
        slopes = phase_slopes(transmission, lit)
        transmission, probe = (
            transmission * phase_ramp(transmission.shape, slopes).conj(),
            probe * phase_ramp(probe.shape[1:], slopes),
        )
        clear = np.quantile(np.abs(transmission[lit]), CLEAR)
        transmission, probe = transmission / clear, probe * clear
    turn = np.exp(-1j * np.angle(transmission[lit].mean()))
    return (transmission * turn).astype(np.complex64), (probe * turn.conj()).astype(np.complex64)


def lit_pixels(light: np.ndarray, part: float = 1.0) -> np.ndarray:
    """Find where (H, W) bool enough ``light`` (H, W), photons, fell for the object to be known, or
    a ``part`` of that; the light is not zero everywhere.
    """
    falling = np.sort(light, axis=None)[::-1]
    gathered = np.cumsum(falling, dtype=np.float64)
    usual = falling[np.searchsorted(gathered, MOST * gathered[-1])]
    return light > part * LIT * min(falling[0], BRIGHTEST * usual)


def phase_slopes(transmission: np.ndarray, lit: np.ndarray) -> list[float]:
    """Average the phase differences, radians, along y and along x of ``lit`` (H, W) neighbours."""
    seen = transmission * lit
    pairs = [[np.delete(seen, end, axis) for end in (-1, 0)] for axis in (0, 1)]
    return [float(np.angle(np.sum(second * first.conj(), dtype=np.complex128))) for first, second in pairs]


def phase_ramp(shape: tuple[int, ...], slopes: list[float]) -> np.ndarray:
    """Make a wave (h, w) whose phase rises by ``slopes``, radians a pixel, along y and along x."""
    y, x = np.ogrid[: shape[0], : shape[1]]
    return np.exp(1j * (slopes[0] * y + slopes[1] * x))
