"""What the runs of an experiment scored, by place (run, block, region, channel, metric) and
seed: the numbers that claims are judged on.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from ptychoformer.evaluation.columns import RUN, SCORES, check_given_once

BAND = "band"  # the level of energy shares


class Place(NamedTuple):
    """Where one number per seed is found."""

    dataset: str
    test: str
    model: str
    loss: str
    n_train: int
    block: str
    region: str
    level: str
    channel: str
    metric: str

    @property
    def trained(self) -> tuple[str, str, str, str, int]:
        """The run without its seed."""
        return self.dataset, self.test, self.model, self.loss, self.n_train


class Numbers:
    """Metrics by place and seed.

    Args:
        frame: rows with ``SCORES``; further columns are ignored.

    Raises:
        InputError: a number is given twice.
    """

    def __init__(self, frame: pd.DataFrame):
        check_given_once(frame)
        self._values: dict[Place, dict[int, float]] = {}
        self._sizes: dict[Place, set[int]] = {}
        for place, numbers in _by_place(frame):
            self._values[place] = numbers
            self._sizes.setdefault(place._replace(n_train=0), set()).add(place.n_train)
        self._runs = {place.trained for place in self._values}

    def seeds(self, place: Place) -> set[int]:
        """Find the seeds that have a number there."""
        return set(self._values.get(place, ()))

    def at(self, place: Place, seeds: Iterable[int]) -> np.ndarray:
        """Look up the numbers of these seeds."""
        return np.array([self._values[place][seed] for seed in seeds])

    def sizes(self, places: Iterable[Place]) -> list[int]:
        """Find every ``n_train`` for which one of the places (whose own ``n_train`` is ignored) has
        a number, ascending.
        """
        return sorted(set().union(*(self._sizes.get(place._replace(n_train=0), ()) for place in places)))

    def whole(self, places: Iterable[Place]) -> set[int]:
        """Find the seeds that have a number at all of the places."""
        return set.intersection(*(self.seeds(place) for place in places))

    def has_run(self, place: Place) -> bool:
        """Say whether the run has any number, there or elsewhere."""
        return place.trained in self._runs


def _by_place(frame: pd.DataFrame) -> Iterator[tuple[Place, dict[int, float]]]:
    """Yield every place with its numbers by seed; a row at a time takes four times as long."""
    place = frame.groupby(list(Place._fields), sort=False, dropna=False).ngroup().to_numpy()
    rows = frame.iloc[np.argsort(place, kind="stable")]
    starts = np.flatnonzero(np.diff(np.sort(place), prepend=-1))
    seeds, values = rows["seed"].astype(int).tolist(), rows["value"].astype(float).tolist()
    places = rows[list(Place._fields)].iloc[starts].itertuples(index=False, name=None)
    for where, start, end in zip(places, starts, [*starts, len(rows)][1:], strict=True):
        yield Place(*where), dict(zip(seeds[start:end], values[start:end], strict=True))


def band_metrics(bands: pd.DataFrame) -> pd.DataFrame:
    """Turn energy shares into metrics: level ``band``, the band as region.

    ``band_share`` is the share of the estimate, ``share_error`` its distance from the truth's,
    ``share_deficit`` what the truth has more. For the band ``outside_low`` they are those of mid
    and high together.

    Args:
        bands: rows with ``BAND_ENERGIES`` and ``block``.
    """
    keys = [*RUN, "block", "channel"]
    outside = (
        bands[bands["band"] != "low"]
        .groupby(keys, as_index=False)[["estimate", "truth"]]
        .sum()
        .assign(band="outside_low")
    )
    both = pd.concat([bands, outside], ignore_index=True)
    missing = both["truth"] - both["estimate"]
    parts = [
        both.assign(metric=metric, value=value)
        for metric, value in (
            ("band_share", both["estimate"]),
            ("share_error", missing.abs()),
            ("share_deficit", missing),
        )
    ]
    return pd.concat(parts, ignore_index=True).rename(columns={"band": "region"}).assign(level=BAND)[list(SCORES)]
