"""Verdicts are right at the rates that are promised, where the truth is known."""

from math import sqrt

import numpy as np
import pytest
from scipy import stats

from ptychoformer.publication.claims.verdicts import FAILS, HOLDS, UNDECIDED, Contrast, decide


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

    @pytest.mark.parametrize(("wider", "verdict"), [(1.01, HOLDS), (0.99, UNDECIDED)])
    def test_equality_is_shown_by_plain_intervals_however_many_there_are(self, wider, verdict):
        """That each of them lies within the margin is one hypothesis against many, which needs no correction."""
        gains = np.random.default_rng(3).normal(0, 1, (6, 8))
        ends = [stats.ttest_1samp(gain, 0).confidence_interval(0.95) for gain in gains]
        margin = wider * np.abs([(end.low, end.high) for end in ends]).max()
        assert decide([contrast(gain, margin=margin) for gain in gains], "no_difference").verdict == verdict

    @pytest.mark.parametrize(
        ("effect", "margin", "verdict"), [(4.0, 2.0, FAILS), (0.5, 2.0, HOLDS), (0.5, 0.6, UNDECIDED)]
    )
    def test_the_pair_that_is_farthest_from_equal_is_told(self, effect, margin, verdict):
        scatter = np.array([-0.5, 0.5, -0.4, 0.4])
        near, far = (contrast(mean + scatter, name=name, margin=margin) for name, mean in (("n", 0.1), ("f", -effect)))
        for contrasts_ in ([near, far], [far, near]):
            found = decide(contrasts_, "no_difference")
            assert (found.verdict, found.rival, found.effect) == (verdict, "f", pytest.approx(-effect))

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
