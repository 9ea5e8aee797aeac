"""The report: every table, figure and test of a run of the workflow on one page that needs nothing but itself.

The page holds no time of making and no path of a machine, so that the same inputs give the same bytes.
"""

import base64
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from ptychoformer.errors import InputError
from ptychoformer.evaluation.patches import CHANNELS
from ptychoformer.files import write_text
from ptychoformer.publication import table1, typeset
from ptychoformer.publication.curves import training_curves
from ptychoformer.publication.inputs import ANOVA, PAIRWISE, Run, read_provenance, read_table
from ptychoformer.publication.quantities import COLUMNS, MISSING, QUANTITIES, number
from ptychoformer.publication.words import statements

TEMPLATE = Path(__file__).with_name("report.html.j2")
_FACTS = ("package", "configuration_digest", "device", "machine", "seconds")


def make_report(
    table_csv: str | os.PathLike,
    anova_csv: str | os.PathLike,
    pairwise_csv: str | os.PathLike,
    figure_png: str | os.PathLike,
    figure_pdf: str | os.PathLike,
    histories: Sequence[str | os.PathLike],
    checkpoints: Sequence[str | os.PathLike],
    *,
    conditions: Mapping[str, str],
    models: Mapping[str, str],
    scale: Mapping[str, Any],
    scale_note: str,
    output: str | os.PathLike,
) -> None:
    """Write the page.

    Args:
        table_csv: of `table1.make_table`.
        figure_png: Fig. 4, shown on the page.
        figure_pdf: Fig. 4 in print quality, linked to.
        histories: ``history.csv`` of each run.
        checkpoints: ``model.pt`` of each run, beside its sidecar of provenance.
        conditions: dataset to label.
        models: network to label.
        scale: what this run of the workflow covers, the subtree of the config; nested keys are joined by dots.
        scale_note: the sentence below Table I.

    Raises:
        InputError: a file is missing or breaks its contract.
    """
    table, anova, pairwise = read_table(table_csv, table1.COLUMNS), read_table(anova_csv, ANOVA), read_table(pairwise_csv, PAIRWISE)
    runs = _in_order(((Run.of(path), read_provenance(path)) for path in checkpoints), conditions, models)
    page = _template().render(
        scale_note=scale_note,
        scale=list(_flat(scale)),
        tables=[
            (region, typeset.caption(region), _by_condition(rows))
            for region in typeset.REGION_TITLES
            if (rows := typeset.rows(table, region, conditions, models))
        ],
        channels=CHANNELS,
        headings=[QUANTITIES[metric].heading for _, metric in COLUMNS],
        notes=table1.notes(table, pairwise, scale_note),
        figure=_embedded(_read(figure_png), "image/png"),
        model_names=", ".join(models.values()),
        figure_pdf=Path(os.path.relpath(figure_pdf, Path(output).parent)).as_posix(),
        statements={region: _by_condition(statements(anova, pairwise, conditions, models, region)) for region in typeset.REGION_TITLES},
        regions=typeset.REGION_TITLES,
        details=[("Analyses of variance", *_as_text(anova)), ("Pairs of networks", *_as_text(pairwise))],
        curves=_embedded(training_curves(histories, conditions, models), "image/svg+xml"),
        runs=[_run_row(run, facts, conditions, models) for run, facts in runs],
        durations=_durations(runs, conditions, models),
        libraries=_libraries(facts for _, facts in runs),
    )
    write_text(page, output)


def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATE.parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["tied"] = _tied
    return environment.get_template(TEMPLATE.name)


def _tied(sentence: str) -> str:
    """The sentence, whose formulas no end of line tears apart."""
    return re.sub(r" ([=<>]) ", "\u00a0\\1\u00a0", sentence)


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, str]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _by_condition(items: Iterable[Any]) -> list[tuple[str, list[Any]]]:
    return [(condition, list(group)) for condition, group in groupby(items, key=lambda item: item.condition)]


def _read(path: str | os.PathLike) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}).") from error


def _embedded(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _as_text(table: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of the scenes' part of a table of tests."""
    scenes = table[table["level"] == "scene"].drop(columns="level")
    return list(scenes), [[_text(value) for value in row] for row in scenes.itertuples(index=False)]


def _text(value: Any) -> str:
    if pd.isna(value):
        return MISSING
    return f"{value:.4g}".replace("-", "−") if isinstance(value, float) else str(value)


def _in_order(
    runs: Iterable[tuple[Run, Mapping[str, Any]]], conditions: Mapping[str, str], models: Mapping[str, str]
) -> list[tuple[Run, Mapping[str, Any]]]:
    """The runs that the page is about, in the order of its tables."""
    datasets, networks = list(conditions), list(models)
    wanted = [(run, facts) for run, facts in runs if run.dataset in conditions and run.model in models]
    return sorted(wanted, key=lambda pair: (datasets.index(pair[0].dataset), networks.index(pair[0].model), pair[0]))


def _run_row(run: Run, facts: Mapping[str, Any], conditions: Mapping[str, str], models: Mapping[str, str]) -> list[str]:
    names = (conditions[run.dataset], models[run.model], run.loss)
    return [*names, str(run.n_train), str(run.seed), *(str(facts.get(name, MISSING)) for name in _FACTS)]


def _durations(runs: Iterable[tuple[Run, Mapping[str, Any]]], conditions: Mapping[str, str], models: Mapping[str, str]) -> list[list[str]]:
    rows = [
        (conditions[run.dataset], models[run.model], float(facts.get("seconds", "nan")), str(facts.get("device", MISSING)))
        for run, facts in runs
    ]
    found = pd.DataFrame(rows, columns=["condition", "network", "seconds", "device"])
    summary = found.groupby(["condition", "network"], sort=False).agg(
        runs=("seconds", "size"), seconds=("seconds", "mean"), device=("device", lambda names: ", ".join(sorted(set(names))))
    )
    return [
        [*place, str(row.runs), number(row.seconds, 0), row.device] for place, row in zip(summary.index, summary.itertuples(), strict=True)
    ]


def _libraries(provenances: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Every version of every library that a run was trained with."""
    found: dict[str, set[str]] = {}
    for facts in provenances:
        for name, version in facts.get("libraries", {}).items():
            found.setdefault(name, set()).add(version)
    return [(name, ", ".join(sorted(versions))) for name, versions in found.items()]
