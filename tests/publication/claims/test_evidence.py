"""What a claim rests on: networks that are compared seed by seed, and shares of bands."""

import numpy as np
import pandas as pd
import pytest

from ptychoformer.errors import InputError
from ptychoformer.publication.claims.check import Check
from ptychoformer.publication.claims.evidence import Numbers, band_metrics
from ptychoformer.publication.claims.judge import verdict_of
from ptychoformer.publication.claims.verdicts import FAILS, HOLDS, UNDECIDED

from .conftest import CATALOGUE, MEANS, PLAIN, SHARES, TRUTH, bands, networks, rows


class TestEvidence:
    def test_a_clear_lead_holds_and_is_the_lead_over_the_closest_rival(self):
        verdict = verdict_of(Check(**PLAIN), Numbers(networks(MEANS)))
        assert (verdict.verdict, verdict.rival, verdict.unit, verdict.n_seeds) == (HOLDS, "'dpi'", "dB", 8)
        assert verdict.effect == pytest.approx(0.8, abs=0.1)

    def test_lower_errors_are_better(self):
        lower = Numbers(networks({name: 20 - mean for name, mean in MEANS.items()}, metric="mse"))
        assert verdict_of(Check(**PLAIN | dict(metric=("mse",))), lower).verdict == HOLDS

    def test_seeds_are_paired(self):
        """A lead that is small beside the spread of either network, but the same in each seed, is found."""
        shift = np.array([0, 5, -3, 8.0])
        frame = pd.concat(
            [
                rows("clean", "ptychoformer", 13.5 + shift + [0, 0.01, 0.02, -0.01]),
                rows("clean", "ptychonn", 13 + shift),
            ]
        )
        assert verdict_of(Check(**PLAIN | dict(worse=("ptychonn",))), Numbers(frame)).verdict == HOLDS

    def test_only_seeds_with_every_method_count(self):
        frame = networks(MEANS, seeds=6)
        frame = frame[~((frame["model"] == "dpi") & (frame["seed"] > 3))]
        assert verdict_of(Check(**PLAIN), Numbers(frame)).n_seeds == 4

    def test_a_missing_method_is_named(self):
        frame = networks(MEANS)
        verdict = verdict_of(Check(**PLAIN), Numbers(frame[frame["model"] != "dpi"]))
        assert (verdict.verdict, verdict.n_seeds) == (UNDECIDED, 0)
        assert "'dpi' on 'clean'" in verdict.reason
        assert "ptynet" not in verdict.reason

    def test_one_seed_has_an_effect_but_no_verdict(self):
        verdict = verdict_of(Check(**PLAIN), Numbers(networks(MEANS, seeds=1)))
        assert verdict.verdict == UNDECIDED
        assert verdict.reason.startswith("one seed")
        assert np.isfinite(verdict.effect)
        assert np.isnan(verdict.low)

    def test_numbers_given_twice_are_refused(self):
        frame = networks(MEANS)
        with pytest.raises(InputError, match="twice"):
            Numbers(pd.concat([frame, frame.tail(1)]))

    def test_a_larger_training_set_without_every_method_does_not_count(self):
        larger = networks(MEANS, n_train=2928)
        frame = pd.concat([networks(MEANS), larger[larger["model"] != "dpi"]])
        assert verdict_of(Check(**PLAIN), Numbers(frame)).n_seeds == 8

    @pytest.mark.parametrize(("small", "verdict"), [(14.4, HOLDS), (12.2, FAILS)])
    def test_every_size_counts(self, small, verdict):
        frame = pd.concat([networks(MEANS), networks(MEANS | {"ptychoformer": small}, n_train=50, draw=4)])
        assert verdict_of(Check(**PLAIN | dict(n_train="each")), Numbers(frame)).verdict == verdict

    def test_every_size_needs_two(self):
        verdict = verdict_of(Check(**PLAIN | dict(n_train="each")), Numbers(networks(MEANS)))
        assert verdict.verdict == UNDECIDED
        assert "at least two sizes" in verdict.reason

    @pytest.mark.parametrize(("drop", "verdict"), [(1.0, HOLDS), (3.0, FAILS)])
    def test_a_smaller_drop(self, drop, verdict):
        """All rivals lose 2 dB from the largest to the smallest training set; ours loses ``drop``, and is the better at both ends."""
        small = {name: mean - 2 for name, mean in MEANS.items()} | {"ptychoformer": 17.4 - drop}
        frame = pd.concat([networks(MEANS | {"ptychoformer": 17.4}), networks(small, n_train=50, draw=4)])
        test = Check(**PLAIN | dict(comparison="smaller_drop", drop=({"n_train": "largest"}, {"n_train": "smallest"})))
        found = verdict_of(test, Numbers(frame))
        assert found.verdict == verdict
        assert found.effect == pytest.approx(2 - drop, abs=0.2)

    @pytest.mark.parametrize(
        ("asked", "lacking"),
        [([50, 200, "all"], ""), ([20, 50, 640], "20 patterns"), ([50, 640, "all"], "all patterns")],
    )
    @pytest.mark.parametrize("drop", [1.0, 3.0])
    def test_a_drop_is_between_the_sizes_that_were_asked_for(self, asked, lacking, drop):
        """Between others it is another drop, which neither supports the claim nor refutes it."""
        small = {name: mean - 2 for name, mean in MEANS.items()} | {"ptychoformer": 17.4 - drop}
        frame = pd.concat([networks(MEANS | {"ptychoformer": 17.4}), networks(small, n_train=50, draw=4)])
        test = Check(**PLAIN | dict(comparison="smaller_drop", drop=({"n_train": "largest"}, {"n_train": "smallest"})))
        found = verdict_of(test, Numbers(frame), {"clean": asked})
        assert found.verdict == (UNDECIDED if lacking else HOLDS if drop < 2 else FAILS)
        assert (f"{lacking} were not run" in found.reason) == bool(lacking)

    @pytest.mark.parametrize(("small", "verdict"), [(14.4, UNDECIDED), (12.2, FAILS)])
    def test_a_size_that_some_networks_lack_was_not_run(self, small, verdict):
        frames = [
            networks(MEANS),
            networks(MEANS | {"ptychoformer": small}, n_train=50, draw=4),
            networks({"dpi": 13.0}, n_train=160, draw=5),
        ]
        test = Check(**PLAIN | dict(n_train="each"))
        found = verdict_of(test, Numbers(pd.concat(frames)), {"clean": [50, 160, 640]})
        assert found.verdict == verdict
        assert ("160 patterns were not" in found.reason) == (verdict == UNDECIDED)

    def test_a_drop_between_datasets(self):
        start, end = (
            networks(MEANS),
            networks({name: mean - 3 + (name == "ptychoformer") for name, mean in MEANS.items()}, draw=4),
        )
        end = end.assign(dataset="overlap_0", test="overlap_0", n_train=40)
        test = Check(**PLAIN | dict(comparison="smaller_drop", drop=({"dataset": "clean"}, {"dataset": "overlap_0"})))
        assert verdict_of(test, Numbers(pd.concat([start, end]))).effect == pytest.approx(1, abs=0.2)

    ALPHAS = tuple(f"weighted_{alpha}" for alpha in (20, 30, 40))

    @pytest.mark.parametrize(
        ("means", "verdict"),
        [((13, 14, 15), HOLDS), ((13, 15, 14), FAILS), ((13, 14, 14), UNDECIDED), ((13, None, 15), UNDECIDED)],
    )
    def test_a_rise_needs_every_step(self, means, verdict):
        rng = np.random.default_rng(5)
        shared = rng.standard_normal(8)
        frame = pd.concat(
            rows(
                "clean",
                "ptychoformer",
                mean + shared + 0.05 * np.arange(8) * (-1) ** np.arange(8) * (1 + place),
                loss=loss,
            )
            for place, (loss, mean) in enumerate(zip(self.ALPHAS, means, strict=True))
            if mean is not None
        )
        test = PLAIN | dict(
            comparison="increasing",
            compare="loss",
            held="ptychoformer",
            better=(),
            worse=(),
            along={"loss": self.ALPHAS},
        )
        found = verdict_of(Check(**test), Numbers(frame))
        assert found.verdict == verdict
        if None in means:
            assert "'weighted_30' were not run" in found.reason

    def test_a_lead_that_grows_as_training_sets_shrink(self):
        frames = [
            networks(MEANS | {"ptychoformer": 14 + lead}, n_train=size, draw=size)
            for size, lead in ((640, 0), (160, 1), (50, 2))
        ]
        test = PLAIN | dict(comparison="increasing")
        numbers = Numbers(pd.concat(frames))
        assert verdict_of(Check(**test, along={"n_train": "falling"}), numbers).verdict == HOLDS
        incomplete = verdict_of(Check(**test, along={"n_train": "falling"}), numbers, {"clean": [50, 160, 500, 640]})
        assert incomplete.verdict == UNDECIDED
        assert incomplete.reason == "it holds for the training sets that were run, but 500 patterns were not"
        assert verdict_of(Check(**test, along={"n_train": "rising"}), numbers).verdict == FAILS


class TestBands:
    def test_shares_errors_and_deficits(self):
        frame = band_metrics(bands({"dpi": SHARES["ptychonn"]}, TRUTH, seeds=1).assign(block="lower_right")).set_index(
            ["region", "metric"]
        )["value"]
        assert frame["outside_low", "band_share"] == pytest.approx(
            frame["mid", "band_share"] + frame["high", "band_share"]
        )
        assert frame["mid", "share_deficit"] == pytest.approx(0.0038 - frame["mid", "band_share"])
        assert frame["low", "share_error"] == pytest.approx(-frame["low", "share_deficit"])

    def test_the_papers_own_numbers_support_its_claims(self):
        numbers = Numbers(band_metrics(bands(SHARES, TRUTH).assign(block="lower_right")))
        verdicts = {
            claim.id: verdict_of(claim.test, numbers) for claim in CATALOGUE if claim.test.experiment == "bands"
        }
        assert verdicts["bands-closer-than-ptychonn"].verdict == HOLDS
        assert verdicts["bands-closer-than-ptychonn"].effect == pytest.approx(0.0002, rel=0.1)
        for name in ("bands-low-share", "bands-mid-share", "bands-high-share"):
            assert verdicts[name].verdict == HOLDS
        assert "dpi" in verdicts["bands-closer-than-dpi"].reason
