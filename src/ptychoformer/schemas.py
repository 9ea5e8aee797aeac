"""What the YAML files that describe the paper may hold, as JSON Schemas. (The config has a schema
of its own, with defaults and hints: `configuration`.)
"""

import reprlib
from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator

# Types as they are called in sentences.
TYPES = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}
TEXT, NUMBER, FLAG = {"type": "string"}, {"type": "number"}, {"type": "boolean"}
LIST = {"type": "array", "items": TEXT}
TEXTS = {"type": ["string", "array"], "items": TEXT}  # one, or several


def mapping_to(kind: Mapping[str, Any]) -> dict[str, Any]:
    """Make the schema of a mapping from any names to values of one kind."""
    return {"type": "object", "additionalProperties": kind}


def complaint(value: Any, schema: Mapping[str, Any]) -> str:
    """Say where a value is first not as its schema has it, and why; empty if it is.

    Such as ``tables.table1.metrics: 'mse' is not allowed; it must be a list``.
    """
    error = next(Draft202012Validator(schema).iter_errors(value), None)
    if error is None:
        return ""
    place = error.json_path.removeprefix("$").removeprefix(".") or "all of it"
    if error.validator != "type":
        return f"{place}: {error.message}"
    kinds = error.validator_value if isinstance(error.validator_value, list) else [error.validator_value]
    allowed = " or ".join(TYPES[kind] for kind in kinds)
    return f"{place}: {reprlib.repr(error.instance)} is not allowed; it must be {allowed}"


def shown(value: Any) -> str:
    """Write a value of a config as YAML does, in at most 60 characters."""
    literals = {None: "null", True: "true", False: "false"}
    text = literals[value] if value is None or isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
