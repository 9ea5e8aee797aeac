"""What README and docs/results.md say of results: marked blocks of Markdown that are made from
tables, so that no sentence outlives its numbers.

The tables are the reference runs (`harvest`), and a small copy of what a whole run of the workflow
at laptop scale found (`keep`), for results themselves are not kept. ``make readme`` copies, renders
and writes; a test holds the page to the tables.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ptychoformer.evaluation import REFERENCES, SCENE, WHOLE
from ptychoformer.evaluation.columns import PUBLISHED, read_table
from ptychoformer.evaluation.metrics import read_metrics
from ptychoformer.evaluation.quantities import QUANTITIES
from ptychoformer.publication.claims.judge import LOCAL
from ptychoformer.publication.harvest import TABLE_1, whole_seeds
from ptychoformer.publication.names import REFERENCE_LABELS, counted
from ptychoformer.publication.report.claims import read_verdicts
from ptychoformer.publication.report.labels import Labels
from ptychoformer.publication.report.leads import SHOWN, leads, table_of_scores
from ptychoformer.publication.report.verdict_words import (
    CLAIM_COLUMNS,
    CLAIMS,
    are_kept,
    caution,
    count_of_verdicts,
    table_of_verdicts,
)
from ptychoformer.publication.selection import select
from ptychoformer.publication.store.files import read_scores
from ptychoformer.publication.store.holdings import SEEDS_FIXED
from ptychoformer.publication.tables.layout import BLOCK_TITLES
from ptychoformer.simulation.scan import WHOLE_SCAN
from ptychoformer.tables import write_csv

BEGIN, END = "<!-- results: begin, made by `make readme` -->", "<!-- results: end -->"
METRICS = "metrics.csv"
_SCHEDULE = ["n_train", "epochs", "batch_size"]


@dataclass(frozen=True)
class Sources:
    """What the block is made from.

    Args:
        runs: folder of the reference runs (`store`), with a copy of the verdicts on them.
        laptop: folder of `keep`.
        claims: the paper's claims (`catalogue`).
    """

    runs: str | os.PathLike
    laptop: str | os.PathLike
    claims: str | os.PathLike


@dataclass(frozen=True)
class Told:
    """A table of the paper that is told of at full size.

    Args:
        title: before its datasets; empty where they say enough.
        labels: its datasets and networks, in the order in which they are told.
        published: CSV of the paper's own means.
        papers_block: that these are of.
        block, level: its headline.
        test: what the networks were tested on, if that is not the dataset.
        note: explains names of its rows.
    """

    title: str
    labels: Labels
    published: str | os.PathLike
    papers_block: str
    block: str
    level: str
    test: str | None = None
    note: str = ""


def keep(
    claims_csv: str | os.PathLike, metrics: Mapping[str | os.PathLike, str], level: str, folder: str | os.PathLike
) -> None:
    """Copy what README speaks of from the results of a whole run of the workflow.

    Args:
        claims_csv: of `judge.judge`.
        metrics: ``metrics.csv`` of an experiment to the block that it is shown on.
        level: of the scenes that are shown.
        folder: gets ``metrics.csv``, scores of whole blocks in PSNR and SSIM, and ``claims.csv``,
            the verdicts.

    Raises:
        InputError: a file is missing or breaks its contract.
    """
    parts = []
    for path, block in metrics.items():
        rows = select(read_metrics(path), block=block, region=WHOLE, level=level)
        parts.append(rows[rows["metric"].isin(SHOWN)])
    write_csv(pd.concat(parts, ignore_index=True).drop_duplicates(), Path(folder) / METRICS)
    keep_verdicts(claims_csv, folder)


def keep_verdicts(claims_csv: str | os.PathLike, folder: str | os.PathLike) -> None:
    """Copy the verdicts of a run of the workflow to ``claims.csv``.

    Args:
        claims_csv: of `judge.judge`.

    Raises:
        InputError: the file is missing or breaks its contract.
    """
    verdicts = read_verdicts(claims_csv)
    write_csv(verdicts.loc[verdicts["source"] == LOCAL, list(CLAIM_COLUMNS)], Path(folder) / CLAIMS)


def block_of_results(sources: Sources, full_size: Sequence[Told], laptop: Labels) -> str:
    """Write the text between the marks.

    Args:
        full_size: the tables that are told of.
        laptop: datasets and networks of everything at laptop scale, in the order in which they
            are told.

    Raises:
        InputError: a table is missing or breaks its contract.
    """
    paragraphs = [*_full_size(sources, full_size), *_laptop(Path(sources.laptop), laptop)]
    return "\n\n".join(filter(None, paragraphs)) + "\n"


def headline_of_results(sources: Sources, told: Told) -> str:
    """Write the shorter text between README's marks: a table's first condition at full size, and
    how many claims hold at each scale.

    Raises:
        InputError: a table is missing or breaks its contract.
    """
    paragraphs = list(_table(told, read_scores(sources.runs)))
    # A condition without whole seeds is one sentence, and has no table below it.
    shown = paragraphs[:2] if len(paragraphs) > 1 and paragraphs[1].startswith("|") else paragraphs[:1]
    scales = {"At full size": Path(sources.runs), "At laptop scale": Path(sources.laptop)}
    shown += [f"{scale}, {verdicts}" for scale, folder in scales.items() if (verdicts := count_of_verdicts(folder))]
    shown.append(caution(sources.runs, sources.claims))
    return "\n\n".join(filter(None, shown)) + "\n"


def _full_size(sources: Sources, tables: Sequence[Told]) -> Iterator[str]:
    yield "## At full size"
    yield count_of_verdicts(sources.runs)
    yield caution(sources.runs, sources.claims)
    yield (
        "The numbers are from the runs in `resources/reference`, with the paper's own object and probe; only the"
        " objects of Table II are generated. Each is the score of the stitched scene, mean ± sample standard deviation"
        " over the seeds that every network has. Numbers in brackets are the paper's, given on the block that it most"
        " likely tested on, and in Table II, where its object is another one."
    )
    yield (
        "A lead is the mean difference within seeds between the network with the highest mean and the next one. These"
        " two were picked after the runs, and the intervals are not corrected for the number of comparisons."
    )
    scores = read_scores(sources.runs)
    for told in tables:
        yield from _table(told, scores)
    if are_kept(sources.runs):
        yield "### Every claim at full size"
        yield (
            "The paper's statements, each with the verdict on the stitched scene of the lower right block (Table II: of"
            " the whole object), the number of seeds that it rests on, and where it comes out otherwise (–: judged"
            " nowhere else). The report has effects, intervals and reasons."
        )
        yield table_of_verdicts(sources.runs, sources.claims)


def _table(told: Told, scores: pd.DataFrame) -> Iterator[str]:
    """Yield each condition of a table with who leads, or a sentence that there is nothing of it; a
    paragraph may be empty.
    """
    published = read_table(told.published, PUBLISHED)
    table = select(scores, region=WHOLE, level=told.level)
    for dataset in (name for name in told.labels.datasets if name in set(published["condition"])):
        here = select(table, dataset=dataset, test=told.test or dataset)
        title = f"{told.title}{told.labels.dataset(dataset, told.test)}"
        blocks = [name for name in BLOCK_TITLES if _are_compared(here[here["block"] == name], told.labels)]
        if told.block not in blocks:
            other = " (those below are of another block, on which no claim is judged)" if blocks else ""
            yield f"*{title}, {BLOCK_TITLES[told.block]}*: no runs yet{other}."
        for name in [told.block] if told.block in blocks else blocks:
            # What the paper prints is of its own block.
            theirs = published[
                (published["condition"] == dataset) & (name == told.papers_block) & (told.level == SCENE)
            ]
            yield from _condition(here[here["block"] == name], theirs, f"{title}, {BLOCK_TITLES[name]}", told.labels)
    if told.note:
        yield told.note


def _are_compared(rows: pd.DataFrame, labels: Labels) -> bool:
    """Say whether there are two networks of a table that were trained alike."""
    return len(set(labels.networks) & set(rows.loc[rows["loss"] == "mse", "model"])) > 1


def _condition(rows: pd.DataFrame, published: pd.DataFrame, title: str, labels: Labels) -> Iterator[str]:
    """Yield the largest training sets of Table I's networks as a table, and who leads."""
    runs = rows[rows["model"].isin(labels.networks) & (rows["loss"] == "mse")]
    schedule = _schedule(runs[runs["model"].isin(TABLE_1)])
    runs = runs[(runs[_SCHEDULE] == pd.Series(schedule, _SCHEDULE)).all(axis=1)]
    seeds = whole_seeds(runs, TABLE_1 & set(runs["model"]))
    if not seeds:
        yield f"*{title}*: no seed has every network yet."
        return
    runs = runs[runs["seed"].isin(seeds)]
    # A network that the paper's Table I has not takes no seed away; it is shown once it has all of
    # them.
    networks = [name for name in labels.networks if seeds == set(runs.loc[runs["model"] == name, "seed"])]
    references = rows[rows["model"].isin(REFERENCES) & (rows["n_train"] == schedule[0]) & rows["seed"].isin(seeds)]
    interim = f" of {SEEDS_FIXED}: interim" if len(seeds) < SEEDS_FIXED else ""
    about = f"{title}, {schedule[0]:,} patterns, {int(schedule[1])} epochs, {counted(len(seeds), 'seed')}{interim}"
    missing = [labels.network(name) for name in labels.networks if name in TABLE_1 - set(networks)]
    yield f"*{about}*" + (f" (no runs of {', '.join(missing)})" if missing else "") + ":"
    yield table_of_scores(pd.concat([runs[runs["model"].isin(networks)], references]), networks, published, labels)
    yield leads(runs, networks, labels)


def _schedule(runs: pd.DataFrame) -> tuple[int, float, float]:
    """Choose how the runs that are told were trained: the largest training sets, then most whole
    seeds, then most epochs.
    """
    found = {key: len(whole_seeds(part, set(runs["model"]))) for key, part in runs.groupby(_SCHEDULE)}
    return max(found, key=lambda key: (key[0], found[key], key[1:]))


def _laptop(folder: Path, labels: Labels) -> Iterator[str]:
    yield "## At laptop scale"
    if not (folder / METRICS).is_file():
        yield "The report of `make paper` has the numbers; no numbers are kept here yet."
        return
    rows = read_metrics(folder / METRICS)
    yield count_of_verdicts(folder)
    yield (
        "These are means over the seeds of the scores of stitched scenes, from `make paper`; `resources/laptop` holds a"
        " copy."
    )
    order = {name: rank for rank, name in enumerate(labels.datasets)}
    pairs = sorted(
        set(zip(rows["dataset"], rows["test"], strict=True)), key=lambda pair: order.get(pair[0], len(order))
    )
    for dataset, test in pairs:
        yield from _in_short(select(rows, dataset=dataset, test=test), labels)


def _in_short(rows: pd.DataFrame, labels: Labels) -> Iterator[str]:
    """Yield the PSNR of the amplitude of a condition in a line, and who leads."""
    runs = rows[~rows["model"].isin(REFERENCES)]
    networks = [name for name in labels.networks if name in set(runs["model"])]
    seeds, (dataset, test, block) = whole_seeds(runs, networks), rows[["dataset", "test", "block"]].iloc[0]
    where = "" if block == WHOLE_SCAN else f", {BLOCK_TITLES[block]}"
    about = f"{labels.dataset(dataset, test)}{where}, {runs['n_train'].max():,} patterns, {counted(len(seeds), 'seed')}"
    told = select(rows[rows["seed"].isin(seeds)], channel="amplitude", metric="psnr")
    psnr = told.groupby("model")["value"].mean()
    scale = [f"{REFERENCE_LABELS[name]} {QUANTITIES['psnr'].text(psnr[name])}" for name in REFERENCES if name in psnr]
    networks_at = ", ".join(f"{labels.network(name)} {QUANTITIES['psnr'].text(psnr[name])}" for name in networks)
    yield f"*{about}.* Amplitude PSNR (dB): {networks_at}; {', '.join(scale)}."
    yield leads(runs[runs["seed"].isin(seeds)], networks, labels)
