"""Networks that the paper does not compare, such as one of a user's own, beside each that it does:
by how much each is better or worse, and whether that could be told.
"""

from dataclasses import dataclass

import pandas as pd

from ptychoformer.evaluation.quantities import MISSING, QUANTITIES
from ptychoformer.publication.report.headline import (
    Lead,
    lead_over,
    papers_networks,
    scores,
    tests_of,
)
from ptychoformer.publication.report.labels import score_name
from ptychoformer.publication.tables.layout import Layout
from ptychoformer.publication.tables.typeset import at_part, by_condition


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
                    layout.conditions[condition],
                    score_name(channel, metric),
                    tuple(
                        lead_over(
                            rows, tests_of(pairs, (condition, channel, metric)), method, rival, QUANTITIES[metric]
                        )
                        if rival in rows.index
                        else Lead(MISSING)
                        for rival in paper
                    ),
                )
                for (condition, channel, metric), rows in scores(table, layout)
                if method in rows.index
            ),
        )
        for method in own
    ]
