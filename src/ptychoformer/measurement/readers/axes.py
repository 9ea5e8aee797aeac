"""What the numbers of a position are: x and y in either order, either of which may run the other
way.

    x,y       as every format has them, see `by_path`
    -x,y      the first is x, and runs the other way
    -,y,x     the first is skipped, the second is y
"""

import re

import numpy as np

from ptychoformer.errors import InputError

AXES = "x,y"
AXIS = re.compile(r"[+-]?[xy]|-")  # a minus alone: a number that is skipped
# In which ways positions may lie, up to a half turn, which patterns do not tell: what their x and y
# are then, each with its sign. The ways of a family are a right angle apart.
AS_THEY_ARE = "as they are"
WAYS = {
    AS_THEY_ARE: {"x": "x", "y": "y"},
    "turned": {"x": "y", "y": "-x"},
    "mirrored": {"x": "-x", "y": "y"},
    "swapped": {"x": "y", "y": "x"},
}
FAMILIES = (AS_THEY_ARE, "turned"), ("mirrored", "swapped")


def order_of(axes: str) -> tuple[list[int], list[int]]:
    """Return which numbers of a position as it is stored are y and x, and their signs.

    Raises:
        InputError: the axes are not x and y, each once.
    """
    found = [part.strip() for part in axes.split(",")]
    named = [part.lstrip("+-") for part in found]  # nothing where a number is skipped
    if not all(map(AXIS.fullmatch, found)) or sorted(filter(None, named)) != ["x", "y"]:
        raise InputError(
            "The axes of positions must be x (to the left) and y (up) with a comma between them, whatever the file"
            " calls them, with a minus where one is turned, and a minus alone for a number to skip, found"
            f" '{axes}'."
        )
    places = [named.index(axis) for axis in "yx"]
    return places, [-1 if found[place].startswith("-") else 1 for place in places]


def reordered(path: object, positions: np.ndarray, axes: str) -> np.ndarray:
    """Reorder ``positions`` (n, 2), y and x of a format that says which is which, as ``axes`` say.

    Raises:
        InputError: the axes are not x and y, each once, or name a third number.
    """
    places, signs = order_of(axes)
    if max(places) > 1:
        raise InputError(f"{path}: the axes of positions name number {max(places) + 1} of each, its format has 2.")
    return positions[:, ::-1][:, places] * signs


def turned(positions: np.ndarray, degrees: float) -> np.ndarray:
    """Turn ``positions`` (n, 2) y, x of any length from x to y, which is clockwise in a picture
    with y down.
    """
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return positions @ np.array([[cosine, -sine], [sine, cosine]])


def in_another_way(axes: str, way: str) -> str:
    """Return what ``axes`` should be if positions lie in a ``way`` of `WAYS`, as they say."""
    return ",".join(_axis_in(part.strip(), way) for part in axes.split(","))


def turned_round(axes: str) -> str:
    """Return ``axes`` both of which run the other way."""
    ways = [part.strip() for part in axes.split(",")]
    return ",".join(part if part == "-" else part[-1] if part.startswith("-") else f"-{part[-1]}" for part in ways)


def _axis_in(axis: str, way: str) -> str:
    if axis == "-":
        return axis
    instead = WAYS[way][axis[-1]]
    return ("-" if axis.startswith("-") != instead.startswith("-") else "") + instead[-1]
