"""Fig. 7: where on the object the training sets of each size lie, the test block, and the part of it that training never lights."""

import os
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from ptychoformer.errors import InputError
from ptychoformer.measurement.cxi import read_scan
from ptychoformer.publication.pictures import scale_bar
from ptychoformer.publication.style import DOUBLE_COLUMN, axes_at, house_style, letter, save
from ptychoformer.training.split import Split, split_of, training_subset

TRAIN, TEST = "#D55E00", "#0072B2"
MOST_COLUMNS = 4
LEFT, GAP, FOR_TITLE, FOR_LEGEND = 0.06, 0.12, 0.22, 0.4
WIDEST = 2.2
UNSEEN_HATCH = "//////"


def draw(
    dataset: str | os.PathLike, *, sizes: Sequence[int], seed: int, subset: str, pdf: str | os.PathLike, png: str | os.PathLike
) -> None:
    """Draw one panel per size, the largest first, as the paper tells it.

    Args:
        dataset: CXI file.
        sizes: numbers of training patterns.
        seed: of the runs.
        subset: how a training set is chosen, see `training.split.training_subset`.

    Raises:
        InputError: the dataset cannot be read, there is no size, or a size exceeds the training patterns.
    """
    if not sizes:
        raise InputError("Fig. 7 needs at least one size of training set.")
    split = split_of(read_scan(dataset))
    training_indices = {n_train: training_subset(split, n_train, seed, subset) for n_train in sorted(sizes, reverse=True)}
    with house_style():
        save(compose(split, training_indices), pdf, png)


def lit_pixels(split: Split, indices: np.ndarray) -> np.ndarray:
    """(H, W) bool, pixels of the object that the patterns ``indices`` illuminate."""
    return ~Split(split.scan, indices, split.test).unseen_pixels


def compose(split: Split, training_indices: Mapping[int, np.ndarray]) -> Figure:
    """The figure, panels row by row."""
    count = len(training_indices)
    columns = -(-count // -(-count // MOST_COLUMNS))
    height, width = split.scan.amplitude.shape
    side = min((DOUBLE_COLUMN - 2 * LEFT - (columns - 1) * GAP) / columns, WIDEST)
    step = FOR_TITLE + side * height / width
    figure = Figure(figsize=(DOUBLE_COLUMN, -(-count // columns) * step + FOR_LEGEND))
    # Panels that do not fill the page stand in its middle.
    left = (DOUBLE_COLUMN - columns * side - (columns - 1) * GAP) / 2
    for place, (n_train, indices) in enumerate(training_indices.items()):
        row, column = divmod(place, columns)
        box = (left + column * (side + GAP), row * step + FOR_TITLE, side, side * height / width)
        axes, lit = axes_at(figure, box), lit_pixels(split, indices)
        _draw_panel(axes, split, lit)
        letter(figure, box, chr(ord("a") + place), f"{n_train} patterns ({100 * lit.mean():.0f} %)", above=0.05)
        if place == (count - 1) // columns * columns:  # first of the last row
            scale_bar(axes, width, split.scan.pixel_size)
    handles = [
        Patch(facecolor=(TRAIN, 0.25), edgecolor=TRAIN, label="lit by the training set (share of the object)"),
        Line2D([], [], color=TEST, linestyle="--", linewidth=1.2, label="test block"),
        Patch(facecolor="none", edgecolor=TEST, hatch=UNSEEN_HATCH, linewidth=0, label="unseen: lit by no pattern of any training set"),
    ]
    figure.legend(handles=handles, loc="lower center", ncols=len(handles), borderaxespad=0.2)
    return figure


def _draw_panel(axes: Axes, split: Split, lit: np.ndarray) -> None:
    amplitude = split.scan.amplitude
    # Light greys, so that the outlines stand out.
    axes.imshow(amplitude, cmap="gray", vmin=2 * amplitude.min() - amplitude.max(), vmax=amplitude.max())
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(visible=True, color="grey", linewidth=0.3)
    # A border of unlit pixels closes outlines that reach the object's edge.
    height, width = lit.shape
    rim = np.pad(lit, 1).astype(float)
    y, x = np.arange(-1, height + 1), np.arange(-1, width + 1)
    axes.contourf(x, y, rim, levels=[0.5, 1.5], colors=[TRAIN], alpha=0.25)
    axes.contour(x, y, rim, levels=[0.5], colors=[TRAIN], linewidths=0.8)
    # Half a line inside the block, so that its outline is whole at the object's edge.
    rows, columns = split.block
    inset = 0.004 * width
    corner = (columns.start - 0.5 + inset, rows.start - 0.5 + inset)
    size = (columns.stop - columns.start - 2 * inset, rows.stop - rows.start - 2 * inset)
    if unseen := _unseen_rows(split):
        bottom = (corner[0], unseen.start - 0.5), size[0], unseen.stop - unseen.start - inset
        axes.add_patch(Rectangle(*bottom, facecolor="none", edgecolor=TEST, hatch=UNSEEN_HATCH, linewidth=0))
    axes.add_patch(Rectangle(corner, *size, fill=False, edgecolor=TEST, linestyle="--", linewidth=1.2, zorder=3))
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))


def _unseen_rows(split: Split) -> slice | None:
    """Rows of the object within the test block that are unseen over its whole width; training ends above them."""
    whole = split.unseen_pixels[split.block].all(axis=1)
    first = int(whole.argmax())
    return slice(split.block[0].start + first, split.block[0].stop) if whole.any() else None
