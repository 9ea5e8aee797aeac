"""Predictions are the network's, in the order of the test strip."""

from dataclasses import replace
from threading import Event

import numpy as np
import pytest
import torch

from ptychoformer.errors import InputError
from ptychoformer.evaluation.network import TrainedNetwork
from ptychoformer.evaluation.patches import open_patches
from ptychoformer.evaluation.predict import predict
from ptychoformer.measurement.cxi import read_patterns, read_scan
from ptychoformer.models import build
from ptychoformer.training.checkpoint import Checkpoint, save_checkpoint
from ptychoformer.training.entries import NetworkEntry
from ptychoformer.training.inputs import INPUTS
from ptychoformer.training.normalisation import Normalisation
from ptychoformer.training.split import grid_split

PTYNET = NetworkEntry("ptynet", {})
NORMALISATION = Normalisation(0.5, 1, -1, 1)
# Written out here, so that what the package makes of photons is held against it.
SEEN = {
    "log": np.log1p,
    "sqrt": np.sqrt,
    "sqrt_max": lambda photons: np.sqrt(photons / photons.max(axis=(1, 2), keepdims=True)),
}


@pytest.fixture
def write_checkpoint(tmp_path):
    """Write a checkpoint of ``PTYNET`` with changes, of random weights."""

    def write(**changes):
        torch.manual_seed(0)
        weights = build("ptynet", (32, 32), {}).state_dict()
        parts = {"window": (32, 32), "normalisation": NORMALISATION, "weights": weights}
        save_checkpoint(Checkpoint(replace(PTYNET, **changes), **parts), tmp_path / "model.pt")
        return tmp_path / "model.pt"

    return write


@pytest.fixture
def checkpoint(write_checkpoint):
    return write_checkpoint()


def test_every_kind_of_inputs_is_known_here():
    assert set(SEEN) == set(INPUTS)


@pytest.mark.parametrize("inputs", INPUTS)
def test_patches_are_what_the_network_says_of_the_test_patterns(
    tmp_path, make_scan, write_checkpoint, monkeypatch, inputs
):
    scan = make_scan(rows=15, columns=6)
    monkeypatch.setattr("ptychoformer.evaluation.predict.BATCH", 4)  # 18 patterns: four batches and a part of one
    predict(scan, write_checkpoint(inputs=inputs), replace(PTYNET, inputs=inputs), tmp_path / "patches.h5")
    test = grid_split(read_scan(scan)).test
    torch.manual_seed(0)
    network = build("ptynet", (32, 32), {}).eval()
    with torch.no_grad():
        expected = network(torch.from_numpy(SEEN[inputs](read_patterns(scan, test))[:, None])).numpy()
    with open_patches(tmp_path / "patches.h5") as patches:
        np.testing.assert_array_equal(patches.index, test)
        np.testing.assert_allclose(patches.amplitude[:], expected[:, 0], atol=1e-6)
        np.testing.assert_allclose(patches.phase[:], expected[:, 1], atol=1e-6)
        assert patches.normalisation == NORMALISATION


def test_another_dataset_is_predicted_as_a_whole(tmp_path, make_scan, checkpoint):
    scan = make_scan(rows=15, columns=6)
    predict(scan, checkpoint, PTYNET, tmp_path / "patches.h5", transferred=True)
    with open_patches(tmp_path / "patches.h5") as patches:
        np.testing.assert_array_equal(patches.index, np.arange(90))
        assert np.isfinite(patches.amplitude[:]).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "dpi"}, "'dpi' with options {}, initialisation of its own, inputs log, batch norm torch"),
        (
            {"options": {"size": "large"}},
            "'ptynet' with options {'size': 'large'}, initialisation of its own, inputs log, batch norm torch",
        ),
        ({"initialisation": "torch"}, "'ptynet' with options {}, initialisation torch, inputs log, batch norm torch"),
        (
            {"inputs": "sqrt_max"},
            "'ptynet' with options {}, initialisation of its own, inputs sqrt_max, batch norm torch",
        ),
        ({"batch_norm": "keras"}, "'ptynet' with options {}, initialisation of its own, inputs log, batch norm keras"),
    ],
)
def test_a_checkpoint_of_another_network_is_named(tmp_path, make_scan, checkpoint, change, words):
    with pytest.raises(InputError) as caught:
        predict(make_scan(), checkpoint, replace(PTYNET, **change), tmp_path / "patches.h5")
    found = "'ptynet' with options {}, initialisation of its own, inputs log, batch norm torch"
    assert str(caught.value) == f"{checkpoint} is a checkpoint of {found}; expected is one of {words}."
    assert not (tmp_path / "patches.h5").exists()


def test_patterns_of_another_size_are_named(tmp_path, make_scan, checkpoint):
    with pytest.raises(InputError, match=r"trained on patterns of \(32, 32\) pixels, .* has \(64, 64\)"):
        predict(make_scan(window=64), checkpoint, PTYNET, tmp_path / "patches.h5")


def test_a_dataset_with_nan_leaves_nothing_behind(tmp_path, make_scan, checkpoint):
    scan = make_scan(patterns=np.full((30, 32, 32), np.nan, np.float32))
    with pytest.raises(InputError, match="hold NaN or infinity"):
        predict(scan, checkpoint, PTYNET, tmp_path / "patches.h5")
    assert not (tmp_path / "patches.h5").exists()


@pytest.fixture
def batches():
    random = np.random.default_rng(5)
    return [random.poisson(9, (count, 32, 32)).astype(np.float32) for count in (4, 4, 4, 1)]


def test_what_is_read_ahead_is_predicted_as_it_is_read(checkpoint, batches):
    network = TrainedNetwork(checkpoint)
    expected = list(network.stream(batches))
    network.reads_ahead = True
    found = list(network.stream(batches))
    assert [patches.shape for patches in found] == [(len(batch), 2, 32, 32) for batch in batches]
    for patches, others in zip(found, expected, strict=True):
        np.testing.assert_array_equal(patches, others)


def test_few_batches_are_in_memory_while_they_are_read_ahead(checkpoint, batches):
    network, made = TrainedNetwork(checkpoint), 0

    def counted():
        nonlocal made
        for batch in batches * 3:
            made += 1
            yield batch

    network.reads_ahead = True
    for used, _ in enumerate(network.stream(counted())):
        assert made <= used + 3  # this one, the one that is predicted, and the one that is made ready


def test_a_batch_is_made_ready_before_an_earlier_one_is_used(checkpoint, batches):
    network, third, ended = TrainedNetwork(checkpoint), Event(), Event()

    def watched():
        try:
            for number, batch in enumerate(batches):
                if number == 2:
                    third.set()
                yield batch
        finally:
            ended.set()

    network.reads_ahead = True
    found = network.stream(watched())
    next(found)
    assert third.wait(20)  # while nobody has asked for the second batch's patches
    found.close()
    assert ended.wait(20)


def test_no_batch_yields_no_patches(checkpoint):
    network = TrainedNetwork(checkpoint)
    for network.reads_ahead in (False, True):
        assert list(network.stream([])) == []


def test_an_error_of_what_is_read_ahead_comes_out_as_it_is(checkpoint, batches):
    def damaged():
        yield from batches[:2]
        raise InputError("damaged")

    network = TrainedNetwork(checkpoint)
    network.reads_ahead = True
    found = network.stream(damaged())
    next(found)
    with pytest.raises(InputError, match=r"^damaged$"):
        list(found)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_predicts_what_a_cpu_does(checkpoint, batches, monkeypatch):
    on_gpu = list(TrainedNetwork(checkpoint).stream(batches))
    monkeypatch.setattr("ptychoformer.evaluation.network.lookup_device", lambda: torch.device("cpu"))
    for patches, others in zip(on_gpu, TrainedNetwork(checkpoint).stream(batches), strict=True):
        np.testing.assert_allclose(patches, others, atol=1e-4)
