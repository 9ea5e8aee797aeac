"""What a claim of the report rests on: the interval of its effect as a picture, and the table and
the figures that show the runs.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from math import isfinite, isnan

import pandas as pd
from markupsafe import Markup, escape

from ptychoformer.contents import Contents
from ptychoformer.publication.claims.catalogue import JUDGES
from ptychoformer.publication.claims.judge import BANDS, LOCAL
from ptychoformer.publication.names import listed_figures
from ptychoformer.publication.report.claims import BANDS_FIGURE, STYLES
from ptychoformer.publication.report.effects import effect_text

_WIDTH, _HEIGHT, _MARGIN = 240, 14, 8  # of a line of the picture, pixels


@dataclass(frozen=True)
class Evidence:
    """What stands beside a claim.

    Args:
        picture: the intervals of its effects on one axis, SVG; empty if there is no effect.
        links: target and text of each table and figure of the page that shows the runs.
        source: table or figure by which the claims are filtered, such as ``Table I``.
    """

    picture: Markup
    links: tuple[tuple[str, str], ...]
    source: str


def evidence(table: pd.DataFrame, contents: Contents, shown: Collection[str]) -> dict[str, Evidence]:
    """Gather what each claim rests on, by its name.

    Args:
        table: of `judge.judge`.
        shown: names of the tables and figures that the page has; nothing else is linked to. Nor is
            a figure of several experiments from claims on one that was not run.
    """
    was_run, found = set(table.loc[table["n_seeds"] > 0, "experiment"]), {}
    for name, rows in table.groupby("id", sort=False):
        first = rows.iloc[0]
        names = _shown_by(first["experiment"], first["place"], contents)
        drawn = [one for one in names if one in shown and (one in contents.tables or first["experiment"] in was_run)]
        links = tuple((f"#{one}", _words(one, contents)) for one in drawn)
        found[name] = Evidence(picture(rows), links, _label(names[0], contents))
    return found


def filters(found: Mapping[str, Evidence], contents: Contents) -> list[tuple[str, list[tuple[str, str]]]]:
    """List by what claims may be filtered: a name, and for each choice its class and its words."""
    known = [_label(name, contents) for name in (*contents.tables, *contents.figures)]
    sources = [source for source in dict.fromkeys(known) if source in {rests.source for rests in found.values()}]
    return [
        ("verdict", [(style, verdict) for verdict, style in STYLES.items()]),
        ("kind", [(kind, kind) for kind in JUDGES]),
        ("source", [(_class(source), source) for source in sources]),
    ]


def classes(table: pd.DataFrame, found: Mapping[str, Evidence]) -> dict[str, str]:
    """Name the classes of each claim that `filters` speaks of; the verdict is the local one."""
    local = table[table["source"] == LOCAL]
    return {row.id: f"{STYLES[row.verdict]} {row.judges} {_class(found[row.id].source)}" for row in local.itertuples()}


def _class(source: str) -> str:
    return source.lower().replace(" ", "-")


def _shown_by(experiment: str, place: str, contents: Contents) -> list[str]:
    """Name table and figures of an experiment, its own first, then those that the place names."""
    figures = [BANDS_FIGURE] if experiment == BANDS else list(contents.experiments[experiment].figures)
    tables = [experiment] if experiment in contents.tables else []
    named = [f"fig{number}" for number in re.findall(r"Figure (\d+)", place)]
    return list(dict.fromkeys([*tables, *figures, *(name for name in named if name in contents.figures)]))


def _label(name: str, contents: Contents) -> str:
    return contents.tables[name].source if name in contents.tables else listed_figures([name])


def _words(name: str, contents: Contents) -> str:
    """Name a table by its number, which tells one of a figure's numbers from the figure, and all
    else as `_label` does.
    """
    return f"Table {contents.tables[name].number}" if name in contents.tables else _label(name, contents)


def picture(rows: pd.DataFrame) -> Markup:
    """Draw the effect and interval of each row of one claim on an axis, the local one above.

    A circle is the effect on the runs of the workflow, a square that on reference runs, a diamond
    the paper's own; the upright line is zero. An end without a bound has an arrowhead.
    """
    rows = rows[rows["effect"].notna()]
    if rows.empty:
        return Markup("")
    published = rows["published_value"].iloc[0]
    values = [0.0, published, *rows[["effect", "low", "high"]].to_numpy(dtype=float).ravel()]
    place = _axis(value for value in values if isfinite(value))
    height = _HEIGHT * len(rows)
    lines = [_line(row, place, _HEIGHT * (rank + 0.5)) for rank, (_, row) in enumerate(rows.iterrows())]
    zero = f'<path class="zero" d="M{place(0):.1f} 0V{height}"/>'
    words = "; ".join(_in_words(row) for _, row in rows.iterrows())
    if isnan(published):
        paper = ""
    else:
        x, y = place(published), height / 2
        paper = f'<path class="paper" d="M{x:.1f} {y - 5:g}l5 5l-5 5l-5 -5z"/>'
        words += f"; the paper {effect_text(published, rows['unit'].iloc[0])}"
    return Markup(  # numbers, and words that are escaped  # nosec B704
        f'<svg class="interval-plot" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" role="img"'
        f' aria-label="{escape(words)}">{zero}{paper}{"".join(lines)}</svg>'
    )


def _axis(values: Iterable[float]) -> Callable[[float], float]:
    """Make a function that places a value, pixels from the left; beyond the axis, at its edge."""
    values = list(values)
    low, span = min(values), (max(values) - min(values)) or 1.0
    scale = (_WIDTH - 2 * _MARGIN) / span
    return lambda value: min(max(_MARGIN + (value - low) * scale, 1.0), _WIDTH - 1.0)


def _line(row: pd.Series, place: Callable[[float], float], y: float) -> str:
    style, effect = STYLES[row["verdict"]], place(row["effect"])
    if row["source"] == LOCAL:
        mark = f'<circle cx="{effect:.1f}" cy="{y:g}" r="4"/>'
    else:
        mark = f'<path d="M{effect - 3.5:.1f} {y - 3.5:g}h7v7h-7z"/>'
    if row[["low", "high"]].isna().any():
        return f'<g class="{style}">{mark}</g>'
    ends = "".join(
        f"M{place(row[name]):.1f} {y - 3:g}v6"
        if isfinite(row[name])
        else f"M{place(row[name]) + back:.1f} {y - 3:g}l{-back} 3l{back} 3"
        for name, back in (("low", 5), ("high", -5))
    )
    bar = f'<path class="bar" d="M{place(row["low"]):.1f} {y:g}H{place(row["high"]):.1f}{ends}"/>'
    return f'<g class="{style}">{bar}{mark}</g>'


def _in_words(row: pd.Series) -> str:
    who, unit = "these runs" if row["source"] == LOCAL else "reference runs", row["unit"]
    words = f"{who} {effect_text(row['effect'], unit)}"
    if row[["low", "high"]].isna().any():
        return words
    return f"{words}, interval {effect_text(row['low'], unit)} to {effect_text(row['high'], unit)}"
