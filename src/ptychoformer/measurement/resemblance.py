"""How like the patterns of a scan are to those that a network was trained on: where their light
falls, and how much of it there is.
"""

from collections.abc import Iterable, Iterator
from typing import Any, TypedDict

import numpy as np

SIDE = 16  # blocks along a side of the mean pattern that is kept
QUANTILES = (0.05, 0.5, 0.95)
MOST_ELSEWHERE = 0.25  # of the light
LARGEST_FACTOR = 2.0  # between photons


class Seen(TypedDict):
    """What patterns look like, for JSON."""

    photons: list[float]  # of a pattern, the quantiles of `QUANTILES`
    mean_pattern: list[list[float]]  # in blocks, whose sum is 1


class Tally:
    """Photons of patterns, and their mean pattern, gathered as they pass."""

    def __init__(self):
        self._photons, self._total = [], 0.0

    def passing(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Pass on ``blocks`` of patterns (m, h, w), which are counted."""
        for block in blocks:
            self._photons.append(block.sum(axis=(1, 2), dtype=np.float64))
            self._total = self._total + block.sum(axis=0, dtype=np.float64)
            yield block

    def summary(self) -> Seen:
        """Sum up what the patterns that passed look like."""
        blocks = [np.array_split(np.arange(side), min(side, SIDE)) for side in self._total.shape]
        starts = [[int(part[0]) for part in parts] for parts in blocks]
        mean = np.add.reduceat(np.add.reduceat(self._total, starts[0], axis=0), starts[1], axis=1)
        photons = np.quantile(np.concatenate(self._photons), QUANTILES)
        return {"photons": photons.tolist(), "mean_pattern": (mean / max(mean.sum(), 1e-30)).round(6).tolist()}


def is_summary(found: Any) -> bool:
    """Say whether ``found``, read from JSON, is what `Tally.summary` returned."""
    try:
        photons, mean = (np.asarray(found[name], float) for name in ("photons", "mean_pattern"))
    except (KeyError, TypeError, ValueError):
        return False
    return (
        photons.shape == (len(QUANTILES),)
        and mean.ndim == 2
        and bool(np.isfinite(photons).all() and np.isfinite(mean).all())
    )


def differences(found: Seen, trained: Seen) -> list[str]:
    """Say in parts of a sentence how far a scan's summary is from training's, if it is."""
    mean, expected = (np.asarray(part["mean_pattern"]) for part in (found, trained))
    texts = []
    if mean.shape == expected.shape and (elsewhere := np.abs(mean - expected).sum() / 2) > MOST_ELSEWHERE:
        texts.append(f"{elsewhere:.0%} of the light of the mean pattern falls elsewhere")
    median, (low, middle, high) = found["photons"][1], trained["photons"]
    if not low / LARGEST_FACTOR <= median <= high * LARGEST_FACTOR:
        texts.append(f"a pattern has {median:.3g} photons (median), in training {middle:.3g} ({low:.3g} to {high:.3g})")
    return texts
