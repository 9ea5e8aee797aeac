"""Figure 5: a measured scan, whose detail is a part of its scene and whose bars are its scores."""

import h5py
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ptychoformer.evaluation import SCORED
from ptychoformer.evaluation.columns import SCORES
from ptychoformer.evaluation.metrics import common_scale
from ptychoformer.measurement.cxi import read_scan
from ptychoformer.measurement.windows import windows
from ptychoformer.publication.figures.fig5 import compose, detail_of, draw, load_rows
from ptychoformer.publication.figures.parts.style import DOUBLE_COLUMN, colour, house_style
from ptychoformer.publication.figures.parts.sweeps import read_scenes, summarise
from ptychoformer.tables import write_csv
from ptychoformer.training.split import split_of

LABELS = {"ptychonn": "First", "ptychoformer": "Second"}
HEADLINE = dict(block="strip", level="scene")
METRICS = ("psnr", "ssim", "mse")


@pytest.fixture
def measured(tmp_path, dataset):
    """A scan off the grid, without known lengths."""
    with h5py.File(dataset, "r+") as file:
        for name in ("grid", "pixel_size"):
            del file["ptychography"].attrs[name]
    return dataset


@pytest.fixture
def runs(tmp_path, measured, experiment):
    return {
        model: experiment.write_run(tmp_path, measured, model, blur)
        for model, blur in (("ptychonn", 2.0), ("ptychoformer", 1.0))
    }


@pytest.fixture
def metrics(tmp_path):
    random = np.random.default_rng(0)
    place = dict(dataset="measured", test="measured", loss="mse", n_train=300, block="strip")
    best = {"mse": 0.004, "psnr": 23.0, "ssim": 0.6}
    rows = [
        place
        | dict(
            model=model,
            seed=seed,
            region=region,
            level=level,
            channel=channel,
            metric=metric,
            value=value * random.uniform(0.9, 1.1),
        )
        for model in ("ptychonn", "ptychoformer", "floor")
        for seed in range(3)
        for channel in SCORED
        for region, level in (("whole", "scene"), ("unseen", "scene"), ("whole", "synchronised"), ("whole", "pattern"))
        for metric, value in best.items()
    ]
    write_csv(pd.DataFrame(rows)[list(SCORES)], tmp_path / "metrics.csv")
    return tmp_path / "metrics.csv"


def test_rows_show_one_pattern_the_scene_and_a_detail(measured, runs):
    rows, pixel_size = load_rows(measured, runs, **HEADLINE)
    assert pixel_size is None
    assert [(row.letter, row.channel) for row in rows] == list(zip("abcdef", ("amplitude", "phase") * 3))
    scan = read_scan(measured)
    block = split_of(scan).rectangle("strip")
    np.testing.assert_array_equal(rows[3].view.truth["phase"], scan.phase[block])
    (y, x), side = rows[5].view.corner, len(rows[5].view.truth["phase"])
    assert side == (block[0].stop - block[0].start) // 2
    np.testing.assert_array_equal(rows[5].view.truth["phase"], scan.phase[y : y + side, x : x + side])


def test_colours_leave_out_an_extreme_that_the_metrics_keep(measured, experiment, tmp_path):
    block = split_of(read_scan(measured)).rectangle("strip")
    with h5py.File(measured) as file:
        labels = file["ptychography/object"].file.filename
    with h5py.File(labels, "r+") as file:
        for name in ("amplitude", "phase"):
            file[f"object/{name}"][block[0].start + 3, block[1].start + 3] = 9
    runs = {"ptychonn": experiment.write_run(tmp_path, measured, "ptychonn", 1.0)}
    rows, _ = load_rows(measured, runs, **HEADLINE)
    for row in rows:
        assert row.limits == {"amplitude": (0.0, 1.0), "phase": common_scale(measured).limits("phase")}[row.channel]
    for row in rows[2:4]:
        truth = row.view.truth[row.channel]
        brightest = truth.max()
        assert row.colours.vmax < 0.5 * brightest
        assert (truth > row.colours.vmax).mean() <= 0.006


def test_the_detail_has_the_highest_contrast_of_what_was_stitched(measured, runs):
    rows, _ = load_rows(measured, runs, **HEADLINE)
    scene = rows[2].view
    hole = np.s_[:, : scene.truth["phase"].shape[1] // 2]
    for images in scene.answers.values():
        images["amplitude"][hole] = np.nan
    detail = detail_of(scene)
    assert not np.isnan(detail.answers["ptychonn"]["amplitude"]).any()
    shape, side = np.array(scene.truth["phase"].shape), len(detail.truth["phase"])
    corners = np.stack([part.ravel() for part in np.indices(shape - side + 1)], axis=1)
    corners = corners[corners[:, 1] >= shape[1] // 2]
    contrast = sum(
        windows(image / np.ptp(image), corners, (side, side)).std(axis=(1, 2)) for image in scene.truth.values()
    )
    np.testing.assert_array_equal(np.subtract(detail.corner, scene.corner), corners[contrast.argmax()])


def test_bars_are_means_in_printed_units_above_the_floor(measured, runs, metrics):
    rows, pixel_size = load_rows(measured, runs, **HEADLINE)
    scores = summarise(read_scenes(metrics, region="whole", **HEADLINE), ["model"], METRICS)
    with house_style():
        figure = compose(rows, scores, LABELS, pixel_size)
    table = (
        pd.read_csv(metrics)
        .query("region == 'whole' and level == 'scene'")
        .groupby(["metric", "channel", "model"])["value"]
        .mean()
    )
    for axes, metric, scale in zip(figure.axes[-3:], METRICS, (1, 100, 100), strict=True):
        bars = [patch for patch in axes.patches if patch.get_width() > 0]
        heights = [bar.get_height() for bar in bars]
        expected = [scale * table[metric, channel, model] for channel in ("amplitude", "phase") for model in LABELS]
        np.testing.assert_allclose(heights, expected)
        assert axes.get_ylim()[0] == 0
    first, second = figure.axes[-3].patches[:2]
    assert first.get_facecolor() != second.get_facecolor()
    assert colour("ptychonn") != colour("ptychoformer")


def test_every_word_can_be_read_and_a_cut_interval_is_marked(measured, runs, metrics, experiment):
    table = pd.read_csv(metrics)
    wide = (table["model"] == "ptychonn") & (table["metric"] == "mse") & (table["level"] == "scene")
    table.loc[wide, "value"] *= table.loc[wide, "seed"].map({0: 0.1, 1: 1.0, 2: 2.5})
    write_csv(table, metrics)
    rows, pixel_size = load_rows(measured, runs, **HEADLINE)
    scores = summarise(read_scenes(metrics, region="whole", **HEADLINE), ["model"], METRICS)
    with house_style():
        figure = compose(rows, scores, LABELS, pixel_size)
        assert not experiment.illegible(figure)
    headings = [axes.get_title() for axes in figure.axes[: 1 + len(LABELS)]]
    assert headings == ["Labels", *LABELS.values()]
    assert [text.get_text() for text in figure.legends[0].get_texts()][:-1] == headings[1:]
    cut = [[line.get_marker() for line in axes.lines if line.get_gid() == "cut"] for axes in figure.axes[-3:]]
    assert cut == [[], [], ["v", "v"]]  # of amplitude and of phase


def test_no_bar_or_interval_of_ssim_passes_100_percent(measured, runs, metrics):
    table = pd.read_csv(metrics)
    wide = (table["model"] == "ptychonn") & (table["metric"] == "ssim") & (table["level"] == "scene")
    table.loc[wide, "value"] *= table.loc[wide, "seed"].map({0: 0.5, 1: 1.0, 2: 1.5})
    write_csv(table, metrics)
    rows, pixel_size = load_rows(measured, runs, **HEADLINE)
    scores = summarise(read_scenes(metrics, region="whole", **HEADLINE), ["model"], METRICS)
    with house_style():
        axes = compose(rows, scores, LABELS, pixel_size).axes[-2]
    assert axes.get_ylabel() == "SSIM (%)"
    assert axes.get_ylim() == (0, 100)
    assert {line.get_marker() for line in axes.lines if line.get_gid() == "cut"} == {"v", "^"}


def test_lengths_that_nobody_knows_are_in_pixels(measured, runs, metrics):
    rows, pixel_size = load_rows(measured, runs, **HEADLINE)
    scores = summarise(read_scenes(metrics, region="whole", **HEADLINE), ["model"], METRICS)
    with house_style():
        figure = compose(rows, scores, LABELS, pixel_size)
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert any(text.endswith(" pixels") for text in texts)
    assert not any(text.endswith("nm") for text in texts)


def test_it_is_drawn(measured, runs, metrics, tmp_path):
    draw(measured, runs, metrics, LABELS, **HEADLINE, pdf=tmp_path / "fig5.pdf", png=tmp_path / "fig5.png")
    with Image.open(tmp_path / "fig5.png") as image:
        assert image.width == round(300 * DOUBLE_COLUMN)
    assert (tmp_path / "fig5.pdf").read_bytes().startswith(b"%PDF")
