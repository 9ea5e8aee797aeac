"""Reading what other rooms left: tables with the columns of their contract, sidecars of provenance."""

import json
import os
from collections.abc import Iterable
from typing import Any

import pandas as pd

from ptychoformer import evaluation
from ptychoformer.errors import InputError
from ptychoformer.paths import Run
from ptychoformer.provenance import sidecar
from ptychoformer.storage import read_csv

RUN = tuple(evaluation.IDENTITY)
COLUMNS = tuple(evaluation.COLUMNS)
BAND_COLUMNS = (*RUN, "channel", "band", "estimate", "truth")
GROUP = ("dataset", "test", "factor", "held", "n_train", "block", "region", "level", "channel", "metric")
ANOVA = (*GROUP, "n_seeds", "n_levels", "F", "df_effect", "df_error", "p", "p_gg", "eta_squared", "eta_low", "eta_high", "note")
PAIRWISE = (*GROUP, "a", "b", "n_seeds", "difference", "low", "high", "p", "alpha", "significant", "d_z", "note")
PUBLISHED = ("condition", "method", "channel", "metric", "mean", "std")
HISTORY = ("epoch", "validation_loss")
# What a column of a table of the other rooms, or of this one, holds by its name; all others hold numbers.
_TEXT = (
    *("factor", "held", "a", "b", "note", "condition", "method", "band", "quantity"),
    *("package", "configuration_digest", "code_digest", "machine", "device", "date", "blocks", "parts"),
    *("id", "place", "statement", "judges", "unit", "rival", "reason", "scale", "source"),
)
_FLAGS = ("significant", "best", "differs_from_best", "interim")
_WHOLE = ("n_seeds", "n_levels")
TYPES = evaluation.COLUMNS | dict.fromkeys(_TEXT, str) | dict.fromkeys(_FLAGS, bool) | dict.fromkeys(_WHOLE, int)


def read_table(path: str | os.PathLike, columns: Iterable[str], text: Iterable[str] = ()) -> pd.DataFrame:
    """A CSV file that has at least these columns: text as it stands, however much it looks like a number or a gap, and numbers.

    Args:
        text: columns of text besides those that `TYPES` knows.

    Raises:
        InputError: it is missing, is no CSV, lacks a column, or holds something else than a number where one belongs.
    """
    return read_csv(path, TYPES | dict.fromkeys(text, str), columns)


def versions_of_code(runs: pd.DataFrame) -> int:
    """By how many versions of the code the runs of one network were trained, counted for the network with most of them.

    Networks are never compared with each other: the digest of a run covers its own network and loss only.

    Args:
        runs: ``model``, ``loss`` and ``code_digest``; at least one row.
    """
    return int(runs.groupby(["model", "loss"])["code_digest"].nunique().max())


def read_histories(paths: Iterable[str | os.PathLike]) -> dict[Run, pd.DataFrame]:
    """The losses of every epoch of each run, from its ``history.csv`` at the run's path.

    Raises:
        InputError: a history cannot be read, or a path is not a run's.
    """
    return {Run.of(path): read_table(path, HISTORY) for path in paths}


def read_trained(checkpoints: Iterable[str | os.PathLike]) -> dict[Run, dict[str, Any]]:
    """The provenance of each run, from the sidecar of its ``model.pt`` at the run's path.

    Raises:
        InputError: a sidecar cannot be read, or a path is not a run's.
    """
    return {Run.of(path): read_provenance(path) for path in checkpoints}


def read_provenance(artefact: str | os.PathLike) -> dict[str, Any]:
    """The sidecar of an artefact.

    Raises:
        InputError: it is missing or not JSON.
    """
    path = sidecar(artefact)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as provenance; delete {artefact} and run again to make both anew.") from error
