"""A network that was exported as ONNX answers photons as it does here."""

import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ptychoformer import __version__
from ptychoformer.errors import InputError, OutputError
from ptychoformer.evaluation import deployment
from ptychoformer.evaluation.deployment import PREPARATIONS, export_network
from ptychoformer.evaluation.network import TrainedNetwork
from ptychoformer.models import build
from ptychoformer.plugins import network_kinds
from ptychoformer.training.checkpoint import Checkpoint, save_checkpoint
from ptychoformer.training.entries import NetworkEntry
from ptychoformer.training.inputs import INPUTS, network_input
from ptychoformer.training.normalisation import Normalisation

WINDOW = (32, 32)
NORMALISATION = Normalisation(0.25, 1.5, -2.0, 3.0)
PREPARED = {"crop": 64, "bin": 2, "window": [32, 32], "pixel_size": 1.25e-8}
OTHERS = [  # what networks are made of besides
    ("ptychoformer", {"attention": "release", "blocks": "release"}),
    ("ptychoformer", {"attention": "mhsa", "decoder": "dense"}),
    ("ptychoformer", {"attention": "none", "constraints": "none"}),
    ("ptynet", {"size": "large"}),
]


def photons(count):
    """Patterns (count, 32, 32) with bright and empty pixels, some below zero; the second without any photon."""
    random = np.random.default_rng(count)
    patterns = random.poisson(random.exponential(50.0, (count, *WINDOW)) ** 1.5) + random.normal(0, 1, (count, *WINDOW))
    patterns[1:2] = 0
    return patterns.astype(np.float32)


def checkpoint(path, kind, options=None, inputs="log"):
    """A network with random weights whose batch norms have seen patterns."""
    torch.manual_seed(1)
    network = build(kind, WINDOW, options or {})
    with torch.no_grad():
        for _ in range(3):
            network.train()(torch.from_numpy(network_input(photons(8), inputs)))
    entry = NetworkEntry(kind, options or {}, inputs=inputs)
    save_checkpoint(Checkpoint(entry, WINDOW, NORMALISATION, network.state_dict()), path)
    return path


def session_of(path):
    return pytest.importorskip("onnxruntime").InferenceSession(path)


def assert_same_answers(folder, *network):
    """Whether the exported network answers any number of patterns as `predict` has it."""
    trained, file = checkpoint(folder / "model.pt", *network), folder / "network.onnx"
    export_network(trained, PREPARED, file)
    session, here = session_of(file), TrainedNetwork(trained)
    for count in (1, 2, 5):
        amplitude, phase = session.run(["amplitude", "phase"], {"photons": photons(count)})
        patches = next(here.stream([photons(count)]))
        for found, channel, place in ((amplitude, "amplitude", 0), (phase, "phase", 1)):
            assert found.dtype == np.float32
            expected = NORMALISATION.restored(channel, patches[:, place])
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=2e-5)
            # Networks that nobody trained say little of a pattern; what they say is the same too.
            assert np.abs(found - expected).max() <= 1e-3 * np.ptp(expected)


def test_the_plainest_network_answers_the_same(tmp_path):
    assert_same_answers(tmp_path, "ptychonn")


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted({*network_kinds()} - {"ptychonn"}))
def test_every_network_answers_the_same(tmp_path, kind):
    assert_same_answers(tmp_path, kind)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "options"), OTHERS, ids=str)
def test_so_do_their_variants(tmp_path, kind, options):
    assert_same_answers(tmp_path, kind, options)


@pytest.mark.slow
@pytest.mark.parametrize("inputs", sorted(set(INPUTS) - {"log"}))
def test_and_those_that_see_roots(tmp_path, inputs):
    assert_same_answers(tmp_path, "ptychonn", None, inputs)


def test_every_preparation_is_there_as_nodes_of_a_graph():
    assert PREPARATIONS.keys() == INPUTS.keys()


@pytest.mark.parametrize("inputs", sorted(INPUTS))
def test_patterns_are_prepared_as_in_training(inputs):
    prepared = PREPARATIONS[inputs](torch.from_numpy(photons(6)).clamp(min=0))
    np.testing.assert_allclose(prepared.numpy(), network_input(photons(6), inputs)[:, 0], rtol=1e-6)


def test_the_file_says_what_it_takes(tmp_path):
    file = tmp_path / "network.onnx"
    export_network(checkpoint(tmp_path / "model.pt", "ptychonn"), PREPARED, file)
    said = session_of(file).get_modelmeta().custom_metadata_map
    assert {name: json.loads(said[name]) for name in PREPARED} == PREPARED
    assert (said["package"], said["package_version"], said["network"]) == (
        "ptychoformer-repro",
        __version__,
        "ptychonn",
    )
    assert said["checkpoint"] == TrainedNetwork(tmp_path / "model.pt").digest
    assert [entry.name for entry in tmp_path.iterdir() if entry.suffix != ".pt"] == [
        "network.onnx"
    ]  # one file, and no rest


def test_what_nobody_knows_is_not_said(tmp_path):
    file = tmp_path / "network.onnx"
    said = export_network(
        checkpoint(tmp_path / "model.pt", "ptychonn"), {"crop": 32, "bin": 1, "pixel_size": None}, file
    )
    assert said == session_of(file).get_modelmeta().custom_metadata_map
    assert "pixel_size" not in said


@pytest.mark.parametrize("missing", ["onnx", "onnxscript"])
def test_a_missing_package_is_named(tmp_path, monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(InputError, match=r"extra 'export' of this package\.$") as raised:
        export_network(checkpoint(tmp_path / "model.pt", "ptychonn"), PREPARED, tmp_path / "network.onnx")
    assert f"but {missing} is not installed" in str(raised.value)


def test_a_full_disk_leaves_the_earlier_file(tmp_path, monkeypatch):
    file = tmp_path / "network.onnx"
    file.write_text("earlier")
    trained = checkpoint(tmp_path / "model.pt", "ptychonn")

    class Program:
        model = SimpleNamespace(metadata_props={}, graph=SimpleNamespace(inputs=(), outputs=()))

        def save(self, path, **_):
            path.write_text("half")
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(deployment.torch.onnx, "export", lambda *_, **__: Program())
    with pytest.raises(OutputError, match="disk is full"):
        export_network(trained, PREPARED, file)
    assert file.read_text() == "earlier"
    assert {entry.name for entry in tmp_path.iterdir()} == {"model.pt", "network.onnx"}


def test_a_checkpoint_opens_without_this_package(tmp_path):
    """As the documentation has it: plain numbers, texts and tensors, read with ``weights_only``."""
    path = checkpoint(tmp_path / "model.pt", "ptychonn")
    script = f"""
import sys, torch
content = torch.load({str(path)!r}, map_location="cpu", weights_only=True)
assert not any(name.startswith("ptychoformer") for name in sys.modules)
assert content["kind"] == "ptychonn" and tuple(content["window"]) == (32, 32) and content["inputs"] == "log"
assert content["normalisation"] == {NORMALISATION.as_attributes()}
assert all(isinstance(part, torch.Tensor) for part in content["weights"].values())
print(*sorted(content))
"""
    finished = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    of_network = ["inputs", "initialisation", "kind", "options"]  # and "source", of one outside of the package
    assert finished.stdout.split() == sorted([*of_network, "normalisation", "weights", "window"])


STEPS = {
    "branching": "x if float(x.mean()) > 0 else -x",
    "eigen": "x + torch.linalg.eigvals(x @ x.mT).real[..., None]",
    "looping": "torch.stack([x[place] for place in range(len(x))])",
}
REASONS = {
    "branching": "cannot be written as ONNX, which knows no decisions by values",
    "eigen": r"cannot be written as ONNX.* \(No ONNX function found for .*linalg_eig",
    "looping": "for 2 patterns at a time alone, since it goes from pattern to pattern",
}


@pytest.mark.parametrize("name", STEPS)
def test_a_network_that_onnx_cannot_hold_is_one_sentence(tmp_path, capfd, name):
    """And nothing is written, least of all a file that takes one number of patterns alone."""
    (tmp_path / f"{name}.py").write_text(
        "import torch\nfrom torch import nn\n\n\nclass Net(nn.Conv2d):\n    def forward(self, x):\n"
        f"        x = super().forward(x)\n        return {STEPS[name]}\n\n\n"
        "def build(window):\n    return Net(1, 2, 3, padding=1)\n"
    )
    trained = checkpoint(tmp_path / "model.pt", str(tmp_path / f"{name}.py"))
    with pytest.raises(InputError, match=REASONS[name]) as caught:
        export_network(trained, PREPARED, tmp_path / "network.onnx")
    assert len(str(caught.value).splitlines()) == 1
    assert capfd.readouterr() == ("", "")
    assert not list(tmp_path.glob("*.onnx"))
