"""A scan becomes an object, a run, a scene and pictures; what was trained otherwise is told."""

import json
import re
import shutil
from dataclasses import asdict

import h5py
import numpy as np
import onnx
import pandas as pd
import pytest
import tifffile
from PIL import Image

from ptychoformer.evaluation.network import TrainedNetwork
from ptychoformer.provenance import sidecar

from .conftest import called, main, write_scan


def test_from_patterns_to_pictures(scan, tmp_path, capsys):
    """A scan is looked at, reconstructed, learnt and predicted, and every file is read back."""
    made = tmp_path / "made"
    assert called("inspect", scan).returncode == 0
    arguments = ("--iterations", 20, "--probe-known", "--threads", 1, "--png", made / "object.png")
    assert main("reconstruct", scan, "-o", made / "object.h5", *arguments) == 0
    history = pd.read_csv(made / "object.convergence.csv")
    assert len(history) == 20
    assert history["r_factor"].iloc[-1] < 0.3 * history["r_factor"].iloc[0]
    assert "R factor" in capsys.readouterr().out
    arguments = ("--epochs", 1, "--batch-size", 16, "--threads", 1, "--patterns", 40, "--option", "attention=none")
    arguments += ("--initialisation", "glorot", "--inputs", "sqrt", "--batch-norm", "keras")
    assert main("train", scan, "--object", made / "object.h5", "-o", made / "run", *arguments) == 0
    run = made / "run"
    assert sorted(path.name for path in run.iterdir()) == sorted(
        [
            "dataset.cxi",
            "history.csv",
            "judgement.json",
            "model.pt",
            "model.pt.provenance.json",
            "object.h5",
            "preparation.json",
        ]
    )
    prepared = json.loads((run / "preparation.json").read_text())
    assert all(0.05 < deviation < 0.5 for deviation in prepared.pop("label_deviation").values())
    seen = prepared.pop("seen")
    assert np.shape(seen["mean_pattern"]) == (16, 16)
    assert np.sum(seen["mean_pattern"]) == pytest.approx(1, abs=1e-3)
    assert seen["photons"] == sorted(seen["photons"])
    read = {"crop": 32, "bin": 1, "window": [32, 32], "positions_axes": "x,y", "positions_turn": 0, "mask": None}
    assert prepared == read | {"pixel_size": pytest.approx(1e-8)}
    trained = json.loads((run / "model.pt.provenance.json").read_text())
    expected = {"kind": "ptychoformer", "options": {"attention": "none"}, "initialisation": "glorot", "inputs": "sqrt"}
    expected |= {"batch_norm": "keras"}
    assert trained["configuration"]["model"] == asdict(TrainedNetwork(run / "model.pt").model) == expected
    done = called(
        "predict",
        scan,
        "--checkpoint",
        run,
        "-o",
        made / "scene.h5",
        "--png",
        made / "scene.png",
        "--tiff",
        made / "scene",
    )
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"112 patterns in [\d.]+ s, \d+ patterns per second\n", done.stdout)
    check_scene(made, scan, run)


def check_scene(made, scan, run):
    with h5py.File(made / "scene.h5") as file:
        amplitude, phase = file["scene/amplitude"][:], file["scene/phase"][:]
        assert file["scene"].attrs["pixel_size"] == pytest.approx(1e-8)
        assert file["positions"].shape == (112, 2)
    assert np.isfinite(amplitude).mean() > 0.9
    for name, image in (("amplitude", amplitude), ("phase", phase)):
        np.testing.assert_array_equal(tifffile.imread(made / f"scene_{name}.tif"), image)
    for name in ("scene", "object"):
        with Image.open(made / f"{name}.png") as picture:
            assert np.ptp(np.asarray(picture.convert("L"))) > 200
    record = json.loads(sidecar(made / "scene.h5").read_text())
    assert record["configuration"]["scan"] == scan.name
    assert record["configuration"]["scan_bytes"] == scan.stat().st_size
    assert record["configuration"]["checkpoint"] == TrainedNetwork(run / "model.pt").digest
    assert record["patterns_per_second"] > 0
    assert record["device"] == "cpu"
    assert json.loads(sidecar(made / "object.h5").read_text())["configuration"]["engine"] == "rpie"


@pytest.mark.parametrize("step", [1, 3, 7])
def test_a_small_picture_is_made_of_means(tmp_path, step):
    from ptychoformer.publication.scan.pictures import decimated

    image = np.random.default_rng(0).random((50, 31)).astype(np.float32)
    image[10:20, 5:25] = np.nan
    with h5py.File(tmp_path / "scene.h5", "w") as file:
        found = decimated(file.create_dataset("image", data=image), step)
    assert found.shape == (-(-50 // step), -(-31 // step))
    for (row, column), value in np.ndenumerate(found):
        block = image[row * step : (row + 1) * step, column * step : (column + 1) * step]
        np.testing.assert_allclose(
            value, np.mean(block[np.isfinite(block)]) if np.isfinite(block).any() else np.nan, rtol=1e-5
        )


def test_a_scene_is_that_of_the_networks_patches(scan, run, tmp_path):
    assert main("predict", scan, "--checkpoint", run / "model.pt", "-o", tmp_path / "scene.h5", "--threads", 1) == 0
    with h5py.File(tmp_path / "scene.h5") as file:
        low, high = np.nanmin(file["scene/amplitude"]), np.nanmax(file["scene/amplitude"])
        # The prepared window is 16 pixels of 10 nm: binned patterns see less of the object, at the same pixels.
        assert file["scene/amplitude"].shape == tuple(np.ptp(np.floor(file["positions"][:] + 0.5), axis=0) + 16)
    assert -10 < low < high < 10


def test_phase_is_synchronised_when_asked_for(scan, run, tmp_path):
    images = {}
    for phase in ("plain", "synchronised"):
        arguments = (
            "--phase",
            phase,
            "--tie",
            0.5,
            "--threads",
            1,
            "--png",
            tmp_path / f"{phase}.png",
            "--tiff",
            tmp_path / phase,
        )
        assert main("predict", scan, "--checkpoint", run, "-o", tmp_path / f"{phase}.h5", *arguments) == 0
        with h5py.File(tmp_path / f"{phase}.h5") as file:
            images |= {f"{phase} {name}": array[:] for name, array in file["scene"].items()}
            told = dict(file["scene"].attrs)
        np.testing.assert_array_equal(tifffile.imread(tmp_path / f"{phase}_phase.tif"), images[f"{phase} phase"])
        record = json.loads(sidecar(tmp_path / f"{phase}.h5").read_text())["configuration"]
        assert told["phase"] == record["phase"] == phase
        assert told.get("tie") == record.get("tie") == (0.5 if phase == "synchronised" else None)
    np.testing.assert_array_equal(images["synchronised plain_phase"], images["plain phase"])
    difference = images["synchronised phase"] - images["plain phase"]
    assert 1e-4 < np.nanstd(difference) < 1
    assert (tmp_path / "plain.png").read_bytes() != (tmp_path / "synchronised.png").read_bytes()


def test_another_pixel_size_than_in_training_is_told(scan, run, tmp_path, capsys):
    assert main("predict", scan, "--checkpoint", run, "-o", tmp_path / "scene.h5", "--distance", 4, "--threads", 1) == 0
    assert "trained on pixels of 10 nm" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--positions-axes=y,x", "--positions-turn=90"])
def test_other_axes_than_in_training_are_told(scan, run, tmp_path, capsys, option):
    shutil.copytree(run, tmp_path / "run")
    prepared = json.loads((run / "preparation.json").read_text())
    (tmp_path / "run/preparation.json").write_text(
        json.dumps(prepared | {"positions_axes": "x,y", "positions_turn": 0})
    )
    for options, told in (((), False), ((option,), True)):
        arguments = ("--checkpoint", tmp_path / "run", "-o", tmp_path / f"{told}.h5", "--threads", 1, *options)
        assert main("predict", scan, *arguments) == 0
        assert ("was trained with --positions-axes=x,y --positions-turn=0, " in capsys.readouterr().err) == told
    (tmp_path / "run/preparation.json").write_text(json.dumps(prepared))  # as earlier trainings wrote it
    assert main("predict", scan, *arguments[:-1], option, "-o", tmp_path / "old.h5") == 0
    assert "was trained with" not in capsys.readouterr().err


def test_a_scan_without_the_mask_of_the_training_is_told(scan, run, tmp_path, capsys):
    shutil.copytree(run, tmp_path / "run")
    prepared = json.loads((run / "preparation.json").read_text())
    (tmp_path / "run/preparation.json").write_text(json.dumps(prepared | {"mask": "entry/pixel_mask"}))
    np.save(tmp_path / "mask.npy", np.eye(32, dtype=bool))
    for options, told in (((), True), (("--mask", tmp_path / "mask.npy"), False)):
        arguments = ("--checkpoint", tmp_path / "run", "-o", tmp_path / f"{told}.h5", "--threads", 1, *options)
        assert main("predict", scan, *arguments) == 0
        assert ("was trained with --mask entry/pixel_mask, " in capsys.readouterr().err) == told


def test_another_crop_than_in_training_is_told_where_pixels_have_no_size(run, tmp_path, capsys):
    scan = write_scan(tmp_path / "scan.cxi", optics=None)
    for crop, told in ((32, False), (16, True)):
        arguments = ("--crop", crop, "--bin", crop // 16, "--threads", 1)
        assert main("predict", scan, "--checkpoint", run, "-o", tmp_path / "scene.h5", *arguments) == 0
        assert ("was trained with --crop" in capsys.readouterr().err) == told


def test_a_broken_off_training_goes_on(scan, tmp_path, monkeypatch, capsys):
    object_file = tmp_path / "object.h5"
    assert main("reconstruct", scan, "-o", object_file, "--iterations", 2, "--probe-known", "--threads", 1) == 0
    from ptychoformer.training import fit

    run_epoch = fit.run_epoch

    def broken_off(runs):
        if runs[0].epoch == 1:
            raise KeyboardInterrupt
        return run_epoch(runs)

    arguments = (
        "train",
        scan,
        "--object",
        object_file,
        "-o",
        tmp_path / "run",
        "--epochs",
        2,
        "--model",
        "ptynet",
        "--threads",
        1,
    )
    monkeypatch.setattr(fit, "run_epoch", broken_off)
    capsys.readouterr()
    assert main(*arguments) == 130
    assert (
        capsys.readouterr().err.splitlines()[-1] == "Interrupted. The same command goes on after the last whole epoch."
    )
    monkeypatch.setattr(fit, "run_epoch", run_epoch)
    assert main(*arguments) == 0
    assert "Going on after epoch 1." in capsys.readouterr().err
    assert list(pd.read_csv(tmp_path / "run" / "history.csv")["epoch"]) == [1, 2]


def test_a_run_is_exported_with_what_its_folder_says(run, tmp_path, capsys):
    assert main("export", run, "--onnx", tmp_path / "deep" / "network.onnx") == 0
    assert capsys.readouterr().out == f"ptychonn for patterns of 16 x 16 pixels: {tmp_path / 'deep' / 'network.onnx'}\n"
    said = {entry.key: entry.value for entry in onnx.load(tmp_path / "deep" / "network.onnx").metadata_props}
    assert (said["crop"], said["bin"], said["window"], said["pixel_size"]) == ("32", "2", "[16, 16]", "1e-08")
    (tmp_path / "model.pt").write_bytes((run / "model.pt").read_bytes())
    assert main("export", tmp_path / "model.pt", "--onnx", tmp_path / "network.onnx") == 0
    assert "the file cannot say how frames are cropped and binned" in capsys.readouterr().err
