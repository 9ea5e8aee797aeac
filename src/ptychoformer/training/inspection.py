"""A network opened up for readers: which module turns which shape into which, and what a
trained attention looks at.
"""

import inspect
import json
import math
import os
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ptychoformer import models
from ptychoformer.errors import InputError
from ptychoformer.files import write_text
from ptychoformer.measurement.cxi import read_patterns, read_scan
from ptychoformer.models.parts.attention import PolarCoordinateAttention, polar_coordinates
from ptychoformer.models.ptychoformer import Ptychoformer
from ptychoformer.storage import create_hdf5, write
from ptychoformer.training.checkpoint import load_checkpoint
from ptychoformer.training.entries import NetworkEntry
from ptychoformer.training.inputs import network_input
from ptychoformer.training.split import split_of

PATTERNS = 64
QUERIES = ("central", "outer")
# What a reader wants to know of a layer beyond its shapes, where it has it.
_SETTINGS = ("kernel_size", "stride", "heads", "depth")


def describe(model: NetworkEntry, window: tuple[int, int], output_json: str | os.PathLike) -> None:
    """Write what a network is made of, found by running one pattern through it.

    The JSON object holds ``kind``, ``options`` (those left out have their defaults) and ``inputs``
    of the catalogue's entry ``model``, ``window`` (h, w), ``parameters`` (those that are trained)
    and ``modules``, one entry a call, in the order in which they run, a parent before its parts.
    Each has ``name`` (dotted, its place in the tree), ``type``, ``input`` and ``output`` (shapes
    without the batch), ``parameters`` (with those of its parts), ``own`` (shapes of the parameters
    that are no part's, by name) and ``settings`` (kernel_size, stride, heads and their depth, where
    it has them). The network itself has the name ``""``. A module that is called more than once,
    such as a pooling between several levels, has one entry for every call, and its parameters in
    each of them.

    Raises:
        InputError: the network cannot be built for this window.
    """
    network = models.build(model.kind, window, model.options).eval()
    defaults = inspect.signature(models.module_of(model.kind).build).parameters
    description = {
        "kind": model.kind,
        "options": {name: value.default for name, value in defaults.items() if name != "window"} | dict(model.options),
        "inputs": model.inputs,
        "window": list(window),
        "parameters": models.parameter_count(network),
        "modules": _modules(network, window),
    }
    write_text(json.dumps(description, indent=1) + "\n", output_json)


def _modules(network: nn.Module, window: tuple[int, int]) -> list[dict[str, Any]]:
    """List an entry for every call of a module, in the order of the calls."""
    entries: list[dict[str, Any]] = []
    # Calls that have not returned yet; the innermost, which is the last, returns first.
    running: list[dict[str, Any]] = []
    hooks = []
    for name, module in network.named_modules():

        def enter(module: nn.Module, inputs: tuple[Tensor, ...], name: str = name) -> None:
            entries.append(_entry(name, module) | {"input": list(inputs[0].shape[1:])})
            running.append(entries[-1])

        def leave(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            running.pop()["output"] = list(output.shape[1:])

        hooks += [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]
    try:
        with torch.inference_mode():
            network(torch.zeros(1, 1, *window))
    finally:
        for hook in hooks:
            hook.remove()
    return entries


def _entry(name: str, module: nn.Module) -> dict[str, Any]:
    return {
        "name": name,
        "type": type(module).__name__,
        "parameters": models.parameter_count(module),
        "own": {own: list(parameter.shape) for own, parameter in module.named_parameters(recurse=False)},
        "settings": {setting: getattr(module, setting) for setting in _SETTINGS if hasattr(module, setting)},
    }


def query_pixels(window: tuple[int, int]) -> np.ndarray:
    """Choose the pixels (y, x) of ``QUERIES``, (2, 2): the zero frequency, and 2/3 of the way from
    it to the corner of highest frequencies.
    """
    centre = np.array(window) // 2
    return np.stack([centre, centre + np.rint(centre * 2 / 3).astype(int)])


@torch.inference_mode()
def attention_maps(dataset: str | os.PathLike, checkpoint: str | os.PathLike, output: str | os.PathLike) -> None:
    """Write the weights of Polar Coordinate Attention's keys, and what it has learnt to look at.

    The HDF5 file holds, for patterns of (h, w) pixels:

        coordinates/R, coordinates/Theta    (h, w), Eqs. 10-11 of every key; Theta in units of pi
        coordinates/weight                  (h, w), R + Theta, by which the logits of a key are
            multiplied (Eqs. 7-9)
        attention/weights                   (blocks, heads, queries, h, w), softmax over the keys,
            mean over the patterns
        attention/queries                   (queries, 2), y and x of the queries' pixels; attribute
            ``names``
        patterns/mean                       (h, w), photons, mean of the patterns shown to the
            network
        patterns/index                      their numbers in the dataset

    The patterns are up to ``PATTERNS`` of the test strip, evenly spaced.

    Raises:
        InputError: a file is damaged, the pattern sizes differ, or the network does not attend as
            in Eqs. 7-11.
    """
    trained = load_checkpoint(checkpoint)
    network = trained.network()
    layers = _polar_layers(network)
    if not layers:
        raise InputError(
            f"{checkpoint} holds no network with Polar Coordinate Attention as in Eqs. 7-11 (attention: paper)."
        )
    scan = read_scan(dataset)
    if tuple(trained.window) != tuple(scan.window):
        raise InputError(
            f"{checkpoint} was trained on patterns of {trained.window} pixels, {dataset} has {tuple(scan.window)}."
        )
    test = split_of(scan).test
    index = test[np.linspace(0, len(test) - 1, min(PATTERNS, len(test))).round().astype(int)]
    patterns = read_patterns(dataset, index)
    pixels = query_pixels(scan.window)
    weights = learned_attention(
        network,
        torch.from_numpy(network_input(patterns, trained.model.inputs)),
        np.ravel_multi_index(pixels.T, scan.window),
    )
    radius, angle = (coordinate.numpy().reshape(scan.window) for coordinate in polar_coordinates(*scan.window))
    with create_hdf5(output) as file:
        write(file, "coordinates/R", radius, "", "q_y,q_x")
        write(file, "coordinates/Theta", angle, "pi rad", "q_y,q_x")
        write(file, "coordinates/weight", radius + angle, "", "q_y,q_x")
        write(
            file,
            "attention/weights",
            weights.reshape(*weights.shape[:-1], *scan.window),
            "",
            "block,head,query,q_y,q_x",
        )
        write(file, "attention/queries", pixels, "pixels", "query,yx").attrs["names"] = np.bytes_(QUERIES)
        write(file, "patterns/mean", patterns.mean(axis=0, dtype=np.float64), "photons", "q_y,q_x")
        write(file, "patterns/index", index, "", "pattern")


def _polar_layers(network: nn.Module) -> list[PolarCoordinateAttention]:
    if not isinstance(network, Ptychoformer) or network.nonlocal_ is None:
        return []
    attentions = [block.attention for block in network.nonlocal_.blocks]
    return [layer for layer in attentions if isinstance(layer, PolarCoordinateAttention)]


def learned_attention(network: nn.Module, inputs: Tensor, queries: np.ndarray) -> np.ndarray:
    """Average the attention of some queries over patterns, for every Polar Coordinate Attention.

    Args:
        inputs: (n, 1, h, w), patterns as the network sees them.
        queries: numbers of the querying pixels, row by row.

    Returns:
        (blocks, heads, queries, h * w), each row summing to 1.
    """
    rows: list[Tensor] = []

    def listen(layer: nn.Module, tokens: tuple[Tensor, ...], attended: Tensor) -> None:
        rows.append(attention_rows(layer, tokens[0], queries))

    hooks = [layer.register_forward_hook(listen) for layer in _polar_layers(network)]
    totals = 0.0
    try:
        # One by one, so that only one pattern's activations are held whatever the pattern's size.
        for pattern in inputs:
            rows.clear()
            network(pattern[None])
            totals = totals + torch.cat(rows).double()
    finally:
        for hook in hooks:
            hook.remove()
    return (totals / len(inputs)).numpy()


def attention_rows(layer: PolarCoordinateAttention, tokens: Tensor, queries: np.ndarray) -> Tensor:
    """Compute the dense softmax of Eqs. 7-9 for some queries, which the layer itself never holds.

    Args:
        tokens: (batch, N, dim), what the layer attends among.
        queries: numbers of the querying tokens.

    Returns:
        (batch, heads, queries, N), each row summing to 1.
    """
    q, k, _ = layer.qkv(tokens).unflatten(-1, (3, layer.heads, -1)).permute(2, 0, 3, 1, 4)
    logits = q[:, :, queries] @ (k * layer.key_weight).transpose(-1, -2)
    return torch.softmax(logits / math.sqrt(q.shape[-1]), dim=-1)
