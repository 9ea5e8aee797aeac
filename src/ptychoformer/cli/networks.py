"""Which network and loss a command line names, with the network's options, and whether the network
reads the patterns.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from ptychoformer.configuration import allowed_values
from ptychoformer.errors import InputError
from ptychoformer.measurement.preparation import PreparedScan
from ptychoformer.outside import is_outside, is_path
from ptychoformer.plugins import (
    check_loss_kind,
    check_network_kind,
    loss_kinds,
    loss_options,
    network_kinds,
    network_options,
    network_side,
    no_option,
)
from ptychoformer.training.entries import LossEntry, NetworkEntry

OR_OWN = "or one of your own, by the path of its .py file or the dotted name of its module [%(default)s]"
MODEL = f"network: {', '.join(network_kinds())}; {OR_OWN}"


def network(text: str) -> str:
    """Take the kind of a network; a path is made one from the root, so that it is found from
    wherever the run is used.
    """
    return _kind(text, check_network_kind)


def loss(text: str) -> str:
    """Take the kind of a loss, as `network` does that of a network."""
    return _kind(text, loss_entry)


def _kind(text: str, check: Callable[[str], object]) -> str:
    if is_path(text):
        return str(Path(text).expanduser().resolve())
    if not is_outside(text):
        try:
            check(text)
        except InputError as error:
            raise argparse.ArgumentTypeError(str(error)) from error
    return text


def losses() -> list[str]:
    """Name the losses of the package that need no options."""
    return [kind for kind in loss_kinds() if not _needed(kind)]


def loss_entry(kind: str) -> LossEntry:
    """Make the entry of a loss with the defaults of its options.

    Raises:
        InputError: there is no such loss, or some of its options have no default.
    """
    check_loss_kind(kind)
    if needed := _needed(kind):
        raise InputError(
            f"the loss '{kind}' needs {' and '.join(needed)}, which only a config can give; to be named here, all"
            " options of its build must have a default."
        )
    return LossEntry(kind, {name: option["default"] for name, option in loss_options(kind).items()})


def _needed(kind: str) -> list[str]:
    """List the options of a loss without a default."""
    return [name for name, option in loss_options(kind).items() if "default" not in option]


def network_choices(kind: str, texts: list[str]) -> dict[str, Any]:
    """Read options of a network from ``name=value``, and check them against what its ``build``
    takes.

    Raises:
        InputError: there is no such option, or its value is not allowed.
    """
    allowed, chosen = network_options(kind), {}
    for text in texts:
        name, equals, value = text.partition("=")
        if name not in allowed:
            raise InputError(f"--option {text} is not name=value with an option of {kind}; {no_option(kind, name)}")
        if not equals:
            raise InputError(f"--option {text} is not name=value; {name} must be {allowed_values(allowed[name])}.")
        try:
            chosen[name] = yaml.safe_load(value)
        except yaml.YAMLError:
            chosen[name] = value
        if not Draft202012Validator(allowed[name]).is_valid(chosen[name]):
            raise InputError(f"--option {name}: {value!r} is not allowed; it must be {allowed_values(allowed[name])}.")
    for name, option in allowed.items():
        if name not in chosen and "default" not in option:
            raise InputError(f"--option {name}=value is missing; {name} must be {allowed_values(option)}.")
    return chosen


def check_window(model: NetworkEntry, prepared: PreparedScan, bin: int) -> None:
    """Check that a network can be built for the patterns of a scan.

    Raises:
        InputError: it cannot; the sentence suggests a crop where one would do.
    """
    side, multiple = prepared.window[0], network_side(model.kind)
    wrong = _not_built(model, prepared.window)
    if not wrong and side % multiple == 0:
        return
    sides = [multiple * 2**power for power in range(16) if multiple * 2**power < side]
    fitting = next((smaller for smaller in reversed(sides) if not _not_built(model, (smaller, smaller))), None)
    if side % multiple:
        advice = f"--crop {fitting * bin} would do" if fitting else f"--bin {bin} leaves too few of them"
        raise InputError(
            f"{model.kind} needs patterns whose sides are multiples of {multiple} pixels, found {side} x {side};"
            f" {advice}."
        )
    raise InputError(f"{wrong.rstrip('.')}; --crop {fitting * bin} would do." if fitting else wrong)


def _not_built(model: NetworkEntry, window: tuple[int, int]) -> str:
    """Say why a network cannot be built for patterns of ``window`` (h, w); empty if it can."""
    import torch

    from ptychoformer.models import build

    wrong = ""
    # Shapes without numbers are made at once, but some networks read numbers while they are built.
    for device in ("meta", "cpu"):
        try:
            with torch.random.fork_rng(devices=[]), torch.device(device):
                build(model.kind, window, model.options)
        except InputError as error:
            wrong = str(error)
        else:
            return ""
    return wrong
