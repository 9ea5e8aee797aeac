"""What patterns cannot tell of an object and its probe, fixed by convention.

A constant factor, and a phase ramp, can go from the object into the probe without any pattern
noticing; and no pattern knows the phase of the whole. With the probe known only that last freedom
is left.
"""

import numpy as np

LIT = 0.1  # of the greatest light: the part of the object that conventions are taken from
CLEAR = 0.95  # of the lit pixels are darker than what counts as transparent


def fix_gauge(
    transmission: np.ndarray, probe: np.ndarray, light: np.ndarray, probe_known: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The same object (H, W) and probe (h, w), complex64, with a mean phase of zero where there is
    light.

    With an unknown probe, also without a phase ramp across the object, and with an amplitude of 1
    where the object is clear: 95 % of its lit pixels are darker.

    Args:
        light: (H, W) photons that fell on each pixel, not zero everywhere.
    """
    lit = light > LIT * light.max()
    if not probe_known:
        slopes = phase_slopes(transmission, lit)
        transmission, probe = (
            transmission * phase_ramp(transmission.shape, slopes).conj(),
            probe * phase_ramp(probe.shape, slopes),
        )
        clear = np.quantile(np.abs(transmission[lit]), CLEAR)
        transmission, probe = transmission / clear, probe * clear
    turn = np.exp(-1j * np.angle(transmission[lit].mean()))
    return (transmission * turn).astype(np.complex64), (probe * turn.conj()).astype(np.complex64)


def phase_slopes(transmission: np.ndarray, lit: np.ndarray) -> list[float]:
    """Mean phase differences, radians, along y and along x of ``lit`` (H, W) neighbours."""
    seen = transmission * lit
    pairs = [[np.delete(seen, end, axis) for end in (-1, 0)] for axis in (0, 1)]
    return [float(np.angle(np.sum(second * first.conj(), dtype=np.complex128))) for first, second in pairs]


def phase_ramp(shape: tuple[int, ...], slopes: list[float]) -> np.ndarray:
    """A wave (h, w) whose phase rises by ``slopes``, radians a pixel, along y and along x."""
    y, x = np.ogrid[: shape[0], : shape[1]]
    return np.exp(1j * (slopes[0] * y + slopes[1] * x))
