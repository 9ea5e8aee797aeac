"""What `docs/readings.md` says of the paper against itself follows from its own tables."""

from math import log
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

PUBLISHED = Path(__file__).parents[2] / "resources" / "published"
TABLE_1 = pd.read_csv(PUBLISHED / "table1.csv")
MSE_UNIT, PSNR_UNIT = 1e-4, 0.01  # of the last digit that is printed
DECIBELS = 10 / log(10)  # d(-10 log10 MSE) = -DECIBELS * d(MSE) / MSE


def deviations(condition, channel):
    """PSNR by network, dB: printed, implied by the MSE's, and at least and at most within the rounding of both."""
    at = TABLE_1[(TABLE_1["condition"] == condition) & (TABLE_1["channel"] == channel)].set_index(["method", "metric"])
    mse, psnr = at.xs("mse", level="metric"), at.xs("psnr", level="metric")
    implied, slack = DECIBELS * mse["std"] / mse["mean"], DECIBELS * MSE_UNIT / 2 / mse["mean"]
    return pd.DataFrame(
        {
            "printed": psnr["std"],
            "implied": implied,
            "most": implied + slack,
            "least_printed": psnr["std"] - PSNR_UNIT / 2,
        }
    )


def test_the_propagation_is_that_of_small_errors():
    rng = np.random.default_rng(0)
    mse = 0.0432 + 0.0002 * rng.standard_normal(100_000)
    assert (-10 * np.log10(mse)).std() == pytest.approx(DECIBELS * 0.0002 / 0.0432, rel=0.01)
    assert pytest.approx(4.34, abs=0.005) == DECIBELS


def test_without_noise_the_printed_deviations_of_the_psnr_are_larger_than_those_of_the_mse_imply():
    both = pd.concat([deviations("clean", channel) for channel in ("amplitude", "phase")], keys=["amplitude", "phase"])
    assert (both["implied"].min().round(2), both["implied"].max().round(2)) == (0.02, 0.05)
    assert (both["printed"].min(), both["printed"].max()) == (0.05, 0.26)
    # Rounding of the printed numbers explains one of the eight.
    beyond = both["least_printed"] > both["most"]
    assert list(both.index[~beyond]) == [("phase", "ptychoformer")]


def test_under_noise_so_are_those_of_the_amplitude_alone():
    amplitude, phase = deviations("noisy", "amplitude"), deviations("noisy", "phase")
    assert (amplitude["implied"].min().round(2), amplitude["implied"].max().round(2)) == (0.01, 0.02)
    assert (amplitude["printed"].min(), amplitude["printed"].max()) == (0.1, 0.13)
    assert (amplitude["least_printed"] > amplitude["most"]).all()
    assert (phase["implied"] / phase["printed"]).between(0.65, 1.3).all()


def test_a_mean_of_decibels_is_not_below_the_decibels_of_the_mean():
    """-10 log10 is convex: what a mean MSE implies at least is, beyond rounding, more than is printed for five of sixteen."""
    means = TABLE_1.pivot(index=["method", "channel", "condition"], columns="metric", values="mean")
    least, rounded = -10 * np.log10(means["mse"]), -10 * np.log10(means["mse"] + MSE_UNIT / 2)
    below = means["psnr"] + PSNR_UNIT / 2 < rounded
    assert {place: (round(least[place], 2), means["psnr"][place]) for place in means.index[below]} == {
        ("ptychonn", "amplitude", "clean"): (13.65, 13.52),
        ("ptychonn", "phase", "clean"): (19.14, 19.09),
        ("dpi", "amplitude", "noisy"): (11.90, 11.76),
        ("dpi", "phase", "clean"): (19.00, 18.91),
        ("ptychoformer", "phase", "noisy"): (18.83, 18.76),
    }
    assert len(means) == 16


def leads(metric, condition):
    """How far Ptychoformer's amplitude and phase lie ahead of the best of the others, relative to that one."""
    at = TABLE_1.query("metric == @metric and condition == @condition")
    found = {}
    for channel, rows in at.groupby("channel"):
        means = rows.set_index("method")["mean"]
        ours, others = means["ptychoformer"], means.drop("ptychoformer")
        best = others.min() if metric == "mse" else others.max()
        found[channel] = abs(ours - best) / best
    return found


def test_the_leads_in_front_of_the_paper_are_not_those_of_table_1():
    assert 100 * leads("ssim", "clean")["amplitude"] == pytest.approx(4.2, abs=0.05)
    assert 100 * leads("ssim", "noisy")["amplitude"] == pytest.approx(5.3, abs=0.05)
    greatest = max(max(leads("mse", condition).values()) for condition in ("clean", "noisy"))
    assert 100 * greatest == pytest.approx(15.4, abs=0.05)
    phase = pd.read_csv(PUBLISHED / "table2.csv").query("channel == 'phase' and metric == 'ssim'").set_index("method")
    ours, others = phase["mean"]["ptychoformer"], phase["mean"].drop("ptychoformer")
    assert 100 * (ours - others.max()) == pytest.approx(12.03)
