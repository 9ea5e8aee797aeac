"""What is said where scans of different overlap are compared, and where their runs are missing."""

import copy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from ptychoformer.configuration import load
from ptychoformer.contents import CONTENTS, read_contents
from ptychoformer.experiments import Experiments
from ptychoformer.publication.claims.judge import OUTPUT_COLUMNS
from ptychoformer.publication.figures.parts.panels import View
from ptychoformer.publication.figures.parts.pictures import PSNR_KEY, TRUTH_ABOVE, Pictures, Row
from ptychoformer.publication.report.claims import sections
from ptychoformer.publication.report.evidence import evidence
from ptychoformer.publication.report.labels import Labels

ROOT = Path(__file__).resolve().parents[2]
PAPER = read_contents(ROOT / CONTENTS)
REASON = "the interval includes zero for 'ptynet', 'clean'; 'ptychonn', 'overlap_50' (2 of 12 comparisons)"


@pytest.fixture(scope="module")
def config():
    return load([ROOT / "config.yaml"])


def claim(experiment, name="one", n_seeds=3, place="Section IV-E2, Figure 8"):
    """A row of the table of claims."""
    empty = dict.fromkeys(OUTPUT_COLUMNS, "")
    numbers = dict(effect=0.1, low=-0.1, high=0.3, published_value=float("nan"), n_seeds=n_seeds, interim=False)
    words = dict(id=name, place=place, statement="A.", judges="ranking", verdict="undecided", unit="dB", source="local")
    return empty | numbers | words | dict(rival="'dpi', 'clean'", reason=REASON, experiment=experiment)


def told(row, labels):
    (section,) = sections(pd.DataFrame([row]), labels, PAPER)
    return section.claims[0].local


def test_claims_on_overlaps_call_every_scan_by_its_overlap(config):
    judged = told(claim("overlaps"), Labels(**Experiments(config).all_labels()))
    assert judged.rival == "DPI, 75 % overlap"
    assert judged.because.startswith("the interval includes zero for PtyNet, 75 % overlap; PtychoNN, 50 % overlap (")


@pytest.mark.parametrize("experiment", ["table1", "table3", "sizes"])
def test_other_claims_call_it_as_tables_do(config, experiment):
    judged = told(claim(experiment, place="Section IV-B1"), Labels(**Experiments(config).all_labels()))
    assert judged.rival == "DPI, Noise-free"


def test_scans_of_one_overlap_keep_the_names_that_tell_them_apart(config):
    own = copy.deepcopy(config)
    own["experiments"]["overlaps"]["datasets"] = ["clean", "noisy", "overlap_25", "overlap_0"]
    own["datasets"]["overlap_25"]["scan"]["overlap"] = 0.125
    assert Experiments(own).all_labels()["overlaps"] == {"overlap_25": "12.5 % overlap", "overlap_0": "0 % overlap"}


def links(*rows):
    found = evidence(pd.DataFrame(rows), PAPER, {"table1", "fig4", "fig8", "fig9"})
    return {name: [target for target, _ in rests.links] for name, rests in found.items()}


def test_a_figure_is_linked_from_claims_on_what_was_run_alone():
    """At full size Figure 8 has its overlaps and no sizes."""
    drawn = links(claim("overlaps"), claim("sizes", "two", n_seeds=0, place="Section IV-E1, Figure 8"))
    assert drawn == {"one": ["#fig8"], "two": []}


def test_a_claim_that_lacks_runs_of_its_own_is_linked_to_the_figure_of_those_that_have_them():
    drawn = links(claim("sizes"), claim("sizes", "two", n_seeds=0))
    assert drawn == {"one": ["#fig8"], "two": ["#fig8"]}


def test_a_claim_without_runs_is_linked_to_its_table():
    assert links(claim("table1", n_seeds=0, place="Section IV-B1")) == {"one": ["#table1"]}


def test_a_figure_and_the_table_of_its_numbers_are_told_apart():
    found = evidence(pd.DataFrame([claim("measured", place="Section IV-C")]), PAPER, {"measured", "fig5"})
    assert found["one"].links == (("#measured", "Table of Figure 5"), ("#fig5", "Figure 5"))
    assert found["one"].source == "Figure 5"


@pytest.mark.parametrize(("channel", "key"), [("phase", PSNR_KEY), ("amplitude", "")])
def test_no_key_stands_where_no_truth_does(channel, key):
    view = View((0, 0), {channel: np.zeros((8, 8))}, {})
    assert Row(view, channel, (0.0, 1.0)).below(None) == key
    assert Row(view, channel, (0.0, 1.0), truth=False).below(None) == ""
    assert Row(view, channel, (0.0, 1.0), error=True).below(None) == ""


def test_where_the_truth_is_not_drawn_again_its_place_says_so():
    image = np.zeros((8, 8))
    view = View((0, 0), {"phase": image}, {"dpi": {"phase": image}})
    rows = [Row(view, "phase", (0.0, 1.0), "a"), Row(view, "phase", (0.0, 1.0), "b", truth=False)]
    figure = Figure()
    Pictures(rows).draw(figure, ["DPI"], None)
    said = [[text.get_text() for text in axes.texts] for axes in figure.axes if axes.get_ylabel() == "Phase"]
    assert [TRUTH_ABOVE in words for words in said] == [False, True]
