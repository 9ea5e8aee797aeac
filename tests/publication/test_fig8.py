"""Figure 8: means and intervals where they belong, scenes of two sizes beside their truth."""

from itertools import pairwise, product

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from ptychoformer import provenance
from ptychoformer.errors import InputError
from ptychoformer.evaluation import REFERENCES, SCORED
from ptychoformer.evaluation.columns import SCORES
from ptychoformer.publication import names
from ptychoformer.publication.figures.fig8 import compose, draw, load_rows
from ptychoformer.publication.figures.parts.style import DOUBLE_COLUMN, house_style
from ptychoformer.publication.figures.parts.sweeps import (
    REFERENCE_LOOK,
    draw_lines,
    read_scenes,
    summarise,
)
from ptychoformer.tables import write_csv
from ptychoformer.training.normalisation import Normalisation

MODELS = {"ptychonn": "First", "ptychoformer": "Second"}
SIZES = (320, 100, 20)
DROP = 0.3  # of every score, from the block to its unseen part
OVERLAPS = {"clean": 0.75, "overlap_0": 0.0}
HEADLINE = dict(block="lower_right", level="scene")
PLACES = [
    (block, region, level)
    for block in ("lower_right", "lower_left", "strip")
    for region in ("whole", "unseen")
    for level in ("scene", "synchronised", "pattern")
]
GREY = REFERENCE_LOOK["color"]
CONSTANT = 2.0  # dB that phases gain with their constant taken off


def metrics(datasets, sizes, seeds=3):
    """Rows of metrics; elsewhere than on the lower right block's scenes every score is 5 lower, and on unseen parts by ``DROP``."""
    random = np.random.default_rng(0)
    rows = []
    qualities = {"ptychonn": 0.0, "ptychoformer": 1.0, "floor": -5.0, "ceiling": np.inf, "one_pattern": 2.0}
    for dataset, n_train, (model, quality), seed in product(datasets, sizes, qualities.items(), range(seeds)):
        value = quality + np.log10(n_train) + (0.2 * random.standard_normal() if model in MODELS else 0)
        score = {"mse": 0.1, "psnr": 12 + value, "ssim": min(0.7 + 0.02 * value, 1.0)}
        for (block, region, level), channel, (metric, v) in product(PLACES, SCORED, score.items()):
            v -= (
                DROP * (region == "unseen")
                + 5 * ((block, level) != ("lower_right", "scene"))
                - CONSTANT * (channel == "relative_phase")
            )
            loss = "mse" if model in MODELS else "none"
            rows.append((dataset, dataset, model, loss, n_train, seed, block, region, level, channel, metric, v))
    return pd.DataFrame(rows, columns=list(SCORES))


def read(path, region="whole"):
    return read_scenes(path, region=region, **HEADLINE)


@pytest.fixture
def inputs(tmp_path, dataset, run_files):
    write_csv(metrics(["clean"], SIZES), tmp_path / "sizes.csv")
    write_csv(metrics(OVERLAPS, [100]), tmp_path / "overlaps.csv")
    scenes = {(n_train, model): scene for n_train in (320, 20) for model, (_, scene) in run_files.items()}
    return tmp_path / "sizes.csv", tmp_path / "overlaps.csv", scenes, dataset


def test_summary_is_of_scenes_in_printed_units(inputs):
    table, raw = summarise(read(inputs[0]), ["model", "n_train"]), pd.read_csv(inputs[0])
    picked = raw.query(
        "model == 'ptychonn' and n_train == 100 and block == 'lower_right' and region == 'whole' and level == 'scene'"
    )
    picked = picked[(picked["channel"] == "phase") & (picked["metric"] == "ssim")]
    row = table[
        (table["model"] == "ptychonn")
        & (table["n_train"] == 100)
        & (table["channel"] == "phase")
        & (table["metric"] == "ssim")
    ]
    assert row["mean"].item() == pytest.approx(100 * picked["value"].mean())
    assert row["n_seeds"].item() == 3


def test_two_runs_of_one_seed_are_refused(inputs, tmp_path):
    twice = pd.concat([metrics(["clean"], [100]), metrics(["clean"], [100])])
    write_csv(twice, tmp_path / "twice.csv")
    with pytest.raises(InputError, match=r"two runs of seed 0 for model .*, n_train 100"):
        summarise(read(tmp_path / "twice.csv"), ["model", "n_train"])


def drawn(inputs):
    rows, pixel_size = load_rows(inputs[3], inputs[2], MODELS, **HEADLINE)
    sizes = summarise(read(inputs[0]), ["model", "n_train"])
    overlap = read(inputs[1])
    overlap = overlap.assign(overlap=100 * overlap["dataset"].map(OVERLAPS))
    by_overlap = summarise(overlap, ["model", "overlap", "n_train"])
    return rows, sizes, compose(rows, pixel_size, sizes, by_overlap, MODELS, MODELS, "lower right block")


def labels_of(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def test_pictures_are_of_both_sizes_and_the_truth_stands_first(inputs):
    with house_style():
        rows, _, figure = drawn(inputs)
    assert [(row.letter, row.title) for row in rows] == [
        ("a", "320 training patterns, stitched scene of the lower right block"),
        ("", ""),
        ("b", "20 training patterns, stitched scene of the lower right block"),
        ("", ""),
    ]
    pictures = [axes for axes in figure.axes if axes.images]
    # The truth is the same of both sizes, and drawn once.
    assert len(pictures) == 2 * (1 + len(MODELS)) + 2 * len(MODELS)
    for row, first in zip(rows[:2], pictures[:: 1 + len(MODELS)]):
        np.testing.assert_array_equal(first.images[0].get_array(), row.view.truth[row.channel])
    for row, first in zip(rows[2:], pictures[2 * (1 + len(MODELS)) :: len(MODELS)]):
        np.testing.assert_array_equal(first.images[0].get_array(), row.view.answers["ptychonn"][row.channel])


def test_plots_hold_the_means_dodged_by_less_than_they_are_apart(inputs):
    with house_style():
        _, sizes, figure = drawn(inputs)
    plot = next(axes for axes in figure.axes if axes.get_xlabel() == "training patterns")
    lines = [container.lines[0] for container in plot.containers]
    assert len(lines) == len(MODELS)
    for line, model in zip(lines, MODELS):
        rows = sizes[
            (sizes["model"] == model) & (sizes["channel"] == "amplitude") & (sizes["metric"] == "psnr")
        ].sort_values("n_train")
        np.testing.assert_allclose(line.get_ydata(orig=False), rows["mean"])
        np.testing.assert_allclose(np.log10(line.get_xdata(orig=False)), np.log10(rows["n_train"]), atol=0.05)
    assert lines[0].get_xdata(orig=False)[0] < lines[1].get_xdata(orig=False)[0]
    assert (lines[0].get_marker(), lines[0].get_linestyle()) != (lines[1].get_marker(), lines[1].get_linestyle())
    # The infinite PSNR of the ceiling is no line, but its legend says so; floor and one pattern are.
    assert [line.get_color() for line in plot.lines].count(GREY) == 2
    assert "Ceiling (PSNR ∞)" in labels_of(figure)


@pytest.mark.parametrize("sizes", [(50, 100, 200, 500, 2928), (50, 100, 200, 500, 1000, 2000, 2928), (50, 192, 400)])
def test_sizes_under_a_plot_do_not_meet_and_both_ends_are_there(inputs, sizes):
    write_csv(metrics(["clean"], sizes), inputs[0])
    with house_style():
        figure = drawn(inputs)[2]
        figure.draw_without_rendering()
    plot = next(axes for axes in figure.axes if axes.get_xlabel() == "training patterns")
    labels = plot.get_xticklabels()
    assert {str(min(sizes)), str(max(sizes))} < {label.get_text() for label in labels}
    boxes = sorted((label.get_window_extent() for label in labels), key=lambda box: box.x0)
    digit = boxes[0].width / len(str(min(sizes)))
    assert all(left.x1 + digit / 2 < right.x0 for left, right in pairwise(boxes))


def test_every_word_can_be_read(inputs, experiment):
    with house_style():
        assert not experiment.illegible(drawn(inputs)[2])


def test_every_reference_has_a_name_and_dashes_of_its_own(inputs, tmp_path, composed):
    assert tuple(names.REFERENCES) == REFERENCES
    for part in ("label", "short", "dashes"):
        assert len({getattr(reference, part) for reference in names.REFERENCES.values()}) == len(REFERENCES)
    draw_all(inputs, tmp_path)
    assert labels_of(composed[0]) == ["First", "Second", "Floor", "Ceiling (PSNR ∞)", "Ceiling of one pattern"]


def test_what_one_pattern_can_tell_is_drawn_where_it_is_not_the_ceiling(inputs, tmp_path, composed):
    draw_all(inputs, tmp_path)
    plots = {
        (axes.get_title(), axes.get_ylabel()): axes
        for axes in composed[0].axes
        if axes.get_xlabel() == "training patterns"
    }
    greys = {key: [line for line in axes.lines if line.get_color() == GREY] for key, axes in plots.items()}
    assert {key: len(lines) for key, lines in greys.items()} == {
        ("Amplitude", "PSNR (dB)"): 1,
        ("Amplitude", "SSIM (%)"): 2,
        ("Phase", "PSNR (dB)"): 2,
        ("Phase", "SSIM (%)"): 3,
        ("Relative phase", "PSNR (dB)"): 2,
    }
    np.testing.assert_allclose(greys["Phase", "PSNR (dB)"][1].get_ydata(), 14 + np.log10(sorted(SIZES)) - DROP)


def add_epie(path, datasets):
    """Give ePIE scores of 56 dB and 99 % on these datasets, wherever the floor has some."""
    table = pd.read_csv(path)
    epie = table[(table["model"] == "floor") & table["dataset"].isin(datasets)].assign(model="epie")
    epie["value"] = np.where(epie["metric"] == "psnr", 56.0, 0.99)
    write_csv(pd.concat([table, epie]), path)


def plots_of_phase(inputs, axis):
    """The plots of phase against what ``axis`` names, by their metric."""
    with house_style():
        _, _, figure = drawn(inputs)
    shown = [axes for axes in figure.axes if axes.get_xlabel() == axis and axes.get_title() == "Phase"]
    return {axes.get_ylabel(): axes for axes in shown}


@pytest.mark.parametrize(
    ("place", "axis", "words"),
    [(0, "training patterns", "ePIE 56 ↑"), (1, "overlap (%)", "ePIE 56 (75 %) ↑")],
)
def test_decibels_out_of_the_networks_reach_are_written_and_leave_the_scale_to_the_networks(inputs, place, axis, words):
    add_epie(inputs[place], ["clean"])
    plots = plots_of_phase(inputs, axis)
    assert [text.get_text() for text in plots["PSNR (dB)"].texts] == [words]
    assert plots["PSNR (dB)"].get_ylim()[1] < 30
    assert [text.get_text() for text in plots["SSIM (%)"].texts] == (["ePIE"] if "75" in words else [])
    assert plots["SSIM (%)"].get_ylim()[1] > 99


def test_what_is_written_of_a_reference_hides_no_line_and_meets_no_title(inputs, experiment):
    for path in inputs[:2]:
        add_epie(path, ["clean"])
    with house_style():
        _, _, figure = drawn(inputs)
        assert not experiment.illegible(figure)
    written = [(axes, text) for axes in figure.axes for text in axes.texts if "↑" in text.get_text()]
    assert len(written) == 2 * 3
    for axes, text in written:
        assert text.get_window_extent().y0 > axes.get_window_extent().y1
        assert text.get_window_extent().y1 <= axes.title.get_window_extent().y0


def test_the_training_patterns_of_each_overlap_are_told(inputs, tmp_path, composed):
    draw_all(inputs, tmp_path)
    table = pd.read_csv(inputs[1])
    fewer = table["dataset"].map(OVERLAPS) == 0
    write_csv(table.assign(n_train=np.where(fewer, 20, 1100)), tmp_path / "unequal.csv")
    draw_all((inputs[0], tmp_path / "unequal.csv", *inputs[2:]), tmp_path)
    titles = [text.get_text() for figure in composed for text in figure.texts if "overlap" in text.get_text()]
    about = "Unseen part of the lower right block, against the overlap of the scan, with"
    assert titles == [f"{about} 100 training patterns", f"{about} 20 and 1,100 training patterns"]


def test_a_reference_of_one_overlap_alone_is_drawn_there_alone(inputs):
    add_epie(inputs[1], ["clean"])
    plot = plots_of_phase(inputs, "overlap (%)")["SSIM (%)"]
    bars = [line for line in plot.lines if line.get_color() == GREY and line.get_marker() == "_"]
    assert [(list(line.get_xdata()), list(line.get_ydata())) for line in bars] == [([75.0], [99.0])]
    others = [line for line in plot.lines if line.get_color() == GREY and line not in bars]
    assert others
    assert all(list(line.get_xdata()) == [0.0, 75.0] for line in others)


@pytest.mark.parametrize(
    ("absent", "note", "axis", "letters"),
    [
        ("sizes", "a to c are left out for lack of runs", "overlap (%)", ["d"]),
        ("overlaps", "d is left out for lack of runs", "training patterns", ["a", "b", "c"]),
    ],
)
def test_a_half_whose_runs_are_missing_is_said_to_be(
    inputs, tmp_path, composed, experiment, absent, note, axis, letters
):
    sizes, overlaps, scenes, dataset = inputs
    half = dict(models=MODELS, overlap_models={}, overlaps={}, **HEADLINE)
    arguments = sizes, None, load_rows(dataset, scenes, MODELS, **HEADLINE)
    if absent == "sizes":
        half |= dict(models={}, overlap_models=MODELS, overlaps=OVERLAPS)
        arguments = None, overlaps, None
    draw(*arguments, **half, pdf=tmp_path / "half.pdf", png=tmp_path / "half.png")
    (figure,) = composed
    words = [text.get_text() for text in figure.texts]
    assert note in words
    assert [word for word in words if word in "abcd"] == letters
    assert {axes.get_xlabel() for axes in figure.axes if axes.containers} == {axis}
    assert labels_of(figure) == ["First", "Second", "Floor", "Ceiling (PSNR ∞)", "Ceiling of one pattern"]
    with house_style():
        assert not experiment.illegible(figure)
    draw_all(inputs, tmp_path)
    assert not [text for text in composed[1].texts if "left out" in text.get_text()]


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


def draw_all(inputs, folder, name="fig8", **changes):
    words = dict(models=MODELS, overlap_models=MODELS, overlaps=OVERLAPS, **HEADLINE) | changes
    sizes, overlaps, scenes, dataset = inputs
    pictures = load_rows(dataset, scenes, words["models"], block=words["block"], level=words["level"])
    draw(sizes, overlaps, pictures, **words, pdf=folder / f"{name}.pdf", png=folder / f"{name}.png")


def test_files(inputs, tmp_path):
    for name in ("first", "second"):
        draw_all(inputs, tmp_path, name)
    assert (tmp_path / "first.pdf").read_bytes() == (tmp_path / "second.pdf").read_bytes()
    assert f"{DOUBLE_COLUMN * 72:.2f}".encode() in (tmp_path / "first.pdf").read_bytes()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"models": MODELS | {"dpi": "DPI"}}, "lacks the scene of dpi"),
        ({"overlap_models": MODELS | {"dpi": "DPI"}}, "no scores of the network 'dpi'"),
        ({"overlaps": OVERLAPS | {"overlap_25": 0.25}}, "no scores of the dataset 'overlap_25'"),
        ({"block": "scan"}, "holds no scene of the block 'scan'"),
        ({"level": "released"}, "no scenes of the level 'released'"),
    ],
)
def test_what_is_missing_is_named(inputs, tmp_path, change, sentence):
    with pytest.raises(InputError, match=sentence):
        draw_all(inputs, tmp_path, **change)


def test_two_sizes_are_needed(inputs):
    scenes = {key: path for key, path in inputs[2].items() if key[0] == 320}
    with pytest.raises(InputError, match="two sizes of the training set, 1 were given"):
        load_rows(inputs[3], scenes, MODELS, **HEADLINE)


@pytest.fixture
def composed(monkeypatch):
    """What `draw` composes, figure after figure."""
    figures = []
    monkeypatch.setattr(
        "ptychoformer.publication.figures.fig8.compose", lambda *parts: figures.append(compose(*parts)) or figures[-1]
    )
    return figures


def drawn_lines(figure, axis):
    plots = [axes for axes in figure.axes if axes.get_xlabel() == axis]
    assert len(plots) == 5
    return {(axes.get_title(), axes.get_ylabel()): [line.lines[0] for line in axes.containers] for axes in plots}


def test_plots_are_of_what_no_training_pattern_lights(inputs, tmp_path, composed):
    draw_all(inputs, tmp_path)
    for axis, by, path in (("training patterns", "n_train", inputs[0]), ("overlap (%)", "dataset", inputs[1])):
        rows = pd.read_csv(path).query(
            "block == 'lower_right' and level == 'scene' and metric == 'psnr' and model == 'ptychonn'"
        )
        for title, channel in (("Phase", "phase"), ("Relative phase", "relative_phase")):
            of_channel = rows[rows["channel"] == channel]
            whole, unseen = (
                of_channel[of_channel["region"] == region].groupby(by)["value"].mean() for region in ("whole", "unseen")
            )
            np.testing.assert_allclose(whole - unseen, DROP)
            drawn = drawn_lines(composed[0], axis)[title, "PSNR (dB)"][0]
            np.testing.assert_allclose(np.sort(drawn.get_ydata(orig=False)), np.sort(unseen))
    titles = [text.get_text() for text in composed[0].texts if "against" in text.get_text()]
    assert len(titles) == 2
    assert all("nseen part of the lower right block" in title for title in titles)


def test_the_networks_of_both_rows_of_plots_may_differ(inputs, tmp_path, composed):
    others = {"ptychoformer": "Second"}
    table = pd.read_csv(inputs[1])
    write_csv(table[table["model"] != "ptychonn"], tmp_path / "fewer.csv")
    draw_all((inputs[0], tmp_path / "fewer.csv", *inputs[2:]), tmp_path, overlap_models=others)
    above, below = (
        drawn_lines(composed[0], axis)["Amplitude", "PSNR (dB)"] for axis in ("training patterns", "overlap (%)")
    )
    assert len(above) == 2
    assert len(below) == 1
    assert (below[0].get_marker(), below[0].get_color()) == (above[1].get_marker(), above[1].get_color())
    assert labels_of(composed[0])[:2] == ["First", "Second"]


def test_a_region_without_a_window_of_the_ssim_is_said_to_be_too_small(inputs, tmp_path, composed):
    table = pd.read_csv(inputs[1])
    write_csv(table[(table["metric"] != "ssim") | (table["region"] != "unseen")], tmp_path / "small.csv")
    draw_all((inputs[0], tmp_path / "small.csv", *inputs[2:]), tmp_path)
    said = {
        axes.get_ylabel() for axes in composed[0].axes if "region too small" in [text.get_text() for text in axes.texts]
    }
    assert said == {"SSIM (%)"}


def test_pictures_of_both_sizes_are_on_the_scale_of_the_metrics(inputs, tmp_path, dataset, experiment):
    stored = {320: Normalisation(0.5, 1.0, -1.6, 0.5), 20: Normalisation(0.6, 0.9, -1.0, 0.3)}
    scenes = {}
    for n_train, normalisation in stored.items():
        run = experiment.write_run(tmp_path / str(n_train), dataset, "ptychonn", 2.0, normalisation=normalisation)
        scenes[n_train, "ptychonn"] = run[1]
    rows, _ = load_rows(dataset, scenes, {"ptychonn": "First"}, **HEADLINE)
    for large, small in zip(rows[:2], rows[2:]):
        assert large.limits == small.limits
        for images in (large.view.truth, large.view.answers["ptychonn"]):
            assert np.isfinite(images[large.channel]).all()
        # The same prediction, whatever scale it is stored on.
        np.testing.assert_allclose(
            large.view.answers["ptychonn"][large.channel], small.view.answers["ptychonn"][large.channel], atol=1e-5
        )


def test_no_figure_depends_on_another():
    for number in (1, 2, 3, 4, 6, 7, 8, 9, 10):
        reached, waiting = set(), [f"publication.figures.fig{number}"]
        while waiting:
            name = waiting.pop()
            reached.add(name)
            waiting += [other for other in provenance._imports(name) if other not in reached]
        assert [name for name in reached if name.startswith("publication.figures.fig")] == [
            f"publication.figures.fig{number}"
        ]
