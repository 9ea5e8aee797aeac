"""What is told of a network is what it does."""

import json
import math
from itertools import pairwise

import h5py
import numpy as np
import pytest
import torch

from ptychoformer.errors import InputError
from ptychoformer.measurement.cxi import read_patterns
from ptychoformer.models import build, parameter_count
from ptychoformer.training.checkpoint import Checkpoint, save_checkpoint
from ptychoformer.training.entries import NetworkEntry
from ptychoformer.training.inputs import network_input
from ptychoformer.training.inspection import attention_maps, attention_rows, describe, learned_attention, query_pixels
from ptychoformer.training.normalisation import Normalisation

WINDOW = (32, 32)


@pytest.fixture
def described(tmp_path):
    def described(kind="ptychoformer", window=WINDOW, **options):
        describe(NetworkEntry(kind, options, inputs="sqrt"), window, tmp_path / "network.json")
        return json.loads((tmp_path / "network.json").read_text())

    return described


@pytest.fixture
def save_network(tmp_path):
    """Write a checkpoint of random weights."""

    def save(kind="ptychoformer", window=WINDOW, inputs="log", **options):
        torch.manual_seed(0)
        network = build(kind, window, options)
        model = NetworkEntry(kind, options, inputs=inputs)
        parts = {"window": window, "normalisation": Normalisation(0, 1, 0, 1), "weights": network.state_dict()}
        save_checkpoint(Checkpoint(model, **parts), tmp_path / "model.pt")
        return tmp_path / "model.pt"

    return save


def build_seeded():
    torch.manual_seed(0)
    return build("ptychoformer", WINDOW, {}).eval()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"attention": "release"},
        {"attention": "none"},
        {"blocks": "release"},
        {"decoder": "dense"},
        {"window": (64, 64)},
    ],
)
def test_every_parameter_is_accounted_for_once(described, options):
    found = described(**options)
    assert (
        sum(math.prod(shape) for module in found["modules"] for shape in module["own"].values()) == found["parameters"]
    )


def test_modules_stand_in_the_order_in_which_they_run(described):
    names = [module["name"] for module in described()["modules"]]
    assert names[0] == ""
    branches = [
        names.index(name)
        for name in ("local.embed", "local.dense", "nonlocal_.embed", "fuse", "amplitude.0", "phase.0")
    ]
    assert branches == sorted(branches)
    for place, name in enumerate(names[1:], start=1):
        assert names.index(name.rpartition(".")[0]) < place


def test_a_sequence_hands_on_what_it_computes(described):
    modules = {module["name"]: module for module in described()["modules"]}
    layers = [module for name, module in modules.items() if name.startswith("amplitude.")]
    assert layers[0]["input"] == modules["amplitude"]["input"] == modules["fuse"]["output"]
    assert all(one["output"] == other["input"] for one, other in pairwise(layers))
    assert layers[-1]["output"] == [1, *WINDOW]
    assert modules["nonlocal_.blocks.0.attention"]["output"] == [1024, 32]
    assert modules["local.embed"]["settings"] == {"kernel_size": [8, 8], "stride": [8, 8]}


def test_a_module_that_runs_three_times_is_told_of_three_times(described):
    found = described("transunet")["modules"]
    pooled = [(module["input"][1:], module["output"][1:]) for module in found if module["name"] == "downsample"]
    assert pooled == [([32, 32], [16, 16]), ([16, 16], [8, 8]), ([8, 8], [4, 4])]
    order = [
        module["name"]
        for module in found
        if module["name"] in ("encode.0", "encode.1", "encode.2", "downsample", "transform")
    ]
    assert order == ["encode.0", "downsample", "encode.1", "downsample", "encode.2", "downsample", "transform"]
    first, pooling, second = [module for module in found if module["name"] in ("encode.0", "downsample", "encode.1")][
        :3
    ]
    assert first["output"] == pooling["input"]
    assert pooling["output"] == second["input"]


@pytest.mark.parametrize("kind", ["ptychonn", "ptynet", "dpi"])
def test_other_networks_can_be_described(described, kind):
    assert described(kind)["parameters"] == parameter_count(build(kind, WINDOW, {}))


def test_options_left_out_have_their_defaults(described):
    found = described(constraints="none")["options"]
    assert found["constraints"] == "none"
    assert (found["attention"], found["blocks"]) == ("paper", "paper")


def test_what_the_network_sees_is_told(described):
    assert described()["inputs"] == "sqrt"


def test_maps_are_of_patterns_as_the_network_sees_them(tmp_path, make_scan, save_network):
    """The same weights attend otherwise to roots than to logarithms."""
    found = {}
    for inputs in ("log", "sqrt"):
        attention_maps(make_scan(), save_network(inputs=inputs), tmp_path / f"{inputs}.h5")
        with h5py.File(tmp_path / f"{inputs}.h5") as file:
            found[inputs], index = file["attention/weights"][:], file["patterns/index"][:]
    network = build_seeded()
    photons = read_patterns(make_scan(), index)
    with torch.inference_mode():
        expected = learned_attention(
            network, torch.from_numpy(np.sqrt(photons))[:, None], np.ravel_multi_index(query_pixels(WINDOW).T, WINDOW)
        )
    np.testing.assert_allclose(found["sqrt"].reshape(expected.shape), expected, rtol=1e-4)
    assert np.abs(found["sqrt"] - found["log"]).max() > 1e-3 * found["log"].max()


@pytest.mark.parametrize("blocks", ["paper", "release"])
def test_rows_reproduce_the_output_of_the_layer_itself(blocks):
    torch.manual_seed(0)
    layer = build("ptychoformer", WINDOW, {"blocks": blocks}).nonlocal_.blocks[0].attention
    tokens, queries = torch.randn(2, 1024, 32), np.array([0, 17, 528, 1023])
    with torch.inference_mode():
        rows = attention_rows(layer, tokens, queries)
        _, _, v = layer.qkv(tokens).unflatten(-1, (3, layer.heads, -1)).permute(2, 0, 3, 1, 4)
        by_rows = layer.project((rows @ v).transpose(1, 2).flatten(2))
        torch.testing.assert_close(by_rows, layer(tokens)[:, queries], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("blocks", ["paper", "release"])
def test_every_block_is_asked_about_what_it_is_given(make_scan, blocks):
    torch.manual_seed(0)
    network = build("ptychoformer", WINDOW, {"blocks": blocks}).eval()
    inputs, queries = (
        torch.from_numpy(network_input(read_patterns(make_scan(), np.arange(3)), "log")),
        np.array([5, 528]),
    )
    with torch.inference_mode():
        found = learned_attention(network, inputs, queries)
        branch = network.nonlocal_
        tokens = branch.embed(inputs.flatten(2).transpose(1, 2))
        for place, block in enumerate(branch.blocks):
            expected = attention_rows(block.attention, block.norm_attention(tokens), queries).mean(0)
            np.testing.assert_allclose(found[place], expected, rtol=1e-4)
            tokens = block(tokens)


def test_maps_are_complete_and_described(tmp_path, make_scan, save_network):
    scan = make_scan()
    attention_maps(scan, save_network(), tmp_path / "maps.h5")
    with h5py.File(tmp_path / "maps.h5") as file:
        weights, radius, angle = (file[name][:] for name in ("attention/weights", "coordinates/R", "coordinates/Theta"))
        assert weights.shape == (2, 2, 2, *WINDOW)
        np.testing.assert_allclose(weights.sum(axis=(-2, -1)), 1, rtol=1e-6)
        # Eqs. 10-11 at the 1-based pixel (row 20, column 7).
        assert radius[19, 6] == pytest.approx(math.hypot(7 - 16, 20 - 16) / math.hypot(16, 16))
        assert angle[19, 6] == pytest.approx(math.atan2(20 - 16, 7 - 16) / math.pi)
        network = build("ptychoformer", WINDOW, {})
        np.testing.assert_allclose(
            file["coordinates/weight"][:].ravel(), network.nonlocal_.blocks[0].attention.key_weight[:, 0]
        )
        index = file["patterns/index"][:]
        np.testing.assert_array_equal(index, np.arange(24, 30))  # the last of five rows, which tests
        np.testing.assert_allclose(file["patterns/mean"][:], read_patterns(scan, index).mean(0), rtol=1e-5)
        assert list(file["attention/queries"].attrs["names"]) == [b"central", b"outer"]
        for name in ("attention/weights", "attention/queries", "coordinates/R", "patterns/mean"):
            assert {"units", "axes"} <= set(file[name].attrs)


def test_the_central_query_is_the_zero_frequency():
    for side in (32, 64):
        frequencies = np.fft.fftshift(np.fft.fftfreq(side))
        central, outer = frequencies[query_pixels((side, side))][:, 0]
        assert central == 0
        assert outer == pytest.approx(2 / 3 * 0.5, abs=1 / side)


@pytest.mark.parametrize(
    ("kind", "options"), [("dpi", {}), ("ptychoformer", {"attention": "mhsa"}), ("ptychoformer", {"attention": "none"})]
)
def test_a_network_without_polar_attention_is_refused(tmp_path, make_scan, save_network, kind, options):
    with pytest.raises(InputError, match="Polar Coordinate Attention"):
        attention_maps(make_scan(), save_network(kind, **options), tmp_path / "maps.h5")
    assert not (tmp_path / "maps.h5").exists()


def test_patterns_of_another_size_are_refused(tmp_path, make_scan, save_network):
    with pytest.raises(InputError, match="32"):
        attention_maps(make_scan(window=64), save_network(), tmp_path / "maps.h5")
