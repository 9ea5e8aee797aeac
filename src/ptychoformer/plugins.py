"""What the sources of networks, losses, trainings and measurements say of their options, read
without importing torch, which would add seconds to the workflow's start.

A network is a module of `models` and a loss one of `training.losses`, or either is one of a user's
own (`outside`). Their options are the keyword arguments of their ``build``, and all other options
the fields of a class in `training.options`, `training.entries` or `measurement.options`.
Their annotations say what is allowed: ``int``, ``float``, ``str``, ``bool``, several of these, a
list of one, a ``Literal``, any of these or None, or ``Annotated`` with any of these and keywords of
JSON schema. Values of options with other annotations, or none, are not checked.
"""

import ast
from functools import cache
from pathlib import Path
from typing import Any

from ptychoformer import outside
from ptychoformer.errors import InputError
from ptychoformer.provenance import OUTSIDE, PACKAGE, parsed
from ptychoformer.suggestions import known

NETWORKS, LOSSES = "models", "training/losses"  # folders of the package
_BUILD = {NETWORKS: "build(window, **options)", LOSSES: "build(forward, **options)"}
_WHAT = {NETWORKS: "network", LOSSES: "loss"}
# How a kind that is not of the package is named.
OWN = "one of your own is named by the path of its .py file, or by the dotted name that imports it"
# The files with classes of options.
OPTIONS = tuple(PACKAGE / file for file in ("training/options.py", "training/entries.py", "measurement/options.py"))
_ANNOTATIONS = {
    "int": "integer",
    "float": "number",
    "str": "string",
    "bool": "boolean",
    "None": "null",
    "list": "array",
}
_LISTS, _NULL = {"list", "List", "Sequence"}, {"type": "null"}


def network_kinds() -> list[str]:
    """List the names of all networks."""
    return _kinds(NETWORKS)


def check_network_kind(kind: str) -> None:
    """Check that there is a network of a kind.

    Raises:
        InputError: there is none.
    """
    _check_kind(NETWORKS, kind)


def check_loss_kind(kind: str) -> None:
    """Check that there is a loss of a kind.

    Raises:
        InputError: there is none.
    """
    _check_kind(LOSSES, kind)


def network_source(kind: str) -> Path:
    """Find the file of a network.

    Raises:
        InputError: there is none, of a network outside the package.
    """
    return _source(NETWORKS, kind)


def loss_source(kind: str) -> Path:
    """Find the file of a loss.

    Raises:
        InputError: there is none, of a loss outside the package.
    """
    return _source(LOSSES, kind)


def network_code(kind: str) -> str:
    """Name a network as `provenance.code_digest` does."""
    return _code(NETWORKS, kind)


def loss_code(kind: str) -> str:
    """Name a loss as `provenance.code_digest` does."""
    return _code(LOSSES, kind)


def loss_kinds() -> list[str]:
    """List the names of all losses."""
    return _kinds(LOSSES)


def network_options(kind: str) -> dict[str, dict[str, Any]]:
    """Find the options of a network, each with its schema.

    Raises:
        InputError: the module is no network.
    """
    return _options(NETWORKS, kind)


def no_option(kind: str, name: str) -> str:
    """Say why a network takes no option of a name, or what may have been meant, as the end of a
    sentence.
    """
    taken = _build(NETWORKS, kind).args
    if taken.kwarg or name in (part.arg for part in taken.args[1:]):
        return f"'build' must name its options after a '*': def build(window, *, {name}=...)."
    return known(name, network_options(kind))


def loss_options(kind: str) -> dict[str, dict[str, Any]]:
    """Find the options of a loss, each with its schema; one without a default must be given.

    Raises:
        InputError: the module is no loss.
    """
    return _options(LOSSES, kind)


def check_loss_options(kind: str) -> None:
    """Check that a loss has no option of a name that an entry of the config has itself.

    Raises:
        InputError: it has.
    """
    if taken := [name for name in ("kind", "label") if name in loss_options(kind)]:
        raise InputError(
            f"{_shown(LOSSES, kind)}: 'build' has an option {' and '.join(taken)}, which an entry of the config is not"
            " free to say; it must have another name."
        )


def fields_of(options: str) -> dict[str, dict[str, Any]]:
    """Map the fields of a class of options, such as ``"TrainingOptions"``, to their schemas, each
    with its default if it has one; those of its bases come first, as dataclasses have them.
    """
    return _fields(options, _classes())


@cache
def _classes() -> dict[str, ast.ClassDef]:
    nodes = (node for file in OPTIONS for node in parsed(file, str(file)).body)
    return {node.name: node for node in nodes if isinstance(node, ast.ClassDef)}


def _fields(options: str, classes: dict[str, ast.ClassDef]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for base in reversed(classes[options].bases):
        found |= _fields(ast.unparse(base), classes)
    return found | {
        field.target.id: _field(field, classes) for field in classes[options].body if isinstance(field, ast.AnnAssign)
    }


def _field(field: ast.AnnAssign, classes: dict[str, ast.ClassDef]) -> dict[str, Any]:
    schema = _schema_of(field.annotation)
    if field.value is None:
        return schema
    if not isinstance(field.value, ast.Call):
        return schema | {"default": ast.literal_eval(field.value)}
    parts = _fields(ast.unparse(field.value.func), classes)  # all of them have defaults
    return schema | {"type": "object", "default": {}, "additionalProperties": False, "properties": parts}


def network_side(kind: str) -> int:
    """Find the number that the sides of a network's patterns must be multiples of: its
    ``SIDE_MULTIPLE_OF``, or 1.

    Raises:
        InputError: it is no positive integer that can be read.
    """
    for node in _parsed(NETWORKS, kind).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if "SIDE_MULTIPLE_OF" not in (target.id for target in targets if isinstance(target, ast.Name)):
            continue
        side = getattr(node.value, "value", None)
        if type(side) is not int or side < 1:
            raise InputError(
                f"{_shown(NETWORKS, kind)}, line {node.lineno}: {ast.unparse(node)} is not allowed; it must be an"
                " integer of at least 1, written out."
            )
        return side
    return 1


def _check_kind(folder: str, kind: str) -> None:
    if outside.is_outside(kind):
        outside.source_of(kind)
    elif kind not in (kinds := _kinds(folder)):
        raise InputError(f"there is no {_WHAT[folder]} '{kind}'; there are {', '.join(kinds)}; {OWN}.")


def _code(folder: str, kind: str) -> str:
    return f"{OUTSIDE}{kind}" if outside.is_outside(kind) else f"{folder.replace('/', '.')}.{kind}"


def _kinds(folder: str) -> list[str]:
    return sorted(path.stem for path in (PACKAGE / folder).glob("*.py") if path.stem != "__init__")


def _options(folder: str, kind: str) -> dict[str, dict[str, Any]]:
    build, found = _build(folder, kind), {}
    for option, default in zip(build.args.kwonlyargs, build.args.kw_defaults, strict=True):
        try:
            schema = _schema_of(option.annotation)
            found[option.arg] = schema if default is None else schema | {"default": _literal(default)}
        except InputError as error:
            raise InputError(f"{_shown(folder, kind)}: option '{option.arg}' of 'build': {error}") from error
    return found


def _build(folder: str, kind: str) -> ast.FunctionDef:
    nodes = _parsed(folder, kind).body
    found = [node for node in nodes if isinstance(node, ast.FunctionDef) and node.name == "build"]
    if not found:
        raise InputError(
            f"{_shown(folder, kind)} defines no function '{_BUILD[folder]}', so it is no"
            f" {_WHAT[folder]}; it must stand there as 'def build', not indented, neither"
            " imported nor assigned."
        )
    _check_arguments(folder, kind, found[-1].args)
    return found[-1]


def _check_arguments(folder: str, kind: str, arguments: ast.arguments) -> None:
    """Check that `build` can be called with what comes before its options.

    Raises:
        InputError: it takes nothing there, or asks for more.
    """
    before = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
    if more := before[1 : len(before) - len(arguments.defaults)]:
        raise InputError(
            f"{_shown(folder, kind)}: 'build' asks for {' and '.join(more)} besides {before[0]}; options stand after a"
            f" '*', as in def build({before[0]}, *, {', '.join(more)})."
        )
    if not before and not arguments.vararg:
        raise InputError(f"{_shown(folder, kind)}: 'build' takes nothing; expected is def {_BUILD[folder]}.")


def _parsed(folder: str, kind: str) -> ast.Module:
    return parsed(_source(folder, kind), _shown(folder, kind))


def _source(folder: str, kind: str) -> Path:
    return outside.source_of(kind) if outside.is_outside(kind) else PACKAGE / folder / f"{kind}.py"


def _shown(folder: str, kind: str) -> str:
    """Name the module as a user knows it."""
    return kind if outside.is_outside(kind) else f"{folder}/{kind}.py"


def _schema_of(annotation: ast.expr | None) -> dict[str, Any]:
    """Make the schema of an annotation; empty of one that is not checked.

    Raises:
        InputError: what it holds cannot be read, or is no JSON schema.
    """
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):  # "int", in quotes
        annotation = _expression(annotation.value)
    if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
        return _either([annotation.left, annotation.right])
    if isinstance(annotation, ast.Name | ast.Constant):
        kind = _ANNOTATIONS.get(ast.unparse(annotation))
        return {"type": kind} if kind else {}
    if not isinstance(annotation, ast.Subscript):
        return {}
    parts = annotation.slice.elts if isinstance(annotation.slice, ast.Tuple) else [annotation.slice]
    match ast.unparse(annotation.value).rpartition(".")[2]:
        case "Literal":
            return {"enum": [_literal(part) for part in parts]}
        case "Optional":
            return _either([*parts, ast.Constant(None)])
        case "Union":
            return _either(parts)
        case "Annotated":
            return _annotated(*parts)
        case name if name in _LISTS:
            return {"type": "array", "items": _schema_of(parts[0])}
    return {}


def _either(annotations: list[ast.expr]) -> dict[str, Any]:
    """Make the schema of a union: of one part or None, or of several types without bounds."""
    schemas = [_schema_of(annotation) for annotation in annotations]
    others = [schema for schema in schemas if schema != _NULL]
    if len(others) > 1 and not all(schema.keys() == {"type"} for schema in others):
        return {}
    whole: dict[str, Any] = others[0] if others else _NULL
    if "enum" in whole:
        return whole | ({"enum": [*whole["enum"], None]} if _NULL in schemas else {})
    types = [kind for schema in schemas if "type" in schema for kind in _listed(schema["type"])]
    return whole | ({"type": list(dict.fromkeys(types))} if "type" in whole else {})


def _listed(kinds: str | list[str]) -> list[str]:
    return [kinds] if isinstance(kinds, str) else kinds


def _annotated(kind: ast.expr, *more: ast.expr) -> dict[str, Any]:
    """Make the schema of a type with its bounds."""
    bounds = _literal(more[0]) if len(more) == 1 and isinstance(more[0], ast.Dict) else None
    if bounds is None:
        raise InputError("Annotated must hold a type and a mapping of bounds, such as Annotated[int, {'minimum': 1}].")
    from jsonschema import Draft202012Validator, SchemaError  # slow to import; trainings read no options

    if strange := [name for name in bounds if name not in {*Draft202012Validator.VALIDATORS, "description"}]:
        raise InputError(
            f"{strange[0]!r} is no bound; expected are keywords of JSON schema: minimum, exclusiveMinimum, maximum,"
            " exclusiveMaximum, multipleOf and others."
        )
    try:
        Draft202012Validator.check_schema(bounds)
    except SchemaError as error:
        raise InputError(f"{ast.unparse(more[0])} is no JSON schema ({error.message}).") from error
    return _schema_of(kind) | bounds


def _expression(text: str) -> ast.expr | None:
    try:
        return ast.parse(text, mode="eval").body
    except SyntaxError:
        return None


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"{ast.unparse(node)} is no literal; defaults and bounds must be, such as 4 or 'paper'."
        ) from error
