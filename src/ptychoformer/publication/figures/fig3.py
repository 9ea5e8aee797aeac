"""Fig. 3: what Polar Coordinate Attention weighs its keys with, and what a trained network
looks at with it.
"""

import os
from dataclasses import dataclass

import numpy as np
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure, SubFigure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FixedLocator, MaxNLocator

from ptychoformer.errors import InputError
from ptychoformer.publication.figures.parts.bars import frame
from ptychoformer.publication.figures.parts.style import DOUBLE_COLUMN, house_style, save
from ptychoformer.storage import open_hdf5, read

MATRICES = {"R": "$R$, Eq. 10", "Theta": r"$\Theta$, Eq. 11", "weight": r"$R + \Theta$: weight of a key’s logits"}
# On either side of equal attention for all keys; what lies beyond is drawn in the last colour.
FACTOR = 100
PATTERN_DECADES = 6
MARK = "#009E73"
_OUTLINE = [withStroke(linewidth=2.2, foreground="white")]


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
    """The figure: (a-c) the matrices above, (d) the pattern and the learned attention of each
    query in a row below.
    """
    rows = len(attention.queries)
    figure = Figure(figsize=(DOUBLE_COLUMN, 2.25 + 1.45 * rows), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.03, wspace=0.0, hspace=0.0)
    upper, lower = figure.subfigures(2, 1, height_ratios=(1.95, 0.3 + 1.45 * rows))
    _draw_matrices(upper, attention)
    _draw_learned(lower, attention)
    return figure


def _draw_matrices(part: SubFigure, attention: Attention) -> None:
    for axes, letter, (name, title) in zip(part.subplots(1, len(MATRICES)), "abc", MATRICES.items(), strict=True):
        matrix = attention.matrices[name]
        axes.set_title(rf"$\bf{{{letter}}}$  {title}", loc="left", pad=4)
        signed = matrix.min() < 0
        largest = float(np.abs(matrix).max()) or 1.0
        shown = axes.imshow(
            matrix, cmap="RdBu_r" if signed else "Reds", norm=Normalize(-largest if signed else 0, largest)
        )
        frame(axes)
        # The equations' centre lies beside the zero frequency: they count pixels from 1.
        height, width = matrix.shape
        axes.plot(
            width // 2, height // 2, marker="+", markersize=5, color=MARK, markeredgewidth=1, path_effects=_OUTLINE
        )
        axes.set(xlabel="$q_x$ (pixel)")
        bar = part.colorbar(shown, ax=axes, aspect=18, pad=0.03, shrink=0.9)
        bar.outline.set_visible(False)
        bar.set_label(title.split(",")[0].split(":")[0], fontsize=6.5, labelpad=1)
        bar.locator = MaxNLocator(5)
        bar.update_ticks()
        if signed:
            axes.contour(matrix, levels=[0], colors="black", linewidths=0.5)
            share = f"negative for {100 * (matrix < 0).mean():.0f} % of the keys"
            axes.text(
                0.5, 0.03, share, transform=axes.transAxes, fontsize=6, ha="center", va="bottom", path_effects=_OUTLINE
            )
        if letter == "a":
            axes.set_ylabel("$q_y$ (pixel)")
            note = {"fontsize": 6, "ha": "center", "va": "bottom", "path_effects": _OUTLINE}
            axes.text(0.5, 0.03, "+ zero frequency", transform=axes.transAxes, **note)


def _draw_learned(part: SubFigure, attention: Attention) -> None:
    blocks, heads, queries = attention.learned.shape[:3]
    what = (
        f"Attention of one query in each block and head of the trained network, mean of {attention.count} test patterns"
    )
    part.suptitle(rf"$\bf{{d}}$  {what}", x=0.01, ha="left", fontsize=7)
    panels = part.subplots(queries, 1 + blocks * heads, squeeze=False)
    scale = LogNorm(1 / FACTOR, FACTOR, clip=True)
    peak = float(attention.pattern.max())
    peak = peak if peak > 0 else 1.0
    pattern_scale = LogNorm(peak / 10**PATTERN_DECADES, peak, clip=True)
    for row, (name, pixel) in enumerate(zip(attention.names, attention.queries, strict=True)):
        pattern = panels[row, 0].imshow(attention.pattern, cmap="inferno", norm=pattern_scale)
        panels[row, 0].set_ylabel(f"{name} query\n({pixel[1]}, {pixel[0]})", fontsize=6.5)
        for column, image in enumerate(attention.learned[:, :, row].reshape(blocks * heads, *attention.pattern.shape)):
            learned = panels[row, 1 + column].imshow(image, cmap="PuOr_r", norm=scale)
            if row == 0:
                panels[0, 1 + column].set_title(f"block {column // heads + 1}, head {column % heads + 1}", pad=3)
        for axes in panels[row]:
            frame(axes)
            axes.set(xticks=[], yticks=[])
            axes.plot(
                *pixel[::-1],
                marker="o",
                markersize=5,
                markerfacecolor="none",
                color=MARK,
                markeredgewidth=1.1,
                path_effects=_OUTLINE,
            )
    panels[0, 0].set_title("mean pattern", pad=3)
    below = {"location": "bottom", "aspect": 12, "pad": 0.03}
    _tidy_bar(part.colorbar(pattern, ax=panels[:, 0], shrink=0.9, extend="min", **below), "photons")
    ticks = [1 / FACTOR, FACTOR**-0.5, 1, FACTOR**0.5, FACTOR]
    bar = part.colorbar(learned, ax=panels[:, 1:], shrink=0.5, extend="both", **below | {"aspect": 40})
    _tidy_bar(bar, "attention relative to an equal share for every key")
    bar.ax.xaxis.set_major_locator(FixedLocator(ticks))
    bar.ax.xaxis.set_major_formatter("{x:g}")


def _tidy_bar(bar, label: str) -> None:
    bar.outline.set_visible(False)
    bar.ax.minorticks_off()
    bar.set_label(label, fontsize=6.5)
