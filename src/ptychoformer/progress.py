"""Progress: a bar on a terminal, a plain line now and then in a log."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 10.0
Item = TypeVar("Item")


def progress(
    items: Iterable[Item], total: int, label: str, amount: Callable[[Item], int] = lambda item: 1
) -> Iterator[Item]:
    """Pass ``items`` on while showing how much of ``total`` is done; ``amount`` says how much
    of it an item is.
    """
    if sys.stderr.isatty():
        with tqdm(total=total, desc=label, leave=False) as bar:
            for item in items:
                yield item
                bar.update(amount(item))
        return
    last, done = time.monotonic(), 0
    for item in items:
        yield item
        done += amount(item)
        if time.monotonic() - last > SECONDS_BETWEEN_LINES:
            say(f"{label}: {done} of {total}")
            last = time.monotonic()


def say(line: str) -> None:
    """Print one line that does not tear a running bar."""
    tqdm.write(line, file=sys.stderr)
