"""The report: every claim, table, figure and test of a run of the workflow on one page that needs
nothing but itself.

The page holds no time of making and no path of a machine: but for the times that jobs took, the
same inputs give the same bytes.
"""

import base64
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from ptychoformer.contents import Contents
from ptychoformer.evaluation.columns import ANOVA, PAIRWISE, read_table
from ptychoformer.evaluation.quantities import CHANNEL_NAMES, FACTORS, MISSING, QUANTITIES
from ptychoformer.files import write_text
from ptychoformer.paths import Run
from ptychoformer.publication.claims.judge import LOCAL, REFERENCE
from ptychoformer.publication.names import BLOCKS, REFERENCE_LABELS
from ptychoformer.publication.report import claims as report_claims
from ptychoformer.publication.report import evidence, variation
from ptychoformer.publication.report import reference as report_reference
from ptychoformer.publication.report import runs as report_runs
from ptychoformer.publication.report.curves import training_curves
from ptychoformer.publication.report.figures import pictures
from ptychoformer.publication.report.headline import HEADLINE_TABLE, Headline, headline_words, headlines
from ptychoformer.publication.report.labels import Labels, score_name
from ptychoformer.publication.report.newcomers import newcomers
from ptychoformer.publication.report.opening import opening
from ptychoformer.publication.report.printed import Printed
from ptychoformer.publication.store.holdings import SEEDS_FIXED
from ptychoformer.publication.tables import typeset
from ptychoformer.publication.tables.compare import COLUMNS, is_shown, notes
from ptychoformer.publication.tables.layout import Layout, Part, caption, column_groups, headings
from ptychoformer.publication.tables.words import statements
from ptychoformer.publication.templates import template

TEMPLATE = Path(__file__).with_name("page.html.j2")
# By the template; named here, so that an edit of one makes the report anew
# (`provenance.code_digest`).
INCLUDED = ("macros.html.j2", "claims.html.j2", "background.html.j2")
STYLE = Path(__file__).with_name("page.css")
Statistics = tuple[str | os.PathLike, str | os.PathLike]


def make_report(
    printed: Printed,
    *,
    statistics: Mapping[str, Statistics],
    figures: Mapping[str, tuple[str | os.PathLike, str | os.PathLike]],
    reference: str | os.PathLike | None,
    histories: Mapping[Run, pd.DataFrame],
    output: str | os.PathLike,
) -> None:
    """Write the page.

    Args:
        printed: what is printed.
        statistics: ``table1`` ... to ``anova.csv`` and ``pairwise.csv``.
        figures: ``fig1`` ... to PDF, which is linked to, and PNG, which is shown.
        reference: folder of the reference runs (`store`); None if there is none.
        histories: each run of Table I to its losses by epoch.

    Raises:
        InputError: a file is missing or breaks its contract, or Table I has no network that is
            called ours.
    """
    words, tables, ours = printed.words, printed.tables, printed.ours
    labels, layouts = Labels(**printed.labels), {name: Layout.of(table) for name, table in words.items()}
    first = layouts[HEADLINE_TABLE]
    runs = report_runs.trained_runs(printed, labels)
    of_first = read_table(tables[HEADLINE_TABLE], COLUMNS), read_table(statistics[HEADLINE_TABLE][1], PAIRWISE)
    lead = headlines(*of_first, first, ours)
    page = template(TEMPLATE, {"tied": _tied, "lettered": _lettered}).render(
        style=STYLE.read_text(encoding="utf-8"),
        caution=printed.caution,
        opening=opening(words[HEADLINE_TABLE]["scale_note"], printed.scale, runs, lead, first.methods[ours]),
        harvest_note=printed.harvest_note,
        scale=list(_flat(printed.scale)),
        tables=[
            _table(layouts[name], tables[name], statistics[name], words[name]["scale_note"], labels) for name in words
        ],
        figures=pictures(figures, printed.contents.figures, output, printed.missing_scan),
        curves=_embedded(training_curves(histories, first.conditions, first.methods), "image/svg+xml"),
        newcomers=newcomers(*of_first, first),
        **_headline_parts(lead, tables[HEADLINE_TABLE], first, ours),
        **_claims_parts(printed.claims, labels, printed.contents, {*words, *figures}),
        **_reference_parts(reference, labels, first),
        **_runs_parts(runs, labels),
    )
    write_text(page, output)


def _headline_parts(
    lead: Sequence[Headline], table_csv: str | os.PathLike, layout: Layout, ours: str
) -> dict[str, Any]:
    """Return what the page says of Table I: our lead, and how the networks vary over seeds."""
    return {
        **headline_words(lead, layout, ours),
        "varied_groups": _variation(table_csv, layout),
        "varied_names": [score_name(*column) for column in report_reference.COLUMNS],
    }


def _claims_parts(claims: str | os.PathLike, labels: Labels, contents: Contents, shown: set[str]) -> dict[str, Any]:
    """Return the claims by section, their tallies, how verdicts are shown, and which of the
    ``shown`` tables and figures each rests on.
    """
    verdicts = report_claims.read_verdicts(claims)
    sections = report_claims.sections(verdicts, labels, contents)
    rests_on = evidence.evidence(verdicts, contents, shown)
    return {
        "tallies": {source: report_claims.tally(verdicts, source) for source in (LOCAL, REFERENCE)},
        "verdicts": [
            (verdict, report_claims.SYMBOLS[verdict], report_claims.STYLES[verdict])
            for verdict in report_claims.VERDICTS
        ],
        "claim_sections": sections,
        "evidence": rests_on,
        "filters": evidence.filters(rests_on, contents),
        "claim_classes": evidence.classes(verdicts, rests_on),
        "seeds_fixed": SEEDS_FIXED,
    }


def _reference_parts(reference: str | os.PathLike | None, labels: Labels, layout: Layout) -> dict[str, Any]:
    """Return what the page says of the reference runs."""
    return {
        "reference": report_reference.reference_conditions(reference, labels, block=layout.block, level=layout.level),
        "reference_headings": headings(report_reference.COLUMNS),
        "anova_headings": report_reference.ANOVA_HEADINGS,
        "pair_headings": report_reference.PAIR_HEADINGS,
    }


def _runs_parts(runs: pd.DataFrame, labels: Labels) -> dict[str, Any]:
    """Return how the runs were made, and how long they took."""
    return {
        "runs": report_runs.run_rows(runs, labels),
        "durations": report_runs.duration_rows(runs, labels),
        "libraries": report_runs.libraries(runs),
    }


def _table(
    layout: Layout, table_csv: str | os.PathLike, tests: Statistics, scale_note: str, labels: Labels
) -> dict[str, Any]:
    """Gather all that the page says under the heading of a table."""
    table, anova, pairwise = read_table(table_csv, COLUMNS), read_table(tests[0], ANOVA), read_table(tests[1], PAIRWISE)
    shown_anova, shown_pairs = _shown(anova, layout), _shown(pairwise, layout)
    how = layout.conditions, layout.methods
    told = {part: statements(shown_anova, shown_pairs, *how, part, layout.factor) for part in layout.parts}
    return {
        "name": layout.name,
        "number": layout.table.number,
        "title": layout.table.title,
        "first_heading": layout.compared.headings[1],
        "plural": layout.compared.plural,
        "parts": [_part(part, rows, layout) for part in layout.parts if (rows := typeset.rows(table, part, layout))],
        "has_published": bool(table["published_mean"].notna().any()),
        "notes": notes(table, pairwise, layout, scale_note),
        "told": [(caption(part), typeset.by_condition(found)) for part, found in told.items()],
        "numbers": [
            ("Analyses of variance", *_as_text(shown_anova, labels)),
            (f"Pairs of {layout.compared.plural}", *_as_text(shown_pairs, labels)),
        ],
    }


def _part(part: Part, rows: Sequence[typeset.Row], layout: Layout) -> dict[str, Any]:
    """Lay out one part of a table as the page shows it."""
    return {
        "id": "-".join((layout.name, *part)),
        "caption": caption(part),
        "groups": column_groups(part, layout),
        "headings": [QUANTITIES[metric].heading for _, metric in layout.columns(part)],
        "labels": headings(layout.columns(part)),
        "rows": typeset.by_condition(rows),
    }


def _shown(tests: pd.DataFrame, layout: Layout) -> pd.DataFrame:
    """Choose the rows of a table of tests that belong to what the table of results shows."""
    return tests[is_shown(tests, layout) & tests[layout.compared.condition_of_tests].isin(layout.conditions)]


def _variation(table_csv: str | os.PathLike, layout: Layout) -> list[tuple[str, list[variation.Row]]]:
    """Show how a table's scores differ between seeds, and between blocks."""
    means = variation.means_of_table(read_table(table_csv, COLUMNS), layout.level)
    methods = {**layout.methods, "floor": REFERENCE_LABELS["floor"]}
    found = variation.variation(means, layout.block)
    return typeset.by_condition(variation.rows(found, layout.conditions, methods, report_reference.COLUMNS))


def _tied(sentence: str) -> str:
    """Tie the formulas of a sentence together, so that no end of line tears one apart."""
    return re.sub(r" ([=<>]) ", "\u00a0\\1\u00a0", sentence)


def _lettered(caption: str) -> Markup:
    """Escape a caption, with the letters of its panels bold."""
    parts = re.split(r"\*\*(.+?)\*\*", caption)
    return Markup().join(Markup("<b>{}</b>").format(part) if place % 2 else part for place, part in enumerate(parts))


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, str]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _embedded(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _as_text(table: pd.DataFrame, labels: Labels) -> tuple[list[str], list[list[str]]]:
    """Write headings and rows of a table of tests, in which names stand under their labels."""
    known = {
        **dict.fromkeys(("dataset", "test"), labels.datasets),
        **{column: {**labels.losses, **labels.networks} for column in ("held", "a", "b")},
        "factor": {name: factor.singular for name, factor in FACTORS.items()},
        "block": BLOCKS,
        "channel": CHANNEL_NAMES,
        "metric": {name: quantity.name for name, quantity in QUANTITIES.items()},
    }
    rows = [
        [known.get(column, {}).get(value, _text(value)) for column, value in zip(table, row, strict=True)]
        for row in table.itertuples(index=False)
    ]
    return list(table), rows


def _text(value: Any) -> str:
    if pd.isna(value):
        return MISSING
    return f"{value:.4g}".replace("-", "−") if isinstance(value, float) else str(value)
