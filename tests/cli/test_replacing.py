"""A command replaces what it made of the same, and nothing else."""

import shutil
from functools import partial

import h5py
import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from ptychoformer import cli
from ptychoformer.cli import predict as prediction
from ptychoformer.cli import reconstruct as reconstruction
from ptychoformer.cli import train
from ptychoformer.files import alone
from ptychoformer.measurement.cxi import Optics, create_dataset
from ptychoformer.measurement.windows import windows
from ptychoformer.provenance import (
    _code,
    _first_content,
    _imports,
    _source,
    code_digest,
    read_provenance,
    sidecar,
)
from ptychoformer.simulation.diffraction import diffraction

WINDOW = 32


def write_scan(path, seed=0):
    """Patterns of a random object; those of all seeds take as many bytes."""
    path.parent.mkdir(exist_ok=True)
    random = np.random.default_rng(seed)
    corners = np.indices((14, 8)).reshape(2, -1).T * 6.0
    thing = 0.7 + 0.3 * random.random((14 * 6 + WINDOW, 8 * 6 + WINDOW))
    y, x = np.indices((WINDOW, WINDOW)) - WINDOW // 2
    probe = (30 * np.exp(-(y**2 + x**2) / 50) * np.exp(0.02j * (y**2 + x**2))).astype(np.complex64)
    optics = Optics(wavelength=1.4e-10, pixel_size=1e-8, distance=2.0)
    with create_dataset(path, window=(WINDOW, WINDOW), positions=corners, optics=optics, probe=probe) as data:
        data[:] = np.rint(diffraction(probe * windows(thing, corners.astype(int), probe.shape)))
    return path


def main(*arguments):
    return cli.main([*map(str, arguments)])


def reconstruct(scan, output, *more):
    return main("reconstruct", scan, "-o", output, "--iterations", 1, "--threads", 1, *more)


def learn(scan, thing, run, *more):
    how = ("--model", "ptynet", "--epochs", 1, "--patterns", 8, "--threads", 1)
    return main("train", scan, "--object", thing, "-o", run, *how, *more)


def predict(scan, run, output, *more):
    return main("predict", scan, "--checkpoint", run, "-o", output, "--threads", 1, *more)


def export(run, output):
    return main("export", run, "--onnx", output)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a scan, another of the same name and length, and what the commands make of the first."""
    folder = tmp_path_factory.mktemp("made")
    scan, other = write_scan(folder / "scan.cxi"), write_scan(folder / "day2" / "scan.cxi", seed=1)
    assert scan.stat().st_size == other.stat().st_size
    assert reconstruct(scan, folder / "object.h5") == reconstruct(other, folder / "day2" / "object.h5") == 0
    assert learn(scan, folder / "object.h5", folder / "run") == 0
    assert predict(scan, folder / "run", folder / "scene.h5") == 0
    assert export(folder / "run", folder / "network.onnx") == 0
    return folder


@pytest.fixture
def there(made, tmp_path):
    """A copy of all of it."""
    return shutil.copytree(made, tmp_path / "there")


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(capsys, folder, command, *words):
    """Whether a command ends with one sentence that holds all ``words`` and leaves every file as it was."""
    capsys.readouterr()
    before = contents(folder)
    assert command() == 1
    sentence = capsys.readouterr().err.splitlines()[-1]
    assert sentence.startswith("Error: ")
    for word in words:
        assert word in sentence
    assert contents(folder) == before


def test_the_same_command_again_replaces_what_it_made(there):
    scan, before = there / "scan.cxi", contents(there)
    assert reconstruct(scan, there / "object.h5") == 0
    assert learn(scan, there / "object.h5", there / "run") == 0
    assert predict(scan, there / "run", there / "scene.h5") == 0
    assert export(there / "run", there / "network.onnx") == 0
    assert contents(there).keys() == before.keys()
    for name in ("object.h5", "run/model.pt", "scene.h5"):
        assert (there / name).read_bytes() == before[there / name]
        assert (there / name).stat().st_mtime_ns > (there / "day2" / "scan.cxi").stat().st_mtime_ns


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--model", "dpi"), "--model ptynet (now dpi)"),
        (("--option", "size=large"), "--option size left out (now large)"),
        (("--seed", 1), "--seed 0 (now 1)"),
        (("--patterns", 9), "--patterns 8 (now 9)"),
        (("--epochs", 2), "--epochs 1 (now 2)"),
        (("--batch-size", 2), "--batch-size 4 (now 2)"),
        (("--learning-rate", 0.01), "--learning-rate 0.001 (now 0.01)"),
        (("--loss", "mae"), "--loss mse (now mae)"),
        (("--inputs", "sqrt"), "--inputs log (now sqrt)"),
        (("--initialisation", "glorot"), "--initialisation left out (now glorot)"),
        (("--batch-norm", "keras"), "--batch-norm left out (now keras)"),
        (("--crop", 16), "--crop 32 (now 16)"),
        (("--bin", 2), "--bin 1 (now 2)"),
        (("--distance", 2.5), "--distance left out (now 2.5)"),
        (("--seed", 1, "--loss", "mae"), "--loss mse (now mae) and --seed 0 (now 1)"),
    ],
)
def test_a_run_with_other_options_is_not_replaced(there, capsys, options, words):
    again = partial(learn, there / "scan.cxi", there / "object.h5", there / "run", *options)
    refused(capsys, there, again, "run/model.pt was made with", words, "name another folder with -o, or delete what")


def test_a_run_of_another_scan_or_object_is_not_replaced(there, capsys):
    day2 = there / "day2"
    again = partial(learn, day2 / "scan.cxi", day2 / "object.h5", there / "run")
    refused(capsys, there, again, "another scan of the name scan.cxi and another object")
    (there / "scan.cxi").rename(there / "renamed.cxi")
    again = partial(learn, there / "renamed.cxi", there / "object.h5", there / "run")
    refused(capsys, there, again, "the scan scan.cxi (now renamed.cxi)")
    again = partial(learn, day2 / "scan.cxi", day2 / "object.h5", there / "run", "--seed", 3)
    refused(capsys, there, again, "another scan of the name scan.cxi", "--seed 0 (now 3)")


def test_a_network_of_ones_own_that_was_edited_is_another(there, capsys):
    own = there / "own.py"
    own.write_text("from torch import nn\n\n\ndef build(window):\n    return nn.Conv2d(1, 2, 3, padding=1)\n")
    again = partial(learn, there / "scan.cxi", there / "object.h5", there / "own", "--model", own)
    assert again() == again() == 0
    own.write_text(own.read_text().replace("3, padding=1", "5, padding=2"))
    # In a notebook the old one would be trained for the new.
    refused(capsys, there, again, f"{own} changed since this process began to use '{own}'; start a new one")
    for seen in (_code, _first_content, _imports, _source, code_digest):  # by a process, once
        seen.cache_clear()
    refused(capsys, there, again, "another version of the network's file")


@pytest.mark.parametrize("name", ["object.h5", "dataset.cxi"])
@pytest.mark.parametrize("content", ["reconstruction", "scan", "text"])
def test_a_training_leaves_what_is_of_no_training(there, capsys, name, content):
    folder = there / "folder"
    folder.mkdir()
    if content == "text":
        (folder / name).write_text("notes")
    else:
        shutil.copy(there / {"reconstruction": "object.h5", "scan": "scan.cxi"}[content], folder / name)
    again = partial(learn, there / "scan.cxi", there / "object.h5", folder)
    refused(capsys, there, again, f"folder/{name} would be replaced, and is not of a training; name another folder")


def killed_at(calls, work):
    """``work`` that interrupts the process at one of its calls, counted from 1."""
    done = []

    def working(*what, **how):
        done.append(what)
        if len(done) == calls:
            raise KeyboardInterrupt
        return work(*what, **how)

    return working


@pytest.mark.parametrize("moment", ["record", "_judged", "_seen"])
def test_a_training_that_was_killed_before_all_was_written_goes_on(there, monkeypatch, capsys, moment):
    work = getattr(train, moment)

    def killed(*_, **__):
        raise KeyboardInterrupt

    again = partial(learn, there / "scan.cxi", there / "object.h5", there / "new")
    monkeypatch.setattr(train, moment, killed)
    assert again() == 130
    monkeypatch.setattr(train, moment, work)
    assert again() == 0
    assert "Going on after epoch 1." in capsys.readouterr().err
    assert sidecar(there / "new" / "model.pt").exists()


def test_an_object_is_replaced_with_other_options_of_the_same_scan_alone(there, capsys):
    scan, output = there / "scan.cxi", there / "object.h5"
    for more in (("--iterations", 2), ("--crop", 16), ("--distance", 3), ("--keep-frames",), ("--frc",)):
        assert reconstruct(scan, output, *more) == 0
    other = there / "day2" / "scan.cxi"
    sentence = ("object.h5 was made with another scan of the name scan.cxi; name another output",)
    refused(capsys, there, lambda: reconstruct(other, output), *sentence)
    (there / "object.h5").rename(there / "kept.h5")
    sidecar(output).rename(sidecar(there / "kept.h5"))
    other.rename(there / "other.cxi")
    half = partial(reconstruct, there / "other.cxi", output, "--frc")
    refused(capsys, there, half, "object.half1.h5 was made with the scan scan.cxi (now other.cxi)")


@pytest.mark.parametrize("more", [(), ("--frc",)])
def test_two_objects_whose_names_differ_in_their_ending_alone_do_not_share_what_lies_beside(there, capsys, more):
    assert reconstruct(there / "scan.cxi", there / "object.h5", "--frc") == 0
    for name, other in (("object.hdf5", "object.h5"), ("object.H5", "object.h5"), ("object.half1.hdf5", "half1.h5")):
        again = partial(reconstruct, there / "scan.cxi", there / name, *more)
        refused(capsys, there, again, f"{other} is there, and what lies beside it would be replaced", name)
    assert reconstruct(there / "scan.cxi", there / "object.h5", *more) == 0


def test_an_object_may_have_the_name_of_a_scan_or_a_scene_with_another_ending(there):
    shutil.copy(there / "scan.cxi", there / "beside.h5")
    assert reconstruct(there / "beside.h5", there / "beside.hdf5") == 0
    assert reconstruct(there / "scan.cxi", there / "scene.hdf5") == 0


def test_a_scene_is_replaced_with_other_options_of_the_same_scan_and_network_alone(there, capsys):
    scan, output = there / "scan.cxi", there / "scene.h5"
    for more in (("--phase", "synchronised"), ("--weighting", "uniform"), ("--distance", 3)):
        assert predict(scan, there / "run", output, *more) == 0
    assert predict(scan, there / "run", output) == 0
    refused(capsys, there, lambda: predict(there / "day2" / "scan.cxi", there / "run", output), "another scan")
    assert learn(scan, there / "object.h5", there / "other", "--seed", 1) == 0
    refused(capsys, there, lambda: predict(scan, there / "other", output), "scene.h5 was made with another network;")


def test_a_scan_whose_frames_were_transposed_is_another(there, capsys):
    day3 = there / "day3" / "scan.cxi"
    day3.parent.mkdir()
    shutil.copy(there / "scan.cxi", day3)
    with h5py.File(day3, "r+") as file:
        file["entry_1/data_1/data"][...] = file["entry_1/data_1/data"][...].transpose(0, 2, 1)
    assert day3.stat().st_size == (there / "scan.cxi").stat().st_size
    commands = [
        partial(reconstruct, day3, there / "object.h5"),
        partial(learn, day3, there / "object.h5", there / "run"),
        partial(predict, day3, there / "run", there / "scene.h5"),
    ]
    for command in commands:
        refused(capsys, there, command, "another scan of the name scan.cxi")
    assert learn(day3, there / "object.h5", there / "new") == 1
    assert "count as much, but at other places of the detector" in capsys.readouterr().err


@pytest.fixture
def mask(there):
    """Write a mask's file that excludes so many pixels where there is light; returns how it is given."""

    def written(pixels):
        bad = np.zeros((WINDOW, WINDOW), np.uint8)
        bad[16, 18 : 18 + pixels] = 1
        np.save(there / "mask.npy", bad)
        return "--mask", there / "mask.npy"

    return written


def test_an_object_and_a_scene_are_replaced_with_a_refined_mask_of_the_same_name(there, mask, capsys):
    commands = [
        partial(reconstruct, there / "scan.cxi", there / "masked.h5"),
        partial(predict, there / "scan.cxi", there / "run", there / "masked scene.h5"),
    ]
    for command in commands:
        assert [command(*mask(pixels)) for pixels in (1, 2, 2)] == [0, 0, 0]
    for output in ("masked.h5", "masked scene.h5"):
        assert len(read_provenance(there / output)["configuration"]["mask_digest"]) == 64
    other = partial(reconstruct, there / "day2" / "scan.cxi", there / "masked.h5", *mask(2))
    refused(capsys, there, other, "masked.h5 was made with another scan of the name scan.cxi;")


def test_a_run_with_another_mask_of_the_same_name_is_not_replaced(there, mask, capsys):
    remade = partial(reconstruct, there / "scan.cxi", there / "object.h5")
    again = partial(learn, there / "scan.cxi", there / "object.h5", there / "masked")
    for _ in range(2):
        assert remade(*mask(1)) == again(*mask(1)) == 0
    assert remade(*mask(2)) == 0
    refused(capsys, there, partial(again, *mask(2)), "masked/model.pt was made with another object and another mask;")


def test_an_onnx_file_is_replaced_by_that_of_the_same_network_alone(there, capsys):
    assert learn(there / "scan.cxi", there / "object.h5", there / "other", "--seed", 1) == 0
    again = partial(export, there / "other", there / "network.onnx")
    refused(capsys, there, again, "network.onnx is the network of another checkpoint; name another output")
    (there / "network.onnx").write_text("a note")
    refused(capsys, there, again, "network.onnx exists, and was made by something else; name another output")


@pytest.mark.parametrize("content", ["text", "empty", "an object", "a scene", "a file without provenance"])
@pytest.mark.parametrize("command", ["reconstruct", "predict"])
def test_what_another_command_or_nobody_known_made_is_not_replaced(there, capsys, command, content):
    output = there / "output.h5"
    if content in ("text", "empty"):
        output.write_text({"text": "a note", "empty": ""}[content])
    elif content == "a file without provenance":
        with h5py.File(output, "w") as file:
            file["counts"] = np.arange(3)
    else:
        own = "object.h5" if content == "an object" else "scene.h5"
        if (command, own) in (("reconstruct", "object.h5"), ("predict", "scene.h5")):
            own = "run/model.pt"
        shutil.copy(there / own, output)
        shutil.copy(sidecar(there / own), sidecar(output))
    commands = {
        "reconstruct": lambda: reconstruct(there / "scan.cxi", output),
        "predict": lambda: predict(there / "scan.cxi", there / "run", output),
    }
    refused(capsys, there, commands[command], f"{output} exists, and", "name another output, or delete that one.")


@pytest.mark.parametrize(("replaced", "calls"), [(False, 1), (True, 1), (False, 2), (True, 3)])
def test_an_object_that_was_killed_before_its_provenance_is_replaced_by_the_same_command(
    there, monkeypatch, calls, replaced
):
    output = there / ("object.h5" if replaced else "new.h5")
    again = partial(reconstruct, there / "scan.cxi", output, "--iterations", 2, "--frc")
    with monkeypatch.context() as patched:
        patched.setattr(reconstruction, "record", killed_at(calls, reconstruction.record))
        assert again() == 130
    last = [output, output.with_suffix(".half1.h5"), output.with_suffix(".half2.h5")][calls - 1]
    with h5py.File(last) as file:
        assert file.attrs["iterations"] == read_provenance(last)["configuration"]["iterations"] == 2
    assert read_provenance(last)["unfinished"]
    assert reconstruct(there / "day2" / "scan.cxi", output, "--frc") == 1
    assert again() == 0
    assert not any("unfinished" in read_provenance(path) for path in there.glob(f"{output.stem}*.h5"))


@pytest.mark.parametrize("replaced", [False, True])
def test_a_scene_that_was_killed_before_its_provenance_is_replaced_by_the_same_command(there, monkeypatch, replaced):
    output = there / ("scene.h5" if replaced else "new.h5")
    again = partial(predict, there / "scan.cxi", there / "run", output, "--weighting", "uniform")
    with monkeypatch.context() as patched:
        patched.setattr(prediction, "record", killed_at(1, prediction.record))
        assert again() == 130
    with h5py.File(output) as file:
        assert file["scene"].attrs["weighting"] == read_provenance(output)["configuration"]["weighting"] == "uniform"
    assert predict(there / "day2" / "scan.cxi", there / "run", output) == 1
    assert again() == 0
    assert "unfinished" not in read_provenance(output)


@pytest.mark.parametrize("more", [(), ("--frc",)])
def test_an_object_whose_picture_was_interrupted_is_not_reconstructed_again(there, monkeypatch, capsys, more):
    again = partial(reconstruct, there / "scan.cxi", there / "new.h5", "--png", there / "x.png", *more)
    with monkeypatch.context() as patched:
        patched.setattr(reconstruction, "_draw", killed_at(1, reconstruction._draw))
        assert again() == 130
    assert "The same command goes on where it was." in capsys.readouterr().err
    assert again() == 0
    assert capsys.readouterr().err.count("Going on after iteration 1.") == (3 if more else 1)
    assert (there / "x.png").exists()
    assert not list(there.glob("*.state.pt"))


@pytest.mark.parametrize("moment", ["record", "_warn_if_flat", "_show"])
def test_a_scene_whose_picture_was_interrupted_is_not_said_to_be_nothing(there, monkeypatch, capsys, moment):
    again = partial(predict, there / "scan.cxi", there / "run", there / "new.h5", "--png", there / "x.png")
    with monkeypatch.context() as patched:
        patched.setattr(prediction, moment, killed_at(1, getattr(prediction, moment)))
        assert again() == 130
    (line,) = (line for line in capsys.readouterr().err.splitlines() if line.startswith("Interrupted"))
    assert f"{there / 'new.h5'} is written" in line
    assert "Nothing" not in line
    assert again() == 0


def test_a_prediction_that_was_interrupted_before_says_that_nothing_was_written(there, monkeypatch, capsys):
    before = contents(there)
    monkeypatch.setattr(prediction, "Tally", killed_at(1, prediction.Tally))
    assert predict(there / "scan.cxi", there / "run", there / "new.h5", "--png", there / "x.png") == 130
    assert "Interrupted. Nothing was written." in capsys.readouterr().err
    assert contents(there) == before


def look(scan, *more):
    return main("inspect", scan, *more)


BESIDE = {
    "inspect, picture": ("x.png", lambda at: look(at / "scan.cxi", "--png", at / "x.png")),
    "reconstruct, picture": ("x.png", lambda at: reconstruct(at / "scan.cxi", at / "new.h5", "--png", at / "x.png")),
    "reconstruct, watch": ("x.png", lambda at: reconstruct(at / "scan.cxi", at / "new.h5", "--watch", at / "x.png")),
    "convergence": ("new.convergence.csv", lambda at: reconstruct(at / "scan.cxi", at / "new.h5")),
    "rings": ("new.frc.csv", lambda at: reconstruct(at / "scan.cxi", at / "new.h5", "--frc")),
    "rings that are not asked for": ("new.frc.csv", lambda at: reconstruct(at / "scan.cxi", at / "new.h5")),
    "half": ("new.half2.convergence.csv", lambda at: reconstruct(at / "scan.cxi", at / "new.h5", "--frc")),
    "state": ("new.state.pt", lambda at: reconstruct(at / "scan.cxi", at / "new.h5")),
    "predict, picture": (
        "x.png",
        lambda at: predict(at / "scan.cxi", at / "run", at / "new.h5", "--png", at / "x.png"),
    ),
    "amplitude": (
        "x_amplitude.tif",
        lambda at: predict(at / "scan.cxi", at / "run", at / "new.h5", "--tiff", at / "x"),
    ),
    "phase": ("x_phase.tif", lambda at: predict(at / "scan.cxi", at / "run", at / "new.h5", "--tiff", at / "x")),
    "history": ("new/history.csv", lambda at: learn(at / "scan.cxi", at / "object.h5", at / "new")),
    "preparation": ("new/preparation.json", lambda at: learn(at / "scan.cxi", at / "object.h5", at / "new")),
    "judgement": ("new/judgement.json", lambda at: learn(at / "scan.cxi", at / "object.h5", at / "new")),
    "state of a training": ("new/state.pt", lambda at: learn(at / "scan.cxi", at / "object.h5", at / "new")),
}


@pytest.mark.parametrize("kind", ["of its format", "text"])
@pytest.mark.parametrize("case", BESIDE)
def test_what_is_written_beside_a_result_replaces_no_file_of_somebody_else(there, capsys, case, kind):
    name, command = BESIDE[case]
    path = there / name
    path.parent.mkdir(exist_ok=True)
    if kind == "text" and path.suffix != ".pt":  # one that is no state at all is set aside
        path.write_text("a note")
    elif path.suffix == ".png":
        Image.new("L", (8, 8)).save(path)
    elif path.suffix == ".tif":
        tifffile.imwrite(path, np.zeros((8, 8), np.float32), imagej=True)
    elif path.suffix == ".pt":
        torch.save({"identity": "mine"}, path)
    else:
        path.write_text({".csv": "iteration,loss\n1,2\n", ".json": '{"bin": 3}'}[path.suffix])
    refused(capsys, there, lambda: command(there), f"{path} exists, and was made by something else than this command;")


def test_pictures_and_tables_of_the_same_are_replaced(there):
    pictures = ("--png", there / "x.png", "--watch", there / "y.png", "--frc")
    tiffs = ("--png", there / "z.png", "--tiff", there / "z")
    for _ in range(2):
        assert look(there / "scan.cxi", "--png", there / "scan.png") == 0
        assert reconstruct(there / "scan.cxi", there / "object.h5", *pictures) == 0
        assert reconstruct(there / "scan.cxi", there / "object.h5", "--iterations", 2) == 0
        assert not (there / "object.frc.csv").exists()
        assert predict(there / "scan.cxi", there / "run", there / "scene.h5", *tiffs) == 0


def test_a_picture_by_another_command_or_of_another_scan_is_not_replaced(there, capsys):
    assert look(there / "scan.cxi", "--png", there / "x.png") == 0
    again = partial(reconstruct, there / "scan.cxi", there / "new.h5", "--png", there / "x.png")
    words = (
        "x.png was made by ptychoformer inspect of scan.cxi (now ptychoformer reconstruct of scan.cxi); name another"
    )
    refused(capsys, there, again, words)
    shutil.copy(there / "scan.cxi", there / "Ångström.cxi")
    for _ in range(2):
        assert look(there / "Ångström.cxi", "--png", there / "y.png") == 0
    again = partial(look, there / "scan.cxi", "--png", there / "y.png")
    refused(
        capsys, there, again, r"was made by ptychoformer inspect of \xc5ngstr\xf6m.cxi (now ptychoformer inspect of"
    )


@pytest.mark.parametrize("command", ["reconstruct", "predict"])
def test_of_two_commands_that_make_one_file_the_second_is_refused(there, capsys, command):
    output = there / "new.h5"
    again = {
        "reconstruct": lambda: reconstruct(there / "scan.cxi", output),
        "predict": lambda: predict(there / "scan.cxi", there / "run", output),
    }[command]
    with alone(output):
        refused(capsys, there, again, "new.h5 is being written by another process; wait for it or end it, or name")
    assert again() == 0
    assert not (there / ".new.h5.lock").exists()
