"""A table of results as people read it: rows of cells, and these in Markdown and LaTeX; the report sets the same rows in HTML."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from tabulate import tabulate

from ptychoformer.errors import InputError
from ptychoformer.evaluation.patches import CHANNELS
from ptychoformer.publication.quantities import FACTORS, MISSING, QUANTITIES, Factor, columns

REFERENCES = {"floor": "Floor", "ceiling": "Ceiling", "epie": "ePIE (many patterns)"}
REGION_TITLES = {
    "block": "the whole test block",
    "unseen": "the part of the test block that no training pattern illuminates",
    "whole": "the whole of an object that no network was trained on",
}
LEVEL_TITLES = {"scene": "Stitched scenes", "pattern": "Single patterns (mean over all)"}
_OWN_TEST = (("block", "scene"), ("unseen", "scene"))
# Region and level of the parts of each of the paper's tables. The paper's own values belong to the first.
PLACES = {
    "I": _OWN_TEST,
    "II": (("whole", "scene"), ("whole", "pattern")),
    "III": _OWN_TEST,
    "IV": _OWN_TEST,
    "V": _OWN_TEST,
    "of Figure 5": (("block", "scene"), ("block", "pattern")),
}
_ESCAPES = str.maketrans(
    {sign: f"\\{sign}" for sign in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "–": "--", "µ": r"$\mu$"}
    | {"α": r"$\alpha$", "’": "'", "±": r"$\pm$", "−": "$-$", "∞": r"$\infty$", "†": r"$^{\dagger}$", "×": r"$\times$"}
    | {"↑": r"$\uparrow$", "↓": r"$\downarrow$", "<": "$<$", ">": "$>$"}
)


@dataclass(frozen=True)
class Layout:
    """What a table of the paper shows, in which order and under which names.

    Args:
        number: the paper's, ``I`` to ``V``, or ``of Figure 5``, whose numbers the paper draws as bars alone.
        title: in a few words, without a full stop.
        factor: what is compared, ``model`` or ``loss``.
        conditions: what it is compared under to its label: datasets of networks, networks of losses.
        methods: network or loss to its label; floor and ceiling are added.
        metrics: of each channel, as columns.

    Raises:
        InputError: the paper has no such table, or a factor or metric is unknown.
    """

    number: str
    title: str
    factor: str
    conditions: Mapping[str, str]
    methods: Mapping[str, str]
    metrics: tuple[str, ...]

    def __post_init__(self) -> None:
        _require_known("table", [self.number], PLACES)
        _require_known("factor", [self.factor], FACTORS)
        _require_known("metric", self.metrics, QUANTITIES)

    @property
    def source(self) -> str:
        """Where the paper has it."""
        return self.number.removeprefix("of ") if self.number.startswith("of ") else f"Table {self.number}"

    @property
    def places(self) -> tuple[tuple[str, str], ...]:
        """Region and level of each part."""
        return PLACES[self.number]

    @property
    def columns(self) -> tuple[tuple[str, str], ...]:
        """Channel and metric of each column."""
        return columns(self.metrics)

    @property
    def compared(self) -> Factor:
        """What is compared, in words."""
        return FACTORS[self.factor]


def _require_known(kind: str, names: Iterable[str], known: Iterable[str]) -> None:
    if unknown := [name for name in names if name not in known]:
        raise InputError(f"The {kind} '{unknown[0]}' is unknown, allowed are {', '.join(known)}.")


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
    """One method under one condition; ``cells`` follow `Layout.columns`."""

    condition: str
    method: str
    is_reference: bool
    cells: tuple[Cell, ...]


def rows(table: pd.DataFrame, place: tuple[str, str], layout: Layout) -> list[Row]:
    """The rows of one region and level of the tidy table of `tables.compare`; none if it has no values."""
    methods = {**layout.methods, **REFERENCES}
    found = table[(table["region"] == place[0]) & (table["level"] == place[1])].set_index(["condition", "method", "channel", "metric"])
    present = set(found.index.droplevel(["channel", "metric"]))
    return [
        Row(label, methods[method], method in REFERENCES, tuple(_cell(found, (condition, method, *column)) for column in layout.columns))
        for condition, label in layout.conditions.items()
        for method in methods
        if (condition, method) in present
    ]


def _cell(found: pd.DataFrame, key: tuple[str, ...]) -> Cell:
    if key not in found.index:
        return Cell(MISSING, "", "", "", best=False, differs=False)
    row, quantity = found.loc[key], QUANTITIES[key[-1]]
    has_published, has_std = pd.notna(row["published_mean"]), pd.notna(row["published_std"])
    return Cell(
        ours=quantity.text(row["ours_mean"]) + ("" if pd.isna(row["ours_std"]) else f" ± {quantity.text(row['ours_std'])}"),
        published=quantity.text(row["published_mean"]) if has_published else "",
        published_std=quantity.text(row["published_std"]) if has_std else "",
        difference=quantity.text(row["difference"], sign=True) if has_published else "",
        best=bool(row["best"]),
        differs=bool(pd.notna(row["differs_from_best"]) and row["differs_from_best"]),
    )


def caption(place: tuple[str, str]) -> str:
    """What the part of a table with this region and level shows."""
    region, level = place
    return f"{LEVEL_TITLES[level]} on {REGION_TITLES[region]}"


def markdown_document(table: pd.DataFrame, layout: Layout, notes: Sequence[str]) -> str:
    """All parts as Markdown tables with footnotes."""
    parts, explained = [f"# Table {layout.number}: {layout.title}"], list(notes)
    for place in layout.places:
        if body := rows(table, place, layout):
            parts += [f"## {caption(place)}", _markdown_table(body, layout)]
    if table["published_mean"].notna().any():
        explained.insert(0, "In brackets: the paper's mean; ours minus the paper's.")
    parts.append("\n".join(f"- {note}" for note in explained))
    return "\n\n".join(parts) + "\n"


def _markdown_table(body: Sequence[Row], layout: Layout) -> str:
    headings = [f"{channel.capitalize()} {QUANTITIES[metric].heading}" for channel, metric in layout.columns]
    lines = [[row.condition, row.method, *map(_markdown_cell, row.cells)] for row in body]
    return tabulate(lines, [*layout.compared.headings, *headings], tablefmt="pipe", disable_numparse=True)


def _markdown_cell(cell: Cell) -> str:
    ours = f"**{cell.ours}**" if cell.best else f"{cell.ours} †" if cell.differs else cell.ours
    return f"{ours} ({cell.published}; {cell.difference})" if cell.published else ours


def latex_document(table: pd.DataFrame, layout: Layout, notes: Sequence[str]) -> str:
    """All parts as floats for a two-column page, to be read with ``\\input``; needs the package booktabs."""
    floats = [_latex_table(place, body, layout, notes) for place in layout.places if (body := rows(table, place, layout))]
    return "\n".join(["% Needs \\usepackage{booktabs}.", *floats])


def _latex_table(place: tuple[str, str], body: Sequence[Row], layout: Layout, notes: Sequence[str]) -> str:
    width = len(layout.metrics)
    ends = [3 + width * (part + 1) - 1 for part in range(len(CHANNELS))]
    groups = " & ".join(f"\\multicolumn{{{width}}}{{c}}{{{channel.capitalize()}}}" for channel in CHANNELS)
    rules = " ".join(f"\\cmidrule(lr){{{end - width + 1}-{end}}}" for end in ends)
    headings = " & ".join(map(_latex, (*layout.compared.headings, *(QUANTITIES[metric].heading for _, metric in layout.columns))))
    has_published = any(cell.published for row in body for cell in row.cells)
    shown = _latex(f"{layout.title} (the paper's {layout.source}). {caption(place)}")
    explained = (*(["Second lines: the paper's values and, in brackets, ours minus theirs."] if has_published else []), *notes)
    return "\n".join([
        r"\begin{table*}[t]",
        r"\centering\footnotesize",
        f"\\caption{{{shown}.}}",
        f"\\label{{tab:table{1 + list(PLACES).index(layout.number)}-{'-'.join(place)}}}",
        f"\\begin{{tabular}}{{ll{'c' * len(layout.columns)}}}",
        r"\toprule",
        f" & & {groups} \\\\",
        rules,
        f"{headings} \\\\",
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
    inner = cell.ours.replace("±", r"\pm").replace("−", "-").replace("∞", r"\infty")
    if cell.ours == MISSING:
        return "--"
    return f"$\\mathbf{{{inner}}}$" if cell.best else f"${inner}^{{\\dagger}}$" if cell.differs else f"${inner}$"


def _latex_published(cell: Cell) -> str:
    return f"\\textit{{{_latex(cell.published)}}} ({_latex(cell.difference)})" if cell.published else ""


def _latex(text: str) -> str:
    return text.translate(_ESCAPES).replace("⁻²", "$^{-2}$")
