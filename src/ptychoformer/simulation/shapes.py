"""Generated test charts for generalisation: lines of one material, straight on one chart and curved
on the other.

The paper trains on straight features of tungsten and tests on curved ones. Charts of one shape and
seed are partners: both are divided into the same cells with the same line widths and thicknesses,
and each cell holds a motif on one chart and its partner on the other, so that little but geometry
differs:

    straight  nested squares, nested corners, bars, chevrons, crossing bars, hatching, the word LINE
    curved    rings, quarter rings, arcs, spirals, crossing arcs, hatching with arcs, the word LOOP

Here a chart is divided into cells, and each cell filled with its motif or letter; `motifs` says
what these look like. Coordinates y (down) and x (to the right) count from the middle of a cell, as
arrays (side, 1) and (1, side); lengths are in pixels.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ptychoformer.errors import InputError
from ptychoformer.randomness import generator
from ptychoformer.simulation.motifs import CURVED, DUTY, STRAIGHT, Geometry, Lines

THICKNESSES = (0.4, 0.6, 0.8, 1.0)  # of the lines, relative to the thickest

SMALLEST_OBJECT = 128
LETTERS = 4  # of a word, each in a cell; the shorter side has as many cells
LARGEST_CELL = 128
SMALLEST_CELL = 32  # no cell is divided into smaller ones
DIVIDED = 0.4  # share of cells that hold four small motifs in place of a large one
MARGIN = 0.045  # of a cell, free on each side
HATCHING_DUTY = 1 - np.sqrt(1 - DUTY)  # two crossing sets of lines cover as much
LINE_WIDTH = (3.0, 12.0)
FEWEST_LINES = 5  # across a cell, so that small cells have thin lines
BOLD, PLAIN = (13, 3), (7, 1)  # lines across a letter, and how many of them make its strokes
SMALLEST_BOLD = 60  # side of cells with bold letters, whose lines would be too thin in smaller ones


@dataclass(frozen=True)
class Cell:
    """A square of ``side`` pixels, margins included; ``turn`` in [0, 1) directs its motif. A
    cell with a ``letter`` has no motif.
    """

    top: int
    left: int
    side: int
    motif: int
    width: float
    thickness: float
    turn: float
    letter: int | None = None

    @property
    def inner(self) -> float:
        return (1 - 2 * MARGIN) * self.side


def straight(
    shape: tuple[int, int], seed: int, transmission: float, phase_shift: float
) -> tuple[np.ndarray, np.ndarray]:
    """Make amplitude and phase (radians), each (H, W) float64, of the chart on which nothing is
    curved; see `transmitted`.

    Raises:
        InputError: a side is shorter than 128 pixels, or ``transmission`` is out of range.
    """
    return transmitted(thickness(shape, seed, STRAIGHT), transmission, phase_shift)


def curved(shape: tuple[int, int], seed: int, transmission: float, phase_shift: float) -> tuple[np.ndarray, np.ndarray]:
    """Make amplitude and phase (radians), each (H, W) float64, of the chart on which nothing is
    straight; see `transmitted`.

    Raises:
        InputError: a side is shorter than 128 pixels, or ``transmission`` is out of range.
    """
    return transmitted(thickness(shape, seed, CURVED), transmission, phase_shift)


def transmitted(relative: np.ndarray, transmission: float, phase_shift: float) -> tuple[np.ndarray, np.ndarray]:
    """Compute amplitude exp(-mu t) and phase -k delta t (radians) of one material with the
    ``relative`` thickness t from 0 to 1.

    ``transmission`` is the amplitude exp(-mu) and ``phase_shift`` the phase -k delta at t = 1. As
    both are functions of t, neither holds anything that the other does not.

    Raises:
        InputError: ``transmission`` lies outside of (0, 1].
    """
    if not 0 < transmission <= 1:
        raise InputError(f"transmission: {transmission} is not allowed; it must be above 0 and at most 1.")
    return transmission**relative, phase_shift * relative


def thickness(shape: tuple[int, int], seed: int, geometry: Geometry) -> np.ndarray:
    """Draw the relative thickness (H, W), float64, from 0 beside the lines to 1.

    Raises:
        InputError: a side is shorter than 128 pixels.
    """
    if min(shape) < SMALLEST_OBJECT:
        raise InputError(
            f"A chart of shape {tuple(shape)} is too small; each side must have at least {SMALLEST_OBJECT} pixels."
        )
    chart = np.zeros(shape)
    for cell in cells(shape, generator(seed, "chart")):
        chart[cell.top : cell.top + cell.side, cell.left : cell.left + cell.side] = draw(cell, geometry)
    return chart


def cells(shape: tuple[int, int], rng: np.random.Generator) -> list[Cell]:
    """Divide a chart into cells, row by row: at least four by four, some of them divided into four,
    and a word in one row of every four.

    Motifs and thicknesses take shuffled turns, so that every part of a chart shows all of them;
    line widths are spread evenly on a logarithmic scale.
    """
    pitch = min(min(shape) / LETTERS, LARGEST_CELL)
    rows, columns = (np.linspace(0, side, round(side / pitch) + 1).round().astype(int) for side in shape)
    letters = _letters(len(rows) - 1, len(columns) - 1, rng)
    motifs, thicknesses = _turns(range(len(STRAIGHT.motifs)), rng), _turns(THICKNESSES, rng)
    found = []
    for row, (top, bottom) in enumerate(pairwise(rows)):
        for column, (left, right) in enumerate(pairwise(columns)):
            side = int(min(bottom - top, right - left))
            letter = letters.get((row, column))
            parts = 2 if letter is None and side >= 2 * SMALLEST_CELL and rng.random() < DIVIDED else 1
            part = side // parts
            for y, x in np.ndindex(parts, parts):
                corner = int(top) + y * part, int(left) + x * part
                found.append(
                    Cell(*corner, part, next(motifs), _width(part, rng), next(thicknesses), rng.random(), letter)
                )
    return found


def _width(side: int, rng: np.random.Generator) -> float:
    thinnest, thickest = LINE_WIDTH
    thickest = np.clip(Lines((1 - 2 * MARGIN) * side, FEWEST_LINES).width, thinnest, thickest)
    return float(np.exp(rng.uniform(np.log(thinnest), np.log(thickest))))


def _letters(rows: int, columns: int, rng: np.random.Generator) -> dict[tuple[int, int], int]:
    """Choose which letter stands in which (row, column): in one row of four, as many as fit."""
    letters = {}
    for block in range(rows // LETTERS):
        row = LETTERS * block + int(rng.integers(LETTERS))
        start = int(rng.integers(columns % LETTERS, endpoint=True))
        letters |= {(row, start + place): place % LETTERS for place in range(columns - columns % LETTERS)}
    return letters


def _turns(values: Sequence, rng: np.random.Generator) -> Iterator:
    """Yield all ``values`` in a random order, again and again."""
    while True:
        yield from (values[place] for place in rng.permutation(len(values)))


def draw(cell: Cell, geometry: Geometry) -> np.ndarray:
    """Draw the relative thickness (side, side) of what is in one cell."""
    return _motif(cell, geometry) if cell.letter is None else _letter(cell, geometry)


def _motif(cell: Cell, geometry: Geometry) -> np.ndarray:
    duty = HATCHING_DUTY if cell.motif == len(geometry.motifs) - 1 else DUTY
    lines = Lines(cell.inner, round(cell.inner * duty / cell.width + 1 - duty), duty)
    distance = geometry.motifs[cell.motif](*_coordinates(cell), lines, cell.turn)
    return cell.thickness * _coverage(distance, cell, lines, geometry)


def _letter(cell: Cell, geometry: Geometry) -> np.ndarray:
    """Draw a letter of thick lines among thin ones that repeat its outline, so that it is as dense
    as a motif.
    """
    count, bold = BOLD if cell.side >= SMALLEST_BOLD else PLAIN
    lines = Lines(cell.inner, count)
    scale = (cell.inner - (bold - 1) * lines.pitch - lines.width) / 2
    y, x = _coordinates(cell)
    strokes = [geometry.stroke(y, x, np.multiply(scale, points)) for points in geometry.word[cell.letter]]
    distance = np.minimum.reduce(strokes)
    relative = np.where(distance < bold * lines.pitch / 2, max(THICKNESSES), min(THICKNESSES))
    return relative * _coverage(lines.nearest(distance), cell, lines, geometry)


def _coordinates(cell: Cell) -> tuple[np.ndarray, np.ndarray]:
    centred = np.arange(cell.side) - (cell.side - 1) / 2
    return centred[:, None], centred[None, :]


def _coverage(distance: np.ndarray, cell: Cell, lines: Lines, geometry: Geometry) -> np.ndarray:
    """Compute how much of each pixel is covered, 0 to 1, by lines that stay within the margins;
    their edges are a pixel wide.
    """
    ended = geometry.ended(distance, geometry.outside(*_coordinates(cell), cell.inner), lines.width)
    return np.clip((lines.width + 1) / 2 - ended, 0, 1)
