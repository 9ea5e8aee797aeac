"""A table of results as people read it: rows of cells, and these in Markdown and LaTeX; the report sets the same rows in HTML."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from tabulate import tabulate

from ptychoformer.evaluation.patches import CHANNELS
from ptychoformer.publication.quantities import COLUMNS, MISSING, QUANTITIES

REFERENCES = {"floor": "Floor", "ceiling": "Ceiling"}
REGION_TITLES = {
    "block": "the whole test block",
    "unseen": "the part of the test block that no training pattern illuminates",
}
_ESCAPES = str.maketrans(
    {sign: f"\\{sign}" for sign in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "–": "--", "µ": r"$\mu$"}
    | {"±": r"$\pm$", "−": "$-$", "∞": r"$\infty$", "†": r"$^{\dagger}$", "×": r"$\times$"}
    | {"↑": r"$\uparrow$", "↓": r"$\downarrow$", "<": "$<$", ">": "$>$"}
)


@dataclass(frozen=True)
class Cell:
    """One metric of one method, as text.

    Args:
        ours: mean, and standard deviation if there is more than one seed.
        published: the paper's mean, or empty.
        published_std: the paper's standard deviation, or empty.
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
    """One method under one condition; ``cells`` follow `quantities.COLUMNS`."""

    condition: str
    method: str
    is_reference: bool
    cells: tuple[Cell, ...]


def rows(table: pd.DataFrame, region: str, conditions: Mapping[str, str], models: Mapping[str, str]) -> list[Row]:
    """The rows of one region of the tidy table of `table1.compare`; none if the region is empty."""
    methods = {**models, **REFERENCES}
    found = table[table["region"] == region].set_index(["condition", "model", "channel", "metric"])
    present = set(found.index.droplevel(["channel", "metric"]))
    return [
        Row(label, methods[model], model in REFERENCES, tuple(_cell(found, (condition, model, *column)) for column in COLUMNS))
        for condition, label in conditions.items()
        for model in methods
        if (condition, model) in present
    ]


def _cell(found: pd.DataFrame, key: tuple[str, ...]) -> Cell:
    if key not in found.index:
        return Cell(MISSING, "", "", "", best=False, differs=False)
    row, quantity = found.loc[key], QUANTITIES[key[-1]]
    has_published = pd.notna(row["published_mean"])
    return Cell(
        ours=quantity.text(row["ours_mean"]) + ("" if pd.isna(row["ours_std"]) else f" ± {quantity.text(row['ours_std'])}"),
        published=quantity.text(row["published_mean"]) if has_published else "",
        published_std=quantity.text(row["published_std"]) if has_published else "",
        difference=quantity.text(row["difference"], sign=True) if has_published else "",
        best=bool(row["best"]),
        differs=bool(pd.notna(row["differs_from_best"]) and row["differs_from_best"]),
    )


def caption(region: str) -> str:
    """What a table of this region shows."""
    return f"Stitched scenes on {REGION_TITLES[region]}"


def markdown_document(table: pd.DataFrame, conditions: Mapping[str, str], models: Mapping[str, str], notes: Sequence[str]) -> str:
    """All regions as Markdown tables with footnotes."""
    parts = ["# Table I"]
    for region in REGION_TITLES:
        if body := rows(table, region, conditions, models):
            parts += [f"## {caption(region)}", _markdown_table(body)]
    parts.append("\n".join(f"- {note}" for note in ("In brackets: the paper's mean; ours minus the paper's.", *notes)))
    return "\n\n".join(parts) + "\n"


def _markdown_table(body: Sequence[Row]) -> str:
    headings = [f"{channel.capitalize()} {QUANTITIES[metric].heading}" for channel, metric in COLUMNS]
    lines = [[row.condition, row.method, *map(_markdown_cell, row.cells)] for row in body]
    return tabulate(lines, ["Condition", "Method", *headings], tablefmt="pipe", disable_numparse=True)


def _markdown_cell(cell: Cell) -> str:
    ours = f"**{cell.ours}**" if cell.best else f"{cell.ours} †" if cell.differs else cell.ours
    return f"{ours} ({cell.published}; {cell.difference})" if cell.published else ours


def latex_document(table: pd.DataFrame, conditions: Mapping[str, str], models: Mapping[str, str], notes: Sequence[str]) -> str:
    """All regions as floats for a two-column page, to be read with ``\\input``; needs the package booktabs."""
    floats = [_latex_table(region, body, notes) for region in REGION_TITLES if (body := rows(table, region, conditions, models))]
    return "\n".join(["% Needs \\usepackage{booktabs}.", *floats])


def _latex_table(region: str, body: Sequence[Row], notes: Sequence[str]) -> str:
    width = len(QUANTITIES)
    ends = [3 + width * (place + 1) - 1 for place in range(len(CHANNELS))]
    groups = " & ".join(f"\\multicolumn{{{width}}}{{c}}{{{channel.capitalize()}}}" for channel in CHANNELS)
    rules = " ".join(f"\\cmidrule(lr){{{end - width + 1}-{end}}}" for end in ends)
    headings = " & ".join(_latex(QUANTITIES[metric].heading) for _, metric in COLUMNS)
    explained = ("Second lines: the paper's values and, in brackets, ours minus theirs.", *notes)
    return "\n".join([
        r"\begin{table*}[t]",
        r"\centering\footnotesize",
        f"\\caption{{{_latex(caption(region))}.}}",
        f"\\label{{tab:table1-{region}}}",
        f"\\begin{{tabular}}{{ll{'c' * len(COLUMNS)}}}",
        r"\toprule",
        f" & & {groups} \\\\",
        rules,
        f"Condition & Method & {headings} \\\\",
        *_latex_body(body),
        r"\bottomrule",
        r"\end{tabular}",
        r"\par\smallskip",
        f"\\begin{{minipage}}{{\\textwidth}}\\scriptsize {' '.join(map(_latex, explained))}\\end{{minipage}}",
        r"\end{table*}",
        "",
    ])  # fmt: skip


def _latex_body(body: Sequence[Row]) -> list[str]:
    lines, condition = [], None
    for row in body:
        lines += [] if row.condition == condition else [r"\midrule"]
        first = "" if row.condition == condition else _latex(row.condition)
        lines.append(f"{first} & {_latex(row.method)} & {' & '.join(map(_latex_ours, row.cells))} \\\\")
        if any(cell.published for cell in row.cells):
            lines.append(f" & \\quad published & {' & '.join(map(_latex_published, row.cells))} \\\\")
        condition = row.condition
    return lines


def _latex_ours(cell: Cell) -> str:
    # In math so that the sign and the digits turn bold together.
    inner = cell.ours.replace("±", r"\pm").replace("−", "-").replace("∞", r"\infty").replace(MISSING, r"\text{--}")
    if cell.ours == MISSING:
        return "--"
    return f"$\\mathbf{{{inner}}}$" if cell.best else f"${inner}^{{\\dagger}}$" if cell.differs else f"${inner}$"


def _latex_published(cell: Cell) -> str:
    return f"\\textit{{{_latex(cell.published)}}} ({_latex(cell.difference)})" if cell.published else ""


def _latex(text: str) -> str:
    return text.translate(_ESCAPES).replace("⁻²", "$^{-2}$")
