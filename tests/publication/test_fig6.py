"""Figure 6: the scan as a whole, the PSNR of its metrics, and runs that belong together."""

import h5py
import numpy as np
import pytest
from PIL import Image

from ptychoformer.errors import InputError
from ptychoformer.evaluation import SCORED
from ptychoformer.evaluation.metrics import common_scale, measure, read_metrics
from ptychoformer.measurement.cxi import PATTERNS, read_scan
from ptychoformer.measurement.windows import windows
from ptychoformer.publication.figures.fig6 import compose, draw, load_rows
from ptychoformer.publication.figures.parts.style import DOUBLE_COLUMN, house_style
from ptychoformer.training.normalisation import Normalisation
from ptychoformer.training.split import whole_scan

LABELS = {"ptychonn": "First", "ptychoformer": "Second"}
HEADLINE = dict(block="scan", level="scene")


@pytest.fixture
def whole_scan_files(tmp_path, dataset, experiment):
    """Predictions of all patterns by networks that blur and are off by a constant phase, with labels' constants of another object."""
    how = dict(normalisation=Normalisation(0.45, 1.05, -2.0, 0.5), split=whole_scan(read_scan(dataset)), shift=0.2)
    return {
        model: experiment.write_run(tmp_path / "whole", dataset, model, blur, **how)
        for model, blur in (("ptychonn", 2.0), ("ptychoformer", 1.0))
    }


@pytest.fixture
def references(tmp_path, dataset, experiment):
    """A floor that has nothing but the mean, and a ceiling without an error, of the same training."""
    how = dict(normalisation=Normalisation(0.45, 1.05, -2.0, 0.5), split=whole_scan(read_scan(dataset)))
    blurs = {"floor": 500.0, "ceiling": 0.0}
    return {
        model: experiment.write_run(tmp_path / "whole", dataset, model, blur, **how) for model, blur in blurs.items()
    }


@pytest.fixture
def trained(make_scan):
    """The dataset that these networks were trained on, of another object."""
    return make_scan("trained.cxi", rows=10, columns=10, window=16, step=8)


def test_rows_show_one_pattern_and_the_whole_object(dataset, trained, whole_scan_files, references):
    rows, _ = load_rows(dataset, whole_scan_files, trained, references, **HEADLINE)
    scan = read_scan(dataset)
    assert [(row.letter, row.channel, row.error) for row in rows] == [
        ("a", "amplitude", False),
        ("", "amplitude", True),
        ("b", "phase", False),
        ("", "phase", True),
        ("c", "amplitude", False),
        ("", "amplitude", True),
        ("d", "phase", False),
        ("", "phase", True),
    ]
    np.testing.assert_array_equal(rows[6].view.truth["phase"], scan.phase)
    y, x = rows[2].view.corner
    np.testing.assert_array_equal(rows[2].view.truth["phase"], scan.phase[y : y + 16, x : x + 16])
    scale = common_scale(trained)
    assert rows[6].limits == pytest.approx((scale.phase_min, scale.phase_max))
    np.testing.assert_array_equal(rows[4].view.truth["amplitude"], scale.normalised("amplitude", scan.amplitude))


def test_the_single_pattern_has_the_highest_contrast(dataset, trained, whole_scan_files, references):
    rows, _ = load_rows(dataset, whole_scan_files, trained, references, **HEADLINE)
    scan, scale = read_scan(dataset), common_scale(trained)
    images = scale.normalised("amplitude", scan.amplitude), scale.normalised("phase", scan.phase)
    contrast = sum(windows(image, scan.true_positions, scan.window).std(axis=(1, 2)) for image in images)
    assert tuple(scan.true_positions[contrast.argmax()]) == rows[0].view.corner


def test_what_is_printed_below_a_scene_is_the_psnr_of_the_metrics(
    tmp_path, dataset, trained, whole_scan_files, references
):
    rows, pixel_size = load_rows(dataset, whole_scan_files, trained, references, **HEADLINE)
    with house_style():
        figure = compose(rows, list(LABELS.values()), pixel_size)
    texts = [axes.get_xlabel() for axes in figure.axes]
    identity = {"dataset": "straight", "test": "curved", "model": "ptychonn", "loss": "mse", "n_train": 1, "seed": 0}
    measure(trained, dataset, *whole_scan_files["ptychonn"], identity, tmp_path / "metrics.csv")
    psnr = (
        read_metrics(tmp_path / "metrics.csv")
        .query("level == 'scene' and metric == 'psnr'")
        .set_index("channel")["value"]
    )
    amplitude, phase, relative = (f"{psnr[channel]:.1f}" for channel in SCORED)
    assert {f"{amplitude} dB", f"{phase} | {relative} dB", "plain | relative"} <= set(texts)


def test_errors_stand_below_what_they_are_of_and_the_pattern_beside_them(
    dataset, trained, whole_scan_files, references
):
    rows, pixel_size = load_rows(dataset, whole_scan_files, trained, references, **HEADLINE)
    with house_style():
        figure = compose(rows, list(LABELS.values()), pixel_size)
    drawn = [axes.images[0].get_array() for axes in figure.axes if axes.images]
    view = rows[0].view
    np.testing.assert_allclose(drawn[3], np.abs(view.answers["ptychonn"]["amplitude"] - view.truth["amplitude"]))
    scan = read_scan(dataset)
    (index,) = np.flatnonzero((scan.true_positions == view.corner).all(axis=1))
    with h5py.File(dataset) as file:
        np.testing.assert_array_equal(drawn[5], file[PATTERNS][index])
    assert len(drawn) == 4 * (1 + 2 * len(LABELS)) + 1


def test_floor_and_ceiling_are_those_of_the_metrics(tmp_path, dataset, trained, whole_scan_files, references):
    rows, _ = load_rows(dataset, whole_scan_files, trained, references, **HEADLINE)
    identity = {"dataset": "straight", "test": "curved", "model": "floor", "loss": "none", "n_train": 1, "seed": 0}
    measure(trained, dataset, *references["floor"], identity, tmp_path / "metrics.csv")
    psnr = (
        read_metrics(tmp_path / "metrics.csv")
        .query("level == 'scene' and metric == 'psnr'")
        .set_index("channel")["value"]
    )
    amplitude, phase, relative = (f"{psnr[channel]:.1f}" for channel in SCORED)
    assert f"floor {amplitude} dB" in rows[4].title
    assert f"floor {phase} | {relative} dB" in rows[6].title
    ceiling = float(rows[4].title.split("ceiling ")[1].removesuffix(" dB)").replace("∞", "inf"))
    assert ceiling > 100


def test_every_word_can_be_read(dataset, trained, whole_scan_files, references, experiment):
    rows, pixel_size = load_rows(dataset, whole_scan_files, trained, references, **HEADLINE)
    with house_style():
        assert not experiment.illegible(compose(rows, list(LABELS.values()), pixel_size))
        assert not experiment.illegible(compose(rows, ["A network of ours without its second branch"] * 2, pixel_size))


def test_page_and_bytes(tmp_path, dataset, trained, whole_scan_files, references):
    for name in ("first", "second"):
        files = {"pdf": tmp_path / f"{name}.pdf", "png": tmp_path / f"{name}.png"}
        draw(dataset, whole_scan_files, LABELS, training_dataset=trained, references=references, **HEADLINE, **files)
    assert (tmp_path / "first.pdf").read_bytes() == (tmp_path / "second.pdf").read_bytes()
    with Image.open(tmp_path / "first.png") as image:
        assert image.width == pytest.approx(DOUBLE_COLUMN * 300, abs=1)


def test_predictions_of_test_patterns_alone_are_refused(dataset, trained, run_files, references):
    with pytest.raises(InputError, match="holds no scene of the block 'scan'"):
        load_rows(dataset, run_files, trained, references, **HEADLINE)
