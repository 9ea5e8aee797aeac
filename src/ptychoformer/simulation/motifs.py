"""What stands in the cells of a generated chart: motifs and letters as fields of distances to their
centre lines.

From such a field lines with soft edges follow without a loop over pixels. Coordinates y (down) and
x (to the right) count from the middle of a cell, as arrays (side, 1) and (1, side); lengths are in
pixels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

DUTY = 0.57  # line width over pitch; with the margins, lines cover about half of a chart
# A cell of curved lines is bounded by arcs: how far they bulge out, and their radius, relative to
# its side. The values let curved lines cover as much of a chart as straight ones.
BULGE, BULGE_RADIUS = 0.02, 2.5

# Strokes in a square from -1 to 1: both ends of a bar (y, x, y, x); both ends of an arc and a point
# of it between them (y, x, y, x, y, x).
LINE = {
    "L": [(-1, -0.6, 1, -0.6), (1, -0.6, 1, 0.6)],
    "I": [(-1, 0, 1, 0), (-1, -0.4, -1, 0.4), (1, -0.4, 1, 0.4)],
    "N": [(1, -0.8, -1, -0.8), (-1, -0.8, 1, 0.8), (1, 0.8, -1, 0.8)],
    "E": [(-1, -0.6, 1, -0.6), (-1, -0.6, -1, 0.6), (0, -0.6, 0, 0.6), (1, -0.6, 1, 0.6)],
}
LOOP = {
    "L": [(-1, -0.35, -0.2, -0.6, 0.6, -0.5), (0.6, -0.5, 1, 0.05, 0.78, 0.7)],
    "O": [(-1, 0, 0, 1, 1, 0), (1, 0, 0, -1, -1, 0)],
    "P": [(-1, -0.6, 0, -0.72, 1, -0.5), (-1, 0, -0.36, 0.64, 0.28, 0), (0.28, 0, -0.36, -0.64, -1, 0)],
}


@dataclass(frozen=True)
class Lines:
    """``count`` equal lines that fill ``side`` pixels, the outermost flush with the borders."""

    side: float
    count: int
    duty: float = DUTY

    @property
    def pitch(self) -> float:
        return self.side / (self.count - 1 + self.duty)

    @property
    def width(self) -> float:
        return self.duty * self.pitch

    def nearest(self, coordinate: np.ndarray, line: float = 0.0) -> np.ndarray:
        """Measure the distance to the nearest centre line, if lines are level sets of
        ``coordinate`` a pitch apart and one of them is at ``line``.
        """
        periods = (coordinate - line) / self.pitch
        return self.pitch * np.abs(periods - np.round(periods))

    def flush(self, coordinate: np.ndarray, border: float) -> np.ndarray:
        """Measure the distance as `nearest` does, with a line whose edge is at ``border``."""
        return self.nearest(coordinate, border - self.width / 2)


Motif = Callable[[np.ndarray, np.ndarray, Lines, float], np.ndarray]


@dataclass(frozen=True)
class Geometry:
    """What tells one chart from the other: partners stand at the same place of ``motifs``, hatching
    last.

    ``stroke`` is the distance to one stroke of a letter of ``word``, and ``outside`` the signed
    distance to the border of a cell of a given side. ``ended`` makes, of the distance to endless
    centre lines, the one to lines of a given width that end at that border.
    """

    motifs: Sequence[Motif]
    word: Sequence[Sequence[tuple[float, ...]]]
    stroke: Callable[[np.ndarray, np.ndarray, Sequence[float]], np.ndarray]
    outside: Callable[[np.ndarray, np.ndarray, float], np.ndarray]
    ended: Callable[[np.ndarray, np.ndarray, float], np.ndarray]


def _quarter_turned(y: np.ndarray, x: np.ndarray, turn: float) -> tuple[np.ndarray, np.ndarray]:
    """Turn coordinates by 0, 1, 2 or 3 right angles."""
    return ((y, x), (x, -y), (-y, -x), (-x, y))[int(4 * turn)]


def _squares(y: np.ndarray, x: np.ndarray, lines: Lines, turn: float) -> np.ndarray:
    return lines.flush(np.maximum(np.abs(y), np.abs(x)), lines.side / 2)


def _rings(y: np.ndarray, x: np.ndarray, lines: Lines, turn: float) -> np.ndarray:
    return lines.flush(np.hypot(y, x), lines.side / 2)


def _corners(y: np.ndarray, x: np.ndarray, lines: Lines, turn: float) -> np.ndarray:
    y, x = _quarter_turned(y, x, turn)
    return lines.flush(np.maximum(y, x), lines.side / 2)


def _quarter_rings(y: np.ndarray, x: np.ndarray, lines: Lines, turn: float) -> np.ndarray:
    y, x = _quarter_turned(y, x, turn)
    return lines.flush(np.hypot(y + lines.side / 2, x + lines.side / 2), lines.side)


def _bars(y: np.ndarray, x: np.ndarray, lines: Lines, turn: float) -> np.ndarray:
    return lines.flush(_along(y, x, np.floor(4 * turn) / 8), lines.side / 2)


def _arcs(y: np.ndarray, x: np.ndarray, lines: Lines, turn: float) -> np.ndarray:
    return lines.nearest(_from_beside(y, x, lines.side, turn))


def _chevrons(y: np.ndarray, x: np.ndarray, lines: Lines, turn: float) -> np.ndarray:
    y, x = _quarter_turned(y, x, turn)
    return lines.nearest((y + np.abs(x)) / np.sqrt(2))


def _spiral(y: np.ndarray, x: np.ndarray, lines: Lines, turn: float) -> np.ndarray:
    """Draw an Archimedean spiral; the distance to it is to first order the difference in radius
    times the cosine of its slope.
    """
    radius = np.hypot(y, x)
    slope = lines.pitch / (2 * np.pi)
    unwound = radius - slope * (np.arctan2(y, x) + 2 * np.pi * turn)
    return lines.nearest(unwound) / np.hypot(1, slope / np.maximum(radius, slope))


def _crossing_bars(y: np.ndarray, x: np.ndarray, lines: Lines, turn: float) -> np.ndarray:
    return lines.nearest(np.minimum(np.abs(y), np.abs(x)))


def _crossing_arcs(y: np.ndarray, x: np.ndarray, lines: Lines, turn: float) -> np.ndarray:
    """Draw two circles that cross at right angles in the middle, and lines beside them."""
    y, x = _quarter_turned(y, x, turn)
    radius = 0.7 * lines.side
    circles = np.hypot(y - radius, x) - radius, np.hypot(y, x - radius) - radius
    return lines.nearest(np.minimum(*np.abs(circles)))


def _hatching(y: np.ndarray, x: np.ndarray, lines: Lines, turn: float) -> np.ndarray:
    """Draw two sets of bars that cross at right angles, level or on the diagonals."""
    angle = np.floor(2 * turn) / 8
    return np.minimum(*(lines.flush(_along(y, x, angle + right), lines.side / 2) for right in (0, 0.25)))


def _hatching_arcs(y: np.ndarray, x: np.ndarray, lines: Lines, turn: float) -> np.ndarray:
    return np.minimum(*(lines.nearest(_from_beside(y, x, lines.side, turn + right)) for right in (0, 0.25)))


def _along(y: np.ndarray, x: np.ndarray, turn: float) -> np.ndarray:
    """Measure the distance travelled in the direction of ``turn`` full turns, which starts at y."""
    return y * np.cos(2 * np.pi * turn) + x * np.sin(2 * np.pi * turn)


def _from_beside(y: np.ndarray, x: np.ndarray, side: float, turn: float) -> np.ndarray:
    """Measure distances from a point beside the cell, in the direction of ``turn`` full turns."""
    away = 0.75 * side
    return np.hypot(y - away * np.cos(2 * np.pi * turn), x - away * np.sin(2 * np.pi * turn))


def bar_distance(y: np.ndarray, x: np.ndarray, points: Sequence[float]) -> np.ndarray:
    """Measure the distance to a bar's centre line such that bars end, and meet at corners, level
    with the letter's box.
    """
    y0, x0, y1, x1 = points
    across = np.abs((x1 - x0) * (y - y0) - (y1 - y0) * (x - x0)) / np.hypot(y1 - y0, x1 - x0)
    return np.maximum(
        across, np.maximum(np.abs(y - (y0 + y1) / 2) - abs(y1 - y0) / 2, np.abs(x - (x0 + x1) / 2) - abs(x1 - x0) / 2)
    )


def arc_distance(y: np.ndarray, x: np.ndarray, points: Sequence[float]) -> np.ndarray:
    """Measure the distance to the arc of the circle through three points, from the first to the
    last.
    """
    first, middle, last = np.reshape(points, (3, 2))
    centre = np.linalg.solve(
        [middle - first, last - middle], [(middle @ middle - first @ first) / 2, (last @ last - middle @ middle) / 2]
    )
    radius = np.hypot(*(first - centre))
    # Of all points of the circle, the arc's lie on the same side of the chord as the middle one.
    normal = np.array([last[1] - first[1], first[0] - last[0]])
    foot_y, foot_x = y - centre[0], x - centre[1]
    length = np.maximum(np.hypot(foot_y, foot_x), np.finfo(float).tiny)
    side = (centre[0] + radius * foot_y / length - first[0]) * normal[0] + (
        centre[1] + radius * foot_x / length - first[1]
    ) * normal[1]
    on_arc = side * ((middle - first) @ normal) >= 0
    ends = np.minimum(*(np.hypot(y - end[0], x - end[1]) for end in (first, last)))
    return np.where(on_arc, np.abs(length - radius), ends)


def _square(y: np.ndarray, x: np.ndarray, side: float) -> np.ndarray:
    return np.maximum(np.abs(y), np.abs(x)) - side / 2


def _cushion(y: np.ndarray, x: np.ndarray, side: float) -> np.ndarray:
    """Measure as `_square` does, but with sides that are arcs, so that a curve that runs along one
    of them is not cut straight.
    """
    radius = BULGE_RADIUS * side
    middle = radius - (0.5 + BULGE) * side
    return np.maximum(np.hypot(np.abs(y) + middle, x), np.hypot(y, np.abs(x) + middle)) - radius


def _cut_off(distance: np.ndarray, outside: np.ndarray, width: float) -> np.ndarray:
    return np.maximum(distance, outside + width / 2)


def _rounded_off(distance: np.ndarray, outside: np.ndarray, width: float) -> np.ndarray:
    """Make ends half discs, a little beyond the border, so that a line is as large as one that is
    cut off there.
    """
    return np.hypot(distance, np.maximum(outside + np.pi / 8 * width, 0))


STRAIGHT = Geometry(
    motifs=(_squares, _corners, _bars, _chevrons, _crossing_bars, _hatching),
    word=[LINE[letter] for letter in "LINE"],
    stroke=bar_distance,
    outside=_square,
    ended=_cut_off,
)
CURVED = Geometry(
    motifs=(_rings, _quarter_rings, _arcs, _spiral, _crossing_arcs, _hatching_arcs),
    word=[LOOP[letter] for letter in "LOOP"],
    stroke=arc_distance,
    outside=_cushion,
    ended=_rounded_off,
)
