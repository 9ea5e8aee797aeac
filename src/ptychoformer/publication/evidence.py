"""What the runs of an experiment scored, by place (run, region, channel, metric) and seed: the numbers that claims are judged on."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd

from ptychoformer.errors import InputError

RUN = ("dataset", "test", "model", "loss", "n_train", "seed")
COLUMNS = (*RUN, "region", "level", "channel", "metric", "value")
BAND_COLUMNS = (*RUN, "channel", "band", "estimate", "truth")


class Place(NamedTuple):
    """Where one number per seed is found."""

    dataset: str
    test: str
    model: str
    loss: str
    n_train: int
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
        frame: rows with ``COLUMNS``; further columns are ignored.

    Raises:
        InputError: a number is given twice.
    """

    def __init__(self, frame: pd.DataFrame):
        keys = [name for name in COLUMNS if name != "value"]
        if (twice := frame.duplicated(keys)).any():
            raise InputError(f"The metrics of {'/'.join(map(str, frame.loc[twice.idxmax(), list(RUN)]))} were given twice.")
        self._values: dict[Place, dict[int, float]] = {}
        ordered = frame[["seed", "value", *Place._fields]]
        for seed, value, *place in ordered.itertuples(index=False, name=None):
            self._values.setdefault(Place(*place), {})[int(seed)] = float(value)

    def seeds(self, place: Place) -> set[int]:
        """Seeds that have a number there."""
        return set(self._values.get(place, ()))

    def at(self, place: Place, seeds: Iterable[int]) -> np.ndarray:
        """The numbers of these seeds."""
        return np.array([self._values[place][seed] for seed in seeds])

    def sizes(self, places: Iterable[Place]) -> list[int]:
        """Every ``n_train`` for which one of the places (whose own ``n_train`` is ignored) has a number, ascending."""
        wanted = {place._replace(n_train=0) for place in places}
        return sorted({place.n_train for place in self._values if place._replace(n_train=0) in wanted})

    def whole(self, places: Iterable[Place]) -> set[int]:
        """Seeds that have a number at all of the places."""
        return set.intersection(*(self.seeds(place) for place in places))

    def has_run(self, place: Place) -> bool:
        """Whether the run has any number, there or elsewhere."""
        return any(place.trained == other.trained for other in self._values)


def band_metrics(bands: pd.DataFrame) -> pd.DataFrame:
    """Energy shares as metrics: level ``band``, the band as region.

    ``band_share`` is the share of the estimate, ``share_error`` its distance from the truth's, ``share_deficit`` what the truth has more.
    For the band ``outside_low`` they are those of mid and high together.
    """
    keys = [name for name in BAND_COLUMNS if name not in ("band", "estimate", "truth")]
    outside = bands[bands["band"] != "low"].groupby(keys, as_index=False)[["estimate", "truth"]].sum().assign(band="outside_low")
    both = pd.concat([bands, outside], ignore_index=True)
    missing = both["truth"] - both["estimate"]
    parts = [
        both.assign(metric=metric, value=value)
        for metric, value in (("band_share", both["estimate"]), ("share_error", missing.abs()), ("share_deficit", missing))
    ]
    return pd.concat(parts, ignore_index=True).rename(columns={"band": "region"}).assign(level="band")[list(COLUMNS)]
