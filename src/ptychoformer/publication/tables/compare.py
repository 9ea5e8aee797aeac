"""Tables I to V: networks or losses beside each other, ours beside the paper's, with a floor
and a ceiling for scale.
"""

import os
from collections.abc import Iterable

import numpy as np
import pandas as pd

from ptychoformer.errors import InputError
from ptychoformer.evaluation import NEEDED_REFERENCES, REFERENCES, RELEASED, SCORED
from ptychoformer.evaluation.columns import PAIRWISE, PUBLISHED, read_table
from ptychoformer.evaluation.metrics import read_metrics
from ptychoformer.evaluation.quantities import QUANTITIES
from ptychoformer.files import write_text
from ptychoformer.publication.names import in_a_row
from ptychoformer.publication.tables.layout import Layout, Part
from ptychoformer.publication.tables.typeset import latex_document, markdown_document
from ptychoformer.tables import write_csv

_PART = list(Part._fields)
_PLACE = ["condition", *_PART, "channel", "metric"]
COLUMNS = [
    *("condition", "method", *_PART, "channel", "metric", "ours_mean", "ours_std", "n_seeds"),
    *("published_mean", "published_std", "difference", "best", "differs_from_best"),
]


def make_table(
    metrics_csv: str | os.PathLike,
    published_csv: str | os.PathLike | None,
    pairwise_csv: str | os.PathLike,
    layout: Layout,
    *,
    scale_note: str,
    csv: str | os.PathLike,
    md: str | os.PathLike,
    tex: str | os.PathLike,
) -> None:
    """Write a table of the paper three times: tidy for programs, Markdown and LaTeX for readers.

    Args:
        published_csv: the paper's own values; None if it has no such table.
        layout: what it shows. A condition or method that the paper has no row for has no published
            value.
        scale_note: a sentence or two on the scale of the runs, printed below the table; may be
            empty.

    Raises:
        InputError: a file breaks its contract, a condition or method was not measured, or a run
            lacks a value.
    """
    measured, pairwise = read_metrics(metrics_csv), read_table(pairwise_csv, PAIRWISE)
    published = read_table(published_csv, PUBLISHED) if published_csv else pd.DataFrame(columns=PUBLISHED)
    table = compare(measured, published, pairwise, layout)
    footnotes = notes(table, pairwise, layout, scale_note)
    write_csv(table, csv)
    write_text(markdown_document(table, layout, footnotes), md)
    write_text(latex_document(table, layout, footnotes), tex)


def compare(metrics: pd.DataFrame, published: pd.DataFrame, pairwise: pd.DataFrame, layout: Layout) -> pd.DataFrame:
    """Set ours beside theirs, one row per condition, method, part, channel and metric, with the
    columns ``COLUMNS``.

    The paper's values stand beside plain scenes of its own block, and beside the score of the
    release where it is shown. ``ours_std`` is the sample standard deviation over seeds. ``best``
    marks the best method at the printed precision, so that equal numbers are marked alike; none
    where a method is infinite in some seeds alone, since no mean over seeds ranks it.
    ``differs_from_best`` is empty for the best, for references, and where no test was possible.
    References are the dataset's; where losses are compared, all networks share them.

    Raises:
        InputError: a condition or method was not measured, a run occurs twice or lacks a value.
    """
    ours = _summarise(_chosen(metrics, layout))
    nothing = published.iloc[:0].assign(**dict.fromkeys(_PART, ""))
    theirs = pd.concat([nothing, *(published.assign(**part._asdict()) for part in layout.published_parts)])
    table = ours.merge(theirs, on=[*_PLACE, "method"], how="left")
    table = table.rename(columns={"mean": "published_mean", "std": "published_std"})
    table["difference"] = table["ours_mean"] - table["published_mean"]
    table = _mark(table, _tests(pairwise, layout), list(layout.methods))
    ranks = pd.DataFrame({
        "part": [layout.parts.index(part) for part in _parts(table)],
        "condition": table["condition"].map(_ranks(layout.conditions)),
        "method": table["method"].map(_ranks([*layout.methods, *REFERENCES])),
        "channel": table["channel"].map(_ranks(SCORED)),
        "metric": table["metric"].map(_ranks(layout.table.metrics)),
    })  # fmt: skip
    return table.loc[ranks.sort_values(list(ranks)).index, COLUMNS].reset_index(drop=True)


def _ranks(names: Iterable[str]) -> dict[str, int]:
    return {name: rank for rank, name in enumerate(names)}


def _chosen(metrics: pd.DataFrame, layout: Layout) -> pd.DataFrame:
    """Choose the rows of the table, with the columns ``condition`` and ``method``; those without a
    value are left out.
    """
    rows = _named(metrics, layout)
    _check_that_all_were_measured(rows, layout)
    rows = rows[rows["condition"].isin(layout.conditions) & rows["method"].isin([*layout.methods, *REFERENCES])]
    shown = rows[is_shown(rows, layout)]
    _check_that_each_run_is_whole(rows, shown, layout)
    # A scan may be too small for a region or a metric; its values are empty.
    return shown.dropna(subset="value")


def _parts(rows: pd.DataFrame) -> list[tuple[str, ...]]:
    return list(rows[_PART].itertuples(index=False, name=None))


def is_shown(rows: pd.DataFrame, layout: Layout) -> pd.Series:
    """Say which rows of metrics or tests a table has a column for."""
    shown = {(*part, *column) for part in layout.parts for column in layout.columns(part)}
    places = rows[[*_PART, "channel", "metric"]].itertuples(index=False, name=None)
    return pd.Series([place in shown for place in places], index=rows.index, dtype=bool)


def _named(metrics: pd.DataFrame, layout: Layout) -> pd.DataFrame:
    is_reference = metrics["model"].isin(REFERENCES)
    method = metrics[layout.factor].mask(is_reference, metrics["model"])
    rows = metrics.assign(condition=metrics[layout.compared.condition], method=method)
    if layout.factor == "model":
        return rows
    return pd.concat(
        [rows[~is_reference], *(rows[is_reference].assign(condition=network) for network in layout.conditions)]
    )


def _check_that_all_were_measured(rows: pd.DataFrame, layout: Layout) -> None:
    is_reference = rows["method"].isin(REFERENCES)
    runs, references = rows[~is_reference], rows[is_reference]
    column = layout.compared.condition
    for condition in layout.conditions:
        if condition not in set(runs["condition"]):
            raise InputError(
                f"The metrics hold no {column} '{condition}'; they hold"
                f" {', '.join(runs['condition'].unique()) or 'none'}."
            )
        measured = runs.loc[runs["condition"] == condition, "method"].unique()
        if missing := [method for method in layout.methods if method not in measured]:
            held = ", ".join(measured)
            raise InputError(
                f"The metrics hold no {layout.factor} '{missing[0]}' for the {column} '{condition}'; they hold {held}."
            )
        # A measured scan is its own reconstruction, so it has no many-pattern reference.
        there = set(references.loc[references["condition"] == condition, "method"])
        if missing := [name for name in NEEDED_REFERENCES if name not in there]:
            raise InputError(f"The metrics hold no {missing[0]} for the {column} '{condition}'.")


def _check_that_each_run_is_whole(rows: pd.DataFrame, shown: pd.DataFrame, layout: Layout) -> None:
    values = shown[["condition", "method", "seed", *_PART, "channel", "metric"]]
    if values.duplicated().any():
        condition, method, seed = values[values.duplicated()].iloc[0, :3]
        needed = "dataset, one test, one n_train" if layout.factor == "loss" else "test, one loss, one n_train"
        raise InputError(
            f"The metrics hold two runs of '{method}' on '{condition}' with seed {seed}; a table needs one {needed}."
        )
    present = set(values.itertuples(index=False, name=None))
    wanted = [(part, *column) for part in layout.parts for column in layout.columns(part)]
    for run in rows[["condition", "method", "seed"]].drop_duplicates().itertuples(index=False, name=None):
        for part, channel, metric in wanted:
            if (*run, *part, channel, metric) not in present:
                what = (
                    f"{channel} {QUANTITIES[metric].name} of the block '{part.block}', region '{part.region}', at level"
                    f" '{part.level}'"
                )
                raise InputError(f"The run of '{run[1]}' on '{run[0]}' with seed {run[2]} lacks the {what}.")


def _summarise(rows: pd.DataFrame) -> pd.DataFrame:
    # The PSNR of a perfect scene is infinite and its spread undefined: that is the ceiling of a
    # clean scan, not an error.
    with np.errstate(invalid="ignore"):
        summary = rows.groupby([*_PLACE, "method"])["value"].agg(
            ours_mean="mean", ours_std="std", n_seeds="count", least="min"
        )
    return summary.reset_index()


def _tests(pairwise: pd.DataFrame, layout: Layout) -> pd.DataFrame:
    """Choose the pairs of the table, with the column ``condition``."""
    pairs = pairwise.assign(condition=pairwise[layout.compared.condition_of_tests])
    compared = (
        pairs["condition"].isin(layout.conditions) & pairs["a"].isin(layout.methods) & pairs["b"].isin(layout.methods)
    )
    return pairs[compared & is_shown(pairs, layout)]


def _mark(table: pd.DataFrame, pairs: pd.DataFrame, methods: list[str]) -> pd.DataFrame:
    table["best"], table["differs_from_best"] = False, pd.Series(None, index=table.index, dtype=object)
    tests = {
        (*(getattr(row, name) for name in _PLACE), frozenset((row.a, row.b))): bool(row.significant)
        for row in pairs.dropna(subset="p").itertuples()
    }
    for place, group in table[table["method"].isin(methods)].groupby(_PLACE):
        if (np.isinf(group["ours_mean"]) & np.isfinite(group["least"])).any():
            continue
        quantity = QUANTITIES[place[-1]]
        means = group["ours_mean"] if quantity.higher_is_better else -group["ours_mean"]
        printed = group["ours_mean"].map(quantity.printed)
        leader = means.idxmax()
        best = printed == printed[leader]
        table.loc[best.index, "best"] = best
        for index in best.index[~best]:
            pair = frozenset((group.at[leader, "method"], group.at[index, "method"]))
            table.at[index, "differs_from_best"] = tests.get((*place, pair))
    return table


def notes(table: pd.DataFrame, pairwise: pd.DataFrame, layout: Layout, scale_note: str) -> list[str]:
    """Write the footnotes, one sentence or two each, for readers of any of the table's forms."""
    metrics = [QUANTITIES[metric].name for metric in layout.table.metrics]
    found = (
        layout.table.note,
        _seeds_note(table),
        f"{in_a_row(metrics)} of amplitude and phase on the labels' 0 to 1 scale, peak 1.",
        (
            "Relative phase: less its mean error, of a scene or of each pattern, since a pattern does not change with"
            " the constant phase of its window."
        ),
        _released_note(layout),
        (
            f"Bold: the best {layout.compared.singular} of a column for each {layout.compared.headings[0].lower()}, at"
            f" the printed precision{_without_best(table, list(layout.methods))}; references are no candidates."
        ),
        _references_note(table),
        _tests_note(table, _tests(pairwise, layout), layout),
        scale_note,
    )
    return [note for note in found if note]


def _released_note(layout: Layout) -> str:
    if all(part.level != RELEASED for part in layout.parts):
        return ""
    return (
        "As the authors’ release scores: PSNR of the error pooled over all patches; SSIM of an array with a flattened"
        " patch in each row, whose windows mix unrelated pixels, so that it is no SSIM of images. It is shown since the"
        " printed values may have been made so."
    )


def _references_note(table: pd.DataFrame) -> str:
    note = (
        "Floor: the training mean everywhere. Ceiling: the true labels, stitched as the networks' patches are. Ceiling"
        " of one pattern: the same with every window's constant phase, which its pattern cannot tell, set to the"
        " training mean."
    )
    if "epie" not in set(table["method"]):
        return note
    return (
        f"{note} ePIE: a reconstruction from all patterns of the tested scan together, the probe known; networks see"
        " one at a time."
    )


def _seeds_note(table: pd.DataFrame) -> str:
    counts = table.loc[~table["method"].isin(REFERENCES), "n_seeds"]
    low, high = int(counts.min()), int(counts.max())
    if high == 1:
        ours = "This run: one seed, so no standard deviation."
    else:
        ours = (
            f"This run: mean ± sample standard deviation of {f'{high}' if low == high else f'{low} to {high}'} seeds."
        )
    if table["published_std"].notna().any():
        return f"{ours} Published: mean ± standard deviation of ten experiments."
    return (
        f"{ours} Published: the paper prints no standard deviation here."
        if table["published_mean"].notna().any()
        else ours
    )


def _without_best(table: pd.DataFrame, methods: list[str]) -> str:
    marked = table[table["method"].isin(methods)].groupby(_PLACE)["best"].any()
    return "" if marked.all() else ", none where a score is infinite in some seeds alone"


def _tests_note(table: pd.DataFrame, pairs: pd.DataFrame, layout: Layout) -> str:
    reasons = "; ".join(sorted(set(pairs.loc[pairs["p"].isna(), "note"].dropna())))
    if table["differs_from_best"].isna().all():
        return f"Differences between {layout.compared.plural} were not tested: {reasons or 'no pair was compared'}."
    alpha = ", ".join(f"{alpha:.2g}" for alpha in sorted(set(pairs["alpha"].dropna())))
    name = layout.compared.singular
    note = (
        f"†: differs from the best {name} of its column (paired t-test over seeds, p < {alpha}, Bonferroni-corrected"
        f" for all pairs); a {name} with neither † nor bold could not be separated from the best"
    )
    return f"{note}, or was not tested: {reasons}." if reasons else f"{note}."
