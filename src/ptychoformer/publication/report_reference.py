"""The reference runs of the report: full-size runs that were harvested from elsewhere, by the condition that they were trained under."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from ptychoformer.evaluation import REFERENCES
from ptychoformer.publication.harvest import RUN_COLUMNS, TABLE_1, whole_seeds
from ptychoformer.publication.inputs import read_table, versions_of_code
from ptychoformer.publication.quantities import MISSING, QUANTITIES, columns
from ptychoformer.publication.report_labels import Labels

COLUMNS = columns(("psnr", "ssim"))
_CONDITION = ["dataset", "test", "n_train", "loss", "epochs", "batch_size"]
_SHARED = ["dataset", "test", "n_train"]  # what a floor or ceiling has in common with the runs that it belongs to


@dataclass(frozen=True)
class Condition:
    """Runs that were trained alike.

    Args:
        title: dataset, size, loss and schedule in words.
        whole: seeds that have every network of Table I that the condition has, or every network if it has none of these.
        versions: of the code, by which runs of one network were trained; they count as replicates of each other.
        rows: a network each: name, seeds, means with deviations of ``COLUMNS``, digests of the code, seconds; then floor and ceiling.
    """

    title: str
    whole: int
    versions: int
    rows: tuple[tuple[str, ...], ...]


def reference_conditions(path: str | os.PathLike | None, labels: Labels) -> list[Condition]:
    """What there is, the largest training sets first; none if there is no table, or nothing but its head.

    Args:
        path: table of `harvest`, or None.

    Raises:
        InputError: it is missing, or lacks a column.
    """
    if path is None:
        return []
    table = read_table(path, RUN_COLUMNS)
    is_reference = table["model"].isin(REFERENCES)
    runs, references = table[~is_reference], table[is_reference]
    return [
        _condition(dict(zip(_CONDITION, key, strict=True)), group, references, labels)
        for key, group in sorted(runs.groupby(_CONDITION), key=lambda entry: (-entry[0][2], entry[0]))
    ]


def _condition(key: dict, group: pd.DataFrame, references: pd.DataFrame, labels: Labels) -> Condition:
    trained = f"{int(key['n_train']):,} patterns, {int(key['epochs'])} epochs, batches of {int(key['batch_size'])}"
    own = references[(references[_SHARED] == pd.Series(key)[_SHARED]).all(axis=1)]
    order = {name: rank for rank, name in enumerate([*labels.networks, *REFERENCES])}
    models = sorted({*group["model"], *own["model"]}, key=lambda name: (name in REFERENCES, order.get(name, len(order)), name))
    both = pd.concat([group, own])
    networks = set(group["model"])
    return Condition(
        title=f"{labels.dataset(key['dataset'], key['test'])}: {trained}, {labels.loss(key['loss'])} loss",
        whole=whole_seeds(group, TABLE_1 & networks or networks),
        versions=versions_of_code(group),
        rows=tuple(tuple(_row(model, both[both["model"] == model], labels)) for model in models),
    )


def _row(model: str, rows: pd.DataFrame, labels: Labels) -> Iterator[str]:
    yield model.capitalize() if model in REFERENCES else labels.network(model)
    seeds = sorted(rows["seed"].unique())
    yield f"{len(seeds)} ({', '.join(map(str, seeds))})"
    for channel, metric in COLUMNS:
        yield _mean(rows[(rows["channel"] == channel) & (rows["metric"] == metric)], metric)
    yield ", ".join(sorted(set(rows["code_digest"].dropna()))) or MISSING
    seconds = rows.drop_duplicates("seed")["seconds"].mean()
    yield MISSING if pd.isna(seconds) else f"{seconds:,.0f}"


def _mean(rows: pd.DataFrame, metric: str) -> str:
    """Of the stitched scene: the test block, or the whole object where no network was trained on it."""
    rows = rows[(rows["level"] == "scene") & rows["region"].isin(["block", "whole"])]
    if rows.empty:
        return MISSING
    values, quantity = rows["value"], QUANTITIES[metric]
    spread = values.std() if values.abs().max() < float("inf") else float("nan")  # a perfect scene has no finite PSNR
    return quantity.text(values.mean()) + ("" if pd.isna(spread) else f" ± {quantity.text(spread)}")
