"""What `train` says of a network that it has trained, and `predict` of a scene without structure."""

import json
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import torch
from matplotlib.colors import Normalize
from PIL import Image

from ptychoformer import cli
from ptychoformer.cli.train import _advice
from ptychoformer.errors import TrainingError
from ptychoformer.evaluation.judgement import LONGER, Judgement, Scores, judge, sentence
from ptychoformer.evaluation.references import reference_patches
from ptychoformer.evaluation.stream import scene_deviations
from ptychoformer.measurement.cxi import create_dataset, read_scan
from ptychoformer.measurement.windows import windows
from ptychoformer.models import build
from ptychoformer.publication.scan.pictures import Picture, draw_scene
from ptychoformer.simulation.diffraction import diffraction
from ptychoformer.training.checkpoint import Checkpoint, save_checkpoint
from ptychoformer.training.entries import NetworkEntry
from ptychoformer.training.normalisation import Normalisation, label_statistics, label_windows, training_normalisation
from ptychoformer.training.split import split_of

BETTER = ["amplitude", "relative_phase"]


@pytest.fixture
def scan(make_scan):
    """A scan on a grid, with a random object that is brighter where it is tested."""
    path = make_scan(rows=10, columns=6)
    object_file = path.with_name("scan.cxi.object.h5")
    with h5py.File(object_file, "r+") as file:
        file["object/amplitude"][:] += np.linspace(0, 1, len(file["object/amplitude"]))[:, None] ** 4
    return path


def judged(path, answer):
    """The judgement on a network that makes ``answer`` (m, 2, h, w) of the true labels."""
    scan = read_scan(path)
    split = split_of(scan)
    scale = training_normalisation(scan, split.train)
    truth = np.stack(
        [
            scale.normalised(name, part)
            for name, part in zip(("amplitude", "phase"), label_windows(scan, split.test), strict=True)
        ]
    )
    answers = answer(truth.swapaxes(0, 1)).astype(np.float32)

    def stream(batches):
        start = 0
        for batch in batches:
            yield answers[start : start + len(batch)]
            start += len(batch)

    means, _ = label_statistics(scan, split.train, scale)
    return judge(path, SimpleNamespace(normalisation=scale, stream=stream), means)


def test_a_network_that_knows_the_truth_is_infinitely_better(scan):
    found = judged(scan, lambda truth: truth)
    assert found["better"] == BETTER
    assert found["amplitude"]["mse"] == 0
    assert found["amplitude"]["psnr"] is None
    assert set(found) == set(Judgement.__annotations__)
    for channel in ("amplitude", "phase", "relative_phase"):
        assert set(found[channel]) == set(Scores.__annotations__)
    assert "by infinitely many dB in amplitude and infinitely many dB in phase." in sentence(found)
    json.dumps(found, allow_nan=False)


def test_a_tenth_of_the_errors_variance_is_ten_decibels(scan):
    found = judged(scan, lambda truth: truth + np.sqrt(0.1) * (truth - truth.mean(axis=(0, 2, 3), keepdims=True)))
    assert found["phase"]["gain"] == pytest.approx(10, abs=0.2)  # the training labels have another mean
    assert found["relative_phase"]["gain"] == pytest.approx(10, abs=1e-4)
    assert "dB in amplitude and 10.0 dB in phase." in sentence(found)


@pytest.mark.parametrize("constant", ["mean of the test labels", 0, 0.3, 1])
def test_no_constant_is_better_than_the_mean_of_the_training_labels(scan, constant):
    values = [constant, constant]
    if isinstance(constant, str):
        values = judged_means(scan)
    found = judged(scan, lambda truth: np.zeros_like(truth) + np.reshape(values, (2, 1, 1)))
    if isinstance(constant, str):  # by the shift between training and test it would be
        assert found["amplitude"]["gain"] > 0.1
    assert found["better"] == []
    assert "no better than the mean of the training labels: train longer (--epochs)" in sentence(found)


def judged_means(path):
    seen = []
    judged(path, lambda truth: seen.append(truth.mean(axis=(0, 2, 3))) or truth)
    return seen[0]


def test_noise_is_no_better(scan):
    random = np.random.default_rng(0)
    assert judged(scan, lambda truth: random.permutation(truth.ravel()).reshape(truth.shape))["better"] == []


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_network_that_answers_no_number_is_refused(scan, value):
    def answer(truth):
        answers = truth.copy()
        answers[5, 1, 3, 4] = value
        return answers

    first = split_of(read_scan(scan)).test[5]
    with pytest.raises(TrainingError, match=f"answers pattern {first} with NaN or infinity"):
        judged(scan, answer)
    with h5py.File(scan, "r+") as file:  # of a measured scan's file, in which every other one was left out
        file["ptychography/numbers"] = 2 * np.arange(60) + 1
    with pytest.raises(TrainingError, match=f"answers pattern {2 * first + 1} with NaN or infinity"):
        judged(scan, answer)


def test_constants_of_phase_which_no_pattern_tells_do_not_count(scan):
    random = np.random.default_rng(0)
    found = judged(scan, lambda truth: truth + np.multiply.outer(random.normal(0, 3, len(truth)), [[[0]], [[1]]]))
    assert found["better"] == BETTER
    assert found["phase"]["gain"] < 0


@pytest.mark.parametrize(
    ("known", "words"), [(0, "in amplitude, but no better in phase."), (1, "in phase, but no better in amplitude.")]
)
def test_what_was_not_learnt_is_named(scan, known, words):
    def answer(truth):
        flat = np.full_like(truth, 0.5)
        flat[:, known] = 0.1 + 0.8 * truth[:, known]
        return flat

    found = judged(scan, answer)
    assert found["better"] == [BETTER[known]]
    assert words in sentence(found)


def test_the_floor_is_that_of_the_tables(scan, tmp_path):
    split = split_of(read_scan(scan))
    how = dict(n_train=len(split.train), seed=0, subset="scattered", transferred=False, output=tmp_path / "floor.h5")
    reference_patches("floor", scan, scan, **how)
    with h5py.File(tmp_path / "floor.h5") as file:
        floor = np.stack([file[f"patches/{name}"][:] for name in ("amplitude", "phase")], axis=1)
    found = judged(scan, lambda truth: floor)
    for channel in ("amplitude", "phase", "relative_phase"):
        assert found[channel]["mse"] == pytest.approx(found[channel]["floor_mse"], rel=1e-5)
        assert found[channel]["gain"] == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("mean", [0.0, 1.0, 1e5])
def test_the_deviation_of_a_scene_is_that_of_what_was_stitched(tmp_path, mean):
    image = np.random.default_rng(0).normal(mean, 0.1, (300, 70))
    image[40:200, 10:50] = np.nan
    with h5py.File(tmp_path / "scene.h5", "w") as file:
        file["scene/amplitude"], file["scene/phase"] = image, np.full((300, 70), np.nan)
    found = scene_deviations(tmp_path / "scene.h5")
    assert found == pytest.approx({"amplitude": np.nanstd(image), "phase": 0.0})


# On the command line


def main(*arguments):
    return cli.main([str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A scan of a smooth object of 16 x 16 windows, reconstructed."""
    folder = tmp_path_factory.mktemp("measured")
    corners = np.indices((16, 6)).reshape(2, -1).T * 3 + np.random.default_rng(0).integers(0, 2, (96, 2))
    corners -= corners.min(axis=0)
    y, x = np.indices(corners.max(axis=0) + 16)
    thing = (0.8 + 0.2 * np.sin(y / 5) * np.cos(x / 7)) * np.exp(0.5j * np.sin(y / 9 + x / 6))
    y, x = np.indices((16, 16)) - 8
    probe = (np.exp(-(y**2 + x**2) / 18) * np.exp(0.04j * (y**2 + x**2)) * 30).astype(np.complex64)
    with create_dataset(
        folder / "scan.cxi", window=(16, 16), positions=corners.astype(float), optics=None, probe=probe
    ) as data:
        data[:] = np.rint(diffraction(probe * windows(thing, corners, (16, 16))))
    arguments = ("--iterations", 10, "--probe-known", "--threads", 1)
    assert main("reconstruct", folder / "scan.cxi", "-o", folder / "object.h5", *arguments) == 0
    return folder


def trained(measured, run, *arguments):
    how = ("--object", measured / "object.h5", "-o", run, "--model", "ptychonn", "--threads", 1)
    return main("train", measured / "scan.cxi", *how, *arguments)


def test_a_network_that_learns_nothing_is_told_and_strictly_an_error(measured, tmp_path, capsys):
    arguments = ("--epochs", 1, "--learning-rate", 1e-12, "--patterns", 8)
    advice = "8 patterns are few to learn from; try more of the scan's (--patterns)."
    for name, strict, code in (("run", (), 0), ("strict", ("--strict",), 3)):
        assert trained(measured, tmp_path / name, *arguments, *strict) == code
        shown = capsys.readouterr()
        assert f"The network is no better than the mean of the training labels: {advice}" in shown.out
        assert "batches of 4, 1 epoch: 2 steps" in shown.err
        assert json.loads((tmp_path / name / "judgement.json").read_text())["better"] == []
        assert (tmp_path / name / "model.pt").exists()
        assert not (tmp_path / name / "state.pt").exists()


def test_of_few_patterns_a_larger_bin_or_scan_is_advised_and_of_many_a_longer_training(measured, tmp_path, capsys):
    assert trained(measured, tmp_path / "run", "--epochs", 1, "--learning-rate", 1e-12) == 0
    shown = capsys.readouterr()
    split = split_of(read_scan(tmp_path / "run" / "dataset.cxi"))
    assert f"{len(split.train)} of {len(split.scan.positions)} patterns may be trained on: " in shown.err
    assert f": {len(split.train)} patterns are few to learn from; try a larger --bin" in shown.out
    assert _advice(split, 101) == LONGER


def test_a_network_that_learns_is_told_by_how_much(measured, tmp_path, capsys):
    assert trained(measured, tmp_path / "run", "--strict", "--epochs", 15) == 0
    shown = capsys.readouterr()
    assert "The network is better than the mean of the training labels by " in shown.out
    assert "epochs left: 14, about " in shown.err
    found = json.loads((tmp_path / "run" / "judgement.json").read_text())
    for channel in found["better"]:
        gain = found[channel]["psnr"] - found[channel]["floor_psnr"]
        assert f"{gain:.1f} dB in {channel.removeprefix('relative_')}" in shown.out
    scene = ("-o", tmp_path / "scene.h5", "--threads", 1)
    assert main("predict", measured / "scan.cxi", "--checkpoint", tmp_path / "run", *scene) == 0
    assert "has no structure" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("expected", "told"),
    [
        ({"amplitude": 0.2, "phase": 0.2}, ["amplitude", "phase"]),
        ({"amplitude": 0.0, "phase": 0.2}, ["phase"]),
        ({}, []),
        (None, []),
    ],
)
def test_a_scene_without_structure_is_told(measured, tmp_path, capsys, expected, told):
    network = build("ptychonn", (16, 16), {})
    weights = {name: torch.zeros_like(part) for name, part in network.state_dict().items()}
    made = Checkpoint(NetworkEntry("ptychonn", {}), (16, 16), Normalisation(0.5, 1.0, -1.0, 1.0), weights)
    save_checkpoint(made, tmp_path / "model.pt")
    prepared = {"crop": 16, "bin": 1} | ({} if expected is None else {"label_deviation": expected})
    (tmp_path / "preparation.json").write_text(json.dumps(prepared))
    scene = ("-o", tmp_path / "scene.h5", "--png", tmp_path / "scene.png", "--threads", 1)
    assert main("predict", measured / "scan.cxi", "--checkpoint", tmp_path, *scene) == 0
    warned = [line for line in capsys.readouterr().err.splitlines() if "has no structure" in line]
    assert len(warned) == bool(told)
    for channel in told:
        spread = expected[channel] * {"amplitude": 0.5, "phase": 2.0}[channel]
        assert f"{channel} has a standard deviation of 0, the training labels had {spread:g}" in warned[0]


@pytest.mark.parametrize(("deviation", "least", "most"), [(1e-3, 1, 30), (0.1, 200, 255)])
def test_a_picture_shows_a_flat_scene_flat(tmp_path, deviation, least, most):
    """The colours of a scene with labels from 0.5 to 1 span at least a tenth."""
    image = np.random.default_rng(0).normal(0.8, deviation, (64, 64))
    with h5py.File(tmp_path / "scene.h5", "w") as file:
        file["scene/amplitude"] = file["scene/phase"] = image
        file["scene"].attrs.update(Normalisation(0.5, 1.0, -1.0, 1.0).as_attributes())
    draw_scene(tmp_path / "scene.h5", tmp_path / "scene.png")
    with Image.open(tmp_path / "scene.png") as picture:
        grey = np.asarray(picture.convert("L"))
    height, width = grey.shape
    inside = grey[height // 4 : height // 2, width // 8 : width // 4]  # of the left panel, the amplitude
    assert least <= np.ptp(inside) <= most


@pytest.mark.parametrize(
    ("low", "high", "ends"), [(0, 1, "neither"), (0.1, 1, "min"), (0, 0.9, "max"), (0.1, 0.9, "both")]
)
def test_a_colour_bar_points_where_values_lie_beyond_it(low, high, ends):
    image = np.linspace(0, 1, 12).reshape(3, 4)
    image[1, 1] = np.nan
    assert Picture("", image, Normalize(low, high), "gray", "").beyond == ends
