"""Fig. 10: quality of the scenes against the weight alpha of the mean squared error in the
weighted loss.
"""

import os
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ptychoformer.errors import InputError
from ptychoformer.evaluation import WHOLE
from ptychoformer.evaluation.columns import read_table
from ptychoformer.evaluation.quantities import QUANTITIES
from ptychoformer.publication.figures.parts.style import SINGLE_COLUMN, axes_at, colour, house_style, save
from ptychoformer.publication.figures.parts.sweeps import (
    PANELS,
    REFERENCE_LOOK,
    draw_lines,
    label_axes,
    limit,
    reach_of,
    read_scenes,
    summarise,
)
from ptychoformer.publication.names import REFERENCES, scene_name
from ptychoformer.publication.selection import select

HEIGHT, TOP = 3.2, 0.41  # inches; of the page and of the upper panels
PUBLISHED_COLUMNS = ("condition", "method", "channel", "metric", "mean")
# Pure losses, set apart from the weighted ones by a part of the axis.
ENDS = {0.0: "NSSIM", 1.0: "MSE"}
APART = 0.18
PUBLISHED_LOOK = {
    "marker": "o",
    "linestyle": "none",
    "markersize": 4.5,
    "color": "black",
    "fillstyle": "none",
    "markeredgewidth": 0.7,
}
FLOOR_LOOK = REFERENCE_LOOK | {"linestyle": REFERENCES["floor"].dashes}
TICKS = (0.2, 0.5, 0.9)


def draw(
    metrics_csv: str | os.PathLike,
    published_csv: str | os.PathLike,
    *,
    alphas: Mapping[str, float],
    model: str,
    block: str,
    level: str,
    pdf: str | os.PathLike,
    png: str | os.PathLike,
) -> None:
    """Draw PSNR and SSIM of amplitude and phase; the published values are those of the losses in
    ``alphas`` that the paper has.

    Args:
        metrics_csv: metrics of one dataset, several losses.
        published_csv: the paper's own values by network (``condition``) and loss (``method``).
        alphas: loss to alpha. Losses of 0 < alpha < 1 must have been measured; the pure ones, alpha
            0 and 1, are drawn if they were.
        model: the network.
        block: of the test patterns, see `training.split`.
        level: of the scores, see `sweeps.read_scenes`.

    Raises:
        InputError: a file is damaged, or a weighted loss was not measured.
    """
    ours, theirs, floor = load(metrics_csv, published_csv, alphas, model, block=block, level=level)
    with house_style():
        save(compose(ours, theirs, floor, model, scene_name(block, level)), pdf, png)


def load(
    metrics_csv: str | os.PathLike,
    published_csv: str | os.PathLike,
    alphas: Mapping[str, float],
    model: str,
    *,
    block: str,
    level: str,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Read ours and the published values against ``alpha``, in printed units, and the floor's: see
    `sweeps.summarise`. The published ones lack an interval; without a floor in the metrics its
    table is empty.

    Raises:
        InputError: see `draw`.
    """
    scenes = read_scenes(metrics_csv, block=block, region=WHOLE, level=level)
    floor = summarise(scenes[scenes["model"] == "floor"], [])
    scenes = scenes[(scenes["model"] == model) & scenes["loss"].isin(alphas)]
    missing = [loss for loss, alpha in alphas.items() if alpha not in ENDS and loss not in set(scenes["loss"])]
    if missing or scenes.empty:
        raise InputError(f"{metrics_csv} holds no scores of '{model}' with the loss '{(missing or list(alphas))[0]}'.")
    ours = summarise(scenes.assign(alpha=scenes["loss"].map(alphas)), ["alpha"])
    published = read_table(published_csv, PUBLISHED_COLUMNS)
    published = published[
        (published["condition"] == model) & published["method"].isin(alphas) & published["metric"].isin(QUANTITIES)
    ]
    scale = published["metric"].map(lambda metric: QUANTITIES[metric].scale)
    theirs = published.assign(alpha=published["method"].map(alphas), mean=published["mean"] * scale, half=np.nan)
    return ours, theirs[["alpha", "channel", "metric", "mean", "half"]], floor


def compose(ours: pd.DataFrame, theirs: pd.DataFrame, floor: pd.DataFrame, model: str, scene: str) -> Figure:
    """Draw two columns of panels, amplitude and phase, PSNR above SSIM; ``scene`` says of what."""
    figure = Figure(figsize=(SINGLE_COLUMN, HEIGHT))
    figure.text(0.5, 1 - 0.14 / HEIGHT, scene.capitalize(), ha="center", va="baseline")
    for letter, (channel, metric) in zip("acbd", PANELS, strict=True):
        column, row = int(channel == "phase"), int(metric == "ssim")
        axes = axes_at(figure, (0.5 + column * 1.76, TOP + row * 1.22, 1.2, 1.0))
        parts = (select(table, channel=channel, metric=metric) for table in (ours, theirs, floor))
        _draw_panel(axes, *parts, model=model, metric=metric)
        label_axes(axes, channel, metric)
        if row == 0:
            axes.tick_params(labelbottom=False)
        else:
            axes.set(title="", xlabel="weight α of the MSE")
        axes.annotate(
            letter,
            (0, 1),
            (-32, 3),
            xycoords="axes fraction",
            textcoords="offset points",
            fontsize=9,
            fontweight="bold",
        )
    handles = _handles(ours, theirs, floor, model)
    figure.legend(
        handles=handles, loc="lower center", ncols=len(handles), borderaxespad=0.2, columnspacing=1, handlelength=1.6
    )
    return figure


def _handles(ours: pd.DataFrame, theirs: pd.DataFrame, floor: pd.DataFrame, model: str) -> list[Line2D]:
    """List what the legend explains: the marks that are drawn."""
    look = {"color": colour(model), "markersize": 3}
    handles = [Line2D([], [], marker="o", linewidth=0.9, label="weighted", **look)]
    if ours["alpha"].isin(ENDS).any():
        handles.append(Line2D([], [], marker="s", linestyle="none", label="one loss alone", **look))
    if len(theirs):
        published = PUBLISHED_LOOK | {"markersize": 3.5, "label": "published"}
        handles.append(Line2D([], [], **published))
    if len(floor):
        handles.append(Line2D([], [], label=REFERENCES["floor"].label, **FLOOR_LOOK))
    return handles


def _draw_panel(
    axes: Axes, ours: pd.DataFrame, theirs: pd.DataFrame, floor: pd.DataFrame, *, model: str, metric: str
) -> None:
    pure = ours["alpha"].isin(ENDS)
    draw_lines(axes, ours[~pure], "alpha", {"color": colour(model), "marker": "o"})
    draw_lines(axes, _set_apart(ours[pure]), "alpha", {"color": colour(model), "marker": "s"}, line=False)
    apart = _set_apart(theirs)
    axes.plot(apart["alpha"], apart["mean"], **PUBLISHED_LOOK)
    for level in floor["mean"][np.isfinite(floor["mean"])]:
        axes.axhline(level, **FLOOR_LOOK)
    limit(axes, *reach_of(pd.concat([ours, theirs, floor.assign(half=np.nan)]), metric), metric)
    ends = [end for end in ENDS if end in {*ours["alpha"], *theirs["alpha"]}]
    places = _set_apart(pd.DataFrame({"alpha": ends}))["alpha"]
    for place, end in zip(places, ends, strict=True):
        axes.axvline(place + (0.1 if end == 0 else -0.1), color="lightgrey", linewidth=0.5)
    axes.set_xticks([*places, *TICKS], [*(ENDS[end] for end in ends), *(f"{tick:g}" for tick in TICKS)])
    axes.set_xlim(-APART - 0.1, 1 + APART + 0.1)


def _set_apart(rows: pd.DataFrame) -> pd.DataFrame:
    """Move the rows of pure losses further out than their alpha."""
    return rows.assign(
        alpha=rows["alpha"] + APART * ((rows["alpha"] == 1).astype(int) - (rows["alpha"] == 0).astype(int))
    )
