"""What our runs say of each of the paper's claims (`catalogue`).

`verdicts` has the rules by which a claim holds, does not hold or stays undecided; `contrasts` has
how its numbers are found. A claim is judged on the runs of this workflow (``local``) and again on
runs that were harvested from elsewhere (``reference``, see `harvest`), wherever these have at least
one seed with everything that the claim names, trained for the same number of epochs with the same
batch size. Runs of one network by several versions of the code count as replicates of each other,
and the scale says how many versions. A verdict on fewer reference seeds than were fixed beforehand
is *interim*.

A claim that names no block and no level is about the headline's. It is judged once more elsewhere,
by the same rules on the same runs: on the part of the block that no training pattern lights, on
other blocks, and over single patterns (`Check.elsewhere`).
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from ptychoformer.evaluation.columns import BAND_ENERGIES, RUN, read_table
from ptychoformer.evaluation.metrics import read_metrics
from ptychoformer.publication.claims.catalogue import SIZES, Claim, read_claims
from ptychoformer.publication.claims.check import ELSEWHERE, Check
from ptychoformer.publication.claims.contrasts import Missing, contrasts, left_out, quoted, runs_used, sizes_left_out
from ptychoformer.publication.claims.evidence import Numbers, band_metrics
from ptychoformer.publication.claims.verdicts import HOLDS, UNDECIDED, Verdict, decide
from ptychoformer.publication.inputs import versions_of_code
from ptychoformer.publication.names import several_devices
from ptychoformer.publication.store.files import read_bands, read_runs, read_scores
from ptychoformer.publication.store.holdings import SEEDS_FIXED
from ptychoformer.tables import write_csv

BANDS = "bands"  # the experiment whose numbers are energy shares
LOCAL, REFERENCE = "local", "reference"
_SCHEDULE, _CODE, _DEVICE = ["epochs", "batch_size"], "code_digest", "device"
VERDICTS_ELSEWHERE = tuple(f"verdict_{name}" for name in ELSEWHERE)
OUTPUT_COLUMNS = [
    *("id", "place", "statement", "judges", "verdict", *VERDICTS_ELSEWHERE),
    *("effect", "low", "high", "unit", "n_seeds", "rival", "reason"),
    *("scale", "source", "interim", "published_value", "note", "experiment"),
]


def judge(
    claims_yaml: str | os.PathLike,
    metrics: Mapping[str, str | os.PathLike],
    bands_csv: str | os.PathLike | None,
    reference: str | os.PathLike | None,
    *,
    block: str,
    level: str,
    scales: Mapping[str, str],
    store: str | os.PathLike | None = None,
    asked: Mapping[str, Mapping[str, Sequence[int]]] | None = None,
    asked_of_reference: Mapping[str, Sequence[int | str]] | None = None,
    output_csv: str | os.PathLike,
) -> None:
    """Write the verdict on every claim, with the columns ``OUTPUT_COLUMNS``.

    ``verdict_unseen`` and so on are the verdicts elsewhere, empty for claims that are not judged
    there. ``effect``, ``low`` and ``high``, which belong to ``verdict``, are in ``unit``: dB; ssim
    and mse from 0 to 1; share of energy from 0 to 1; fraction for a relative effect. ``source`` is
    ``local`` or ``reference``; a claim has a row of the second only where it could be looked up
    there.

    Args:
        metrics: experiment to its ``metrics.csv``; experiments that were not run may be absent, or
            their files.
        bands_csv: energy by frequency band, as `evaluation.spectra` writes it, of the headline's
            scenes.
        reference: folder of runs from elsewhere (`store`); None if there are none.
        block, level: the headline, of which a claim is that names none.
        scales: of the local runs, in words, by experiment (`bands` too); an experiment that was not
            run needs none.
        store: folder of the runs from which the local ones are printed; of these, fewer seeds than
            were fixed beforehand are interim. None if they were trained here.
        asked: experiment to its datasets, and these to their numbers of training patterns,
            ascending; a claim about all of them cannot hold where one was not run.
        asked_of_reference: the same of the runs from elsewhere, of every dataset of an experiment
            alike; ``all`` is above the others.

    Raises:
        InputError: a file that exists breaks its contract, or the claims do.
    """
    claims = read_claims(claims_yaml)
    local = {name: Numbers(read_metrics(path)) for name, path in metrics.items() if Path(path).is_file()}
    if bands_csv is not None and Path(bands_csv).is_file():
        local[BANDS] = Numbers(band_metrics(read_table(bands_csv, BAND_ENERGIES).assign(block=block)))
    devices, devices_of_bands = _devices(store)
    runs, bands = _runs(reference), _bands(reference, level)
    where, rows = (block, level), []
    for claim in claims:
        experiment = claim.test.experiment
        sizes = (asked or {}).get(experiment, {})
        numbers, on = local.get(experiment), devices_of_bands if experiment == BANDS else devices
        scale = scales.get(experiment, "") + _on_devices(claim.test.on(*where), numbers, on)
        rows.append(_row(claim, where, numbers, scale, LOCAL, store is not None, sizes))
        if found := _best_reference(claim.test.on(*where), bands if experiment == BANDS else runs):
            alike = dict.fromkeys(claim.test.dataset, (asked_of_reference or {}).get(experiment, ()))
            rows.append(_row(claim, where, *found, REFERENCE, True, alike))
    write_csv(pd.DataFrame(rows, columns=OUTPUT_COLUMNS), output_csv)


def verdict_of(test: Check, numbers: Numbers | None, asked: Mapping[str, Sequence[int | str]] | None = None) -> Verdict:
    """Judge one claim by the numbers of its experiment; it is undecided, with the reason, where
    they lack something.

    Args:
        asked: dataset to its numbers of training patterns, as `contrasts.sizes_left_out` takes it.
    """
    if numbers is None:
        return Verdict(UNDECIDED, f"the experiment {quoted(test.experiment)} was not run")
    try:
        made = contrasts(test, numbers)
    except Missing as missing:
        return Verdict(UNDECIDED, str(missing))
    comparison = test.comparison if test.comparison in (*SIZES, "no_difference") else "greater"
    verdict = decide(made, comparison, test.value, test.significance)
    lacking = ", ".join(sizes_left_out(test, numbers, asked or {}))
    if test.drop and lacking:
        reason = f"of the training sets that it compares, {lacking} were not run"
    elif verdict.verdict != HOLDS:
        return verdict
    elif steps := left_out(test, numbers):
        reason = f"every step that was run rises, but {quoted(*steps)} were not run"
    elif lacking:
        reason = f"it holds for the training sets that were run, but {lacking} were not"
    else:
        return verdict
    return replace(verdict, verdict=UNDECIDED, reason=reason)


def _row(
    claim: Claim,
    where: tuple[str, str],
    numbers: Numbers | None,
    scale: str,
    source: str,
    harvested: bool,
    asked: Mapping[str, Sequence[int | str]],
) -> dict[str, Any]:
    verdict = verdict_of(claim.test.on(*where), numbers, asked)
    others = {
        f"verdict_{name}": verdict_of(test, numbers, asked).verdict
        for name, test in claim.test.elsewhere(*where).items()
    }
    about = {name: getattr(claim, name) for name in ("id", "place", "statement", "judges", "note")}
    about |= {"scale": scale, "source": source, "published_value": claim.published}
    about |= {"experiment": claim.test.experiment}
    return about | vars(verdict) | others | {"interim": harvested and 0 < verdict.n_seeds < SEEDS_FIXED}


def _devices(store: str | os.PathLike | None) -> tuple[dict[tuple, str], dict[tuple, str]]:
    """Map the runs of a store, and those of which it has bands, to the devices they were trained
    on.
    """
    if store is None:
        return {}, {}
    bands = read_bands(store)
    return _by_run(read_runs(store)), {} if bands is None else _by_run(bands)


def _by_run(table: pd.DataFrame) -> dict[tuple, str]:
    return dict(zip(table[list(RUN)].itertuples(index=False, name=None), table[_DEVICE], strict=True))


def _on_devices(test: Check, numbers: Numbers | None, devices: Mapping[tuple, str]) -> str:
    """Say on which devices the runs were trained that a claim is judged on, where these are
    several.
    """
    try:
        used = runs_used(test, numbers) if numbers else ()
    except Missing:
        return ""
    return several_devices(devices[run] for run in used if run in devices)


@dataclass(frozen=True)
class _Group:
    """Runs from elsewhere that were trained alike; ``runs`` has a row each with `RUN`, its digest
    of the code and its device.
    """

    epochs: int
    numbers: Numbers
    runs: pd.DataFrame

    def scale(self, used: set[tuple]) -> str:
        """Put in words how the runs that were used were trained."""
        rows = self.runs[[run in used for run in self.runs[list(RUN)].itertuples(index=False, name=None)]]
        versions = versions_of_code(rows)
        patterns = " and ".join(f"{size:,}" for size in sorted(set(rows["n_train"])))
        return (
            f"{patterns} patterns, {self.epochs} epochs"
            + (f", {versions} versions of the code" if versions > 1 else "")
            + several_devices(rows[_DEVICE])
        )


def _runs(folder: str | os.PathLike | None) -> list[_Group]:
    """Group the runs that were trained alike."""
    if folder is None:
        return []
    # Floors and ceilings have no epochs, and no claim names them.
    return _groups(read_scores(folder).dropna(subset=_SCHEDULE))


def _bands(folder: str | os.PathLike | None, level: str) -> list[_Group]:
    """Group likewise the bands of scenes that were stitched as the headline's are."""
    table = None if folder is None else read_bands(folder)
    return [] if table is None else _groups(table[table["level"] == level], band_metrics)


def _groups(
    table: pd.DataFrame, as_metrics: Callable[[pd.DataFrame], pd.DataFrame] = lambda metrics: metrics
) -> list[_Group]:
    return [
        _Group(int(epochs), Numbers(as_metrics(group)), group[[*RUN, _CODE, _DEVICE]].drop_duplicates())
        for (epochs, _), group in table.groupby(_SCHEDULE)
    ]


def _best_reference(test: Check, groups: list[_Group]) -> tuple[Numbers, str] | None:
    """Choose the group of runs that have all that the claim names, with the largest training sets,
    then most seeds; return its numbers and scale.
    """
    found = []
    for group in groups:
        if seeds := verdict_of(test, group.numbers).n_seeds:
            used = runs_used(test, group.numbers)
            largest = max(run[RUN.index("n_train")] for run in used)
            found.append((largest, seeds, group.epochs, group.numbers, group.scale(used)))
    return max(found, key=lambda entry: entry[:3])[3:] if found else None
