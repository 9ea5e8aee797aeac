"""The columns of the tables that rooms leave each other, what they hold, and what checks that
(scores that were just measured have a stricter reader, `metrics.read_metrics`).

A column of one name holds the same kind of value in every table.
"""

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ptychoformer import training
from ptychoformer.errors import InputError
from ptychoformer.tables import read_csv

if TYPE_CHECKING:
    import pandas as pd

# What a run is known by.
IDENTITY = {"dataset": str, "test": str, "model": str, "loss": str, "n_train": int, "seed": int}
RUN = tuple(IDENTITY)
# Scores, a row for every run, block, region, level, channel and metric.
SCORE_TYPES = IDENTITY | {"block": str, "region": str, "level": str, "channel": str, "metric": str, "value": float}
SCORES = tuple(SCORE_TYPES)
# Tests over seeds: of all levels of a group together, and of each pair of them.
GROUP = ("dataset", "test", "factor", "held", "n_train", "block", "region", "level", "channel", "metric")
ANOVA = (
    *(*GROUP, "n_seeds", "n_levels", "F", "df_effect", "df_error", "p", "epsilon", "p_gg"),
    *("eta_squared", "eta_low", "eta_high", "note"),
)
PAIRWISE = (
    *(*GROUP, "a", "b", "n_seeds", "difference", "low", "high", "t", "df", "p"),
    *("p_bonferroni", "alpha", "significant", "d_z", "d_low", "d_high", "note"),
)
# Power spectra and Fourier ring correlations, and energy by band, of scenes.
SPECTRA = (*RUN, "channel", "quantity", "frequency", "value")
BAND_ENERGIES = (*RUN, "channel", "band", "estimate", "truth")
# A training, a row for every epoch, but for the seconds, which no two runs have alike.
HISTORY = training.HISTORY[:-1]
# The paper's own numbers.
PUBLISHED = ("condition", "method", "channel", "metric", "mean", "std")

# What a column holds by its name; all others hold numbers.
_TEXT = (
    *("factor", "held", "a", "b", "note", "condition", "method", "band", "quantity"),
    *("package", "configuration_digest", "code_digest", "machine", "device", "date", "blocks", "parts"),
    *("id", "place", "statement", "judges", "unit", "rival", "reason", "scale", "source"),
)
_FLAGS = ("significant", "best", "differs_from_best", "interim")
_WHOLE = ("n_seeds", "n_levels")
TYPES = SCORE_TYPES | dict.fromkeys(_TEXT, str) | dict.fromkeys(_FLAGS, bool) | dict.fromkeys(_WHOLE, int)


def read_table(path: str | os.PathLike, columns: Iterable[str], text: Iterable[str] = ()) -> "pd.DataFrame":
    """Read a CSV file that has at least these columns: text as it stands, however much it looks
    like a number or a gap, and numbers.

    Args:
        text: columns of text besides those that `TYPES` knows.

    Raises:
        InputError: it is missing, is no CSV, lacks a column, or holds something else than a number
            where one belongs.
    """
    return read_csv(path, TYPES | dict.fromkeys(text, str), columns)


def check_given_once(scores: "pd.DataFrame") -> None:
    """Check that no two rows of `SCORES` have the same place.

    Raises:
        InputError: two have.
    """
    repeated = scores.duplicated([name for name in SCORES if name != "value"])
    if repeated.any():
        run = scores.loc[repeated.idxmax(), list(RUN)]
        raise InputError(f"The metrics of the run {'/'.join(map(str, run))} were given twice.")
