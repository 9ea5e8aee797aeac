"""Reading what other rooms left: tables with the columns of their contract, runs by their path, sidecars of provenance."""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ptychoformer.errors import InputError
from ptychoformer.provenance import sidecar

GROUP = ("dataset", "test", "factor", "held", "n_train", "region", "level", "channel", "metric")
ANOVA = (*GROUP, "n_seeds", "n_levels", "F", "df_effect", "df_error", "p", "p_gg", "eta_squared", "eta_low", "eta_high", "note")
PAIRWISE = (*GROUP, "a", "b", "n_seeds", "difference", "low", "high", "p", "alpha", "significant", "d_z", "note")
PUBLISHED = ("condition", "method", "channel", "metric", "mean", "std")
HISTORY = ("epoch", "validation_loss")
DIGESTS = ("code_digest", "configuration_digest")  # text even where one looks like a number, such as 12345e678901


@dataclass(frozen=True, order=True)
class Run:
    """One trained network; its identity is its path."""

    dataset: str
    model: str
    loss: str
    n_train: int
    seed: int

    @classmethod
    def of(cls, path: str | os.PathLike) -> "Run":
        """The run that the file ``.../{dataset}/{model}/{loss}/n{n_train}/seed{seed}/{file}`` belongs to.

        Raises:
            InputError: the path has another form.
        """
        try:
            dataset, model, loss, n_train, seed = Path(path).parent.parts[-5:]
            return cls(dataset, model, loss, int(n_train.removeprefix("n")), int(seed.removeprefix("seed")))
        except ValueError as error:
            raise InputError(f"{path} is not the path of a run, which ends in dataset/model/loss/n<patterns>/seed<seed>/file.") from error

    def __str__(self) -> str:
        """Its path, as `of` reads it."""
        return f"{self.dataset}/{self.model}/{self.loss}/n{self.n_train}/seed{self.seed}"


def read_table(path: str | os.PathLike, columns: Iterable[str]) -> pd.DataFrame:
    """A CSV file that has at least these columns.

    Raises:
        InputError: it is missing, is no CSV, or lacks a column.
    """
    try:
        table = pd.read_csv(path, dtype=dict.fromkeys(DIGESTS, str))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as a table ({str(error).splitlines()[0]}).") from error
    if missing := [name for name in columns if name not in table]:
        raise InputError(f"{path} has no column {' and no column '.join(missing)}.")
    return table


def versions_of_code(runs: pd.DataFrame) -> int:
    """By how many versions of the code the runs of one network were trained, counted for the network with most of them.

    Networks are never compared with each other: the digest of a run covers its own network and loss only.

    Args:
        runs: ``model``, ``loss`` and ``code_digest``; at least one row.
    """
    return int(runs.groupby(["model", "loss"])["code_digest"].nunique().max())


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
