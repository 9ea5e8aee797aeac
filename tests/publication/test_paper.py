"""The paper: the numbers of the tables it was made from, every claim, legible, and the same every time."""

import json
import re
from itertools import chain
from pathlib import Path

import pandas as pd
import pytest
import typst
from matplotlib.figure import Figure

from ptychoformer.errors import InputError, OutputError
from ptychoformer.escaping import typst as escaped
from ptychoformer.evaluation.quantities import QUANTITIES
from ptychoformer.publication.claims.judge import judge
from ptychoformer.publication.inputs import read_trained
from ptychoformer.publication.paper.document import HEIGHTS, inline, make_paper, typeset_document
from ptychoformer.publication.paper.readings import read_readings
from ptychoformer.publication.tables.compare import make_table
from ptychoformer.publication.tables.layout import Layout

from .conftest import told

ROOT = Path(__file__).parents[2]
FIGURES = ("fig1", "fig2", "fig3", "fig4", "fig6", "fig7", "fig8", "fig9", "fig10")

SIZES = {"fig4": (7.16, 8.1), "fig6": (7.16, 8.9), "fig7": (7.16, 2.8), "fig8": (7.16, 8.9), "fig9": (7.16, 5.2)}
SIZES |= {"fig5": (7.16, 8.5), "fig10": (3.5, 3.2)}


def write_figure(path, size=None):
    """A page of the size that the workflow's has, in inches."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure = Figure(size or SIZES.get(path.stem, (7.16, 6.4)))
    figure.text(0.5, 0.5, path.stem)
    figure.savefig(path)
    return path


def write_inputs(folder, experiment, names=range(1, 6), seeds=3):
    """Arguments of `make_paper` as `told` takes them, and the files they name."""
    tables, pairs, metrics, words = {}, {}, {}, {}
    for place in names:
        table, name = list(experiment.TABLES.values())[place - 1], f"table{place}"
        frame = experiment.make_metrics(seeds=seeds) if place == 1 else experiment.metrics_of(table, seeds)
        files = experiment.write_metrics(
            folder / "evaluation" / name, frame[frame["metric"].isin(table.metrics)], table.factor
        )
        printed = {kind: folder / "publication" / f"{name}.{kind}" for kind in ("csv", "md", "tex")}
        words[name] = table.words | dict(scale_note=f"{name} is #smaller than <the paper>.")
        make_table(
            files.metrics,
            table.published,
            files.pairwise,
            table.layout,
            scale_note=words[name]["scale_note"],
            **printed,
        )
        tables[name], pairs[name], metrics[name] = printed["csv"], files.pairwise, files.metrics
    judge(
        ROOT / "resources/published/claims.yaml",
        metrics | {"overlaps": experiment.write_overlaps(folder, seeds)},
        None,
        None,
        block="lower_right",
        level="scene",
        scales=dict.fromkeys(tables, "700 patterns"),
        output_csv=folder / "claims.csv",
    )
    return dict(
        tables=tables,
        pairs=pairs,
        figures={name: write_figure(folder / "publication" / "figures" / f"{name}.pdf") for name in FIGURES},
        claims=folder / "claims.csv",
        readings=ROOT / "docs/readings.md",
        citation=ROOT / "CITATION.cff",
        contents=experiment.CONTENTS,
        trained=read_trained(experiment.write_training(folder, seeds)[1]),
        words=words,
        labels=experiment.LABELS,
        ours="ptychoformer",
        scale={"seeds": list(range(seeds))},
        source=folder / "reproduction.typ",
        pdf=folder / "reproduction.pdf",
    )


@pytest.fixture(scope="module")
def inputs(tmp_path_factory, experiment):
    """What the paper of three seeds is made of."""
    return write_inputs(tmp_path_factory.mktemp("paper"), experiment)


@pytest.fixture(scope="module")
def document(inputs):
    """The paper as Typst reads it."""
    make_paper(**told(inputs))
    return inputs["source"].read_text().replace("\u00a0", " ")


def pages(source):
    """How many pages a document has, counted by its pictures."""
    made = typst.compile(source, root=source.parent, format="png", ppi=10, ignore_system_fonts=True)
    return len(made) if isinstance(made, list) else 1


def fits(source):
    """Of every figure whether it ends on its page."""
    return json.loads(typst.query(source, "<fits>", field="value", root=source.parent, ignore_system_fonts=True))


def cells_of(document, number):
    """The cells of a table of the document, row by row without its heading, as text."""
    body = document.split(f"caption: [*Table {number}. ")[1].split("table.hline(),\n    ))")[0]
    lines = body.split("table.hline(stroke: 0.5pt),")[1].splitlines()
    rows = [re.findall(r"\[((?:[^\[\]\\]|\\.|#theirs\[(?:[^\]\\]|\\.)*\]|#super\[†\])*)\]", line) for line in lines]
    return [[re.sub(r"\\([^\w\s])", r"\1", cell) for cell in row] for row in rows if len(row) > 1]


@pytest.mark.parametrize("place", range(5))
def test_every_number_of_a_table_is_that_of_its_csv(document, inputs, place):
    name, words = list(inputs["words"].items())[place]
    layout, table = Layout.of(words), pd.read_csv(inputs["tables"][name])
    part, columns = layout.parts[0], layout.columns(layout.parts[0])
    here = table[(table[list(part._fields)] == list(part)).all(axis=1)]
    found = list(chain.from_iterable(row[1:] for row in cells_of(document, layout.table.number)))
    wanted = []
    for condition in layout.conditions:
        of_condition = here[here["condition"] == condition]
        for method in of_condition["method"].unique():
            rows = of_condition[of_condition["method"] == method].set_index(["channel", "metric"])
            wanted += [
                (rows.loc[column], QUANTITIES[column[1]]) if column in rows.index else None for column in columns
            ]
    assert len(found) == len(wanted) > 20
    for text, cell in zip(found, wanted, strict=True):
        if cell is None:
            assert text == "–"
            continue
        row, quantity = cell
        mean = text.split(" ± ")[0].split(" \\")[0].strip("*").removesuffix("#super[†]")
        assert mean == quantity.text(row["ours_mean"])
        assert text.startswith("*") == row["best"]
        assert ("†" in text) == (row["differs_from_best"] is True or str(row["differs_from_best"]) == "True")
        printed = re.search(r"#theirs\[(\S+) \((\S+)\)\]", text)
        assert bool(printed) == pd.notna(row["published_mean"])
        if printed:
            assert printed.groups() == (
                quantity.text(row["published_mean"]),
                quantity.text(row["difference"], sign=True),
            )


def test_every_claim_stands_with_its_verdict_and_interval(document, inputs):
    claims = pd.read_csv(inputs["claims"])
    for claim in claims.query("n_seeds > 0").itertuples():
        start = document.index(f"\n{escaped(claim.statement)}")
        line = document[start:].split("\n", 2)[1]
        assert f"[{claim.verdict}]" in line
        assert (" to " in line.split(f"[{claim.verdict}]")[1]) or pd.isna(claim.low)
    counts = claims.query("source == 'local'")["verdict"].value_counts()
    assert f"{counts['undecided']} undecided" in document


def test_claims_that_wait_for_runs_are_counted_by_what_they_wait_for(document, inputs):
    claims = pd.read_csv(inputs["claims"])
    waiting = claims[claims["n_seeds"] == 0]
    assert not any(escaped(statement) in document for statement in waiting["statement"])
    counted = re.findall(r"\[undecided\]: (\d+) statements? waits? for runs of (.+)\.\n", document)
    places = {
        "sizes": "Figures 7 and 8 (a) to (c)",
        "measured": "Figure 5",
        "bands": "Figure 9",
        "table4": "Table IV, Figure 10",
    }
    assert {place for _, place in counted} == {escaped(places[name]) for name in waiting["experiment"]}
    assert sum(int(number) for number, _ in counted) == len(waiting) > 10


def test_a_claim_that_reference_runs_speak_of_does_not_wait(inputs, tmp_path):
    claims = pd.read_csv(inputs["claims"])
    claims.loc[claims["source"] == "local", ["n_seeds", "interim"]] = [0, False]
    elsewhere = pd.read_csv(inputs["claims"]).assign(source="reference")
    both = pd.concat([claims, elsewhere[elsewhere["n_seeds"] > 0]])
    both.to_csv(tmp_path / "claims.csv", index=False)
    make_paper(**told(inputs | dict(claims=tmp_path / "claims.csv")))
    made = inputs["source"].read_text().replace("\u00a0", " ")
    # Each in a block of its own, which no end of a column tears apart.
    assert all(f"#claim[\n{escaped(statement)}" in made for statement in elsewhere.query("n_seeds > 0")["statement"])
    assert "#let claim(body) = block(breakable: false," in made


def test_the_abstract_counts_verdicts_that_are_interim_or_otherwise_elsewhere(inputs, document, tmp_path):
    assert "Interim, of fewer" not in document
    claims = pd.read_csv(inputs["claims"], keep_default_na=False)
    judged = claims.query("source == 'local' and n_seeds > 0").index
    claims.loc[judged[:4], "interim"] = True
    claims.loc[judged, "verdict_pattern"] = claims.loc[judged, "verdict"]
    for column in ("verdict_unseen", "verdict_lower_right", "verdict_lower_left", "verdict_strip"):
        claims[column] = ""
    turned = {"holds": "undecided", "does not hold": "holds", "undecided": "holds"}
    claims.loc[judged[:3], "verdict_pattern"] = claims.loc[judged[:3], "verdict"].map(turned)
    claims.to_csv(tmp_path / "claims.csv", index=False)
    make_paper(**told(inputs | dict(claims=tmp_path / "claims.csv")))
    made = inputs["source"].read_text().replace("\u00a0", " ")
    assert "no training pattern lights the object: 3 of the verdicts here." in made
    assert "Interim, of fewer seeds than were fixed beforehand: 4." in made


def test_no_raw_name_is_printed(document, inputs):
    names = [name for part in inputs["labels"].values() for name in part if "_" in name]
    assert escaped("50 % overlap") in document
    assert [name for name in names if escaped(name) in document] == []


def test_a_paper_has_four_to_eight_pages(document, inputs):
    assert 4 <= pages(inputs["source"]) <= 8


def test_with_the_measured_scan_it_has_no_more_than_eight(inputs):
    measured = {"fig5": write_figure(inputs["figures"]["fig4"].with_name("fig5.pdf"))}
    figures = dict(sorted((inputs["figures"] | measured).items(), key=lambda figure: int(figure[0][3:])))
    make_paper(**told(inputs | dict(figures=figures)))
    assert pages(inputs["source"]) <= 8


def test_figures_are_as_high_as_eight_pages_allow(inputs):
    source = inputs["source"]
    folder = source.parent / "high"
    figures = {name: write_figure(folder / f"{name}.pdf", (7.16, 9)) for name in inputs["figures"]}
    make_paper(**told(inputs | dict(figures=figures)))
    made = source.read_text()
    height = int(re.search(r"highest: (\d+)mm", made)[1])
    higher = source.with_name("higher.typ")
    higher.write_text(made.replace(f"highest: {height}mm", f"highest: {HEIGHTS[HEIGHTS.index(height) - 1]}mm"))
    assert HEIGHTS[0] > height > HEIGHTS[-1]
    assert pages(source) <= 8 < pages(higher)


def test_a_height_with_which_a_figure_runs_off_its_page_is_not_taken(inputs):
    """In Typst 0.15 a figure in one column does, below figures across both that fill the page."""
    source = inputs["source"]
    folder = source.parent / "off"
    sizes = dict.fromkeys(inputs["figures"], (7.16, 9)) | {"fig9": (7.16, 6.5), "fig10": (3.5, 3.5)}
    make_paper(
        **told(inputs | dict(figures={name: write_figure(folder / f"{name}.pdf", sizes[name]) for name in sizes}))
    )
    made = source.read_text()
    assert fits(source) == [True] * made.count("#picture(")
    trials = [source.with_name(f"{height}.typ") for height in HEIGHTS]
    for trial in trials:
        trial.write_text(re.sub(r"highest: \d+mm", f"highest: {trial.stem}mm", made))
    assert not all(all(fits(trial)) for trial in trials)


def test_all_experiments_figures_are_shown_and_the_others_named(document):
    assert re.findall(r'#picture\("publication/figures/fig(\d+)\.pdf"', document) == ["4", "6", "7", "8", "9", "10"]
    assert escaped("Figures 1, 2 and 3") in document


def test_the_same_inputs_give_the_same_bytes_without_a_time(document, inputs):
    make_paper(**told(inputs))  # tests before this one write other papers there
    first = inputs["pdf"].read_bytes()
    make_paper(**told(inputs))
    assert inputs["pdf"].read_bytes() == first
    assert inputs["source"].read_text().replace("\u00a0", " ") == document
    assert b"CreationDate" not in first
    assert str(ROOT) not in document


def test_words_of_others_are_text(document):
    assert escaped("table1 is #smaller than <the paper>.") in document


def test_a_caution_stands_on_every_page_in_red(inputs, tmp_path):
    make_paper(**told(inputs | dict(caution="Means #nothing.")))
    head = inputs["source"].read_text().split("#place(top")[0]
    assert re.search(r"header: .*fill: rgb\(\"#b00020\"\)\)\[Means \\#nothing\\\.\]", head)
    assert "*Not a result:*" in inputs["source"].read_text()


def test_what_a_store_of_runs_lacks_is_left_out(experiment, tmp_path):
    inputs = write_inputs(tmp_path, experiment, names=(1,))
    inputs["figures"] = {"fig4": inputs["figures"]["fig4"]}
    make_paper(**told(inputs | dict(harvest_note="Left out: Table II.", trained={})))
    made = inputs["source"].read_text()
    assert escaped("Left out: Table II.") in made
    assert len(re.findall(r"caption: \[\*Table", made)) == 2  # in short, and Table I
    assert 4 <= pages(inputs["source"]) <= 8


def test_figure_5_without_its_scan_is_named(inputs):
    make_paper(**told(inputs | dict(missing_scan="star.npz")))
    assert escaped("the measured scan star.npz is not at hand") in inputs["source"].read_text()


def test_a_figure_that_is_no_pdf_is_one_sentence_and_leaves_no_pages(inputs, tmp_path):
    (tmp_path / "fig4.pdf").write_bytes(b"%PDF")
    wrong = dict(figures={"fig4": tmp_path / "fig4.pdf"}, source=tmp_path / "a.typ", pdf=tmp_path / "a.pdf")
    with pytest.raises(OutputError, match=r"a\.typ cannot be typeset"):
        make_paper(**told(inputs | wrong))
    assert not (tmp_path / "a.pdf").exists()
    with pytest.raises(InputError, match=r"gone\.pdf does not exist"):
        make_paper(**told(inputs | wrong | dict(figures={"fig4": tmp_path / "gone.pdf"})))


@pytest.mark.parametrize("text", ["message: none\n", "references: []\n", "references: [{title: a}]\n", "a: [\n"])
def test_a_citation_without_the_paper_is_one_sentence(inputs, tmp_path, text):
    (tmp_path / "CITATION.cff").write_text(text)
    with pytest.raises(InputError, match="does not name the paper"):
        make_paper(**told(inputs | dict(citation=tmp_path / "CITATION.cff")))


def test_readings_are_all_lines_of_the_page_and_nothing_refers_below():
    read = read_readings(ROOT / "docs/readings.md")
    page = (ROOT / "docs/readings.md").read_text()
    rows = [row for _, group in read.groups for row in group]
    tables = re.findall(r"^\| open point .*\n\|[-|]+\n((?:\|.*\n)+)", page, re.MULTILINE)
    assert len(rows) == sum(table.count("\n") for table in tables)
    assert all(row.done.endswith(".") and not re.search(r"\bbelow\b", row.done) for row in rows)
    assert len(read.contradictions) == len(
        re.findall(r"^- ", page.split("## What the paper says against itself")[1], re.MULTILINE)
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# Nothing\n", "no table that is headed"),
        ("## A\n\n| a | b |\n|---|---|\n| 1 | 2 |\n", "no table that is headed"),
        ("## A\n\n| open point | what is done here |\n|---|---|\n| a | b |\n", "no list under"),
        (None, "cannot be read"),
    ],
)
def test_a_page_without_readings_is_one_sentence(tmp_path, text, message):
    path = tmp_path / "readings.md"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_readings(path)


@pytest.mark.parametrize(
    ("markdown", "typst_has"),
    [
        ("**a** b", r"#strong[a] b"),
        ("*a* b", r"#emph[a] b"),
        ("`a_b: c*d`", r"#code[a\_b\: c\*d]"),
        ("see [docs](a.md#b)", "see docs"),
        ("2 * 3 * 4", r"2 \* 3 \* 4"),
        ("`#read(1)` @a $x$", r"#code[\#read\(1\)] \@a \$x\$"),
    ],
)
def test_markdown_becomes_typst(markdown, typst_has):
    assert inline(markdown) == typst_has


def test_a_small_document_is_typeset_with_fonts_of_its_own(tmp_path):
    source = tmp_path / "a.typ"
    source.write_text(
        f'#set document(date: none)\n#set text(font: "Libertinus Serif")\n{escaped("#a $b$ @c <d> *e* _f_")}'
    )
    made = typeset_document(source)
    assert made.startswith(b"%PDF-")
    assert b"LibertinusSerif" in made
    source.write_text("#nothing")
    with pytest.raises(OutputError, match="nothing"):
        typeset_document(source)
