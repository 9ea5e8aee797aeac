"""The headline of the report: the paper's network in Table I, the best of its others, and the lead
between them, each with its interval.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ptychoformer.errors import InputError
from ptychoformer.evaluation.intervals import half_width
from ptychoformer.evaluation.quantities import MISSING, QUANTITIES, Quantity
from ptychoformer.publication.harvest import TABLE_1
from ptychoformer.publication.report.labels import score_name
from ptychoformer.publication.selection import select
from ptychoformer.publication.tables.layout import BLOCK_TITLES, Layout
from ptychoformer.publication.tables.typeset import at_part, by_condition

HEADLINE_TABLE = "table1"
_METRICS = ("psnr", "ssim")
AHEAD, BEHIND, OPEN = "ahead", "behind", "open"


@dataclass(frozen=True)
class Lead:
    """How much better a network is than another, as text.

    Args:
        number: difference of the means over seeds, negative where the other is better.
        interval: of the paired difference; empty where it was not tested.
        standing: ``AHEAD`` or ``BEHIND`` where the interval leaves zero out, or ``OPEN``.
        differs: whether the test that is corrected for all pairs tells the two apart.
    """

    number: str
    interval: str = ""
    standing: str = OPEN
    differs: bool = False


@dataclass(frozen=True)
class Headline:
    """One column of Table I under one condition, as text.

    Args:
        column: channel and metric with its unit.
        ours, rival: mean over seeds; ``*_interval`` its 95 % interval, empty for a single seed.
        rival_name: the best of the paper's other networks.
        lead: how much better ours is, positive if it is; its interval is that of the paired
            difference, empty where it was not tested.
        published_lead: the paper's own lead over that same network.
        standing: ``AHEAD`` or ``BEHIND`` where the interval of the lead leaves zero out, or
            ``OPEN``.
        published_ahead: whether the paper's own lead is positive; None where it prints none.
        floor: mean over seeds of what predicts the training mean, empty if it was not scored.
        above_floor: whether ours is better than that.
    """

    condition: str
    column: str
    ours: str
    ours_interval: str
    rival_name: str
    rival: str
    rival_interval: str
    lead: str
    lead_interval: str
    published_lead: str
    standing: str
    published_ahead: bool | None
    floor: str
    above_floor: bool


def headlines(table: pd.DataFrame, pairwise: pd.DataFrame, layout: Layout, ours: str) -> list[Headline]:
    """Compare PSNR and SSIM of ours and of the best other network, in the first part of a table.

    Args:
        table: of `compare.compare`.
        pairwise: of `evaluation.statistics`.
        ours: the network whose lead is told; the best of the others is one that the paper compares,
            or any where none of these takes part.

    Raises:
        InputError: the table has no such network.
    """
    if ours not in layout.methods:
        raise InputError(
            f"Table {layout.table.number} has no network '{ours}' to call ours; it has {', '.join(layout.methods)}."
        )
    others = [method for method in layout.methods if method != ours]
    rivals = [method for method in papers_networks(layout) if method != ours] or others
    pairs = at_part(pairwise, layout.parts[0])
    return [
        _headline(rows, tests_of(pairs, place), ours, rivals, layout, place)
        for place, rows in scores(table, layout)
        if rivals
    ]


def papers_networks(layout: Layout) -> list[str]:
    """List the networks of a table that the paper compares."""
    return [method for method in layout.methods if method in TABLE_1]


def scores(table: pd.DataFrame, layout: Layout) -> Iterator[tuple[tuple[str, str, str], pd.DataFrame]]:
    """Yield condition, channel and metric of each PSNR and SSIM of a table's first part, and its
    rows by method.
    """
    part = layout.parts[0]
    here = at_part(table, part).set_index(["condition", "channel", "metric", "method"]).sort_index()
    for condition in layout.conditions:
        for channel, metric in layout.columns(part):
            # A scan may be too small for a metric, which then is not in the table.
            if metric in _METRICS and (place := (condition, channel, metric)) in here.index:
                yield place, here.loc[place]


def headline_words(lead: Sequence[Headline], layout: Layout, ours: str) -> dict[str, Any]:
    """Gather what pages say of the headlines: whose lead over which networks, on which block."""
    return {
        "headlines": by_condition(lead),
        "our_name": layout.methods[ours],
        "network_names": ", ".join(layout.methods.values()),
        "block_title": BLOCK_TITLES[layout.block],
    }


def tests_of(pairs: pd.DataFrame, place: tuple[str, str, str]) -> pd.DataFrame:
    """Find the pairs that were tested in one score, by its condition, channel and metric."""
    return select(pairs, **dict(zip(("dataset", "channel", "metric"), place, strict=True)))


def _headline(
    rows: pd.DataFrame, pairs: pd.DataFrame, ours: str, rivals: list[str], layout: Layout, place: tuple[str, str, str]
) -> Headline:
    condition, channel, metric = place
    quantity = QUANTITIES[metric]
    turn = 1 if quantity.higher_is_better else -1
    best = (turn * rows.loc[rivals, "ours_mean"]).idxmax()
    published = turn * (rows.at[ours, "published_mean"] - rows.at[best, "published_mean"])
    lead = lead_over(rows, pairs, ours, best, quantity)
    floor = rows.at["floor", "ours_mean"] if "floor" in rows.index else None
    return Headline(
        condition=layout.conditions[condition],
        column=score_name(channel, metric),
        ours=quantity.text(rows.at[ours, "ours_mean"]),
        ours_interval=_interval_of_mean(rows.loc[ours], quantity),
        rival_name=layout.methods[best],
        rival=quantity.text(rows.at[best, "ours_mean"]),
        rival_interval=_interval_of_mean(rows.loc[best], quantity),
        lead=lead.number,
        lead_interval=lead.interval,
        published_lead=MISSING if pd.isna(published) else quantity.text(published, sign=True),
        standing=lead.standing,
        published_ahead=None if pd.isna(published) else bool(published > 0),
        floor="" if floor is None else quantity.text(floor),
        above_floor=floor is not None and bool(turn * (rows.at[ours, "ours_mean"] - floor) > 0),
    )


def _interval_of_mean(row: pd.Series, quantity: Quantity) -> str:
    """Put Student's 95 % interval of a mean over seeds in words; empty where it has none."""
    seeds = int(row["n_seeds"])
    if seeds < 2 or pd.isna(row["ours_std"]):
        return ""
    half = half_width(row["ours_std"], seeds)
    return quantity.interval(row["ours_mean"] - half, row["ours_mean"] + half)


def lead_over(rows: pd.DataFrame, pairs: pd.DataFrame, ours: str, rival: str, quantity: Quantity) -> Lead:
    """Find by how much ours is better than a rival in one score.

    Args:
        rows: of the score, by method.
        pairs: that were tested in it, in either order of their networks.
    """
    turn = 1 if quantity.higher_is_better else -1
    number = quantity.text(turn * (rows.at[ours, "ours_mean"] - rows.at[rival, "ours_mean"]), sign=True)
    found = pairs[((pairs["a"] == ours) & (pairs["b"] == rival)) | ((pairs["a"] == rival) & (pairs["b"] == ours))]
    if found.empty or found.iloc[0][["low", "high"]].isna().any():
        return Lead(number)
    row = found.iloc[0]
    low, high = sorted((turn if row["a"] == ours else -turn) * row[name] for name in ("low", "high"))
    standing = AHEAD if low > 0 else BEHIND if high < 0 else OPEN
    return Lead(number, quantity.interval(low, high, sign=True), standing, bool(row["significant"]))
