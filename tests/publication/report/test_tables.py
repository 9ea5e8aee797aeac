"""The report's numbers are those of the tables, and their intervals those of an independent library."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ptychoformer.errors import InputError
from ptychoformer.publication.report.headline import headlines
from ptychoformer.publication.report.newcomers import newcomers
from ptychoformer.publication.report.page import make_report
from ptychoformer.publication.tables.compare import make_table
from ptychoformer.publication.tables.layout import Layout
from ptychoformer.publication.tables.typeset import rows

from ..conftest import PUBLISHED, told
from .conftest import HEADLINE, Page


class TestTables:
    def test_every_number_is_on_the_page(self, page, inputs, experiment):
        for path, table in zip(inputs["tables"].values(), experiment.TABLES.values(), strict=True):
            layout = table.layout
            for part in layout.parts:
                for row in rows(pd.read_csv(path), part, layout):
                    for cell in row.cells:
                        assert cell.ours in page.words
                        std = f" ± {cell.published_std}" if cell.published_std else ""
                        assert not cell.published or f"{cell.published}{std} ({cell.difference})" in page.words

    def test_the_best_are_bold_and_what_differs_is_marked(self, path, inputs):
        tables = [pd.read_csv(table) for table in inputs["tables"].values()]
        text = path.read_text()
        assert text.count("<strong>") == sum(table["best"].sum() for table in tables)
        assert text.count("<sup>†</sup>") == sum(table["differs_from_best"].eq(True).sum() for table in tables) > 0

    def test_one_seed_says_what_was_not_tested(self, small_page):
        assert small_page.words.count("Not tested: needs at least 2 seeds, has 1.") >= 5

    def test_losses_are_compared_as_losses(self, page):
        assert "The seven losses differed in" in page.words


@pytest.fixture(scope="module")
def appended(inputs, experiment, tmp_path_factory):
    """Arguments of a page to whose Table I a user has appended a network that is better than all others."""
    folder = tmp_path_factory.mktemp("appended")
    frame = pd.read_csv(inputs["statistics"]["table1"][0].with_name("metrics.csv"))
    novel = frame[frame["model"] == "ptychoformer"].assign(model="novel")
    novel["value"] *= np.where(novel["metric"] == "mse", 0.9, 1.1)
    files = experiment.write_metrics(folder / "evaluation", pd.concat([frame, novel]))
    words = inputs["words"]["table1"] | dict(methods=experiment.MODELS | dict(novel="Novel"))
    printed = {kind: folder / f"table1.{kind}" for kind in ("csv", "md", "tex")}
    make_table(files.metrics, PUBLISHED / "table1.csv", files.pairwise, Layout.of(words), scale_note="", **printed)
    changed = dict(
        tables=dict(table1=printed["csv"]),
        statistics=dict(table1=(files.anova, files.pairwise)),
        words=dict(table1=words),
    )
    return inputs | {name: inputs[name] | part for name, part in changed.items()} | dict(output=folder / "report.html")


@pytest.fixture(scope="module")
def appended_page(appended):
    make_report(**told(appended))
    return Page(appended["output"].read_text())


@pytest.fixture
def of_appended(appended):
    """Its Table I: scores, pairs and layout."""
    files = appended["tables"]["table1"], appended["statistics"]["table1"][1]
    return *map(pd.read_csv, files), Layout.of(appended["words"]["table1"])


class TestHeadline:
    def test_intervals_are_those_of_an_independent_library(self, inputs, experiment):
        table, pairwise = pd.read_csv(inputs["tables"]["table1"]), pd.read_csv(inputs["statistics"]["table1"][1])
        metrics = pd.read_csv(inputs["tables"]["table1"].parents[1] / "evaluation/table1/metrics.csv")
        found = headlines(table, pairwise, experiment.TABLES["I"].layout, "ptychoformer")
        assert len(found) == 12
        line = next(line for line in found if line.condition == "Noisy" and line.column == "Phase PSNR (dB)")
        at = metrics.query(f"dataset == 'noisy' and {HEADLINE} and channel == 'phase' and metric == 'psnr'")
        by_model = {model: group.sort_values("seed")["value"].to_numpy() for model, group in at.groupby("model")}
        best = max(("ptychonn", "ptynet", "dpi"), key=lambda model: by_model[model].mean())
        ours = by_model["ptychoformer"]
        low, high = stats.t.interval(0.95, 2, ours.mean(), stats.sem(ours))
        assert (line.ours, line.ours_interval) == (f"{ours.mean():.2f}", f"{low:.2f} to {high:.2f}")
        assert line.rival_name == experiment.MODELS[best]
        interval = stats.ttest_rel(ours, by_model[best]).confidence_interval()
        signed = [f"{value:+.2f}".replace("-", "−") for value in (interval.low, interval.high)]
        assert line.lead_interval == " to ".join(signed)
        assert line.lead == f"{(ours - by_model[best]).mean():+.2f}"

    def test_it_is_on_the_page(self, page, inputs, experiment):
        table, pairwise = pd.read_csv(inputs["tables"]["table1"]), pd.read_csv(inputs["statistics"]["table1"][1])
        for line in headlines(table, pairwise, experiment.TABLES["I"].layout, "ptychoformer"):
            expected = f"{line.column} {line.ours} ({line.ours_interval}) {line.rival_name} {line.rival} ({line.rival_interval})"
            assert f"{expected} {line.lead} ({line.lead_interval}) {line.published_lead}" in page.words

    def test_a_metric_that_a_scan_is_too_small_for_is_left_out(self, inputs, experiment):
        table, pairwise = pd.read_csv(inputs["tables"]["table1"]), pd.read_csv(inputs["statistics"]["table1"][1])
        found = headlines(table[table["metric"] != "ssim"], pairwise, experiment.TABLES["I"].layout, "ptychoformer")
        assert {line.column for line in found} == {"Amplitude PSNR (dB)", "Phase PSNR (dB)", "Relative phase PSNR (dB)"}

    @pytest.mark.parametrize("above", [True, False])
    def test_whether_ours_is_above_the_floor_is_told_wherever_its_rivals_are(self, inputs, experiment, above):
        table, pairwise = pd.read_csv(inputs["tables"]["table1"]), pd.read_csv(inputs["statistics"]["table1"][1])
        place = ["condition", "block", "region", "level", "channel", "metric"]
        ours = table[table["method"] == "ptychoformer"].set_index(place)["ours_mean"]
        of_ours = table[place].merge(ours.reset_index(), on=place, how="left")["ours_mean"]
        table.loc[table["method"] == "floor", "ours_mean"] = of_ours - (1e-6 if above else -1e-6)
        found = headlines(table, pairwise, experiment.TABLES["I"].layout, "ptychoformer")
        assert [line.above_floor for line in found] == [above] * 12

    def test_one_seed_has_no_interval(self, small, experiment):
        table, pairwise = pd.read_csv(small["tables"]["table1"]), pd.read_csv(small["statistics"]["table1"][1])
        for line in headlines(table, pairwise, experiment.TABLES["I"].layout, "ptychoformer"):
            assert (line.ours_interval, line.rival_interval, line.lead_interval) == ("", "", "")

    def test_an_appended_network_is_neither_ours_nor_the_rival_of_ours(self, appended_page, of_appended, inputs):
        assert "Metric Ptychoformer Best other network Lead" in appended_page.words
        assert "DPI, Ptychoformer, Novel, and variants of Ptychoformer" in appended_page.words
        without = pd.read_csv(inputs["tables"]["table1"]), pd.read_csv(inputs["statistics"]["table1"][1])
        assert headlines(*of_appended, "ptychoformer") == headlines(
            *without, Layout.of(inputs["words"]["table1"]), "ptychoformer"
        )

    def test_an_appended_network_is_compared_with_each_of_the_papers(
        self, appended, appended_page, of_appended, experiment
    ):
        (novel,) = newcomers(*of_appended)
        assert (novel.name, list(novel.rivals)) == ("Novel", list(experiment.MODELS.values()))
        assert "Novel in Table I: by how much it is better than each of the paper’s networks" in appended_page.words
        metrics = pd.read_csv(appended["statistics"]["table1"][0].with_name("metrics.csv"))
        at = metrics.query(f"dataset == 'noisy' and {HEADLINE} and channel == 'phase' and metric == 'psnr'")
        values = at.pivot(index="seed", columns="model", values="value")
        score = next(score for score in dict(novel.scores)["Noisy"] if score.column == "Phase PSNR (dB)")
        for rival, lead in zip(experiment.MODELS, score.leads, strict=True):
            test = stats.ttest_rel(values["novel"], values[rival])
            ends = test.confidence_interval()
            signed = [f"{value:+.2f}".replace("-", "−") for value in (ends.low, ends.high)]
            assert lead.interval == " to ".join(signed)
            assert lead.number == f"{(values['novel'] - values[rival]).mean():+.2f}".replace("-", "−")
            assert lead.differs == (test.pvalue < 0.05 / 10)  # of five networks there are ten pairs
            assert f"{lead.number}{'†' if lead.differs else ''} ({lead.interval})" in appended_page.words

    def test_a_lead_is_positive_where_the_appended_network_is_better(self, of_appended):
        (novel,) = newcomers(*of_appended)
        place = novel.rivals.index("Ptychoformer")
        assert all(score.leads[place].number.startswith("+") for _, rows in novel.scores for score in rows)

    @pytest.mark.parametrize("block", ["lower_left", "strip"])
    def test_networks_are_the_papers_where_it_prints_nothing_too(self, of_appended, block):
        """On blocks that are not the paper's no printed number stands beside ours."""
        table, pairwise, layout = of_appended
        elsewhere = replace(layout, block=block)
        none_printed = table.assign(published_mean=np.nan)
        assert [novel.name for novel in newcomers(none_printed, pairwise, elsewhere)] == ["Novel"]
        assert "Novel" not in {line.rival_name for line in headlines(none_printed, pairwise, elsewhere, "ptychoformer")}

    def test_without_a_network_of_ones_own_nothing_is_compared(self, inputs, page):
        table, pairwise = pd.read_csv(inputs["tables"]["table1"]), pd.read_csv(inputs["statistics"]["table1"][1])
        assert newcomers(table, pairwise, Layout.of(inputs["words"]["table1"])) == []
        assert "by how much it is better than each" not in page.words

    def test_ours_is_whom_one_names(self, appended, tmp_path):
        make_report(**told(appended | dict(ours="novel", output=tmp_path / "report.html")))
        assert "Metric Novel Best other network Lead" in Page((tmp_path / "report.html").read_text()).words

    def test_ours_must_be_in_table_1(self, inputs, tmp_path):
        with pytest.raises(
            InputError, match="Table I has no network 'novel' to call ours; it has ptychonn, ptynet, dpi, ptychoformer"
        ):
            make_report(**told(inputs | dict(ours="novel", output=tmp_path / "report.html")))


class TestVariation:
    def test_deviations_are_over_seeds_on_the_headline_and_over_blocks(self, page, inputs):
        metrics = pd.read_csv(inputs["statistics"]["table1"][0].with_name("metrics.csv"))
        at = metrics.query(
            "dataset == 'noisy' and model == 'dpi' and region == 'whole' and level == 'scene' and channel == 'phase'"
        )
        scores = at[at["metric"] == "psnr"].groupby("block")["value"]
        over_seeds, over_blocks = scores.std()["lower_right"], scores.mean()[["lower_right", "lower_left"]].std()
        assert over_blocks > 0
        assert f"{over_seeds:.2f} {over_blocks:.2f}" in page.words

    def test_what_seeds_stand_for_is_said(self, page):
        assert (
            "A seed draws the order of the training patterns, the part of them that validates and the initial weights"
            in page.words
        )
