"""The reproduction as a paper: what was read into the paper that is reproduced, tables, figures,
claims and provenance in a few pages to be printed.

Its words are those of the report, its rows those of the tables. It holds no time of making and no
path of a machine: the same inputs give the same bytes.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import product, zip_longest
from pathlib import Path
from typing import Any

import pandas as pd
import typst
import yaml
from markupsafe import Markup

from ptychoformer import __version__
from ptychoformer.contents import Contents
from ptychoformer.errors import InputError, OutputError
from ptychoformer.escaping import typst as escaped
from ptychoformer.evaluation.columns import PAIRWISE, read_table
from ptychoformer.evaluation.quantities import QUANTITIES
from ptychoformer.files import atomic, check_file, write_text
from ptychoformer.publication.claims.judge import LOCAL, REFERENCE
from ptychoformer.publication.names import in_a_row, listed_figures
from ptychoformer.publication.paper.readings import read_readings
from ptychoformer.publication.report import claims as report_claims
from ptychoformer.publication.report import runs as report_runs
from ptychoformer.publication.report.figures import absent
from ptychoformer.publication.report.headline import HEADLINE_TABLE, headline_words, headlines
from ptychoformer.publication.report.labels import Labels
from ptychoformer.publication.report.opening import opening
from ptychoformer.publication.report.printed import Printed
from ptychoformer.publication.tables.compare import COLUMNS, notes
from ptychoformer.publication.tables.layout import Layout, caption, column_groups
from ptychoformer.publication.tables.typeset import at_part, by_condition, rows
from ptychoformer.publication.templates import template

TEMPLATE = Path(__file__).with_name("paper.typ.j2")
MOST_PAGES = 8
HEIGHTS = range(225, 115, -5)  # of the highest figure, mm: the first that fits, else the last


def make_paper(
    printed: Printed,
    *,
    pairs: Mapping[str, str | os.PathLike],
    figures: Mapping[str, str | os.PathLike],
    readings: str | os.PathLike,
    citation: str | os.PathLike,
    source: str | os.PathLike,
    pdf: str | os.PathLike,
) -> None:
    """Write the paper as a document of Typst, and typeset it.

    Args:
        printed: what is printed.
        pairs: ``table1`` ... to ``pairwise.csv``.
        figures: ``fig1`` ... to PDF, each in a folder below that of ``source``.
        readings: ``docs/readings.md``.
        citation: ``CITATION.cff``, which names the paper that is reproduced.
        source: gets the document, which may be edited and typeset again.
        pdf: gets its pages.

    Raises:
        InputError: a file is missing or breaks its contract, a figure cannot be read, or Table I
            has no network that is called ours.
        OutputError: the document cannot be typeset.
    """
    words, ours, contents = printed.words, printed.ours, printed.contents
    labels, layouts = Labels(**printed.labels), {name: Layout.of(table) for name, table in words.items()}
    first, runs = layouts[HEADLINE_TABLE], report_runs.trained_runs(printed, labels)
    read = {name: (read_table(printed.tables[name], COLUMNS), read_table(pairs[name], PAIRWISE)) for name in words}
    lead = headlines(*read[HEADLINE_TABLE], first, ours)
    floats = _floats(_tables(layouts, read, words), figures, contents, Path(source).parent, printed.missing_scan)
    orders = floats.pop("orders")
    # Every value is text unless it was made Typst here.
    render = partial(
        template(TEMPLATE, {"inline": inline, "quoted": _quoted}, _as_typst).render,
        caution=printed.caution,
        harvest_note=printed.harvest_note,
        opening=opening(words[HEADLINE_TABLE]["scale_note"], printed.scale, runs, lead, first.methods[ours]),
        **headline_words(lead, first, ours),
        paper=_reproduced(citation),
        readings=read_readings(readings),
        **floats,
        **_claims(printed.claims, labels, contents),
        version=__version__,
        libraries=[*report_runs.libraries(runs), ("typst", typst.__version__)],
    )
    for highest, order in product(HEIGHTS, orders):
        write_text(render(highest=highest, floats=order), source)
        if _fits(source):
            break
    with atomic(pdf) as unfinished:
        unfinished.write_bytes(typeset_document(source))


def typeset_document(source: str | os.PathLike) -> bytes:
    """Return the pages of a document of Typst as PDF, with the fonts of Typst alone and no time.

    Raises:
        OutputError: it is none, or shows a file that cannot be read.
    """
    with _typesetting(source) as setting:
        # The time is not written; a document that asks for it has always the same.
        return typst.compile(source, **setting, format="pdf", timestamp=0)


def _fits(source: str | os.PathLike) -> bool:
    """Say whether a paper has no more than the pages it may have, and no figure runs off one; it
    notes both itself.
    """
    with _typesetting(source) as setting:
        (pages,), figures = (
            json.loads(typst.query(source, noted, field="value", **setting)) for noted in ("<pages>", "<fits>")
        )
    return pages <= MOST_PAGES and all(figures)


@contextmanager
def _typesetting(source: str | os.PathLike) -> Iterator[dict[str, Any]]:
    """Give Typst's settings, and turn its errors into a sentence."""
    try:
        yield {"root": Path(source).parent, "ignore_system_fonts": True}
    except RuntimeError as error:  # of which TypstError is one; a query raises no other
        raise OutputError(f"{source} cannot be typeset ({' '.join(str(error).split())}).") from error


def _reproduced(citation: str | os.PathLike) -> dict[str, str]:
    """Read title, authors, year and identifier of the paper that is reproduced."""
    try:
        paper = yaml.safe_load(Path(citation).read_text(encoding="utf-8"))["references"][0]
        authors = in_a_row(map(_initials, paper["authors"]))
        identifier = paper["identifiers"][0]["value"]
        return {"title": paper["title"], "authors": authors, "year": str(paper["year"]), "identifier": identifier}
    except (OSError, yaml.YAMLError, KeyError, IndexError, TypeError, ValueError) as error:
        raise InputError(f"{citation} does not name the paper that is reproduced ({error}).") from error


def _initials(author: Mapping[str, str]) -> str:
    """Shorten given names: ``Y.-X. Ren`` for Yu-Xuan Ren."""
    given = " ".join("-".join(f"{part[0]}." for part in name.split("-")) for name in author["given-names"].split())
    return f"{given} {author['family-names']}"


def _tables(
    layouts: Mapping[str, Layout],
    read: Mapping[str, tuple[pd.DataFrame, pd.DataFrame]],
    words: Mapping[str, Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """Lay out every table; what stands below the first is not said again below the others."""
    first, *others = (_table(layouts[name], *read[name], words[name]["scale_note"]) for name in words)
    told = set(first["notes"])
    kept = [[note for note in table["notes"] if note not in told] for table in others]
    is_new = [table["has_published"] and not first["has_published"] for table in others]
    return [first, *(table | {"notes": own, "has_published": new} for table, own, new in zip(others, kept, is_new))]


def _table(layout: Layout, table: pd.DataFrame, pairwise: pd.DataFrame, scale_note: str) -> dict[str, Any]:
    """Lay out the first part of a table, the headline's, as if it had no other."""
    part, layout = layout.parts[0], replace(layout, table=replace(layout.table, further_parts=()))
    table = at_part(table, part)
    return {
        "number": layout.table.number,
        "title": layout.table.title,
        "caption": caption(part),
        "first_heading": layout.compared.headings[1],
        "groups": column_groups(part, layout),
        "headings": [QUANTITIES[metric].heading for _, metric in layout.columns(part)],
        "rows": by_condition(rows(table, part, layout)),
        "has_published": bool(table["published_mean"].notna().any()),
        "notes": notes(table, pairwise, layout, scale_note),
    }


def _floats(
    tables: Sequence[dict[str, Any]],
    figures: Mapping[str, str | os.PathLike],
    contents: Contents,
    folder: Path,
    missing_scan: str,
) -> dict[str, Any]:
    """Gather tables and figures of results in either order, and the other figures."""
    results = {name: path for name, path in figures.items() if name in _of_experiments(contents)}
    return {
        "orders": _orders(tables, _figures(results, contents, folder)),
        "elsewhere": listed_figures([name for name in figures if name not in results]),
        "absent": absent(missing_scan) if missing_scan else "",
    }


def _orders(tables: Sequence[dict[str, Any]], figures: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Put tables before figures, and one of each in turn: sizes decide which fills pages better."""
    in_turn = [one for turn in zip_longest(tables, figures) for one in turn if one is not None]
    return [[*tables, *figures], in_turn]


def _of_experiments(contents: Contents) -> set[str]:
    """Name the figures that show how something came out, not how it is made."""
    return {figure for experiment in contents.experiments.values() for figure in experiment.figures}


def _figures(figures: Mapping[str, str | os.PathLike], contents: Contents, folder: Path) -> list[dict[str, str]]:
    """List each figure with its caption, and its path as the document names it."""
    found = []
    for name, path in figures.items():
        check_file(path)
        figure = contents.figures[name]
        relative = Path(path).relative_to(folder).as_posix()
        found.append({
            "number": name.removeprefix("fig"), "title": figure.title, "caption": figure.caption, "path": relative
        })  # fmt: skip
    return found


def _claims(path: str | os.PathLike, labels: Labels, contents: Contents) -> dict[str, Any]:
    """Gather the claims by section of the paper, and how many have which verdict, in words."""
    verdicts = report_claims.read_verdicts(path)
    counted = {source: verdicts.loc[verdicts["source"] == source, "verdict"] for source in (LOCAL, REFERENCE)}
    run = verdicts.query("source == @LOCAL and n_seeds > 0")
    of_here = report_claims.tally(verdicts, LOCAL)
    return {
        "sections": report_claims.sections(verdicts, labels, contents),
        "styles": report_claims.STYLES,
        "tally": report_claims.in_words(list(counted[LOCAL])),
        "reference_tally": report_claims.in_words(list(counted[REFERENCE])),
        "n_claims": len(counted[LOCAL]),
        "kinds": of_here.by_kind,
        "interim": of_here.interim,
        "differ": report_claims.again(run).flips,
    }


def _as_typst(value: Any) -> Markup:
    """Write text as Typst, in which no end of a line parts a number from its unit; leave Typst as
    it is.
    """
    if isinstance(value, Markup):
        return value
    return Markup(escaped(re.sub(r"(?<=\d) (?=%|dB)", "\u00a0", str(value))))  # is escaped  # nosec B704


def inline(text: str) -> Markup:
    """Return a line of Markdown as Typst: bold, italics, code, and the words of links."""
    text = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", text)
    parts = re.split(r"(\*\*.+?\*\*|\*[^*\s][^*]*\*|`[^`]+`)", text)
    return Markup("").join(_marked(part) for part in parts)


def _marked(part: str) -> Markup:
    for mark, command in (("**", "strong"), ("*", "emph"), ("`", "code")):
        if part.startswith(mark) and part.endswith(mark) and len(part) > 2 * len(mark):
            inner = escaped(part.removeprefix(mark).removesuffix(mark))
            return Markup(f"#{command}[{inner}]")  # is escaped  # nosec B704
    return _as_typst(part)


def _quoted(text: str) -> Markup:
    """Write a string of Typst's code, such as a path."""
    written = text.replace("\\", r"\\").replace('"', r"\"")
    return Markup(f'"{written}"')  # is escaped  # nosec B704
