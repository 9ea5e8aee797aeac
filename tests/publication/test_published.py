"""What `docs/readings.md` says of the paper against itself follows from its own tables."""

from math import log
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

TABLE_1 = pd.read_csv(Path(__file__).parents[2] / "resources" / "published" / "table1.csv")
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
    """-10 log10 is convex: what PtychoNN's mean MSE implies at least is more than what is printed."""
    at = TABLE_1.query("condition == 'clean' and method == 'ptychonn' and channel == 'amplitude'").set_index("metric")[
        "mean"
    ]
    assert -10 * np.log10(at["mse"]) == pytest.approx(13.65, abs=0.005)
    assert -10 * np.log10(at["mse"] + MSE_UNIT / 2) > at["psnr"] + PSNR_UNIT / 2
