"""The provenance part of the report: every trained network, how long it took, and with which
libraries.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from ptychoformer.evaluation.quantities import MISSING, number
from ptychoformer.paths import Run
from ptychoformer.publication.report.labels import Labels
from ptychoformer.publication.report.printed import Printed

_FACTS = ("package", "configuration_digest", "code", "device", "machine", "date", "seconds")
_AGAIN = "again"  # of a run that was trained once more, for Figure 9
Trained = tuple[Run, Mapping[str, Any]]


def trained_runs(printed: Printed, labels: Labels) -> list[Trained]:
    """Sort every run, with its provenance, in the order of the tables; those that were trained
    again come last, and are marked.
    """
    again = [(run, {**facts, _AGAIN: True}) for run, facts in printed.retrained.items()]
    return [
        pair
        for pairs in (printed.trained.items(), again)
        for pair in sorted(pairs, key=lambda pair: _rank_of_run(pair[0], labels))
    ]


def _condition(run: Run, facts: Mapping[str, Any], labels: Labels) -> str:
    return f"{labels.dataset(run.dataset)}{', again' if _AGAIN in facts else ''}"


def _rank_of_run(run: Run, labels: Labels) -> tuple:
    method = _rank(labels.networks, run.model), _rank(labels.losses, run.loss)
    return _rank(labels.datasets, run.dataset), -run.n_train, *method, run


def _rank(names: Mapping[str, str], name: str) -> int:
    return list(names).index(name) if name in names else len(names)


def run_rows(runs: Iterable[Trained], labels: Labels) -> list[list[str]]:
    """Write one row a run: what it is, and the facts of its provenance."""
    return [
        [
            *(
                _condition(run, facts, labels),
                labels.network(run.model),
                labels.loss(run.loss),
                str(run.n_train),
                str(run.seed),
            ),
            *(_fact(facts, name) for name in _FACTS),
        ]
        for run, facts in runs
    ]


def _fact(facts: Mapping[str, Any], name: str) -> str:
    if name == "code":
        return str(facts.get("configuration", {}).get("code", MISSING))
    if name == "date" and "started" in facts:
        return datetime.fromtimestamp(facts["started"], UTC).date().isoformat()
    return str(facts.get(name) or MISSING)


def duration_rows(runs: Iterable[Trained], labels: Labels) -> list[list[str]]:
    """Count runs and average their seconds: a row a network (with its number of parameters), loss,
    dataset, size and device.
    """
    places = ["condition", "patterns", "network", "loss", "device", "parameters"]
    found = pd.DataFrame(
        [
            (
                *(_condition(run, facts, labels), f"{run.n_train:,}", labels.network(run.model), labels.loss(run.loss)),
                str(facts.get("device", MISSING)),
                f"{facts['parameters']:,}" if facts.get("parameters") else MISSING,
                # Of the training alone: the job may have gone on from an earlier one's state.
                float(facts.get("training_seconds", "nan")),
            )
            for run, facts in runs
        ],
        columns=[*places, "seconds"],
    )
    rows = found.groupby(places, sort=False)["seconds"].agg(runs="size", mean="mean")
    return [
        [*place, str(row.runs), number(row.mean, 0)] for place, row in zip(rows.index, rows.itertuples(), strict=True)
    ]


def libraries(runs: Iterable[Trained]) -> list[tuple[str, str]]:
    """List every version of every library that a run was trained with."""
    found: dict[str, set[str]] = {}
    for _, facts in runs:
        for name, version in facts.get("libraries", {}).items():
            found.setdefault(name, set()).add(version)
    return [(name, ", ".join(sorted(versions))) for name, versions in found.items()]
