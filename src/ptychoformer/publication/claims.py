"""The paper's claims, read from ``resources/published/claims.yaml``, and what our runs say of each.

`verdicts` has the rules by which a claim holds, does not hold or stays undecided; `contrasts` has how its numbers are found. A claim is
judged on the runs of this workflow (``local``) and again on runs that were harvested from elsewhere (``reference``, see `harvest`),
wherever these have at least one seed with everything that the claim names, trained for the same number of epochs with the same batch
size. Runs of one network by several versions of the code count as replicates of each other, and the scale says how many versions.

Claims are about the authors' test block, whose rim training patterns light. So each is judged once more on the ``unseen`` part of the
block, which none of them does, by the same rules on the same runs.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from ptychoformer.errors import InputError
from ptychoformer.publication.contrasts import EACH, LARGEST, SMALLEST, UNITS, Check, Missing, contrasts, left_out, runs_used
from ptychoformer.publication.evidence import BAND_COLUMNS, COLUMNS, RUN, Numbers, band_metrics
from ptychoformer.publication.inputs import read_table, versions_of_code
from ptychoformer.publication.verdicts import HOLDS, UNDECIDED, Verdict, decide
from ptychoformer.storage import write_csv

BANDS = "bands"  # the experiment whose numbers are energy shares
LOCAL, REFERENCE = "local", "reference"
JUDGES = ("ranking", "sign", "size")
SIZES = ("at_least", "about")
COMPARISONS = ("greater", *SIZES, "no_difference", "increasing", "smaller_drop")
EFFECTS = ("difference", "relative_to_worse", "relative_to_better")
MAX_QUOTE = 25
_REQUIRED = {"id", "place", "quote", "statement", "judges", "scope", "test"}
_SCHEDULE, _CODE = ["epochs", "batch_size"], "code_digest"
_BLOCK, _UNSEEN = ("block",), ("unseen",)
_LISTS = ("dataset", "channel", "metric", "region", "better", "worse", "among")
OUTPUT_COLUMNS = [
    *("id", "place", "statement", "judges", "verdict", "verdict_unseen", "effect", "low", "high", "unit", "n_seeds", "rival", "reason"),
    *("scale", "source", "published_value"),
]


@dataclass(frozen=True)
class Claim:
    """One checkable statement of the paper.

    Args:
        id: kebab-case.
        place: section, table or figure.
        quote: verbatim, at most ``MAX_QUOTE`` words.
        statement: the same as one plain sentence.
        judges: ``ranking``, ``sign`` or ``size``.
        scope: the conditions for which the paper says it.
        test: the same for a machine.
        published: the paper's own effect, in the unit of the test; None where it prints none.
        note: what a reader should know of the paper's own evidence.
    """

    id: str
    place: str
    quote: str
    statement: str
    judges: str
    scope: str
    test: Check
    published: float | None = None
    note: str = ""


def read_claims(path: str | os.PathLike) -> list[Claim]:
    """All claims, in their order.

    Raises:
        InputError: the file cannot be read, or a claim is incomplete, given twice or not understood; the sentence names it.
    """
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise InputError(f"{path} cannot be read as YAML ({str(error).splitlines()[0]}).") from error
    if not isinstance(content, dict) or not isinstance(content.get("claims"), list):
        raise InputError(f"{path} must hold a list under 'claims'.")
    claims = [_claim(entry) for entry in content["claims"]]
    names = [claim.id for claim in claims]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"{path} has the claim '{twice[0]}' twice.")
    return claims


def _claim(entry: Mapping[str, Any]) -> Claim:
    name = entry.get("id", "without an id")
    _check_keys(f"Claim {name}", entry, {part.name for part in fields(Claim)}, _REQUIRED)
    claim = Claim(**{**entry, "test": _test(name, dict(entry["test"]))})
    if claim.judges not in JUDGES:
        raise InputError(f"Claim {name}: judges is '{claim.judges}', allowed are {', '.join(JUDGES)}.")
    if (claim.judges == "size") != (claim.test.comparison in SIZES):
        raise InputError(f"Claim {name}: a size, and nothing else, is judged by {' or '.join(SIZES)}; found '{claim.test.comparison}'.")
    if len(claim.quote.split()) > MAX_QUOTE:
        raise InputError(f"Claim {name}: a quote may have {MAX_QUOTE} words, found {len(claim.quote.split())}.")
    return claim


def _test(name: str, entry: dict[str, Any]) -> Check:
    where = f"Claim {name}, test"
    allowed = {part.name for part in fields(Check)} - {"drop"} | {"from", "to"}
    _check_keys(where, entry, allowed, {"experiment", "comparison", "dataset", "channel", "metric"})
    ends = [entry.pop(key) for key in ("from", "to") if key in entry]
    lists = {key: (entry[key],) if isinstance(entry[key], str) else tuple(entry[key]) for key in _LISTS if key in entry}
    test = Check(**{**entry, **lists, "drop": tuple(ends)})
    for key, found, names in (
        ("comparison", (test.comparison,), COMPARISONS),
        ("effect", (test.effect,), EFFECTS),
        ("compare", (test.compare,), ("model", "loss")),
        ("metric", test.metric, tuple(UNITS)),
        ("n_train", (test.n_train,), (None, EACH)),
        ("along", tuple(test.along), (test.compare, "dataset", "n_train")),
        ("along.n_train", (test.along.get("n_train"),), (None, "rising", "falling")),
        ("from, to", tuple(end.get("n_train") for end in ends), (None, LARGEST, SMALLEST)),
    ):
        if wrong := [value for value in found if value not in names]:
            raise InputError(f"{where}: {key} '{wrong[0]}' is unknown, allowed are {', '.join(str(value) for value in names if value)}.")
    if complaint := _incomplete(test):
        raise InputError(f"{where}: {complaint}.")
    return test


def _incomplete(test: Check) -> str:
    """What a test lacks for its comparison, in words; empty if nothing."""
    relative = test.effect != "difference"
    checks = {
        "a size needs a positive value": (test.comparison in SIZES) != (test.value > 0),
        "a size is of one metric and channel": test.comparison == "about" and len(test.channel) * len(test.metric) * len(test.dataset) > 1,
        "smaller_drop, and nothing else, needs from and to": (test.comparison == "smaller_drop") != (len(test.drop) == 2),
        "increasing, and nothing else, needs along with one key": (test.comparison == "increasing") != (len(test.along) == 1),
        "no_difference, and nothing else, needs among, of at least two": (test.comparison == "no_difference") != (len(test.among) > 1),
        "no_difference needs a positive margin for every channel and metric": test.comparison == "no_difference"
        and not all(test.margin.get(channel, {}).get(metric, 0) > 0 for channel in test.channel for metric in test.metric),
        "better is missing": not (test.better or test.among or test.compare in test.along),
        "smaller_drop needs worse": test.comparison == "smaller_drop" and not test.worse,
        "a relative effect needs worse, and neither along nor from": relative and not (test.worse and not test.along and not test.drop),
    }
    return next((words for words, wrong in checks.items() if wrong), "")


def _check_keys(where: str, entry: Mapping[str, Any], allowed: set[str], required: set[str]) -> None:
    if not isinstance(entry, Mapping):
        raise InputError(f"{where} must be a mapping.")
    if unknown := sorted(set(entry) - allowed):
        raise InputError(f"{where}: '{unknown[0]}' is unknown, allowed are {', '.join(sorted(allowed))}.")
    if missing := sorted(required - set(entry)):
        raise InputError(f"{where}: '{missing[0]}' is missing.")


def judge(
    claims_yaml: str | os.PathLike,
    metrics: Mapping[str, str | os.PathLike],
    bands_csv: str | os.PathLike | None,
    reference_csv: str | os.PathLike | None,
    *,
    scales: Mapping[str, str],
    output_csv: str | os.PathLike,
) -> None:
    """Write the verdict on every claim, with the columns ``OUTPUT_COLUMNS``.

    ``verdict_unseen`` is the verdict on the unseen part of the test block; empty for claims that are not about the block. ``effect``,
    ``low`` and ``high``, which belong to ``verdict``, are in ``unit``: dB; ssim and mse from 0 to 1; share of energy from 0 to 1;
    fraction for a relative effect. ``source`` is ``local`` or ``reference``; a claim has a row of the second only where it could be
    looked up there.

    Args:
        metrics: experiment to its ``metrics.csv``; experiments that were not run may be absent, or their files.
        bands_csv: energy by frequency band, as `evaluation.spectra` writes it.
        reference_csv: runs from elsewhere, as `harvest` writes them; None if there are none.
        scales: of the local runs, in words, by experiment (`bands` too); an experiment that was not run needs none.

    Raises:
        InputError: a file that exists breaks its contract, or the claims do.
    """
    claims = read_claims(claims_yaml)
    local = {name: Numbers(read_table(path, COLUMNS)) for name, path in metrics.items() if Path(path).is_file()}
    if bands_csv is not None and Path(bands_csv).is_file():
        local[BANDS] = Numbers(band_metrics(read_table(bands_csv, BAND_COLUMNS)))
    reference = _reference(reference_csv)
    rows = []
    for claim in claims:
        experiment = claim.test.experiment
        rows.append(_row(claim, local.get(experiment), scales.get(experiment, ""), LOCAL))
        if found := _best_reference(claim.test, reference):
            rows.append(_row(claim, *found, REFERENCE))
    write_csv(pd.DataFrame(rows, columns=OUTPUT_COLUMNS), output_csv)


def verdict_of(test: Check, numbers: Numbers | None) -> Verdict:
    """The verdict on one claim from the numbers of its experiment; undecided, with the reason, where they lack something."""
    if numbers is None:
        return Verdict(UNDECIDED, f"the experiment {test.experiment} was not run")
    try:
        made = contrasts(test, numbers)
    except Missing as missing:
        return Verdict(UNDECIDED, str(missing))
    comparison = test.comparison if test.comparison in (*SIZES, "no_difference") else "greater"
    verdict = decide(made, comparison, test.value, test.significance)
    absent = left_out(test, numbers)
    if absent and verdict.verdict == HOLDS:
        return replace(verdict, verdict=UNDECIDED, reason=f"every step that was run rises, but {', '.join(absent)} were not run")
    return verdict


def verdict_on_unseen(test: Check, numbers: Numbers | None) -> str:
    """The verdict on a claim about the test block, on the part of it that no training pattern lights; empty for any other claim."""
    return verdict_of(replace(test, region=_UNSEEN), numbers).verdict if test.region == _BLOCK else ""


@dataclass(frozen=True)
class _Group:
    """Runs from elsewhere that were trained alike; ``runs`` has a row each with `RUN` and its digest of the code."""

    epochs: int
    numbers: Numbers
    runs: pd.DataFrame

    def scale(self, used: set[tuple]) -> str:
        """How the runs that were used were trained, in words."""
        rows = self.runs[[run in used for run in self.runs[list(RUN)].itertuples(index=False, name=None)]]
        versions = versions_of_code(rows)
        patterns = " and ".join(f"{size:,}" for size in sorted(set(rows["n_train"])))
        return f"{patterns} patterns, {self.epochs} epochs" + (f", {versions} versions of the code" if versions > 1 else "")


def _reference(path: str | os.PathLike | None) -> list[_Group]:
    """Every group of runs that were trained alike."""
    if path is None:
        return []
    # Floors and ceilings have no epochs, and no claim names them.
    table = read_table(path, (*COLUMNS, *_SCHEDULE, _CODE)).dropna(subset=_SCHEDULE)
    return [_Group(int(epochs), Numbers(group), group[[*RUN, _CODE]].drop_duplicates()) for (epochs, _), group in table.groupby(_SCHEDULE)]


def _best_reference(test: Check, groups: list[_Group]) -> tuple[Numbers, str] | None:
    """Numbers and scale of the group of runs that have all that the claim names, with the largest training sets, then most seeds."""
    found = []
    for group in groups if test.experiment != BANDS else ():
        if seeds := verdict_of(test, group.numbers).n_seeds:
            used = runs_used(test, group.numbers)
            largest = max(run[RUN.index("n_train")] for run in used)
            found.append((largest, seeds, group.epochs, group.numbers, group.scale(used)))
    return max(found, key=lambda entry: entry[:3])[3:] if found else None


def _row(claim: Claim, numbers: Numbers | None, scale: str, source: str) -> dict[str, Any]:
    about = {name: getattr(claim, name) for name in ("id", "place", "statement", "judges")}
    verdicts = vars(verdict_of(claim.test, numbers)) | {"verdict_unseen": verdict_on_unseen(claim.test, numbers)}
    return about | verdicts | {"scale": scale, "source": source, "published_value": claim.published}
