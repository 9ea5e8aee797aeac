"""A small scan, a run nobody trained, and the command line as a user calls it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from ptychoformer import cli
from ptychoformer.measurement.cxi import Optics, create_dataset
from ptychoformer.measurement.windows import windows
from ptychoformer.models import build
from ptychoformer.simulation.diffraction import diffraction
from ptychoformer.training.checkpoint import Checkpoint, save_checkpoint
from ptychoformer.training.entries import NetworkEntry
from ptychoformer.training.normalisation import Normalisation

ROOT = Path(__file__).resolve().parents[2]
WINDOW = 32
OPTICS = Optics(wavelength=1.4e-10, pixel_size=1e-8, distance=2.0)
COMMANDS = ("inspect", "reconstruct", "train", "predict", "export")
NORMALISATION = Normalisation(0.5, 1.0, -1.0, 1.0)


def save_network(path, kind, window, weights):
    """A checkpoint with no options that sees logarithms."""
    save_checkpoint(Checkpoint(NetworkEntry(kind, {}), window, NORMALISATION, weights), path)


def write_scan(path, rows=14, columns=8, step=6, probe_known=True, optics=OPTICS):
    """A scan of a smooth object with a Gaussian probe; returns its path."""
    random = np.random.default_rng(0)
    corners = np.indices((rows, columns)).reshape(2, -1).T * step + random.integers(0, 3, (rows * columns, 2))
    corners -= corners.min(axis=0)
    y, x = np.indices(corners.max(axis=0) + WINDOW)
    thing = (0.8 + 0.2 * np.sin(y / 5) * np.cos(x / 7)) * np.exp(0.5j * np.sin(y / 9 + x / 6))
    y, x = np.indices((WINDOW, WINDOW)) - WINDOW // 2
    probe = (np.exp(-(y**2 + x**2) / (2 * 5.0**2)) * np.exp(0.02j * (y**2 + x**2))).astype(np.complex64)
    probe *= np.sqrt(2e5 / np.sum(np.abs(probe) ** 2))
    parts = dict(
        window=probe.shape, positions=corners.astype(float), optics=optics, probe=probe if probe_known else None
    )
    with create_dataset(path, **parts) as data:
        data[:] = np.rint(diffraction(probe * windows(thing, corners, probe.shape)))
    return path


@pytest.fixture(scope="session")
def scan(tmp_path_factory):
    return write_scan(tmp_path_factory.mktemp("scan") / "scan.cxi")


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """A run's folder with a network that nobody trained."""
    folder = tmp_path_factory.mktemp("run")
    torch.manual_seed(0)
    network = build("ptychonn", (16, 16), {})
    save_network(folder / "model.pt", "ptychonn", (16, 16), network.state_dict())
    (folder / "preparation.json").write_text(json.dumps({"crop": 32, "bin": 2, "window": [16, 16], "pixel_size": 1e-8}))
    return folder


def called(*arguments):
    return subprocess.run([sys.executable, "-m", "ptychoformer", *map(str, arguments)], capture_output=True, text=True)


def main(*arguments):
    return cli.main([str(argument) for argument in arguments])


def one_sentence(capsys):
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith("Error: ")]
    assert len(error) == 1
    assert error[0].endswith(".")
    return error[0]


OWN = """from torch import nn


def build(window, *, width: int = 4):
    return nn.Sequential(nn.Conv2d(1, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, 2, 3, padding=1))
"""


@pytest.fixture(scope="session")
def learn(scan, tmp_path_factory):
    """Train for a moment on the scan; returns the exit code."""
    folder = tmp_path_factory.mktemp("reconstructed")
    assert (
        main("reconstruct", scan, "-o", folder / "object.h5", "--iterations", 2, "--probe-known", "--threads", 1) == 0
    )

    def trained(run, *options, model="ptynet", epochs=1):
        made = ("--object", folder / "object.h5", "-o", run, "--epochs", epochs, "--model", model, "--threads", 1)
        return main("train", scan, *made, *options)

    return trained
