"""The config: completed with defaults, checked before any job, and wrong in one sentence that
names the key and what is allowed.
"""

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from ptychoformer.consistency import check_published_names, check_references, check_sizes
from ptychoformer.contents import CONTENTS, read_contents
from ptychoformer.errors import InputError
from ptychoformer.outside import is_outside
from ptychoformer.plugins import (
    OWN,
    check_loss_options,
    check_network_kind,
    fields_of,
    loss_kinds,
    loss_options,
    network_options,
    no_option,
)
from ptychoformer.schemas import TYPES, shown
from ptychoformer.suggestions import known_key, resolved

_PARTS = {"properties", "additionalProperties", "items", "required", "oneOf", "propertyNames", "$defs"}
# In the project's folder: the config's schema, the config itself, and what is laid over it for the
# paper's full size, and for trainings on a GPU.
SCHEMA, CONFIG = "workflow/schemas/config.schema.yaml", "config.yaml"
FULL_SIZE, GPU = "config/paper.yaml", "config/gpu.yaml"


def load_schema(project: str | os.PathLike = ".") -> dict[str, Any]:
    """Read the schema of the config as a mapping, with the experiments that the paper's contents
    name, the losses that there are, and what networks' entries, trainings and measurements may say
    (``x-options``).

    Args:
        project: its folder.

    Raises:
        InputError: this is not the project's folder, or the contents cannot be read.
    """
    path = Path(project, SCHEMA)
    if not path.is_file():
        raise InputError(f"{path} does not exist; this runs in the project's folder.")
    schema = yaml.safe_load(path.read_text(encoding="utf-8"))
    experiments = read_contents(Path(project, CONTENTS)).experiments
    schema["properties"]["experiments"] |= {
        "required": list(experiments),
        "properties": {
            name: {"$ref": "#/$defs/experiment", "description": entry.description, "x-room-for-one": entry.room_for_one}
            for name, entry in experiments.items()
        },
    }
    fill_options(schema)
    schema["properties"]["losses"]["additionalProperties"] = {
        "oneOf": [_loss_schema(kind) for kind in loss_kinds()],
        "x-others": OWN,
    }
    return schema


def fill_options(schema: Any) -> None:
    """Put the options of the class that a part's ``x-options`` names before its properties, which
    may say more of them: another default, or, of one that is required, none.
    """
    for part in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        fill_options(part)
    if isinstance(schema, dict) and "x-options" in schema:
        options, own = fields_of(schema.pop("x-options")), schema.get("properties", {})
        said = {name: option | own.get(name, {}) for name, option in options.items()}
        schema["properties"] = said | {name: part for name, part in own.items() if name not in said}
        for name in schema.get("required", ()):
            schema["properties"][name].pop("default", None)


def _loss_schema(kind: str) -> dict[str, Any]:
    check_loss_options(kind)
    options = loss_options(kind)
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [name for name, option in options.items() if "default" not in option],
        "properties": {"kind": {"const": kind}, "label": {"$ref": "#/$defs/label"}, **options},
    }


def load(paths: Iterable[str | os.PathLike], project: str | os.PathLike = ".") -> dict[str, Any]:
    """Load a config and its overlays, the last of which wins, as Snakemake merges them; complete.

    Args:
        project: folder with the schema.

    Raises:
        InputError: see `read_config` and `complete`.
    """
    merged: dict[str, Any] = {}
    for path in paths:
        _overlay(merged, read_config(path))
    return complete(merged, load_schema(project))


def read_config(path: str | os.PathLike) -> dict[str, Any]:
    """Read a config or an overlay as it is written.

    Raises:
        InputError: the file is missing, no YAML or no mapping, or see `check_keys`.
    """
    check_keys(path)
    try:
        config = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path} cannot be read as a config ({error}).") from error
    if not isinstance(config, dict):
        raise InputError(f"{path} cannot be read as a config (it is no mapping of keys).")
    return config


def check_keys(path: str | os.PathLike) -> None:
    """Check that a file of the config names every key of a mapping once; of two, readers of YAML
    take the last without a word. A file that cannot be read at all is left to those.

    Raises:
        InputError: a key is there twice; with the lines.
    """
    with suppress(OSError, UnicodeDecodeError, yaml.YAMLError):
        text = Path(path).read_text(encoding="utf-8")
        for mapping in _mappings(yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))):
            lines: dict[tuple[str, str], int] = {}
            for key, _ in mapping.value:
                if not isinstance(key, yaml.ScalarNode) or key.value == "<<":  # all of which count
                    continue
                name, line = (key.tag, key.value), key.start_mark.line + 1
                if name in lines:
                    raise InputError(
                        f"{path}, line {line}: {key.value} is in line {lines[name]} too, and only the last would count;"
                        " put what belongs to it in one place."
                    )
                lines[name] = line


def _mappings(root: yaml.Node | None) -> Iterator[yaml.MappingNode]:
    """Yield every mapping of a tree, each once, however often it is referred to."""
    nodes, seen = [root], set()
    for node in nodes:  # grows as it goes
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            yield node
            nodes.extend(part for pair in node.value for part in pair)
        elif isinstance(node, yaml.SequenceNode):
            nodes.extend(node.value)


def _overlay(config: dict[str, Any], changes: Mapping[str, Any]) -> None:
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(config.get(key), dict):
            _overlay(config[key], value)
        else:
            config[key] = value


def complete(config: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Fill in every default of a config, and check it against the schema and in itself.

    Args:
        schema: of `load_schema`.

    Raises:
        InputError: one sentence about the first thing that is wrong.
    """
    schema = _with_own_losses(config, schema)
    completed = _complete("", deepcopy(dict(config)), schema, schema)
    check_references(completed, schema)
    check_published_names(completed, schema)
    _check_model_options(completed["models"])
    check_sizes(completed)
    completed["models"] = _in_order(completed["models"], schema["properties"]["models"]["x-published"])
    return completed


def _with_own_losses(config: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Add to the losses of a schema those outside the package that a config names.

    Raises:
        InputError: there is no such module, or it is no loss.
    """
    catalogue, own = config.get("losses"), {}
    for name, entry in catalogue.items() if isinstance(catalogue, dict) else ():
        kind = entry.get("kind") if isinstance(entry, dict) else None
        if isinstance(kind, str) and is_outside(kind):
            with _under(f"losses.{name}.kind"):
                own[kind] = _loss_schema(kind)
    schema = deepcopy(dict(schema))
    schema["properties"]["losses"]["additionalProperties"]["oneOf"].extend(own.values())
    return schema


@contextmanager
def _under(key: str) -> Iterator[None]:
    """Put the key before what is wrong with its value."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{key}: {error}") from error


def _complete(key: str, value: Any, schema: Mapping[str, Any], root: Mapping[str, Any]) -> Any:
    schema = _alternative(key, value, resolved(schema, root), root)
    value = _meant(value, schema)
    _check(key, value, schema)
    if isinstance(value, dict):
        properties, others = schema.get("properties", {}), schema.get("additionalProperties", {})
        for name in value:
            if name not in properties and others is False:
                hint = known_key(name, value[name], schema, root)
                raise InputError(f"{_join(key, name)} is not a key of the config; {hint}")
            naming = resolved(schema.get("propertyNames", {}), root)
            if next(Draft202012Validator(naming).iter_errors(name), None):
                hint = "" if isinstance(name, str) else " YAML reads it as no text; in quotes it is."
                raise InputError(f"{_join(key, name)}: the name must be {naming['description']}.{hint}")
        for name, part in properties.items():
            if name not in value and "default" in (part := resolved(part, root)):
                value[name] = deepcopy(part["default"])
            if name not in value and name in schema.get("required", ()):
                raise InputError(f"{_join(key, name)} is missing; it must be {allowed_values(part)}.")
        return {
            name: _complete(_join(key, name), part, properties.get(name, others or {}), root)
            for name, part in value.items()
        }
    if isinstance(value, list):
        items = schema.get("items", {})
        value = [_complete(f"{key}[{place}]", item, items, root) for place, item in enumerate(value)]
        _check(key, value, schema)  # of which two may be the same only now
    return value


def _in_order(models: Mapping[str, Any], published: Iterable[str]) -> dict[str, Any]:
    """Sort networks as tables list them: the paper's in its order, then others in that of the
    config, in which those of overlays may come first or last.
    """
    paper = [name for name in published if name in models]
    return {name: models[name] for name in [*paper, *(name for name in models if name not in paper)]}


def _join(key: str, name: Any) -> str:
    text = shown(name) if name is None or isinstance(name, bool) else str(name)
    part = text if text.isprintable() and len(text) <= 60 else shown(name)
    return f"{key}.{part}" if key else part


def _alternative(key: str, value: Any, schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """Find the schema for a value: where there are alternatives for entries of different ``kind``,
    the one of its kind.
    """
    if "oneOf" not in schema:
        return schema
    if not isinstance(value, dict):
        return {"type": "object"}
    parts = [resolved(part, root) for part in schema["oneOf"]]
    alternatives = {part["properties"]["kind"]["const"]: part for part in parts}
    default = next((kind for kind, part in alternatives.items() if "default" in part["properties"]["kind"]), None)
    kind = value.get("kind", default)
    if not isinstance(kind, str) or kind not in alternatives:
        found = f"{shown(kind)} is not allowed" if "kind" in value else "is missing"
        others = f"; {schema['x-others']}" if "x-others" in schema else ""
        raise InputError(f"{_join(key, 'kind')}: {found}; it must be one of {', '.join(alternatives)}{others}.")
    return alternatives[kind]


def _meant(value: Any, schema: Mapping[str, Any]) -> Any:
    """Find what a value stands for that was read as something else.

    YAML reads 1e-3 as text, and so does Snakemake all parts of a list on the command line; 1.0e+3
    is a whole number too.
    """
    if isinstance(value, str) and not _fits(value, schema):
        with suppress(ValueError):
            value = read if _fits(read := json.loads(value), schema) else value
    if isinstance(value, float) and value.is_integer() and "integer" in _types(schema):
        return int(value)
    return value


def _fits(value: Any, schema: Mapping[str, Any]) -> bool:
    """Say whether a value is allowed by itself; its parts are checked when their own turn comes,
    under their own name.
    """
    own = {name: rule for name, rule in schema.items() if name not in _PARTS}
    infinite = isinstance(value, float) and not math.isfinite(value)
    return not infinite and Draft202012Validator(own).is_valid(value)


def _check(key: str, value: Any, schema: Mapping[str, Any]) -> None:
    if not _fits(value, schema):
        raise InputError(
            f"{key}: {shown(value)} is not allowed; it must be {allowed_values(schema)}.{_hint(key, value, schema)}"
        )


def allowed_values(schema: Mapping[str, Any]) -> str:
    """Put in words what a schema asks for: its own (``x-allowed``), or those of its keywords."""
    if "x-allowed" in schema:
        return schema["x-allowed"]
    if "enum" in schema:
        return f"one of {', '.join('null' if value is None else str(value) for value in schema['enum'])}"
    words = " or ".join(TYPES[name] for name in _types(schema)) or schema.get("description", "given")
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


def _hint(key: str, value: Any, schema: Mapping[str, Any]) -> str:
    if "string" in _types(schema) and "enum" not in schema and not isinstance(value, str | None):
        return f' In quotes it is text: {key}: "..." in a file, --config \'{key}= "..." \' on the command line.'
    return ""


def _types(schema: Mapping[str, Any]) -> list[str]:
    types = schema.get("type", [])
    return [types] if isinstance(types, str) else types


def _check_model_options(models: Mapping[str, Any]) -> None:
    for name, model in models.items():
        with _under(f"models.{name}.kind"):
            check_network_kind(model["kind"])
        choices = network_options(model["kind"])
        for option, value in model["options"].items():
            key = f"models.{name}.options.{option}"
            if option not in choices:
                raise InputError(f"{key} is not an option of {model['kind']}; {no_option(model['kind'], option)}")
            model["options"][option] = _complete(key, value, choices[option], {})
        for option, schema in choices.items():
            if option not in model["options"] and "default" not in schema:
                raise InputError(f"models.{name}.options.{option} is missing; it must be {allowed_values(schema)}.")
