"""What the sources of networks, losses, trainings and measurements say of their options, read
without importing torch, which would add seconds to the workflow's start.

A network is a module of `models`, or one of a user's own (`outside`), and a loss one of
`training.losses`; the options of either are the keyword arguments of its ``build``, and all other
options the fields of a class in `training.options`, `training.entries` or `measurement.options`.
Their annotations say what is allowed: a type, a ``Literal``, one of these or None, or ``Annotated``
with any of these and keywords of JSON schema.
"""

import ast
from pathlib import Path
from typing import Any

from ptychoformer import outside
from ptychoformer.errors import InputError
from ptychoformer.provenance import OUTSIDE, PACKAGE, parsed

NETWORKS, LOSSES = "models", "training/losses"  # folders of the package
# The files with classes of options.
OPTIONS = tuple(PACKAGE / file for file in ("training/options.py", "training/entries.py", "measurement/options.py"))
_ANNOTATIONS = {"int": "integer", "float": "number", "str": "string", "bool": "boolean"}


def network_kinds() -> list[str]:
    """Names of all networks."""
    return _kinds(NETWORKS)


def check_kind(kind: str) -> None:
    """Whether there is a network of a kind.

    Raises:
        InputError: there is none.
    """
    if outside.is_outside(kind):
        outside.source_of(kind)
    elif kind not in (kinds := network_kinds()):
        own = "one of your own is named by the path of its .py file, or by the dotted name that imports it"
        raise InputError(f"there is no network '{kind}'; there are {', '.join(kinds)}; {own}.")


def network_source(kind: str) -> Path:
    """The file of a network.

    Raises:
        InputError: there is none, of a network outside the package.
    """
    return _source(NETWORKS, kind)


def loss_source(kind: str) -> Path:
    """The file of a loss."""
    return _source(LOSSES, kind)


def network_code(kind: str) -> str:
    """What `provenance.code_digest` calls a network."""
    return f"{OUTSIDE}{kind}" if outside.is_outside(kind) else f"{NETWORKS}.{kind}"


def loss_kinds() -> list[str]:
    """Names of all losses."""
    return _kinds(LOSSES)


def network_options(kind: str) -> dict[str, dict[str, Any]]:
    """Options of a network, each with its schema.

    Raises:
        InputError: the module is no network.
    """
    return _options(NETWORKS, kind, "build(window, **options)")


def loss_options(kind: str) -> dict[str, dict[str, Any]]:
    """Options of a loss, each with its schema; one without a default must be given.

    Raises:
        InputError: the module is no loss.
    """
    return _options(LOSSES, kind, "build(forward, **options)")


def fields_of(options: str) -> dict[str, dict[str, Any]]:
    """Return the fields of a class of options, such as ``"TrainingOptions"``, those of its bases
    first, as dataclasses have them, each with its schema and, if it has one, its default.
    """
    return _fields(options, _classes())


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
    """The number that the sides of a network's patterns must be multiples of: its
    ``SIDE_MULTIPLE_OF``, or 1.
    """
    for node in _parsed(NETWORKS, kind).body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["SIDE_MULTIPLE_OF"]:
            return ast.literal_eval(node.value)
    return 1


def _kinds(folder: str) -> list[str]:
    return sorted(path.stem for path in (PACKAGE / folder).glob("*.py") if path.stem != "__init__")


def _options(folder: str, kind: str, expected: str) -> dict[str, dict[str, Any]]:
    build = next(
        (node for node in _parsed(folder, kind).body if isinstance(node, ast.FunctionDef) and node.name == "build"),
        None,
    )
    if build is None:
        raise InputError(
            f"{_shown(folder, kind)} defines no function '{expected}', so it is no"
            f" {'network' if folder == NETWORKS else 'loss'}."
        )
    options = zip(build.args.kwonlyargs, build.args.kw_defaults, strict=True)
    try:
        return {
            option.arg: (
                _schema_of(option.annotation) | ({} if default is None else {"default": ast.literal_eval(default)})
            )
            for option, default in options
        }
    except ValueError as error:
        raise InputError(
            f"{_shown(folder, kind)}: defaults and bounds of the options of 'build' must be literals, such as 4 or"
            " 'paper', not names."
        ) from error


def _parsed(folder: str, kind: str) -> ast.Module:
    return parsed(_source(folder, kind), _shown(folder, kind))


def _source(folder: str, kind: str) -> Path:
    return outside.source_of(kind) if outside.is_outside(kind) else PACKAGE / folder / f"{kind}.py"


def _shown(folder: str, kind: str) -> str:
    """What a user knows the module by."""
    return kind if outside.is_outside(kind) else f"{folder}/{kind}.py"


def _schema_of(annotation: ast.expr | None) -> dict[str, Any]:
    if isinstance(annotation, ast.BinOp) and ast.unparse(annotation.right) == "None":
        schema = _schema_of(annotation.left)
        more = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
        return schema | more | ({"type": [schema["type"], "null"]} if "type" in schema else {})
    if isinstance(annotation, ast.Name) and annotation.id in _ANNOTATIONS:
        return {"type": _ANNOTATIONS[annotation.id]}
    if isinstance(annotation, ast.Subscript) and isinstance(annotation.value, ast.Name):
        if annotation.value.id == "Literal":
            values = ast.literal_eval(annotation.slice)
            return {"enum": list(values) if isinstance(values, tuple) else [values]}
        if annotation.value.id == "Annotated" and isinstance(annotation.slice, ast.Tuple):
            kind, bounds, *_ = annotation.slice.elts
            return _schema_of(kind) | ast.literal_eval(bounds)
    return {}
