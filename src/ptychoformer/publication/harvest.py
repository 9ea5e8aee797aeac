"""Finished runs of a results folder, gathered into a store that outlives the folder (`store`).

    python -m ptychoformer.publication.harvest results/paper resources/reference

Every run's scores and losses are kept with the facts of its training from the sidecar of its
weights, and what the folder has measured of its scene's frequencies. Runs that the store already
has are replaced, all others are kept, so that a store can grow over machines and days; the same
runs give the same bytes, in whatever order. Of one seed, the scenes that Figures 4 and 8 show are
kept too: which these are, the config says.
"""

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ptychoformer.configuration import CONFIG, FULL_SIZE, load
from ptychoformer.errors import InputError, PtychoformerError
from ptychoformer.evaluation import REFERENCES
from ptychoformer.evaluation.columns import RUN
from ptychoformer.files import not_a_folder
from ptychoformer.parsing import Parser
from ptychoformer.publication.names import counted
from ptychoformer.publication.store import files as store
from ptychoformer.publication.store.files import FACTS, Run
from ptychoformer.publication.store.finished import Finished, finished_runs
from ptychoformer.publication.store.holdings import VIEWS
from ptychoformer.publication.store.views import Shown, keep_views, shown_by

TABLE_1 = frozenset(("ptychonn", "ptynet", "dpi", "ptychoformer"))  # the networks that the paper compares


@dataclass(frozen=True)
class Harvest:
    """What was found.

    Args:
        runs: trained networks of the folder, by `RUN` as text.
        new: those of them that the store did not have.
        whole: dataset to the number of its whole seeds in the store: seeds that have every network
            of the paper's Table I, trained alike (``n_train``, loss MSE, epochs, batch size) and
            tested on the dataset itself. The largest ``n_train`` with a whole seed counts.
        skipped: folders of half-finished runs, with the reason.
    """

    runs: tuple[Run, ...]
    new: tuple[Run, ...]
    whole: dict[str, int]
    skipped: tuple[str, ...]

    def __str__(self) -> str:
        seeds = [f"{dataset}: {counted(count, 'whole seed')}" for dataset, count in self.whole.items()]
        counts = f"{counted(len(self.runs), 'run')}, {len(self.new)} new"
        return "\n".join([", ".join([counts, *seeds]), *(f"skipped {reason}" for reason in self.skipped)])


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
        InputError: there is no such folder, the store is none or cannot be one, or a table of it
            has other columns.
    """
    results = Path(results_folder)
    if not (results / "evaluation").is_dir():
        raise InputError(f"{results} is no folder of results: it has no folder 'evaluation'.")
    if other := not_a_folder(Path(folder)):
        raise InputError(f"{other} is a file; the store is a folder, such as resources/reference.")
    existing = store.read_existing(folder)
    found = finished_runs(results)
    known = dict(
        zip(
            store.keys(existing[store.RUNS]),
            existing[store.RUNS][list(FACTS)].itertuples(index=False, name=None),
            strict=True,
        )
    )
    fresh = {run: tuple(facts.values()) for run, facts in found.facts.items()}
    remade = {run for run, facts in fresh.items() if known.get(run, facts) != facts}
    facts = pd.DataFrame(
        [(*run, *values) for run, values in (known | fresh).items()], columns=[*RUN, *FACTS], dtype=str
    )
    viewed, skipped = keep_views(Path(folder, VIEWS), results, shown, set(fresh), remade)
    store.write(folder, facts, {name: _merged(name, existing[name], found, remade) for name in store.TABLES}, viewed)
    networks = tuple(run for run in sorted(fresh) if run[RUN.index("model")] not in REFERENCES)
    return Harvest(
        networks, tuple(run for run in networks if run not in known), _whole(facts), (*found.skipped, *skipped)
    )


def _merged(name: str, existing: pd.DataFrame, found: Finished, remade: set[Run]) -> pd.DataFrame:
    """Keep what there was, but for runs with fresh rows or trained anew, and add what is fresh."""
    fresh = pd.concat(found.tables[name], ignore_index=True) if found.tables[name] else existing.iloc[:0]
    replaced = remade | set(store.runs_in(fresh))
    kept = existing[[run not in replaced for run in store.keys(existing)]]
    return pd.concat([kept, fresh[list(store.TABLES[name])]], ignore_index=True)


def whole_seeds(runs: pd.DataFrame, networks: Iterable[str]) -> set:
    """Find the seeds that have all of these networks, among runs that were trained alike (``model``
    and ``seed``).
    """
    wanted = set(networks)
    return {seed for seed, models in runs.groupby("seed")["model"] if wanted <= set(models)}


def _whole(runs: pd.DataFrame) -> dict[str, int]:
    """Count the whole seeds of each dataset, see `Harvest`; sorted."""
    own = runs[runs["model"].isin(TABLE_1) & (runs["loss"] == "mse") & (runs["dataset"] == runs["test"])]
    best: dict[str, tuple[bool, int, int]] = {}
    for (dataset, n_train, *_), alike in own.groupby(["dataset", "n_train", "epochs", "batch_size"]):
        seeds = len(whole_seeds(alike, TABLE_1))
        best[dataset] = max(best.get(dataset, (False, 0, 0)), (seeds > 0, int(n_train), seeds))
    return {dataset: seeds for dataset, (_, _, seeds) in sorted(best.items())}


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    parser = Parser(
        "python -m ptychoformer.publication.harvest",
        description=(
            "Gather the finished runs of a results folder into a store; runs that the store has are replaced, others"
            " kept."
        ),
    )
    parser.add_argument("results", help="folder of results, for example results/paper")
    parser.add_argument("store", help="folder to make or add to, for example resources/reference")
    parser.add_argument(
        "--config",
        nargs="+",
        default=(CONFIG, FULL_SIZE),
        metavar="FILE",
        help="of the results, overlays last [%(default)s]",
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
