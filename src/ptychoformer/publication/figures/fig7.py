"""Fig. 7: where on the object the training sets of each size lie, the strip that is predicted,
and what of a block of it is unseen.
"""

import os
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patches import Rectangle as Outline

from ptychoformer.errors import InputError
from ptychoformer.measurement.cxi import read_scan
from ptychoformer.publication.figures.parts.bars import frame, scale_bar
from ptychoformer.publication.figures.parts.style import DOUBLE_COLUMN, MARK, axes_at, house_style, letter, save
from ptychoformer.publication.names import BLOCKS
from ptychoformer.simulation.scan import STRIP
from ptychoformer.training.split import Rectangle, Split, split_of, times_lit, training_subset

# The training set as the paper frames it, in black, with a fill that no network has.
TRAIN, TRAIN_FILL, TEST = "black", ("#F0E442", 0.4), MARK
MOST_COLUMNS = 4
LEFT, GAP, FOR_TITLE, FOR_LEGEND = 0.06, 0.12, 0.22, 0.4
WIDEST = 2.2
UNSEEN_HATCH = "//////"
STRIP_LINE = {"color": TEST, "linestyle": "--", "linewidth": 1.0}
BLOCK_LINE = {"color": TEST, "linestyle": "-", "linewidth": 1.2}


def draw(
    dataset: str | os.PathLike,
    *,
    sizes: Sequence[int],
    seed: int,
    subset: str,
    block: str,
    pdf: str | os.PathLike,
    png: str | os.PathLike,
) -> None:
    """Draw one panel per size, the largest first, as the paper tells it.

    Args:
        dataset: CXI file.
        sizes: numbers of training patterns.
        seed: of the runs.
        subset: how a training set is chosen, see `training.split.training_subset`.
        block: of the test patterns, whose scores the other figures print.

    Raises:
        InputError: the dataset cannot be read or has no such block, there is no size, or a size
            exceeds the training patterns.
    """
    if not sizes:
        raise InputError("Fig. 7 needs at least one size of training set.")
    split = split_of(read_scan(dataset))
    training_indices = {
        n_train: training_subset(split, n_train, seed, subset) for n_train in sorted(sizes, reverse=True)
    }
    with house_style():
        save(compose(split, training_indices, block), pdf, png)


def lit_pixels(split: Split, indices: np.ndarray) -> np.ndarray:
    """Mark the pixels of the object that the patterns ``indices`` illuminate: (H, W) bool."""
    return times_lit(split.scan, indices) > 0


def compose(split: Split, training_indices: Mapping[int, np.ndarray], block: str) -> Figure:
    """Draw the panels row by row."""
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
        _draw_panel(axes, split, lit, block)
        letter(figure, box, chr(ord("a") + place), f"{n_train} patterns ({100 * lit.mean():.0f} %)", above=0.05)
        if place == (count - 1) // columns * columns:  # first of the last row
            scale_bar(axes, width, split.scan.pixel_size)
    handles = [
        Patch(facecolor=TRAIN_FILL, edgecolor=TRAIN, label="lit by the training set (share of the object)"),
        *(Line2D([], [], label=BLOCKS[part], **line) for part, line in _lines(block).items()),
        Patch(
            facecolor="none",
            edgecolor=TEST,
            hatch=UNSEEN_HATCH,
            linewidth=0,
            label="unseen part of it, lit by no training set",
        ),
    ]
    figure.legend(handles=handles, loc="lower center", ncols=len(handles), borderaxespad=0.2)
    return figure


def _draw_panel(axes: Axes, split: Split, lit: np.ndarray, block: str) -> None:
    amplitude = split.scan.amplitude
    # Light greys, so that the outlines stand out.
    axes.imshow(amplitude, cmap="gray", vmin=2 * amplitude.min() - amplitude.max(), vmax=amplitude.max())
    axes.set(xticks=[], yticks=[])
    frame(axes)
    # A border of unlit pixels closes outlines that reach the object's edge.
    height, width = lit.shape
    rim = np.pad(lit, 1).astype(float)
    y, x = np.arange(-1, height + 1), np.arange(-1, width + 1)
    axes.contourf(x, y, rim, levels=[0.5, 1.5], colors=[TRAIN_FILL])
    axes.contour(x, y, rim, levels=[0.5], colors=[TRAIN], linewidths=0.8)
    # Half a line inside, so that outlines are whole at the object's edge.
    inset = 0.004 * width
    if unseen := unseen_part(split, block):
        axes.add_patch(_outline(unseen, inset, facecolor="none", edgecolor=TEST, hatch=UNSEEN_HATCH, linewidth=0))
    for part, line in _lines(block).items():
        axes.add_patch(_outline(split.rectangle(part), inset, fill=False, zorder=3, **line))
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))


def _lines(block: str) -> dict[str, dict[str, object]]:
    """Say what is outlined, and how: the strip of all test patterns, and the block of it unless
    this is the strip itself.
    """
    return {STRIP: STRIP_LINE, block: BLOCK_LINE}


def _outline(place: Rectangle, inset: float, **look: object) -> Outline:
    rows, columns = place
    corner = (columns.start - 0.5 + inset, rows.start - 0.5 + inset)
    return Outline(corner, columns.stop - columns.start - 2 * inset, rows.stop - rows.start - 2 * inset, **look)


def unseen_part(split: Split, block: str) -> Rectangle | None:
    """Find the rows of a block that are unseen over its whole width, if there are any; training
    ends above them.
    """
    rows, columns = split.rectangle(block)
    whole = split.unseen_pixels[rows, columns].all(axis=1)
    return (slice(rows.start + int(whole.argmax()), rows.stop), columns) if whole.any() else None
