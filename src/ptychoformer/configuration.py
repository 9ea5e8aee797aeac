"""The config: completed with defaults, checked before any job, and wrong in one sentence that names the key and what is allowed."""

import ast
import difflib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from ptychoformer.errors import InputError
from ptychoformer.evaluation import SCENE, SYNCHRONISED
from ptychoformer.provenance import PACKAGE
from ptychoformer.simulation.scan import STRIP, WHOLE_SCAN, grid_of, train_rows

_PARTS = {"properties", "additionalProperties", "items", "required", "oneOf", "propertyNames", "$defs"}
_ANNOTATIONS = {"int": "integer", "float": "number", "str": "string", "bool": "boolean"}
_TYPES = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}


# Lists of an experiment that may hold one entry only, since a table or a figure has no place for more.
_SINGLE = {
    "table1": ("losses", "n_train"),
    "table2": ("losses", "n_train"),
    "table3": ("losses", "n_train"),
    "table4": ("datasets", "n_train"),
    "table5": ("losses", "n_train"),
    "sizes": ("datasets", "losses"),
    "overlaps": ("losses", "n_train"),
    "measured": ("datasets", "losses", "n_train"),
}


def load_schema(path: str | Path) -> dict[str, Any]:
    """The schema file as a mapping."""
    return yaml.safe_load(Path(path).read_text(encoding="utf-8"))


def load(paths: Iterable[str | Path], schema: str | Path) -> dict[str, Any]:
    """A config file and its overlays, the last of which wins, merged as Snakemake merges them; complete.

    Raises:
        InputError: a file is missing or no YAML, or see `complete`.
    """
    merged: dict[str, Any] = {}
    for path in paths:
        try:
            _overlay(merged, yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {})
        except (OSError, yaml.YAMLError) as error:
            raise InputError(f"{path} cannot be read as a config ({error}).") from error
    return complete(merged, load_schema(schema))


def _overlay(config: dict[str, Any], changes: Mapping[str, Any]) -> None:
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(config.get(key), dict):
            _overlay(config[key], value)
        else:
            config[key] = value


def complete(config: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """The config with every default filled in, checked against the schema and in itself.

    Raises:
        InputError: one sentence about the first thing that is wrong.
    """
    completed = _complete("", deepcopy(dict(config)), schema, schema)
    _check_references(completed)
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
                raise InputError(f"{_join(key, name)} is missing; it must be {_allowed(part)}.")
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
    """Of the alternatives that a schema has for entries of different ``kind``, the one for this value."""
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
        raise InputError(f"{key}: {_shown(value)} is not allowed; it must be {_allowed(schema)}.{_hint(value, schema)}")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _allowed(schema: Mapping[str, Any]) -> str:
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


def _check_references(config: Mapping[str, Any]) -> None:
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


def window_side(config: Mapping[str, Any], dataset: str) -> int:
    """Side of the patterns that networks see of a dataset, pixels."""
    entry = config["datasets"][dataset]
    if entry["kind"] == "measured":
        return entry["patterns"]["crop"] // entry["patterns"]["bin"]
    return config["probes"][entry["probe"]]["size"]


def training_patterns(config: Mapping[str, Any], dataset: str) -> int | None:
    """How many patterns of a dataset may be trained on; None of a measured one, whose file alone can tell."""
    entry = config["datasets"][dataset]
    if entry["kind"] == "measured":
        return None
    window = window_side(config, dataset)
    rows, columns = grid_of(config["objects"][entry["object"]]["shape"], window, entry["scan"]["overlap"])
    return train_rows(rows) * columns


def sizes_of(config: Mapping[str, Any], experiment: str, dataset: str) -> list[int]:
    """The numbers of training patterns that an experiment asks of a dataset, ascending.

    Raises:
        InputError: it asks for more than there are.
    """
    there_are = training_patterns(config, dataset)
    for asked in config["experiments"][experiment]["n_train"]:
        if there_are and asked != "all" and asked > there_are:
            raise InputError(
                f"experiments.{experiment}.n_train: {asked} is not allowed; dataset '{dataset}' has {there_are} training patterns."
            )
    return sorted({there_are if asked == "all" else asked for asked in config["experiments"][experiment]["n_train"]})


def sizes_to_draw(sizes: Sequence[int]) -> list[int]:
    """The two training sets whose reconstructions Figure 8 shows: a third of the greatest (the paper's 1000 of 2928), and the least."""
    least, *others = sorted(sizes)
    return [min(others, key=lambda size: abs(math.log(3 * size / others[-1]))), least]


def headline_of(config: Mapping[str, Any], experiment: str) -> dict[str, str]:
    """What tables, figures and claims of an experiment are about: the ``block`` of the test patterns, and the ``level`` of its scenes."""
    entry = config["experiments"][experiment]
    level = SYNCHRONISED if config["stitching"]["phase"] == "synchronised" else SCENE
    if entry["test"]:
        return {"block": WHOLE_SCAN, "level": level}
    measured = any(config["datasets"][dataset]["kind"] == "measured" for dataset in entry["datasets"])
    return {"block": STRIP if measured else config["evaluation"]["block"], "level": level}


def _check_experiment(name: str, experiment: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    """What its table or figure can show."""
    for key in _SINGLE[name]:
        if len(found := experiment[key]) > 1:
            raise InputError(f"experiments.{name}.{key}: {found} is not allowed; what it prints has room for one.")
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


def models_of(config: Mapping[str, Any], experiment: str) -> list[str]:
    """The networks that take part in an experiment, in the order of the catalogue."""
    return [name for name, model in config["models"].items() if model["experiments"] is None or experiment in model["experiments"]]


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


def network_kinds() -> list[str]:
    """Names of the modules in `models` that are networks."""
    return sorted(path.stem for path in (PACKAGE / "models").glob("*.py") if path.stem != "__init__")


def network_options(kind: str) -> dict[str, dict[str, Any]]:
    """Keyword options of a network's ``build``, each with the schema that its annotation stands for.

    Read from the source, since importing torch would add seconds to every start of the workflow.
    """
    build = next((node for node in _parsed(kind).body if isinstance(node, ast.FunctionDef) and node.name == "build"), None)
    if build is None:
        raise InputError(f"models/{kind}.py defines no function 'build(window, **options)', so it is no network.")
    return {argument.arg: _schema_of(argument.annotation) for argument in build.args.kwonlyargs}


def network_side(kind: str) -> int:
    """Of which number the sides of a network's patterns must be multiples: its ``SIDE_MULTIPLE_OF``, or 1."""
    for node in _parsed(kind).body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["SIDE_MULTIPLE_OF"]:
            return ast.literal_eval(node.value)
    return 1


def _parsed(kind: str) -> ast.Module:
    try:
        return ast.parse((PACKAGE / "models" / f"{kind}.py").read_text(encoding="utf-8"))
    except SyntaxError as error:
        raise InputError(f"models/{kind}.py, line {error.lineno}: {error.msg}.") from error


def _schema_of(annotation: ast.expr | None) -> dict[str, Any]:
    if isinstance(annotation, ast.Name) and annotation.id in _ANNOTATIONS:
        return {"type": _ANNOTATIONS[annotation.id]}
    if isinstance(annotation, ast.Subscript) and isinstance(annotation.value, ast.Name) and annotation.value.id == "Literal":
        values = ast.literal_eval(annotation.slice)
        return {"enum": list(values) if isinstance(values, tuple) else [values]}
    return {}
