"""One scan from the command line: every command works, teaches, and fails in one sentence."""

import difflib
import errno
import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import onnx
import pandas as pd
import pytest
import tifffile
import torch
import yaml
from PIL import Image

from ptychoformer import cli
from ptychoformer.cli import inspect, networks, outputs, reconstruct, train
from ptychoformer.configuration import complete, load_schema
from ptychoformer.errors import InputError
from ptychoformer.evaluation.network import TrainedNetwork
from ptychoformer.files import locked
from ptychoformer.measurement.cxi import Optics, create_dataset
from ptychoformer.measurement.options import Patterns, Reading, ReconstructionOptions
from ptychoformer.measurement.summary import Facts, Fluence, nearest_step, overlap, probe_diameter, summarise
from ptychoformer.measurement.windows import windows
from ptychoformer.models import INITIALISATIONS, build
from ptychoformer.provenance import record, sidecar
from ptychoformer.simulation.diffraction import diffraction
from ptychoformer.training.checkpoint import Checkpoint, save_checkpoint
from ptychoformer.training.entries import LossEntry, NetworkEntry
from ptychoformer.training.inputs import INPUTS
from ptychoformer.training.normalisation import Normalisation
from ptychoformer.training.options import TrainingOptions
from ptychoformer.training.pace import batches

ROOT = Path(__file__).resolve().parents[1]
WINDOW = 32
OPTICS = Optics(wavelength=1.4e-10, pixel_size=1e-8, distance=2.0)
COMMANDS = ("inspect", "reconstruct", "train", "predict", "export")
NORMALISATION = Normalisation(0.5, 1.0, -1.0, 1.0)


def save_network(path, kind, window, weights):
    """A checkpoint with no options that sees logarithms."""
    save_checkpoint(Checkpoint(NetworkEntry(kind, {}), window, NORMALISATION, weights), path)


def write_scan(path, rows=14, columns=8, step=6, probe_known=True, optics=OPTICS):
    """A scan of a smooth object with a Gaussian probe; returns its path."""
    random = np.random.default_rng(0)
    corners = np.indices((rows, columns)).reshape(2, -1).T * step + random.integers(0, 3, (rows * columns, 2))
    corners -= corners.min(axis=0)
    y, x = np.indices(corners.max(axis=0) + WINDOW)
    thing = (0.8 + 0.2 * np.sin(y / 5) * np.cos(x / 7)) * np.exp(0.5j * np.sin(y / 9 + x / 6))
    y, x = np.indices((WINDOW, WINDOW)) - WINDOW // 2
    probe = (np.exp(-(y**2 + x**2) / (2 * 5.0**2)) * np.exp(0.02j * (y**2 + x**2))).astype(np.complex64)
    probe *= np.sqrt(2e5 / np.sum(np.abs(probe) ** 2))
    parts = dict(
        window=probe.shape, positions=corners.astype(float), optics=optics, probe=probe if probe_known else None
    )
    with create_dataset(path, **parts) as data:
        data[:] = np.rint(diffraction(probe * windows(thing, corners, probe.shape)))
    return path


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    return write_scan(tmp_path_factory.mktemp("scan") / "scan.cxi")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run's folder with a network that nobody trained."""
    folder = tmp_path_factory.mktemp("run")
    torch.manual_seed(0)
    network = build("ptychonn", (16, 16), {})
    save_network(folder / "model.pt", "ptychonn", (16, 16), network.state_dict())
    (folder / "preparation.json").write_text(json.dumps({"crop": 32, "bin": 2, "window": [16, 16], "pixel_size": 1e-8}))
    return folder


def called(*arguments):
    return subprocess.run([sys.executable, "-m", "ptychoformer", *map(str, arguments)], capture_output=True, text=True)


def main(*arguments):
    return cli.main([str(argument) for argument in arguments])


def one_sentence(capsys):
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith("Error: ")]
    assert len(error) == 1
    assert error[0].endswith(".")
    return error[0]


# Help


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(command, "--help")
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    assert "examples:" in text
    assert f"  ptychoformer {command} " in text
    assert len(text.splitlines()) > 25
    assert max(map(len, text.splitlines())) <= 140


def test_help_has_a_line_for_every_command(capsys):
    with pytest.raises(SystemExit):
        main("--help")
    about = capsys.readouterr().out.split("options:")[0]
    for command in COMMANDS:
        assert re.search(rf"^{command} {{2,}}\w", about, re.MULTILINE), command


def test_examples_of_help_can_be_parsed():
    for text in (command.EXAMPLES for command in cli.COMMANDS.values()):
        for line in text.splitlines()[1:]:
            words = line.split("   (")[0].split()
            assert words[0] == "ptychoformer"
            cli.parser().parse_args(words[1:])


def test_the_page_of_documentation_can_be_typed():
    text = (ROOT / "docs" / "own-scan.md").read_text(encoding="utf-8")
    lines = re.findall(r"^ {4}ptychoformer (.*)$", text, re.MULTILINE)
    assert {line.split()[0] for line in lines} == set(COMMANDS)
    for line in lines:
        cli.parser().parse_args(line.split("#")[0].split())


def test_the_overlay_of_the_documentation_is_a_config():
    text = (ROOT / "docs" / "own-scan.md").read_text(encoding="utf-8")
    overlay = yaml.safe_load(
        "\n".join(line[4:] for line in text[text.index("    pathvars:") :].split("\n\n")[0].splitlines())
    )
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    completed = complete(merged(config, overlay), load_schema(ROOT))
    assert completed["datasets"]["mine"]["geometry"]["detector_pixel"] == 75e-6


def merged(config, overlay):
    both = {
        key: merged(config[key], overlay[key])
        for key in config.keys() & overlay.keys()
        if isinstance(config[key], dict)
    }
    return config | overlay | both


@pytest.mark.parametrize("arguments", [[], ["--help"], ["inspect"]])
def test_what_needs_neither_torch_nor_pictures_imports_neither(arguments, scan):
    program = f"""
import sys
from ptychoformer.cli import main
try:
    main({[*arguments, str(scan)] if arguments == ["inspect"] else arguments!r})
except SystemExit:
    pass
sys.exit(any(name in sys.modules for name in ("torch", "matplotlib", "pandas", "tifffile")))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_defaults_are_those_of_the_workflow():
    schema = load_schema(ROOT)
    options = cli.parser().parse_args(["train", "scan.cxi", "--object", "o.h5", "-o", "run"])
    assert train.training_options(options, 2928) == TrainingOptions()  # the paper's number of training patterns
    models = schema["properties"]["models"]["additionalProperties"]["properties"]
    assert {name: getattr(options, name) for name in ("initialisation", "inputs")} == {
        name: models[name]["default"] for name in ("initialisation", "inputs")
    }
    assert {*INITIALISATIONS, None} == set(models["initialisation"]["enum"])
    assert list(INPUTS) == models["inputs"]["enum"]
    options = cli.parser().parse_args(["reconstruct", "scan.cxi", "-o", "o.h5", "--refine-positions"])
    reconstruction = {
        name: part["default"]
        for name, part in schema["$defs"]["measured"]["properties"]["reconstruction"]["properties"].items()
    }
    assert reconstruct.reconstruction_options(options) == ReconstructionOptions(**reconstruction)


@pytest.mark.parametrize(
    ("given", "patterns", "helps"),
    [
        ([], 314, False),  # batches are as small as they get, there would be as many
        ([], 2928, True),
        (["--epochs", "5"], 314, True),
        (["--batch-size", "32"], 2928, False),
        (["--batch-size", "32", "--epochs", "5"], 2928, True),
    ],
)
def test_fewer_patterns_are_advised_where_they_make_a_training_shorter(given, patterns, helps):
    options = cli.parser().parse_args(["train", "scan.cxi", "--object", "o.h5", "-o", "run", *given])
    work = []
    for count in (patterns, patterns // 2):
        how = train.training_options(options, count)
        fitted = count - round(how.validation_fraction * count)
        work.append(how.epochs * batches(fitted, how.batch_size) * how.batch_size)  # patterns that are passed
    assert (work[1] < 0.9 * work[0]) == helps
    advice = train.shorter(options, train.training_options(options, patterns).batch_size)
    assert ("--patterns" in advice) == helps
    assert all(option in advice for option in ("--crop", "--bin", "--epochs", "--model"))


@pytest.mark.parametrize(
    ("option", "wrong", "allowed"),
    [
        ("--iterations", "100001", "an integer of at least 1 and at most 100000"),
        ("--bin", "65", "an integer of at least 1 and at most 64"),
        ("--regularisation", "0", "a number greater than 0 and at most 1"),
        ("--momentum", "1", "a number at least 0 and less than 1"),
        ("--step", "0", "a number greater than 0"),
        ("--engine", "pie", "'pie' is not allowed; it must be one of epie, rpie"),
    ],
)
def test_what_the_config_refuses_the_command_line_refuses(capsys, option, wrong, allowed):
    with pytest.raises(SystemExit):
        cli.main(["reconstruct", "scan.cxi", "-o", "o.h5", option, wrong])
    assert allowed in capsys.readouterr().err


def test_losses_are_those_without_required_options(capsys):
    with pytest.raises(SystemExit):
        cli.main(["train", "scan.cxi", "object.h5", "-o", "run", "--loss", "weighted"])
    offered = capsys.readouterr().err.split("it must be one of ")[1].split(".")[0].split(", ")
    assert {"huber", "mae", "mse", "npcc", "nssim", "nssim_diffraction"} <= set(offered)


def test_a_loss_is_recorded_with_its_options():
    assert train.loss_entry("mse") == LossEntry("mse", {})
    assert train.loss_entry("huber") == LossEntry("huber", {"delta": 1})


# inspect


def test_inspect_says_what_a_scan_holds(scan, tmp_path, capsys):
    assert main("inspect", scan, "--png", tmp_path / "deep" / "scan.png") == 0
    text = capsys.readouterr().out
    for words in (
        "112, frames of 32 x 32 pixels",
        "wavelength 140 pm (photons of 8.856 keV)",
        "10 nm",
        "recorded, 14.1 pixels across",
    ):
        assert words in text
    with Image.open(tmp_path / "deep" / "scan.png") as picture:
        assert min(picture.size) > 500


def test_patterns_that_are_left_out_are_told_and_kept_if_asked(tmp_path, capsys):
    path = write_scan(tmp_path / "scan.cxi", rows=4, columns=5)
    with h5py.File(path, "a") as file:
        file["entry_1/data_1/data"][3:5] = 0
    assert main("inspect", path) == 0
    text = capsys.readouterr().out
    assert "  left out        2 empty (3-4)\n" in text
    assert "2 of 20 patterns hold no light, they are left out (--keep-frames keeps them): 3-4." in text
    for options, numbers in ((), [0, 1, 2, *range(5, 20)]), (("--keep-frames",), list(range(20))):
        assert main("reconstruct", path, "-o", tmp_path / "object.h5", "--iterations", 1, "--threads", 1, *options) == 0
        with h5py.File(tmp_path / "object.h5") as file:
            assert file["numbers"][:].tolist() == numbers
            assert len(file["positions"]) == len(numbers)
    capsys.readouterr()
    assert main("inspect", path, "--keep-frames", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["left_out"]["empty"] == []


def test_inspect_prints_the_same_as_json(scan, capsys):
    assert main("inspect", scan, "--json", "--crop", 16) == 0
    facts = json.loads(capsys.readouterr().out)
    assert list(facts) == list(Facts.__annotations__)
    assert list(facts["photons"]) == list(Fluence.__annotations__)
    assert facts["patterns"] == 112
    assert facts["window"] == [16, 16]
    assert facts["pixel_size"] == pytest.approx(2e-8)
    assert facts["energy_kev"] == pytest.approx(8.856, abs=1e-3)
    assert facts["extent_metres"][0] == pytest.approx(80e-8, rel=0.05)
    assert facts["extent_pixels"][0] == pytest.approx(40, rel=0.05)
    assert 0.6 < facts["overlap_of_windows"] < 0.9
    assert facts["warnings"] == []


def test_counts_are_those_of_the_patterns(scan):
    found = summarise(scan, Reading(), Patterns())
    with h5py.File(scan) as file:
        patterns = file["entry_1/data_1/data"][:]
    np.testing.assert_allclose(found.photons, patterns.sum(axis=(1, 2)), rtol=1e-6)
    np.testing.assert_allclose(found.mean, patterns.mean(axis=0), rtol=1e-5)
    assert found.brightest == patterns.max()


def test_positions_in_metres_are_shown_without_a_geometry(tmp_path, capsys):
    path = write_scan(tmp_path / "scan.cxi", rows=4)
    with h5py.File(path, "r+") as file:
        del file["ptychography"], file["entry_1/instrument_1/detector_1/distance"]
    assert main("inspect", path, "--png", tmp_path / "scan.png") == 0
    text = capsys.readouterr().out
    assert "not recorded: --distance" in text
    assert "not known without the geometry" in text
    assert "nm to the nearest neighbour" in text
    assert main("inspect", path, "--distance", 2) == 0
    assert "of the window's side" in capsys.readouterr().out


LENGTHS = {"wavelength": 1.4e-10, "distance": 2.0, "detector-pixel": 75e-6}


def write_plain(path, unit, positions=None, patterns=None):
    """An HDF5 file of no format, that records nothing but patterns (n, 16, 16) and positions (n, 2)."""
    random = np.random.default_rng(0)
    places = np.indices((6, 5)).reshape(2, -1).T if positions is None else positions
    with h5py.File(path, "w") as file:
        file["data"] = random.poisson(9.0, (len(places), 16, 16)) if patterns is None else patterns
        file["positions"] = places
        file["positions"].attrs["units"] = unit
    return path, "--data", "data", "--positions", "positions"


@pytest.mark.parametrize("given", [(), ("wavelength",), ("distance", "detector-pixel"), ("wavelength", "distance")])
@pytest.mark.parametrize("unit", ["m", "um", "pixel"])
def test_what_is_said_of_lengths_is_true_of_the_scans_positions(tmp_path, capsys, unit, given):
    scale = {"m": 1e-7, "um": 0.1, "pixel": 1.0}[unit]
    scan = write_plain(tmp_path / "scan.h5", unit, 4 * scale * np.indices((6, 5)).reshape(2, -1).T)
    lengths = [f"--{name}={LENGTHS[name]}" for name in given]
    missing = [name for name in LENGTHS if name not in given]
    assert main("inspect", *scan, *lengths) == 0
    text = capsys.readouterr().out
    assert f"not recorded: {', '.join(f'--{name}' for name in missing)}" in text
    in_pixels = unit == "pixel"
    assert ("lengths are in pixels." in text) == ("not known, lengths are in pixels\n" in text) == in_pixels
    assert ("positions in metres" in text) == ("not known, lengths are in metres\n" in text) == (not in_pixels)
    assert re.search(r"step +4 pixels" if in_pixels else r"step +400 nm", text)
    code = main("reconstruct", *scan, *lengths, "-o", tmp_path / "object.h5", "--iterations", 1, "--threads", 1)
    said = capsys.readouterr().err
    assert code == (0 if in_pixels else 1)
    if not in_pixels:
        needed = f"give {' and '.join(f'--{name}' for name in missing)} in metres (geometry in a config)."
        assert needed in text
        assert said.splitlines()[-1].endswith(needed)
        assert main("inspect", *scan, *(f"--{name}={value}" for name, value in LENGTHS.items()), "--json") == 0
        assert json.loads(capsys.readouterr().out)["warnings"] == []


def test_positions_that_no_instrument_has_are_told_without_a_geometry(tmp_path, capsys):
    """Micrometres taken for metres."""
    assert main("inspect", *write_plain(tmp_path / "scan.h5", "m")) == 0
    assert "no instrument has an extent of the scan of 5 m; lengths must be in metres." in capsys.readouterr().out


@pytest.mark.parametrize("unit", ["m", "pixel"])
def test_patterns_with_light_at_one_position_alone_are_no_scan(tmp_path, capsys, unit):
    positions = np.array([[0.0, 0], [0, 0], [0, 0], [5e-6, 0], [0, 5e-6], [5e-6, 5e-6]])
    patterns = np.random.default_rng(0).poisson(9.0, (6, 16, 16)) * (np.arange(6) < 3)[:, None, None]
    assert main("inspect", *write_plain(tmp_path / "scan.h5", unit, positions, patterns)) == 1
    assert "all patterns that can be used have the same position" in one_sentence(capsys)


def test_a_scan_without_geometry_is_measured_in_pixels(tmp_path, capsys):
    path = write_scan(tmp_path / "scan.cxi", rows=4, optics=None, probe_known=False)
    assert main("inspect", path, "--png", tmp_path / "scan.png") == 0
    text = capsys.readouterr().out
    assert "not recorded: --wavelength, --distance, --detector-pixel" in text
    assert "lengths are in pixels" in text
    assert re.search(r"probe +not recorded", text)


def test_step_overlap_and_diameter_are_those_of_geometry():
    corners = np.indices((5, 6)).reshape(2, -1).T * 7.0
    assert nearest_step(np.concatenate([corners, corners])) == pytest.approx(7)
    y, x = np.indices((128, 128)) - 64
    assert probe_diameter((np.hypot(y, x) < 20).astype(complex)) == pytest.approx(40, rel=0.02)
    assert probe_diameter(np.exp(-(y**2 + x**2) / (4 * 6.0**2))) == pytest.approx(4 * 6, rel=0.01)
    assert overlap(7, 28) == 0.75
    assert overlap(30, 28) == 0


# All four


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
    arguments += ("--initialisation", "glorot", "--inputs", "sqrt")
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
    assert prepared == {"crop": 32, "bin": 1, "window": [32, 32], "pixel_size": pytest.approx(1e-8)}
    trained = json.loads((run / "model.pt.provenance.json").read_text())
    expected = {"kind": "ptychoformer", "options": {"attention": "none"}, "initialisation": "glorot", "inputs": "sqrt"}
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


def test_another_crop_than_in_training_is_told_where_pixels_have_no_size(run, tmp_path, capsys):
    scan = write_scan(tmp_path / "scan.cxi", optics=None)
    for crop, told in ((32, False), (16, True)):
        arguments = ("--crop", crop, "--bin", crop // 16, "--threads", 1)
        assert main("predict", scan, "--checkpoint", run, "-o", tmp_path / "scene.h5", *arguments) == 0
        assert ("was trained with --crop" in capsys.readouterr().err) == told


def test_a_window_that_cuts_the_probe_is_told(scan, capsys):
    for bin, told in ((1, False), (2, False), (4, True)):
        assert main("inspect", scan, "--bin", bin) == 0
        assert ("of the probe's light" in capsys.readouterr().out) == told


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


# Networks of one's own, and curves

OWN = """from torch import nn


def build(window, *, width: int = 4):
    return nn.Sequential(nn.Conv2d(1, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, 2, 3, padding=1))
"""


@pytest.fixture(scope="module")
def learn(scan, tmp_path_factory):
    """Train for a moment on the scan; returns the exit code."""
    folder = tmp_path_factory.mktemp("reconstructed")
    assert (
        main("reconstruct", scan, "-o", folder / "object.h5", "--iterations", 2, "--probe-known", "--threads", 1) == 0
    )

    def trained(run, *options, model="ptynet", epochs=1):
        made = ("--object", folder / "object.h5", "-o", run, "--epochs", epochs, "--model", model, "--threads", 1)
        return main("train", scan, *made, *options)

    return trained


@pytest.mark.parametrize("how", ["path", "relative path", "dotted name"])
def test_a_network_of_ones_own_is_trained_and_predicts_from_anywhere(scan, learn, tmp_path, monkeypatch, how):
    name = f"own_{how.replace(' ', '_')}"
    (tmp_path / f"{name}.py").write_text("")
    (tmp_path / name).mkdir()
    (tmp_path / name / "net.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    kinds = {"path": tmp_path / name / "net.py", "relative path": f"{name}/net.py", "dotted name": f"{name}.net"}
    (tmp_path / f"{name}.py").unlink()
    run = tmp_path / "run"
    assert learn(run, "--option", "width=3", model=kinds[how]) == 0
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert main("predict", scan, "--checkpoint", run, "-o", "scene.h5", "--threads", 1) == 0
    expected = f"{name}.net" if how == "dotted name" else str(tmp_path / name / "net.py")
    facts = json.loads((run / "model.pt.provenance.json").read_text())
    assert facts["configuration"]["model"]["kind"] == expected
    assert facts["configuration"]["model"]["options"] == {"width": 3}
    assert facts["network_file"] == str(tmp_path / name / "net.py")


@pytest.mark.parametrize(
    ("model", "options", "words"),
    [
        ("gone.py", (), "there is no file '/.*gone.py'"),
        ("gone.net", (), "there is no module 'gone.net' that can be imported"),
        ("empty.py", (), "empty.py defines no function 'build"),
        ("own.py", ("--option", "widht=3"), "is not name=value with an option of .*own.py; did you mean 'width'"),
        ("own.py", ("--option", "width=wide"), "--option width: 'wide' is not allowed; it must be an integer"),
        ("dpi", ("--option", "siez=small"), "an option of dpi; did you mean 'size'"),
        (
            "broken.py",
            (),
            r"The network '.*broken.py' cannot be built: ZeroDivisionError: division by zero \(broken.py",
        ),
    ],
)
def test_a_network_that_cannot_be_used_is_one_sentence(learn, tmp_path, monkeypatch, capsys, model, options, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.py").write_text("")
    (tmp_path / "own.py").write_text(OWN)
    (tmp_path / "broken.py").write_text("def build(window):\n    return 1 / 0\n")
    capsys.readouterr()
    assert learn("run", *options, model=model) == 1
    assert re.search(words, capsys.readouterr().err.splitlines()[-1])


@pytest.fixture
def board(monkeypatch):
    """TensorBoard's writer, which remembers what it was told; its fault is an error to raise."""

    class Board:
        points, fault, fault_at_the_end = [], None, None

        class SummaryWriter:
            def __init__(self, folder, purge_step):
                self.folder = folder
                Board.points.append(("from", str(folder), purge_step))

            def add_scalar(self, tag, value, step):
                if Board.fault:
                    raise Board.fault
                Board.points.append((tag, value, step))

            def flush(self):
                pass

            def close(self):
                Board.points.append(("closed",))
                if Board.fault_at_the_end:
                    raise Board.fault_at_the_end

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", Board)
    return Board


def test_curves_are_those_of_the_history_and_go_on_where_an_interrupted_training_does(
    learn, board, tmp_path, monkeypatch, capsys
):
    from ptychoformer.training import fit

    run_epoch = fit.run_epoch
    monkeypatch.setattr(fit, "run_epoch", lambda runs: _interrupted_after(run_epoch, runs, 2))
    run, folder = tmp_path / "run", tmp_path / "curves"
    assert learn(run, "--tensorboard", folder, epochs=3) == 130
    monkeypatch.setattr(fit, "run_epoch", run_epoch)
    assert learn(run, "--tensorboard", folder, epochs=3) == 0
    history = pd.read_csv(run / "history.csv")
    assert [point for point in board.points if point[0] in ("from", "closed")] == [
        ("from", str(folder), 1),
        ("closed",),
        ("from", str(folder), 3),
        ("closed",),
    ]
    columns = {"loss/training": "train_loss", "loss/validation": "validation_loss", "learning rate": "learning_rate"}
    for tag, column in columns.items():
        told = [point[1:] for point in board.points if point[0] == tag]
        assert [step for _, step in told] == [1, 2, 3]
        assert [value for value, _ in told] == pytest.approx(list(history[column]), rel=1e-6)


def _interrupted_after(run_epoch, runs, epoch):
    if runs[0].epoch == epoch:
        raise KeyboardInterrupt
    return run_epoch(runs)


def test_a_training_outlives_its_curves(learn, board, tmp_path, capsys):
    board.fault = OSError("disk full\nat length")
    assert learn(tmp_path / "run", "--tensorboard", tmp_path / "curves", epochs=2) == 0
    told = [line for line in capsys.readouterr().err.splitlines() if "TensorBoard" in line]
    assert told == ["The curves for TensorBoard end before epoch 1 (disk full)."]


def test_a_training_that_ended_outlives_the_end_of_its_curves(learn, board, tmp_path, capsys):
    board.fault_at_the_end = OSError("disk full")
    assert learn(tmp_path / "run", "--tensorboard", tmp_path / "curves", epochs=2) == 0
    assert "The curves for TensorBoard end before all was written (disk full)." in capsys.readouterr().err


@pytest.mark.parametrize(
    "error", [ImportError("No module named 'tensorboard'"), TypeError("Descriptors cannot be created\ndirectly")]
)
def test_a_tensorboard_that_is_missing_or_broken_is_told_before_any_work(learn, tmp_path, monkeypatch, capsys, error):
    class Missing:
        def __getattr__(self, name):
            raise error

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", Missing())
    assert learn(tmp_path / "run", "--tensorboard", tmp_path / "curves") == 1
    said = one_sentence(capsys)
    assert "--tensorboard needs the package tensorboard, which cannot be imported (" in said
    assert "`pip install tensorboard` installs it." in said
    assert not (tmp_path / "curves").exists()
    assert not (tmp_path / "run" / "dataset.cxi").exists()


def test_a_folder_for_curves_that_is_a_file_is_told_before_any_work(learn, board, tmp_path, capsys):
    (tmp_path / "curves").write_text("")
    assert learn(tmp_path / "run", "--tensorboard", tmp_path / "curves") == 1
    assert "cannot be made" in one_sentence(capsys) or "is a" in one_sentence(capsys)
    assert not (tmp_path / "run" / "dataset.cxi").exists()


@pytest.mark.slow
def test_tensorboard_itself_shows_the_history(learn, tmp_path):
    loader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    assert learn(tmp_path / "run", "--tensorboard", tmp_path / "curves", epochs=2) == 0
    shown = loader.EventAccumulator(str(tmp_path / "curves")).Reload().Scalars("loss/validation")
    history = pd.read_csv(tmp_path / "run" / "history.csv")
    assert [point.step for point in shown] == [1, 2]
    assert [point.value for point in shown] == pytest.approx(list(history["validation_loss"]), rel=1e-5)


# What goes wrong


def wrong(scan, run, folder):
    """Every mistake, and a part of the sentence that it gets."""
    truncated = folder / "truncated.cxi"
    truncated.write_bytes(scan.read_bytes()[:20_000])
    nothing = folder / "nothing.cxi"
    poisoned = folder / "poisoned.cxi"
    poisoned.write_bytes(scan.read_bytes())
    with h5py.File(poisoned, "r+") as file:
        file["entry_1/data_1/data"][7, 3, 4] = np.nan
    unknown = write_scan(folder / "unknown.cxi", rows=3, probe_known=False)
    text = folder / "text.pt"
    text.write_text("no checkpoint")
    model = folder / "model.h5"  # as somebody may have called it
    model.write_bytes((run / "model.pt").read_bytes())
    scene = folder / "scene.h5"
    with h5py.File(scene, "w") as file:
        file["scene/amplitude"] = np.ones((4, 4))
    other = folder / "o.h5"
    plain = folder / "plain"
    plain.write_text("a file, no folder")
    own = folder / "own.h5"
    own.write_bytes(scan.read_bytes())
    a_folder = folder / "folder.h5"
    a_folder.mkdir()
    reconstruct, train, predict = (
        ("reconstruct", scan, "-o", other),
        ("train", scan, "--object", other, "-o", folder / "run"),
        ("predict", scan, "--checkpoint", run, "-o", other),
    )
    return {
        "missing": (("inspect", nothing), "does not exist"),
        "folder": (("inspect", folder), "is no regular file"),
        "truncated": (("inspect", truncated), "is still being written or copied, or was truncated"),
        "NaN": (("inspect", poisoned), "pattern 7 holds NaN"),
        "NaN predicted": (("predict", poisoned, "--checkpoint", run, "-o", other), "pattern 7 holds NaN"),
        "another format": (("inspect", scan, "--format", "velociprobe"), "cannot be read"),
        "centre outside": (("inspect", scan, "--centre", 200, 3), "does not lie in the frame"),
        "crop too large": (("inspect", scan, "--crop", 64), "a crop of 64 pixels around (16, 16) does not fit"),
        "crop and bin": (("inspect", scan, "--crop", 30, "--bin", 4), "crop must be a multiple of bin"),
        "output is input": (("reconstruct", own, "-o", own), "would be replaced"),
        "scene is scan": (("predict", own, "--checkpoint", run, "-o", own), "would be replaced"),
        "scene is model": (("predict", scan, "--checkpoint", model, "-o", model), "would be replaced"),
        "object is object": (("train", scan, "--object", folder / "object.h5", "-o", folder), "would be replaced"),
        "output is a folder": (("reconstruct", scan, "-o", a_folder), "is a folder"),
        "folder is a file": (("reconstruct", scan, "-o", plain / "o.h5"), "cannot be made"),
        "no probe": (("reconstruct", unknown, "-o", other, "--probe-known"), "holds no probe"),
        "no object": (train, "does not exist"),
        "unknown option": ((*train, "--option", "colour=red"), "allowed are attention, blocks, decoder, constraints"),
        "wrong value": ((*train, "--option", "attention=some"), "must be one of paper, release, mhsa, none"),
        "no value": ((*train, "--option", "attention"), "is not name=value"),
        "window of training": ((*train, "--crop", 24), "multiples of 32 pixels, found 24 x 24; --bin 1 leaves too few"),
        "window suggested": (
            (*train, "--crop", 28, "--model", "dpi"),
            "multiples of 16 pixels, found 28 x 28; --crop 16 would do",
        ),
        "no checkpoint": (("predict", scan, "--checkpoint", folder / "none", "-o", other), "does not exist"),
        "a scene for an object": (
            ("train", scan, "--object", scene, "-o", folder / "run"),
            "is no reconstruction of this project",
        ),
        "nowhere to write": (("reconstruct", scan, "-o", "/proc/o.h5"), "cannot be written into the folder /proc"),
        "damaged checkpoint": (("predict", scan, "--checkpoint", text, "-o", other), "cannot be read as a checkpoint"),
        "checkpoint of another window": ((*predict, "--bin", 1), "patterns of 16 x 16 pixels"),
        "window fits": ((*predict, "--bin", 1), "; --crop 32 --bin 2 would fit"),
        "no run to export": (("export", folder / "none", "--onnx", folder / "n.onnx"), "none does not exist"),
        "damaged run to export": (("export", text, "--onnx", folder / "n.onnx"), "cannot be read as a checkpoint"),
        "a scan to export": (("export", own, "--onnx", folder / "n.onnx"), "cannot be read as a checkpoint"),
        "reconstruction of a scene": ((*reconstruct, "--crop", 9, "--bin", 3), "crop must be a multiple of bin"),
    }


@pytest.fixture(scope="module")
def mistakes(scan, run, tmp_path_factory):
    return wrong(scan, run, tmp_path_factory.mktemp("wrong"))


def test_every_mistake_gets_one_sentence(mistakes, capsys):
    for name, (arguments, words) in mistakes.items():
        before = {path: path.stat().st_mtime_ns for path in Path(arguments[1]).parent.iterdir()}
        code = main(*arguments)
        sentence = one_sentence(capsys)
        assert code == 1, name
        assert words in sentence, name
        assert {path: path.stat().st_mtime_ns for path in before if path.exists()} == before, name


def test_a_side_that_is_no_power_of_two_gets_a_suggestion():
    with pytest.raises(InputError, match="a power of two, found 96 x 96; --crop 128 would do"):
        networks.check_window(NetworkEntry("ptychoformer", {}), SimpleNamespace(window=(96, 96)), bin=2)


OWN_NETWORK = """
from torch import nn


def build(window, *, width: int = 8) -> nn.Module:
    if {wrong}:
        raise {error}
    return nn.Conv2d(1, 2, 3, padding=1)
"""


@pytest.mark.parametrize("side", [32, 64, 128])
@pytest.mark.parametrize("error", ["ValueError('no file weights.pt')", "KeyError('theta')", "RuntimeError('--bin')"])
def test_what_no_crop_mends_is_not_told_with_one(tmp_path, side, error):
    own = tmp_path / "own.py"
    own.write_text(OWN_NETWORK.format(wrong=True, error=error))
    for model in (NetworkEntry(str(own), {}), NetworkEntry("ptychoformer", {"no_such_option": 1})):
        with pytest.raises(InputError) as caught:
            train.check_window(model, SimpleNamespace(window=(side, side)), 1)
        assert "--crop" not in str(caught.value)


@pytest.mark.parametrize(("side", "advised"), [(320, 256), (96, 64), (48, 32), (40, 32)])
def test_a_crop_that_is_advised_would_do(side, advised):
    model = NetworkEntry("ptychoformer", {})
    with pytest.raises(InputError, match=f"--crop {advised} would do"):
        train.check_window(model, SimpleNamespace(window=(side, side)), 1)
    train.check_window(model, SimpleNamespace(window=(advised, advised)), 1)


def test_a_crop_is_advised_that_a_network_of_ones_own_takes(tmp_path):
    own = tmp_path / "own.py"
    own.write_text(OWN_NETWORK.format(wrong="window[0] > 32", error="ValueError('patterns are too wide')"))
    model = NetworkEntry(str(own), {})
    with pytest.raises(InputError, match=r"patterns are too wide.*; --crop 64 would do"):
        train.check_window(model, SimpleNamespace(window=(64, 64)), 2)


def test_a_folder_that_may_not_be_written_to_is_found_before_the_work(scan, tmp_path, monkeypatch, capsys):
    def forbidden(dir):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(outputs.tempfile, "TemporaryFile", forbidden)
    assert main("reconstruct", scan, "-o", tmp_path / "object.h5") == 1
    assert f"cannot be written into the folder {tmp_path}: Permission denied" in one_sentence(capsys)


@pytest.mark.parametrize("text", ["hello", "two\nlines\n", "", "]", "\x80\x02."])
def test_whatever_is_no_checkpoint_is_refused(scan, tmp_path, capsys, text):
    (tmp_path / "model.pt").write_text(text, encoding="latin-1")
    assert main("predict", scan, "--checkpoint", tmp_path, "-o", tmp_path / "scene.h5", "--threads", 1) == 1
    assert "cannot be read as a checkpoint" in one_sentence(capsys)


def test_two_trainings_do_not_write_into_one_folder(scan, tmp_path, capsys):
    run = tmp_path / "run"
    run.mkdir()
    with locked(run):
        assert main("train", scan, "--object", tmp_path / "object.h5", "-o", run) == 1
    assert "run is being written into by another process" in one_sentence(capsys)
    assert not list(run.iterdir())
    with locked(run):  # it ends with the process, or before
        pass


def test_a_mistake_has_no_traceback(tmp_path):
    done = called("inspect", tmp_path / "none.cxi", "--png", tmp_path / "none.png")
    assert done.returncode == 1
    assert done.stderr == f"Error: {tmp_path / 'none.cxi'} does not exist.\n"
    assert done.stdout == ""
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("arguments", [["inspect", "SCAN"], ["inspect", "SCAN", "--json"]])
@pytest.mark.parametrize("errors_too", [False, True])
def test_a_reader_who_has_seen_enough_is_no_error(scan, arguments, errors_too):
    end, pipe = os.pipe()
    os.close(end)
    command = [
        sys.executable,
        "-m",
        "ptychoformer",
        *(str(scan) if argument == "SCAN" else argument for argument in arguments),
    ]
    done = subprocess.run(command, stdout=pipe, stderr=pipe if errors_too else subprocess.PIPE, text=True)
    os.close(pipe)
    assert done.returncode == 128 + signal.SIGPIPE
    assert not done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "required: COMMAND"),
        (
            ["guess"],
            "there is no command 'guess'; allowed are inspect, reconstruct, train, predict, export. `ptychoformer --help`",
        ),
        (["inspect"], "required: SCAN"),
        (["export"], "required: RUN, --onnx"),
        (["export", "run", "--onnx", "network.pb"], "the name of an ONNX file must end in .onnx"),
        (["inspect", "s.cxi", "--png", "s.pdf"], "must end in .png"),
        (
            ["inspect", "s.cxi", "--wavelength", "nan"],
            "'nan' is not allowed; it must be a number at least 1e-14 and at most 1e-05",
        ),
        (
            ["inspect", "s.cxi", "--detector-pixel", "75"],
            "'75' is not allowed; it must be a number at least 1e-07 and at most 0.01",
        ),
        (["reconstruct", "s.cxi", "-o", "o.png"], "the name of an HDF5 file must end in .h5 or .hdf5"),
        (["inspect", "s.cxi", "--bin", "0"], "must be an integer of at least 1"),
        (["reconstruct", "s.cxi"], "required: -o/--output"),
        (["reconstruct", "s.cxi", "-o", "o.h5", "--momentum", "1"], "at least 0 and less than 1"),
        (["reconstruct", "s.cxi", "-o", "o.h5", "--engine", "dm"], ": 'dm' is not allowed; it must be one of "),
        (
            ["train", "s.cxi", "--object", "o.h5", "-o", "run", "--loss", "weighted"],
            ": 'weighted' is not allowed; it must be one of ",
        ),
        (
            ["train", "s.cxi", "--object", "o.h5", "-o", "run", "--model", "resnet"],
            "there is no network 'resnet'; there are dpi, ",
        ),
        (
            ["train", "s.cxi", "--object", "o.h5", "-o", "run", "--inputs", "cube"],
            ": 'cube' is not allowed; it must be one of ",
        ),
        (
            ["train", "s.cxi", "--object", "o.h5", "-o", "run", "--initialisation", "he"],
            ": 'he' is not allowed; it must be one of ",
        ),
        (["predict", "s.cxi", "-o", "s.h5"], "required: --checkpoint"),
        (
            ["predict", "s.cxi", "--checkpoint", "r", "-o", "s.h5", "--phase", "unwrapped"],
            "--phase: 'unwrapped' is not allowed; it must be one of plain, synchronised. `ptychoformer predict --help`",
        ),
        (
            ["predict", "s.cxi", "--checkpoint", "r", "-o", "s.h5", "--tie", "-1"],
            "'-1' is not allowed; it must be a number at least 0",
        ),
        (
            ["predict", "s.cxi", "--checkpoint", "r", "-o", "s.h5", "--turbo"],
            "there is no option --turbo. `ptychoformer predict --",
        ),
        (["inspect", "s.cxi", "t.cxi"], "one argument too many, or one without its option: t.cxi. `ptychoformer insp"),
        (["inspect", "s.cxi", "--centre", "3"], "--centre: expected 2 arguments. `ptychoformer inspect --help`"),
        (["reconstruct", "s.cxi", "--r", "-o", "o.h5"], "ambiguous option: --r could match --re"),
    ],
)
def test_a_command_line_that_cannot_be_understood_is_explained(arguments, words, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(*arguments)
    assert stopped.value.code == 2
    said = capsys.readouterr()
    assert words in said.err
    assert said.err.startswith("Error: ")
    assert said.err.endswith(" --help` lists what there is.\n")
    assert said.err.count("\n") == 1
    assert said.out == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "s.cxi", "--objct", "o.h5", "-o", "run"], "no option --objct; did you mean '--object'?"),
        (["train", "s.cxi", "--object", "o.h5", "-o", "r", "--epoch-s=3"], "--epoch-s; did you mean '--epochs'?"),
        (["train", "s.cxi", "--learning_rate", "1"], "--learning_rate; did you mean '--learning-rate'?"),
        (["predict", "s.cxi", "--Checkpoint", "run"], "--Checkpoint; did you mean '--checkpoint'?"),
        (["reconstruct", "s.cxi", "-iterations", "9"], "no option -iterations; did you mean '--iterations'?"),
        (["inspect", "s.cxi", "-crop=9"], "no option -crop; did you mean '--crop'?"),
        (["inspect", "s.cxi", "--center", "3", "3"], "no option --center; did you mean '--centre'?"),
        (["inspect", "s.cxi", "--epochs", "3"], "no option --epochs. `ptychoformer inspect --help`"),
        (["export", "run", "--onxn", "n.onnx"], "no option --onxn; did you mean '--onnx'?"),
        (["--verison"], "no option --verison; did you mean '--version'? `ptychoformer --help`"),
        (["--crop", "9", "inspect", "s.cxi"], "no option --crop; options of a command come after its name."),
        (["recontruct", "s.cxi"], "no command 'recontruct'; did you mean 'reconstruct'?"),
        (["Train", "s.cxi"], "no command 'Train'; did you mean 'train'?"),
        (["inspct"], "no command 'inspct'; did you mean 'inspect'?"),
        (
            ["reconstruct", "s.cxi", "-o", "o.h5", "--engine", "rpei"],
            "--engine: 'rpei' is not allowed; it must be one of epie, rpie; did you mean 'rpie'?",
        ),
        (["inspect", "s.cxi", "--format", "ptycho"], "nanoprobe, hdf5; did you mean 'ptychodus'?"),
        (["predict", "s.cxi", "--phase", "synchronized"], "synchronised; did you mean 'synchronised'?"),
    ],
)
def test_what_may_have_been_meant_is_offered(arguments, words, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(*arguments)
    assert stopped.value.code == 2
    assert words in capsys.readouterr().err


def likeness(option, wrong):
    return difflib.SequenceMatcher(None, wrong[2:], option[2:]).ratio()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_found_with_a_letter_missing_twice_or_exchanged(command, capsys):
    whole = cli.parser()._subparsers._group_actions[0].choices[command]
    for option in (name for name in whole._option_string_actions if name.startswith("--") and name != "--help"):
        for wrong in (option[:3] + option[4:], option[:4] + option[3:], option[:3] + option[4:2:-1] + option[5:]):
            if any(name.startswith(wrong) for name in whole._option_string_actions):
                continue  # short for one, or several
            with pytest.raises(SystemExit):
                main(command, wrong, "1")
            guess = capsys.readouterr().err.split("did you mean '")[1].split("'")[0]
            assert likeness(guess, wrong) >= likeness(option, wrong)  # another one may be as near


@pytest.mark.parametrize(
    ("arguments", "name", "value"),
    [
        (["inspect", "s.cxi", "--positions-axes=-x,y"], "positions_axes", "-x,y"),
        (["reconstruct", "s.cxi", "-oo.h5"], "output", "o.h5"),
        (["reconstruct", "s.cxi", "--out", "o.h5"], "output", "o.h5"),
        (["inspect", "--", "--odd.cxi"], "scan", "--odd.cxi"),
        (["inspect", "-odd-.cxi", "--json"], None, None),
    ],
)
def test_what_argparse_takes_is_taken(arguments, name, value):
    if name is None:
        with pytest.raises(SystemExit):
            cli.parser().parse_args(arguments)
    else:
        assert getattr(cli.parser().parse_args(arguments), name) == value


def test_an_interruption_is_one_line(scan, monkeypatch, capsys):
    def interrupted(_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(inspect, "run", interrupted)
    assert main("inspect", scan) == 130
    assert capsys.readouterr().err == "Interrupted. Nothing was written.\n"


def test_a_network_that_answers_nan_leaves_an_earlier_scene(scan, tmp_path, capsys):
    network = build("ptychonn", (32, 32), {})
    weights = {
        name: torch.full_like(part, torch.nan) if part.is_floating_point() else part
        for name, part in network.state_dict().items()
    }
    save_network(tmp_path / "model.pt", "ptychonn", (32, 32), weights)
    (tmp_path / "scene.h5").write_text("earlier")
    made_of = {"scan": scan.name, "checkpoint": TrainedNetwork(tmp_path / "model.pt").digest}
    record(tmp_path / "scene.h5", made_of, 0.0, {})
    assert main("predict", scan, "--checkpoint", tmp_path, "-o", tmp_path / "scene.h5", "--threads", 1) == 1
    assert "answers pattern 0 with NaN" in one_sentence(capsys)
    assert (tmp_path / "scene.h5").read_text() == "earlier"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.pt", "scene.h5", "scene.h5.provenance.json"]


def test_a_checkpoint_of_no_known_network_is_refused(scan, tmp_path, capsys):
    save_network(tmp_path / "model.pt", "oracle", (32, 32), {})
    assert main("predict", scan, "--checkpoint", tmp_path, "-o", tmp_path / "scene.h5", "--threads", 1) == 1
    assert "holds a network 'oracle'" in one_sentence(capsys)


@pytest.mark.parametrize("pixel_size", ["-1e-8", "0", '"10 nm"', "[1]", "NaN", "Infinity"])
def test_a_damaged_pixel_size_is_refused(scan, tmp_path, capsys, pixel_size):
    (tmp_path / "preparation.json").write_text(f'{{"crop": 32, "bin": 2, "pixel_size": {pixel_size}}}')
    assert main("predict", scan, "--checkpoint", tmp_path / "model.pt", "-o", tmp_path / "o.h5") == 1
    assert "'pixel_size' must be a number of metres greater than 0, or null" in one_sentence(capsys)


def test_a_run_is_exported_with_what_its_folder_says(run, tmp_path, capsys):
    assert main("export", run, "--onnx", tmp_path / "deep" / "network.onnx") == 0
    assert capsys.readouterr().out == f"ptychonn for patterns of 16 x 16 pixels: {tmp_path / 'deep' / 'network.onnx'}\n"
    said = {entry.key: entry.value for entry in onnx.load(tmp_path / "deep" / "network.onnx").metadata_props}
    assert (said["crop"], said["bin"], said["window"], said["pixel_size"]) == ("32", "2", "[16, 16]", "1e-08")
    (tmp_path / "model.pt").write_bytes((run / "model.pt").read_bytes())
    assert main("export", tmp_path / "model.pt", "--onnx", tmp_path / "network.onnx") == 0
    assert "the file cannot say how frames are cropped and binned" in capsys.readouterr().err


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"crop": 0, "bin": 1}',
        '{"crop": "a"}',
        *(f'{{"crop": 1, "bin": 1, "label_deviation": {part}}}' for part in ("3", '{"phase": "a"}')),
    ],
)
def test_a_damaged_preparation_is_refused(scan, tmp_path, capsys, content):
    (tmp_path / "model.pt").write_text("")
    (tmp_path / "preparation.json").write_text(content)
    assert main("predict", scan, "--checkpoint", tmp_path, "-o", tmp_path / "scene.h5", "--threads", 1) == 1
    assert "delete it, and give --crop and --bin" in one_sentence(capsys)
