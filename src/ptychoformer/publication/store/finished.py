"""Finished runs of a results folder: whole ones alone, and of the others why they were left out."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from ptychoformer.errors import InputError
from ptychoformer.evaluation import REFERENCES
from ptychoformer.evaluation import columns as contract
from ptychoformer.evaluation.columns import RUN
from ptychoformer.paths import EVALUATION, TRAINING, names_of_run
from ptychoformer.provenance import read_provenance, sidecar
from ptychoformer.publication.store import files as store
from ptychoformer.publication.store.files import FACTS, Run
from ptychoformer.tables import read_text

# What is measured of the scenes of several runs together: the file, its columns, and the numbers
# among them.
_MEASURED = {
    store.BANDS: ("bands.csv", contract.BAND_ENERGIES, ("estimate", "truth")),
    store.SPECTRA: ("spectra.csv", contract.SPECTRA, ("frequency", "value")),
}


class _Unfinished(Exception):
    """A run that cannot be taken yet; the message says why."""


@dataclass
class Finished:
    """What a results folder holds of finished runs.

    Args:
        facts: of their trainings, as text.
        tables: rows of each table of the store.
        skipped: what was left out, with the reason.
    """

    facts: dict[Run, dict[str, str]] = field(default_factory=dict)
    tables: dict[str, list[pd.DataFrame]] = field(default_factory=lambda: {name: [] for name in store.TABLES})
    skipped: list[str] = field(default_factory=list)


def finished_runs(results: Path) -> Finished:
    """Collect scores, losses, spectra and facts of the finished runs of a results folder."""
    found = Finished()
    for path in sorted((results / "evaluation").rglob("metrics.csv")):
        _take_run(path, results, found)
    for name in _MEASURED:
        _take_measured(name, results, found)
    return found


def _take_run(path: Path, results: Path, found: Finished) -> None:
    """Take scores, losses and facts of one run; nothing of the metrics of a whole experiment."""
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
    """Read the losses of every epoch of a run; None of a floor or ceiling.

    Raises:
        _Unfinished: they are not whole.
    """
    if run[RUN.index("model")] in REFERENCES:
        return None
    rows = _whole_rows(_weights(run, results).with_name("history.csv"), contract.HISTORY, ("validation_loss",))
    return rows.assign(**dict(zip(RUN, run, strict=True)))


def _take_measured(name: str, results: Path, found: Finished) -> None:
    """Take what was measured of the scenes of several runs: of those alone whose scores are taken,
    so that nothing stands beside the scores of another training.
    """
    file, columns, numbers = _MEASURED[name]
    for path in sorted((results / "evaluation").glob(f"*/{file}")):
        where = path.relative_to(results / "evaluation")
        try:
            rows, started = _whole_rows(path, columns, numbers).assign(**_headline(path)), _started(path)
        except _Unfinished as reason:
            found.skipped.append(f"{where}: {reason}")
            continue
        for run, own in rows.groupby(list(RUN)):
            try:
                if run not in found.facts:
                    raise _Unfinished("its scores are not taken")
                if started < _started(_metrics(run, results)):
                    raise _Unfinished("it was measured of earlier scenes")
                found.tables[name].append(own)
            except _Unfinished as reason:
                found.skipped.append(f"{'/'.join(run)} in {where}: {reason}")


def _headline(path: Path) -> dict[str, str]:
    """Read block and level of the scenes that a file was measured of.

    Raises:
        _Unfinished: its sidecar does not say.
    """
    try:
        headline = read_provenance(path)["configuration"]["headline"]
        return {"block": headline["block"], "level": headline["level"]}
    except (InputError, KeyError, TypeError) as error:
        raise _Unfinished(f"its sidecar lacks something ({error})") from error


def _started(path: Path) -> float:
    """Read when the job began that made a file. One that was made of another began after that one.

    Raises:
        _Unfinished: its sidecar does not say.
    """
    try:
        return float(read_provenance(path)["started"])
    except (InputError, KeyError, TypeError, ValueError) as error:
        raise _Unfinished(f"its sidecar lacks something ({error})") from error


def _whole_rows(path: Path, columns: tuple[str, ...], numbers: Iterable[str]) -> pd.DataFrame:
    """Read these columns of a table, as text.

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
    """Say whether every text is a number or, for a region without pixels, empty."""
    return bool(pd.to_numeric(values[values != ""], errors="coerce").notna().all())


def _metrics(run: Run, results: Path) -> Path:
    """Find the scores of a run, which the job made that stitched its scenes."""
    return results / EVALUATION.format(**dict(zip(RUN, run, strict=True))) / "metrics.csv"


def _weights(run: Run, results: Path) -> Path:
    return results / TRAINING.format(**dict(zip(RUN, run, strict=True))) / "model.pt"


def _facts(run: Run, metrics: Path, results: Path) -> dict[str, str]:
    """Read the facts of a run's training as text; empty for a floor or ceiling."""
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
        "parameters": found["parameters"],
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
