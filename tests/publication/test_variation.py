"""Deviations over seeds and over blocks are those of their definition."""

from math import inf, sqrt

import numpy as np
import pandas as pd
import pytest

from ptychoformer.publication.report.variation import MEANS, means_of_table, means_over_seeds, rows, variation

COLUMNS = [("amplitude", "psnr"), ("phase", "ssim")]


def runs(values, model="dpi", metric="psnr", channel="amplitude"):
    """Scores of a network: block to one value a seed."""
    place = dict(dataset="clean", model=model, channel=channel, metric=metric)
    return pd.DataFrame(
        [
            place | dict(block=block, seed=seed, value=value)
            for block, row in values.items()
            for seed, value in enumerate(row)
        ]
    )


def test_over_seeds_on_one_block_and_over_the_means_of_two():
    values = {"lower_right": [14.0, 14.4, 14.1], "lower_left": [20.0, 20.9, 19.9], "strip": [1.0, 2.0, 3.0]}
    means = means_over_seeds(runs(values))
    row = variation(means, "lower_right").iloc[0]
    assert row["over_seeds"] == pytest.approx(np.std(values["lower_right"], ddof=1))
    assert row["over_blocks"] == pytest.approx(
        abs(np.mean(values["lower_right"]) - np.mean(values["lower_left"])) / sqrt(2)
    )
    assert variation(means, "strip").iloc[0]["over_seeds"] == pytest.approx(1.0)


def test_what_has_one_block_or_no_finite_score_has_no_row():
    perfect = runs({"lower_right": [inf, inf], "lower_left": [inf, inf]}, model="ceiling")
    alone = runs({"lower_right": [14.0, 14.4]}, model="ptynet")
    both = runs({"lower_right": [14.0, 14.4], "lower_left": [15.0, 15.4]})
    with np.errstate(invalid="ignore"):
        means = means_over_seeds(pd.concat([perfect, alone, both]))
    assert variation(means, "lower_right")["method"].tolist() == ["dpi"]
    assert variation(means_over_seeds(alone), "lower_right").empty


def test_one_seed_has_no_deviation_over_seeds():
    found = variation(means_over_seeds(runs({"lower_right": [14.0], "lower_left": [15.0]})), "lower_right")
    (row,) = rows(found, {"clean": "Noise-free"}, {"dpi": "DPI"}, COLUMNS)
    assert (row.condition, row.method) == ("Noise-free", "DPI")
    assert row.cells == (("–", "0.71"), ("–", "–"))


def test_a_table_gives_the_same_as_its_runs():
    """Whole blocks at the level of the headline, as `tables.compare` has them."""
    values = {"lower_right": [14.0, 14.4, 14.1], "lower_left": [20.0, 20.9, 19.9]}
    direct = means_over_seeds(runs(values))
    here = direct.rename(columns={"mean": "ours_mean", "std": "ours_std"}).assign(region="whole", level="scene")
    others = [here.assign(region="unseen", ours_mean=0.0), here.assign(level="pattern", ours_mean=0.0)]
    found = means_of_table(pd.concat([here, *others]), "scene")
    assert list(found) == list(MEANS)
    pd.testing.assert_frame_equal(variation(found, "lower_right"), variation(direct, "lower_right"))
