"""A textbook's numbers, identities between tests, and no p where none can be had."""

from itertools import combinations
from math import nan, sqrt

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ptychoformer.errors import InputError
from ptychoformer.evaluation.columns import SCORES
from ptychoformer.evaluation.intervals import d_z_interval, eta_squared_interval, half_width
from ptychoformer.evaluation.statistics import analyse, greenhouse_geisser, paired, repeated_measures_anova

# Field, Discovering Statistics: seconds until celebrities retched, eating four things.
BUSHTUCKER = pd.DataFrame(
    {
        "stick": [8, 9, 6, 5, 8, 7, 10, 12],
        "testicle": [7, 5, 2, 3, 4, 5, 2, 6],
        "fish_eye": [1, 2, 3, 1, 5, 6, 7, 8],
        "grub": [6, 5, 8, 9, 8, 7, 2, 1],
    },
    index=pd.RangeIndex(8, name="seed"),
    dtype=float,
)


def test_interval_of_a_mean_is_that_of_students_t():
    values = np.array([1.0, 2.5, 3.0, 7.0])
    half = half_width(values.std(ddof=1), len(values))
    interval = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (values.mean() - half, values.mean() + half) == pytest.approx(interval)
    assert np.isnan(half_width(0.0, 1))


def random_table(seeds=8, models=4, seed=0) -> pd.DataFrame:
    return pd.DataFrame(np.random.default_rng(seed).normal(size=(seeds, models)), columns=list("abcdefg"[:models]))


def metrics_of(table: pd.DataFrame, factor: str = "model", **changes) -> pd.DataFrame:
    """The rows of a metrics file for a table (seeds x levels)."""
    group = {"dataset": "clean", "test": "clean", "loss": "mse", "model": "dpi", "n_train": 100}
    group |= {"block": "lower_right", "region": "whole", "level": "scene", "channel": "phase", "metric": "psnr"}
    return pd.DataFrame(
        [
            group | {factor: level, "seed": seed, "value": table.loc[seed, level]} | changes
            for seed in table.index
            for level in table
        ]
    )[list(SCORES)]


@pytest.fixture
def analysed(tmp_path):
    """ANOVA and pairs of rows of metrics, as they are read back."""

    def run(*frames, factor="model"):
        pd.concat(frames).to_csv(tmp_path / "metrics.csv", index=False)
        analyse(*(tmp_path / name for name in ("metrics.csv", "anova.csv", "pairwise.csv")), factor)
        return tuple(
            pd.read_csv(tmp_path / name, keep_default_na=False, na_values=[""])
            for name in ("anova.csv", "pairwise.csv")
        )

    return run


def test_anova_of_the_textbook():
    found = repeated_measures_anova(BUSHTUCKER)
    assert (found.df_effect, found.df_error) == (3, 21)
    assert (found.F, found.p) == (pytest.approx(3.79, abs=0.005), pytest.approx(0.026, abs=0.0005))
    assert (found.epsilon, found.p_gg) == pytest.approx((0.533, 0.063), abs=0.0005)
    assert found.eta_squared == pytest.approx(83.125 / (83.125 + 153.375))
    assert found.eta_low < found.eta_squared < found.eta_high


def test_anova_of_two_models_is_the_paired_t_test():
    table = random_table(models=2)
    found, pair = repeated_measures_anova(table), paired(table, "a", "b")
    assert (found.F, found.p, found.p_gg) == pytest.approx((pair.t**2, pair.p, pair.p))
    assert found.epsilon == 1
    assert found.eta_squared == pytest.approx(pair.d_z**2 / (pair.d_z**2 + found.df_error / 8))


def test_an_offset_of_a_seed_changes_nothing():
    table = random_table()
    shifted = table.add(np.linspace(-5, 5, len(table)), axis=0)
    np.testing.assert_allclose(repeated_measures_anova(shifted).F, repeated_measures_anova(table).F)
    assert greenhouse_geisser(shifted.to_numpy()) == pytest.approx(greenhouse_geisser(table.to_numpy()))


@pytest.mark.parametrize("seeds", [2, 3, 5, 20])
@pytest.mark.parametrize("models", [2, 3, 4, 6])
def test_epsilon_lies_between_its_bounds(seeds, models):
    epsilon = greenhouse_geisser(random_table(seeds, models).to_numpy())
    assert 1 / (models - 1) <= epsilon <= 1
    if seeds == 2:
        assert epsilon == pytest.approx(1 / (models - 1))


def test_epsilon_is_one_for_compound_symmetry():
    uncorrelated = np.linalg.qr(np.column_stack([np.ones(9), random_table(9).to_numpy()]))[0][:, 1:]
    symmetric = uncorrelated + uncorrelated.sum(axis=1, keepdims=True)
    covariance = np.cov(symmetric, rowvar=False)
    np.testing.assert_allclose(covariance - np.diag(np.diag(covariance) - covariance[0, 1]), covariance[0, 1])
    assert greenhouse_geisser(symmetric) == pytest.approx(1)


def test_paired_test_is_that_of_scipy():
    found, expected = paired(BUSHTUCKER, "stick", "grub"), stats.ttest_rel(BUSHTUCKER["stick"], BUSHTUCKER["grub"])
    interval = expected.confidence_interval(0.95)
    assert (found.t, found.p, found.df) == pytest.approx((expected.statistic, expected.pvalue, expected.df))
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert found.difference == pytest.approx((65 - 46) / 8)
    assert found.d_z == pytest.approx(found.t / sqrt(8))


@pytest.mark.parametrize("n", [2, 3, 10])
@pytest.mark.parametrize("t", [-300.0, -1.5, 0.0, 4.0, 5000.0])
def test_ends_of_the_d_z_interval_leave_a_fortieth_on_either_side(t, n):
    low, high = d_z_interval(t, n)
    # By symmetry P(T <= t | d) = 1 - P(T <= -t | -d), which SciPy knows for t >= 0 only.
    if t < 0:
        t, low, high = -t, -high, -low
    assert stats.nct.cdf(t, n - 1, [low * sqrt(n), high * sqrt(n)]) == pytest.approx([0.975, 0.025], abs=1e-6)


def test_intervals_of_enormous_effects_grow_in_proportion():
    np.testing.assert_allclose(d_z_interval(1e7, 5), np.array(d_z_interval(9e3, 5)) * 1e7 / 9e3, rtol=1e-4)
    odds = np.array([[eta / (1 - eta) for eta in eta_squared_interval(f_value, 1, 4)] for f_value in (1e9, 9e7)])
    np.testing.assert_allclose(odds[0], odds[1] * 1e9 / 9e7, rtol=1e-4)


def test_d_z_interval_covers_the_truth_in_95_of_100():
    truth, n = 0.8, 6
    samples = np.random.default_rng(5).normal(truth, 1, (1000, n))
    t = sqrt(n) * samples.mean(axis=1) / samples.std(axis=1, ddof=1)
    intervals = np.array([d_z_interval(value, n) for value in t])
    covered = (intervals[:, 0] <= truth) & (truth <= intervals[:, 1])
    assert covered.mean() == pytest.approx(0.95, abs=3 * sqrt(0.95 * 0.05 / 1000))


def test_eta_squared_interval_inverts_the_noncentral_f():
    low, high = (eta / (1 - eta) * (3 + 27) for eta in eta_squared_interval(9.0, 3, 27))
    assert stats.ncf.cdf(9.0, 3, 27, [low, high]) == pytest.approx([0.975, 0.025], abs=1e-6)
    assert eta_squared_interval(0.5, 3, 27)[0] == 0


def test_without_sphericity_the_interval_of_eta_squared_is_that_of_fewer_degrees_of_freedom():
    """Those of the corrected p, as of Muller and Barton."""
    found = repeated_measures_anova(BUSHTUCKER)
    df = found.epsilon * 3, found.epsilon * 21
    noncentralities = [eta / (1 - eta) * sum(df) for eta in (found.eta_low, found.eta_high)]
    upper, lower = stats.ncf.cdf(found.F, *df, noncentralities)
    assert found.p_gg == pytest.approx(stats.f.sf(found.F, *df))
    assert lower == pytest.approx(0.025, abs=1e-6)
    assert found.eta_low == 0 or upper == pytest.approx(0.975, abs=1e-6)


def test_six_pairs_share_the_threshold(analysed):
    anova, pairs = analysed(metrics_of(BUSHTUCKER))
    assert len(anova) == 1
    assert len(pairs) == 6
    assert [(row.a, row.b) for row in pairs.itertuples()] == list(combinations(BUSHTUCKER, 2))
    np.testing.assert_allclose(pairs["alpha"], 0.0083, atol=5e-5)
    np.testing.assert_allclose(pairs["p_bonferroni"], np.minimum(1, 6 * pairs["p"]))
    assert (pairs["significant"] == (pairs["p"] < 0.05 / 6)).all()
    assert pairs["significant"].any()
    assert anova["p_gg"][0] == pytest.approx(0.063, abs=0.0005)
    assert anova["note"].isna().all()


def test_what_is_significant_alone_may_not_be_among_others(analysed):
    """Two networks that differ at p = 0.03, alone and beside a third."""
    scatter = np.array([-2.0, -1, 0, 1, 2])
    scatter /= scatter.std(ddof=1)
    table = pd.DataFrame({"a": scatter + stats.t.isf(0.015, 4) / sqrt(5), "b": 0.0, "c": random_table(5)["a"]})
    alone, among = (analysed(metrics_of(some))[1].iloc[0] for some in (table[["a", "b"]], table))
    assert alone["p"] == pytest.approx(0.03)
    assert among["p"] == pytest.approx(0.03)
    assert (alone["significant"], among["significant"]) == (True, False)


def test_floor_and_ceiling_are_no_models_and_groups_stay_apart(analysed):
    with_references = random_table(models=2).assign(floor=0.0, ceiling=np.inf)
    others = metrics_of(random_table(seed=1), loss="nssim"), metrics_of(random_table(), n_train=7)
    anova, pairs = analysed(metrics_of(with_references), *others)
    assert anova["n_levels"].tolist() == [2, 4, 4]
    assert len(pairs) == 1 + 6 + 6
    assert anova["held"].tolist() == ["mse", "nssim", "mse"]
    assert anova["n_train"].tolist() == [100, 100, 7]


def test_a_network_tested_elsewhere_is_another_group(analysed):
    anova, pairs = analysed(metrics_of(random_table()), metrics_of(random_table(seed=1), test="curved", block="scan"))
    assert anova["test"].tolist() == ["clean", "curved"]
    assert len(pairs) == 6 + 6
    assert anova["F"].notna().all()
    assert anova["F"].nunique() == 2


def test_losses_are_compared_as_models_are(analysed):
    of_models = analysed(metrics_of(BUSHTUCKER))
    references = metrics_of(pd.DataFrame({"none": BUSHTUCKER["grub"] * 0}), "loss", model="floor")
    of_losses = analysed(metrics_of(BUSHTUCKER, "loss"), references, factor="loss")
    for model, loss in zip(of_models, of_losses, strict=True):
        told = ["factor", "held"]
        assert model[told].drop_duplicates().to_numpy().tolist() == [["model", "mse"]]
        assert loss[told].drop_duplicates().to_numpy().tolist() == [["loss", "dpi"]]
        pd.testing.assert_frame_equal(model.drop(columns=told), loss.drop(columns=told))


def test_losses_of_two_networks_are_two_groups(analysed):
    two = metrics_of(random_table(), "loss"), metrics_of(random_table(models=3, seed=1), "loss", model="ptychonn")
    anova, pairs = analysed(*two, factor="loss")
    assert anova[["held", "n_levels"]].to_numpy().tolist() == [["dpi", 4], ["ptychonn", 3]]
    assert pairs.groupby("held")["alpha"].first().tolist() == pytest.approx([0.05 / 6, 0.05 / 3])


def test_why_losses_cannot_be_tested_is_told_of_losses(analysed):
    anova, _ = analysed(metrics_of(BUSHTUCKER[["grub"]], "loss"), factor="loss")
    assert anova["note"].tolist() == ["needs at least 2 losses, has 1"]


def test_an_unknown_factor_is_refused(analysed):
    with pytest.raises(InputError, match="factor 'seed' is unknown, allowed are model and loss"):
        analysed(metrics_of(BUSHTUCKER), factor="seed")


def test_one_seed_gives_differences_and_no_p(analysed):
    anova, pairs = analysed(metrics_of(BUSHTUCKER.iloc[:1]))
    tests = ["t", "df", "p", "p_bonferroni", "significant", "low", "high", "d_z", "d_low", "d_high"]
    assert pairs[tests].isna().all(axis=None)
    assert anova[["F", "p", "epsilon", "p_gg", "eta_squared"]].isna().all(axis=None)
    assert set(pairs["note"]) | set(anova["note"]) == {"needs at least 2 seeds, has 1"}
    assert pairs["difference"].tolist() == [1, 7, 2, 6, 1, -5]


@pytest.mark.parametrize(
    ("table", "note"),
    [
        (BUSHTUCKER[["grub"]], "needs at least 2 networks, has 1"),
        (BUSHTUCKER.replace({"grub": {9.0: nan}}), "grub has no value for seed 3"),
        (BUSHTUCKER.replace({"grub": {9.0: np.inf}}), "grub is infinite, an exact match, for seed 3"),
        (
            BUSHTUCKER[["grub"]].assign(stick=BUSHTUCKER["grub"] + 0.1),
            "the differences between the networks do not vary over the seeds",
        ),
    ],
)
def test_what_cannot_be_tested_says_why(analysed, table, note):
    anova, pairs = analysed(metrics_of(table))
    assert anova[["F", "p"]].isna().all(axis=None)
    assert anova["note"].tolist() == [note]
    assert pairs["p"].isna().equals(pairs["note"] == note)
    with pytest.raises(InputError, match=note):
        repeated_measures_anova(table.rename_axis(columns="model"))


def test_a_model_without_one_of_the_seeds_is_not_compared(analysed):
    rows = metrics_of(BUSHTUCKER)
    _, pairs = analysed(rows[~((rows["model"] == "grub") & (rows["seed"] == 5))])
    with_grub = (pairs["b"] == "grub").to_numpy()
    assert pairs["p"].isna().tolist() == with_grub.tolist()
    assert set(pairs["note"][with_grub]) == {"grub has no value for seed 5"}


def test_few_seeds_are_tested_with_a_warning_beside(analysed):
    anova, pairs = analysed(metrics_of(BUSHTUCKER.iloc[:3]))
    assert anova["p"].notna().all()
    assert anova["note"].tolist() == ["n=3 seeds for 4 networks: epsilon poorly estimated, interval wide"]
    assert pairs["p"].notna().all()
    assert set(pairs["note"]) == {"n=3: interval wide"}


def test_two_values_for_one_seed_are_refused(analysed):
    with pytest.raises(InputError, match="two values for one seed"):
        analysed(metrics_of(BUSHTUCKER), metrics_of(BUSHTUCKER))


def test_an_experiment_of_references_alone_has_tables_without_rows(analysed):
    anova, pairs = analysed(metrics_of(random_table(models=1).rename(columns={"a": "floor"})))
    assert anova.empty
    assert pairs.empty
    assert "p_gg" in anova
    assert "p_bonferroni" in pairs
