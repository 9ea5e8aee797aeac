"""The statistics in words: what differed, by how much, how sure that is, and what could not be
told apart.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from ptychoformer.evaluation import PATTERN, RELEASED, SCENE, SYNCHRONISED
from ptychoformer.evaluation.columns import GROUP
from ptychoformer.evaluation.quantities import (
    FACTORS,
    QUANTITIES,
    SIGNIFICANCE,
    channel_in_words,
    columns,
    number,
    p_and_level,
    p_value,
)
from ptychoformer.publication.names import counted
from ptychoformer.publication.selection import select
from ptychoformer.publication.tables.layout import Part

_COUNTS = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight", 9: "nine", 10: "ten"}
_COUNTS |= {11: "eleven", 12: "twelve", 13: "thirteen", 14: "fourteen", 15: "fifteen", 16: "sixteen"}
_MOST_NAMED = 10  # pairs; more names in one sentence than that are no longer read
_LEVELS = {
    SCENE: "of the stitched scene",
    SYNCHRONISED: "of the scene stitched with synchronised phases",
    PATTERN: "per pattern",
    RELEASED: "as the release scores",
}


@dataclass(frozen=True)
class Statement:
    """What was found for one column of a table: the analysis of variance, then the pairs."""

    condition: str
    overall: str
    pairs: tuple[str, ...]


def statements(
    anova: pd.DataFrame,
    pairwise: pd.DataFrame,
    conditions: Mapping[str, str],
    methods: Mapping[str, str],
    part: Part,
    factor: str = "model",
) -> list[Statement]:
    """Make one statement per condition, channel and metric that was analysed, in the order of the
    table.

    A condition in which nothing could be tested, always for the same reason, gets one statement.

    Args:
        conditions: dataset to label, or network to label if losses are compared.
        methods: network or loss to label.
        part: of the table.
        factor: what is compared, ``model`` or ``loss``.
    """
    found = []
    for condition, label in conditions.items():
        place = {"factor": factor, FACTORS[factor].condition_of_tests: condition, **part._asdict()}
        tests, pairs = select(anova, **place), select(pairwise, **place)
        pairs = pairs[pairs["a"].isin(methods) & pairs["b"].isin(methods)]
        if len(tests) and tests["p"].isna().all() and tests["note"].nunique() == 1:
            found.append(Statement(label, f"Not tested: {_reason(tests.iloc[0])}.", ()))
            continue
        for channel, metric in columns():
            for _, row in select(tests, channel=channel, metric=metric).iterrows():
                of_group = select(pairs, **row[list(GROUP)])
                found.append(Statement(label, anova_sentence(row), _pair_sentences(of_group, row, methods)))
    return found


def anova_sentence(row: pd.Series) -> str:
    """Put the repeated-measures ANOVA of one row of ``anova.csv`` in words; the Greenhouse-Geisser
    p decides where there is one.
    """
    compared = f"The {_COUNTS.get(int(row['n_levels']), int(row['n_levels']))} {FACTORS[row['factor']].plural}"
    what = f"{channel_in_words(row['channel'])} {QUANTITIES[row['metric']].name} {_LEVELS[row['level']]}"
    if pd.isna(row["p"]):
        return f"{compared} were not tested in {what}: {_reason(row)}."
    corrected = row["p"] if pd.isna(row["p_gg"]) else row["p_gg"]
    if corrected < SIGNIFICANCE:
        verdict = f"differed in {what}"
    elif row["p"] < SIGNIFICANCE:
        verdict = f"could not be separated in {what} once corrected for a lack of sphericity"
    else:
        verdict = f"could not be separated in {what}"
    numbers = [f"F({row['df_effect']:g}, {row['df_error']:g}) = {_statistic(row['F'])}", p_value(row["p"])]
    numbers += [] if pd.isna(row["p_gg"]) else [f"Greenhouse-Geisser {p_value(row['p_gg'])}"]
    caution = f" Caution: {note}." if (note := _note(row)) else ""
    return f"{compared} {verdict} ({', '.join([*numbers, *_effect(row), _seeds(row['n_seeds'])])}).{caution}"


def _effect(row: pd.Series) -> list[str]:
    if pd.isna(row["eta_squared"]):
        return []
    interval = "" if pd.isna(row["eta_low"]) else f" with 95 % interval {row['eta_low']:.2f} to {row['eta_high']:.2f}"
    return [f"partial η² = {row['eta_squared']:.2f}{interval}"]


def pair_sentence(row: pd.Series, methods: Mapping[str, str]) -> str:
    """Put one paired comparison of ``pairwise.csv`` in words, from the side of the better one."""
    if pd.isna(row["p"]):
        return f"{methods[row['a']]} and {methods[row['b']]} were not compared: {_reason(row)}."
    # Turned so that a positive number favours the first one, whichever way is better for the
    # metric.
    quantity = QUANTITIES[row["metric"]]
    favours_a = _advantage(row) >= 0
    first, second = (row["a"], row["b"]) if favours_a else (row["b"], row["a"])
    gain, low, high, d_z = (_turned(row, favours_a, name) for name in ("difference", "low", "high", "d_z"))
    numbers = [f"95 % interval {quantity.interval(min(low, high), max(low, high))}"]
    numbers += [] if pd.isna(d_z) else [f"d_z = {number(d_z, 2)}"]
    p, level = p_and_level(row["p"], row["alpha"])
    if row["significant"]:
        numbers += [f"{p}, below {level}", _seeds(row["n_seeds"])]
        return f"{methods[first]} led {methods[second]} by {quantity.difference(gain)} ({', '.join(numbers)})."
    if min(low, high) > 0:  # of this pair alone
        numbers[0] += ", not corrected for the number of pairs"
    numbers += [f"{p}, not below {level}", _seeds(row["n_seeds"])]
    return (
        f"{methods[first]} and {methods[second]} could not be separated "
        f"({quantity.difference(gain)} in favour of {methods[first]}, {', '.join(numbers)})."
    )


def _pair_sentences(pairs: pd.DataFrame, anova: pd.Series, methods: Mapping[str, str]) -> tuple[str, ...]:
    """Name the leader against all others, other pairs briefly, and why pairs are missing."""
    tested = pairs[pairs["p"].notna()]
    # A reason that the analysis of variance has named already is not repeated for every pair.
    untested = pairs[pairs["p"].isna() & (pairs["note"] != anova["note"])]
    missing = tuple(pair_sentence(row, methods) for _, row in untested.iterrows())
    if tested.empty:
        return missing
    leader = _leader(tested)
    with_leader = (tested["a"] == leader) | (tested["b"] == leader)
    return (
        *(pair_sentence(row, methods) for _, row in tested[with_leader].iterrows()),
        *_others(tested[~with_leader], methods),
        *missing,
    )


def _others(pairs: pd.DataFrame, methods: Mapping[str, str]) -> tuple[str, ...]:
    significant = pairs["significant"].astype(bool)
    if len(pairs) > _MOST_NAMED:
        return (
            (
                f"Of the other {len(pairs)} pairs, {significant.sum()} differed and {(~significant).sum()} could not be"
                " separated."
            ),
        )
    names = {kind: _names(pairs[significant == kind], methods) for kind in (True, False)}
    return tuple(
        f"Of the other pairs, {'; '.join(names[kind])} {verdict}."
        for kind, verdict in ((True, "differed"), (False, "could not be separated"))
        if names[kind]
    )


def _names(pairs: pd.DataFrame, methods: Mapping[str, str]) -> list[str]:
    return [f"{methods[a]} and {methods[b]}" for a, b in zip(pairs["a"], pairs["b"], strict=True)]


def _leader(pairs: pd.DataFrame) -> str:
    totals: dict[str, float] = {}
    for _, row in pairs.iterrows():
        gain = _advantage(row)
        totals[row["a"]] = totals.get(row["a"], 0.0) + gain
        totals[row["b"]] = totals.get(row["b"], 0.0) - gain
    return max(totals, key=totals.__getitem__)


def _advantage(row: pd.Series) -> float:
    return row["difference"] if QUANTITIES[row["metric"]].higher_is_better else -row["difference"]


def _turned(row: pd.Series, favours_a: bool, name: str) -> float:
    return row[name] if favours_a == QUANTITIES[row["metric"]].higher_is_better else -row[name]


def _seeds(count: float) -> str:
    return counted(int(count), "seed")


def _statistic(value: float) -> str:
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _reason(row: pd.Series) -> str:
    return _note(row) or "no reason given"


def _note(row: pd.Series) -> str:
    """Read what was noted of a test; empty if nothing was."""
    return "" if pd.isna(row["note"]) else str(row["note"]).strip().rstrip(".")
