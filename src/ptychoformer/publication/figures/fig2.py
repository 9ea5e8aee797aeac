"""Fig. 2: the architecture of Ptychoformer as it was built; every shape and number comes from
the network's own description.
"""

import os
from collections.abc import Iterable
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from ptychoformer.publication.figures.parts.architecture import Network, Step, read_network, size
from ptychoformer.publication.figures.parts.style import DOUBLE_COLUMN, house_style, save

# Light fills that black text can be read on; edges are drawn in the darker twin.
FILLS = {"local": "#CFE3F5", "nonlocal_": "#FBDDC9", "fuse": "#E6E6E6", "amplitude": "#DDEBC2", "phase": "#EAD8EE"}
EDGES = {"local": "#1F5F99", "nonlocal_": "#B4531A", "fuse": "#555555", "amplitude": "#55761A", "phase": "#7A3F8A"}
MARGIN = 0.08
BOX = 0.68
PITCH = 0.122  # of lines in a box
FOR_TITLE = 0.2
FOR_SHAPE = 0.18
BETWEEN_LANES = 0.14
BETWEEN_BANDS = 0.34
GAP = 0.15
ENDS = 1.0  # width of input, fusion and outputs
BLOCK = 0.88
_LANE = FOR_TITLE + BOX + FOR_SHAPE
_RIGHT = DOUBLE_COLUMN - MARGIN


def draw(description_json: str | os.PathLike, *, pdf: str | os.PathLike, png: str | os.PathLike) -> None:
    """Draw the figure from the file that `training.inspection.describe` wrote.

    Raises:
        InputError: the file is damaged or describes another network.
    """
    network = read_network(description_json)
    with house_style():
        save(compose(network), pdf, png)


def compose(network: Network) -> Figure:
    """Draw branches and fusion above, decoders in the middle, the inside of a block below."""
    branches = [name for name in ("local", "nonlocal_") if name in network.lanes]
    decoders_top = MARGIN + len(branches) * (_LANE + BETWEEN_LANES) + BETWEEN_BANDS
    block_top = decoders_top + 2 * (_LANE + BETWEEN_LANES) + 0.06
    height = block_top + FOR_TITLE + BLOCK + MARGIN
    figure = Figure(figsize=(DOUBLE_COLUMN, height))
    axes = figure.add_axes((0, 0, 1, 1))
    # Inches from the upper left corner.
    axes.set(xlim=(0, DOUBLE_COLUMN), ylim=(height, 0))
    axes.set_axis_off()
    page = Page(axes)
    fused = _draw_branches(page, network, branches)
    _draw_decoders(page, network, decoders_top, fused)
    _draw_block(page, network, block_top)
    return figure


class Page:
    """Axes in inches from the upper left corner, and what is drawn on them again and again."""

    def __init__(self, axes: Axes):
        self.axes = axes

    def box(self, left: float, top: float, width: float, height: float, step: Step, part: str) -> None:
        """Draw a step in the colours of its part of the network, its output's shape below it."""
        style = {
            "boxstyle": "round,pad=0,rounding_size=0.04",
            "facecolor": FILLS[part],
            "edgecolor": EDGES[part],
            "linewidth": 0.7,
        }
        self.axes.add_patch(FancyBboxPatch((left, top), width, height, **style))
        # Each line centred by itself, since they differ in weight; blank ones are left out.
        weights = [("bold", "normal")] * len(step.title) + [("normal", "normal")] * len(step.detail)
        lines = [*zip([*step.title, *step.detail], weights, strict=True)]
        lines += [(f"{step.parameters:,}", ("normal", "italic"))] if step.parameters else []
        first = top + height / 2 - PITCH * (len(lines) - 1) / 2
        for place, (text, (weight, slant)) in enumerate(lines):
            look = {"fontweight": weight, "fontstyle": slant, "ha": "center", "va": "center"}
            self.axes.text(left + width / 2, first + place * PITCH, text, **look)
        if step.output:
            look = {"color": EDGES[part], "ha": "center", "va": "top"}
            self.axes.text(left + width / 2, top + height + 0.03, size(step.output), **look)

    def arrow(self, *points: tuple[float, float], colour: str = "0.25") -> None:
        """Draw a line through points with a head at its end."""
        for start, end in pairwise(points[:-1]):
            self.axes.plot(*zip(start, end, strict=True), color=colour, linewidth=0.8, solid_capstyle="projecting")
        style = {
            "arrowstyle": "-|>",
            "mutation_scale": 5,
            "linewidth": 0.8,
            "color": colour,
            "shrinkA": 0,
            "shrinkB": 0,
        }
        self.axes.add_patch(FancyArrowPatch(*points[-2:], **style))

    def heading(self, left: float, top: float, text: str, part: str) -> None:
        """Write a bold line above a lane, in its colour."""
        self.axes.text(left, top + FOR_TITLE - 0.06, text, fontweight="bold", color=EDGES[part], va="bottom")

    def lane(self, left: float, right: float, top: float, steps: Iterable[Step], part: str) -> None:
        """Draw steps of equal width side by side, with arrows between them."""
        steps = list(steps)
        width = (right - left - GAP * (len(steps) - 1)) / len(steps)
        for place, step in enumerate(steps):
            start = left + place * (width + GAP)
            self.box(start, top, width, BOX, step, part)
            if place:
                self.arrow((start - GAP, top + BOX / 2), (start, top + BOX / 2))


def _draw_branches(page: Page, network: Network, branches: list[str]) -> tuple[float, float]:
    """Draw the branches side by side, and return where the fused features leave."""
    tops = [MARGIN + place * (_LANE + BETWEEN_LANES) + FOR_TITLE for place in range(len(branches))]
    middle = (tops[0] + tops[-1] + BOX) / 2
    left, right = MARGIN + ENDS + 2 * GAP, _RIGHT - ENDS - 2 * GAP
    page.box(MARGIN, middle - BOX / 2, ENDS, BOX, Step(("Pattern",), (network.seen,), 0, network.input), "fuse")
    page.box(_RIGHT - ENDS, middle - BOX / 2, ENDS, BOX, network.fusion, "fuse")
    below = middle + BOX / 2 + FOR_SHAPE + 0.03
    page.axes.text(MARGIN, below, f"{network.total:,}\nparameters in all", va="top")
    for name, top in zip(branches, tops, strict=True):
        lane = network.lanes[name]
        page.heading(left, top - FOR_TITLE, f"{lane.title}: {lane.parameters:,} parameters", name)
        page.lane(left, right, top, lane.steps, name)
        _split(page, (MARGIN + ENDS, middle), (left, top + BOX / 2))
        _split(page, (right, top + BOX / 2), (_RIGHT - ENDS, middle))
    return _RIGHT - ENDS / 2, middle + BOX / 2 + FOR_SHAPE


def _split(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    turn = (start[0] + end[0]) / 2
    page.arrow(start, (turn, start[1]), (turn, end[1]), end)


def _draw_decoders(page: Page, network: Network, top: float, fused: tuple[float, float]) -> None:
    left = MARGIN + 2 * GAP
    aisle, entry = top - BETWEEN_BANDS / 2 - BETWEEN_LANES / 2 + 0.06, MARGIN + GAP / 2
    for place, name in enumerate(("amplitude", "phase")):
        lane, lane_top = network.lanes[name], top + place * (_LANE + BETWEEN_LANES)
        page.heading(left, lane_top, f"{lane.title}: {lane.parameters:,} parameters", name)
        page.lane(left, _RIGHT, lane_top + FOR_TITLE, lane.steps, name)
        level = lane_top + FOR_TITLE + BOX / 2
        page.arrow(fused, (fused[0], aisle), (entry, aisle), (entry, level), (left, level))


def _draw_block(page: Page, network: Network, top: float) -> None:
    """Draw the inside of a transformer block: two sums, each with a shortcut where it has one."""
    part = "nonlocal_" if "nonlocal_" in network.lanes else "local"
    block = network.block
    page.heading(MARGIN, top, block.title, part)
    line = top + FOR_TITLE + 0.2 + (BLOCK - 0.2) / 2
    box_top = line - (BLOCK - 0.2) / 2
    norm, wide = 0.72, (_RIGHT - MARGIN - 2 * 0.72 - 2 * 0.5 - 6 * GAP) / 2
    x = branch = MARGIN
    for place, step in enumerate(block.steps):
        width = wide if place % 2 else norm
        if place % 2 == 0:
            # Tokens come in; the shortcut leaves from here, or behind the norm.
            page.arrow((x, line), (x + GAP + 0.1, line))
            branch, x = x + 0.09, x + GAP + 0.1
        page.box(x, box_top, width, BLOCK - 0.2, step, part)
        x += width
        if place % 2 == 0:
            page.arrow((x, line), (x + GAP, line))
            branch = x + 0.06 if network.shortcuts == "after" else branch
            x += GAP
        elif network.shortcuts != "none":
            x = _draw_sum(page, branch, x, line, box_top - 0.09)
    page.arrow((x, line), (min(x + 0.3, _RIGHT), line))


def _draw_sum(page: Page, branch: float, x: float, line: float, above: float) -> float:
    """Draw what a box at ``x`` hands on, and the shortcut that leaves ``line`` at ``branch``;
    return where the sum leaves.
    """
    page.arrow((x, line), (x + GAP, line))
    centre = x + GAP + 0.08
    page.axes.text(
        centre,
        line,
        "+",
        ha="center",
        va="center",
        bbox=dict(boxstyle="circle,pad=0.15", fc="white", lw=0.7),
    )
    page.arrow((branch, line), (branch, above), (centre, above), (centre, line - 0.085))
    return centre + 0.08
