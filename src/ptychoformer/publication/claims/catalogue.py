"""The paper's claims, read from ``resources/published/claims.yaml`` and checked."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from ptychoformer.errors import InputError, first_line
from ptychoformer.evaluation import LEVELS, REGIONS, SCORED
from ptychoformer.publication.claims.check import EACH, JUDGED, LARGEST, SMALLEST, Check
from ptychoformer.publication.claims.evidence import BAND
from ptychoformer.schemas import NUMBER, TEXT, TEXTS, complaint, mapping_to
from ptychoformer.simulation.scan import GRID_BLOCKS, WHOLE_SCAN

JUDGES = ("ranking", "sign", "size")
SIZES = ("at_least", "about")
COMPARISONS = ("greater", *SIZES, "no_difference", "increasing", "smaller_drop")
EFFECTS = ("difference", "relative_to_worse", "relative_to_better")
MAX_QUOTE = 25
_REQUIRED = {"id", "place", "quote", "statement", "judges", "scope", "test"}
_LISTS = ("dataset", "channel", "metric", "region", "better", "worse", "among")
# Of the value under each key; which words it may be is checked further on.
_TEST_TYPES = {
    **dict.fromkeys(("experiment", "comparison", "test", "block", "level", "n_train"), TEXT),
    **dict.fromkeys(("compare", "held", "effect"), TEXT),
    **dict.fromkeys(_LISTS, TEXTS),
    "value": NUMBER,
    "significance": {**NUMBER, "exclusiveMinimum": 0, "exclusiveMaximum": 1},
    "margin": mapping_to(mapping_to(NUMBER)),
    "along": {"type": "object", "properties": dict.fromkeys(("model", "loss", "dataset", "n_train"), TEXTS)},
    **dict.fromkeys(("from", "to"), mapping_to(TEXT)),
}
_ENTRY = {
    "type": "object",
    "properties": {
        **dict.fromkeys(("id", "place", "quote", "statement", "judges", "scope", "note"), TEXT),
        "published": NUMBER,
        "test": {"type": "object", "properties": _TEST_TYPES},
    },
}


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
    """Read all claims, in their order.

    Raises:
        InputError: the file cannot be read, or a claim is incomplete, given twice or not
            understood; the sentence names it.
    """
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path} cannot be read as YAML ({first_line(error)}).") from error
    if not isinstance(content, dict) or not isinstance(content.get("claims"), list):
        raise InputError(f"{path} must hold a list under 'claims'.")
    claims = [_claim(entry) for entry in content["claims"]]
    names = [claim.id for claim in claims]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"{path} has the claim '{twice[0]}' twice.")
    return claims


def _claim(entry: Any) -> Claim:
    name = entry.get("id", "without an id") if isinstance(entry, dict) else "without an id"
    if wrong := complaint(entry, _ENTRY):
        raise InputError(f"Claim {name}: {wrong}.")
    _check_keys(f"Claim {name}", entry, {part.name for part in fields(Claim)}, _REQUIRED)
    claim = Claim(**{**entry, "test": _test(name, dict(entry["test"]))})
    if claim.judges not in JUDGES:
        raise InputError(f"Claim {name}: judges is '{claim.judges}', allowed are {', '.join(JUDGES)}.")
    if (claim.judges == "size") != (claim.test.comparison in SIZES):
        raise InputError(
            f"Claim {name}: a size, and nothing else, is judged by {' or '.join(SIZES)}; found"
            f" '{claim.test.comparison}'."
        )
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
        ("channel", test.channel, SCORED),
        ("effect", (test.effect,), EFFECTS),
        ("compare", (test.compare,), ("model", "loss")),
        ("metric", test.metric, tuple(JUDGED)),
        ("block", (test.block,), ("", *GRID_BLOCKS, WHOLE_SCAN)),
        ("region", test.region if test.level != BAND else (), REGIONS),
        ("level", (test.level,), ("", *LEVELS, BAND)),
        ("n_train", (test.n_train,), (None, EACH)),
        ("along", tuple(test.along), (test.compare, "dataset", "n_train")),
        ("along.n_train", (test.along.get("n_train"),), (None, "rising", "falling")),
        ("from, to", tuple(end.get("n_train") for end in ends), (None, LARGEST, SMALLEST)),
    ):
        if wrong := [value for value in found if value not in names]:
            raise InputError(
                f"{where}: {key} '{wrong[0]}' is unknown, allowed are"
                f" {', '.join(str(value) for value in names if value)}."
            )
    if complaint := _incomplete(test):
        raise InputError(f"{where}: {complaint}.")
    return test


def _incomplete(test: Check) -> str:
    """Say what a test lacks for its comparison, in words; empty if nothing."""
    relative = test.effect != "difference"
    checks = {
        "a size needs a positive value": (test.comparison in SIZES) != (test.value > 0),
        "a size is of one metric and channel": (
            test.comparison == "about" and len(test.channel) * len(test.metric) * len(test.dataset) > 1
        ),
        "smaller_drop, and nothing else, needs from and to": (
            (test.comparison == "smaller_drop") != (len(test.drop) == 2)
        ),
        "increasing, and nothing else, needs along with one key": (
            (test.comparison == "increasing") != (len(test.along) == 1)
        ),
        "no_difference, and nothing else, needs among, of at least two": (
            (test.comparison == "no_difference") != (len(test.among) > 1)
        ),
        "no_difference needs a positive margin for every channel and metric": (
            test.comparison == "no_difference"
            and not all(
                test.margin.get(channel, {}).get(metric, 0) > 0 for channel in test.channel for metric in test.metric
            )
        ),
        "better is missing": not (test.better or test.among or test.compare in test.along),
        "smaller_drop needs worse": test.comparison == "smaller_drop" and not test.worse,
        "a relative effect needs worse, and neither along nor from": (
            relative and not (test.worse and not test.along and not test.drop)
        ),
    }
    return next((words for words, wrong in checks.items() if wrong), "")


def _check_keys(where: str, entry: Mapping[str, Any], allowed: set[str], required: set[str]) -> None:
    if unknown := sorted(set(entry) - allowed):
        raise InputError(f"{where}: '{unknown[0]}' is unknown, allowed are {', '.join(sorted(allowed))}.")
    if missing := sorted(required - set(entry)):
        raise InputError(f"{where}: '{missing[0]}' is missing.")
