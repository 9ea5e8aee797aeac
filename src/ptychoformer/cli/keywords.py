"""Commands with keywords in place of a command line: the same options, defaults, checks and
sentences, but errors that can be caught.
"""

import os
from argparse import Namespace
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import numpy as np

from ptychoformer.cli import parser
from ptychoformer.errors import InputError
from ptychoformer.parsing import Parser


class _Strict(Parser):
    """A parser that neither ends the process nor guesses what an abbreviation means."""

    def __init__(self, *words: Any, **more: Any):
        super().__init__(*words, **more, allow_abbrev=False, add_help=False)

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{self.prog.split()[-1]}: {self.explained(message)}")


def parsed(command: str, about: str | os.PathLike, **options: Any) -> Namespace:
    """Parse the options of a command as its ``run`` takes them.

    Args:
        command: name.
        about: its scan, or its run.
        options: ``refine_positions=True`` for ``--refine-positions``, ``centre=(64, 60)`` for
            ``--centre 64 60``, ``option={"size": "small"}`` for ``--option size=small``; None and
            False are as if left out.

    Raises:
        InputError: there is no such option, or its value is not allowed.
    """
    words = [word for name, value in options.items() for word in _words(f"--{name.replace('_', '-')}", value)]
    return parser(_Strict).parse_args([command, os.fspath(about), *words])


def call(command: str, about: str | os.PathLike, **options: Any) -> None:
    """Run a command; the arguments are those of `parsed`."""
    ready = parsed(command, about, **options)
    ready.run(ready)


def _words(flag: str, value: Any) -> Iterator[str]:
    if value is None or isinstance(value, bool | np.bool_):
        yield from [flag] if value else []
    elif isinstance(value, Mapping):
        yield from (f"{flag}={name}={choice}" for name, choice in value.items())
    elif isinstance(value, list | tuple | np.ndarray):
        yield from (flag, *map(str, value))
    else:
        yield f"{flag}={os.fspath(value) if isinstance(value, os.PathLike) else value}"
