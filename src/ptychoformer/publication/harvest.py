"""Finished runs of a results folder, gathered into one table that outlives the folder.

    python -m ptychoformer.publication.harvest results/paper resources/reference/runs.csv

Every run's metrics are joined with the facts of its training from the sidecar of its weights. Rows of runs that the table already has are
replaced, all others are kept, so that a table can grow over machines and days; the same runs give the same bytes, in whatever order.
The energy by frequency band of runs whose scenes the folder has measured goes into ``bands.csv`` beside the table, in the same way.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ptychoformer.errors import InputError, PtychoformerError
from ptychoformer.evaluation import REFERENCES
from ptychoformer.provenance import sidecar
from ptychoformer.publication.evidence import BAND_COLUMNS, COLUMNS, RUN
from ptychoformer.storage import read_text, write_csv

TABLE_1 = frozenset(("ptychonn", "ptynet", "dpi", "ptychoformer"))  # the networks that the paper compares
# How many seeds there are to be, fixed before the first run as the paper's "ten independent experiments"; on fewer a result is interim.
SEEDS_FIXED = 10
FACTS = ("epochs", "batch_size", "package", "configuration_digest", "code_digest", "machine", "device", "seconds")
RUN_COLUMNS = (*COLUMNS, *FACTS)
BAND_RUN_COLUMNS = (*RUN, "block", "level", "channel", "band", "estimate", "truth", *FACTS)
BANDS = "bands.csv"


@dataclass(frozen=True)
class Harvest:
    """What was found.

    Args:
        runs: trained networks of the folder, by ``RUN`` as text.
        new: those of them that the table did not have.
        whole: dataset to the number of its whole seeds in the table: seeds that have every network of the paper's Table I, trained alike
            (``n_train``, loss MSE, epochs, batch size) and tested on the dataset itself. The largest ``n_train`` with a whole seed counts.
        skipped: folders of half-finished runs, with the reason.
    """

    runs: tuple[tuple[str, ...], ...]
    new: tuple[tuple[str, ...], ...]
    whole: dict[str, int]
    skipped: tuple[str, ...]

    def __str__(self) -> str:
        seeds = [f"{dataset}: {count} whole {'seed' if count == 1 else 'seeds'}" for dataset, count in self.whole.items()]
        counts = f"{len(self.runs)} {'run' if len(self.runs) == 1 else 'runs'}, {len(self.new)} new"
        return "\n".join([", ".join([counts, *seeds]), *(f"skipped {reason}" for reason in self.skipped)])


class _Unfinished(Exception):
    """A run that cannot be taken yet; the message says why."""


def harvest(results_folder: str | os.PathLike, output_csv: str | os.PathLike) -> Harvest:
    """Merge the finished runs of a results folder into a table with the columns ``RUN_COLUMNS``, sorted, and their bands beside it.

    Floors and ceilings are taken too; they have no facts of training. ``seconds`` is what training took. A run whose weights or sidecar
    are missing, or whose metrics break off, is half-finished and left out.

    Args:
        results_folder: has ``evaluation`` and ``training`` in it.
        output_csv: made, or added to; so is ``bands.csv`` beside it, with the columns ``BAND_RUN_COLUMNS``, if the folder has any.

    Raises:
        InputError: there is no such folder, or a table there is has other columns.
    """
    results = Path(results_folder)
    if not (results / "evaluation").is_dir():
        raise InputError(f"{results} is no folder of results: it has no folder 'evaluation'.")
    existing = _read_existing(Path(output_csv), RUN_COLUMNS)
    frames, skipped = [], []
    for path in sorted((results / "evaluation").rglob("metrics.csv")):
        try:
            frames.extend(_finished(path, results))
        except _Unfinished as reason:
            skipped.append(f"{path.parent.relative_to(results / 'evaluation')}: {reason}")
    table, fresh = _merged(existing, frames)
    write_csv(table, output_csv)
    skipped += _harvest_bands(results, Path(output_csv).with_name(BANDS))
    known = set(_runs(existing))
    networks = tuple(run for run in sorted(set(_runs(fresh))) if run[RUN.index("model")] not in REFERENCES)
    return Harvest(networks, tuple(run for run in networks if run not in known), _whole(table), tuple(skipped))


def _harvest_bands(results: Path, output: Path) -> list[str]:
    """Merge the bands of the runs that are finished; returns what was skipped, with the reason."""
    existing = _read_existing(output, BAND_RUN_COLUMNS)
    frames, skipped = [], []
    for path in sorted((results / "evaluation").glob(f"*/{BANDS}")):
        name = path.relative_to(results / "evaluation")
        try:
            rows = _bands(path)
        except _Unfinished as reason:
            skipped.append(f"{name}: {reason}")
            continue
        for run, own in rows.groupby(list(RUN)):
            try:
                frames.append(own.assign(**_facts(run, path, results)))
            except _Unfinished as reason:
                skipped.append(f"{'/'.join(run)} in {name}: {reason}")
    if frames:
        write_csv(_merged(existing, frames)[0], output)
    return skipped


def _merged(existing: pd.DataFrame, frames: list[pd.DataFrame]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What there was, but for the runs that were made anew, and what is fresh, sorted; and what is fresh."""
    fresh = pd.concat(frames, ignore_index=True)[list(existing)] if frames else existing.iloc[:0]
    taken = set(_runs(fresh))
    kept = existing[[run not in taken for run in existing[list(RUN)].itertuples(index=False, name=None)]]
    return _sorted(pd.concat([kept, fresh], ignore_index=True)), fresh


def _runs(table: pd.DataFrame) -> list[tuple[str, ...]]:
    return list(table[list(RUN)].drop_duplicates().itertuples(index=False, name=None))


def _sorted(table: pd.DataFrame) -> pd.DataFrame:
    keys = [name for name in table if name not in ("value", "estimate", "truth", *FACTS)]
    order = table[keys].assign(**{name: table[name].astype(int) for name in ("n_train", "seed")})
    return table.loc[order.sort_values(keys).index].reset_index(drop=True)


def _read_existing(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    if not path.is_file():
        return pd.DataFrame(columns=list(columns), dtype=str)
    table = read_text(path)
    if tuple(table.columns) != columns:
        raise InputError(f"{path}: the columns must be {', '.join(columns)}, found {', '.join(table.columns)}.")
    return table


def _finished(path: Path, results: Path) -> Iterator[pd.DataFrame]:
    """The rows of one run's metrics with its facts; nothing for the metrics of a whole experiment.

    Raises:
        _Unfinished: the run is half-finished.
    """
    run = _identity(path.relative_to(results / "evaluation").parent.parts)
    if run is None:
        return
    rows = _whole_rows(path, COLUMNS, ["value"])
    if any((rows[name] != value).any() for name, value in zip(RUN, run, strict=True)):
        raise _Unfinished("its metrics are of another run")
    yield rows.assign(**_facts(run, path, results))


def _bands(path: Path) -> pd.DataFrame:
    """The rows of a file of bands, with the block and the level of its scenes.

    Raises:
        _Unfinished: it is not whole, or does not say which scenes it is of.
    """
    rows = _whole_rows(path, BAND_COLUMNS, ["estimate", "truth"])
    try:
        headline = json.loads(sidecar(path).read_text(encoding="utf-8"))["configuration"]["headline"]
        return rows.assign(block=headline["block"], level=headline["level"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _Unfinished(f"its sidecar lacks something ({error})") from error


def _whole_rows(path: Path, columns: tuple[str, ...], numbers: list[str]) -> pd.DataFrame:
    """A table as text.

    Raises:
        _Unfinished: it is not whole.
    """
    try:
        rows = read_text(path)
    except InputError as error:
        raise _Unfinished(str(error)) from error
    if set(rows.columns) != set(columns) or rows.empty or not all(_are_numbers(rows[name]) for name in numbers):
        raise _Unfinished("its metrics are not whole")
    return rows


def _are_numbers(values: pd.Series) -> bool:
    """Whether every text is a number or, for a region without pixels, empty."""
    return bool(pd.to_numeric(values[values != ""], errors="coerce").notna().all())


def _identity(parts: tuple[str, ...]) -> tuple[str, ...] | None:
    """Dataset, test, model, loss, n_train and seed of a folder of evaluation; None if it is no run's."""
    if len(parts) != 6 or not parts[-1].startswith("on_"):
        return None
    dataset, model, loss, n_train, seed, test = parts
    n_train, seed, test = n_train.removeprefix("n"), seed.removeprefix("seed"), test.removeprefix("on_")
    return (dataset, test, model, loss, n_train, seed) if n_train.isdigit() and seed.isdigit() else None


def _facts(run: tuple[str, ...], metrics: Path, results: Path) -> dict[str, str]:
    """The facts of a run's training as text; empty for a floor or ceiling."""
    dataset, _, model, loss, n_train, seed = run
    if model in REFERENCES:
        return dict.fromkeys(FACTS, "")
    weights = results / "training" / dataset / model / loss / f"n{n_train}" / f"seed{seed}" / "model.pt"
    if not weights.is_file() or not sidecar(weights).is_file():
        raise _Unfinished("its weights or their sidecar are missing")
    if weights.with_name("state.pt").exists():
        raise _Unfinished("it is still being trained")
    try:
        found, measured = (json.loads(sidecar(path).read_text(encoding="utf-8")) for path in (weights, metrics))
        if measured["started"] < found["started"]:
            raise _Unfinished("its metrics are of earlier weights")
        return {name: _text(value) for name, value in _picked(found).items()}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _Unfinished(f"the sidecar of its weights or its metrics lacks something ({error})") from error


def _picked(found: dict[str, Any]) -> dict[str, Any]:
    configuration = found["configuration"]
    return {
        "epochs": configuration["training"]["epochs"],
        "batch_size": configuration["training"]["batch_size"],
        "package": found["package"],
        "configuration_digest": found["configuration_digest"],
        "code_digest": configuration["code"],
        "machine": found["machine"],
        "device": found["device"],
        "seconds": found["training_seconds"],
    }


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.9g}" if isinstance(value, float) else str(value)


def whole_seeds(runs: pd.DataFrame, networks: Iterable[str]) -> set:
    """The seeds that have all of these networks, among runs that were trained alike (``model`` and ``seed``)."""
    wanted = set(networks)
    return {seed for seed, models in runs.groupby("seed")["model"] if wanted <= set(models)}


def _whole(table: pd.DataFrame) -> dict[str, int]:
    """Dataset to how many of its seeds are whole, see `Harvest`; sorted."""
    own = table[table["model"].isin(TABLE_1) & (table["loss"] == "mse") & (table["dataset"] == table["test"])]
    best: dict[str, tuple[bool, int, int]] = {}
    for (dataset, n_train, *_), runs in own.groupby(["dataset", "n_train", "epochs", "batch_size"]):
        seeds = len(whole_seeds(runs, TABLE_1))
        best[dataset] = max(best.get(dataset, (False, 0, 0)), (seeds > 0, int(n_train), seeds))
    return {dataset: seeds for dataset, (_, _, seeds) in sorted(best.items())}


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m ptychoformer.publication.harvest",
        description="Gather the finished runs of a results folder into one table; runs that the table has are replaced, others kept.",
    )
    parser.add_argument("results", help="folder of results, for example results/paper")
    parser.add_argument("output", help="table to make or add to, for example resources/reference/runs.csv")
    chosen = parser.parse_args(arguments)
    try:
        print(harvest(chosen.results, chosen.output))
    except PtychoformerError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
