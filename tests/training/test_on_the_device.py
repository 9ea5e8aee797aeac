"""A step stays on the device: it asks for no value there and mixes in no tensor of the CPU, either of which a captured
graph cannot hold.

torch's ``meta`` device, whose tensors have no values, refuses both without an accelerator.
"""

from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from torch import nn

from ptychoformer.configuration import load
from ptychoformer.models import BATCH_NORMS, build
from ptychoformer.training import run as run_module
from ptychoformer.training.entries import LossEntry
from ptychoformer.training.examples import Examples
from ptychoformer.training.forward import Forward
from ptychoformer.training.losses import make_loss
from ptychoformer.training.losses.mse import mean_squared_error
from ptychoformer.training.normalisation import Normalisation
from ptychoformer.training.options import TrainingOptions
from ptychoformer.training.run import Training

ROOT = Path(__file__).parents[2]
CONFIG = load([ROOT / "config.yaml", ROOT / "config/paper.yaml"], ROOT)
META = torch.device("meta")


@pytest.fixture(autouse=True)
def _no_autocast(monkeypatch):
    """Nothing is shortened on a device that computes nothing."""
    monkeypatch.setattr(run_module, "autocast", lambda *_: nullcontext())


def examples(count):
    patterns = torch.rand(count, 1, 32, 32)
    return Examples(patterns, patterns, torch.rand(count, 2, 32, 32)).to(META)


def take_steps(network, loss):
    """Take a step of a whole batch and of the last, and look at the validation part."""
    run = Training(network.to(META), loss, TrainingOptions(batch_size=8), 0, examples(20), examples(11))
    run.model.train()
    run._fit_next()
    run._fit_last()
    run.model.eval()
    run._watch()


@pytest.mark.parametrize("batch_norm", BATCH_NORMS)
@pytest.mark.parametrize("name", CONFIG["models"])
def test_a_step_of_every_network_stays_on_the_device(name, batch_norm):
    entry = CONFIG["models"][name]
    take_steps(build(entry["kind"], (32, 32), entry["options"], batch_norm=batch_norm), mean_squared_error)


@pytest.mark.parametrize("name", CONFIG["losses"])
def test_a_step_of_every_loss_stays_on_the_device(name):
    probe = torch.zeros(2, 32, 32, dtype=torch.complex64, device=META)
    forward = Forward(probe, 0.9, 0.8, Normalisation(0.5, 1.0, -0.7, 0.4), 8.0)
    entry = {key: value for key, value in CONFIG["losses"][name].items() if key != "label"}
    take_steps(build("ptynet", (32, 32), {}), make_loss(LossEntry.of(entry), forward))


class Asking(nn.Conv2d):
    """A network that asks the device for a value."""

    def forward(self, patterns):
        return super().forward(patterns) * (1.0 if patterns.mean() > 0 else -1.0)


class Mixing(nn.Conv2d):
    """A network that adds what it has left on the CPU."""

    def forward(self, patterns):
        return super().forward(patterns) + torch.ones(32)


@pytest.mark.parametrize("network", [Asking, Mixing])
def test_a_step_that_leaves_the_device_is_seen(network):
    with pytest.raises(RuntimeError, match="meta"):
        take_steps(network(1, 2, 3, padding=1), mean_squared_error)
