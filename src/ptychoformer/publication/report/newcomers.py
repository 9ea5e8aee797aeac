"""Networks that the paper does not compare, such as one of a user's own, beside each that it does:
by how much each is better or worse, and whether that could be told.
"""

from dataclasses import dataclass
from math import isnan

import pandas as pd

from ptychoformer.evaluation.quantities import MISSING, QUANTITIES
from ptychoformer.publication.report.headline import (
    at_place,
    column_name,
    ends_of_lead,
    pair_of,
    papers_networks,
    scores,
)
from ptychoformer.publication.tables.layout import Layout
from ptychoformer.publication.tables.typeset import at_part, by_condition


@dataclass(frozen=True)
class Lead:
    """How much better a newcomer is than another network, as text.

    Args:
        number: with its unit, negative where the other is better.
        interval: of the paired difference; empty where it was not tested.
        differs: whether the corrected test tells the two apart.
    """

    number: str
    interval: str = ""
    differs: bool = False


@dataclass(frozen=True)
class Score:
    """One score of a newcomer.

    Args:
        column: channel and metric with its unit.
        leads: over each of the paper's networks.
    """

    condition: str
    column: str
    leads: tuple[Lead, ...]


@dataclass(frozen=True)
class Newcomer:
    """A network beside the paper's.

    Args:
        name: of the network.
        rivals: names of the paper's networks, the order of `Score.leads`.
        scores: by condition.
    """

    name: str
    rivals: tuple[str, ...]
    scores: list[tuple[str, list[Score]]]


def newcomers(table: pd.DataFrame, pairwise: pd.DataFrame, layout: Layout) -> list[Newcomer]:
    """Compare each network that is not the paper's with each that it compares; there are none where
    none of these takes part.

    Args:
        table: of `compare.compare`.
        pairwise: of `evaluation.statistics`.
    """
    paper = papers_networks(layout)
    own = [method for method in layout.methods if method not in paper] if paper else []
    pairs, rivals = at_part(pairwise, layout.parts[0]), tuple(layout.methods[method] for method in paper)
    return [
        Newcomer(
            layout.methods[method],
            rivals,
            by_condition(
                Score(
                    layout.conditions[place[0]],
                    column_name(place[1], QUANTITIES[place[2]]),
                    tuple(_lead(rows, at_place(pairs, *place), method, rival, place[2]) for rival in paper),
                )
                for place, rows in scores(table, layout)
                if method in rows.index
            ),
        )
        for method in own
    ]


def _lead(rows: pd.DataFrame, pairs: pd.DataFrame, method: str, rival: str, metric: str) -> Lead:
    """Find by how much a network is better than a rival."""
    if rival not in rows.index:
        return Lead(MISSING)
    quantity = QUANTITIES[metric]
    turn = 1 if quantity.higher_is_better else -1
    lead = quantity.text(turn * (rows.at[method, "ours_mean"] - rows.at[rival, "ours_mean"]), sign=True)
    low, high = ends_of_lead(pairs, method, rival, turn)
    if isnan(low):
        return Lead(lead)
    differs = bool(pair_of(pairs, method, rival)["significant"].astype(bool).any())
    return Lead(lead, quantity.interval(low, high, sign=True), differs)
