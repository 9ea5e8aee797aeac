"""A table of results as people read it: rows of cells, and these in Markdown and LaTeX; the
report sets the same rows in HTML.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd
from tabulate import tabulate

from ptychoformer.escaping import latex, markdown
from ptychoformer.evaluation.quantities import MISSING, QUANTITIES
from ptychoformer.publication.names import REFERENCE_LABELS, REFERENCES
from ptychoformer.publication.selection import select
from ptychoformer.publication.tables.layout import Layout, Part, caption, column_groups, headings


@dataclass(frozen=True)
class Cell:
    """One metric of one method, as text.

    Args:
        ours: mean, and standard deviation if there is more than one seed.
        published: the paper's mean, or empty.
        published_std: the paper's standard deviation, or empty, for it does not always print one.
        difference: ours minus published with its sign, or empty.
        best: to be printed bold.
        differs: to be marked with a dagger.
    """

    ours: str
    published: str
    published_std: str
    difference: str
    best: bool
    differs: bool


@dataclass(frozen=True)
class Row:
    """One method under one condition; ``cells`` follow `Layout.columns` of its part."""

    condition: str
    method: str
    is_reference: bool
    cells: tuple[Cell, ...]


def at_part(table: pd.DataFrame, part: Part) -> pd.DataFrame:
    """Choose the rows of a table that belong to a part."""
    return select(table, **part._asdict())


def rows(table: pd.DataFrame, part: Part, layout: Layout) -> list[Row]:
    """Set the rows of one part of the tidy table of `compare.compare`; none if it has no values."""
    methods, columns = {**layout.methods, **REFERENCE_LABELS}, layout.columns(part)
    found = at_part(table, part).set_index(["condition", "method", "channel", "metric"])
    present = set(found.index.droplevel(["channel", "metric"]))
    return [
        Row(
            label,
            methods[method],
            method in REFERENCES,
            tuple(_cell(found, (condition, method, *column)) for column in columns),
        )
        for condition, label in layout.conditions.items()
        for method in methods
        if (condition, method) in present
    ]


def by_condition(items: Iterable[Any]) -> list[tuple[str, list[Any]]]:
    """Group rows, or others with a ``condition``, under each condition that follows another."""
    return [(condition, list(group)) for condition, group in groupby(items, key=lambda item: item.condition)]


def _cell(found: pd.DataFrame, key: tuple[str, ...]) -> Cell:
    if key not in found.index:
        return Cell(MISSING, "", "", "", best=False, differs=False)
    row, quantity = found.loc[key], QUANTITIES[key[-1]]
    has_published, has_std = pd.notna(row["published_mean"]), pd.notna(row["published_std"])
    return Cell(
        ours=quantity.with_deviation(row["ours_mean"], row["ours_std"]),
        published=quantity.text(row["published_mean"]) if has_published else "",
        published_std=quantity.text(row["published_std"]) if has_std else "",
        difference=quantity.text(row["difference"], sign=True) if has_published else "",
        best=bool(row["best"]),
        differs=bool(pd.notna(row["differs_from_best"]) and row["differs_from_best"]),
    )


def markdown_document(table: pd.DataFrame, layout: Layout, notes: Sequence[str]) -> str:
    """Write all parts as Markdown tables with footnotes."""
    parts, explained = [f"# Table {layout.table.number}: {layout.table.title}"], list(notes)
    for part in layout.parts:
        if body := rows(table, part, layout):
            parts += [f"## {caption(part)}", _markdown_table(body, part, layout)]
    if table["published_mean"].notna().any():
        explained.insert(0, "In brackets: the paper's mean; this run minus the paper's.")
    parts.append("\n".join(f"- {markdown(note)}" for note in explained))
    return "\n\n".join(parts) + "\n"


def _markdown_table(body: Sequence[Row], part: Part, layout: Layout) -> str:
    lines = [[markdown(row.condition), markdown(row.method), *map(_markdown_cell, row.cells)] for row in body]
    head = [*layout.compared.headings, *headings(layout.columns(part))]
    return tabulate(lines, head, tablefmt="pipe", disable_numparse=True)


def _markdown_cell(cell: Cell) -> str:
    ours = f"**{cell.ours}**" if cell.best else f"{cell.ours} †" if cell.differs else cell.ours
    return f"{ours} ({cell.published}; {cell.difference})" if cell.published else ours


def latex_document(table: pd.DataFrame, layout: Layout, notes: Sequence[str]) -> str:
    """Write all parts as floats for a two-column page, to be read with ``\\input``; needs the
    package booktabs.
    """
    floats = [_latex_table(part, body, layout, notes) for part in layout.parts if (body := rows(table, part, layout))]
    return "\n".join(["% Needs \\usepackage{booktabs}.", *floats])


def _latex_table(part: Part, body: Sequence[Row], layout: Layout, notes: Sequence[str]) -> str:
    columns, groups = layout.columns(part), column_groups(part, layout)
    ends = 2 + np.cumsum([width for _, width in groups])
    rules = " ".join(f"\\cmidrule(lr){{{end - width + 1}-{end}}}" for end, (_, width) in zip(ends, groups, strict=True))
    heads = " & ".join(f"\\multicolumn{{{width}}}{{c}}{{{name}}}" for name, width in groups)
    below = " & ".join(map(latex, (*layout.compared.headings, *(QUANTITIES[metric].heading for _, metric in columns))))
    has_published = any(cell.published for row in body for cell in row.cells)
    shown = latex(f"{layout.table.title} (the paper's {layout.table.source}). {caption(part)}")
    explained = (
        *(["Second lines: the paper's values and, in brackets, this run minus the paper."] if has_published else []),
        *notes,
    )
    return "\n".join([
        r"\begin{table*}[t]",
        r"\centering\footnotesize",
        f"\\caption{{{shown}.}}",
        f"\\label{{tab:{layout.name}-{'-'.join(part)}}}",
        f"\\begin{{tabular}}{{ll{'c' * len(columns)}}}",
        r"\toprule",
        f" & & {heads} \\\\",
        rules,
        f"{below} \\\\",
        *_latex_body(body),
        r"\bottomrule",
        r"\end{tabular}",
        r"\par\smallskip",
        f"\\begin{{minipage}}{{\\textwidth}}\\scriptsize {' '.join(map(latex, explained))}\\end{{minipage}}",
        r"\end{table*}",
        "",
    ])  # fmt: skip


def _latex_body(body: Sequence[Row]) -> list[str]:
    lines, condition = [], None
    for row in body:
        lines += [] if row.condition == condition else [r"\midrule"]
        first = "" if row.condition == condition else latex(row.condition)
        lines.append(f"{first} & {latex(row.method)} & {' & '.join(map(_latex_ours, row.cells))} \\\\")
        if any(cell.published for cell in row.cells):
            lines.append(f" & \\quad published & {' & '.join(map(_latex_published, row.cells))} \\\\")
        condition = row.condition
    return lines


def _latex_ours(cell: Cell) -> str:
    # In math so that the sign and the digits turn bold together.
    inner = cell.ours.replace("±", r"\pm").replace("−", "-").replace("∞", r"\infty")
    if cell.ours == MISSING:
        return "--"
    return f"$\\mathbf{{{inner}}}$" if cell.best else f"${inner}^{{\\dagger}}$" if cell.differs else f"${inner}$"


def _latex_published(cell: Cell) -> str:
    return f"\\textit{{{latex(cell.published)}}} ({latex(cell.difference)})" if cell.published else ""
