"""Where in an HDF5 file of no known format patterns and positions may be, for people who have to
name them.
"""

import math
from pathlib import Path

from ptychoformer.measurement.readers.guard import rehearse
from ptychoformer.measurement.readers.hdf5 import Source, open_source
from ptychoformer.measurement.readers.scan import SMALLEST_FRAME


def suggested_in(path: Path, data: str | None) -> str:
    """Suggest the patterns, or only the positions, of a file in which they were not named, in words
    to be added to a sentence about it.
    """

    def suggestion() -> str:
        with open_source(path) as source:
            return suggested(source, data)

    rehearse(path, suggestion)
    return suggestion()


def suggested(source: Source, data: str | None = None) -> str:
    """Suggest patterns, unless they are ``data``, and positions of a file in which they were not
    named, in words to be added to a sentence; empty if there are none.
    """
    name = data or next(iter(source.likely(is_patterns)), None)
    patterns = "" if data else source.suggestion("patterns", is_patterns)
    stack = source.stack(name) if name else None
    if stack is None:
        return patterns
    count = math.prod(stack.shape[:-2])
    return patterns + source.suggestion("positions", lambda shape: are_positions(shape, count))


def is_patterns(shape: tuple[int, ...]) -> bool:
    """Say whether an array of ``shape`` may be patterns, (n, h, w) or (rows, columns, h, w)."""
    return len(shape) in (3, 4) and min(shape[-2:]) >= SMALLEST_FRAME and math.prod(shape[:-2]) > 1


def are_positions(shape: tuple[int, ...], count: int) -> bool:
    """Say whether an array of ``shape`` may be, or hold, positions of ``count`` patterns, or one of
    their numbers.
    """
    return math.prod(shape) in (count, 2 * count, 3 * count)
