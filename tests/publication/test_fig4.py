"""Figure 4: the right places on the right scales, on a page of the right size."""

import re
from itertools import product

import h5py
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from ptychoformer.errors import InputError
from ptychoformer.evaluation import SCORED
from ptychoformer.evaluation.metrics import common_scale, measure, read_metrics
from ptychoformer.evaluation.patches import open_patches
from ptychoformer.measurement.cxi import read_scan
from ptychoformer.measurement.windows import windows
from ptychoformer.publication.figures.fig4 import Page, compose, draw
from ptychoformer.publication.figures.parts.bars import beyond
from ptychoformer.publication.figures.parts.layout import Layout
from ptychoformer.publication.figures.parts.panels import load_views
from ptychoformer.publication.figures.parts.style import DOUBLE_COLUMN, house_style
from ptychoformer.training.normalisation import Normalisation
from ptychoformer.training.split import split_of

HEADLINE = dict(block="lower_right", level="scene")
RUN = {"dataset": "a", "test": "a", "model": "b", "loss": "c", "n_train": 1, "seed": 0}
BLOCKS = ["lower_right", "lower_left", "strip"]


@pytest.fixture
def drawn(tmp_path, dataset, run_files, experiment):
    def drawn(name):
        files = {"pdf": tmp_path / f"{name}.pdf", "png": tmp_path / f"{name}.png"}
        draw(load_views(dataset, run_files, **HEADLINE), experiment.MODELS, "Noise-free", **HEADLINE, **files)
        return files["pdf"], files["png"]

    return drawn


def test_page_and_resolution(drawn):
    pdf, png = drawn("fig4")
    left, bottom, width, height = map(
        float, re.search(rb"/MediaBox \[ ([\d. ]+) \]", pdf.read_bytes()).group(1).split()
    )
    assert (left, bottom, width) == (0, 0, pytest.approx(DOUBLE_COLUMN * 72))
    with Image.open(png) as image:
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
        assert image.size == pytest.approx((width / 72 * 300, height / 72 * 300), abs=1)


def test_the_same_inputs_give_the_same_bytes(drawn):
    for first, second in zip(drawn("first"), drawn("second")):
        assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("block", BLOCKS)
def test_scan_points_are_of_the_block_unseen_apart_and_of_high_contrast(dataset, run_files, block):
    views, split = load_views(dataset, run_files, block=block, level="scene"), split_of(read_scan(dataset))
    corners = np.array([view.corner for view in views.points])
    assert set(views.indices) <= set(split.test[split.places(block)])
    np.testing.assert_array_equal(corners, split.scan.true_positions[list(views.indices)])
    assert all(split.unseen_pixels[y : y + 16, x : x + 16].all() for y, x in corners)
    assert np.abs(corners[0] - corners[1]).max() >= 16
    contrast = windows(split.scan.amplitude, split.scan.true_positions, (16, 16)).std(axis=(1, 2))
    unseen = split.test[split.places(block)][split.unseen_test[split.places(block)]]
    assert (contrast[list(views.indices)] > np.median(contrast[unseen])).any()


@pytest.mark.parametrize("block", BLOCKS)
def test_predictions_shown_are_those_of_the_scan_points(dataset, run_files, block):
    views = load_views(dataset, run_files, block=block, level="scene")
    for view, index in zip(views.points, views.indices):
        with open_patches(run_files["ptychonn"][0]) as patches:
            (place,) = np.flatnonzero(patches.index == index)
            expected = patches.normalisation.restored("phase", patches.phase[place])
        np.testing.assert_allclose(view.answers["ptychonn"]["phase"], expected, atol=1e-6)


@pytest.mark.parametrize("block", BLOCKS)
def test_truth_is_shown_in_its_units(dataset, run_files, block):
    views, scan = load_views(dataset, run_files, block=block, level="scene"), read_scan(dataset)
    place = split_of(scan).rectangle(block)
    np.testing.assert_array_equal(views.scene.truth["phase"], scan.phase[place])
    scale = common_scale(dataset)
    np.testing.assert_array_equal(views.scene.truth["amplitude"], scale.normalised("amplitude", scan.amplitude)[place])
    assert views.ranges == {"amplitude": (0, 1), "phase": pytest.approx((scale.phase_min, scale.phase_max))}


def test_a_perfect_network_has_no_error(tmp_path, dataset, experiment):
    views = load_views(dataset, {"perfect": experiment.write_run(tmp_path, dataset, "perfect", 0.0)}, **HEADLINE)
    for view in (*views.points, views.scene):
        for channel in ("amplitude", "phase"):
            assert view.error("perfect", channel).max() < 1e-5
    assert views.scene.psnr("perfect", "phase", views.ranges["phase"]) > 100


def test_a_phase_that_is_off_by_a_constant_has_no_relative_error(tmp_path, dataset, experiment):
    views = load_views(dataset, {"off": experiment.write_run(tmp_path, dataset, "off", 0.0, shift=0.3)}, **HEADLINE)
    low, high = views.ranges["phase"]
    for view in (*views.points, views.scene):
        assert view.psnr("off", "phase", (low, high)) == pytest.approx(-20 * np.log10(0.3 / (high - low)), abs=1e-3)
        assert view.psnr("off", "phase", (low, high), relative=True) > 100


@pytest.mark.parametrize("stored", [Normalisation(0.6, 0.9, -1.0, 0.3), Normalisation(0.2, 1.4, -3.0, 2.0)])
def test_what_is_printed_is_the_metrics_psnr_whatever_the_labels_of_the_network(tmp_path, dataset, experiment, stored):
    run = experiment.write_run(tmp_path, dataset, "ptychonn", 2.0, normalisation=stored, shift=0.2)
    measure(dataset, dataset, *run, RUN, tmp_path / "metrics.csv")
    rows = read_metrics(tmp_path / "metrics.csv").query("region == 'whole' and metric == 'psnr'")
    psnr = rows.set_index(["block", "level", "channel"])["value"]
    for block, level in product(BLOCKS, ("scene", "synchronised")):
        with house_style():
            figure = compose(
                load_views(dataset, {"ptychonn": run}, block=block, level=level), ["First"], "Noise-free", "scene"
            )
        printed = [axes.get_xlabel() for axes in figure.axes if axes.get_xlabel().endswith(" dB")]
        amplitude, phase, relative = (f"{psnr[block, level, channel]:.1f}" for channel in SCORED)
        assert printed == [f"{amplitude} dB", f"{phase} | {relative} dB"]
        assert "plain | relative" in [axes.get_xlabel() for axes in figure.axes]


@pytest.mark.parametrize("block", BLOCKS)
def test_below_the_dashed_line_training_saw_nothing(dataset, run_files, block):
    views, split = load_views(dataset, run_files, block=block, level="scene"), split_of(read_scan(dataset))
    unseen = split.unseen_pixels[split.rectangle(block)]
    assert unseen[views.unseen_from :].all()
    assert not unseen[views.unseen_from - 1].all()


def test_scenes_share_one_scale_and_stand_under_their_headings(dataset, run_files):
    with house_style():
        figure = compose(load_views(dataset, run_files, **HEADLINE), ["First", "Second"], "Noise-free", "scene of it")
    scales: dict[tuple, int] = {}
    for axes in figure.axes:
        for image in axes.images:
            key = (image.get_cmap().name, *image.get_clim())
            scales[key] = scales.get(key, 0) + 1
    # Truth and two networks at two points and on the scene; errors of the networks alone; two patterns.
    assert sorted(scales.values()) == [2, 6, 6, 9, 9]
    texts = [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))]
    assert {
        "a",
        "b",
        "c",
        "Truth",
        "First",
        "Second",
        "rad",
        "norm.",
        "pattern\n(photons)",
        "Noise-free, scene of it",
    } <= set(texts)
    assert not any("nan" in text.lower() for text in texts)


@pytest.mark.parametrize("block", BLOCKS)
def test_every_word_can_be_read_whatever_the_block_and_however_long_a_name(dataset, run_files, experiment, block):
    views = load_views(dataset, run_files, block=block, level="scene")
    with house_style():
        figure = compose(views, ["Ours without any branch", "Ptychoformerptychoformer"], "Noise-free", "scene of it")
        assert not experiment.illegible(figure)


LONG = "A network of ours without its second branch and with another loss"


def test_names_of_any_length_stay_over_their_columns(tmp_path, dataset, experiment):
    runs = {model: experiment.write_run(tmp_path, dataset, model, 1.0) for model in [*experiment.MODELS, "epie"]}
    views = load_views(dataset, runs, **HEADLINE)
    with house_style():
        figure = compose(views, [LONG, LONG.replace(" ", ""), LONG[:20], LONG[:14], LONG], "Noise-free", "scene of it")
        assert not experiment.illegible(figure)
    assert any("…" in axes.get_title() for axes in figure.axes)


def test_five_columns_hold_the_names_of_the_paper(tmp_path, dataset, experiment):
    runs = {
        model: experiment.write_run(tmp_path, dataset, model, 1.0 + place)
        for place, model in enumerate([*experiment.MODELS, "epie"])
    }
    views = load_views(dataset, runs, **HEADLINE)
    with house_style():
        figure = compose(views, [*experiment.MODELS.values(), "ePIE"], "Noise-free", "scene of it")
        assert not experiment.illegible(figure)
    headings = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert headings[:6] == ["Truth", "PtychoNN", "PtyNet", "DPI", "Ptycho-\nformer", "ePIE"]


@pytest.mark.parametrize("own", [1, 3])
def test_every_word_can_be_read_beside_networks_of_ones_own(tmp_path, dataset, experiment, own):
    names = [*experiment.MODELS, "epie", *(f"own{place}" for place in range(own))]
    runs = {model: experiment.write_run(tmp_path, dataset, model, 1.0) for model in names}
    views = load_views(dataset, runs, **HEADLINE)
    with house_style():
        figure = compose(views, names, "Noise-free", "scene of it")
        assert not experiment.illegible(figure)


def test_a_colour_bar_is_pointed_where_an_image_has_values_beyond_it(dataset, run_files):
    views = load_views(dataset, run_files, **HEADLINE)
    views.scene.answers["ptychonn"]["amplitude"][3, 3] = 1.5
    views.scene.answers["ptychonn"]["phase"][3, 3] = -9.0
    page = Page(Figure(), views)
    ends = {row: beyond(page.scales[row], *page.shown(row)) for row in page.scales}
    assert ends == {
        ("amplitude", False): "max",
        ("amplitude", True): "max",
        ("phase", False): "min",
        ("phase", True): "max",
    }


def test_scenes_with_holes_can_be_drawn(drawn, run_files):
    for _, scene in run_files.values():
        with h5py.File(scene, "r+") as file:
            file["lower_right/amplitude"][:4] = file["lower_right/phase"][:4] = np.nan
    assert drawn("holes")[0].stat().st_size > 10_000


def spoil_origin(file):
    file["lower_right"].attrs["origin"] = (0, 0)


def spoil_normalisation(file):
    file["lower_right"].attrs["phase_max"] = 7.0


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [(spoil_origin, "does not cover the block 'lower_right'"), (spoil_normalisation, "different normalisations")],
)
def test_runs_that_do_not_belong_together_are_refused(dataset, run_files, spoil, sentence):
    with h5py.File(run_files["ptychonn"][1], "r+") as file:
        spoil(file)
    with pytest.raises(InputError, match=sentence):
        load_views(dataset, run_files, **HEADLINE)


@pytest.mark.parametrize(
    ("headline", "sentence"),
    [
        (dict(block="upper", level="scene"), "holds no scene of the block 'upper'"),
        (dict(block="strip", level="pattern"), "no scenes of the level 'pattern'"),
    ],
)
def test_a_block_or_a_level_that_is_not_there_is_named(dataset, run_files, headline, sentence):
    with pytest.raises(InputError, match=sentence):
        load_views(dataset, run_files, **headline)


@pytest.mark.parametrize("columns", [2, 3, 5, 7])
@pytest.mark.parametrize("shape", [(128, 128), (40, 200)])
def test_panels_lie_on_the_page_and_apart(columns, shape):
    layout = Layout(columns, shape)
    boxes = [
        layout.point_box(place, row, column) for place in range(2) for row in range(4) for column in range(columns)
    ]
    boxes += [layout.scene_box(row, column) for row in range(4) for column in range(columns)] + [
        layout.bar_box(row) for row in range(4)
    ]
    boxes += [layout.pattern_bar_box(place) for place in range(2)]
    left, top, width, height = np.array(boxes).T
    assert left.min() >= 0
    assert top.min() >= 0
    assert (left + width).max() <= DOUBLE_COLUMN
    assert (top + height).max() <= layout.height
    apart_x = (left[:, None] + width[:, None] <= left + 1e-9) | (left + width <= left[:, None] + 1e-9)
    apart_y = (top[:, None] + height[:, None] <= top + 1e-9) | (top + height <= top[:, None] + 1e-9)
    assert (apart_x | apart_y | np.eye(len(boxes), dtype=bool)).all()
