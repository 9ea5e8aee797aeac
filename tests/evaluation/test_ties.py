"""Ties are tried on training patterns that the network was not trained on, and on nothing else."""

from math import inf

import numpy as np
import pytest
import torch

from ptychoformer.errors import InputError
from ptychoformer.evaluation import ties
from ptychoformer.evaluation.patches import create_patches
from ptychoformer.evaluation.ties import score_ties
from ptychoformer.measurement.cxi import read_scan
from ptychoformer.models import build
from ptychoformer.training.checkpoint import Checkpoint, save_checkpoint
from ptychoformer.training.entries import NetworkEntry
from ptychoformer.training.normalisation import training_normalisation
from ptychoformer.training.split import split_of, training_subset

HOW = {"n_train": 120, "seed": 0, "subset": "square", "weighting": "radial"}


@pytest.fixture
def checkpoint(tmp_path):
    torch.manual_seed(0)
    weights = build("ptynet", (32, 32), {}).state_dict()

    def write(scan):
        labels = training_normalisation(scan, training_subset(split_of(scan), HOW["n_train"], 0, "square"))
        save_checkpoint(Checkpoint(NetworkEntry("ptynet", {}), (32, 32), labels, weights), tmp_path / "model.pt")
        return tmp_path / "model.pt"

    return write


def test_constants_of_true_patches_are_found_without_a_tie_and_left_alone_with_a_strong_one(
    make_dataset, checkpoint, monkeypatch
):
    dataset = make_dataset(rows=20, step=8, window=32)
    seen = []

    def perfect_but_for_constants(_, network, split, output):
        seen.append(split)
        normalisation, rng = network.normalisation, np.random.default_rng(0)
        with create_patches(output, split, normalisation) as (amplitude, phase):
            for place, (y, x) in enumerate(split.scan.true_positions[split.test]):
                amplitude[place] = normalisation.normalised("amplitude", split.scan.amplitude[y : y + 32, x : x + 32])
                phase[place] = normalisation.normalised("phase", split.scan.phase[y : y + 32, x : x + 32])
                phase[place] += rng.normal(0, 0.2)

    monkeypatch.setattr(ties, "predict_split", perfect_but_for_constants)
    scan = read_scan(dataset)
    found = score_ties(dataset, checkpoint(scan), (0.0, 1e9), **HOW).set_index("tie")["relative_phase"]
    assert list(found.index) == [inf, 0.0, 1e9]
    assert found[inf] < 30
    assert found[0.0] > 90
    assert found[1e9] == pytest.approx(found[inf], abs=1e-3)
    trained = training_subset(split_of(scan), HOW["n_train"], 0, "square")
    np.testing.assert_array_equal(np.union1d(seen[0].test, trained), split_of(scan).train)
    assert not np.intersect1d(seen[0].test, trained).size


def test_without_held_out_patterns_there_is_nothing_to_choose_on(make_dataset, checkpoint):
    dataset = make_dataset(rows=20, step=8, window=32)
    scan = read_scan(dataset)
    path = checkpoint(scan)
    with pytest.raises(InputError, match=r"trained on all training patterns of .*; none is left to try ties on"):
        score_ties(dataset, path, (0.0,), **HOW | {"n_train": len(split_of(scan).train)})
