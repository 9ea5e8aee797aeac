"""Write docs/reference.md: the command line, the config's keys and the Python functions.

    python workflow/document.py

`make docs` calls it. Options come from the command line's own parser, keys from the config's schema
and what completes it (options of networks, losses and trainings), functions from their docstrings.
"""

import argparse
import inspect
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from ptychoformer import cli, notebook, plugins
from ptychoformer.configuration import fill_options
from ptychoformer.escaping import markdown
from ptychoformer.parsing import command_parser
from ptychoformer.publication.report.blocks import markdown_table

SCHEMA = "workflow/schemas/config.schema.yaml"
LIMITS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
Row = tuple[str, ...]


def commands() -> Iterator[str]:
    """Yield a section for every command, with a table of its options."""
    whole = cli.parser()
    for action in whole._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, part in action.choices.items():
                yield f"### ptychoformer {name}\n\n{_words(part.description)}\n\n{_table('option', _options(part))}"


def _options(parser: argparse.ArgumentParser) -> Iterator[Row]:
    form = parser._get_formatter()
    for action in parser._actions:
        if action.help != argparse.SUPPRESS:
            said = action.option_strings or [str(action.metavar or action.dest)]
            value = form._format_args(action, str(action.dest).upper()) if action.option_strings else ""
            yield f"`{', '.join(said)}{' ' if value else ''}{value}`", form._expand_help(action)


def keys() -> Iterator[str]:
    """Yield a section for every part of the config, with a table of its keys."""
    schema = yaml.safe_load((ROOT / SCHEMA).read_text(encoding="utf-8"))
    fill_options(schema)
    definitions = schema["$defs"]
    for name, part in schema["properties"].items():
        yield f"### {name}\n\n{_words(part.get('description', ''))}\n\n{_table('key', _keys(name, part, definitions))}"
    for title, kinds, options in (
        ("Options of networks", plugins.network_kinds(), plugins.network_options),
        ("Options of losses", plugins.loss_kinds(), plugins.loss_options),
    ):
        rows = [(f"`{kind}: {key}`", *_meaning(part)) for kind in kinds for key, part in options(kind).items()]
        yield f"### {title}\n\n{_table('option', rows)}"


def _keys(name: str, part: Mapping[str, Any], definitions: Mapping[str, Any]) -> Iterator[Row]:
    """Yield a key and all below it; entries of a catalogue stand as ``NAME``."""
    part = _resolved(part, definitions)
    below = part.get("properties", {})
    entries = part.get("additionalProperties")
    if not below and not isinstance(entries, dict):
        yield f"`{name}`", *_meaning(part)
    for key, inner in below.items():
        yield from _keys(f"{name}.{key}", inner, definitions)
    if isinstance(entries, dict):
        for kind in entries.get("oneOf", [entries]):
            resolved = _resolved(kind, definitions)
            said = resolved.get("properties", {}).get("kind", {}).get("const")
            yield from _keys(f"{name}.NAME{f' (kind: {said})' if said else ''}", resolved, definitions)


def _resolved(part: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    if "$ref" not in part:
        return dict(part)
    return definitions[part["$ref"].rsplit("/", 1)[1]] | {key: value for key, value in part.items() if key != "$ref"}


def _meaning(part: Mapping[str, Any]) -> Row:
    """Return what is allowed, the default, and the description."""
    if "const" in part or "enum" in part:
        allowed = ", ".join(_value(value) for value in part.get("enum", [part.get("const")]))
    else:
        kinds = part.get("type", [])
        limits = [f"{sign} {part[key]}" for key, sign in LIMITS.items() if key in part]
        kinds = " or ".join([kinds] if isinstance(kinds, str) else kinds)
        allowed = part.get("x-allowed") or ", ".join([kinds, *limits])
    default = f"`{_value(part['default'])}`" if "default" in part else ""
    return allowed, default, part.get("description", "")


def _value(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=True, width=1000).removesuffix("\n").removesuffix("\n...")


def functions() -> Iterator[str]:
    """Yield a section for every function of the notebook, and for what they return."""
    for name in notebook.__all__:
        function = getattr(notebook, name)
        signature = str(inspect.signature(function)).replace("ptychoformer.notebook.results.", "")
        text = inspect.getdoc(function) or ""
        yield f"### {name}\n\n```python\n{name}{signature}\n```\n\n```text\n{text}\n```"


def _table(first: str, rows: Iterable[Row]) -> str:
    rows = list(rows)
    if not rows:
        return ""
    heads = [first, "what"] if len(rows[0]) == 2 else [first, "allowed", "default", "what"]
    return markdown_table(heads, ([row[0], *map(_cell, row[1:])] for row in rows))


def _cell(text: str) -> str:
    return text if text.startswith("`") else markdown(_words(text))


def _words(text: str | None) -> str:
    """Join the lines of a text, its paragraphs kept."""
    return "\n\n".join(re.sub(r"\s+", " ", part).strip() for part in re.split(r"\n\s*\n", text or ""))


def page() -> str:
    """Return the whole page."""
    parts = {
        "Command line": ("Options of `ptychoformer COMMAND --help`.", commands()),
        "Keys of the config": (
            "`NAME` stands for the name of an entry; a key without a default must be given.",
            keys(),
        ),
        "Python functions": ("From `ptychoformer`; [own-scan.md](own-scan.md#in-a-notebook) shows them.", functions()),
    }
    sections = [f"## {title}\n\n{said}\n\n" + "\n\n".join(text) for title, (said, text) in parts.items()]
    return "# Reference\n\n" + "\n\n".join(sections) + "\n"


def main() -> None:
    """Write the page."""
    parser = command_parser("python workflow/document.py", __doc__)
    parser.add_argument("--output", type=Path, default=ROOT / "docs/reference.md", help="file to write [%(default)s]")
    parser.parse_args().output.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
