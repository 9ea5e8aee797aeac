"""Reading what trainings left: their histories, and their sidecars of provenance."""

import os
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from ptychoformer.errors import InputError
from ptychoformer.evaluation.columns import HISTORY, read_table
from ptychoformer.paths import Run
from ptychoformer.provenance import read_provenance, sidecar


def versions_of_code(runs: pd.DataFrame) -> int:
    """Count the versions of the code by which the runs of one network were trained, for the network
    with most of them.

    Networks are never compared with each other: the digest of a run covers its own network and loss
    only.

    Args:
        runs: ``model``, ``loss`` and ``code_digest``; at least one row.
    """
    return int(runs.groupby(["model", "loss"])["code_digest"].nunique().max())


def read_histories(paths: Iterable[str | os.PathLike]) -> dict[Run, pd.DataFrame]:
    """Read the losses of every epoch of each run, from its ``history.csv`` at the run's path.

    Raises:
        InputError: a history cannot be read, or a path is not a run's.
    """
    return {Run.of(path): read_table(path, HISTORY) for path in paths}


def read_trained(checkpoints: Iterable[str | os.PathLike]) -> dict[Run, dict[str, Any]]:
    """Read the provenance of each run, from the sidecar of its ``model.pt`` at the run's path.

    Raises:
        InputError: a sidecar cannot be read, or a path is not a run's.
    """
    return {Run.of(path): read_provenance(path) for path in checkpoints}


def read_trained_as(
    checkpoints: Iterable[str | os.PathLike], asked: Mapping[str, Any], epochs: Mapping[str, int]
) -> dict[Run, dict[str, Any]]:
    """Read the provenance of runs that are printed as trained in the way that the config asks for.

    Args:
        asked: options of trainings.
        epochs: of trainings by dataset.

    Raises:
        InputError: see `read_trained`, or a run was trained in another way.
    """
    checkpoints = list(checkpoints)
    trained = read_trained(checkpoints)
    for checkpoint, (run, made) in zip(checkpoints, trained.items(), strict=True):
        found = made["configuration"]["training"]
        for option, value in {**asked, "epochs": epochs[run.dataset]}.items():
            if found.get(option, value) != value:
                raise InputError(
                    f"{sidecar(checkpoint)}: training.{option} is {found[option]}, and the config asks for {value},"
                    f" which would be printed; delete {checkpoint} and run again, or undo the change of the config."
                )
    return trained
