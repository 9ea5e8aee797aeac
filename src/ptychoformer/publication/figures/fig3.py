"""Fig. 3: what Polar Coordinate Attention weighs its keys with, and what a trained network
looks at with it.
"""

import os
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator

from ptychoformer.errors import InputError
from ptychoformer.evaluation.quantities import number
from ptychoformer.publication.figures.parts.bars import LIGHT_OUTLINE, beyond, colour_bar, frame, photon_scale
from ptychoformer.publication.figures.parts.style import (
    COLOURMAPS,
    DOUBLE_COLUMN,
    MARK,
    Box,
    axes_at,
    house_style,
    letter,
    save,
)
from ptychoformer.storage import open_hdf5, read

MATRICES = {"R": "$R$, Eq. 10", "Theta": r"$\Theta$, Eq. 11", "weight": r"$R + \Theta$"}
SYMBOLS = {"R": "$R$", "Theta": r"$\Theta$", "weight": r"weight $R + \Theta$"}
# The colours of a map reach from 1 / f to f times an equal share; f is a map's own, and 1.1 to 100.
LEAST_FACTOR, MOST_FACTOR = 1.1, 100.0
SHOWN = 0.99  # share of a map's pixels that its colours tell apart
PATTERN_DECADES = 6
LEFT, TOP = 0.5, 0.3
MATRIX, FOR_KEY = 1.46, 0.4
LEARNED_TOP = TOP + MATRIX + FOR_KEY + 0.62
GAP, BELOW_MAP, FOR_BARS = 0.08, 0.2, 0.5
WIDEST = 1.3
ZERO = {"marker": "+", "markersize": 6, "markeredgewidth": 1, "color": "black", "linestyle": "none"}
QUERY = {
    "marker": "o",
    "markersize": 5,
    "markerfacecolor": "none",
    "markeredgewidth": 1.1,
    "color": MARK,
    "linestyle": "none",
}
CHANGE = {"colors": "black", "linewidths": 0.7}


@dataclass(frozen=True)
class Attention:
    """What the figure shows.

    Args:
        matrices: (h, w) by the names of ``MATRICES``.
        learned: (blocks, heads, queries, h, w), attention times the number of keys: 1 where a key
            gets an equal share.
        queries: (queries, 2), y and x.
        names: of the queries.
        pattern: (h, w) photons, mean of the patterns the attention is a mean over.
        count: how many these are.
    """

    matrices: dict[str, np.ndarray]
    learned: np.ndarray
    queries: np.ndarray
    names: list[str]
    pattern: np.ndarray
    count: int


def draw(attention_h5: str | os.PathLike, *, pdf: str | os.PathLike, png: str | os.PathLike) -> None:
    """Draw the figure from the file that `training.inspection.attention_maps` wrote.

    Raises:
        InputError: the file is damaged, or its parts do not fit each other.
    """
    attention = load_attention(attention_h5)
    with house_style():
        save(compose(attention), pdf, png)


def load_attention(path: str | os.PathLike) -> Attention:
    """Read the maps.

    Raises:
        InputError: the file is damaged, or its parts do not fit each other.
    """
    with open_hdf5(path) as file:
        matrices = {name: read(file, f"coordinates/{name}", 2)[:] for name in MATRICES}
        weights, queries = read(file, "attention/weights", 5)[:], read(file, "attention/queries", 2)
        names = np.asarray(queries.attrs.get("names", ()), str).tolist()
        pattern, count = read(file, "patterns/mean", 2)[:], len(read(file, "patterns/index", 1))
        shapes = {image.shape for image in (*matrices.values(), pattern)} | {weights.shape[3:]}
        if len(shapes) != 1 or not weights.shape[2] == len(queries) == len(names):
            raise InputError(f"{path}: maps of attention, coordinates and queries do not fit each other.")
        return Attention(matrices, weights * pattern.size, queries[:], names, pattern, count)


def compose(attention: Attention) -> Figure:
    """Draw (a-c) the matrices above, (d) the pattern and the learned attention of each query in a
    row below.
    """
    blocks, heads, queries = attention.learned.shape[:3]
    side = (DOUBLE_COLUMN - LEFT - 0.1 - blocks * heads * GAP) / (1 + blocks * heads)
    side = min(side, WIDEST)
    height, width = attention.pattern.shape
    step = side * height / width + BELOW_MAP
    figure = Figure(figsize=(DOUBLE_COLUMN, LEARNED_TOP + queries * step + FOR_BARS))
    _draw_matrices(figure, attention)
    _draw_learned(figure, attention, side, step)
    return figure


def _draw_matrices(figure: Figure, attention: Attention) -> None:
    step = (DOUBLE_COLUMN - LEFT) / len(MATRICES)
    height, width = attention.pattern.shape
    for place, (name, title) in enumerate(MATRICES.items()):
        matrix = attention.matrices[name]
        box = (LEFT + place * step, TOP, MATRIX, MATRIX * height / width)
        axes = axes_at(figure, box)
        signed = matrix.min() < 0
        words = f"{title}: negative for {100 * (matrix < 0).mean():.0f} % of keys" if signed else title
        letter(figure, (box[0] - 0.16, *box[1:]), "abc"[place], words, above=0.08)
        largest = float(np.abs(matrix).max()) or 1.0
        scale = Normalize(-largest if signed else 0, largest)
        colours = "RdBu_r" if signed else "Reds"
        axes.imshow(matrix, cmap=colours, norm=scale)
        frame(axes)
        # The equations' centre lies beside the zero frequency: they count pixels from 1.
        axes.plot(width // 2, height // 2, path_effects=LIGHT_OUTLINE, **ZERO)
        axes.set(xlabel="column (pixel)", ylabel="row (pixel)" if place == 0 else "")
        if signed:
            axes.contour(matrix, levels=[0], **CHANGE)
        bar = (box[0] + MATRIX + 0.06, TOP + 0.05, 0.07, box[3] - 0.1)
        colour_bar(figure, bar, scale, colours, f"{SYMBOLS[name]} (no unit)", MaxNLocator(5))
    handles = [
        Line2D([], [], label="zero frequency", **ZERO),
        Line2D([], [], color="black", linewidth=0.7, label="sign changes"),
        Line2D([], [], label="query", **QUERY),
    ]
    at = (0.5, 1 - (TOP + MATRIX + FOR_KEY) / figure.get_figheight())
    figure.legend(handles=handles, loc="upper center", bbox_to_anchor=at, ncols=3, borderaxespad=0)


def _draw_learned(figure: Figure, attention: Attention, side: float, step: float) -> None:
    blocks, heads, _ = attention.learned.shape[:3]
    words = f"Attention of a query in each block and head, mean of {attention.count} test patterns"
    letter(figure, (0.06, LEARNED_TOP, 0, 0), "d", words, above=0.24)
    photons = photon_scale(PATTERN_DECADES, attention.pattern)
    for row, (name, query) in enumerate(zip(attention.names, attention.queries, strict=True)):
        boxes = [
            (LEFT + column * (side + GAP), LEARNED_TOP + row * step, side, step - BELOW_MAP)
            for column in range(1 + blocks * heads)
        ]
        axes = _map(figure, boxes[0], attention.pattern, photons, COLOURMAPS["pattern"], query)
        axes.set_ylabel(f"{name} query\nrow {query[0]}, column {query[1]}")
        if row == 0:
            axes.set_title("mean pattern", pad=3)
        images = attention.learned[:, :, row].reshape(blocks * heads, *attention.pattern.shape)
        for column, (box, image) in enumerate(zip(boxes[1:], images, strict=True)):
            factor = _factor(image)
            axes = _map(figure, box, image, LogNorm(1 / factor, factor, clip=True), "PuOr_r", query)
            axes.set_xlabel(f"f = {number(factor, 1 if factor < 10 else 0)}", labelpad=2)
            if row == 0:
                axes.set_title(f"block {column // heads + 1}, head {column % heads + 1}", pad=3)
    _draw_bars(figure, photons, beyond(photons, attention.pattern), side, boxes)


def _factor(image: np.ndarray) -> float:
    """Find how many times more, or less, than an equal share a map's colours reach; two digits."""
    # What underflows to nothing lies below every colour scale.
    logarithm = np.abs(np.log(np.maximum(image, np.finfo(float).tiny)))
    factor = float(np.clip(np.exp(np.quantile(logarithm, SHOWN)), LEAST_FACTOR, MOST_FACTOR))
    return float(f"{factor:.2g}")


def _map(figure: Figure, box: Box, image: np.ndarray, scale: LogNorm, colours: str, query: np.ndarray) -> Axes:
    axes = axes_at(figure, box)
    axes.imshow(image, cmap=colours, norm=scale, aspect="auto")
    frame(axes)
    axes.set(xticks=[], yticks=[])
    axes.plot(*query[::-1], path_effects=LIGHT_OUTLINE, **QUERY)
    return axes


def _draw_bars(figure: Figure, photons: LogNorm, extend: str, side: float, boxes: list[Box]) -> None:
    """Draw the two colour bars below the last row ``boxes``."""
    top = boxes[0][1] + boxes[0][3] + BELOW_MAP + 0.02
    pattern = (boxes[0][0] + 0.06, top, side - 0.12, 0.07)
    colour_bar(figure, pattern, photons, COLOURMAPS["pattern"], "photons", LogLocator(numticks=3), extend)
    wide = max(0.5 * (boxes[-1][0] + side - boxes[1][0]), side)
    left = (boxes[1][0] + boxes[-1][0] + side - wide) / 2
    # Positions on the bar are the logarithm's, from 1 / f to f.
    label = "attention over an equal share for every key, f below each map"
    bar = colour_bar(figure, (left, top, wide, 0.07), Normalize(-1, 1), "PuOr_r", label, extend="both")
    bar.set_ticks([-1, 0, 1], labels=["1/f", "1", "f"])
