"""The paper's claims: the file says what the tables say, and verdicts are right where the truth is known."""

import re
from dataclasses import replace
from itertools import product
from math import sqrt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import stats

from ptychoformer.errors import InputError
from ptychoformer.evaluation.columns import SCORES, read_table
from ptychoformer.publication.claims.catalogue import read_claims
from ptychoformer.publication.claims.check import Check
from ptychoformer.publication.claims.contrasts import contrasts
from ptychoformer.publication.claims.evidence import Numbers, Place, band_metrics
from ptychoformer.publication.claims.judge import OUTPUT_COLUMNS, VERDICTS_ELSEWHERE, judge, verdict_of
from ptychoformer.publication.claims.verdicts import FAILS, HOLDS, UNDECIDED, Contrast, decide
from ptychoformer.publication.store.holdings import SEEDS_FIXED

PUBLISHED = Path(__file__).parents[2] / "resources" / "published"
CLAIMS = PUBLISHED / "claims.yaml"
NETWORKS = ("ptychonn", "ptynet", "dpi", "ptychoformer")
MEANS = dict(zip(NETWORKS, (13.0, 13.2, 13.6, 14.4), strict=True))
HIGHER = {"psnr", "ssim"}
DIGESTS = ("12345e678901", "98765e432109")  # both infinite to a careless reader
OURS = dict(better=("ptychoformer",), worse=("ptychonn", "ptynet", "dpi"))
HERE = dict(block="lower_right", level="scene")
PLAIN = dict(
    experiment="table1",
    dataset=("clean",),
    channel=("amplitude",),
    metric=("psnr",),
    comparison="greater",
    **HERE,
    **OURS,
)


def rows(dataset, model, values, *, loss="mse", n_train=640, channel="amplitude", metric="psnr", test=None):
    """One number per seed, of the whole block of the headline."""
    place = dict(dataset=dataset, test=test or dataset, model=model, loss=loss, n_train=n_train, **HERE)
    place |= dict(region="whole", channel=channel, metric=metric)
    return pd.DataFrame([place | dict(seed=seed, value=value) for seed, value in enumerate(values)])[list(SCORES)]


def networks(means, *, seeds=8, spread=0.05, draw=3, **place):
    """Networks with these means, each seed shifted for all alike and each number by ``spread``."""
    rng = np.random.default_rng(draw)
    shared = 5 * spread * rng.standard_normal(seeds)
    parts = [
        rows("clean", name, mean + shared + spread * rng.standard_normal(seeds), **place)
        for name, mean in means.items()
    ]
    return pd.concat(parts, ignore_index=True)


def published_metrics():
    """The paper's tables as metrics of one seed, by the names that runs have."""
    parts = []
    for number in range(1, 6):
        table = pd.read_csv(PUBLISHED / f"table{number}.csv")
        by_loss = number == 4
        dataset = "clean" if by_loss else table["condition"]
        frame = pd.DataFrame(index=table.index).assign(dataset=dataset, test="curved" if number == 2 else dataset)
        frame = frame.assign(
            model=table["condition"] if by_loss else table["method"], loss=table["method"] if by_loss else "mse"
        )
        block = "scan" if number == 2 else HERE["block"]
        frame = frame.assign(n_train=2928, seed=0, block=block, region="whole", level="scene")
        frame = frame.assign(channel=table["channel"], metric=table["metric"])
        parts.append((f"table{number}", frame.assign(value=table["mean"])[list(SCORES)]))
    return dict(parts)


CATALOGUE = [replace(claim, test=claim.test.on(**HERE)) for claim in read_claims(CLAIMS)]
PRINTED = [claim for claim in CATALOGUE if claim.published is not None and claim.test.experiment.startswith("table")]


class TestFile:
    def test_there_are_enough_and_of_every_kind(self):
        assert len(CATALOGUE) >= 35
        assert {claim.judges for claim in CATALOGUE} == {"ranking", "sign", "size"}
        experiments = {"table1", "table2", "table3", "table4", "table5", "sizes", "overlaps", "bands", "measured"}
        assert {claim.test.experiment for claim in CATALOGUE} == experiments

    @pytest.mark.parametrize("claim", PRINTED, ids=lambda claim: claim.id)
    def test_the_papers_own_effect_follows_from_its_tables(self, claim):
        """Each test, put to the paper's printed means, must give the effect that is called published: so it compares the right things."""
        verdict = verdict_of(claim.test, Numbers(published_metrics()[claim.test.experiment]))
        assert verdict.verdict == UNDECIDED
        assert verdict.n_seeds == 1
        assert verdict.effect == pytest.approx(claim.published, abs=6e-5)

    @pytest.mark.parametrize(
        "claim", [claim for claim in CATALOGUE if claim.judges == "size"], ids=lambda claim: claim.id
    )
    def test_sizes_are_what_was_published(self, claim):
        assert claim.test.value == pytest.approx(claim.published, rel=0.01)

    def test_sizes_of_psnr_are_in_decibels(self):
        """But for the measured data, of which the paper prints none."""
        sizes = [claim for claim in CATALOGUE if claim.judges == "size" and "psnr" in claim.test.metric]
        assert len(sizes) >= 8
        assert [claim.test.experiment for claim in sizes if claim.test.effect != "difference"] == ["measured"]
        assert pd.read_csv(PUBLISHED / "measured.csv").empty

    def test_a_per_cent_of_the_paper_is_its_decibels_over_its_rivals(self):
        """What a note says in per cent, and of which two numbers, follows from the tables, and is the size that is judged."""
        tables, noted = published_metrics(), 0
        for claim in CATALOGUE:
            if found := re.match(
                r"The paper says ([\d.]+) %; by Table \w+ that is ([\d.]+) against ([\d.]+) dB\.", claim.note
            ):
                percent, first, second = map(float, found.groups())
                numbers = Numbers(tables[claim.test.experiment])
                # The text divides by the rival's decibels, or, of what is taken away from Ptychoformer, by its own.
                base = "relative_to_worse" if first > second else "relative_to_better"
                fraction = verdict_of(replace(claim.test, effect=base), numbers).effect
                assert 100 * fraction == pytest.approx(percent, abs=0.051)
                assert claim.test.value == pytest.approx(abs(first - second))
                assert f"{claim.test.value:.2f} dB" in claim.statement
                noted += 1
        assert noted == 4

    def test_the_papers_rankings_are_its_own_means(self):
        """Every ranking and sign that Tables I to V can show is shown by the means that they print."""
        tables = published_metrics()
        for claim in CATALOGUE:
            if (
                claim.test.experiment in tables
                and claim.test.comparison == "greater"
                and claim.id != "losses-alpha-optimum"
            ):
                if claim.id == "losses-alpha-ends":  # alpha = 0.2 is in Figure 10 alone
                    continue
                assert (
                    min(contrast.effect for contrast in contrasts(claim.test, Numbers(tables[claim.test.experiment])))
                    > 0
                ), claim.id

    def test_margins_are_half_of_the_lead_in_table_1(self):
        table = pd.read_csv(PUBLISHED / "table1.csv")
        for claim in (claim for claim in CATALOGUE if claim.test.comparison == "no_difference"):
            for channel, metric in product(claim.test.channel, claim.test.metric):
                column = table.query(
                    "condition == @claim.test.dataset[0] and channel == @channel and metric == @metric"
                ).set_index("method")
                ours, others = column["mean"]["ptychoformer"], column["mean"].drop("ptychoformer")
                lead = ours - others.max() if metric in HIGHER else others.min() - ours
                assert claim.test.margin[channel][metric] == pytest.approx(lead / 2, abs=1e-9), claim.id

    @pytest.mark.parametrize("key", ["id", "place", "quote", "statement", "judges", "scope", "test"])
    def test_a_missing_part_is_named(self, tmp_path, key):
        test = dict(
            experiment="table1",
            dataset="clean",
            channel="amplitude",
            metric="psnr",
            better="a",
            worse="b",
            comparison="greater",
        )
        claim = dict(id="one", place="there", quote="said", statement="So.", judges="ranking", scope="all", test=test)
        (tmp_path / "claims.yaml").write_text(
            yaml.safe_dump({"claims": [{name: part for name, part in claim.items() if name != key}]})
        )
        with pytest.raises(InputError, match=f"'{key}' is missing"):
            read_claims(tmp_path / "claims.yaml")

    @pytest.mark.parametrize(
        ("change", "complaint"),
        [
            (dict(judges="guess"), "judges is 'guess'"),
            (dict(colour="red"), "'colour' is unknown"),
            (dict(quote=" ".join(["word"] * 26)), "25 words, found 26"),
            (dict(judges="size"), "a size, and nothing else"),
            (dict(test=dict(metric="fid")), "metric 'fid' is unknown"),
            (dict(test=dict(comparison="bigger")), "comparison 'bigger' is unknown"),
            (dict(test=dict(block="upper_left")), "block 'upper_left' is unknown"),
            (dict(test=dict(region="block")), "region 'block' is unknown"),
            (dict(test=dict(level="stitched")), "level 'stitched' is unknown"),
            (dict(test=dict(also="scene")), "also 'scene' is unknown"),
            (dict(test=dict(comparison="at_least"), judges="size"), "a positive value"),
            (dict(test=dict(comparison="no_difference")), "at least two"),
            (dict(test=dict(comparison="smaller_drop")), "from and to"),
            (dict(test=dict(comparison="increasing")), "along"),
            (dict(test=dict(comparison="increasing", along={"alpha": [1, 2]})), "along 'alpha' is unknown"),
            (dict(test=dict(better=[])), "better is missing"),
            (dict(test=dict(effect="relative_to_worse", worse=[])), "relative effect needs worse"),
        ],
    )
    def test_a_wrong_entry_is_named(self, tmp_path, change, complaint):
        test = dict(
            experiment="table1",
            dataset="clean",
            channel="amplitude",
            metric="psnr",
            better="a",
            worse="b",
            comparison="greater",
        )
        claim = dict(id="one", place="there", quote="said", statement="So.", judges="ranking", scope="all", test=test)
        claim |= {key: test | value if key == "test" else value for key, value in change.items()}
        (tmp_path / "claims.yaml").write_text(yaml.safe_dump({"claims": [claim]}))
        with pytest.raises(InputError, match=complaint) as caught:
            read_claims(tmp_path / "claims.yaml")
        assert "one" in str(caught.value)


def contrast(gain, reference=None, name="rival", margin=np.nan, unit="dB"):
    gain = np.asarray(gain, float)
    reference = np.ones_like(gain) if reference is None else np.asarray(reference, float)
    return Contrast(name, unit, gain, reference, float(np.abs(gain).max()), margin)


REPEATS = 1000


class TestLimits:
    def test_a_difference_has_the_paired_t_interval(self):
        gain = np.random.default_rng(1).normal(0.3, 1, 6)
        expected = stats.ttest_1samp(gain, 0).confidence_interval(0.95)
        assert contrast(gain).limits(0.025, 0.025) == pytest.approx((expected.low, expected.high))

    def test_a_relative_effect_at_its_limit_is_just_rejected_by_the_paired_t_test(self):
        rng = np.random.default_rng(2)
        reference = rng.normal(10, 1, 5)
        gain = 0.1 * reference + rng.normal(0, 0.3, 5)
        for limit in contrast(gain, reference).limits(0.025, 0.025):
            assert stats.ttest_rel(gain, limit * reference).pvalue == pytest.approx(0.05)

    def test_a_reference_that_may_be_zero_limits_nothing(self):
        assert contrast([1, 2], [0.1, 3]).limits(0.025, 0.025) == (-np.inf, np.inf)

    def test_coverage_of_a_ratio_of_means(self):
        rng = np.random.default_rng(4)
        reference = rng.normal(10, 1, (REPEATS, 3))
        gain = 0.2 * reference + rng.normal(0, 0.5, (REPEATS, 3))
        limits = [contrast(g, r).limits(0.025, 0.025) for g, r in zip(gain, reference, strict=True)]
        inside = np.mean([low <= 0.2 <= high for low, high in limits])
        assert inside == pytest.approx(0.95, abs=4 * sqrt(0.95 * 0.05 / REPEATS))


def rate(verdict, effects, comparison="greater", *, value=0.0, seeds=3, repeats=REPEATS, margin=np.nan):
    """How often a claim on rivals at these true effects gets a verdict; rivals share a part of their noise, as they share our network."""
    rng = np.random.default_rng(7)
    shared = 0.7 * rng.standard_normal((repeats, seeds, 1))
    gains = np.asarray(effects) + shared + 0.7 * rng.standard_normal((repeats, seeds, len(effects)))
    made = ([contrast(column, margin=margin) for column in gain.T] for gain in gains)
    return np.mean([decide(contrasts_, comparison, value).verdict == verdict for contrasts_ in made])


# Four standard errors of a rate of 2.5 % over the repeats of ``rate``.
PROMISED = 0.025 + 4 * sqrt(0.025 * 0.975 / REPEATS)


class TestFalseVerdicts:
    """Rates of false verdicts stay below what the module promises, at the truths that are hardest to tell."""

    @pytest.mark.parametrize("effects", [[0.0], [0.0, 9.0, 9.0], [0.0, 0.0, 0.0]])
    @pytest.mark.parametrize("seeds", [2, 3, 10])
    def test_a_network_that_is_not_better_seldom_wins(self, effects, seeds):
        assert rate(HOLDS, effects, seeds=seeds) <= PROMISED

    @pytest.mark.parametrize("rivals", [1, 3, 12])
    def test_a_network_that_is_barely_better_seldom_loses(self, rivals):
        assert rate(FAILS, [0.0] * rivals) <= PROMISED

    def test_the_rate_is_used_up_with_one_rival(self):
        """The bound is a rate, not a verdict that is never given."""
        assert rate(HOLDS, [0.0]) == pytest.approx(0.025, abs=PROMISED - 0.025)

    def test_a_size_that_is_not_reached_is_seldom_confirmed(self):
        assert rate(HOLDS, [1.0, 1.0], "at_least", value=1.0, seeds=5) <= PROMISED

    @pytest.mark.parametrize("effects", [[2.0], [2.0, 2.0, 2.0], [2.0, 3.0]])
    def test_a_true_size_is_seldom_rejected(self, effects):
        assert rate(FAILS, effects, "about", value=2.0, seeds=5) <= 0.05 + 4 * sqrt(0.05 * 0.95 / REPEATS)

    @pytest.mark.parametrize("effect", [0.0, 4.0])
    @pytest.mark.parametrize("seeds", [3, 8])
    def test_a_size_of_none_or_of_twice_as_much_is_seldom_confirmed(self, effect, seeds):
        assert rate(HOLDS, [effect, effect], "about", value=2.0, seeds=seeds) <= PROMISED

    def test_networks_that_differ_by_the_margin_are_seldom_called_alike(self):
        assert rate(HOLDS, [1.0, 0.0], "no_difference", margin=1.0, seeds=10) <= PROMISED

    def test_networks_that_do_not_differ_are_seldom_told_apart(self):
        assert rate(FAILS, [0.0, 0.0, 0.0], "no_difference", margin=1.0) <= 0.05 + 4 * sqrt(0.05 * 0.95 / REPEATS)


class TestPower:
    @pytest.mark.parametrize(
        ("effects", "comparison", "value", "verdict"),
        [
            ([3.0, 4.0], "greater", 0.0, HOLDS),
            ([3.0, -3.0], "greater", 0.0, FAILS),
            ([3.0, 0.0], "greater", 0.0, UNDECIDED),
            ([6.0], "at_least", 3.0, HOLDS),
            ([1.0], "at_least", 3.0, FAILS),
            ([3.0, 6.0], "about", 3.0, HOLDS),
            ([9.0], "about", 3.0, FAILS),
            ([0.3], "about", 3.0, FAILS),
            ([0.0, 0.2], "no_difference", 0.0, HOLDS),
            ([0.0, 4.0], "no_difference", 0.0, FAILS),
        ],
    )
    def test_clear_truths_are_found(self, effects, comparison, value, verdict):
        assert rate(verdict, effects, comparison, value=value, seeds=20, repeats=50, margin=2.0) > 0.9


class TestDecide:
    def test_no_significant_difference_is_no_proof_of_equality(self):
        verdict = decide([contrast([2.0, -1.0, 0.2], margin=0.1)], "no_difference")
        assert verdict.verdict == UNDECIDED
        assert "exceeds the margin" in verdict.reason

    def test_a_wide_interval_around_the_size_proves_nothing(self):
        assert decide([contrast([0.1, 0.3, 0.9])], "about", 0.4).verdict == UNDECIDED

    def test_an_effect_that_may_be_more_than_twice_the_size_does_not_confirm_it(self):
        verdict = decide([contrast([0.44, 0.7, 0.96])], "about", 0.4)
        assert 0 < verdict.low < 0.4 < 0.8 < verdict.high
        assert verdict.verdict == UNDECIDED

    def test_a_larger_effect_than_claimed_is_told(self):
        assert "larger than claimed" in decide([contrast([3.0, 3.1, 2.9])], "about", 1.0).reason

    def test_effects_that_do_not_vary_are_undecided(self):
        assert decide([contrast([1.0, 1.0, 1.0])], "greater").verdict == UNDECIDED

    def test_an_infinite_value_is_undecided(self):
        assert decide([contrast([np.inf, 1.0, 2.0])], "greater").verdict == UNDECIDED

    def test_the_failing_rival_is_named(self):
        verdict = decide([contrast([1, 1.1, 1.2], name="slow"), contrast([-1, -1.1, -1.2], name="quick")], "greater")
        assert (verdict.verdict, verdict.rival) == (FAILS, "quick")
        assert verdict.high < 0
        assert "quick (1 of 2" in verdict.reason

    def test_a_named_significance_must_be_reached(self):
        gain = contrast([1.0, 1.2, 0.9, 1.4])
        assert decide([gain], "greater").verdict == HOLDS
        assert decide([gain], "greater", significance=0.0001).verdict == UNDECIDED

    @pytest.mark.parametrize("seed", range(20))
    def test_the_verdict_can_be_read_from_the_interval(self, seed):
        rng = np.random.default_rng(seed)
        made = [
            contrast(rng.normal(center, 1, 5), unit=unit)
            for center, unit in zip(rng.normal(0, 2, 3), rng.choice(["dB", "ssim"], 3))
        ]
        verdict = decide(made, "greater")
        assert verdict.verdict == (HOLDS if verdict.low > 0 else FAILS if verdict.high < 0 else UNDECIDED)


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
        assert verdict_of(Check(**test, along={"n_train": "rising"}), numbers).verdict == FAILS


# Section V-A of the paper.
TRUTH = (0.9958, 0.0038, 0.0004)
SHARES = {"ptychoformer": (0.9975, 0.0022, 0.0003), "ptychonn": (0.9993, 0.0006, 0.0001)}


def bands(shares, truth, seeds=5):
    """Shares (low, mid, high) of every network; seeds lie around them by 1 % of the distance from 0 or 1, whichever is closer."""
    rng = np.random.default_rng(6)
    place = dict(dataset="clean", test="clean", loss="mse", n_train=640, channel="amplitude")
    found = []
    for model, parts in shares.items():
        for band, share, true in zip(("low", "mid", "high"), parts, truth, strict=True):
            noise = rng.standard_normal(seeds)
            estimates = share + 0.01 * min(share, 1 - share) * (noise - noise.mean())
            found += [
                place | dict(model=model, seed=seed, band=band, estimate=e, truth=true)
                for seed, e in enumerate(estimates)
            ]
    return pd.DataFrame(found)


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
        assert asked["pattern"] == {name for name, test in claims.items() if test.dataset == ("noisy",)}
        assert (
            asked["lower_left"]
            == asked["strip"]
            == {name for name, test in claims.items() if not test.block and test.level != "band"}
        )
        assert asked["unseen"] == asked["strip"]  # of a measured scan, all test patterns are unseen
        assert len(asked["pattern"]) == 7

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
        read = read_table(table1, SCORES)
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
