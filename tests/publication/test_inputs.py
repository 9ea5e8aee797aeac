"""Every table is read by one strict reader: a network named NA is one from its metrics to the page."""

import ast
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from ptychoformer import publication
from ptychoformer.errors import InputError
from ptychoformer.evaluation.columns import (
    ANOVA,
    BAND_ENERGIES,
    HISTORY,
    PAIRWISE,
    PUBLISHED,
    SPECTRA,
    TYPES,
    read_table,
)
from ptychoformer.publication.claims import judge as claims
from ptychoformer.publication.figures.fig9 import read_runs
from ptychoformer.publication.figures.parts.sweeps import read_scenes
from ptychoformer.publication.store import files as store
from ptychoformer.publication.tables import compare as tables
from ptychoformer.publication.tables.compare import make_table
from ptychoformer.tables import write_csv

TABLES = {
    "anova": ANOVA,
    "pairwise": PAIRWISE,
    "spectra": SPECTRA,
    "bands": BAND_ENERGIES,
    "runs": store.RUN_COLUMNS,
    **store.TABLES,
    "tables": tables.COLUMNS,
    "published": PUBLISHED,
    "claims": [name for name in claims.OUTPUT_COLUMNS if not name.startswith("verdict")],
    "history": HISTORY,
}
TEXT = {
    "dataset",
    "model",
    "loss",
    "block",
    "note",
    "a",
    "b",
    "method",
    "band",
    "quantity",
    "code_digest",
    "id",
    "statement",
    "reason",
}


@pytest.mark.parametrize("name", TABLES)
def test_texts_are_read_as_text(tmp_path, name):
    """Whatever a column of text holds, it comes back; a column of numbers refuses it."""
    columns = list(TABLES[name])
    for column in columns:
        row = {other: {int: "1", bool: "True"}.get(TYPES.get(other), "1") for other in columns} | {column: "NA"}
        pd.DataFrame([row]).to_csv(tmp_path / "table.csv", index=False)
        if TYPES.get(column) is str:
            assert read_table(tmp_path / "table.csv", columns)[column].tolist() == ["NA"]
        else:
            assert column not in TEXT
            with pytest.raises(InputError, match=f"the column {column} holds 'NA'"):
                read_table(tmp_path / "table.csv", columns)


def test_a_network_named_na_is_in_the_statistics_the_table_and_the_figures(tmp_path, experiment):
    frame = experiment.make_metrics()
    files = experiment.write_metrics(tmp_path, frame.replace({"model": {"dpi": "NA"}}))
    for test, columns in ((files.anova, ANOVA), (files.pairwise, PAIRWISE)):
        read_table(test, columns)
    assert "NA" in set(read_table(files.pairwise, PAIRWISE)["a"])
    table = experiment.TABLES["I"]
    methods = {name: label for name, label in experiment.MODELS.items() if name != "dpi"}
    layout = replace(table.layout, methods=methods | {"NA": "Novel"})
    printed = {kind: tmp_path / f"table1.{kind}" for kind in ("csv", "md", "tex")}
    make_table(files.metrics, table.published, files.pairwise, layout, scale_note="", **printed)
    assert "NA" in set(read_table(printed["csv"], tables.COLUMNS)["method"])
    assert "NA" in set(read_scenes(files.metrics, block="lower_right", region="whole", level="scene")["model"])


def test_a_network_named_na_has_bands_in_figure_9(tmp_path):
    run = dict(dataset="clean", test="clean", model="NA", loss="mse", n_train=5, seed=0, channel="amplitude")
    write_csv(
        pd.DataFrame([run | dict(band="low", estimate=0.9, truth=0.8)])[list(BAND_ENERGIES)], tmp_path / "bands.csv"
    )
    assert len(read_runs(tmp_path / "bands.csv", BAND_ENERGIES, {"NA": "Novel"})) == 1


def test_no_other_reader_is_used():
    folder = Path(publication.__file__).parent
    readers = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == "read_csv"
    }
    assert not readers
