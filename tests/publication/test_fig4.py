"""Figure 4: the right places on the right scales, on a page of the right size."""

import re

import h5py
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ptychoformer.errors import InputError
from ptychoformer.evaluation.metrics import common_scale, measure
from ptychoformer.measurement.cxi import read_scan
from ptychoformer.measurement.windows import windows
from ptychoformer.publication.fig4 import compose, draw
from ptychoformer.publication.layout import Layout
from ptychoformer.publication.panels import load_views
from ptychoformer.publication.style import DOUBLE_COLUMN, house_style
from ptychoformer.training.normalisation import Normalisation
from ptychoformer.training.split import authors_split


@pytest.fixture
def drawn(tmp_path, dataset, run_files, experiment):
    def drawn(name):
        files = {"pdf": tmp_path / f"{name}.pdf", "png": tmp_path / f"{name}.png"}
        draw(dataset, run_files, experiment.MODELS, "Noise-free", **files)
        return files["pdf"], files["png"]

    return drawn


def test_page_and_resolution(drawn):
    pdf, png = drawn("fig4")
    left, bottom, width, height = map(float, re.search(rb"/MediaBox \[ ([\d. ]+) \]", pdf.read_bytes()).group(1).split())
    assert (left, bottom, width) == (0, 0, pytest.approx(DOUBLE_COLUMN * 72))
    with Image.open(png) as image:
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
        assert image.size == pytest.approx((width / 72 * 300, height / 72 * 300), abs=1)


def test_the_same_inputs_give_the_same_bytes(drawn):
    for first, second in zip(drawn("first"), drawn("second")):
        assert first.read_bytes() == second.read_bytes()


def test_scan_points_are_unseen_apart_and_of_high_contrast(dataset, run_files):
    views, split = load_views(dataset, run_files), authors_split(read_scan(dataset))
    corners = np.array([view.corner for view in views.points])
    assert all(split.unseen_pixels[y : y + 16, x : x + 16].all() for y, x in corners)
    assert np.abs(corners[0] - corners[1]).max() >= 16
    contrast = windows(split.scan.amplitude, split.scan.true_positions[split.test], (16, 16)).std(axis=(1, 2))
    chosen = np.flatnonzero(np.isin(split.test, views.indices))
    assert (contrast[chosen] > np.median(contrast[split.unseen_test])).any()


def test_truth_is_shown_in_its_units(dataset, run_files):
    views, scan = load_views(dataset, run_files), read_scan(dataset)
    block = authors_split(scan).block
    np.testing.assert_array_equal(views.scene.truth["phase"], scan.phase[block])
    scale = common_scale(dataset)
    np.testing.assert_array_equal(views.scene.truth["amplitude"], scale.amplitude(scan.amplitude)[block])
    assert views.ranges == {"amplitude": (0, 1), "phase": pytest.approx((scale.phase_min, scale.phase_max))}


def test_a_perfect_network_has_no_error(tmp_path, dataset, experiment):
    views = load_views(dataset, {"perfect": experiment.write_run(tmp_path, dataset, "perfect", 0.0)})
    for view in (*views.points, views.scene):
        for channel in ("amplitude", "phase"):
            assert view.error("perfect", channel).max() < 1e-5
    assert views.scene_psnr("perfect", "phase") > 100


@pytest.mark.parametrize("stored", [Normalisation(0.6, 0.9, -1.0, 0.3), Normalisation(0.2, 1.4, -3.0, 2.0)])
def test_psnr_is_that_of_the_metrics_whatever_the_labels_of_the_network(tmp_path, dataset, experiment, stored):
    run = experiment.write_run(tmp_path, dataset, "ptychonn", 2.0, normalisation=stored)
    views = load_views(dataset, {"ptychonn": run})
    measure(
        dataset, dataset, *run, {"dataset": "a", "test": "a", "model": "b", "loss": "c", "n_train": 1, "seed": 0}, tmp_path / "metrics.csv"
    )
    rows = pd.read_csv(tmp_path / "metrics.csv").set_index(["region", "level", "metric", "channel"])["value"]
    for channel in ("amplitude", "phase"):
        assert views.scene_psnr("ptychonn", channel) == pytest.approx(rows["block", "scene", "psnr", channel], abs=1e-3)


def test_below_the_dashed_line_training_saw_nothing(dataset, run_files):
    views, split = load_views(dataset, run_files), authors_split(read_scan(dataset))
    unseen = split.unseen_pixels[split.block]
    assert unseen[views.unseen_from :].all()
    assert not unseen[views.unseen_from - 1].all()


def test_scenes_share_one_scale_and_stand_under_their_headings(dataset, run_files):
    with house_style():
        figure = compose(load_views(dataset, run_files), ["First", "Second"], "Noise-free")
    scales: dict[tuple, int] = {}
    for axes in figure.axes:
        for image in axes.images:
            key = (image.get_cmap().name, *image.get_clim())
            scales[key] = scales.get(key, 0) + 1
    # Truth and two networks at two points and on the scene; errors of the networks alone; two patterns.
    assert sorted(scales.values()) == [2, 6, 6, 9, 9]
    texts = [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))]
    assert min(text.get_fontsize() for text in figure.findobj(lambda artist: hasattr(artist, "get_fontsize")) if text.get_text()) >= 6
    assert {"a", "b", "c", "Truth", "First", "Second", "rad", "normalised"} <= set(texts)
    assert not any("nan" in text.lower() for text in texts)


def test_scenes_with_holes_can_be_drawn(drawn, run_files):
    for _, scene in run_files.values():
        with h5py.File(scene, "r+") as file:
            file["scene/amplitude"][:4] = file["scene/phase"][:4] = np.nan
    assert drawn("holes")[0].stat().st_size > 10_000


def spoil_origin(file):
    file["scene"].attrs["origin"] = (0, 0)


def spoil_normalisation(file):
    file["scene"].attrs["phase_max"] = 7.0


@pytest.mark.parametrize(
    ("spoil", "sentence"), [(spoil_origin, "not a scene of the test block"), (spoil_normalisation, "different normalisations")]
)
def test_runs_that_do_not_belong_together_are_refused(dataset, run_files, spoil, sentence):
    with h5py.File(run_files["ptychonn"][1], "r+") as file:
        spoil(file)
    with pytest.raises(InputError, match=sentence):
        load_views(dataset, run_files)


@pytest.mark.parametrize("columns", [2, 3, 5, 7])
@pytest.mark.parametrize("shape", [(128, 128), (40, 200)])
def test_panels_lie_on_the_page_and_apart(columns, shape):
    layout = Layout(columns, shape)
    boxes = [layout.point_box(place, row, column) for place in range(2) for row in range(4) for column in range(columns)]
    boxes += [layout.scene_box(row, column) for row in range(4) for column in range(columns)] + [layout.bar_box(row) for row in range(4)]
    left, top, width, height = np.array(boxes).T
    assert left.min() >= 0
    assert top.min() >= 0
    assert (left + width).max() <= DOUBLE_COLUMN
    assert (top + height).max() <= layout.height
    apart_x = (left[:, None] + width[:, None] <= left + 1e-9) | (left + width <= left[:, None] + 1e-9)
    apart_y = (top[:, None] + height[:, None] <= top + 1e-9) | (top + height <= top[:, None] + 1e-9)
    assert (apart_x | apart_y | np.eye(len(boxes), dtype=bool)).all()
