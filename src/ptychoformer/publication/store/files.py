"""The reference runs on disk: finished runs in one folder, small enough to be kept with the code.

    runs.csv            one row a run: how, where and when it was trained, the blocks that its
        scores are of, what else is kept of it: `history`, and with block and level of the scenes
        `bands`, `spectra` and `views` (`views:lower_right:scene`)
    scores.csv.gz       every score of every run, with the columns of metrics
    bands.csv.gz        the energy by frequency band of scenes (`evaluation.spectra`), whose block
        and level are named
    spectra.csv.gz      their spectra and ring correlations
    histories.csv.gz    the losses of every epoch
    views.h5            what Figures 4 and 8 show of one seed (`views`)
    retrained           a store of runs that were trained again for their bands and spectra, which
        alone are taken from it

Tables are sorted by what they are about, so that the same runs give the same bytes, in whatever
order they were added.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pandas as pd

from ptychoformer.errors import InputError
from ptychoformer.evaluation import columns as contract
from ptychoformer.evaluation.columns import RUN, read_table
from ptychoformer.publication.store.holdings import INDEX, RETRAINED, name_of_part
from ptychoformer.tables import read_text, write_csv

RUNS, SCORES, BANDS, SPECTRA, HISTORIES = INDEX, "scores.csv.gz", "bands.csv.gz", "spectra.csv.gz", "histories.csv.gz"
FACTS = (
    *("epochs", "batch_size", "parameters", "package", "configuration_digest", "code_digest"),
    *("machine", "device", "seconds", "date"),
)
# What a run's row of ``runs.csv`` says besides its facts: blocks of its scores, and which other
# parts of it are kept.
KEPT = ("blocks", "parts")
RUN_COLUMNS = (*contract.SCORES, *FACTS)
HISTORY_COLUMNS = (*RUN, *contract.HISTORY)
SPECTRUM_COLUMNS = (*RUN, "block", "level", *contract.SPECTRA[len(RUN) :])
BAND_RUN_COLUMNS = (*RUN, "block", "level", *contract.BAND_ENERGIES[len(RUN) :])
TABLES = {SCORES: contract.SCORES, BANDS: BAND_RUN_COLUMNS, SPECTRA: SPECTRUM_COLUMNS, HISTORIES: HISTORY_COLUMNS}
# Columns that hold values; all others say what a row is about, and order it.
_VALUES = ("value", "estimate", "truth", "learning_rate", "train_loss", "validation_loss", *KEPT, *FACTS)
_NUMBERS = ("n_train", "seed", "frequency", "epoch")
_NAMES = {BANDS: "bands", SPECTRA: "spectra", HISTORIES: "history"}
_VIEWED = "views"
_PLACE = ("block", "level")

Run = tuple[str, ...]


def read_scores(folder: str | os.PathLike) -> pd.DataFrame:
    """Read every score with the facts of its run: the columns ``RUN_COLUMNS``; a floor or ceiling
    has no facts.

    Raises:
        InputError: a table is missing or breaks its contract.
    """
    return _with_facts(folder, SCORES)[list(RUN_COLUMNS)]


def read_bands(folder: str | os.PathLike) -> pd.DataFrame | None:
    """Read the energy by frequency band of every scene that was measured, with the facts of the
    training that made it; None if none was.

    Raises:
        InputError: a table is missing or breaks its contract.
    """
    return measured(folder, BANDS, _with_facts)


def measured(
    folder: str | os.PathLike, name: str, read: Callable[[str | os.PathLike, str], pd.DataFrame]
) -> pd.DataFrame | None:
    """Read what is measured of scenes: a table of the store, and of runs that it lacks those of the
    trainings of `RETRAINED`; None if there is neither.

    Args:
        read: reads one table of a store, whose folder and name it is given.
    """
    tables = [read(place, name) for place in (folder, Path(folder, RETRAINED)) if Path(place, name).is_file()]
    if len(tables) < 2:
        return next(iter(tables), None)
    own, again = tables
    known = set(runs_in(own))
    return pd.concat([own, again[[run not in known for run in keys(again)]]], ignore_index=True)


def read_runs(folder: str | os.PathLike) -> pd.DataFrame:
    """Read a row a run, with the columns of ``runs.csv``.

    Raises:
        InputError: it is missing or breaks its contract.
    """
    return read_table(Path(folder, RUNS), (*RUN, *KEPT, *FACTS))


def read_part(folder: str | os.PathLike, name: str) -> pd.DataFrame:
    """Read one of ``TABLES`` with its types.

    Raises:
        InputError: it is missing or breaks its contract.
    """
    return read_table(Path(folder, name), TABLES[name])


def _with_facts(folder: str | os.PathLike, name: str) -> pd.DataFrame:
    rows = read_part(folder, name).merge(read_runs(folder), on=list(RUN), how="left", indicator=True)
    if len(lost := rows[rows.pop("_merge") != "both"]):
        raise InputError(
            f"{Path(folder, RUNS)} has no row of the run {'/'.join(map(str, lost.iloc[0][list(RUN)]))}, which {name}"
            " has."
        )
    return rows


def read_existing(folder: str | os.PathLike) -> dict[str, pd.DataFrame]:
    """Read ``runs.csv`` and all of ``TABLES`` as text, without rows where there is no file.

    Raises:
        InputError: a file is no table, or has other columns.
    """
    return {
        name: _existing(Path(folder, name), columns)
        for name, columns in {RUNS: (*RUN, *KEPT, *FACTS), **TABLES}.items()
    }


def _existing(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    if not path.is_file():
        return pd.DataFrame(columns=list(columns), dtype=str)
    table = read_text(path)
    if tuple(table.columns) != columns:
        raise InputError(f"{path}: the columns must be {', '.join(columns)}, found {', '.join(table.columns)}.")
    return table


def write(
    folder: str | os.PathLike,
    facts: pd.DataFrame,
    tables: Mapping[str, pd.DataFrame],
    viewed: Iterable[tuple[str, ...]] = (),
) -> None:
    """Write the store, all values as text.

    Args:
        facts: a row a run, with `RUN` and ``FACTS``.
        tables: of ``TABLES``, scores at least; another one that is empty leaves no file.
        viewed: runs that ``views.h5`` has, each with the block and level of the views.
    """
    blocks = tables[SCORES][[*RUN, "block"]].drop_duplicates()
    parts = [_parts_of(tables[name], part) for name, part in _NAMES.items() if name in tables]
    parts.append(_parts_of(pd.DataFrame(viewed, columns=[*RUN, *_PLACE], dtype=str), _VIEWED))
    listed = (_listed(blocks, "block", "blocks"), _listed(pd.concat(parts), "part", "parts"))
    runs = facts
    for column in listed:
        runs = runs.merge(column, on=list(RUN), how="left")
    for name, columns in TABLES.items():
        if len(table := tables.get(name, ())) or name == SCORES:
            write_csv(in_order(table[list(columns)]), Path(folder, name))
        else:  # what was kept there is of runs that have been replaced
            Path(folder, name).unlink(missing_ok=True)
    # Last: had it the facts of a new training while another table kept the old one's rows, nobody
    # would know that these must go.
    write_csv(in_order(runs.fillna("")[[*RUN, *KEPT, *FACTS]]), Path(folder, RUNS))


def _parts_of(table: pd.DataFrame, part: str) -> pd.DataFrame:
    """Name for each run of a table, as ``runs.csv`` does, this part of what is kept of it."""
    place = [name for name in _PLACE if name in table]
    rows = table[[*RUN, *place]].drop_duplicates()
    names = [name_of_part(part, *where) for where in rows[place].itertuples(index=False, name=None)]
    return rows[list(RUN)].assign(part=pd.Series(names, rows.index, dtype=str))


def _listed(rows: pd.DataFrame, column: str, name: str) -> pd.DataFrame:
    """Put the values that each run has in a column side by side in one cell."""
    return rows.groupby(list(RUN))[column].agg(lambda values: " ".join(sorted(values))).rename(name).reset_index()


def in_order(table: pd.DataFrame) -> pd.DataFrame:
    """Sort the rows by what they are about."""
    keys = [name for name in table if name not in _VALUES]
    order = table[keys].assign(
        **{name: pd.to_numeric(table[name], errors="coerce") for name in _NUMBERS if name in keys}
    )
    return table.loc[order.sort_values(keys, kind="stable").index].reset_index(drop=True)


def runs_in(table: pd.DataFrame) -> list[Run]:
    """List the runs of a table, each once."""
    return keys(table.drop_duplicates(list(RUN)))


def keys(table: pd.DataFrame) -> list[Run]:
    """Return the run of every row, as a key."""
    return list(table[list(RUN)].itertuples(index=False, name=None))
