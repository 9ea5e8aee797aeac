"""What the report says of reference runs is true of the runs in the store."""

import re

import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.anova import AnovaRM

from ptychoformer.publication.report.labels import Labels
from ptychoformer.publication.report.page import make_report
from ptychoformer.publication.report.reference import reference_conditions
from ptychoformer.publication.store.files import read_scores

from ..conftest import HERE, told
from .conftest import DIGEST, HEADLINE, Page


class TestReference:
    def test_numbers_are_those_of_the_runs(self, page, inputs):
        runs = read_scores(inputs["reference"])
        own = runs.query(f"dataset == 'clean' and model == 'dpi' and {HEADLINE}")
        psnr, ssim = (own.query("channel == 'amplitude' and metric == @name")["value"] for name in ("psnr", "ssim"))
        cells = f"DPI 3 (0, 1, 2) {psnr.mean():.2f} ± {psnr.std():.2f} {100 * ssim.mean():.2f} ± {100 * ssim.std():.2f}"
        assert cells in page.words
        assert DIGEST in page.words
        assert "2,736" in page.words
        assert (
            "Noise-free: 2,928 patterns, 25 epochs, batches of 32, MSE loss, the lower right block 3 whole seeds of 10: interim"
            in page.words
        )

    def test_a_seed_that_lacks_a_network_is_not_whole(self, inputs, tmp_path, experiment):
        """It is left out for every network that is compared, and the page says so."""
        runs = read_scores(inputs["reference"])
        experiment.keep_reference(
            tmp_path / "reference",
            runs[~((runs["seed"] == 1) & (runs["model"] == "dpi") & (runs["dataset"] == "clean"))],
        )
        found = reference_conditions(tmp_path / "reference", Labels(**inputs["labels"]), **HERE)
        assert {condition.title.split(":")[0]: condition.whole for condition in found} == {
            "Noise-free": (0, 2),
            "Noisy": (0, 1, 2),
        }
        assert {row[1] for row in found[0].rows} == {"2 (0, 2)"}
        assert found[0].dropped == "PtychoNN 1; PtyNet 1; Ptychoformer 1"
        assert (found[1].dropped, found[0].lacks) == ("", ())
        make_report(**told(inputs | dict(reference=tmp_path / "reference", output=tmp_path / "report.html")))
        words = Page((tmp_path / "report.html").read_text()).words
        assert (
            "2 whole seeds of 10: interim; seeds left out, which not every network has: PtychoNN 1; PtyNet 1; Ptychoformer 1"
            in words
        )

    def test_networks_of_other_tables_take_no_seed_away(self, inputs, tmp_path, experiment):
        runs = read_scores(inputs["reference"])
        extra = runs[(runs["model"] == "dpi") & (runs["seed"] == 0)].assign(model="transunet")
        alone = extra.assign(loss="mae")
        experiment.keep_reference(tmp_path / "reference", pd.concat([runs, extra, alone]))
        found = reference_conditions(tmp_path / "reference", Labels(**inputs["labels"]), **HERE)
        seeds = {(condition.title.split(":")[0], "MAE" in condition.title): len(condition.whole) for condition in found}
        assert seeds == {(name, mae): 1 if mae else 3 for name in ("Noise-free", "Noisy") for mae in (False, True)}

    def test_the_papers_tests_are_those_of_an_independent_library(self, inputs):
        """The whole seeds alone are tested, in every column, and six pairs."""
        runs = read_scores(inputs["reference"])
        found = reference_conditions(inputs["reference"], Labels(**inputs["labels"]), **HERE)[0]
        at = runs.query(
            f"dataset == 'clean' and {HEADLINE} and channel == 'amplitude' and metric == 'psnr' and loss == 'mse'"
        )
        table = at.pivot(index="seed", columns="model", values="value")
        line = next(row for row in found.anovas if row[0] == "Amplitude PSNR (dB)")
        expected = AnovaRM(at, "value", "seed", within=["model"]).fit().anova_table.iloc[0]
        assert line[1:3] == (f"{expected['F Value']:.1f}", "3, 6")
        assert 1 / 3 <= float(line[4]) <= 1
        pairs = [row for row in found.pairs if row[0] == "Amplitude PSNR (dB)"]
        assert len(pairs) == 6
        pair = next(row for row in pairs if row[1] == "DPI less Ptychoformer")
        test = stats.ttest_rel(table["dpi"], table["ptychoformer"])
        interval = test.confidence_interval()
        signed = [
            f"{value:+.2f}".replace("-", "−")
            for value in (table["dpi"].mean() - table["ptychoformer"].mean(), *interval)
        ]
        assert pair[2] == f"{signed[0]} ({signed[1]} to {signed[2]})"
        assert float(pair[3]) == pytest.approx(test.pvalue, abs=5e-5)
        assert pair[4] == ("below 0.0083" if test.pvalue < 0.05 / 6 else "not below 0.0083")
        assert len(found.anovas) == 8

    def test_runs_of_another_block_are_shown_as_that(self, inputs, tmp_path, experiment):
        runs = read_scores(inputs["reference"])
        experiment.keep_reference(tmp_path / "reference", runs[runs["block"] == "lower_left"])
        (clean, _) = reference_conditions(tmp_path / "reference", Labels(**inputs["labels"]), **HERE)
        assert clean.title.endswith("the lower left block")
        assert not clean.is_headline
        assert clean.variation == ()
        make_report(**told(inputs | dict(reference=tmp_path / "reference", output=tmp_path / "report.html")))
        words = Page((tmp_path / "report.html").read_text()).words
        assert "their scores below are of another block, so that no claim was judged on them" in words
        assert "not the headline’s block" in words

    def test_a_network_that_is_missing_is_told(self, inputs, tmp_path, experiment):
        runs = read_scores(inputs["reference"])
        experiment.keep_reference(tmp_path / "reference", runs[runs["model"] != "dpi"])
        (clean, _) = reference_conditions(tmp_path / "reference", Labels(**inputs["labels"]), **HERE)
        assert (clean.lacks, clean.whole) == (("DPI",), (0, 1, 2))
        assert len([row for row in clean.pairs if row[0] == "Phase SSIM (%)"]) == 3

    def test_a_network_named_na_is_one_of_them(self, inputs, tmp_path, experiment):
        runs = read_scores(inputs["reference"])
        experiment.keep_reference(
            tmp_path / "reference", pd.concat([runs, runs[runs["model"] == "dpi"].assign(model="NA")])
        )
        (clean, _) = reference_conditions(tmp_path / "reference", Labels(**inputs["labels"]), **HERE)
        assert "NA" in [row[0] for row in clean.rows]

    def test_pooled_versions_of_the_code_are_told(self, page, inputs, tmp_path, experiment):
        claims_told = len(re.findall(r"\d+ versions of the code", page.words))
        runs = read_scores(inputs["reference"])
        # Both digests are infinite to a careless reader.
        runs.loc[(runs["model"] == "dpi") & (runs["seed"] == 1) & (runs["dataset"] == "clean"), "code_digest"] = (
            "98765e432109"
        )
        experiment.keep_reference(tmp_path / "reference", runs)
        make_report(**told(inputs | dict(reference=tmp_path / "reference", output=tmp_path / "report.html")))
        words = Page((tmp_path / "report.html").read_text()).words
        assert (
            "Noise-free: 2,928 patterns, 25 epochs, batches of 32, MSE loss, the lower right block 3 whole seeds of 10: interim, 2 versions of the code"
            in words
        )
        assert len(re.findall(r"\d+ versions of the code", words)) == claims_told + 1

    def test_no_table_is_an_empty_table(self, small, small_page):
        output = small["output"].with_name("none.html")
        make_report(**told(small | dict(reference=None, output=output)))
        assert output.read_bytes() == small["output"].read_bytes()

    def test_floor_and_ceiling_stand_below_their_networks(self, inputs):
        for condition in reference_conditions(inputs["reference"], Labels(**inputs["labels"]), **HERE):
            assert [row[0] for row in condition.rows] == [
                "PtychoNN",
                "PtyNet",
                "DPI",
                "Ptychoformer",
                "Floor",
                "Ceiling",
            ]
            assert condition.rows[-1][2] == "∞"

    def test_without_runs_the_page_says_so(self, small_page):
        assert "None have been harvested so far" in small_page.words
        assert "No claim could be looked at on reference runs." in small_page.words
        assert "Reference runs by condition" not in small_page.words


def test_networks_and_references_go_by_their_labels():
    labels = Labels(networks={"dpi": "DPI"})
    assert [labels.network(name) for name in ("dpi", "floor", "new")] == ["DPI", "Floor", "new"]
