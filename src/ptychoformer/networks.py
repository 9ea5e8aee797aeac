"""What the source of a network says of it, read without importing torch, which would add seconds to every start of the workflow."""

import ast
from typing import Any

from ptychoformer.errors import InputError
from ptychoformer.provenance import PACKAGE

_ANNOTATIONS = {"int": "integer", "float": "number", "str": "string", "bool": "boolean"}


def network_kinds() -> list[str]:
    """Names of the modules in `models` that are networks."""
    return sorted(path.stem for path in (PACKAGE / "models").glob("*.py") if path.stem != "__init__")


def network_options(kind: str) -> dict[str, dict[str, Any]]:
    """Keyword options of a network's ``build``, each with the schema that its annotation stands for."""
    build = next((node for node in _parsed(kind).body if isinstance(node, ast.FunctionDef) and node.name == "build"), None)
    if build is None:
        raise InputError(f"models/{kind}.py defines no function 'build(window, **options)', so it is no network.")
    return {argument.arg: _schema_of(argument.annotation) for argument in build.args.kwonlyargs}


def network_side(kind: str) -> int:
    """The number that the sides of a network's patterns must be multiples of: its ``SIDE_MULTIPLE_OF``, or 1."""
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
