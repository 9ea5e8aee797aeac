"""The config: completed with defaults, checked before any job, and wrong in one sentence that names the key and what is allowed."""

import difflib
import math
import os
import re
from collections.abc import Iterable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from ptychoformer.contents import CONTENTS, read_contents
from ptychoformer.errors import InputError
from ptychoformer.experiments import models_of, window_side
from ptychoformer.plugins import loss_kinds, loss_options, network_kinds, network_options, network_side

_PARTS = {"properties", "additionalProperties", "items", "required", "oneOf", "propertyNames", "$defs"}
_TYPES = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}


SCHEMA = "workflow/schemas/config.schema.yaml"  # in the project's folder


def load_schema(project: str | os.PathLike = ".") -> dict[str, Any]:
    """The schema of the config as a mapping, with the experiments that the paper's contents name and the losses that there are.

    Args:
        project: its folder.

    Raises:
        InputError: the contents cannot be read.
    """
    schema = yaml.safe_load(Path(project, SCHEMA).read_text(encoding="utf-8"))
    experiments = read_contents(Path(project, CONTENTS)).experiments
    schema["properties"]["experiments"] |= {
        "required": list(experiments),
        "properties": {
            name: {"$ref": "#/$defs/experiment", "description": entry.description, "x-room-for-one": entry.room_for_one}
            for name, entry in experiments.items()
        },
    }
    schema["properties"]["losses"]["additionalProperties"] = {"oneOf": [_loss_schema(kind) for kind in loss_kinds()]}
    return schema


def _loss_schema(kind: str) -> dict[str, Any]:
    options = loss_options(kind)
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [name for name, option in options.items() if "default" not in option],
        "properties": {"kind": {"const": kind}, "label": {"$ref": "#/$defs/label"}, **options},
    }


def load(paths: Iterable[str | os.PathLike], project: str | os.PathLike = ".") -> dict[str, Any]:
    """A config file and its overlays, the last of which wins, merged as Snakemake merges them; complete.

    Args:
        project: folder with the schema.

    Raises:
        InputError: a file is missing or no YAML, or see `complete`.
    """
    merged: dict[str, Any] = {}
    for path in paths:
        try:
            _overlay(merged, yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {})
        except (OSError, yaml.YAMLError) as error:
            raise InputError(f"{path} cannot be read as a config ({error}).") from error
    return complete(merged, load_schema(project))


def _overlay(config: dict[str, Any], changes: Mapping[str, Any]) -> None:
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(config.get(key), dict):
            _overlay(config[key], value)
        else:
            config[key] = value


def complete(config: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """The config with every default filled in, checked against the schema and in itself.

    Args:
        schema: of `load_schema`.

    Raises:
        InputError: one sentence about the first thing that is wrong.
    """
    completed = _complete("", deepcopy(dict(config)), schema, schema)
    _check_references(completed, schema)
    _check_model_options(completed["models"])
    _check_sizes(completed)
    return completed


def _complete(key: str, value: Any, schema: Mapping[str, Any], root: Mapping[str, Any]) -> Any:
    schema = _alternative(key, value, _resolve(schema, root), root)
    _check(key, value, schema)
    if isinstance(value, dict):
        properties, others = schema.get("properties", {}), schema.get("additionalProperties", {})
        for name in value:
            if name not in properties and others is False:
                raise InputError(f"{_join(key, name)} is not a key of the config; {_known(name, properties)}")
            naming = _resolve(schema.get("propertyNames", {}), root)
            if next(Draft202012Validator(naming).iter_errors(name), None):
                raise InputError(f"{_join(key, name)}: the name must be {naming['description']}.")
        for name, part in properties.items():
            if name not in value and "default" in (part := _resolve(part, root)):
                value[name] = deepcopy(part["default"])
            if name not in value and name in schema.get("required", ()):
                raise InputError(f"{_join(key, name)} is missing; it must be {in_words(part)}.")
        return {name: _complete(_join(key, name), part, properties.get(name, others or {}), root) for name, part in value.items()}
    if isinstance(value, list):
        return [_complete(f"{key}[{place}]", item, schema.get("items", {}), root) for place, item in enumerate(value)]
    return value


def _join(key: str, name: Any) -> str:
    return f"{key}.{name}" if key else str(name)


def _resolve(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" not in schema:
        return schema
    name = schema["$ref"].removeprefix("#/$defs/")
    return root["$defs"][name] | {key: value for key, value in schema.items() if key != "$ref"}


def _alternative(key: str, value: Any, schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema for a value: where there are alternatives for entries of different ``kind``, the one of its kind."""
    if "oneOf" not in schema or not isinstance(value, dict):
        return schema
    parts = [_resolve(part, root) for part in schema["oneOf"]]
    alternatives = {part["properties"]["kind"]["const"]: part for part in parts}
    default = next((kind for kind, part in alternatives.items() if "default" in part["properties"]["kind"]), None)
    if (kind := value.get("kind", default)) not in alternatives:
        found = f"{value['kind']!r} is not allowed" if "kind" in value else "is missing"
        raise InputError(f"{_join(key, 'kind')}: {found}; it must be one of {', '.join(alternatives)}.")
    return alternatives[kind]


def _check(key: str, value: Any, schema: Mapping[str, Any]) -> None:
    # Parts are checked when their own turn comes, under their own name.
    own = {name: rule for name, rule in schema.items() if name not in _PARTS}
    infinite = isinstance(value, float) and not math.isfinite(value)
    if infinite or next(Draft202012Validator(own).iter_errors(value), None):
        raise InputError(f"{key}: {_shown(value)} is not allowed; it must be {in_words(schema)}.{_hint(value, schema)}")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def in_words(schema: Mapping[str, Any]) -> str:
    """What a schema asks for, in words: its own (``x-allowed``), or those of its keywords."""
    if "x-allowed" in schema:
        return schema["x-allowed"]
    if "enum" in schema:
        return f"one of {', '.join('null' if value is None else str(value) for value in schema['enum'])}"
    types = schema.get("type", [])
    words = " or ".join(_TYPES[name] for name in ([types] if isinstance(types, str) else types)) or schema.get("description", "given")
    bounds = [
        f"{phrase} {schema[name]}"
        for name, phrase in (
            ("minimum", "at least"),
            ("exclusiveMinimum", "greater than"),
            ("maximum", "at most"),
            ("exclusiveMaximum", "less than"),
            ("multipleOf", "a multiple of"),
            ("minItems", "items: at least"),
            ("maxItems", "items: at most"),
        )
        if name in schema
    ]
    if schema.get("uniqueItems"):
        bounds.append("without repetition")
    if "pattern" in schema:
        bounds.append(schema.get("description", f"matching {schema['pattern']}"))
    return f"{words}, {' and '.join(bounds)}" if bounds else words


def _hint(value: Any, schema: Mapping[str, Any]) -> str:
    numeric = {"number", "integer"} & set([schema["type"]] if isinstance(schema.get("type"), str) else schema.get("type", ()))
    if numeric and isinstance(value, str) and re.fullmatch(r"[-+]?\d+[eE][-+]?\d+", value):
        mantissa, exponent = re.split("[eE]", value)
        return f" YAML reads {value} as text: write {mantissa}.0e{int(exponent):+d}."
    return ""


def _known(name: Any, allowed: Iterable[str]) -> str:
    close = difflib.get_close_matches(str(name), allowed, n=1)
    return f"did you mean '{close[0]}'?" if close else f"allowed are {', '.join(allowed)}."


def _check_references(config: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
    """What a schema cannot say: values that must fit each other, and entries that one part names and another must define."""
    for name, entry in config["objects"].items():
        low, high = entry["amplitude_range"] or (0, 1)
        if low >= high:
            raise InputError(f"objects.{name}.amplitude_range: [{low}, {high}] is not allowed; the first must be less than the second.")
    for name, entry in config["probes"].items():
        if entry["kind"] == "zone_plate" and entry["stop"] >= entry["outer"]:
            raise InputError(f"probes.{name}.stop: {entry['stop']} is not allowed; it must be less than outer, {entry['outer']}.")
    for name, dataset in config["datasets"].items():
        if dataset["kind"] == "measured":
            _check_measured(name, dataset)
            continue
        _defined(f"datasets.{name}.object", dataset["object"], config["objects"], "objects")
        _defined(f"datasets.{name}.probe", dataset["probe"], config["probes"], "probes")
    for name, experiment in config["experiments"].items():
        tested = [] if experiment["test"] is None else [experiment["test"]]
        named = [("datasets", "datasets", experiment["datasets"]), ("test", "datasets", tested), ("losses", "losses", experiment["losses"])]
        for key, catalogue, entries in named:
            for entry in entries:
                _defined(f"experiments.{name}.{key}", entry, config[catalogue], catalogue)
    for name, model in config["models"].items():
        for experiment in model["experiments"] or []:
            _defined(f"models.{name}.experiments", experiment, config["experiments"], "experiments")
    for name, experiment in config["experiments"].items():
        if not models_of(config, name):
            raise InputError(f"experiments.{name}: no network takes part; one under models must name it, or be of all experiments.")
        _check_room(name, experiment, schema["properties"]["experiments"]["properties"][name]["x-room-for-one"])
        _check_experiment(name, experiment, config)


def _check_measured(name: str, dataset: Mapping[str, Any]) -> None:
    for part in ("patterns", "reconstruction"):
        crop, bin = dataset[part]["crop"], dataset[part]["bin"]
        if crop is not None and crop % bin:
            raise InputError(f"datasets.{name}.{part}.crop: {crop} is not allowed; it must be a multiple of bin, {bin}.")
    if dataset["labels"] is not None and set(dataset["labels"]) - {"file", "url", "sha256"}:
        raise InputError(
            f"datasets.{name}.labels: {dataset['labels']} is not allowed; it must be a mapping of file, url and sha256, or null."
        )


def _check_room(name: str, experiment: Mapping[str, Any], room_for_one: Iterable[str]) -> None:
    """Refuse more than one entry in lists whose table or figure has room for one."""
    for key in room_for_one:
        if len(found := experiment[key]) > 1:
            raise InputError(f"experiments.{name}.{key}: {found} is not allowed; what it prints has room for one.")


def _check_experiment(name: str, experiment: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    """What its table or figure can show."""
    expected = "measured" if name == "measured" else "simulated"
    for dataset in [*experiment["datasets"], *([experiment["test"]] if experiment["test"] else [])]:
        if (kind := config["datasets"][dataset]["kind"]) != expected:
            raise InputError(
                f"experiments.{name}: dataset '{dataset}' is not allowed; it is {kind}, and only {expected} ones have a place there."
            )
    if name == "measured" and "all" in experiment["n_train"]:
        raise InputError("experiments.measured.n_train: 'all' is not allowed for a measured dataset; it must be a number.")
    if name == "sizes" and len(experiment["n_train"]) < 2:
        raise InputError(f"experiments.sizes.n_train: {experiment['n_train']} is not allowed; Figure 8 shows scenes of two sizes or more.")
    if (experiment["test"] is None) == (name == "table2"):
        allowed = "a dataset that is not trained on" if name == "table2" else "null: only table2 is tested on another dataset"
        found = "null" if experiment["test"] is None else f"'{experiment['test']}'"
        raise InputError(f"experiments.{name}.test: {found} is not allowed; it must be {allowed}.")
    if (test := experiment["test"]) is not None:
        if test in experiment["datasets"]:
            raise InputError(f"experiments.{name}.test: '{test}' is not allowed; it is trained on.")
        sizes = {dataset: window_side(config, dataset) for dataset in [*experiment["datasets"], test]}
        if len(set(sizes.values())) > 1:
            found = ", ".join(f"{size} pixels in '{dataset}'" for dataset, size in sizes.items())
            raise InputError(f"experiments.{name}.test: patterns must be of one size to be trained on and tested on, found {found}.")


def _defined(key: str, entry: str, catalogue: Mapping[str, Any], catalogue_name: str) -> None:
    if entry not in catalogue:
        raise InputError(f"{key}: '{entry}' is not defined under {catalogue_name}; defined are {', '.join(catalogue) or 'none'}.")


def _check_model_options(models: Mapping[str, Any]) -> None:
    for name, model in models.items():
        kinds = network_kinds()
        if model["kind"] not in kinds:
            raise InputError(f"models.{name}.kind: there is no network '{model['kind']}'; there are {', '.join(kinds)}.")
        choices = network_options(model["kind"])
        for option, value in model["options"].items():
            key = f"models.{name}.options.{option}"
            if option not in choices:
                raise InputError(f"{key} is not an option of {model['kind']}; allowed are {', '.join(choices) or 'none'}.")
            _check(key, value, choices[option])


def _check_sizes(config: Mapping[str, Any]) -> None:
    for name, experiment in config["experiments"].items():
        for dataset in experiment["datasets"]:
            entry = config["datasets"][dataset]
            for model in models_of(config, name):
                size, multiple = window_side(config, dataset), network_side(config["models"][model]["kind"])
                if size % multiple:
                    measured = entry["kind"] == "measured"
                    key = f"datasets.{dataset}.patterns: a crop over bin of" if measured else f"probes.{entry['probe']}.size:"
                    raise InputError(f"{key} {size} is not allowed; model '{model}' of experiments.{name} needs a multiple of {multiple}.")
