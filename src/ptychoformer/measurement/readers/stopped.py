"""A scan that was stopped early: its file has room for patterns that were never recorded, without
light and without a position.
"""

from dataclasses import replace

import numpy as np

from ptychoformer.measurement.frames import ranges
from ptychoformer.measurement.pixels import MARKERS
from ptychoformer.measurement.readers.scan import RawScan, check_finite, check_positions, chosen, sound

AT_ONCE = 16  # patterns that are looked at together


def recorded(raw: RawScan) -> RawScan:
    """Leave out those patterns of a scan that have neither a position nor light. Patterns are
    looked at only if a position is missing.

    Raises:
        InputError: a pattern with light has no position, or fewer than two have one.
    """
    used = sound(raw.positions).all(axis=1)
    if used.all():
        return raw
    if used.sum() >= 2:
        lit = np.concatenate([_lit(raw, block) for block in raw.frames(AT_ONCE)])
        check_finite(str(raw.path), raw.positions[used | lit], raw.numbered[used | lit])
    else:
        check_finite(str(raw.path), raw.positions, raw.numbered)
    check_positions(str(raw.path), raw.positions[used], int(used.sum()))
    told = f"{raw.path}: {(~used).sum()} of {len(used)} patterns have neither a position nor light, and are left out:"
    return replace(
        raw,
        positions=raw.positions[used],
        numbers=raw.numbered[used],
        monitor=None if raw.monitor is None else raw.monitor[used],
        frames=lambda size: chosen(raw.frames(size), used),
        warnings=(*raw.warnings, f"{told} {ranges(raw.numbered[~used])}."),
    )


def _lit(raw: RawScan, block: np.ndarray) -> np.ndarray:
    """Find which of the patterns (m, h, w) have a pixel that counts, (m,) bool; the largest number
    of a detector or file stands for a gap, or fills what was never written.
    """
    largest = (*MARKERS, *(() if raw.saturation is None else (raw.saturation,)))
    counts = (block > 0) & ~np.isin(block, np.float32(largest))
    return (counts if raw.mask is None else counts & ~raw.mask).any(axis=(1, 2))
