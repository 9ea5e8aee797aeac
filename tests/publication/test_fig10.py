"""Figure 10: means against alpha, the pure losses apart, the published values beside them."""

import numpy as np
import pandas as pd
import pytest

from ptychoformer.errors import InputError
from ptychoformer.evaluation import SCORED
from ptychoformer.evaluation.columns import SCORES
from ptychoformer.publication.figures.fig10 import compose, draw, load
from ptychoformer.publication.figures.parts.style import SINGLE_COLUMN, house_style
from ptychoformer.tables import write_csv

ALPHAS = {"weighted_20": 0.2, "weighted_50": 0.5, "weighted_90": 0.9, "mse": 1.0, "nssim": 0.0}
HEADLINE = dict(block="lower_right", level="scene")


def elsewhere(frame, **place):
    """The same rows of another block, region or level, ten decibels worse."""
    return frame.assign(**place, value=frame["value"] - 10)


def write_inputs(folder, losses=tuple(ALPHAS), seeds=3):
    rows = [
        (
            *("clean", "clean", "ptychoformer", loss, 640, seed, "lower_right", "whole", "scene", channel, metric),
            value + 0.01 * seed + 0.1 * ALPHAS[loss],
        )
        for loss in losses
        for seed in range(seeds)
        for channel in SCORED
        for metric, value in {"mse": 0.04, "psnr": 14.0, "ssim": 0.8}.items()
    ]
    frame = pd.DataFrame(rows, columns=list(SCORES))
    others = [
        elsewhere(frame, region="unseen"),
        elsewhere(frame, block="lower_left"),
        elsewhere(frame, level="synchronised"),
    ]
    write_csv(pd.concat([frame, *others]), folder / "metrics.csv")
    published = [
        ("ptychoformer", method, channel, metric, mean, "")
        for method in ("mse", "weighted_90", "huber")
        for channel in ("amplitude", "phase")
        for metric, mean in {"psnr": 15.1, "ssim": 0.885}.items()
    ]
    write_csv(
        pd.DataFrame(published, columns=["condition", "method", "channel", "metric", "mean", "std"]),
        folder / "table4.csv",
    )
    return folder / "metrics.csv", folder / "table4.csv"


def test_values_in_printed_units_against_alpha(tmp_path):
    ours, theirs, _ = load(*write_inputs(tmp_path), ALPHAS, "ptychoformer", **HEADLINE)
    row = ours[(ours["alpha"] == 0.5) & (ours["channel"] == "phase") & (ours["metric"] == "ssim")]
    assert row["mean"].item() == pytest.approx(100 * (0.8 + 0.01 + 0.05))
    assert set(theirs["alpha"]) == {0.9, 1.0}
    assert theirs.loc[(theirs["alpha"] == 0.9) & (theirs["metric"] == "ssim"), "mean"].tolist() == pytest.approx(
        [88.5, 88.5]
    )


def test_pure_losses_stand_apart_and_are_not_joined(tmp_path):
    with house_style():
        figure = compose(
            *load(*write_inputs(tmp_path), ALPHAS, "ptychoformer", **HEADLINE), "ptychoformer", "scene of a block"
        )
    for axes in figure.axes:
        weighted, pure = (container.lines[0] for container in axes.containers)
        np.testing.assert_allclose(weighted.get_xdata(), [0.2, 0.5, 0.9])
        assert pure.get_linestyle() == "None"
        assert pure.get_xdata()[0] < 0
        assert pure.get_xdata()[1] > 1
    assert {"NSSIM", "MSE"} <= {label.get_text() for label in figure.axes[-1].get_xticklabels()}
    assert "published" in [text.get_text() for text in figure.legends[0].get_texts()]
    assert "Scene of a block" in [text.get_text() for text in figure.texts]


def test_every_word_can_be_read(tmp_path, experiment):
    with house_style():
        loaded = load(*write_inputs(tmp_path), ALPHAS, "ptychoformer", **HEADLINE)
        assert not experiment.illegible(compose(*loaded, "ptychoformer", "scene of a block"))


def test_without_pure_losses_and_with_one_seed(tmp_path):
    inputs = write_inputs(tmp_path, ("weighted_20", "weighted_50", "weighted_90"), seeds=1)
    ours, theirs, floor = load(*inputs, ALPHAS, "ptychoformer", **HEADLINE)
    assert ours["half"].isna().all()
    with house_style():
        labels = [
            text.get_text()
            for text in compose(ours, theirs, floor, "ptychoformer", "scene of a block").legends[0].get_texts()
        ]
    assert labels == ["weighted", "published"]


def test_the_floor_is_drawn_where_it_was_measured(tmp_path):
    metrics, published = write_inputs(tmp_path)
    table = pd.read_csv(metrics)
    floor = table[table["loss"] == "mse"].assign(model="floor", loss="none", value=lambda rows: rows["value"] / 2)
    write_csv(pd.concat([table, floor]), metrics)
    with house_style():
        figure = compose(
            *load(metrics, published, ALPHAS, "ptychoformer", **HEADLINE), "ptychoformer", "scene of a block"
        )
    assert "Floor" in [text.get_text() for text in figure.legends[0].get_texts()]
    upper_left = figure.axes[0]
    level = floor.query(
        "channel == 'amplitude' and metric == 'psnr' and region == 'whole' and block == 'lower_right' and level == 'scene'"
    )["value"].mean()
    assert any(
        line.get_ydata()[0] == pytest.approx(level, rel=0.05)
        for line in upper_left.lines
        if len(set(line.get_ydata())) == 1
    )
    assert upper_left.get_ylim()[0] < level


def test_an_interval_that_dwarfs_the_means_is_cut_and_marked_and_no_axis_passes_100_percent(tmp_path):
    metrics, published = write_inputs(tmp_path)
    table = pd.read_csv(metrics)
    wide = (table["loss"] == "nssim") & table["metric"].isin(["psnr", "ssim"])
    table.loc[wide, "value"] += table.loc[wide, "seed"].map({0: -0.3, 1: 0.0, 2: 0.3}) * table.loc[wide, "value"]
    write_csv(table, metrics)
    with house_style():
        figure = compose(
            *load(metrics, published, ALPHAS, "ptychoformer", **HEADLINE), "ptychoformer", "scene of a block"
        )
    for axes in figure.axes:
        low, high = axes.get_ylim()
        cut = [line for line in axes.lines if line.get_gid() == "cut"]
        assert {line.get_marker() for line in cut} == {"v", "^"}
        means = np.concatenate([container.lines[0].get_ydata() for container in axes.containers])
        assert low < means.min()
        assert means.max() < high
        if "SSIM" in axes.get_ylabel():
            assert high < 102


def test_an_interval_of_ssim_ends_at_0_and_at_100_percent_with_arrowheads(tmp_path):
    metrics, published = write_inputs(tmp_path)
    table = pd.read_csv(metrics)
    wide = (table["loss"] == "nssim") & (table["metric"] == "ssim")
    table.loc[wide, "value"] = table.loc[wide, "seed"].map({0: 0.07, 1: 0.35, 2: 0.63})  # 35 % ± 70 %
    write_csv(table, metrics)
    with house_style():
        figure = compose(
            *load(metrics, published, ALPHAS, "ptychoformer", **HEADLINE), "ptychoformer", "scene of a block"
        )
    for axes in figure.axes:
        if "SSIM" in axes.get_ylabel():
            assert axes.get_ylim() == (0, 100)
            cut = [(line.get_marker(), *line.get_ydata()) for line in axes.lines if line.get_gid() == "cut"]
            assert sorted(cut) == [("^", 100), ("v", 0)]


def test_files(tmp_path):
    inputs = write_inputs(tmp_path)
    for name in ("first", "second"):
        draw(
            *inputs,
            alphas=ALPHAS,
            model="ptychoformer",
            **HEADLINE,
            pdf=tmp_path / f"{name}.pdf",
            png=tmp_path / f"{name}.png",
        )
    assert (tmp_path / "first.pdf").read_bytes() == (tmp_path / "second.pdf").read_bytes()
    assert f"[ 0 0 {SINGLE_COLUMN * 72:.0f} ".encode() in (tmp_path / "first.pdf").read_bytes()


def test_a_missing_loss_or_network_is_named(tmp_path):
    inputs = write_inputs(tmp_path, ("weighted_20", "weighted_90"))
    with pytest.raises(InputError, match="'ptychoformer' with the loss 'weighted_50'"):
        load(*inputs, ALPHAS, "ptychoformer", **HEADLINE)
    with pytest.raises(InputError, match="no scores of 'dpi'"):
        load(*inputs, ALPHAS, "dpi", **HEADLINE)
