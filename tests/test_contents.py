"""The paper's contents: every table and figure has all that is printed of it, and what names them is true."""

from pathlib import Path

import pytest
import yaml

from ptychoformer.contents import CONTENTS, read_contents
from ptychoformer.errors import InputError
from ptychoformer.evaluation.quantities import QUANTITIES
from ptychoformer.publication.tables.layout import BLOCK_TITLES, FURTHER_PARTS

ROOT = Path(__file__).resolve().parents[1]
PAPER = read_contents(ROOT / CONTENTS)


def test_the_paper_has_five_tables_and_ten_figures_and_the_bars_of_one():
    assert [table.source for table in PAPER.tables.values()] == [
        *(f"Table {number}" for number in ("I", "II", "III", "IV", "V")),
        "Figure 5",
    ]
    assert list(PAPER.figures) == [f"fig{number}" for number in range(1, 11)]


@pytest.mark.parametrize("name", PAPER.tables)
def test_a_table_is_of_an_experiment_and_names_what_there_is(name):
    table = PAPER.tables[name]
    assert name in PAPER.experiments
    assert table.section in PAPER.sections
    assert set(table.metrics) <= set(QUANTITIES)
    assert set(table.further_parts) <= set(FURTHER_PARTS)
    assert table.papers_block in BLOCK_TITLES
    assert (ROOT / "resources/published" / f"{name}.csv").is_file() == table.published


@pytest.mark.parametrize("name", PAPER.figures)
def test_a_figure_has_a_script_and_a_module_of_its_name_and_a_caption(name):
    assert (ROOT / "workflow/scripts" / f"{name}.py").is_file()
    assert (ROOT / "src/ptychoformer/publication/figures" / f"{name}.py").is_file()
    assert not PAPER.figures[name].title.endswith(".")
    assert PAPER.figures[name].caption.endswith(".")
    assert "{" not in PAPER.figures[name].caption
    assert PAPER.figures[name].caption.count("**") % 2 == 0


@pytest.mark.parametrize("name", PAPER.experiments)
def test_lists_of_one_are_lists_of_the_config(name):
    entry = yaml.safe_load((ROOT / "config.yaml").read_text())["experiments"][name]
    assert set(PAPER.experiments[name].room_for_one) <= {"datasets", "losses", "n_train"}
    assert all(len(entry.get(key, [0])) == 1 for key in PAPER.experiments[name].room_for_one)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda content: "[", "cannot be read as the paper's contents"),
        (lambda content: content.replace("number: II\n", "numero: II\n"), "numero"),
        (lambda content: content.replace("below:", "above:"), "below"),
        (
            lambda content: content.replace("section: V-C", "section: V-Z"),
            r"tables\.table5\.section: 'V-Z' is no section; there are IV-B, ",
        ),
        (
            lambda content: content.replace("tables:\n  table1:", "tables:\n  table0:"),
            r"tables\.table0: there is no experiment of this name",
        ),
        (
            lambda content: content.replace("[losses, n_train]}", "[losses, seeds]}"),
            r"room_for_one: 'seeds' is no list of an experiment",
        ),
        (lambda content: "", "all of it: None is not allowed; it must be a mapping"),
        (
            lambda content: content.replace("metrics: [mse, psnr, ssim]", "metrics: mse", 1),
            r"tables\.table1\.metrics: 'mse' is not allowed; it must be a list",
        ),
        (
            lambda content: content.replace("number: II\n", "number: 2\n"),
            r"tables\.table2\.number: 2 is not allowed; it must be text",
        ),
        (
            lambda content: content.replace("    title: Less data\n", ""),
            r"figures\.fig8: 'title' is a required property",
        ),
        (
            lambda content: content.replace("room_for_one: [datasets, losses]}", "room_for_one: }"),
            r"experiments\.sizes\.room_for_one: None is not allowed; it must be a list",
        ),
    ],
)
def test_contents_that_are_damaged_are_one_sentence(tmp_path, spoil, words):
    (tmp_path / "contents.yaml").write_text(spoil((ROOT / CONTENTS).read_text()))
    with pytest.raises(InputError, match=words):
        read_contents(tmp_path / "contents.yaml")
    with pytest.raises(InputError, match=r"gone\.yaml cannot be read"):
        read_contents(tmp_path / "gone.yaml")
    (tmp_path / "contents.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"contents\.yaml cannot be read"):
        read_contents(tmp_path / "contents.yaml")
