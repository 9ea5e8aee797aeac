"""The table of verdicts: on these runs and on reference runs, on the headline's part and elsewhere."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from ptychoformer.errors import InputError
from ptychoformer.evaluation.columns import SCORES
from ptychoformer.evaluation.metrics import read_metrics
from ptychoformer.publication.claims.catalogue import read_claims
from ptychoformer.publication.claims.evidence import Numbers, Place
from ptychoformer.publication.claims.judge import OUTPUT_COLUMNS, VERDICTS_ELSEWHERE, judge
from ptychoformer.publication.claims.verdicts import FAILS, HOLDS, UNDECIDED
from ptychoformer.publication.store.holdings import SEEDS_FIXED

from ..conftest import HERE
from .conftest import CATALOGUE, CLAIMS, DIGESTS, MEANS, NETWORKS, SHARES, TRUTH, bands, networks, rows


class TestJudge:
    @pytest.fixture
    def table1(self, tmp_path):
        """Both conditions and all metrics, ours clearly better, for four seeds."""
        rng = np.random.default_rng(8)
        parts = []
        for dataset, channel, metric in product(("clean", "noisy"), ("amplitude", "phase"), ("mse", "psnr", "ssim")):
            scale = {"mse": -0.01, "psnr": 1.0, "ssim": 0.04}[metric]
            base = {"mse": 0.05, "psnr": 13.0, "ssim": 0.8}[metric]
            for place, model in enumerate(NETWORKS):
                values = base + scale * (3 * (model == "ptychoformer") + 0.1 * place + 0.1 * rng.standard_normal(4))
                parts.append(rows(dataset, model, values, channel=channel, metric=metric))
        pd.concat(parts).to_csv(tmp_path / "metrics.csv", index=False)
        return tmp_path / "metrics.csv"

    @pytest.fixture(autouse=True)
    def _can_keep(self, experiment):
        self.keep = experiment.keep_reference

    def judge(self, folder, metrics, reference=None):
        judge(CLAIMS, metrics, None, reference, **HERE, scales={"table1": "laptop"}, output_csv=folder / "claims.csv")
        return pd.read_csv(folder / "claims.csv")

    def test_every_claim_once_and_missing_experiments_are_named(self, tmp_path, table1):
        table = self.judge(tmp_path, {"table1": table1, "sizes": tmp_path / "not_made.csv"})
        assert list(table.columns) == OUTPUT_COLUMNS
        assert table["id"].tolist() == [claim.id for claim in CATALOGUE]
        assert set(table["source"]) == {"local"}
        verdicts = table.set_index("id")
        assert verdicts.at["clean-all-metrics", "verdict"] == HOLDS
        assert verdicts.at["clean-amplitude-psnr-size", "verdict"] == FAILS
        assert verdicts.at["sizes-amplitude-psnr", "verdict"] == UNDECIDED
        assert verdicts.at["sizes-amplitude-psnr", "reason"] == "the experiment 'sizes' was not run"
        assert "measured" in verdicts.at["measured-all-metrics", "reason"]

    def test_nothing_run_is_nothing_decided(self, tmp_path):
        assert set(self.judge(tmp_path, {})["verdict"]) == {UNDECIDED}

    def test_reference_rows_where_whole_seeds_are(self, tmp_path, table1):
        runs = pd.read_csv(table1).assign(n_train=2928, epochs=25, batch_size=32, code_digest=DIGESTS[0])
        runs = runs[(runs["dataset"] == "clean") & ~((runs["model"] == "ptynet") & (runs["seed"] > 1))]
        references = runs[runs["model"] == "dpi"].assign(model="floor", loss="none", epochs=np.nan, batch_size=np.nan)
        self.keep(tmp_path / "reference", pd.concat([runs, references]))
        table = self.judge(tmp_path, {}, tmp_path / "reference").set_index(["id", "source"])
        assert table.loc[("clean-all-metrics", "reference"), "n_seeds"] == 2
        # This claim names two networks only, of which there are four seeds.
        assert table.loc[("clean-amplitude-psnr-size", "reference"), "n_seeds"] == 4
        assert table.loc[("clean-all-metrics", "reference"), "scale"] == "2,928 patterns, 25 epochs"
        assert ("noisy-all-metrics", "reference") not in table.index
        assert ("noisy-all-metrics", "local") in table.index

    def test_of_two_references_the_larger_training_sets_count(self, tmp_path, table1):
        small = pd.read_csv(table1).assign(epochs=12, batch_size=8, code_digest=DIGESTS[0])
        large = pd.read_csv(table1).assign(epochs=25, batch_size=32, n_train=2928, code_digest=DIGESTS[0])
        self.keep(tmp_path / "reference", pd.concat([small, large[large["seed"] < 3]]))
        row = (
            self.judge(tmp_path, {}, tmp_path / "reference")
            .query("id == 'clean-all-metrics' and source == 'reference'")
            .iloc[0]
        )
        assert (row["scale"], row["n_seeds"]) == ("2,928 patterns, 25 epochs", 3)

    @pytest.mark.parametrize("n_train", [(50, 100, 640), (50, 200, 640), (100, 200, 640), (50, 100, 200, 640)])
    @pytest.mark.parametrize("lead", [-2.0, 2.0])
    def test_the_same_runs_have_the_same_verdict_as_local_and_as_reference(self, tmp_path, n_train, lead):
        """Whichever of the training sets that were asked for they lack."""
        ours = dict.fromkeys(NETWORKS, 13.0) | {"ptychoformer": 13.0 + lead}
        frames = [
            networks({name: mean + (name == "ptychoformer") / size for name, mean in ours.items()}, **place)
            for draw, size in enumerate(n_train)
            for place in [dict(n_train=size, draw=draw, spread=1e-4)]
        ]
        runs = pd.concat(frames).assign(epochs=25, batch_size=32, code_digest=DIGESTS[0])
        runs[list(SCORES)].to_csv(tmp_path / "sizes.csv", index=False)
        self.keep(tmp_path / "reference", runs)
        asked = dict(
            asked={"sizes": {"clean": [50, 100, 200, 640]}}, asked_of_reference={"sizes": [50, 100, 200, "all"]}
        )
        about = dict(**HERE, **asked, scales={}, output_csv=tmp_path / "claims.csv")
        judge(CLAIMS, {"sizes": tmp_path / "sizes.csv"}, None, tmp_path / "reference", **about)
        table = pd.read_csv(tmp_path / "claims.csv").query("experiment == 'sizes'").set_index(["id", "source"])
        found = table[["verdict", "reason", "effect", *VERDICTS_ELSEWHERE]]
        reference = found.xs("reference", level="source")
        assert {"sizes-amplitude-psnr", "sizes-lead-grows", "sizes-larger-lead-when-small"} <= set(reference.index)
        pd.testing.assert_frame_equal(reference, found.xs("local", level="source").loc[reference.index])
        each = reference.at["sizes-amplitude-psnr", "verdict"]
        assert each == (FAILS if lead < 0 else HOLDS if len(n_train) == 4 else UNDECIDED)

    @pytest.mark.parametrize(
        ("changed", "versions"),
        [
            ({}, ""),
            ({("dpi", 1)}, ", 2 versions of the code"),
            # Digests of two networks always differ, for each covers the code of its own network.
            ({("dpi", seed) for seed in range(4)}, ""),
            # The claim compares four networks over two seeds alone, and this one is not one of the two.
            ({("dpi", 3)}, ""),
        ],
    )
    def test_versions_of_the_code_are_told(self, tmp_path, table1, changed, versions):
        runs = pd.read_csv(table1).assign(epochs=25, batch_size=32)
        runs = runs[(runs["dataset"] == "clean") & ~((runs["model"] == "ptynet") & (runs["seed"] > 1))]
        runs["code_digest"] = [DIGESTS[run in changed] for run in zip(runs["model"], runs["seed"], strict=True)]
        self.keep(tmp_path / "reference", runs)
        row = (
            self.judge(tmp_path, {}, tmp_path / "reference")
            .query("id == 'clean-all-metrics' and source == 'reference'")
            .iloc[0]
        )
        assert row["n_seeds"] == 2
        assert row["scale"] == f"640 patterns, 25 epochs{versions}"

    def test_a_reference_that_is_named_must_be_there(self, tmp_path):
        with pytest.raises(InputError, match="gone/scores"):
            self.judge(tmp_path, {}, tmp_path / "gone")

    def test_runs_that_were_trained_differently_are_not_compared(self, tmp_path, table1):
        runs = pd.read_csv(table1).assign(batch_size=32, code_digest=DIGESTS[0])
        runs["epochs"] = np.where(runs["model"] == "ptychoformer", 25, 12)
        self.keep(tmp_path / "reference", runs)
        table = self.judge(tmp_path, {}, tmp_path / "reference")
        assert not (
            (table["source"] == "reference")
            & table["id"].str.startswith("clean-")
            & (table["id"] != "clean-cnns-alike")
        ).any()

    @pytest.mark.parametrize(
        ("place", "column"),
        [
            (dict(region="unseen"), "verdict_unseen"),
            (dict(block="lower_left"), "verdict_lower_left"),
            (dict(block="strip"), "verdict_strip"),
            (dict(level="pattern"), "verdict_pattern"),
        ],
    )
    def test_elsewhere_a_claim_has_another_verdict(self, tmp_path, table1, place, column):
        """Ours leads on the headline's block, and trails in PSNR elsewhere."""
        here = pd.read_csv(table1)
        there = here.assign(**place)
        there.loc[(there["model"] == "ptychoformer") & (there["metric"] == "psnr"), "value"] -= 6
        pd.concat([here, there]).to_csv(table1, index=False)
        runs = pd.read_csv(table1).assign(epochs=25, batch_size=32, code_digest=DIGESTS[0])
        self.keep(tmp_path / "reference", runs)
        table = self.judge(tmp_path, {"table1": table1}, tmp_path / "reference").set_index(["id", "source"])
        for source in ("local", "reference"):
            assert tuple(table.loc[("noisy-amplitude-psnr", source), ["verdict", column]]) == (HOLDS, FAILS)
            assert table.loc[("noisy-amplitude-psnr", source), "effect"] > 0
            assert table.loc[("noisy-amplitude-highly-significant", source), column] == HOLDS
            others = [name for name in VERDICTS_ELSEWHERE if name not in (column, "verdict_lower_right")]
            assert set(table.loc[("noisy-amplitude-psnr", source), others]) == {UNDECIDED}

    def test_a_claim_is_judged_elsewhere_where_that_is_another_question(self, tmp_path, table1):
        table = self.judge(tmp_path, {"table1": table1}).set_index("id")
        asked = {
            name: set(table.index[table[f"verdict_{name}"].notna()])
            for name in ("unseen", "pattern", "lower_left", "strip")
        }
        claims = {claim.id: claim.test for claim in read_claims(CLAIMS)}
        assert table["verdict_lower_right"].isna().all()  # the headline's own
        assert asked["pattern"] == {name for name, test in claims.items() if not test.level}
        assert (
            asked["lower_left"]
            == asked["strip"]
            == {name for name, test in claims.items() if not test.block and test.level != "band"}
        )
        assert asked["unseen"] == asked["strip"]  # of a measured scan, all test patterns are unseen
        assert len(asked["pattern"]) == len(claims) - 6  # Figure 9's bands are of scenes

    def test_another_headline_is_another_claim(self, tmp_path, table1):
        """What the config names as the headline is judged, and the paper's block beside it."""
        frame = pd.read_csv(table1)
        frame.assign(block="strip", level="synchronised").to_csv(table1, index=False)
        where = dict(block="strip", level="synchronised")
        judge(CLAIMS, {"table1": table1}, None, None, **where, scales={}, output_csv=tmp_path / "claims.csv")
        row = pd.read_csv(tmp_path / "claims.csv").set_index("id").loc["clean-all-metrics"]
        assert (row["verdict"], row["verdict_lower_right"]) == (HOLDS, UNDECIDED)
        assert pd.isna(row["verdict_strip"])

    def test_reference_runs_of_another_block_judge_nothing(self, tmp_path, table1):
        runs = pd.read_csv(table1).assign(block="lower_left", epochs=25, batch_size=32, code_digest=DIGESTS[0])
        self.keep(tmp_path / "reference", runs)
        assert set(self.judge(tmp_path, {}, tmp_path / "reference")["source"]) == {"local"}

    @pytest.mark.parametrize(("seeds", "interim"), [(4, True), (SEEDS_FIXED, False)])
    def test_fewer_reference_seeds_than_were_fixed_are_interim(self, tmp_path, seeds, interim):
        runs = networks(MEANS, seeds=seeds).assign(epochs=25, batch_size=32, code_digest=DIGESTS[0])
        self.keep(tmp_path / "reference", runs)
        runs[list(SCORES)].to_csv(tmp_path / "table1.csv", index=False)
        table = self.judge(tmp_path, {"table1": tmp_path / "table1.csv"}, tmp_path / "reference").set_index(
            ["id", "source"]
        )
        assert table.loc[("clean-amplitude-psnr", "reference"), ["n_seeds", "interim"]].tolist() == [seeds, interim]
        assert not table.loc[("clean-amplitude-psnr", "local"), "interim"]

    def test_bands_are_judged_on_reference_runs_too(self, tmp_path):
        trained = dict(epochs=25, batch_size=32, code_digest=DIGESTS[0])
        stitched = bands(SHARES, TRUTH).assign(**HERE, **trained)
        others = [
            stitched.assign(block="lower_left", estimate=0.5),
            stitched.assign(level="synchronised", estimate=0.5),
        ]
        scores = networks(MEANS).assign(**trained)
        self.keep(tmp_path / "reference", scores[scores["seed"] < 0], pd.concat([stitched, *others]))
        judge(CLAIMS, {}, None, tmp_path / "reference", **HERE, scales={}, output_csv=tmp_path / "claims.csv")
        table = pd.read_csv(tmp_path / "claims.csv").set_index(["id", "source"])
        assert table.loc[("bands-mid-share", "reference"), "verdict"] == HOLDS
        assert table.loc[("bands-mid-share", "reference"), "scale"] == "640 patterns, 25 epochs"
        assert ("bands-closer-than-dpi", "reference") not in table.index

    def test_a_network_named_na_is_a_network(self, tmp_path, table1):
        """Neither does it vanish from what is there, nor does a name that looks like a number change."""
        frame = pd.read_csv(table1)
        extra = [frame[frame["model"] == "dpi"].assign(model=name) for name in ("NA", "075")]
        pd.concat([frame, *extra]).to_csv(table1, index=False)
        read = read_metrics(table1)
        assert {"NA", "075"} < set(read["model"])
        assert Numbers(read).seeds(
            Place("clean", "clean", "NA", "mse", 640, "lower_right", "whole", "scene", "amplitude", "psnr")
        ) == {
            0,
            1,
            2,
            3,
        }
        assert self.judge(tmp_path, {"table1": table1}).set_index("id").at["clean-all-metrics", "verdict"] == HOLDS

    def test_without_numbers_of_the_unseen_part_it_is_undecided(self, tmp_path, table1):
        row = self.judge(tmp_path, {"table1": table1}).set_index("id").loc["clean-all-metrics"]
        assert (row["verdict"], row["verdict_unseen"]) == (HOLDS, UNDECIDED)

    def test_same_input_same_bytes(self, tmp_path, table1):
        self.judge(tmp_path, {"table1": table1})
        first = (tmp_path / "claims.csv").read_bytes()
        shuffled = pd.read_csv(table1).sample(frac=1, random_state=1)
        shuffled.to_csv(table1, index=False)
        self.judge(tmp_path, {"table1": table1})
        assert (tmp_path / "claims.csv").read_bytes() == first
