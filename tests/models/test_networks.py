"""Every network in the catalogue: shapes, ranges, gradients, parameter counts."""

import math

import pytest
import torch
from torch import nn

from ptychoformer.configuration import network_kinds, network_options
from ptychoformer.errors import InputError
from ptychoformer.models import build, parameter_count
from ptychoformer.models.parts.initial import glorot
from ptychoformer.models.parts.outputs import constrain

# Counted by hand from the sizes in docs/readings.md.
PARAMETERS = {
    "ptychoformer": 1_605_730,
    "ptychonn": 1_247_074,
    "ptynet": 324_580,
    "dpi": 2_727_988,
    "transunet": 1_709_922,
    "segformer": 2_169_218,
}
VARIANTS = [(kind, {}) for kind in network_kinds()] + [
    ("ptychoformer", {"attention": "release"}),
    ("ptychoformer", {"attention": "mhsa"}),
    ("ptychoformer", {"attention": "none"}),
    ("ptychoformer", {"decoder": "dense"}),
    ("ptychoformer", {"constraints": "none"}),
    ("ptychonn", {"initialisation": "torch"}),
    ("ptynet", {"initialisation": "torch"}),
]


def test_every_network_has_a_known_size():
    assert set(PARAMETERS) == set(network_kinds())


@pytest.mark.parametrize("kind", PARAMETERS)
def test_parameter_count(kind):
    assert parameter_count(build(kind, (32, 32), {})) == PARAMETERS[kind]


@pytest.mark.parametrize(("kind", "options"), VARIANTS)
@pytest.mark.parametrize("side", [32, 64])
def test_output_has_two_channels_of_the_window_and_is_deterministic_in_evaluation(kind, options, side):
    network = build(kind, (side, side), options).eval()
    patterns = torch.rand(2, 1, side, side) * 8
    patches = network(patterns)
    assert patches.shape == (2, 2, side, side)
    torch.testing.assert_close(network(patterns), patches, rtol=0, atol=0)


@pytest.mark.parametrize(("kind", "options"), VARIANTS)
def test_every_parameter_gets_a_gradient(kind, options):
    torch.manual_seed(0)
    network = build(kind, (32, 32), options)
    network(torch.rand(4, 1, 32, 32) * 8).square().sum().backward()
    without = [name for name, parameter in network.named_parameters() if parameter.grad is None or not parameter.grad.isfinite().all()]
    assert not without
    # The keys' bias shifts all logits of a query alike where keys are not weighted, so its gradient may vanish; nothing else may.
    silent = [name for name, parameter in network.named_parameters() if not parameter.grad.any()]
    assert not silent


def test_without_its_non_local_branch_ptychoformer_is_the_rest_of_itself():
    full, without = (build("ptychoformer", (32, 32), {"attention": attention}) for attention in ("paper", "none"))
    branch = {name for name, _ in full.named_parameters() if name.startswith("nonlocal_")}
    assert branch
    assert {name for name, _ in without.named_parameters()} == {name for name, _ in full.named_parameters()} - branch


def test_a_dense_decoder_mixes_all_of_a_patch():
    """One fused feature reaches every pixel, which three transposed convolutions cannot do on a large window."""
    network = build("ptychoformer", (64, 64), {"decoder": "dense"}).eval()
    features = torch.zeros(1, 128, 8, 8, requires_grad=True)
    network.amplitude(features)[0, 0, 63, 63].backward()
    assert features.grad[0, :, 0, 0].any()


@pytest.mark.parametrize("kind", ["ptychoformer", "ptychonn", "transunet", "segformer"])
def test_constrained_outputs_are_physical_however_wild_the_input(kind):
    amplitude, phase = build(kind, (32, 32), {}).eval()(torch.randn(4, 1, 32, 32) * 1e3).unbind(1)
    assert amplitude.min() >= 0
    assert amplitude.max() <= 1
    assert phase.abs().max() <= math.pi + 1e-6


def test_eq_13():
    raw = torch.tensor([[0.0, 2.0], [0.0, -1.0]])[None, ..., None]  # (1, 2, 2, 1)
    expected = torch.tensor([[0.5, 1 / (1 + math.exp(-2))], [0.0, -math.pi * math.tanh(1)]])[None, ..., None]
    torch.testing.assert_close(constrain(raw), expected)


@pytest.mark.parametrize("kind", network_kinds())
@pytest.mark.parametrize("window", [(20, 20), (33, 32)])
def test_a_window_that_does_not_fit_is_named(kind, window):
    with pytest.raises(InputError, match=f"{kind}.*{window[0]} x {window[1]}"):
        build(kind, window, {})


def test_glorot_weights_keep_the_variance_of_a_signal():
    torch.manual_seed(0)
    layer = glorot(nn.Conv2d(64, 64, 3))
    assert layer.weight.var().item() == pytest.approx(2 / (2 * 64 * 9), rel=0.05)
    assert not layer.bias.any()


def test_options_are_read_from_the_source_without_importing_torch():
    enums = {name: schema["enum"] for name, schema in network_options("ptychoformer").items()}
    assert enums == {
        "attention": ["paper", "release", "mhsa", "none"],
        "decoder": ["convolutional", "dense"],
        "constraints": ["physical", "none"],
    }
    assert network_options("dpi") == {}
