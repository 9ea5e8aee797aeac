"""The report: complete, self-contained, and the same every time."""

import base64
import re
from html.parser import HTMLParser

import pandas as pd
import pytest

from ptychoformer.errors import InputError
from ptychoformer.provenance import sidecar
from ptychoformer.publication.curves import training_curves
from ptychoformer.publication.inputs import Run, read_provenance
from ptychoformer.publication.report import make_report
from ptychoformer.publication.style import colour
from ptychoformer.publication.table1 import make_table
from ptychoformer.publication.typeset import rows

VOID = {"meta", "img", "br", "link"}


def write_report(folder, experiment, seeds):
    """The page of an experiment of so many seeds, beside all that it is made of; returns its path."""
    figure = folder / "results" / "publication" / "figures" / "fig4.png"
    figure.parent.mkdir(parents=True)
    figure.write_bytes(b"a picture")
    files = experiment.write_metrics(folder, experiment.make_metrics(seeds=seeds))
    tables = {kind: folder / f"table1.{kind}" for kind in ("csv", "md", "tex")}
    labels = dict(conditions=experiment.CONDITIONS, models=experiment.MODELS, scale_note="Smaller than <the paper>.")
    make_table(files.metrics, experiment.PUBLISHED, files.pairwise, **labels, **tables)
    runs = experiment.write_training(folder, seeds)
    scale = {"seeds": list(range(seeds)), "training": {"epochs": 12}}
    page = folder / "results" / "report.html"
    make_report(tables["csv"], files.anova, files.pairwise, figure, figure.with_suffix(".pdf"), *runs, **labels, scale=scale, output=page)
    return page


@pytest.fixture(scope="module")
def path(tmp_path_factory, experiment):
    """The page of three seeds."""
    return write_report(tmp_path_factory.mktemp("report"), experiment, 3)


@pytest.fixture(scope="module")
def table(path):
    """The table that is on the page."""
    return pd.read_csv(path.parents[1] / "table1.csv")


class Page(HTMLParser):
    """What a browser would load, and whether every element is closed."""

    def __init__(self, text):
        super().__init__()
        self.loaded, self.links, self.open, self.headers, self.images, self.text = [], [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.loaded += [attrs[name] for name in ("src", "srcset", "data", "poster") if name in attrs]
        if "href" in attrs:
            self.links.append(attrs["href"])
        if tag == "th":
            self.headers.append(attrs)
        if tag == "img":
            self.images.append(attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text.append(data)

    @property
    def words(self):
        """All text with single spaces."""
        return " ".join("".join(self.text).split())


@pytest.fixture(scope="module")
def page(path):
    return Page(path.read_text())


def test_every_number_of_the_table_is_on_the_page(page, table, experiment):
    for region in ("block", "unseen"):
        for row in rows(table, region, experiment.CONDITIONS, experiment.MODELS):
            for cell in row.cells:
                assert cell.ours in page.words
                assert not cell.published or f"{cell.published} ± {cell.published_std} ({cell.difference})" in page.words


def test_the_best_are_bold_and_what_differs_is_marked(path, table):
    text = path.read_text()
    assert text.count("<strong>") == table["best"].sum() == 24
    assert text.count("<sup>†</sup>") == table["differs_from_best"].eq(True).sum() > 0


def test_the_page_needs_nothing_but_itself(path, page):
    assert page.open == []
    assert len(page.loaded) == 2
    assert all(source.startswith("data:image/") for source in page.loaded)
    assert base64.b64decode(page.loaded[0].split(",")[1]) == b"a picture"
    assert page.links == ["publication/figures/fig4.pdf"]
    assert "http" not in path.read_text()
    assert not re.search(r"url\(|@import", path.read_text())


def test_the_page_can_be_read_without_eyes(page):
    assert all(header.get("scope") for header in page.headers)
    assert all(len(image["alt"]) > 20 for image in page.images)


def test_nothing_missing_is_printed_as_a_number(page):
    assert not re.search(r"\b(nan|none|inf)\b", page.words.lower())


def test_one_seed_says_what_was_not_tested(tmp_path, experiment):
    words = Page(write_report(tmp_path, experiment, 1).read_text()).words
    assert "Not tested: needs at least 2 seeds, has 1." in words
    assert not re.search(r"\b(nan|none|inf)\b", words.lower())


def test_text_is_escaped(path):
    assert "Smaller than &lt;the paper&gt;." in path.read_text()


def test_the_same_inputs_give_the_same_bytes(path, tmp_path, experiment):
    assert path.read_bytes() == write_report(tmp_path, experiment, 3).read_bytes()


@pytest.mark.parametrize("fact", ["31ab34cd56ef", "2.8.0", "3.11.9", "Linux x86_64", "training.epochs"])
def test_provenance_is_listed(page, fact):
    assert fact in page.words


def test_a_broken_sidecar_is_named(tmp_path, experiment):
    _, checkpoints = experiment.write_training(tmp_path, seeds=1)
    sidecar(checkpoints[0]).write_text("{")
    with pytest.raises(InputError, match=r"provenance\.json cannot be read as provenance"):
        read_provenance(checkpoints[0])


def test_a_run_is_its_path():
    assert Run.of("results/training/clean/dpi/mse/n700/seed2/history.csv") == Run("clean", "dpi", "mse", 700, 2)
    with pytest.raises(InputError, match="not the path of a run"):
        Run.of("results/history.csv")


def test_curves_show_every_run_in_its_colour(tmp_path, experiment):
    histories, _ = experiment.write_training(tmp_path, seeds=2, epochs=1)
    document = training_curves(histories, experiment.CONDITIONS, experiment.MODELS).decode()
    for model in experiment.MODELS:
        assert colour(model).lower() in document
