"""Reading what trainings left: their histories, and their sidecars of provenance."""

import os
from collections.abc import Iterable
from typing import Any

import pandas as pd

from ptychoformer.evaluation.columns import HISTORY, read_table
from ptychoformer.paths import Run
from ptychoformer.provenance import read_provenance


def versions_of_code(runs: pd.DataFrame) -> int:
    """By how many versions of the code the runs of one network were trained, counted for the
    network with most of them.

    Networks are never compared with each other: the digest of a run covers its own network and loss
    only.

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
