"""Finished runs of a results folder, gathered into a store that outlives the folder (`store`).

    python -m ptychoformer.publication.harvest results/paper resources/reference

Every run's scores and losses are kept with the facts of its training from the sidecar of its
weights, and what the folder has measured of its scene's frequencies. Runs that the store already
has are replaced, all others are kept, so that a store can grow over machines and days; the same
runs give the same bytes, in whatever order. Of one seed, the scenes that Figures 4 and 8 show are
kept too: which these are, the config says.
"""

import argparse
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from ptychoformer.configuration import load
from ptychoformer.errors import InputError, PtychoformerError
from ptychoformer.evaluation import REFERENCES
from ptychoformer.evaluation import columns as contract
from ptychoformer.evaluation.columns import RUN
from ptychoformer.paths import TRAINING, names_of_run
from ptychoformer.provenance import read_provenance, sidecar
from ptychoformer.publication.store import files as store
from ptychoformer.publication.store.files import FACTS, Run
from ptychoformer.publication.store.views import Shown, keep_views, shown_by
from ptychoformer.storage import read_text

TABLE_1 = frozenset(("ptychonn", "ptynet", "dpi", "ptychoformer"))  # the networks that the paper compares
CONFIG = ("config.yaml", "config/paper.yaml")
# What is measured of the scenes of several runs together: the file, its columns, and the numbers
# among them.
_MEASURED = {
    store.BANDS: ("bands.csv", contract.BAND_ENERGIES, ("estimate", "truth")),
    store.SPECTRA: ("spectra.csv", contract.SPECTRA, ("frequency", "value")),
}


@dataclass(frozen=True)
class Harvest:
    """What was found.

    Args:
        runs: trained networks of the folder, by `RUN` as text.
        new: those of them that the store did not have.
        whole: dataset to the number of its whole seeds in the store: seeds that have every network
            of the paper's Table I, trained alike
            (``n_train``, loss MSE, epochs, batch size) and tested on the dataset itself. The
            largest ``n_train`` with a whole seed counts.
        skipped: folders of half-finished runs, with the reason.
    """

    runs: tuple[Run, ...]
    new: tuple[Run, ...]
    whole: dict[str, int]
    skipped: tuple[str, ...]

    def __str__(self) -> str:
        seeds = [
            f"{dataset}: {count} whole {'seed' if count == 1 else 'seeds'}" for dataset, count in self.whole.items()
        ]
        counts = f"{len(self.runs)} {'run' if len(self.runs) == 1 else 'runs'}, {len(self.new)} new"
        return "\n".join([", ".join([counts, *seeds]), *(f"skipped {reason}" for reason in self.skipped)])


class _Unfinished(Exception):
    """A run that cannot be taken yet; the message says why."""


@dataclass
class _Found:
    """What a results folder holds of finished runs: their facts, rows of the tables of the
    store, and what was skipped, with the reason.
    """

    facts: dict[Run, dict[str, str]] = field(default_factory=dict)
    tables: dict[str, list[pd.DataFrame]] = field(default_factory=lambda: {name: [] for name in store.TABLES})
    skipped: list[str] = field(default_factory=list)


def harvest(results_folder: str | os.PathLike, folder: str | os.PathLike, shown: Iterable[Shown] = ()) -> Harvest:
    """Merge the finished runs of a results folder into a store.

    Floors and ceilings are taken too; they have no facts of training. ``seconds`` is what training
    took, ``date`` the day on which it began. A run whose weights or sidecar are missing, or whose
    metrics break off, is half-finished and left out. Of a run that was trained anew, nothing of the
    earlier training stays.

    Args:
        results_folder: has ``evaluation`` and ``training`` in it.
        folder: of the store, made or added to.
        shown: what Figures 4 and 8 show.

    Raises:
        InputError: there is no such folder, the store is none, or a table of it has other columns.
    """
    results = Path(results_folder)
    if not (results / "evaluation").is_dir():
        raise InputError(f"{results} is no folder of results: it has no folder 'evaluation'.")
    if Path(folder).is_file():
        raise InputError(f"{folder} is a file; the store is a folder, such as resources/reference.")
    existing = store.read_existing(folder)
    found = _Found()
    for path in sorted((results / "evaluation").rglob("metrics.csv")):
        _take_run(path, results, found)
    for name in _MEASURED:
        _take_measured(name, results, found)
    known = dict(
        zip(
            _keys(existing[store.RUNS]),
            existing[store.RUNS][list(FACTS)].itertuples(index=False, name=None),
            strict=True,
        )
    )
    fresh = {run: tuple(facts.values()) for run, facts in found.facts.items()}
    remade = {run for run, facts in fresh.items() if known.get(run, facts) != facts}
    facts = pd.DataFrame(
        [(*run, *values) for run, values in (known | fresh).items()], columns=[*RUN, *FACTS], dtype=str
    )
    viewed, skipped = keep_views(Path(folder, store.VIEWS), results, shown, set(fresh), remade)
    store.write(folder, facts, {name: _merged(name, existing[name], found, remade) for name in store.TABLES}, viewed)
    networks = tuple(run for run in sorted(fresh) if run[RUN.index("model")] not in REFERENCES)
    return Harvest(
        networks, tuple(run for run in networks if run not in known), _whole(facts), (*found.skipped, *skipped)
    )


def _keys(table: pd.DataFrame) -> list[Run]:
    return list(table[list(RUN)].itertuples(index=False, name=None))


def _merged(name: str, existing: pd.DataFrame, found: _Found, remade: set[Run]) -> pd.DataFrame:
    """What there was, but for the runs that have fresh rows or were trained anew, and what is
    fresh.
    """
    fresh = pd.concat(found.tables[name], ignore_index=True) if found.tables[name] else existing.iloc[:0]
    replaced = remade | set(store.runs_in(fresh))
    kept = existing[[run not in replaced for run in _keys(existing)]]
    return pd.concat([kept, fresh[list(store.TABLES[name])]], ignore_index=True)


def _take_run(path: Path, results: Path, found: _Found) -> None:
    """Scores, losses and facts of one run; nothing of the metrics of a whole experiment."""
    names = names_of_run(path.relative_to(results / "evaluation").parent)
    if names is None:
        return
    run = tuple(names[column] for column in RUN)
    try:
        rows = _whole_rows(path, contract.SCORES, ("value",))
        if any((rows[name] != value).any() for name, value in zip(RUN, run, strict=True)):
            raise _Unfinished("its metrics are of another run")
        facts = _facts(run, path, results)
        losses = _losses(run, results)
    except _Unfinished as reason:
        found.skipped.append(f"{path.parent.relative_to(results / 'evaluation')}: {reason}")
        return
    found.facts[run] = facts
    found.tables[store.SCORES].append(rows)
    if losses is not None:
        found.tables[store.HISTORIES].append(losses)


def _losses(run: Run, results: Path) -> pd.DataFrame | None:
    """The losses of every epoch of a run; None of a floor or ceiling.

    Raises:
        _Unfinished: they are not whole.
    """
    if run[RUN.index("model")] in REFERENCES:
        return None
    rows = _whole_rows(_weights(run, results).with_name("history.csv"), contract.HISTORY, ("validation_loss",))
    return rows.assign(**dict(zip(RUN, run, strict=True)))


def _take_measured(name: str, results: Path, found: _Found) -> None:
    """What was measured of the scenes of several runs, run by run."""
    file, columns, numbers = _MEASURED[name]
    for path in sorted((results / "evaluation").glob(f"*/{file}")):
        where = path.relative_to(results / "evaluation")
        try:
            rows = _whole_rows(path, columns, numbers).assign(**_headline(path))
        except _Unfinished as reason:
            found.skipped.append(f"{where}: {reason}")
            continue
        for run, own in rows.groupby(list(RUN)):
            try:
                _facts(run, path, results)
                found.tables[name].append(own)
            except _Unfinished as reason:
                found.skipped.append(f"{'/'.join(run)} in {where}: {reason}")


def _headline(path: Path) -> dict[str, str]:
    """Block and level of the scenes that a file was measured of.

    Raises:
        _Unfinished: its sidecar does not say.
    """
    try:
        headline = read_provenance(path)["configuration"]["headline"]
        return {"block": headline["block"], "level": headline["level"]}
    except (InputError, KeyError, TypeError) as error:
        raise _Unfinished(f"its sidecar lacks something ({error})") from error


def _whole_rows(path: Path, columns: tuple[str, ...], numbers: Iterable[str]) -> pd.DataFrame:
    """These columns of a table, as text.

    Raises:
        _Unfinished: it is not whole.
    """
    try:
        rows = read_text(path)
    except InputError as error:
        raise _Unfinished(str(error)) from error
    if not set(columns) <= set(rows) or rows.empty or not all(_are_numbers(rows[name]) for name in numbers):
        raise _Unfinished(f"its {path.stem} {'are' if path.stem.endswith('s') else 'is'} not whole")
    return rows[list(columns)]


def _are_numbers(values: pd.Series) -> bool:
    """Whether every text is a number or, for a region without pixels, empty."""
    return bool(pd.to_numeric(values[values != ""], errors="coerce").notna().all())


def _weights(run: Run, results: Path) -> Path:
    return results / TRAINING.format(**dict(zip(RUN, run, strict=True))) / "model.pt"


def _facts(run: Run, metrics: Path, results: Path) -> dict[str, str]:
    """The facts of a run's training as text; empty for a floor or ceiling."""
    if run[RUN.index("model")] in REFERENCES:
        return dict.fromkeys(FACTS, "")
    weights = _weights(run, results)
    if not weights.is_file() or not sidecar(weights).is_file():
        raise _Unfinished("its weights or their sidecar are missing")
    if weights.with_name("state.pt").exists():
        raise _Unfinished("it is still being trained")
    try:
        found, measured = (read_provenance(path) for path in (weights, metrics))
        if measured["started"] < found["started"]:
            raise _Unfinished("its metrics are of earlier weights")
        return {name: _text(value) for name, value in _picked(found).items()}
    except (InputError, KeyError, TypeError) as error:
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
        "date": datetime.fromtimestamp(found["started"], UTC).date().isoformat(),
    }


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.9g}" if isinstance(value, float) else str(value)


def whole_seeds(runs: pd.DataFrame, networks: Iterable[str]) -> set:
    """The seeds that have all of these networks, among runs that were trained alike (``model``
    and ``seed``).
    """
    wanted = set(networks)
    return {seed for seed, models in runs.groupby("seed")["model"] if wanted <= set(models)}


def _whole(runs: pd.DataFrame) -> dict[str, int]:
    """Dataset to how many of its seeds are whole, see `Harvest`; sorted."""
    own = runs[runs["model"].isin(TABLE_1) & (runs["loss"] == "mse") & (runs["dataset"] == runs["test"])]
    best: dict[str, tuple[bool, int, int]] = {}
    for (dataset, n_train, *_), alike in own.groupby(["dataset", "n_train", "epochs", "batch_size"]):
        seeds = len(whole_seeds(alike, TABLE_1))
        best[dataset] = max(best.get(dataset, (False, 0, 0)), (seeds > 0, int(n_train), seeds))
    return {dataset: seeds for dataset, (_, _, seeds) in sorted(best.items())}


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m ptychoformer.publication.harvest",
        description=(
            "Gather the finished runs of a results folder into a store; runs that the store has are replaced, others"
            " kept."
        ),
    )
    parser.add_argument("results", help="folder of results, for example results/paper")
    parser.add_argument("store", help="folder to make or add to, for example resources/reference")
    parser.add_argument(
        "--config", nargs="+", default=CONFIG, metavar="FILE", help="of the results, overlays last [%(default)s]"
    )
    chosen = parser.parse_args(arguments)
    try:
        print(harvest(chosen.results, chosen.store, shown_by(load(chosen.config))))
    except PtychoformerError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
