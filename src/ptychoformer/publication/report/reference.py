"""The reference runs of the report: full-size runs that were harvested from elsewhere, by the
condition that they were trained under.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from ptychoformer.evaluation import REFERENCES, WHOLE
from ptychoformer.evaluation.quantities import MISSING, QUANTITIES, columns, p_and_level, p_value
from ptychoformer.evaluation.statistics import analyses
from ptychoformer.publication.harvest import TABLE_1, whole_seeds
from ptychoformer.publication.inputs import versions_of_code
from ptychoformer.publication.report import variation
from ptychoformer.publication.report.labels import Labels, score_name
from ptychoformer.publication.selection import select
from ptychoformer.publication.store.files import read_scores
from ptychoformer.publication.store.holdings import SEEDS_FIXED
from ptychoformer.publication.tables.layout import BLOCK_TITLES
from ptychoformer.simulation.scan import STRIP, WHOLE_SCAN

COLUMNS = columns(("psnr", "ssim"))
TESTED = columns()
ANOVA_HEADINGS = ("Score", "F", "Degrees of freedom", "p", "Greenhouse-Geisser ε", "p, corrected", "Partial η² (95 %)")
PAIR_HEADINGS = ("Score", "Pair", "Difference (95 %)", "p", "Threshold")
_CONDITION = ["dataset", "test", "n_train", "loss", "epochs", "batch_size"]
_SHARED = ["dataset", "test", "n_train"]  # what a floor or ceiling has in common with the runs that it belongs to


@dataclass(frozen=True)
class Condition:
    """Runs that were trained alike, on one block.

    Args:
        title: dataset, size, loss, schedule and block in words.
        is_headline: whether the block is the headline's; if not, no claim about it was judged on
            these runs.
        whole: seeds that have every network of Table I that the condition has, or every network if
            it has none of these.
        lacks: networks of Table I that it has not.
        dropped: seeds of the networks compared that are not whole, in words, or empty.
        versions: of the code, by which runs of one network were trained; they count as replicates
            of each other.
        rows: a network each: name, seeds, means with deviations of ``COLUMNS``, digests of the
            code, seconds; then the references. The networks compared are shown over the whole seeds
            alone, if there are any.
        anovas, pairs: rows below ``ANOVA_HEADINGS`` and ``PAIR_HEADINGS``; none of fewer than two
            networks or whole seeds.
        variation: deviations over seeds and over blocks; none where there is one block only.
    """

    title: str
    is_headline: bool
    whole: tuple[int, ...]
    lacks: tuple[str, ...]
    dropped: str
    versions: int
    rows: tuple[tuple[str, ...], ...]
    anovas: tuple[tuple[str, ...], ...]
    pairs: tuple[tuple[str, ...], ...]
    variation: tuple[variation.Row, ...]

    @property
    def interim(self) -> bool:
        """Whether there are fewer seeds than were fixed beforehand."""
        return len(self.whole) < SEEDS_FIXED


def reference_conditions(
    folder: str | os.PathLike | None, labels: Labels, *, block: str, level: str
) -> list[Condition]:
    """Gather the conditions that there are, the largest training sets first; none if there is no
    store, or no run in it.

    Args:
        folder: of the reference runs (`store`), or None.
        block, level: the headline. Runs that have no scores on this block are shown on every block
            that they have.

    Raises:
        InputError: a table of it is missing or breaks its contract.
    """
    if folder is None:
        return []
    table = read_scores(folder)
    is_reference, shown = table["model"].isin(REFERENCES), (table["region"] == WHOLE) & (table["level"] == level)
    runs, references = table[~is_reference & shown], table[is_reference & shown]
    return [
        _condition(dict(zip(_CONDITION, key, strict=True)), group, references, labels, where, block)
        for key, group in sorted(runs.groupby(_CONDITION), key=lambda entry: (-entry[0][2], entry[0]))
        for where in (
            [block] if block in set(group["block"]) else [name for name in BLOCK_TITLES if name in set(group["block"])]
        )
    ]


def _condition(
    key: dict, group: pd.DataFrame, references: pd.DataFrame, labels: Labels, where: str, headline: str
) -> Condition:
    trained = f"{int(key['n_train']):,} patterns, {int(key['epochs'])} epochs, batches of {int(key['batch_size'])}"
    networks = set(group["model"])
    compared = TABLE_1 & networks or networks
    whole = whole_seeds(group[group["block"] == where], compared)
    kept = group[~group["model"].isin(compared) | group["seed"].isin(whole)] if whole else group
    own = references[
        (references[_SHARED] == pd.Series(key)[_SHARED]).all(axis=1) & references["seed"].isin(kept["seed"])
    ]
    order = {name: rank for rank, name in enumerate([*labels.networks, *REFERENCES])}
    models = sorted(
        {*kept["model"], *own["model"]}, key=lambda name: (name in REFERENCES, order.get(name, len(order)), name)
    )
    both = pd.concat([kept, own])
    here = both[both["block"] == where]
    anovas, pairs = _tests(
        pd.concat([here[(here["model"] == name) & here["seed"].isin(whole)] for name in models if name in compared]),
        labels,
    )
    found = variation.variation(variation.means_over_seeds(both), where)
    return Condition(
        title=(
            f"{labels.dataset(key['dataset'], key['test'])}: {trained}, {labels.loss(key['loss'])} loss,"
            f" {BLOCK_TITLES[where]}"
        ),
        is_headline=where in (headline, WHOLE_SCAN) or set(group["block"]) == {STRIP},  # a measured scan has no other
        whole=tuple(sorted(whole)),
        lacks=tuple(labels.network(name) for name in labels.networks if name in TABLE_1 - networks),
        dropped=_dropped(group[group["model"].isin(compared)], whole, models, labels) if whole else "",
        versions=versions_of_code(kept),
        rows=tuple(tuple(_row(model, here[here["model"] == model], labels)) for model in models),
        anovas=anovas,
        pairs=pairs,
        variation=tuple(
            variation.rows(found, {key["dataset"]: ""}, {name: labels.network(name) for name in models}, COLUMNS)
        ),
    )


def _dropped(runs: pd.DataFrame, whole: set[int], models: list[str], labels: Labels) -> str:
    left_out = {name: sorted(set(runs.loc[runs["model"] == name, "seed"]) - whole) for name in models}
    return "; ".join(
        f"{labels.network(name)} {', '.join(map(str, seeds))}" for name, seeds in left_out.items() if seeds
    )


def _row(model: str, rows: pd.DataFrame, labels: Labels) -> Iterator[str]:
    yield labels.network(model)
    seeds = sorted(rows["seed"].unique())
    yield f"{len(seeds)} ({', '.join(map(str, seeds))})"
    for channel, metric in COLUMNS:
        yield _mean(select(rows, channel=channel, metric=metric), metric)
    yield ", ".join(sorted({digest for digest in rows["code_digest"] if digest})) or MISSING
    seconds = rows.drop_duplicates("seed")["seconds"].mean()
    yield MISSING if pd.isna(seconds) else f"{seconds:,.0f}"


def _mean(rows: pd.DataFrame, metric: str) -> str:
    if rows.empty:
        return MISSING
    values, quantity = rows["value"], QUANTITIES[metric]
    spread = values.std() if values.abs().max() < float("inf") else float("nan")  # a perfect scene has no finite PSNR
    return quantity.with_deviation(values.mean(), spread)


def _tests(runs: pd.DataFrame, labels: Labels) -> tuple[tuple[tuple[str, ...], ...], tuple[tuple[str, ...], ...]]:
    """Run the paper's tests of these networks over these seeds: analyses of variance, and paired
    t-tests of every two.
    """
    if runs["model"].nunique() < 2 or runs["seed"].nunique() < 2:
        return (), ()
    anovas, pairs = analyses(runs)
    return tuple(map(_anova_row, _in_order(anovas))), tuple(_pair_row(row, labels) for row in _in_order(pairs))


def _in_order(tests: pd.DataFrame) -> Iterator[tuple]:
    for channel, metric in TESTED:
        yield from select(tests, channel=channel, metric=metric).itertuples()


def _anova_row(row: tuple) -> tuple[str, ...]:
    if pd.isna(row.p):
        return (score_name(row.channel, row.metric), f"not tested: {row.note}", *[""] * (len(ANOVA_HEADINGS) - 2))
    return (
        score_name(row.channel, row.metric),
        f"{row.F:.1f}",
        f"{row.df_effect:.0f}, {row.df_error:.0f}",
        _bare(p_value(row.p)),
        f"{row.epsilon:.2f}",
        _bare(p_value(row.p_gg)),
        f"{row.eta_squared:.2f} ({row.eta_low:.2f} to {row.eta_high:.2f})",
    )


def _pair_row(row: tuple, labels: Labels) -> tuple[str, ...]:
    names = f"{labels.network(row.a)} less {labels.network(row.b)}"
    if pd.isna(row.p):
        return score_name(row.channel, row.metric), names, f"not tested: {row.note}", "", ""
    quantity = QUANTITIES[row.metric]
    difference, interval = quantity.text(row.difference, sign=True), quantity.interval(row.low, row.high, sign=True)
    p, level = p_and_level(row.p, row.alpha)
    threshold = f"{'below' if row.significant else 'not below'} {level}"
    return score_name(row.channel, row.metric), names, f"{difference} ({interval})", _bare(p), threshold


def _bare(p: str) -> str:
    """Write a probability as a column of probabilities has it."""
    return p.removeprefix("p").removeprefix(" = ").strip()
