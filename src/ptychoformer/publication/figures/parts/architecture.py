"""The architecture of Ptychoformer in words and numbers, read from the description of a network
as it was built.
"""

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ptychoformer.errors import InputError
from ptychoformer.provenance import check_content
from ptychoformer.training.inputs import INPUTS

Module = Mapping[str, Any]
ATTENTION = {
    "paper": ("Polar Coordinate Attention", "PCA", "softmax($S \\odot R + S \\odot \\Theta$) $V$"),
    "release": (
        "Polar attention of the release",
        "polar",
        "softmax($S \\odot w(r_k) \\cos(\\theta_q - \\theta_k)$) $V$",
    ),
    "mhsa": ("Self-attention", "MHSA", "softmax($S$) $V$"),
}
CONSTRAINTS = {"amplitude": "sigmoid", "phase": "π tanh"}
_WORDS = {"BatchNorm2d": "batch norm", "ReLU": "ReLU", "GELU": "GELU"}
_RESHAPING = ("Flatten", "Unflatten")


@dataclass(frozen=True)
class Step:
    """One box of the figure.

    Args:
        title: lines.
        detail: lines below the title.
        parameters: that are trained.
        output: shape without the batch; empty if it is not to be shown.
    """

    title: tuple[str, ...]
    detail: tuple[str, ...]
    parameters: int
    output: Sequence[int]


@dataclass(frozen=True)
class Lane:
    """Steps that follow each other, and all they hold together."""

    title: str
    parameters: int
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Network:
    """Ptychoformer.

    Args:
        total: trained parameters.
        input: shape of a pattern.
        seen: what it sees of a pattern, in words.
        lanes: branches ``local`` and, if it has one, ``nonlocal_``; decoders ``amplitude`` and
            ``phase``.
        fusion: of the branches.
        block: inside of one transformer block: norm, attention, norm, feed-forward network.
        shortcuts: around attention and feed-forward network: from ``before`` the norm, from
            ``after`` it, or ``none``.
    """

    total: int
    input: Sequence[int]
    seen: str
    lanes: Mapping[str, Lane]
    fusion: Step
    block: Lane
    shortcuts: str


def size(shape: Sequence[int]) -> str:
    """Write a shape for people: ``128 × 4 × 4``."""
    return " × ".join(f"{length:,}" for length in shape)


def read_network(path: str | os.PathLike) -> Network:
    """Read what `training.inspection.describe` wrote.

    Raises:
        InputError: the file is missing, damaged or not as its provenance says, or describes another
            network.
    """
    try:
        check_content(path)
        with open(path, encoding="utf-8") as file:
            description = json.load(file)
        if description["kind"] != "ptychoformer":
            raise InputError(f"{path} describes the network '{description['kind']}'; Fig. 2 shows ptychoformer.")
        return _network(description)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} cannot be read as the description of a network ({type(error).__name__}: {error})."
        ) from error


def _network(description: Mapping[str, Any]) -> Network:
    modules = {module["name"]: module for module in description["modules"]}
    options = description["options"]
    release = options["blocks"] == "release"
    lanes = {
        "local": Lane(
            "Local dependencies branch", modules["local"]["parameters"], tuple(_local_steps(modules, release))
        )
    }
    if "nonlocal_" in modules:
        steps = tuple(_nonlocal_steps(modules, ATTENTION[options["attention"]][1], release))
        lanes["nonlocal_"] = Lane("Non-local coherence branch", modules["nonlocal_"]["parameters"], steps)
    for channel in CONSTRAINTS:
        steps = tuple(_decoder_steps(modules, channel, options["constraints"] == "physical"))
        lanes[channel] = Lane(f"{channel.capitalize()} decoder", modules[channel]["parameters"], steps)
    shortcuts = ("none" if "nonlocal_" in modules else "after") if release else "before"
    ends = {
        "total": description["parameters"],
        "input": modules[""]["input"],
        "seen": INPUTS[description["inputs"]].words,
    }
    middle = {"fusion": _fusion(modules, release), "block": _block(modules, options["attention"])}
    return Network(**ends, lanes=lanes, **middle, shortcuts=shortcuts)


def _local_steps(modules: Mapping[str, Module], release: bool) -> Iterator[Step]:
    embed, blocks, dense = modules["local.embed"], modules["local.blocks"], modules["local.dense"]
    position = sum(math.prod(shape) for shape in modules["local"]["own"].values())
    how = (f"convolution {_sides(embed)},", f"stride {embed['settings']['stride'][0]}, + position")
    yield Step(("Patch embedding",), how, embed["parameters"] + position, blocks["input"])
    yield _blocks(modules, "local", "ViT")
    title = ("Layer norm,", "dense layer") if release else ("Dense layer",)
    parameters = modules["local.norm"]["parameters"] + dense["parameters"]
    yield Step(title, (_channels(dense, 0), *_relu(release)), parameters, modules["local"]["output"])


def _nonlocal_steps(modules: Mapping[str, Module], attention: str, release: bool) -> Iterator[Step]:
    embed, blocks, widen = (modules[f"nonlocal_.{name}"] for name in ("embed", "blocks", "widen"))
    yield Step(("Pixel embedding",), (f"linear, {_channels(embed, -1)}",), embed["parameters"], blocks["input"])
    yield _blocks(modules, "nonlocal_", attention)
    pooled = [
        before // after
        for before, after in zip(modules["nonlocal_"]["input"][1:], modules["nonlocal_"]["output"][1:], strict=True)
    ]
    mean = Step(
        ("Mean over", f"{size(pooled)} pixels"), (), 0, modules["nonlocal_"]["output"] if release else widen["input"]
    )
    widening = Step(
        ("Convolution", _sides(widen)), (_channels(widen, 0), *_relu(release)), widen["parameters"], widen["output"]
    )
    yield from (widening, mean) if release else (mean, widening)


def _blocks(modules: Mapping[str, Module], branch: str, name: str) -> Step:
    blocks = modules[f"{branch}.blocks"]
    count = len(_children(modules, f"{branch}.blocks"))
    heads = modules[f"{branch}.blocks.0.attention"]["settings"]["heads"]
    return Step(
        (f"{count} {name} blocks" if count > 1 else f"{name} block",),
        (f"{heads} heads",),
        blocks["parameters"],
        blocks["output"],
    )


def _relu(release: bool) -> tuple[str, ...]:
    return ("ReLU",) if release else ()


def _fusion(modules: Mapping[str, Module], release: bool) -> Step:
    fuse = modules["fuse"]
    if "nonlocal_" in modules:
        how = ("concatenation,", f"convolution {_sides(fuse)}", ", ".join([_channels(fuse, 0), *_relu(release)]))
        return Step(("Fusion, Eq. 12",), how, fuse["parameters"], fuse["output"])
    return Step(
        ("Convolution", _sides(fuse)), (_channels(fuse, 0), *_relu(release)), fuse["parameters"], fuse["output"]
    )


def _decoder_steps(modules: Mapping[str, Module], channel: str, constrained: bool) -> Iterator[Step]:
    """Yield every layer with weights and what follows it until the next, then the constraint of the
    output.
    """
    groups: list[list[Module]] = []
    for module in _children(modules, channel):
        if module["type"] in _RESHAPING:
            continue
        if module["type"] in _WORDS:
            groups[-1].append(module)
        else:
            groups.append([module])
    for layer, *others in groups:
        words = tuple(_WORDS[module["type"]] for module in others)
        last = modules[channel] if layer is groups[-1][0] else (others or [layer])[-1]
        yield Step(
            *_layer_words(layer, words), sum(module["parameters"] for module in (layer, *others)), last["output"]
        )
    how = f"{CONSTRAINTS[channel]}, Eq. 13" if constrained else "unconstrained"
    yield Step((channel.capitalize(),), (how,), 0, modules[channel]["output"])


def _layer_words(layer: Module, others: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if layer["type"] == "Linear":
        return ("Dense layer",), (_channels(layer, 0), *others)
    if layer["type"] == "ConvTranspose2d":
        # What follows stands in one line, or boxes would not hold it.
        return ("Transposed", f"conv. {_sides(layer)}"), (f"stride {layer['settings']['stride'][0]}", ", ".join(others))
    return (f"Convolution {_sides(layer)}",), others


def _block(modules: Mapping[str, Module], attention: str) -> Lane:
    branch, name = ("nonlocal_", ATTENTION[attention]) if "nonlocal_" in modules else ("local", ATTENTION["mhsa"])
    first = f"{branch}.blocks.0"
    attend, forward = modules[f"{first}.attention"], modules[f"{first}.feed_forward"]
    depth = attend["settings"]["depth"]
    steps = (
        Step(("Layer norm",), (), modules[f"{first}.norm_attention"]["parameters"], ()),
        Step((name[0],), (f"{name[2]},", f"$S = QK^T / \\sqrt{{{depth}}}$"), attend["parameters"], ()),
        Step(("Layer norm",), (), modules[f"{first}.norm_feed_forward"]["parameters"], ()),
        Step(("Feed-forward network",), (_forwarding(modules, first),), forward["parameters"], ()),
    )
    where = "non-local" if branch == "nonlocal_" else "local"
    tokens = size(modules[first]["input"])
    return Lane(
        f"Inside a block of the {where} branch: tokens, {tokens}, to tokens; {attend['settings']['heads']} heads of"
        f" {depth}",
        modules[first]["parameters"],
        steps,
    )


def _forwarding(modules: Mapping[str, Module], block: str) -> str:
    """Put a feed-forward network in words, its widths and what stands between them: ``32 → 64,
    GELU, → 32``.
    """
    layers = _children(modules, f"{block}.feed_forward")
    words = [f"→ {layer['output'][-1]}" if layer["type"] == "Linear" else _WORDS[layer["type"]] for layer in layers]
    return f"{layers[0]['input'][-1]} {', '.join(words)}"


def _children(modules: Mapping[str, Module], parent: str) -> list[Module]:
    return [module for name, module in modules.items() if name.rpartition(".")[0] == parent and name]


def _sides(module: Module) -> str:
    return size(module["settings"]["kernel_size"])


def _channels(module: Module, axis: int) -> str:
    return f"{module['input'][axis]:,} → {module['output'][axis]:,}"
