"""Templates of what is printed: the report and the paper."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template


def template(
    path: Path, filters: Mapping[str, Callable[..., Any]], finalize: Callable[[Any], Any] | None = None
) -> Template:
    """Read a template, in which every value is escaped and a value that is missing is an error.

    Args:
        path: of the template; those that it includes stand beside it.
        filters: name in the template to function.
        finalize: makes of every value what is printed.
    """
    environment = Environment(
        loader=FileSystemLoader(path.parent),
        autoescape=True,
        finalize=finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= filters
    return environment.get_template(path.name)
