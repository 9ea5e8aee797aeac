"""What somebody may have meant by a name that there is not."""

import difflib
import json
from collections.abc import Iterable, Mapping
from typing import Any


def known(name: Any, allowed: Iterable[str]) -> str:
    """Say what somebody may have meant by a ``name`` that is none of those ``allowed``, or name all
    of these, as the end of a sentence.
    """
    close = nearest(name, allowed)
    return f"did you mean '{close}'?" if close else f"allowed are {', '.join(allowed) or 'none'}."


def nearest(name: Any, allowed: Iterable[str]) -> str:
    """Find the one of those ``allowed`` that begins with a ``name``, or resembles it most; empty if
    none does.
    """
    begun = [one for one in allowed if name and one.startswith(str(name))]
    return next(iter(begun or difflib.get_close_matches(str(name), allowed, n=1)), "")


def known_key(name: Any, value: Any, schema: Mapping[str, Any], root: Mapping[str, Any]) -> str:
    """Say the same as `known` of a key; one with dots may be meant for a key within another, which
    dots do not name.
    """
    meant = _within(str(name).split("."), schema, root) or []
    if len(meant) < 2:
        return known(name, schema.get("properties", {}))
    first, *others = meant
    nested = json.dumps(value)
    for part in reversed(others):
        nested = f"{{{part}: {nested}}}"
    return (
        f"did you mean '{'.'.join(meant)}'? It is written {first}: {nested} in a file, --config"
        f" '{first}={nested}' on the command line."
    )


def _within(parts: list[str], schema: Mapping[str, Any], root: Mapping[str, Any]) -> list[str] | None:
    """Return nested keys that ``parts`` are or resemble; None if there are no such keys."""
    if not parts:
        return []
    part, *others = parts
    schema = resolved(schema, root)
    for one in (resolved(alternative, root) for alternative in schema.get("oneOf", [schema])):
        properties = one.get("properties", {})
        close = [part] if part in properties else difflib.get_close_matches(part, properties, n=1)
        inner = properties[close[0]] if close else one.get("additionalProperties", False)
        if isinstance(inner, Mapping) and (rest := _within(others, inner, root)) is not None:
            return [*(close or [part]), *rest]
    return None


def resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """Put what a part of the config's schema refers to in the whole (``root``) in its place."""
    if "$ref" not in schema:
        return schema
    name = schema["$ref"].removeprefix("#/$defs/")
    return root["$defs"][name] | {key: value for key, value in schema.items() if key != "$ref"}
