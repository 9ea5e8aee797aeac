"""What lies where a file is read or written, but is not that file: nothing, a folder, a pipe, a dead
link, another file of the same shape. One sentence, and what is made afterwards is the same.
"""

import fcntl
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch

from ptychoformer.cli import main
from ptychoformer.errors import InputError, OutputError
from ptychoformer.evaluation.columns import SCORES
from ptychoformer.evaluation.metrics import read_metrics
from ptychoformer.files import write_text
from ptychoformer.provenance import record, sidecar
from ptychoformer.storage import create_hdf5, write
from ptychoformer.tables import write_rows
from ptychoformer.tensors import load, save
from ptychoformer.training.checkpoint import load_checkpoint
from ptychoformer.training.entries import LossEntry
from ptychoformer.training.fit import fit

from .test_damage import DPI, READERS, TRAINING, files

__all__ = ["files"]  # the fixture

PLACED = {
    "an empty file": lambda path: path.write_bytes(b""),
    "a folder": lambda path: path.mkdir(),
    "a link that leads nowhere": lambda path: path.symlink_to("nowhere"),
    "a pipe": os.mkfifo,
    "a device": lambda path: path.symlink_to("/dev/null"),
}
NO_FOLDER = "a file, a dead link, a pipe or a device"
NO_FILE = "an empty file, a folder, a dead link, a pipe or a device"


def replaced(path, placed):
    """Put one of `PLACED` where a file lies."""
    path.unlink()
    PLACED[placed](path)


def kept_of(path):
    """What has to stay of a file; when a link was last followed has not."""
    found = os.lstat(path)
    return found.st_mode, found.st_ino, found.st_size, found.st_mtime_ns


@pytest.mark.parametrize("placed", PLACED)
@pytest.mark.parametrize("name", READERS)
def test_what_is_read_in_the_place_of_a_file_is_one_sentence_that_names_it(files, name, placed, tried):
    path = files / name
    replaced(path, placed)
    with tried(f"{NO_FILE} in the place of one that is read: one sentence, or a new start"):
        try:
            seen = READERS[name](path)
        except InputError as error:
            seen = str(error)
        assert isinstance(seen, str)
        assert name in seen
        assert "\n" not in seen


WRITERS = {
    "a text": lambda path: write_text("new\n", path),
    "a table": lambda path: write_rows(("x",), [(1,)], path),
    "tensors": lambda path: save({"x": torch.ones(2)}, path),
}


def write_hdf5(path):
    with create_hdf5(path) as file:
        write(file, "x", np.ones(3), "", "x")


WRITERS["HDF5"] = write_hdf5


@pytest.mark.parametrize("writer", WRITERS)
def test_a_folder_where_a_file_is_written_is_one_sentence_and_stays(tmp_path, writer, tried):
    path = tmp_path / "result"
    path.mkdir()
    (path / "a users own").touch()
    with tried("a folder where a file is to be written: one sentence, and it stays"):
        with pytest.raises(OutputError, match="result cannot be written: a folder lies there; move it away"):
            WRITERS[writer](path)
        assert [kept.name for kept in tmp_path.rglob("*")] == ["result", "a users own"]


@pytest.mark.parametrize("placed", ["an empty file", "a link that leads nowhere", "a pipe", "a device"])
@pytest.mark.parametrize("writer", WRITERS)
def test_what_lies_where_a_folder_is_needed_is_one_sentence_and_stays(tmp_path, writer, placed, tried):
    PLACED[placed](tmp_path / "run")
    before = kept_of(tmp_path / "run")
    with tried(f"{NO_FOLDER} where one is to be made: one sentence, and it stays"):
        for path in ("run/result", "run/deep/result"):
            with pytest.raises(OutputError, match=r"cannot be written: \S+/run is no folder; move it away"):
                WRITERS[writer](tmp_path / path)
        assert kept_of(tmp_path / "run") == before
        assert [kept.name for kept in tmp_path.rglob("*")] == ["run"]


@pytest.mark.parametrize("placed", ["an empty file", "a link that leads nowhere", "a pipe", "a device"])
@pytest.mark.parametrize("writer", WRITERS)
def test_what_lies_where_a_file_is_written_gives_way_and_nothing_else_is_written(tmp_path, writer, placed, tried):
    path = tmp_path / "result"
    WRITERS[writer](path)
    whole = path.read_bytes()
    replaced(path, placed)
    with tried(f"{NO_FOLDER} where a file is to be written: the file, with the same bytes"):
        WRITERS[writer](path)
        assert path.is_file()
        assert not path.is_symlink()
        assert path.read_bytes() == whole
        assert [kept.name for kept in tmp_path.iterdir()] == ["result"]


def test_a_result_that_may_not_be_written_is_replaced_in_a_folder_that_may_be(tmp_path, tried):
    path = tmp_path / "result"
    path.write_text("old\n")
    path.chmod(0o444)
    with tried("a read-only file where a file is to be written, its folder open: the file"):
        write_text("new\n", path)
        assert path.read_text() == "new\n"


@pytest.mark.parametrize("name", [name for name in READERS if name.endswith((".h5", ".cxi"))])
def test_a_file_that_another_program_has_locked_is_one_sentence_and_whole_afterwards(files, name, tried):
    whole = READERS[name](files / name)
    with tried("a result that another program has open for writing: one sentence, and whole afterwards"):
        with open(files / name, "rb") as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            with pytest.raises(InputError, match=r"another program has it open for writing|which cannot be read"):
                READERS[name](files / name)
        assert READERS[name](files / name) == whole


@pytest.mark.parametrize("placed", PLACED)
def test_a_training_whose_state_is_none_starts_anew_and_ends_with_the_same_weights(files, placed, capsys, tried):
    made = {"checkpoint": files / "model.pt", "history": files / "history.csv"}
    how = dict(model=DPI, loss=LossEntry("mse", {}), n_train=20, seed=0, training=TRAINING, **made)
    weights = load_checkpoint(made["checkpoint"]).weights
    replaced(files / "state.pt", placed)
    with tried(f"{NO_FILE} in the place of a saved state: the same weights from a new start"):
        fit(files / "scan.cxi", **how)
        again = load_checkpoint(made["checkpoint"]).weights
        assert all(torch.equal(weights[name], again[name]) for name in weights)
        assert load(files / "state.pt")["epoch"] == 1
        aside = (files / "state.unusable.pt").exists() or (files / "state.unusable.pt").is_symlink()
        assert aside == ("Starting anew" in capsys.readouterr().err) == (placed != "a link that leads nowhere")


def test_a_state_that_cannot_be_set_aside_is_one_sentence(files):
    (files / "state.unusable.pt").mkdir()
    replaced(files / "state.pt", "an empty file")
    with pytest.raises(
        OutputError, match=r"state\.pt cannot be used .*, nor set aside as \S+state\.unusable\.pt, which"
    ):
        READERS["state.pt"](files / "state.pt")


EDITS = {
    "a row removed": lambda text: text.replace(text.splitlines(keepends=True)[3], ""),
    "line ends of Windows": lambda text: text.replace("\n", "\r\n"),
    "rows in another order": lambda text: "".join([*text.splitlines(True)[:1], *text.splitlines(True)[:0:-1]]),
    "a mark of byte order": lambda text: f"\ufeff{text}",
    "no end of its last line": lambda text: text.rstrip("\n"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_a_table_that_an_editor_saved_otherwise_is_one_sentence_and_made_again(files, edit, tried):
    path = files / "metrics.csv"
    whole = path.read_bytes()
    path.write_bytes(EDITS[edit](whole.decode()).encode())
    assert path.read_bytes() != whole
    with tried("a table that an editor saved otherwise (rows, line ends): one sentence that says how to go on"):
        with pytest.raises(InputError, match=r"metrics\.csv is not as it was written.*delete it, and run the same"):
            read_metrics(path)
        path.write_bytes(whole)
        assert len(read_metrics(path)) == 9


@pytest.mark.parametrize("table", ["metrics.csv", "another.csv"])
def test_a_provenance_of_another_table_is_one_sentence(files, table, tried):
    write_rows(SCORES, [("clean", "clean", "dpi", "mse", 20, 0, *"abcd", "psnr", 3.5)], files / "another.csv")
    record(files / "another.csv", {}, 1.0, {})
    own, others = (sidecar(files / name) for name in ("metrics.csv", "another.csv"))
    shutil.copy(*((others, own) if table == "metrics.csv" else (own, others)))
    fault = "a provenance of another file in the place of one's own: one sentence"
    with tried(fault), pytest.raises(InputError, match=rf"{table} is not as it was written"):
        read_metrics(files / table)


def test_a_table_of_a_users_own_may_have_line_ends_of_windows(files):
    path = files / "metrics.csv"
    read, text = read_metrics(path), path.read_bytes()
    sidecar(path).unlink()
    path.write_bytes(text.replace(b"\n", b"\r\n"))
    assert read_metrics(path).equals(read)


@pytest.fixture
def two_networks(files):
    """Two networks of one shape that differ in their seed, each with its provenance."""
    for seed in (0, 1):
        run = files / f"seed{seed}"
        made = {"checkpoint": run / "model.pt", "history": run / "history.csv"}
        fit(files / "scan.cxi", model=DPI, loss=LossEntry("mse", {}), n_train=20, seed=seed, training=TRAINING, **made)
        record(made["checkpoint"], {"seed": seed}, 1.0, {})
    return files / "seed0/model.pt", files / "seed1/model.pt"


def test_a_network_of_another_run_in_the_place_of_one_is_found(two_networks, tried):
    first, second = two_networks
    whole = first.read_bytes()
    another = "another network of the same shape in the place of a checkpoint: one sentence"
    with tried(another):
        shutil.copy(second, first)
        with pytest.raises(InputError, match=r"seed0/model\.pt is not as it was written.*is another one; delete it"):
            load_checkpoint(first)
    with tried(another):  # the provenance is the other's instead
        first.write_bytes(whole)
        shutil.copy(sidecar(second), sidecar(first))
        with pytest.raises(InputError, match=r"seed0/model\.pt is not as it was written"):
            load_checkpoint(first)
    with tried(another):  # both are: that is the other network, and says so
        shutil.copy(second, first)
        assert torch.equal(*(next(iter(load_checkpoint(path).weights.values())) for path in (first, second)))


def test_a_network_whose_provenance_was_removed_is_taken_as_it_is(two_networks):
    first, _ = two_networks
    before = load_checkpoint(first).weights
    sidecar(first).unlink()
    assert all(torch.equal(part, before[name]) for name, part in load_checkpoint(first).weights.items())


def test_a_network_that_is_trained_again_is_not_held_against_the_provenance_of_before(two_networks, files):
    first, _ = two_networks
    made = {"checkpoint": first, "history": first.with_name("history.csv")}
    fit(files / "scan.cxi", model=DPI, loss=LossEntry("mse", {}), n_train=20, seed=5, training=TRAINING, **made)
    assert load_checkpoint(first).weights
    assert not sidecar(first).exists()


@pytest.mark.parametrize("placed", PLACED)
@pytest.mark.parametrize("command", ["inspect", "reconstruct", "train", "object of train", "predict", "export"])
def test_what_is_no_file_where_a_command_reads_one_is_one_sentence(tmp_path, capsys, make_scan, command, placed, tried):
    scan, path = make_scan(), tmp_path / "given"
    PLACED[placed](path)
    options = {
        "inspect": ("inspect", path),
        "reconstruct": ("reconstruct", path, "-o", tmp_path / "o.h5"),
        "train": ("train", path, "--object", scan, "-o", tmp_path / "run"),
        "object of train": ("train", scan, "--object", path, "-o", tmp_path / "run"),
        "predict": ("predict", scan, "--checkpoint", path, "-o", tmp_path / "s.h5"),
        "export": ("export", path, "--onnx", tmp_path / "n.onnx"),
    }
    with tried(f"{NO_FILE} where a command reads one: one sentence"):
        assert main([*map(str, options[command])]) == 1
        said = capsys.readouterr().err.splitlines()
        assert said[-1].startswith("Error: ")
        assert "given" in said[-1]
        assert not [made for made in ("o.h5", "s.h5", "n.onnx", "run/model.pt") if (tmp_path / made).exists()]


@pytest.mark.parametrize("stream", ["stdout", "stderr", "both"])
def test_a_full_disk_under_what_is_printed_is_one_sentence_at_most(make_scan, stream, tried):
    fault = "a full disk under what a command prints: one sentence, where there is room for it"
    command = [sys.executable, "-m", "ptychoformer", "inspect", make_scan() if stream == "stdout" else "gone.cxi"]
    with tried(fault), open("/dev/full", "wb") as full:
        streams = {name: full if stream in (name, "both") else subprocess.PIPE for name in ("stdout", "stderr")}
        ended = subprocess.run(command, text=True, **streams)
        assert ended.returncode == 1
        expected = "Error: The disk is full, what was to be printed is not all there.\n" if stream == "stdout" else ""
        assert (ended.stdout or "") + (ended.stderr or "") == expected
