"""A command line that cannot be understood: one sentence with what may have been meant, and where
the help is. It reaches into argparse, which has no other place for its sentences.
"""

import argparse
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile
from typing import Any, NoReturn

from ptychoformer.suggestions import known, nearest

# What looks like an option, and not like a negative number or axes of positions ("-x,y").
OPTION = re.compile(r"--\S+|-[a-zA-Z][\w-]+(=.*)?")
# A value although it begins with a dash: a negative number in any notation, or such axes.
VALUE = re.compile(r"-(\.?\d|\w?,)")


class Parser(argparse.ArgumentParser):
    """A parser that names the nearest option, choice or command in place of its usage."""

    def __init__(self, *args: Any, **options: Any):
        super().__init__(*args, **options)
        self._negative_number_matcher = VALUE  # argparse's own knows neither -1e-3 nor -x,y

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Parse ``args`` as argparse does; what nobody knows is an error, and the first that is
        told, since a mistyped option is often one that is missing.
        """
        words = list(sys.argv[1:] if args is None else args)
        own = words if self._subparsers is None else list(takewhile(lambda word: word.startswith("-"), words))
        for word in _options_in(own):
            if not self._knows(word):
                self.error(self._unknown(word))
        parsed, rest = super().parse_known_args(words, namespace)
        if rest:
            self.error(f"there is one argument too many, or one without its option: {' '.join(rest)}")
        return parsed, rest

    def error(self, message: str) -> NoReturn:
        """Print the sentence and end the process."""
        print(f"Error: {self.explained(message)}", file=sys.stderr)
        raise SystemExit(2)

    def explained(self, message: str) -> str:
        """Return what argparse says as a sentence, and where the help is."""
        said = message.removeprefix("argument ")
        return f"{said if said[-1] in '.?' else f'{said}.'} `{self.prog} --help` lists what there is."

    def _knows(self, word: str) -> bool:
        begun = (option for option in self._option_string_actions if option.startswith(word) and self.allow_abbrev)
        short = not word.startswith("--") and word[:2] in self._option_string_actions  # -oFILE
        return short or word in self._option_string_actions or any(begun)

    def _unknown(self, word: str) -> str:
        # Without the dashes, which would make all of them alike.
        names = [option[2:] for option in self._option_string_actions if option.startswith("--")]
        guess = nearest(word.lstrip("-"), names)
        where = "; options of a command come after its name" if self._subparsers else ""
        return f"there is no option {word}" + (f"; did you mean '--{guess}'?" if guess else where)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        if isinstance(action, argparse._SubParsersAction):
            raise argparse.ArgumentError(None, f"there is no command '{value}'; {known(value, action.choices)}")
        wrong = f"'{value}' is not allowed; it must be one of {', '.join(map(str, action.choices))}"
        guess = nearest(value, action.choices)
        raise argparse.ArgumentError(action, f"{wrong}; did you mean '{guess}'?" if guess else wrong)


def command_parser(command: str, about: str | None) -> Parser:
    """Return a parser for what is started as ``command``, whose help says what it is about line by
    line as it is written.
    """
    return Parser(command, description=about, formatter_class=argparse.RawDescriptionHelpFormatter)


def _options_in(words: Iterable[str]) -> Iterator[str]:
    """Yield the names of the options among ``words``, as they are written, without their values."""
    for word in takewhile(lambda word: word != "--", words):
        if OPTION.fullmatch(word):
            yield word.partition("=")[0]
