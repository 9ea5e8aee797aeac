"""One flipped bit in any file that is written and read again is found, or changes nothing."""

import io
import shutil

import h5py
import numpy as np
import pytest
import torch

from ptychoformer.cli import main
from ptychoformer.errors import InputError
from ptychoformer.evaluation.columns import SCORES
from ptychoformer.evaluation.metrics import read_metrics
from ptychoformer.evaluation.patches import open_patches
from ptychoformer.evaluation.predict import predict
from ptychoformer.evaluation.stitch import read_scene, stitch
from ptychoformer.measurement.cxi import PATTERNS, read_patterns, read_scan, read_transmission
from ptychoformer.provenance import read_provenance, record, sidecar
from ptychoformer.storage import create_hdf5, open_hdf5, write
from ptychoformer.tables import read_csv, write_rows
from ptychoformer.tensors import load, load_state, save
from ptychoformer.training.checkpoint import load_checkpoint
from ptychoformer.training.entries import LossEntry, NetworkEntry
from ptychoformer.training.fit import fit
from ptychoformer.training.options import TrainingOptions

TRIES = 20
DPI = NetworkEntry("dpi", {"size": "small"})
TRAINING = TrainingOptions(epochs=1, batch_size=8, validation_fraction=0.1)
LEVELS = ("scene", "synchronised")


def bytes_of(*parts):
    """All of what was read, to the bit."""
    buffer = io.BytesIO()
    torch.save(parts, buffer)
    return buffer.getvalue()


def dataset(path):
    scan = read_scan(path)
    return bytes_of(vars(scan), read_patterns(path, np.arange(len(scan.positions))))


def object_of_dataset(path):
    return dataset(path.with_name("scan.cxi"))


def patches(path):
    with open_patches(path) as read:
        about = (read.index, read.positions, read.true_positions, read.blocks, vars(read.normalisation))
        return bytes_of(*about, read.amplitude[:], read.phase[:])


def scene(path):
    with open_hdf5(path) as file:
        blocks = list(file)
    return bytes_of(blocks, [vars(read_scene(path, block, level)) for block in blocks for level in LEVELS])


def checkpoint(path):
    return bytes_of(vars(load_checkpoint(path)))


def state(path):
    content = load_state(path, {"seed": 0})
    return f"{path} is set aside" if content is None else bytes_of(content)


def metrics(path):
    return bytes_of(read_metrics(path).to_dict())


def provenance_of_metrics(path):
    return bytes_of(read_provenance(path.with_name("metrics.csv")))


FLIPPED = "flipped bits in"
KINDS = {
    "scan.cxi": "dataset",
    "scan.cxi.object.h5": "object, read through the dataset that links to it",
    "object.h5": "object",
    "patches.h5": "patches",
    "scene.h5": "scene",
    "model.pt": "checkpoint",
    "state.pt": "saved state",
    "metrics.csv": "metrics",
    "metrics.csv.provenance.json": "provenance",
}
READERS = {
    "scan.cxi": dataset,
    "scan.cxi.object.h5": object_of_dataset,
    "object.h5": lambda path: bytes_of(read_transmission(path)),
    "patches.h5": patches,
    "scene.h5": scene,
    "model.pt": checkpoint,
    "state.pt": state,
    "metrics.csv": metrics,
    "metrics.csv.provenance.json": provenance_of_metrics,
}


@pytest.fixture
def files(make_scan, tmp_path, tmp_path_factory):
    """A folder with one file of every kind, as the workflow writes them; made once, then copied."""
    kept = tmp_path_factory.getbasetemp() / "files-of-every-kind"
    if not kept.exists():
        make_files(make_scan, tmp_path)
        shutil.copytree(tmp_path, kept)
    return shutil.copytree(kept, tmp_path, dirs_exist_ok=True)


def make_files(make_scan, tmp_path):
    scan = make_scan(rows=8, columns=9, jitter=1)
    with create_hdf5(tmp_path / "object.h5") as file:
        write(file, "object/amplitude", np.random.default_rng(0).random((90, 80), np.float32), "", "y,x")
        write(file, "object/phase", np.random.default_rng(1).random((90, 80), np.float32), "rad", "y,x")
    made = {"checkpoint": tmp_path / "model.pt", "history": tmp_path / "history.csv"}
    fit(scan, model=DPI, loss=LossEntry("mse", {}), n_train=20, seed=0, training=TRAINING, **made)
    predict(scan, made["checkpoint"], DPI, tmp_path / "patches.h5")
    stitch(tmp_path / "patches.h5", "radial", tmp_path / "scene.h5")
    save(load(made["checkpoint"]) | {"identity": {"seed": 0}}, tmp_path / "state.pt")
    table = tmp_path / "metrics.csv"
    write_rows(
        SCORES, [("clean", "clean", "dpi", "mse", 20, 0, *"abcd", "psnr", 14.4 + row) for row in range(9)], table
    )
    record(table, {"headline": {"block": "lower_right"}}, 1.5, {"rule": "score", "started": 1.0})


def test_a_scan_whose_descriptions_are_damaged_is_no_other_scan_to_the_command_line(files, capfd, counted):
    path = files / "scan.cxi"
    intact = path.read_bytes()
    with h5py.File(path) as file:
        first, last = (file[PATTERNS].id.get_chunk_info(at).byte_offset for at in (0, len(file[PATTERNS]) - 1))
    assert main(["inspect", str(path), "--json"]) == 0
    whole, _ = capfd.readouterr()
    elsewhere = [at for at in range(len(intact)) if not first <= at <= last]
    outcomes = []
    for at in np.random.default_rng(0).choice(elsewhere, TRIES, replace=False):
        path.write_bytes(flipped(intact, 8 * int(at) + 3))
        status = main(["inspect", str(path), "--json"])
        seen, said = capfd.readouterr()
        told = status == 1 and said.splitlines()[-1].startswith(f"Error: {path}")
        outcomes.append(outcome(told, status == 0 and seen == whole))
        counted("dataset, its descriptions, as `ptychoformer` reads a scan", outcomes[-1], FLIPPED)
    assert outcomes
    assert "lost" not in outcomes


def outcome(told, same):
    return "found" if told else "nothing changed" if same else "lost"


def flipped(content, bit):
    damaged = bytearray(content)
    damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


@pytest.mark.parametrize("name", READERS)
def test_any_flipped_bit_is_found_or_changes_nothing(files, name, counted):
    path, read = files / name, READERS[name]
    intact, whole = path.read_bytes(), read(path)
    bits = np.random.default_rng(0).choice(8 * len(intact), TRIES, replace=False)
    outcomes = []
    for bit in bits:
        path.write_bytes(flipped(intact, int(bit)))
        try:
            seen = read(path)
        except InputError as error:
            seen = str(error)
        outcomes.append(outcome(isinstance(seen, str) and str(path) in seen, seen == whole))
        counted(KINDS[name], outcomes[-1], FLIPPED)
    assert len(outcomes) == TRIES
    assert "lost" not in outcomes


@pytest.mark.parametrize("name", READERS)
def test_bytes_that_are_whole_are_read_as_before(files, name):
    assert READERS[name](files / name) == READERS[name](files / name)


def test_a_psnr_edited_by_hand_is_one_sentence_that_says_how_to_go_on(files):
    path = files / "metrics.csv"
    path.write_text(path.read_text().replace("psnr,15.4", "psnr,25.4"))
    with pytest.raises(InputError, match=r"metrics\.csv is not as it was written.*delete it, and run the same command"):
        read_metrics(path)
    path.rename(files / "a-users-own.csv")
    assert read_metrics(files / "a-users-own.csv").value.max() > 25


def test_the_provenance_beside_a_table_is_a_users_to_delete(files):
    sidecar(files / "metrics.csv").unlink()
    assert len(read_metrics(files / "metrics.csv")) == 9


def test_a_part_of_a_dataset_is_checked_without_the_rest(files):
    path = files / "scan.cxi"
    with h5py.File(path) as file:
        last = file[PATTERNS].id.get_chunk_info(len(file[PATTERNS]) - 1).byte_offset
        count = len(file[PATTERNS])
    path.write_bytes(flipped(path.read_bytes(), 8 * last))
    assert np.isfinite(read_patterns(path, np.arange(count - 1))).all()
    with pytest.raises(InputError, match=r"scan\.cxi cannot be read as HDF5"):
        read_patterns(path, np.arange(count))


def test_a_damaged_object_is_named_and_not_the_dataset_that_links_to_it(files):
    path = files / "scan.cxi.object.h5"
    with h5py.File(path) as file:
        where = file["object/phase"].id.get_chunk_info(0).byte_offset
    path.write_bytes(flipped(path.read_bytes(), 8 * where))
    with pytest.raises(InputError, match=r"^\S+scan\.cxi\.object\.h5 cannot be read as HDF5"):
        read_scan(files / "scan.cxi")


def test_what_is_written_twice_has_the_same_bytes_and_checksums_cost_little_room(files):
    values = np.random.default_rng(0).random((700, 900), np.float32)
    for name in ("one.h5", "two.h5"):
        with create_hdf5(files / name) as file:
            write(file, "object/phase", values, "rad", "y,x")
    assert (files / "one.h5").read_bytes() == (files / "two.h5").read_bytes()
    assert (files / "one.h5").stat().st_size < 1.02 * values.nbytes + 4096


@pytest.mark.parametrize("shape", [(), (0, 3), (3,), (0, 500, 500), (5000,), (1, 300000), (7, 20, 30)])
def test_arrays_of_any_shape_come_back_and_have_checksums(tmp_path, shape):
    values = np.random.default_rng(0).random(shape)
    with create_hdf5(tmp_path / "a.h5") as file:
        write(file, "group/values", values, "", "")
    with h5py.File(tmp_path / "a.h5") as file:
        found = file["group/values"]
        assert found.fletcher32 or found.id.get_create_plist().get_layout() == h5py.h5d.COMPACT
        np.testing.assert_array_equal(found[()], values)


def test_files_of_other_programs_need_no_checksums(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["object/amplitude"] = file["object/phase"] = np.ones((4, 5), np.float32)
    assert read_transmission(tmp_path / "a.h5").shape == (4, 5)
    (tmp_path / "a.csv").write_text("x\n1\n")
    assert read_csv(tmp_path / "a.csv", {})["x"].tolist() == [1]


def test_a_state_that_lacks_something_is_set_aside_once_and_the_training_is_that_of_before(files, capsys, tried):
    made = {"checkpoint": files / "model.pt", "history": files / "history.csv"}
    how = dict(model=DPI, loss=LossEntry("mse", {}), n_train=20, seed=0, training=TRAINING, **made)
    state_file = files / "state.pt"
    state_file.unlink()
    fit(files / "scan.cxi", **how)
    weights, whole = load_checkpoint(made["checkpoint"]).weights, load(state_file)
    for lacking in ("epoch", "optimiser", "schedule", "model"):
        save({name: part for name, part in whole.items() if name != lacking}, state_file)
        with tried("a saved state that lacks a part: set aside, the same weights from a new start"):
            fit(files / "scan.cxi", **how)
            assert "Starting anew: the state at" in capsys.readouterr().err
            assert (files / "state.unusable.pt").is_file()
            again = load_checkpoint(made["checkpoint"]).weights
            assert all(torch.equal(weights[name], again[name]) for name in weights)
            assert load(state_file)["epoch"] == 1
    shutil.copy(state_file, files / "kept.pt")
    fit(files / "scan.cxi", **how)
    assert "Going on after epoch 1." in capsys.readouterr().err
