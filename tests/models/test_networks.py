"""Every network in the catalogue: shapes, ranges, gradients, parameter counts."""

import copy
import math
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import nn

from ptychoformer.configuration import CONFIG, FULL_SIZE, load
from ptychoformer.errors import InputError
from ptychoformer.models import BATCH_NORMS, INITIALISATIONS, build, moved, own_initialisation, parameter_count
from ptychoformer.models.parts.outputs import constrain
from ptychoformer.plugins import network_kinds, network_options
from ptychoformer.publication.store.files import read_runs
from ptychoformer.publication.store.holdings import RETRAINED

ROOT = Path(__file__).resolve().parents[2]
# Counted by hand from the layers in docs/readings.md and in the modules' docstrings.
PARAMETERS = [
    ("ptychoformer", {}, 1_605_730),
    ("ptychoformer", {"blocks": "release"}, 1_601_634),
    ("ptychoformer", {"attention": "none"}, 1_567_970),
    ("ptychoformer", {"attention": "mhsa"}, 1_605_730),
    ("ptychoformer", {"constraints": "none"}, 1_605_730),
    ("ptychoformer", {"decoder": "dense"}, 4_273_376),
    ("ptychonn", {}, 1_247_074),
    ("ptynet", {}, 324_580),
    ("ptynet", {"size": "large"}, 20_657_522),
    ("dpi", {}, 9_446_016),
    ("dpi", {"size": "small"}, 2_727_988),
    ("transunet", {}, 1_709_922),
    ("segformer", {}, 2_169_218),
]
VARIANTS = [(kind, options) for kind, options, _ in PARAMETERS] + [
    ("ptychoformer", {"attention": "release"}),
    ("ptychoformer", {"blocks": "release", "attention": "release"}),
    ("ptychoformer", {"blocks": "release", "attention": "none"}),
]


def test_every_network_of_the_paper_is_there():
    assert {kind for kind, *_ in PARAMETERS} <= set(network_kinds())


@pytest.mark.parametrize(("kind", "options", "count"), PARAMETERS)
def test_parameter_count(kind, options, count):
    assert parameter_count(build(kind, (32, 32), options)) == count


def test_reference_runs_are_of_the_networks_that_the_config_names():
    stores = (ROOT / "resources/reference", ROOT / "resources/reference" / RETRAINED)
    found = pd.concat(map(read_runs, stores)).dropna(subset="parameters")
    networks = load((CONFIG, FULL_SIZE), ROOT)["models"]
    for name, counts in found.groupby("model")["parameters"]:
        entry = networks[name]
        assert set(counts) == {parameter_count(build(entry["kind"], (32, 32), entry["options"]))}, name


def test_a_complex_parameter_is_two_numbers():
    layer = nn.ParameterList([torch.zeros(3, dtype=torch.complex64), torch.zeros(4)])
    assert parameter_count(layer) == 10


def test_what_is_frozen_is_no_parameter_that_training_adjusts():
    network = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))
    network[0].requires_grad_(False)
    assert parameter_count(network) == 3


def test_large_ptynet_has_as_many_parameters_as_its_release():
    """20.66 million; four of them, of a last convolution that it never runs, are left out."""
    assert parameter_count(build("ptynet", (32, 32), {"size": "large"})) / 1e6 == pytest.approx(20.66, abs=0.005)


@pytest.mark.parametrize(("kind", "options"), VARIANTS)
@pytest.mark.parametrize("side", [32, 64])
def test_output_has_two_channels_of_the_window_and_is_deterministic_in_evaluation(kind, options, side):
    network = build(kind, (side, side), options).eval()
    patterns = torch.rand(2, 1, side, side) * 8
    patches = network(patterns)
    assert patches.shape == (2, 2, side, side)
    torch.testing.assert_close(network(patterns), patches, rtol=0, atol=0)


@pytest.mark.parametrize(("kind", "options"), VARIANTS)
@pytest.mark.parametrize("initialisation", INITIALISATIONS)
def test_every_parameter_gets_a_gradient(kind, options, initialisation):
    torch.manual_seed(0)
    network = build(kind, (32, 32), options, initialisation)
    network(torch.rand(4, 1, 32, 32) * 8).square().sum().backward()
    without = [
        name
        for name, parameter in network.named_parameters()
        if parameter.grad is None or not parameter.grad.isfinite().all()
    ]
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


@pytest.mark.parametrize(("kind", "options"), VARIANTS)
def test_glorot_reaches_every_layer_with_weights_and_nothing_else(kind, options):
    torch.manual_seed(0)
    before = build(kind, (32, 32), options, "torch").state_dict()
    torch.manual_seed(0)
    network = build(kind, (32, 32), options, "glorot")
    reached = set()
    for name, layer in network.named_modules():
        if not isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            continue
        reached |= {f"{name}.{own}" for own, _ in layer.named_parameters()}
        assert layer.bias is None or not layer.bias.any()
        # Keras's fans, of its own layout of kernels: a group's channels on one side, all channels on the other.
        one, other = layer.weight.shape[:2]
        bound = math.sqrt(6 / ((one + other) * layer.weight[0, 0].numel()))
        assert layer.weight.abs().max() <= bound
        if layer.weight.numel() > 5000:
            assert layer.weight.var().item() == pytest.approx(bound**2 / 3, rel=0.1)
    for name, parameter in network.named_parameters():
        if name not in reached:
            torch.testing.assert_close(parameter, before[name], rtol=0, atol=0)


@pytest.mark.parametrize("kind", network_kinds())
def test_a_network_left_to_itself_starts_from_its_own_choice(kind):
    weights = []
    for initialisation in (None, own_initialisation(kind)):
        torch.manual_seed(0)
        weights.append(build(kind, (32, 32), {}, initialisation).state_dict())
    for one, other in zip(*(found.values() for found in weights), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)
    assert own_initialisation(kind) == {"ptychonn": "glorot", "ptynet": "glorot"}.get(kind, "torch")


def batch_norms(network):
    return [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]


@pytest.mark.parametrize(("kind", "options"), VARIANTS)
def test_batch_norms_average_as_the_entry_says_and_start_alike(kind, options):
    made = {}
    for batch_norm in BATCH_NORMS:
        torch.manual_seed(0)
        network = build(kind, (32, 32), options, batch_norm=batch_norm)
        made[batch_norm] = copy.deepcopy(moved(network, torch.device("cpu")))
    for name, expected in {"torch": (0.1, 1e-5), "keras": (0.01, 1e-3)}.items():
        assert {(layer.momentum, layer.eps) for layer in batch_norms(made[name])} <= {expected}
        without = [("ptychonn", {}), ("ptynet", {}), ("ptychoformer", {"decoder": "dense"})]
        assert bool(batch_norms(made[name])) == ((kind, options) not in without)
    for one, other in zip(*(network.state_dict().values() for network in made.values()), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_running_averages_follow_the_rule_of_keras():
    """moving = 0.99 moving + 0.01 batch, from 0 and 1, the variance with n - 1."""
    torch.manual_seed(0)
    network = build("ptynet", (32, 32), {"size": "large"}, batch_norm="keras")
    first, seen = batch_norms(network)[0], []
    first.register_forward_pre_hook(lambda layer, inputs: seen.append(inputs[0].detach().double()))
    mean, variance = 0.0, 1.0
    for _ in range(3):
        network(torch.rand(2, 1, 32, 32) * 8)
        mean = 0.99 * mean + 0.01 * seen[-1].mean((0, 2, 3))
        variance = 0.99 * variance + 0.01 * seen[-1].var((0, 2, 3), correction=1)
    torch.testing.assert_close(first.running_mean.double(), mean, rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(first.running_var.double(), variance, rtol=1e-5, atol=0)
    network.eval()
    shown = first(seen[-1].float()).double()
    expected = (seen[-1] - mean[:, None, None]) / (variance[:, None, None] + 1e-3).sqrt()
    torch.testing.assert_close(shown, expected, rtol=1e-4, atol=1e-5)


def test_without_its_relus_dense_layer_fusion_and_first_transposed_convolution_are_one_linear_map():
    """And with them they are not: twice the tokens less the bias is not twice the features."""
    torch.manual_seed(0)
    tokens = torch.randn(2, 512)
    for blocks, linear in (("paper", True), ("release", False)):
        network = build("ptychoformer", (32, 32), {"attention": "none", "blocks": blocks}).eval()

        def mapped(tokens, network=network):
            features = network.local.activate(network.local.dense(tokens)).unflatten(1, (128, 4, 4))
            return network.amplitude[0](network.activate(network.fuse(features)))

        nothing = mapped(torch.zeros(1, 512))
        assert torch.allclose(mapped(2 * tokens) - nothing, 2 * (mapped(tokens) - nothing), atol=1e-4) == linear


def test_the_release_widens_before_it_pools():
    """A ReLU and a mean do not commute: pooled features of the release are never negative, and see single pixels."""
    torch.manual_seed(0)
    patterns = torch.rand(2, 1, 32, 32) * 8
    branches = {
        name: build("ptychoformer", (32, 32), {"blocks": name}).eval().nonlocal_ for name in ("paper", "release")
    }
    seen = []
    branches["release"].widen.register_forward_hook(lambda layer, inputs, output: seen.append(output))
    pooled = branches["release"](patterns)
    assert seen[0].shape == (2, 128, 32, 32)
    torch.testing.assert_close(pooled, seen[0].clamp(min=0).unflatten(3, (4, 8)).unflatten(2, (4, 8)).mean(dim=(3, 5)))
    assert pooled.min() >= 0
    assert branches["paper"](patterns).min() < 0


def test_without_attention_the_non_local_branch_stays_where_its_pixels_are():
    """A pixel changes the features of its own cell of the grid, of 8 x 8 pixels, and no others."""
    torch.manual_seed(0)
    branch = build("ptychoformer", (32, 32), {}).eval().nonlocal_
    for block in branch.blocks:
        torch.nn.init.zeros_(block.attention.project.weight)
        torch.nn.init.zeros_(block.attention.project.bias)
    patterns = torch.rand(1, 1, 32, 32).repeat(2, 1, 1, 1)
    patterns[1, 0, 3, 29] += 5
    one, other = branch(patterns)
    changed = ((one - other).abs() > 1e-4).any(dim=0)
    assert changed.nonzero().tolist() == [[0, 3]]


def test_the_non_local_branch_of_the_release_sees_the_pattern():
    """Normalising three equal copies of it over channels, as the release does, would leave zeros."""
    torch.manual_seed(0)
    branch = build("ptychoformer", (32, 32), {"blocks": "release"}).eval().nonlocal_
    one, other = branch(torch.rand(2, 1, 32, 32) * 8)
    assert (one - other).abs().max() > 1e-3 * one.abs().max()


def test_dropout_of_dpi_lies_between_levels():
    """In training the same pattern is answered differently, by a fifth of each level's features."""
    network = build("dpi", (32, 32), {}).train()
    assert network.dropout.p == 0.2
    calls = []
    network.dropout.register_forward_hook(
        lambda layer, inputs, output: calls.append((tuple(output.shape[1:3]), inputs[0].shape[1]))
    )
    network(torch.rand(4, 1, 32, 32))
    # Five levels down, of which four also go across, and four up.
    assert len(calls) == 5 + 4 + 4


@pytest.mark.parametrize("window", [(24, 24), (40, 32)])
def test_large_ptynet_needs_multiples_of_16(window):
    build("ptynet", window, {})
    with pytest.raises(InputError, match="ptynet of size large needs patterns whose sides are multiples of 16"):
        build("ptynet", window, {"size": "large"})


def test_options_are_read_from_the_source_without_importing_torch():
    enums = {name: schema["enum"] for name, schema in network_options("ptychoformer").items()}
    assert enums == {
        "attention": ["paper", "release", "mhsa", "none"],
        "blocks": ["paper", "release"],
        "decoder": ["convolutional", "dense"],
        "constraints": ["physical", "none"],
    }
    assert network_options("dpi") == {"size": {"enum": ["large", "small"], "default": "large"}}
    assert network_options("ptychonn") == {}


@pytest.mark.parametrize("kind", network_kinds())
def test_a_network_is_moved_as_torch_moves_it(kind):
    ours, theirs = (build(kind, (32, 32), {}) for _ in range(2))
    ours, theirs = moved(ours, torch.device("cpu")), theirs.to(memory_format=torch.channels_last)
    for one, other in zip(
        (*ours.parameters(), *ours.buffers()), (*theirs.parameters(), *theirs.buffers()), strict=True
    ):
        assert one.stride() == other.stride()
