"""Rows whose names are letters are explained below their table, in each of its forms."""

import re
from pathlib import Path

import pytest

from ptychoformer.configuration import load
from ptychoformer.contents import CONTENTS, read_contents
from ptychoformer.experiments import Experiments
from ptychoformer.publication.tables.compare import make_table

ROOT = Path(__file__).resolve().parents[2]
PAPER = read_contents(ROOT / CONTENTS)


@pytest.mark.parametrize("overlay", [[], ["config/paper.yaml"]], ids=["laptop", "full size"])
@pytest.mark.parametrize("table", PAPER.tables)
def test_every_short_name_of_a_variant_is_explained(table, overlay):
    config = load([ROOT / "config.yaml", *(ROOT / path for path in overlay)])
    experiments = Experiments(config)
    labels = experiments.labels("models", experiments.networks(table)).values()
    short = {
        word for label in labels if label.startswith("Ours") for word in re.findall(r"\b[A-Z]{1,4}\b|w/o|w/", label)
    }
    assert [word for word in short if not re.search(rf"\({word}[),]", PAPER.tables[table].note)] == []
    assert bool(PAPER.tables[table].note) == (table == "table3")


def test_the_note_stands_below_the_table_in_every_form(tmp_path, experiment):
    table = experiment.TABLES["III"]
    files = experiment.write_metrics(tmp_path, experiment.metrics_of(table))
    written = {kind: tmp_path / f"table3.{kind}" for kind in ("csv", "md", "tex")}
    make_table(files.metrics, table.published, files.pairwise, table.layout, scale_note="", **written)
    for kind in ("md", "tex"):
        assert "standard multi-head self-attention (MHSA)" in written[kind].read_text()
