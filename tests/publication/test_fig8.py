"""Figure 8: means and intervals where they belong, scenes of two sizes beside their truth."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from scipy import stats

from ptychoformer.errors import InputError
from ptychoformer.publication.fig8 import compose, draw, load_rows
from ptychoformer.publication.responses import draw_lines, half_width, read_scenes, summarise
from ptychoformer.publication.style import DOUBLE_COLUMN, house_style
from ptychoformer.storage import write_csv

MODELS = {"ptychonn": "First", "ptychoformer": "Second"}
SIZES = (320, 100, 20)
OVERLAPS = {"clean": 0.75, "overlap_0": 0.0}
COLUMNS = ["dataset", "test", "model", "loss", "n_train", "seed", "region", "level", "channel", "metric", "value"]


def metrics(datasets, sizes, seeds=3):
    random = np.random.default_rng(0)
    rows = []
    for dataset in datasets:
        for n_train in sizes:
            for model, quality in {"ptychonn": 0.0, "ptychoformer": 1.0, "floor": -5.0, "ceiling": np.inf}.items():
                for seed in range(seeds):
                    value = quality + np.log10(n_train) + (0.2 * random.standard_normal() if model in MODELS else 0)
                    score = {"mse": 0.1, "psnr": 12 + value, "ssim": min(0.7 + 0.02 * value, 1.0)}
                    rows += [
                        (
                            dataset,
                            dataset,
                            model,
                            "none" if model not in MODELS else "mse",
                            n_train,
                            seed,
                            region,
                            level,
                            channel,
                            metric,
                            v,
                        )
                        for region in ("block", "unseen")
                        for level in ("scene", "pattern")
                        for channel in ("amplitude", "phase")
                        for metric, v in score.items()
                    ]
    return pd.DataFrame(rows, columns=COLUMNS)


@pytest.fixture
def inputs(tmp_path, dataset, run_files):
    write_csv(metrics(["clean"], SIZES), tmp_path / "sizes.csv")
    write_csv(metrics(OVERLAPS, [100]), tmp_path / "overlaps.csv")
    scenes = {(n_train, model): scene for n_train in (320, 20) for model, (_, scene) in run_files.items()}
    return tmp_path / "sizes.csv", tmp_path / "overlaps.csv", scenes, dataset


def test_interval_is_that_of_students_t():
    values = np.array([1.0, 2.5, 3.0, 7.0])
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (values.mean() - half_width(values), values.mean() + half_width(values)) == pytest.approx((low, high))
    assert np.isnan(half_width([4.0]))


def test_summary_is_of_scenes_in_printed_units(inputs):
    table, raw = summarise(read_scenes(inputs[0]), ["model", "n_train"]), pd.read_csv(inputs[0])
    picked = raw[(raw["model"] == "ptychonn") & (raw["n_train"] == 100) & (raw["region"] == "block") & (raw["level"] == "scene")]
    picked = picked[(picked["channel"] == "phase") & (picked["metric"] == "ssim")]
    row = table[(table["model"] == "ptychonn") & (table["n_train"] == 100) & (table["channel"] == "phase") & (table["metric"] == "ssim")]
    assert row["mean"].item() == pytest.approx(100 * picked["value"].mean())
    assert row["n_seeds"].item() == 3


def test_two_runs_of_one_seed_are_refused(inputs, tmp_path):
    twice = pd.concat([metrics(["clean"], [100]), metrics(["clean"], [100])])
    write_csv(twice, tmp_path / "twice.csv")
    with pytest.raises(InputError, match=r"two runs of seed 0 for model .*, n_train 100"):
        summarise(read_scenes(tmp_path / "twice.csv"), ["model", "n_train"])


def drawn(inputs):
    rows, pixel_size = load_rows(inputs[3], inputs[2], MODELS)
    sizes = summarise(read_scenes(inputs[0]), ["model", "n_train"])
    overlap = read_scenes(inputs[1])
    by_overlap = summarise(overlap.assign(overlap=100 * overlap["dataset"].map(OVERLAPS)), ["model", "overlap"])
    return rows, sizes, compose(rows, pixel_size, sizes, by_overlap, MODELS)


def test_pictures_are_of_both_sizes_and_the_truth_stands_first(inputs):
    with house_style():
        rows, _, figure = drawn(inputs)
    assert [(row.letter, row.title) for row in rows] == [("a", "320 training patterns"), ("", ""), ("b", "20 training patterns"), ("", "")]
    pictures = [axes for axes in figure.axes if axes.images]
    assert len(pictures) == 4 * (1 + len(MODELS))
    for row, first in zip(rows, pictures[:: 1 + len(MODELS)]):
        np.testing.assert_array_equal(first.images[0].get_array(), row.view.truth[row.channel])


def test_plots_hold_the_means_dodged_by_less_than_they_are_apart(inputs):
    with house_style():
        _, sizes, figure = drawn(inputs)
    plot = next(axes for axes in figure.axes if axes.get_xlabel() == "training patterns")
    lines = [container.lines[0] for container in plot.containers]
    assert len(lines) == len(MODELS)
    for line, model in zip(lines, MODELS):
        rows = sizes[(sizes["model"] == model) & (sizes["channel"] == "amplitude") & (sizes["metric"] == "psnr")].sort_values("n_train")
        np.testing.assert_allclose(line.get_ydata(orig=False), rows["mean"])
        np.testing.assert_allclose(np.log10(line.get_xdata(orig=False)), np.log10(rows["n_train"]), atol=0.05)
    assert lines[0].get_xdata(orig=False)[0] < lines[1].get_xdata(orig=False)[0]
    assert (lines[0].get_marker(), lines[0].get_linestyle()) != (lines[1].get_marker(), lines[1].get_linestyle())
    # The floor is a line, the infinite PSNR of the ceiling is not, but its legend says so.
    assert [line.get_color() for line in plot.lines].count("grey") == 1
    assert "ceiling (PSNR ∞)" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_a_single_seed_is_a_point_without_a_band():
    summary = pd.DataFrame({"n_train": [10, 100], "mean": [1.0, 2.0], "half": [np.nan, 0.5]})
    with house_style():
        axes = Figure().subplots()
        draw_lines(axes, summary, "n_train", {"color": "black", "marker": "o"}, log=True)
    (bars,) = axes.containers[0].lines[2]
    spans = [np.ptp(segment[:, 1]) if len(segment) else np.nan for segment in bars.get_segments()]
    assert np.nanmax(spans) == pytest.approx(1.0)
    assert sum(np.isfinite(spans)) == 1
    np.testing.assert_allclose(axes.containers[0].lines[0].get_ydata(orig=False), [1, 2])


def test_files(inputs, tmp_path):
    for name in ("first", "second"):
        draw(*inputs, models=MODELS, overlaps=OVERLAPS, pdf=tmp_path / f"{name}.pdf", png=tmp_path / f"{name}.png")
    assert (tmp_path / "first.pdf").read_bytes() == (tmp_path / "second.pdf").read_bytes()
    assert f"{DOUBLE_COLUMN * 72:.2f}".encode() in (tmp_path / "first.pdf").read_bytes()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"models": MODELS | {"dpi": "DPI"}}, "lacks the scene of dpi"),
        ({"overlaps": OVERLAPS | {"overlap_25": 0.25}}, "no scores of the dataset 'overlap_25'"),
    ],
)
def test_what_is_missing_is_named(inputs, tmp_path, change, sentence):
    with pytest.raises(InputError, match=sentence):
        draw(*inputs, **{"models": MODELS, "overlaps": OVERLAPS, "pdf": tmp_path / "a.pdf", "png": tmp_path / "a.png"} | change)


def test_two_sizes_are_needed(inputs):
    scenes = {key: path for key, path in inputs[2].items() if key[0] == 320}
    with pytest.raises(InputError, match="two sizes of the training set, 1 were given"):
        load_rows(inputs[3], scenes, MODELS)
