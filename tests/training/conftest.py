"""Trainings of seconds: of one network, of several seeds side by side, and of a network of one's own."""

from dataclasses import replace

import pandas as pd
import pytest
import torch

from ptychoformer.provenance import _code, _imports, _source, code_digest
from ptychoformer.training.checkpoint import load_checkpoint
from ptychoformer.training.entries import LossEntry, NetworkEntry
from ptychoformer.training.fit import Run, fit, fit_together
from ptychoformer.training.options import TrainingOptions

TRAINING = TrainingOptions(epochs=3, batch_size=8, validation_fraction=0.1)
# One with dropout and batch normalisation.
DPI = NetworkEntry("dpi", {"size": "small"})
PTYCHONN = NetworkEntry("ptychonn", {})
MSE = LossEntry("mse", {})


def train(folder, dataset, model=DPI, seed=0, loss=MSE, code="", **training):
    folder.mkdir(exist_ok=True)
    files = {"checkpoint": folder / "model.pt", "history": folder / "history.csv"}
    fit(
        dataset,
        model=model,
        loss=loss,
        n_train=20,
        seed=seed,
        code=code,
        training=replace(TRAINING, **training),
        **files,
    )
    return load_checkpoint(files["checkpoint"]).weights, pd.read_csv(files["history"])


def assert_same_bits(weights, others):
    assert weights.keys() == others.keys()
    for name in weights:
        assert torch.equal(weights[name], others[name]), name


def train_together(folder, dataset, seeds, model=DPI, **training):
    runs = [Run(dataset, seed, folder / f"{seed}/model.pt", folder / f"{seed}/history.csv") for seed in seeds]
    for run in runs:
        run.checkpoint.parent.mkdir(parents=True, exist_ok=True)
    fit_together(runs, model=model, loss=MSE, n_train=20, training=replace(TRAINING, **training))
    return [load_checkpoint(run.checkpoint).weights for run in runs]


OWN = """
from torch import nn

def build(window, *, channels: int = 2):
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.Dropout(0.2), nn.Conv2d(4, channels, 1))
"""


@pytest.fixture
def own(tmp_path):
    """The entry of a network in a file of a user's own."""
    for cached in (code_digest, _source, _code, _imports):
        cached.cache_clear()
    (tmp_path / "own.py").write_text(OWN)
    return NetworkEntry(str(tmp_path / "own.py"), {})
