"""How a scan was read is recorded beside what is made of it: read as recorded, it is the same scan."""

import json

import h5py
import numpy as np
import pytest
import torch

from ptychoformer import cli
from ptychoformer.measurement.options import Patterns, Reading
from ptychoformer.measurement.preparation import open_prepared
from ptychoformer.measurement.summary import as_mapping, summarise
from ptychoformer.models import build
from ptychoformer.provenance import sidecar
from ptychoformer.training.checkpoint import Checkpoint, save_checkpoint
from ptychoformer.training.entries import NetworkEntry
from ptychoformer.training.normalisation import Normalisation

LENGTHS = ("--wavelength", "1.4e-10", "--distance", "2", "--detector-pixel", "1e-3")


def plain(path, measured):
    """A file of no format, positions in micrometres, x against y, with one empty frame."""
    patterns = measured.patterns.copy()
    patterns[5] = 0
    with h5py.File(path, "w") as file:
        file["frames"] = patterns
        file["motors"] = measured.corners * measured.optics.pixel_size * 1e6
    return path


@pytest.fixture(params=["cxi", "nxcxi", "ptyd", "velociprobe", "nanoprobe", "hdf5", "hdf5, all frames"])
def case(request, write, measured, tmp_path):
    """A scan and how it is read."""
    if request.param.startswith("hdf5"):
        path = plain(tmp_path / "plain.h5", measured)
        words = ("--data", "frames", "--positions", "motors", "--positions-unit", "um", "--positions-axes=-y,x")
        return path, (*words, *LENGTHS, *(["--keep-frames"] if "all" in request.param else []))
    return write(request.param), {
        "cxi": ("--centre", "16", "16", "--wavelength", "1.41e-10"),
        "nxcxi": (),
        "ptyd": ("--distance", "2.01"),
        "velociprobe": LENGTHS,
        "nanoprobe": ("--step", "2.5", "--centre", "16", "16", "--format", "nanoprobe"),
    }[request.param]


@pytest.fixture
def checkpoint(tmp_path):
    """A network that nobody trained, which sees windows of 16 x 16 pixels."""
    torch.manual_seed(0)
    weights = build("ptychonn", (16, 16), {}).state_dict()
    scale = Normalisation(0.5, 1.0, -1.0, 1.0)
    save_checkpoint(Checkpoint(NetworkEntry("ptychonn", {}), (16, 16), scale, weights), tmp_path / "model.pt")
    return tmp_path / "model.pt"


def run(command, path, *words):
    assert cli.main([command, *map(str, (path, *words))]) == 0


def as_recorded(found):
    return Reading.of(found["reading"]), Patterns(found["crop"], found["bin"])


def recorded(output):
    return json.loads(sidecar(output).read_text())["configuration"]


def test_a_reconstruction_says_how_its_scan_was_read(case, tmp_path):
    path, words = case
    output = tmp_path / "object.h5"
    refined = () if "velociprobe" in path.name else ("--crop", 16)
    run("reconstruct", path, "-o", output, "--iterations", 1, "--threads", 1, *words, *refined)
    found = recorded(output)
    assert (found["scan"], found["scan_bytes"]) == (path.name, path.stat().st_size)
    with open_prepared(path, *as_recorded(found)) as again, h5py.File(output) as file:
        np.testing.assert_array_equal(file["recorded_positions"], again.positions)
        np.testing.assert_array_equal(file["numbers"], again.numbers)
        np.testing.assert_array_equal(file["counts"], again.counts)
        np.testing.assert_array_equal(file["part_counts"], again.part_counts)
        assert (file.attrs["crop"], tuple(file.attrs["centre"])) == (again.crop, tuple(again.centre))
        assert file.attrs.get("pixel_size") == (again.optics.pixel_size if again.optics else None)


def test_a_scene_says_how_its_scan_was_read(case, checkpoint, tmp_path):
    path, words = case
    output = tmp_path / "scene.h5"
    run("predict", path, "--checkpoint", checkpoint, "-o", output, "--crop", 32, "--bin", 2, "--threads", 1, *words)
    found = recorded(output)
    assert (found["crop"], found["bin"]) == (32, 2)
    with open_prepared(path, *as_recorded(found)) as again, h5py.File(output) as file:
        np.testing.assert_array_equal(file["positions"], again.positions)
        np.testing.assert_array_equal(file["numbers"], again.numbers)


def test_a_recorded_reading_is_what_inspect_looks_at(case, tmp_path, capsys):
    path, words = case
    run("inspect", path, "--json", *words)
    seen = json.loads(capsys.readouterr().out)
    run("reconstruct", path, "-o", tmp_path / "object.h5", "--iterations", 1, "--threads", 1, *words)
    found = recorded(tmp_path / "object.h5")
    assert as_mapping(summarise(path, *as_recorded(found))) == seen


def test_patterns_of_a_scene_and_a_dataset_are_mapped_back_to_their_file(write, measured, checkpoint, tmp_path):
    """An empty, a repeated and a bright frame are left out; the others keep their numbers."""
    patterns = measured.patterns.copy()
    patterns[[0, 7]], patterns[4] = 0, patterns[3]
    path, kept = write("cxi", patterns=patterns), [1, 2, 3, 5, 6, 8, 9, 10, 11]
    run("predict", path, "--checkpoint", checkpoint, "-o", tmp_path / "scene.h5", "--crop", 32, "--bin", 2)
    run("reconstruct", path, "-o", tmp_path / "object.h5", "--iterations", 1, "--threads", 1)
    from ptychoformer.measurement.labelled import make_labelled

    files = {"output": tmp_path / "dataset.cxi", "object_output": tmp_path / "labels.h5"}
    made = {"labels": None, "reconstruction": tmp_path / "object.h5"}
    make_labelled(path, Reading(), Patterns(32), **made, **files)
    for name, place in (("scene.h5", "numbers"), ("object.h5", "numbers"), ("dataset.cxi", "ptychography/numbers")):
        with h5py.File(tmp_path / name) as file:
            assert file[place][:].tolist() == kept
    with h5py.File(tmp_path / "dataset.cxi") as file:
        photons = file["entry_1/data_1/data"][:].sum(axis=(1, 2))
    np.testing.assert_allclose(photons, patterns[kept].sum(axis=(1, 2)), rtol=1e-6)
