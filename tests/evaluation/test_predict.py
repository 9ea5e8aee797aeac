"""Predictions are the network's, in the order of the test strip."""

import numpy as np
import pytest
import torch

from ptychoformer.errors import InputError
from ptychoformer.evaluation.patches import open_patches
from ptychoformer.evaluation.predict import predict
from ptychoformer.measurement.cxi import read_patterns, read_scan
from ptychoformer.models import build
from ptychoformer.training.checkpoint import Checkpoint, save_checkpoint
from ptychoformer.training.examples import network_input
from ptychoformer.training.normalisation import Normalisation
from ptychoformer.training.split import grid_split

PTYNET = {"kind": "ptynet", "options": {}}


@pytest.fixture
def checkpoint(tmp_path):
    torch.manual_seed(0)
    weights = build("ptynet", (32, 32), {}).state_dict()
    save_checkpoint(Checkpoint("ptynet", {}, (32, 32), Normalisation(0.5, 1, -1, 1), weights), tmp_path / "model.pt")
    return tmp_path / "model.pt"


def test_patches_are_what_the_network_says_of_the_test_patterns(tmp_path, make_scan, checkpoint, monkeypatch):
    scan = make_scan(rows=15, columns=6)
    monkeypatch.setattr("ptychoformer.evaluation.predict.BATCH", 4)  # 18 patterns: four batches and a part of one
    predict(scan, checkpoint, PTYNET, tmp_path / "patches.h5")
    test = grid_split(read_scan(scan)).test
    torch.manual_seed(0)
    network = build("ptynet", (32, 32), {}).eval()
    with torch.no_grad():
        expected = network(network_input(read_patterns(scan, test))).numpy()
    with open_patches(tmp_path / "patches.h5") as patches:
        np.testing.assert_array_equal(patches.index, test)
        np.testing.assert_allclose(patches.amplitude[:], expected[:, 0], atol=1e-6)
        np.testing.assert_allclose(patches.phase[:], expected[:, 1], atol=1e-6)
        assert patches.normalisation == Normalisation(0.5, 1, -1, 1)


def test_another_dataset_is_predicted_as_a_whole(tmp_path, make_scan, checkpoint):
    scan = make_scan(rows=15, columns=6)
    predict(scan, checkpoint, PTYNET, tmp_path / "patches.h5", transferred=True)
    with open_patches(tmp_path / "patches.h5") as patches:
        np.testing.assert_array_equal(patches.index, np.arange(90))
        assert np.isfinite(patches.amplitude[:]).all()


def test_a_checkpoint_of_another_network_is_named(tmp_path, make_scan, checkpoint):
    with pytest.raises(InputError, match=r"model.pt is a checkpoint of 'ptynet' with options {}, expected one of 'dpi' with options {}"):
        predict(make_scan(), checkpoint, {"kind": "dpi", "options": {}}, tmp_path / "patches.h5")
    assert not (tmp_path / "patches.h5").exists()


def test_a_checkpoint_of_another_variant_is_named(tmp_path, make_scan, checkpoint):
    variant = {"kind": "ptynet", "options": {"initialisation": "torch"}}
    with pytest.raises(InputError, match=r"expected one of 'ptynet' with options {'initialisation': 'torch'}"):
        predict(make_scan(), checkpoint, variant, tmp_path / "patches.h5")


def test_patterns_of_another_size_are_named(tmp_path, make_scan, checkpoint):
    with pytest.raises(InputError, match=r"trained on patterns of \(32, 32\) pixels, .* has \(64, 64\)"):
        predict(make_scan(window=64), checkpoint, PTYNET, tmp_path / "patches.h5")


def test_a_dataset_with_nan_leaves_nothing_behind(tmp_path, make_scan, checkpoint):
    scan = make_scan(patterns=np.full((30, 32, 32), np.nan, np.float32))
    with pytest.raises(InputError, match="hold NaN or infinity"):
        predict(scan, checkpoint, PTYNET, tmp_path / "patches.h5")
    assert not (tmp_path / "patches.h5").exists()
