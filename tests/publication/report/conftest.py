"""The page of three seeds and of one, what both are made of, and a reader of pages."""

from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ptychoformer.publication.claims.judge import judge
from ptychoformer.publication.inputs import read_histories, read_trained
from ptychoformer.publication.report.page import make_report
from ptychoformer.publication.store.files import FACTS, RUN_COLUMNS
from ptychoformer.publication.tables.compare import make_table

from ..conftest import HERE, PUBLISHED, told

VOID = {"meta", "img", "br", "link", "input"}
FIGURES = ("fig1", "fig2", "fig3", "fig4", "fig6", "fig7", "fig8", "fig9", "fig10")
HEADLINE = "block == 'lower_right' and region == 'whole' and level == 'scene'"
DIGEST = "12345e678901"  # which a careless reader takes for a number


def write_tables(folder, experiment, seeds):
    """Metrics, statistics and tables of all five experiments."""
    made = SimpleNamespace(tables={}, statistics={}, metrics={}, words={})
    for place, table in enumerate(experiment.TABLES.values(), 1):
        name = f"table{place}"
        frame = experiment.make_metrics(seeds=seeds) if place == 1 else experiment.metrics_of(table, seeds)
        shown = frame[frame["metric"].isin(table.metrics)]
        files = experiment.write_metrics(folder / "evaluation" / name, shown, table.factor)
        printed = {kind: folder / "publication" / f"{name}.{kind}" for kind in ("csv", "md", "tex")}
        made.words[name] = table.words | dict(scale_note=f"{name} is smaller than <the paper>.")
        make_table(
            files.metrics,
            table.published,
            files.pairwise,
            table.layout,
            scale_note=made.words[name]["scale_note"],
            **printed,
        )
        made.tables[name], made.metrics[name] = printed["csv"], files.metrics
        made.statistics[name] = (files.anova, files.pairwise)
    return made


def write_figures(folder, names=FIGURES):
    """A picture of another colour for every figure, 300 x 100 dots, and its PDF."""
    folder.mkdir(parents=True, exist_ok=True)
    for shade, name in enumerate(names):
        Image.new("RGB", (300, 100), (20 * shade, 50, 50)).save(folder / f"{name}.png")
        (folder / f"{name}.pdf").write_bytes(b"%PDF")
    return {name: (folder / f"{name}.pdf", folder / f"{name}.png") for name in names}


def write_reference(folder, metrics, experiment):
    """Harvested runs: the metrics of Table I as if they were full-size ones; without metrics, no run."""
    facts = dict(
        zip(FACTS, (25, 32, 2734466, "0.1.0", "ab12", DIGEST, "Linux", "cpu", 2735.5, "2026-01-31"), strict=True)
    )
    frame = (metrics if metrics is not None else pd.DataFrame(columns=RUN_COLUMNS)).assign(**facts)
    frame.loc[frame["loss"] == "none", list(FACTS)] = np.nan
    return experiment.keep_reference(folder, frame.assign(n_train=2928)[list(RUN_COLUMNS)])


def write_inputs(folder, experiment, seeds=3, with_reference=True):
    """Arguments of `make_report` as `told` takes them, and the files they name."""
    made = write_tables(folder, experiment, seeds)
    results = folder / "results"
    reference = write_reference(
        folder / "reference", pd.read_csv(made.metrics["table1"]) if with_reference else None, experiment
    )
    judge(
        PUBLISHED / "claims.yaml",
        made.metrics | {"overlaps": experiment.write_overlaps(folder, seeds)},
        None,
        reference,
        **HERE,
        scales=dict.fromkeys((*made.tables, "overlaps"), "700 <patterns>"),
        output_csv=folder / "claims.csv",
    )
    histories, checkpoints = experiment.write_training(folder, seeds)
    return dict(
        tables=made.tables,
        statistics=made.statistics,
        figures=write_figures(results / "publication" / "figures"),
        claims=folder / "claims.csv",
        contents=experiment.CONTENTS,
        reference=reference,
        histories=read_histories(histories),
        trained=read_trained(checkpoints),
        words=made.words,
        labels=experiment.LABELS,
        ours="ptychoformer",
        scale={"seeds": list(range(seeds)), "training": {"epochs": 12}},
        missing_scan="star.npz",
        output=results / "report.html",
    )


@pytest.fixture(scope="session")
def inputs(tmp_path_factory, experiment):
    """What the page of three seeds is made of."""
    return write_inputs(tmp_path_factory.mktemp("report"), experiment)


@pytest.fixture(scope="session")
def path(inputs):
    """The page of three seeds."""
    make_report(**told(inputs))
    return inputs["output"]


@pytest.fixture(scope="session")
def small(tmp_path_factory, experiment):
    """What the page of one seed without reference runs is made of."""
    return write_inputs(tmp_path_factory.mktemp("small"), experiment, seeds=1, with_reference=False)


@pytest.fixture(scope="session")
def small_page(small):
    make_report(**told(small))
    return Page(small["output"].read_text())


class Page(HTMLParser):
    """What a browser would load, and whether every element is closed."""

    def __init__(self, text):
        super().__init__()
        self.loaded, self.links, self.open, self.headers, self.images, self.text = [], [], [], [], [], []
        self.ids, self.named_by, self.verdicts, self.cells = [], [], [], {}
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.loaded += [attrs[name] for name in ("src", "srcset", "data", "poster") if name in attrs]
        self.ids += [attrs["id"]] if "id" in attrs else []
        self.named_by += [attrs["aria-labelledby"]] if "aria-labelledby" in attrs else []
        if "href" in attrs:
            self.links.append(attrs["href"])
        if tag == "th":
            self.headers.append(attrs)
        if tag == "img":
            self.images.append(attrs)
        if "verdict" in attrs.get("class", ""):
            self.verdicts.append("")
        if tag == "li" and attrs.get("id", "").startswith("claim-"):
            self.cells[attrs["id"].removeprefix("claim-")] = ""
        if tag not in VOID:
            self.open.append((tag, attrs))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag
        if tag in ("td", "th", "dt", "dd"):
            self.text.append(" ")

    def handle_data(self, data):
        if any(tag == "style" for tag, _ in self.open):
            return
        self.text.append(data)
        if any("verdict" in attrs.get("class", "") for _, attrs in self.open):
            self.verdicts[-1] += data
        if row := next((attrs["id"] for tag, attrs in self.open if tag == "li" and "id" in attrs), None):
            self.cells[row.removeprefix("claim-")] += data

    @property
    def words(self):
        """All text with single spaces."""
        return " ".join("".join(self.text).split())

    def claim(self, name):
        """The text of a claim's row."""
        return " ".join(self.cells[name].split())


@pytest.fixture(scope="session")
def page(path):
    return Page(path.read_text())
