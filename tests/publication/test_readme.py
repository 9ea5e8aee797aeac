"""What README says of results is what the tables hold."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ptychoformer.errors import InputError
from ptychoformer.evaluation.columns import SCORES
from ptychoformer.publication.claims.judge import OUTPUT_COLUMNS
from ptychoformer.publication.report.blocks import write_block
from ptychoformer.publication.report.labels import Labels
from ptychoformer.publication.report.readme import (
    BEGIN,
    END,
    Sources,
    Told,
    block_of_results,
    headline_of_results,
    keep,
    keep_verdicts,
)
from ptychoformer.publication.report.verdict_words import CLAIM_COLUMNS, caution, table_of_verdicts
from ptychoformer.publication.store.files import FACTS, RUN_COLUMNS
from ptychoformer.tables import write_csv

PUBLISHED = Path(__file__).parents[2] / "resources" / "published"
CLAIMS_OF_THE_PAPER = PUBLISHED / "claims.yaml"
MODELS = {"ptychonn": "PtychoNN", "ptynet": "PtyNet", "dpi": "DPI", "ptychoformer": "Ptychoformer"}
LARGE = {"ptynet_large": "PtyNet, large"}
LABELS = Labels({"clean": "Noise-free", "noisy": "Noisy", "straight": "Straight", "measured": "Star"}, MODELS | LARGE)
HERE = dict(block="lower_right", level="scene")
TABLE_1 = Told("", LABELS, PUBLISHED / "table1.csv", "lower_right", **HERE)
CURVED = Labels(dict(straight="Straight", curved="Curved"), MODELS)
TABLE_2 = Told("Table II. ", CURVED, PUBLISHED / "table2.csv", "scan", block="scan", level="scene", test="curved")
ABLATIONS = Labels(dict(clean="Noise-free"), dict(without_nlb="Ours w/o NLB", ptychoformer="Ptychoformer"))
TABLE_3 = Told("Table III. ", ABLATIONS, PUBLISHED / "table3.csv", "lower_right", **HERE)
MEANS = dict(zip(MODELS, (13.0, 13.2, 13.6, 14.4), strict=True))
TRAINED = dict(
    zip(FACTS, (25, 32, 2734466, "0.1.0", "ab12", "12345e678901", "Linux", "cpu", 2735.5, "2026-01-31"), strict=True)
)


def scores(dataset="clean", seeds=3, models=MEANS, test=None, **place):
    """PSNR and SSIM of both channels of every network, and of a floor and a perfect ceiling."""
    rng = np.random.default_rng(3)
    place = dict(dataset=dataset, test=test or dataset, n_train=2928) | HERE | dict(region="whole") | place
    rows = [
        place | dict(model=model, loss=loss, seed=seed, channel=channel, metric=metric, value=value)
        for channel in ("amplitude", "phase")
        for metric, scale in (("mse", 0.01), ("psnr", 1.0), ("ssim", 0.05))
        for seed, shift in enumerate(rng.standard_normal(seeds))
        for model, loss, value in (
            *((model, "mse", scale * (mean + shift + 0.1 * rng.standard_normal())) for model, mean in models.items()),
            ("floor", "none", scale * 6.5),
            ("ceiling", "none", np.inf),
        )
    ]
    return pd.DataFrame(rows)[list(SCORES)]


@pytest.fixture
def sources(tmp_path):
    """Tables of their own, without any numbers at laptop scale."""
    return Sources(tmp_path / "reference", tmp_path / "laptop", CLAIMS_OF_THE_PAPER)


@pytest.fixture
def rendered(experiment):
    def rendered(sources, runs, tables=(TABLE_1,)):
        trained = runs.assign(**TRAINED)
        trained.loc[trained["loss"] == "none", list(FACTS)] = np.nan
        experiment.keep_reference(sources.runs, trained[list(RUN_COLUMNS)])
        return block_of_results(sources, tables, LABELS)

    return rendered


def means(runs, channel="amplitude", metric="psnr"):
    at = runs[(runs["channel"] == channel) & (runs["metric"] == metric) & (runs["loss"] == "mse")]
    return at.pivot(index="seed", columns="model", values="value")


class TestFullSize:
    def test_means_deviations_and_the_papers_own(self, sources, rendered):
        runs = scores()
        text, table = rendered(sources, runs), means(runs)
        assert (
            f"| PtychoNN | {table['ptychonn'].mean():.2f}\u00a0±\u00a0{table['ptychonn'].std():.2f} (13.52) |" in text
        )
        assert (
            f"| **{table['ptychoformer'].mean():.2f}\u00a0±\u00a0{table['ptychoformer'].std():.2f}** (14.42) |" in text
        )
        assert "| Floor | 6.50 | 32.50 |" in text
        assert "Ceiling" not in text  # perfect
        assert "Noise-free, the lower right block, 2,928 patterns, 25 epochs, 3 seeds of 10: interim" in text

    def test_who_leads_by_how_much_with_the_interval_of_an_independent_library(self, sources, rendered):
        runs = scores()
        table = means(runs)
        test = stats.ttest_rel(table["ptychoformer"], table["dpi"]).confidence_interval()
        lead = (table["ptychoformer"] - table["dpi"]).mean()
        assert (
            f"| amplitude PSNR | Ptychoformer | {lead:.2f} dB over DPI | {test.low:.2f} to {test.high:.2f} |".replace(
                "-", "−"
            )
            in rendered(sources, runs)
        )

    def test_only_seeds_that_every_network_has_count(self, sources, rendered):
        runs = scores(seeds=4)
        runs = runs[~((runs["model"] == "dpi") & (runs["seed"] == 2))]
        table = means(runs[runs["seed"] != 2])
        text = rendered(sources, runs)
        assert "3 seeds of 10" in text
        assert (
            f"| PtychoNN | {table['ptychonn'].mean():.2f}\u00a0±\u00a0{table['ptychonn'].std():.2f} (13.52) |" in text
        )

    def test_all_seeds_are_not_interim(self, sources, rendered):
        text = rendered(sources, scores(seeds=10))
        assert "10 seeds*:" in text
        assert "interim" not in text

    def test_another_block_stands_beside_nothing_of_the_papers(self, sources, rendered):
        text = rendered(sources, scores(block="lower_left"))
        assert (
            "*Noise-free, the lower right block*: no runs yet (those below are of another block, on which no claim is judged)."
            in text
        )
        assert "*Noisy, the lower right block*: no runs yet." in text
        assert "Noise-free, the lower left block, 2,928 patterns" in text
        assert "(13.52)" not in text

    def test_a_network_that_is_missing_is_told(self, sources, rendered):
        text = rendered(sources, scores(models={name: mean for name, mean in MEANS.items() if name != "dpi"}))
        assert "(no runs of DPI):" in text
        assert "DPI |" not in text

    @pytest.mark.parametrize("seeds", [3, 2])
    def test_a_network_that_the_paper_has_not_takes_no_seed_away(self, sources, seeds, rendered):
        """It is shown, and may lead, once it has as many."""
        large = scores(models=dict(ptynet_large=20.0), seeds=seeds)
        text = rendered(sources, pd.concat([scores(), large[large["loss"] == "mse"]]))
        assert "25 epochs, 3 seeds of 10: interim*:" in text
        assert ("PtyNet, large |" in text) == ("| amplitude PSNR | PtyNet, large | " in text) == (seeds == 3)

    def test_one_seed_leads_without_an_interval(self, sources, rendered):
        assert re.search(r"over DPI \| not tested \|", rendered(sources, scores(seeds=1)))

    def test_without_a_whole_seed_no_mean_is_shown(self, sources, rendered):
        runs = scores(seeds=2)
        runs = runs[
            ~((runs["model"] == "dpi") & (runs["seed"] == 0)) & ~((runs["model"] == "ptynet") & (runs["seed"] == 1))
        ]
        assert "*Noise-free, the lower right block*: no seed has every network yet." in rendered(sources, runs)

    def test_without_runs_it_says_so(self, sources, rendered):
        text = rendered(sources, scores().iloc[:0])
        assert text.count("no runs yet.") == 2

    def test_networks_that_are_tested_on_another_object_stand_beside_the_papers_table_of_that(self, sources, rendered):
        elsewhere = scores("straight", test="curved", block="scan")
        text, table = rendered(sources, pd.concat([scores(), elsewhere]), [TABLE_1, TABLE_2]), means(elsewhere)
        title = (
            "*Table II. Straight, tested on Curved, the whole of another object, which no network was trained on, 2,928"
        )
        assert title in text
        below = text.partition(title)[2]
        assert (
            f"| PtychoNN | {table['ptychonn'].mean():.2f}\u00a0±\u00a0{table['ptychonn'].std():.2f} (8.03) |" in below
        )

    def test_a_table_of_one_network_and_nothing_beside_it_is_no_comparison(self, sources, rendered):
        nothing = "*Table III. Noise-free, the lower right block*: no runs yet."
        ours = scores(models=dict(ptychoformer=14.4))
        assert nothing in rendered(sources, ours, [TABLE_3])
        without = scores(models=dict(without_nlb=14.1))
        text = rendered(sources, pd.concat([ours, without[without["loss"] == "mse"]]), [TABLE_3])
        assert nothing not in text
        assert "| Ours w/o NLB | " in text
        assert "(14.10) |" in text

    def test_readme_has_the_first_condition_and_the_verdicts_of_each_scale(self, sources, rendered, tmp_path):
        rendered(sources, scores())
        assert "claims" not in headline_of_results(sources, TABLE_1)
        claims = pd.DataFrame([dict.fromkeys(OUTPUT_COLUMNS, "") | dict(id="one", judges="sign", verdict="holds")])
        write_csv(claims.assign(source="local", interim=False, n_seeds=10), tmp_path / "claims.csv")
        keep_verdicts(tmp_path / "claims.csv", sources.runs)
        table, verdicts, cautioned = headline_of_results(sources, TABLE_1).rstrip().split("\n\n")[1:]
        assert table.startswith("|")
        assert verdicts == "At full size, 1 of 1 claims holds."
        assert "otherwise" not in cautioned  # it is judged nowhere else


class TestVerdicts:
    @pytest.fixture
    def kept(self, tmp_path):
        """Three claims: one turns over single patterns, one is of few seeds, and one has no runs."""
        rows = [
            dict(id="clean-amplitude-psnr", verdict="undecided", n_seeds=10, verdict_pattern="holds"),
            dict(id="overlap-zero-amplitude-psnr", verdict="holds", n_seeds=4, verdict_pattern="holds"),
            dict(id="abstract-measured-psnr-gain", verdict="undecided", n_seeds=0, verdict_pattern="undecided"),
        ]
        table = pd.DataFrame([dict.fromkeys(OUTPUT_COLUMNS, "") | dict(judges="ranking") | row for row in rows])
        write_csv(table.assign(source="local", interim=False), tmp_path / "claims.csv")
        keep_verdicts(tmp_path / "claims.csv", tmp_path / "kept")
        return tmp_path / "kept"

    def test_what_comes_out_otherwise_and_what_is_of_few_seeds_is_told(self, kept):
        told = caution(kept, CLAIMS_OF_THE_PAPER)
        assert ", 1 of 2 comes out otherwise." in told
        assert re.search(
            r"Over single patterns this holds, though not on the scene: \*[^*]*amplitude PSNR[^*]*\*", told
        )
        assert (
            "1 verdict is *interim*, on fewer than the 10 seeds that were fixed beforehand; 1 of these holds." in told
        )

    def test_every_claim_stands_in_the_papers_order(self, kept):
        _, _, measured, clean, overlap = table_of_verdicts(kept, CLAIMS_OF_THE_PAPER).splitlines()
        assert measured.endswith("| undecided | 0 | – |")
        assert clean.endswith("| undecided | 10 | over single patterns: holds |")
        assert overlap.endswith("| **holds** | 4 |  |")


class TestLaptop:
    @pytest.fixture
    def kept(self, sources, tmp_path):
        """A run of the workflow, of which README's numbers were copied; and those of Table I."""
        table1 = pd.concat(
            [scores("clean", n_train=400), scores("clean", n_train=400, block="strip"), scores("noisy", n_train=400)]
        )
        write_csv(pd.concat([table1, scores("clean", n_train=400, region="unseen")]), tmp_path / "table1.csv")
        write_csv(scores("straight", test="curved", n_train=320, block="scan"), tmp_path / "table2.csv")
        verdicts = ["holds", "does not hold", "undecided", "undecided", "undecided"]
        rows = [
            dict.fromkeys(OUTPUT_COLUMNS, "") | dict(id=f"claim-{place}", judges="ranking", verdict=verdict)
            for place, verdict in enumerate(verdicts)
        ]
        claims = pd.DataFrame(rows).assign(source="local", interim=False, n_seeds=[3, 3, 3, 3, 0])
        write_csv(claims, tmp_path / "claims.csv")
        keep(
            tmp_path / "claims.csv",
            {tmp_path / "table1.csv": "lower_right", tmp_path / "table2.csv": "scan"},
            "scene",
            sources.laptop,
        )
        return table1[(table1["block"] == "lower_right") & (table1["dataset"] == "noisy")]

    def test_what_is_kept_is_small(self, sources, kept):
        rows = pd.read_csv(sources.laptop / "metrics.csv")
        assert set(rows["block"]) == {"lower_right", "scan"}
        assert (set(rows["region"]), set(rows["metric"])) == ({"whole"}, {"psnr", "ssim"})
        assert list(pd.read_csv(sources.laptop / "claims.csv")) == list(CLAIM_COLUMNS)

    def test_verdicts_are_counted_and_networks_told(self, sources, kept, rendered):
        text = rendered(sources, scores())
        assert (
            "## At laptop scale\n\n1 of 5 claims holds, 1 does not hold and 3 are undecided (1 of them for lack of runs)."
            in text
        )
        table = means(kept)
        networks = ", ".join(f"{label} {table[name].mean():.2f}" for name, label in MODELS.items())
        assert (
            f"*Noisy, the lower right block, 400 patterns, 3 seeds.* Amplitude PSNR (dB): {networks}; Floor 6.50, Ceiling ∞."
            in text
        )
        assert "*Straight, tested on curved, 320 patterns, 3 seeds.*" in text
        first, second = (text.index(f"*{label}, the lower right block, 400") for label in ("Noise-free", "Noisy"))
        assert first < second < text.index("*Straight, tested")

    def test_without_a_run_it_says_so(self, sources, rendered):
        assert "no numbers are kept here yet" in rendered(sources, scores())


class TestPage:
    def test_only_what_stands_between_the_marks_changes(self, tmp_path):
        page = tmp_path / "README.md"
        page.write_text(f"above\n{BEGIN}\nold\n{END}\nbelow\n")
        for _ in range(2):
            write_block(page, "new\n", (BEGIN, END))
            assert page.read_text() == f"above\n{BEGIN}\nnew\n{END}\nbelow\n"

    @pytest.mark.parametrize(
        "text", ["", BEGIN, END, f"{END}\n{BEGIN}\n", f"{BEGIN}\n{BEGIN}\n{END}\n", f"{BEGIN}\n{END}\n{END}\n"]
    )
    def test_a_page_without_both_marks_once_is_left_alone(self, tmp_path, text):
        (tmp_path / "README.md").write_text(text)
        with pytest.raises(InputError, match="must have the lines"):
            write_block(tmp_path / "README.md", "new\n", (BEGIN, END))
        assert (tmp_path / "README.md").read_text() == text

    def test_a_page_that_cannot_be_read_is_one_sentence(self, tmp_path):
        (tmp_path / "latin1.md").write_bytes(b"\xe9")
        for name, sentence in (
            ("gone.md", "does not exist"),
            (".", "no regular file but a folder"),
            ("latin1.md", "page of text"),
        ):
            with pytest.raises(InputError, match=sentence):
                write_block(tmp_path / name, "new\n", (BEGIN, END))

    def test_a_missing_table_is_named(self, sources, tmp_path):
        with pytest.raises(InputError, match=r"gone.* does not exist"):
            block_of_results(replace(sources, runs=tmp_path / "gone.csv"), [TABLE_1], LABELS)
