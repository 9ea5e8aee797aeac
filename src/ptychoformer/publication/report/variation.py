"""How far a score differs between seeds on one block, and how far its mean over seeds differs
between blocks.

A seed draws the order of the training patterns, the part of them that validates and the initial
weights, and under noise the noise and the jitter too, all for one object and one block of it. So a
deviation over seeds says how sure a mean is for that block, and nothing of what another part of the
object, or another object, would give. Two blocks are a small sample of that, and the only one a
single object has.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from ptychoformer.evaluation import WHOLE
from ptychoformer.evaluation.quantities import MISSING, QUANTITIES
from ptychoformer.publication.selection import select
from ptychoformer.simulation.scan import LOWER_LEFT, LOWER_RIGHT

BLOCKS = (LOWER_RIGHT, LOWER_LEFT)  # of one size, and nearly apart
_SCORE = ["condition", "method", "channel", "metric"]
MEANS = (*_SCORE, "block", "mean", "std")


@dataclass(frozen=True)
class Row:
    """A network or reference: for each column, the deviation over seeds and the deviation over
    blocks, as text.
    """

    condition: str
    method: str
    cells: tuple[tuple[str, str], ...]


def variation(means: pd.DataFrame, block: str) -> pd.DataFrame:
    """Compute sample standard deviations, a row for each score that is finite on both ``BLOCKS``.

    Args:
        means: rows with the columns ``MEANS``: mean and sample standard deviation over seeds of a
            score on a block.
        block: of which the deviation over seeds is given.

    Returns:
        Columns ``condition``, ``method``, ``channel``, ``metric``; ``over_seeds``, NaN of a single
            seed; ``over_blocks``, of the means.
    """
    by_block = means.pivot(index=_SCORE, columns="block", values="mean").reindex(columns=[*BLOCKS])
    of_blocks = by_block[by_block.abs().lt(float("inf")).all(axis=1)].std(axis=1, ddof=1).rename("over_blocks")
    over_seeds = means[means["block"] == block].set_index(_SCORE)["std"].rename("over_seeds")
    return pd.concat([over_seeds, of_blocks], axis=1, join="inner").reset_index()


def means_of_table(table: pd.DataFrame, level: str) -> pd.DataFrame:
    """Take the rows of ``MEANS`` from a table of `compare.compare`: whole blocks, this level."""
    here = select(table, region=WHOLE, level=level)
    return here.rename(columns={"ours_mean": "mean", "ours_std": "std"})[list(MEANS)]


def means_over_seeds(runs: pd.DataFrame) -> pd.DataFrame:
    """Average the scores of single runs to rows of ``MEANS``, whose condition is the dataset and
    whose method is the network.
    """
    named = runs.rename(columns={"dataset": "condition", "model": "method"})
    return named.groupby([*_SCORE, "block"])["value"].agg(mean="mean", std="std").reset_index()


def rows(
    found: pd.DataFrame, conditions: Mapping[str, str], methods: Mapping[str, str], columns: Iterable[tuple[str, str]]
) -> list[Row]:
    """Write a `variation` as text, a row for each method that it has.

    Args:
        conditions, methods: name to label, in the order of the rows.
        columns: channel and metric of each column.
    """
    columns, at = list(columns), found.set_index(_SCORE).sort_index()
    present = set(zip(found["condition"], found["method"], strict=True))
    return [
        Row(label, name, tuple(_cell(at, (condition, method, *column)) for column in columns))
        for condition, label in conditions.items()
        for method, name in methods.items()
        if (condition, method) in present
    ]


def _cell(at: pd.DataFrame, key: tuple[str, str, str, str]) -> tuple[str, str]:
    if key not in at.index:
        return MISSING, MISSING
    row, quantity = at.loc[key], QUANTITIES[key[-1]]
    return quantity.text(row["over_seeds"]), quantity.text(row["over_blocks"])
