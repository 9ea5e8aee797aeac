"""From the reference runs to what the workflow makes of its own: the metrics of experiments,
spectra, and the provenance of runs.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ptychoformer.errors import InputError
from ptychoformer.evaluation import REFERENCES
from ptychoformer.evaluation import columns as contract
from ptychoformer.evaluation.columns import RUN
from ptychoformer.paths import Run
from ptychoformer.publication.selection import select
from ptychoformer.publication.store import files as store
from ptychoformer.tables import read_text, write_csv

Runs = Iterable[Mapping[str, str | int]]


def unpack(folder: str | os.PathLike, metrics: Mapping[str | os.PathLike, Runs]) -> None:
    """Write the metrics of experiments, as `evaluation.metrics.collect` does, digit for digit.

    Args:
        folder: of the store.
        metrics: the file of each experiment to its runs (`RUN`), networks and references, in their
            order; a reference may be absent.

    Raises:
        InputError: a table is missing or breaks its contract, or has nothing of a network.
    """
    scores = _text(folder, store.SCORES)
    for path, runs in metrics.items():
        write_csv(_rows(scores, runs, folder)[list(contract.SCORES)], path)


def unpack_spectra(
    folder: str | os.PathLike,
    runs: Runs,
    *,
    block: str,
    level: str,
    output_spectra_csv: str | os.PathLike,
    output_bands_csv: str | os.PathLike,
) -> None:
    """Write spectra and energies by band of scenes, digit for digit as `spectra.spectra` does.

    Args:
        folder: of the store.
        runs: whose scenes.
        block, level: of the scenes.

    Raises:
        InputError: a table is missing or breaks its contract, or has nothing of a run.
    """
    for name, columns, path in (
        (store.SPECTRA, contract.SPECTRA, output_spectra_csv),
        (store.BANDS, contract.BAND_ENERGIES, output_bands_csv),
    ):
        table = store.measured(folder, name, _text)
        if table is None:
            raise InputError(f"{folder} holds no {name}.")
        write_csv(_rows(select(table, block=block, level=level), runs, folder)[list(columns)], path)


def _text(folder: str | os.PathLike, name: str) -> pd.DataFrame:
    path = Path(folder, name)
    table = read_text(path)
    if missing := [column for column in store.TABLES[name] if column not in table]:
        raise InputError(f"{path} has no column {missing[0]}.")
    return table


def _rows(table: pd.DataFrame, runs: Runs, folder: str | os.PathLike) -> pd.DataFrame:
    """Pick the rows of these runs in the order of the runs."""
    wanted = pd.DataFrame([[str(run[name]) for name in RUN] for run in runs], columns=list(RUN)).drop_duplicates()
    found = wanted.merge(table, on=list(RUN), how="left", indicator=True)
    absent = found.pop("_merge") != "both"
    if (lost := found[absent & ~found["model"].isin(REFERENCES)]).size:
        raise InputError(f"{folder} holds nothing of the run {'/'.join(lost.iloc[0][list(RUN)])}.")
    return found[~absent]


def histories(folder: str | os.PathLike, runs: Runs) -> dict[Run, pd.DataFrame]:
    """Read the losses of every epoch of runs of which they are kept.

    Raises:
        InputError: a table is missing or breaks its contract.
    """
    if not Path(folder, store.HISTORIES).is_file():
        return {}
    wanted = {_run(run) for run in runs}
    table = store.read_part(folder, store.HISTORIES)
    found = {
        _run(dict(zip(RUN, key, strict=True))): rows[list(contract.HISTORY)]
        for key, rows in table.groupby(list(RUN), sort=False)
    }
    return {run: rows for run, rows in found.items() if run in wanted}


def trained(folder: str | os.PathLike, runs: Runs) -> dict[Run, dict[str, Any]]:
    """Read the facts of the training of runs under the names that sidecars of provenance have for
    them.

    Raises:
        InputError: the table is missing or breaks its contract.
    """
    wanted = {_run(run) for run in runs}
    found = {}
    for row in store.read_runs(folder).to_dict("records"):
        if (run := _run(row)) in wanted:
            facts = {
                name: row[name] for name in ("package", "configuration_digest", "device", "machine", "seconds", "date")
            }
            found[run] = facts | {
                "parameters": None if pd.isna(row["parameters"]) else int(row["parameters"]),
                "training_seconds": row["seconds"],
                "configuration": {"code": row["code_digest"]},
            }
    return found


def _run(wildcards: Mapping[str, Any]) -> Run:
    return Run(
        wildcards["dataset"], wildcards["model"], wildcards["loss"], int(wildcards["n_train"]), int(wildcards["seed"])
    )
