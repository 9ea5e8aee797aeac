"""A loss of one's own trains as the package's would, is signed as it was, and is wrong in one sentence."""

import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from ptychoformer.errors import InputError, TrainingError
from ptychoformer.provenance import source_digest
from ptychoformer.training.checkpoint import load_checkpoint
from ptychoformer.training.entries import LossEntry
from ptychoformer.training.fit import Run, fit, fit_together
from ptychoformer.training.losses import make_loss

from .conftest import DPI, MSE, TRAINING, assert_same_bits

SQUARES = """
def build(forward, *, factor: float = 2.0):
    def loss(prediction, labels, patterns):
        return factor * (prediction - labels).square().mean()

    return loss
"""
# Errors count by weights that are drawn when the loss is built.
DRAWN = """
import torch

def build(forward):
    weights = torch.rand(forward.probe.shape[-2:])
    return lambda prediction, labels, patterns: (weights * (prediction - labels).square()).mean()
"""
MODULE = """
import torch
from torch import nn

class Squares(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("factor", torch.tensor(2.0))

    def forward(self, prediction, labels, patterns):
        return self.factor * (prediction - labels).square().mean()

def build(forward):
    return Squares()
"""

FORWARD = SimpleNamespace(probe=torch.ones(1, 8, 8))  # what the losses here look at of one


@pytest.fixture
def own(tmp_path):
    """Write a loss into a file; returns its entry."""

    def make(source, **options):
        (tmp_path / "own_loss.py").write_text(source)
        return LossEntry(str(tmp_path / "own_loss.py"), options)

    return make


def trained(folder, dataset, loss, seeds=(0,)):
    """Train with a loss; returns the weights and facts of each seed."""
    runs = [Run(dataset, seed, folder / f"{seed}/model.pt", folder / f"{seed}/history.csv") for seed in seeds]
    for run in runs:
        run.checkpoint.parent.mkdir(parents=True)
    facts = fit_together(runs, model=DPI, loss=loss, n_train=20, training=replace(TRAINING, epochs=1))
    return [load_checkpoint(run.checkpoint).weights for run in runs], facts


@pytest.mark.parametrize("source", [SQUARES, MODULE], ids=["function", "module"])
def test_mse_in_a_file_of_ones_own_ends_with_the_weights_of_mse(tmp_path, make_scan, own, source):
    scan, loss = make_scan(), own(source)
    (weights,), (facts,) = trained(tmp_path / "own", scan, loss)
    (expected,), (of_package,) = trained(tmp_path / "mse", scan, MSE)
    assert_same_bits(weights, expected)
    assert facts["loss_file"] == str(tmp_path / "own_loss.py")
    assert facts["loss_digest"] == source_digest(loss.kind)
    assert not {"loss_file", "loss_digest"} & set(of_package)


def test_options_of_a_loss_of_ones_own_reach_it(own):
    one, label = torch.ones(1, 2, 8, 8), torch.zeros(1, 2, 8, 8)
    assert make_loss(own(SQUARES, factor=3.0), FORWARD)(one, label, one) == 3


def test_what_a_loss_draws_depends_on_the_seed_alone(tmp_path, make_scan, own):
    scan, loss = make_scan(), own(DRAWN)
    together, _ = trained(tmp_path / "together", scan, loss, seeds=(0, 1))
    for seed in (0, 1):
        torch.rand(7)
        (alone,), _ = trained(tmp_path / f"alone{seed}", scan, loss, seeds=(seed,))
        assert_same_bits(alone, together[seed])


@pytest.mark.parametrize(
    ("source", "error", "words"),
    [
        ("import gone_module\n", InputError, r"own_loss.py' cannot be imported: ModuleNotFoundError: No module named"),
        ("def build(forward):\n    return 1 / 0\n", InputError, r"^The loss '.*own_loss.py' cannot be built: ZeroDiv"),
        (
            "import numpy as np\n\ndef build(forward):\n    return lambda *_, x=np.random.rand(): x\n",
            TrainingError,
            r"^The loss '.*own_loss.py' draws from NumPy's random numbers, which a training does not seed",
        ),
    ],
)
def test_a_loss_that_cannot_be_built_is_one_sentence(own, source, error, words):
    with pytest.raises(error, match=words):
        make_loss(own(source), FORWARD)


def test_a_loss_of_ones_own_is_tried_before_anything_is_written(tmp_path, make_scan, own):
    folder = tmp_path / "run"
    files = {"checkpoint": folder / "model.pt", "history": folder / "history.csv"}
    with pytest.raises(TrainingError, match=r"^The loss '.*own_loss.py' .*: its sign may be wrong"):
        fit(make_scan(), model=DPI, loss=own(SQUARES, factor=-1.0), n_train=20, seed=0, training=TRAINING, **files)
    assert not folder.exists()


def test_the_trial_of_a_loss_leaves_no_trace_in_it(tmp_path, make_scan, own):
    """It is worth less after each step, in a trial too."""
    counting = SQUARES.replace(
        "    def loss(prediction, labels, patterns):\n        return factor",
        "    calls = []\n\n    def loss(prediction, labels, patterns):\n        calls.append(1)\n        return factor * (0.5 if len(calls) > 13 else 1)",
    )
    scan = make_scan()
    together, _ = trained(tmp_path / "together", scan, own(counting), seeds=(0, 1))
    for seed in (0, 1):
        (alone,), _ = trained(tmp_path / f"alone{seed}", scan, own(counting), seeds=(seed,))
        assert_same_bits(alone, together[seed])


def test_what_a_loss_imports_without_being_signed_is_told(tmp_path, make_scan, own, capsys, monkeypatch):
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden/own_hidden_factor.py").write_text("FACTOR = 2\n")
    monkeypatch.setattr(sys, "path", [*sys.path])
    add = f"import sys\nsys.path.append({str(tmp_path / 'hidden')!r})\nimport own_hidden_factor\n"
    trained(tmp_path / "run", make_scan(), own(add + SQUARES))
    told = [line for line in capsys.readouterr().err.splitlines() if "is not signed" in line]
    assert told == [
        f"The loss '{tmp_path / 'own_loss.py'}' also imports {tmp_path / 'hidden/own_hidden_factor.py'}, which is not"
        " signed with it: an edit there trains nothing again."
    ]
