"""Every mistake gets one sentence, leaves what was there, and ends with its exit code."""

import errno
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from ptychoformer.cli import inspect, outputs
from ptychoformer.evaluation.network import TrainedNetwork
from ptychoformer.files import locked
from ptychoformer.measurement.origin import read_origin
from ptychoformer.models import build
from ptychoformer.provenance import record

from .conftest import ROOT, called, main, one_sentence, save_network, write_scan


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
    a_folder, a_pipe, long = folder / "folder.h5", folder / "pipe.h5", "a" * 300
    a_folder.mkdir()
    os.mkfifo(a_pipe)
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
        "another format": (("inspect", scan, "--format", "velociprobe"), "is HDF5, and not of the format velociprobe"),
        "centre outside": (("inspect", scan, "--centre", 200, 3), "does not lie in the frame"),
        "crop too large": (("inspect", scan, "--crop", 64), "a crop of 64 pixels around (16, 16) does not fit"),
        "crop and bin": (("inspect", scan, "--crop", 30, "--bin", 4), "crop must be a multiple of bin"),
        "output is input": (("reconstruct", own, "-o", own), "would be replaced"),
        "scene is scan": (("predict", own, "--checkpoint", run, "-o", own), "would be replaced"),
        "scene is model": (("predict", scan, "--checkpoint", model, "-o", model), "would be replaced"),
        "object is object": (("train", scan, "--object", folder / "object.h5", "-o", folder), "would be replaced"),
        "output is a folder": (("reconstruct", scan, "-o", a_folder), "is a folder"),
        "output is a pipe": (("reconstruct", scan, "-o", a_pipe), "pipe.h5 is no regular file; the output must be"),
        "output has a long name": (
            ("reconstruct", scan, "-o", folder / f"{'b' * 190}.h5"),
            "has 193 bytes; it must have 190 at most",
        ),
        "output is in a long folder": (("reconstruct", scan, "-o", folder / long / "o.h5"), "File name too long"),
        "scan has a long name": (("inspect", folder / long), f"{long}: File name too long."),
        "checkpoint has a long name": (("predict", scan, "--checkpoint", long, "-o", other), "File name too long."),
        "object has a long name": (("train", scan, "--object", long, "-o", folder / "run"), "File name too long."),
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
        before = {path: path.lstat().st_mtime_ns for path in Path(arguments[1]).parent.iterdir()}
        code = main(*arguments)
        sentence = one_sentence(capsys)
        assert code == 1, name
        assert words in sentence, name
        assert {path: path.lstat().st_mtime_ns for path in before if os.path.lexists(path)} == before, name


def test_a_link_that_leads_in_a_circle_is_replaced_as_one_that_leads_nowhere(scan, tmp_path):
    (tmp_path / "scan.png").symlink_to("scan.png")
    assert main("inspect", scan, "--png", tmp_path / "scan.png") == 0
    assert (tmp_path / "scan.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_whoever_started_a_command_may_have_closed_what_it_prints_to(scan, tmp_path, closed):
    command = f"{sys.executable} -m ptychoformer reconstruct {scan} -o object.h5 --iterations 1 --threads 1 {closed}"
    env = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, env=env)
    assert (done.returncode, "Error" in done.stderr) == (0, False), done.stderr
    assert ("R factor" in done.stdout) == (" >&-" not in f" {closed}")
    assert read_origin(tmp_path / "object.h5").counts is not None


@pytest.mark.parametrize("encoding", ["ascii", "utf-8", "latin-1"])
def test_what_a_terminal_cannot_show_is_escaped(scan, tmp_path, encoding):
    odd = tmp_path / "Å→\udcff.cxi"  # a byte that is no text
    shutil.copy(scan, odd)
    command = [sys.executable, "-m", "ptychoformer", "inspect", os.fsencode(odd)]
    env = os.environ | {"PYTHONIOENCODING": f"{encoding}:strict", "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, capture_output=True, env=env)
    assert done.returncode == 0, done.stderr
    assert b"\\udcff.cxi\n" in done.stdout
    assert " µm".encode(encoding, "backslashreplace") in done.stdout


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
    network = TrainedNetwork(tmp_path / "model.pt").digest
    made_of = {"scan": scan.name, "scan_bytes": scan.stat().st_size, "checkpoint": network}
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


@pytest.mark.parametrize("part", ['"positions_axes": 3', '"positions_turn": "a"', '"positions_turn": null'])
def test_axes_that_are_none_are_refused(scan, tmp_path, capsys, part):
    (tmp_path / "model.pt").write_text("")
    (tmp_path / "preparation.json").write_text(f'{{"crop": 32, "bin": 2, {part}}}')
    assert main("predict", scan, "--checkpoint", tmp_path, "-o", tmp_path / "scene.h5", "--threads", 1) == 1
    assert "'positions_axes' must be a text and 'positions_turn' degrees" in one_sentence(capsys)


def test_a_mask_of_a_training_that_is_none_is_refused(scan, tmp_path, capsys):
    (tmp_path / "model.pt").write_text("")
    (tmp_path / "preparation.json").write_text('{"crop": 32, "bin": 2, "mask": 3}')
    assert main("predict", scan, "--checkpoint", tmp_path, "-o", tmp_path / "scene.h5", "--threads", 1) == 1
    assert "'mask' must be a text or null, as train wrote it" in one_sentence(capsys)


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"crop": 0, "bin": 1}',
        '{"crop": "a"}',
        '{"crop": true, "bin": 1}',
        '{"crop": 1, "bin": 1.0}',
        100_000 * "[",
        *(
            f'{{"crop": 1, "bin": 1, "label_deviation": {part}}}'
            for part in ("3", '{"phase": "a"}', '{"phase": true}', '{"phase": Infinity}', '{"phase": -1}')
        ),
    ],
)
def test_a_damaged_preparation_is_refused(scan, tmp_path, capsys, content):
    (tmp_path / "model.pt").write_text("")
    (tmp_path / "preparation.json").write_text(content)
    assert main("predict", scan, "--checkpoint", tmp_path, "-o", tmp_path / "scene.h5", "--threads", 1) == 1
    assert "delete it, and give --crop and --bin" in one_sentence(capsys)
