"""Scores of networks beside each other in Markdown, and who leads, for README and docs/results."""

import numpy as np
import pandas as pd

from ptychoformer.evaluation import REFERENCES
from ptychoformer.evaluation.quantities import MISSING, QUANTITIES, channel_in_words, columns
from ptychoformer.evaluation.statistics import obstacle, paired
from ptychoformer.publication.report.blocks import markdown_table
from ptychoformer.publication.report.labels import Labels
from ptychoformer.publication.selection import select

SHOWN = ("psnr", "ssim")
COLUMNS = columns(SHOWN)


def table_of_scores(rows: pd.DataFrame, networks: list[str], published: pd.DataFrame, labels: Labels) -> str:
    """Write networks, and references that are not perfect in all, below each other; the best
    network of a column is bold.
    """
    # The PSNR of a perfect scene is infinite and its spread undefined.
    with np.errstate(invalid="ignore"):
        found = rows.groupby(["model", "channel", "metric"])["value"].agg(["mean", "std"])
    shown = [column for column in COLUMNS if any((name, *column) in found.index for name in networks)]
    theirs = published.set_index(["method", "channel", "metric"])["mean"]
    head = ["", *(f"{channel_in_words(channel)} {QUANTITIES[metric].with_unit}" for channel, metric in shown)]
    decibels = [column for column in shown if column[1] == "psnr"]
    finite = {
        name for (name, *column), mean in found["mean"].items() if tuple(column) in decibels and np.isfinite(mean)
    }
    references = [name for name in REFERENCES if name in finite]
    best = {
        column: max(QUANTITIES[column[1]].printed(found["mean"][name, *column]) for name in networks)
        for column in shown
    }
    lines = []
    for name in [*networks, *references]:
        cells = [_cell(found, theirs, (name, *column), best[column] if name in networks else None) for column in shown]
        lines.append([labels.network(name), *cells])
    return markdown_table(head, lines)


def _cell(found: pd.DataFrame, published: pd.Series, key: tuple[str, str, str], best: float | None) -> str:
    if key not in found.index:
        return MISSING
    quantity, (mean, std) = QUANTITIES[key[-1]], found.loc[key]
    # A floor or a ceiling may be the same with every seed.
    told = pd.notna(std) and (key[0] not in REFERENCES or quantity.printed(std) > 0)
    text = quantity.with_deviation(mean, std if told else np.nan).replace(" ", "\u00a0")
    bold = f"**{text}**" if quantity.printed(mean) == best else text
    return f"{bold} ({quantity.text(published[key])})" if key in published.index else bold


def leads(runs: pd.DataFrame, networks: list[str], labels: Labels) -> str:
    """Tabulate who has the highest mean of what, and by how much; empty without two networks."""
    found = [_lead(select(runs, channel=channel, metric=metric), networks, labels) for channel, metric in COLUMNS]
    head = ["", "best network", "lead over the second best", "95 % interval"]
    return markdown_table(head, filter(None, found)) if any(found) else ""


def _lead(rows: pd.DataFrame, networks: list[str], labels: Labels) -> list[str]:
    if len(networks) < 2 or rows.empty:
        return []
    channel, metric = rows[["channel", "metric"]].iloc[0]
    table, quantity = rows.pivot(index="seed", columns="model", values="value"), QUANTITIES[metric]
    first, second, *_ = table[networks].mean().sort_values(ascending=False, kind="stable").index
    interval = "not tested"
    if not obstacle(table[[first, second]]):
        test = paired(table, first, second)
        interval = quantity.interval(test.low, test.high)
    lead = quantity.difference((table[first] - table[second]).mean())
    return [
        f"{channel_in_words(channel)} {quantity.name}",
        labels.network(first),
        f"{lead} over {labels.network(second)}",
        interval,
    ]
