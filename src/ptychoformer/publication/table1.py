"""Table I: stitched scenes under each condition, ours beside the paper's, with a floor and a ceiling for scale."""

import os
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from ptychoformer.errors import InputError
from ptychoformer.evaluation.metrics import read_metrics
from ptychoformer.evaluation.patches import CHANNELS
from ptychoformer.files import write_text
from ptychoformer.publication.inputs import PAIRWISE, PUBLISHED, read_table
from ptychoformer.publication.quantities import QUANTITIES
from ptychoformer.publication.typeset import REFERENCES, latex_document, markdown_document
from ptychoformer.storage import write_csv

REGIONS = ("block", "unseen")
_PLACE = ["condition", "region", "channel", "metric"]
COLUMNS = [
    *("condition", "model", "region", "channel", "metric", "ours_mean", "ours_std", "n_seeds"),
    *("published_mean", "published_std", "difference", "best", "differs_from_best"),
]


def make_table(
    metrics_csv: str | os.PathLike,
    published_csv: str | os.PathLike,
    pairwise_csv: str | os.PathLike,
    *,
    conditions: Mapping[str, str],
    models: Mapping[str, str],
    scale_note: str,
    csv: str | os.PathLike,
    md: str | os.PathLike,
    tex: str | os.PathLike,
) -> None:
    """Write Table I three times: tidy for programs, Markdown and LaTeX for readers.

    Args:
        conditions: dataset to its label, in the table's order; a dataset that the paper has no row for has no published value.
        models: network to its label, in the table's order; floor and ceiling are added.
        scale_note: one sentence on the scale of the runs, printed below the table.

    Raises:
        InputError: a file breaks its contract, or a condition or model was not measured.
    """
    metrics, published, pairwise = read_metrics(metrics_csv), read_table(published_csv, PUBLISHED), read_table(pairwise_csv, PAIRWISE)
    table = compare(metrics, published, pairwise, conditions, models)
    footnotes = notes(table, pairwise, scale_note)
    write_csv(table, csv)
    write_text(markdown_document(table, conditions, models, footnotes), md)
    write_text(latex_document(table, conditions, models, footnotes), tex)


def compare(
    metrics: pd.DataFrame, published: pd.DataFrame, pairwise: pd.DataFrame, conditions: Iterable[str], models: Iterable[str]
) -> pd.DataFrame:
    """Ours and theirs, one row per condition, model, region, channel and metric, with the columns ``COLUMNS``.

    The paper measured the whole test block, so that only this region has published values.
    ``ours_std`` is the sample standard deviation over seeds. ``best`` marks the best network at the printed precision, so that equal
    numbers are marked alike. ``differs_from_best`` is empty for the best, for references, and where no test was possible.

    Raises:
        InputError: a condition or model was not measured, or a run occurs twice.
    """
    conditions, networks = list(conditions), list(models)
    ours = _summarise(_scenes(metrics, conditions, networks))
    table = ours.merge(published.assign(region="block"), on=[*_PLACE, "model"], how="left")
    table = table.rename(columns={"mean": "published_mean", "std": "published_std"})
    table["difference"] = table["ours_mean"] - table["published_mean"]
    table = _mark(table, pairwise[pairwise["level"] == "scene"], networks)
    order = {"condition": conditions, "model": [*networks, *REFERENCES], "region": REGIONS, "channel": CHANNELS, "metric": list(QUANTITIES)}
    ranks = {name: table[name].map({value: rank for rank, value in enumerate(values)}) for name, values in order.items()}
    keys = pd.DataFrame(ranks)[["region", "condition", "model", "channel", "metric"]]
    return table.loc[keys.sort_values(list(keys)).index, COLUMNS].reset_index(drop=True)


def _scenes(metrics: pd.DataFrame, conditions: list[str], networks: list[str]) -> pd.DataFrame:
    for column, wanted in (("dataset", conditions), ("model", networks)):
        if missing := [name for name in wanted if name not in set(metrics[column])]:
            raise InputError(f"The metrics hold no {column} '{missing[0]}'; they hold {', '.join(map(str, metrics[column].unique()))}.")
    wanted = metrics["dataset"].isin(conditions) & metrics["model"].isin([*networks, *REFERENCES]) & (metrics["level"] == "scene")
    # A scan may be too small for a region or a metric; its values are empty.
    scenes = metrics[wanted].dropna(subset="value").rename(columns={"dataset": "condition"})
    twice = scenes[scenes.duplicated([*_PLACE, "model", "seed"])]
    if len(twice):
        row = twice.iloc[0]
        run = f"'{row['model']}' on '{row['condition']}' with seed {row['seed']}"
        raise InputError(f"The metrics hold two runs of {run}; a table needs one loss and one n_train.")
    return scenes


def _summarise(scenes: pd.DataFrame) -> pd.DataFrame:
    # The PSNR of a perfect scene is infinite and its spread undefined: that is the ceiling of a clean scan, not an error.
    with np.errstate(invalid="ignore"):
        summary = scenes.groupby([*_PLACE, "model"])["value"].agg(ours_mean="mean", ours_std="std", n_seeds="count")
    return summary.reset_index()


def _mark(table: pd.DataFrame, pairwise: pd.DataFrame, networks: list[str]) -> pd.DataFrame:
    table["best"], table["differs_from_best"] = False, pd.Series(None, index=table.index, dtype=object)
    tests = {
        (row.dataset, row.region, row.channel, row.metric, frozenset((row.model_a, row.model_b))): bool(row.significant)
        for row in pairwise.dropna(subset="p").itertuples()
    }
    for place, group in table[table["model"].isin(networks)].groupby(_PLACE):
        quantity = QUANTITIES[place[-1]]
        means = group["ours_mean"] if quantity.higher_is_better else -group["ours_mean"]
        printed = group["ours_mean"].map(quantity.printed)
        leader = means.idxmax()
        best = printed == printed[leader]
        table.loc[best.index, "best"] = best
        for index in best.index[~best]:
            pair = frozenset((group.at[leader, "model"], group.at[index, "model"]))
            table.at[index, "differs_from_best"] = tests.get((*place, pair))
    return table


def notes(table: pd.DataFrame, pairwise: pd.DataFrame, scale_note: str) -> list[str]:
    """Footnotes, one sentence or two each, for readers of any of the table's forms."""
    return [
        _seeds_note(table),
        "MSE, PSNR and SSIM of amplitude and phase on the labels' 0 to 1 scale, peak 1.",
        "Bold: the best network of a column under one condition, at the printed precision; floor and ceiling are no candidates.",
        "Floor: the training mean everywhere. Ceiling: the true labels, stitched at the recorded positions.",
        _tests_note(table, pairwise[pairwise["level"] == "scene"]),
        *([scale_note] if scale_note else []),
    ]


def _seeds_note(table: pd.DataFrame) -> str:
    counts = table.loc[~table["model"].isin(REFERENCES), "n_seeds"]
    low, high = int(counts.min()), int(counts.max())
    if high == 1:
        return "Ours: one seed, so no standard deviation. Published: mean ± standard deviation of ten experiments."
    seeds = f"{high} seeds" if low == high else f"{low} to {high} seeds"
    return f"Ours: mean ± sample standard deviation of {seeds}. Published: mean ± standard deviation of ten experiments."


def _tests_note(table: pd.DataFrame, pairwise: pd.DataFrame) -> str:
    reasons = "; ".join(sorted(set(pairwise.loc[pairwise["p"].isna(), "note"].dropna())))
    if table["differs_from_best"].isna().all():
        return f"Differences between networks were not tested: {reasons or 'no pair was compared'}."
    alpha = ", ".join(f"{alpha:.2g}" for alpha in sorted(set(pairwise["alpha"].dropna())))
    note = (
        f"†: differs from the best network of its column (paired t-test over seeds, p < {alpha}, Bonferroni-corrected for all pairs); "
        "a network with neither † nor bold could not be separated from the best."
    )
    return f"{note} Not tested in places: {reasons}." if reasons else note
