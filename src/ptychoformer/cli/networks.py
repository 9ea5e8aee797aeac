"""Which network a command line names, with its options, and whether it reads the patterns."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from ptychoformer.configuration import allowed_values
from ptychoformer.errors import InputError
from ptychoformer.measurement.preparation import PreparedScan
from ptychoformer.outside import is_outside, is_path
from ptychoformer.plugins import network_kinds, network_options, network_side
from ptychoformer.suggestions import known

MODEL = (
    f"network: {', '.join(network_kinds())}; or one of your own, by the path of its .py file or the dotted name of its"
    " module [%(default)s]"
)


def network(text: str) -> str:
    """Take the kind of a network; a path is made one from the root, so that it is found from
    wherever the run is used.
    """
    if not is_outside(text) and text not in (kinds := network_kinds()):
        raise argparse.ArgumentTypeError(f"there is no network '{text}'; {known(text, kinds)}")
    return str(Path(text).expanduser().resolve()) if is_path(text) else text


def network_choices(kind: str, texts: list[str]) -> dict[str, Any]:
    """Options of a network from ``name=value``, checked against what its ``build`` takes.

    Raises:
        InputError: there is no such option, or its value is not allowed.
    """
    allowed, chosen = network_options(kind), {}
    for text in texts:
        name, equals, value = text.partition("=")
        if name not in allowed or not equals:
            raise InputError(f"--option {text} is not name=value with an option of {kind}; {known(name, allowed)}")
        try:
            chosen[name] = yaml.safe_load(value)
        except yaml.YAMLError:
            chosen[name] = value
        if not Draft202012Validator(allowed[name]).is_valid(chosen[name]):
            raise InputError(f"--option {name}: {value!r} is not allowed; it must be {allowed_values(allowed[name])}.")
    return chosen


def check_window(model: Mapping[str, Any], prepared: PreparedScan, bin: int) -> None:
    """Whether a network can be built for the patterns of a scan.

    Raises:
        InputError: it cannot; the sentence suggests a crop.
    """
    side, multiple = prepared.window[0], network_side(model["kind"])
    fitting = multiple
    while 2 * fitting <= side:
        fitting *= 2
    advice = f"--crop {fitting * bin} would do" if fitting <= side else f"--bin {bin} leaves too few of them"
    if side % multiple:
        raise InputError(
            f"{model['kind']} needs patterns whose sides are multiples of {multiple} pixels, found {side} x {side};"
            f" {advice}."
        )
    import torch

    from ptychoformer.models import build

    if is_outside(model["kind"]):  # it may fail on shapes without numbers, and by no fault of the crop
        build(model["kind"], prepared.window, model["options"])
        return
    try:
        with torch.device("meta"):  # shapes without numbers
            build(model["kind"], prepared.window, model["options"])
    except InputError as error:
        raise InputError(f"{str(error).rstrip('.')}; {advice}.") from error
