"""Lengths as people write them, for scale bars."""

import math

_PREFIXES = ((1.0, "m"), (1e-3, "mm"), (1e-6, "µm"), (1e-9, "nm"), (1e-12, "pm"))


def round_length(limit: float) -> float:
    """Find the largest of 1, 2 and 5 times a power of ten up to ``limit``, metres."""
    power = 10.0 ** math.floor(math.log10(limit) + 1e-9)
    return next(digit * power for digit in (5, 2, 1) if digit * power <= limit * (1 + 1e-9))


def with_prefix(length: float) -> str:
    """Write a length in metres with its unit: ``200 nm``."""
    factor, unit = next(((factor, unit) for factor, unit in _PREFIXES if length >= factor * (1 - 1e-9)), _PREFIXES[-1])
    return f"{length / factor:.3g} {unit}"
