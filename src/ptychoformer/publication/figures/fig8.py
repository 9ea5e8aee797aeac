"""Fig. 8: reconstructions at two sizes of the training set, and quality against the size and
against the scan's overlap.
"""

import math
import os
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

from ptychoformer.errors import InputError
from ptychoformer.evaluation import RELATIVE_PHASE, UNSEEN
from ptychoformer.evaluation.metrics import common_scale
from ptychoformer.measurement.cxi import read_scan
from ptychoformer.publication.figures.parts.panels import View, ranges_of, require_one_training, scene_view, truth_of
from ptychoformer.publication.figures.parts.pictures import Pictures, Row
from ptychoformer.publication.figures.parts.style import (
    DOUBLE_COLUMN,
    LEGEND_LINE,
    axes_at,
    house_style,
    legend_rows,
    letter,
    save,
)
from ptychoformer.publication.figures.parts.sweeps import (
    LEAST_SPAN,
    PANELS,
    REFERENCE_LOOK,
    draw_lines,
    label_axes,
    limit,
    line_style,
    reach_of,
    read_scenes,
    summarise,
)
from ptychoformer.publication.names import BLOCKS, REFERENCES, in_a_row, scene_name
from ptychoformer.publication.selection import select
from ptychoformer.training.split import split_of

Scenes = Mapping[tuple[int, str], str | os.PathLike]
WIDEST_PICTURE = 0.95  # so that the figure and its caption fit on a page
PLOT_HEIGHT, ABOVE_PLOT, BELOW_PLOT, BETWEEN_PLOTS = 0.95, 0.4, 0.36, 0.5
LEFT, RIGHT, FOR_LEGENDS, FOR_NOTE = 0.42, 0.1, 0.36, 0.2
REGION = UNSEEN  # the only one that means the same at every overlap
PLOTS = (*PANELS, (RELATIVE_PHASE, "psnr"))
FAR = 1.0  # above what networks reach, in parts of that: where a reference leaves the plot
LINE = 0.13  # of what is written above a plot, inches
WIDTH_OF_TICK = 0.3  # its label's and a gap's, in parts of the axis
DODGE = {"n_train": 0.02, "overlap": 1.0}  # of a decade, and percentage points


def draw(
    sizes_csv: str | os.PathLike | None,
    overlaps_csv: str | os.PathLike | None,
    pictures: tuple[list[Row], float] | None,
    *,
    models: Mapping[str, str],
    overlap_models: Mapping[str, str],
    overlaps: Mapping[str, float],
    block: str,
    level: str,
    pdf: str | os.PathLike,
    png: str | os.PathLike,
) -> None:
    """Draw the figure.

    Args:
        sizes_csv: metrics of one dataset, several ``n_train``; None leaves out (a) to (c), and
            ``pictures`` with them.
        overlaps_csv: metrics of datasets whose overlap differs; None leaves out (d).
        pictures: of two training sets, and the size of a pixel in metres, see `load_rows` and
            `rows_of`.
        models: network of (a) to (c) to its label, in the order of the columns.
        overlap_models: network of (d) to its label.
        overlaps: dataset to the overlap of neighbouring windows, 0 to 1.
        block: of the test patterns, see `training.split`.
        level: of the scenes and their scores, see `stitch.read_scene`.

    Raises:
        InputError: a file is damaged or lacks a network or an overlap.
    """
    place, sizes, by_overlap = dict(block=block, region=REGION, level=level), None, None
    if sizes_csv is not None:
        sizes = _summary(read_scenes(sizes_csv, **place), "n_train", sizes_csv, models)
    if overlaps_csv is not None:
        scores = _with_overlap(read_scenes(overlaps_csv, **place), overlaps, overlaps_csv)
        by_overlap = _summary(scores, "overlap", overlaps_csv, overlap_models)
    rows, pixel_size = pictures or ([], None)
    with house_style():
        save(compose(rows, pixel_size, sizes, by_overlap, models, overlap_models, BLOCKS[block]), pdf, png)


def load_rows(
    dataset: str | os.PathLike, scenes: Scenes, models: Mapping[str, str], *, block: str, level: str
) -> tuple[list[Row], float]:
    """Read the rows of pictures, the larger training set first, and the size of a pixel in metres.

    Args:
        dataset: CXI file.
        scenes: number of training patterns and network to its scenes, for two numbers, all of the
            dataset and one seed.
        models: networks, in the order of the columns.

    Raises:
        InputError: a file is damaged, scenes do not belong to the dataset, or there are not two
            sizes with every network.
    """
    counts = sorted({n_train for n_train, _ in scenes}, reverse=True)
    if len(counts) != 2:
        raise InputError(f"Fig. 8 shows scenes at two sizes of the training set, {len(counts)} were given.")
    scan = read_scan(dataset)
    split, scale = split_of(scan), common_scale(dataset)
    truth, views = truth_of(scan, scale), {}
    for n_train in counts:
        if missing := [model for model in models if (n_train, model) not in scenes]:
            raise InputError(f"Fig. 8 lacks the scene of {missing[0]} after training with {n_train} patterns.")
        files = {model: scenes[n_train, model] for model in models}
        require_one_training(files, block=block)
        views[n_train] = scene_view(split, truth, scale, files, block=block, level=level)
    return rows_of(views, ranges_of(scale), scene_name(block, level)), scan.pixel_size


def rows_of(views: Mapping[int, View], limits: Mapping[str, tuple[float, float]], scene: str) -> list[Row]:
    """Make the rows of pictures, the larger training set first.

    Args:
        views: number of training patterns to the scenes after training with it, for two numbers.
        limits: ends of the colour scales, by channel.
        scene: what is shown, in words.
    """
    rows = []
    for name, n_train in zip("ab", sorted(views, reverse=True), strict=True):
        # Both sizes have the same truth, which stands above.
        view, truth = views[n_train], name == "a"
        title = f"{n_train:,} training patterns, {scene}"
        rows.append(Row(view, "amplitude", limits["amplitude"], name, title, truth=truth))
        rows.append(Row(view, "phase", limits["phase"], truth=truth))
    return rows


def _with_overlap(scenes: pd.DataFrame, overlaps: Mapping[str, float], path: str | os.PathLike) -> pd.DataFrame:
    if missing := [name for name in overlaps if name not in set(scenes["dataset"])]:
        raise InputError(f"{path} holds no scores of the dataset '{missing[0]}'.")
    chosen = scenes[scenes["dataset"].isin(overlaps)]
    return chosen.assign(overlap=100 * chosen["dataset"].map(overlaps))


def _summary(scenes: pd.DataFrame, x: str, path: str | os.PathLike, models: Mapping[str, str]) -> pd.DataFrame:
    if missing := [model for model in models if model not in set(scenes["model"])]:
        raise InputError(f"{path} holds no scores of the network '{missing[0]}'.")
    # Of amplitude one pattern can tell as much as the ceiling's: two lines would be one.
    same = (scenes["model"] == "one_pattern") & (scenes["channel"] == "amplitude")
    by = dict.fromkeys(["model", x, "n_train"])
    return summarise(scenes[scenes["model"].isin([*models, *REFERENCES]) & ~same], [*by])


def compose(
    rows: list[Row],
    pixel_size: float | None,
    sizes: pd.DataFrame | None,
    by_overlap: pd.DataFrame | None,
    models: Mapping[str, str],
    overlap_models: Mapping[str, str],
    block: str,
) -> Figure:
    """Draw the pictures above and two rows of plots with their legend below, as far as there are
    any; ``block`` is the block's name in words.
    """
    everyone = {**models, **overlap_models}
    pictures = Pictures(rows, WIDEST_PICTURE) if rows else None
    above = pictures.height if pictures else 0.0
    plots, absent = [], ["a to c are"] * (sizes is None) + ["d is"] * (by_overlap is None)
    if sizes is not None:
        plots.append((sizes, "n_train", "c", "against the size of the training set"))
    if by_overlap is not None:
        plots.append((by_overlap, "overlap", "d", f"against the overlap of the scan, {_trained_on(by_overlap)}"))
    written = [max(len(_far(cell, x, everyone)) for cell in _cells(summary)) for summary, x, _, _ in plots]
    heights = [ABOVE_PLOT + LINE * lines + PLOT_HEIGHT + BELOW_PLOT for lines in written]
    lines = legend_rows(list(everyone.values()))
    for_legends = FOR_LEGENDS + (lines - 1) * LEGEND_LINE
    below = for_legends + FOR_NOTE * len(absent)
    figure = Figure(figsize=(DOUBLE_COLUMN, above + sum(heights) + below))
    for what in absent:
        at = (0.5, for_legends / figure.get_figheight())
        figure.text(*at, f"{what} left out for lack of runs", ha="center", va="bottom", style="italic")
    if pictures:
        pictures.draw(figure, list(models.values()), pixel_size)
    for place, (summary, x, name, title) in enumerate(plots):
        room = LINE * written[place]
        top = above + sum(heights[:place]) + ABOVE_PLOT + room
        letter(figure, (0.06, top, 0, 0), name, f"Unseen part of the {block}, {title}", above=0.24 + room)
        for column, ((channel, metric), cell) in enumerate(zip(PLOTS, _cells(summary), strict=True)):
            axes = axes_at(figure, _plot_box(column, top))
            _draw_plot(axes, cell, x, list(everyone))
            label_axes(axes, channel, metric, room)
    references = _handles_of_references(*(plot[0] for plot in plots))
    for bottom, handles, rows_of_legend in ((0.16, _handles_of_networks(everyone), lines), (0.0, references, 1)):
        at, columns = (0.5, bottom / figure.get_figheight()), math.ceil(max(1, len(handles)) / rows_of_legend)
        figure.legend(handles=handles, loc="lower center", bbox_to_anchor=at, ncols=columns, borderaxespad=0.2)
    return figure


def _cells(summary: pd.DataFrame) -> list[pd.DataFrame]:
    return [select(summary, channel=channel, metric=metric) for channel, metric in PLOTS]


def _trained_on(by_overlap: pd.DataFrame) -> str:
    """Say how many patterns there are to train on, from the least overlap to the largest."""
    counts = [f"{count:,}" for count in by_overlap.groupby("overlap")["n_train"].first()]
    return f"with {in_a_row(counts if len(set(counts)) > 1 else counts[:1])} training patterns"


def _plot_box(column: int, top: float) -> tuple[float, float, float, float]:
    width = (DOUBLE_COLUMN - LEFT - RIGHT - (len(PLOTS) - 1) * BETWEEN_PLOTS) / len(PLOTS)
    return LEFT + column * (width + BETWEEN_PLOTS), top, width, PLOT_HEIGHT


def _draw_plot(axes: Axes, summary: pd.DataFrame, x: str, models: Sequence[str]) -> None:
    """Draw one quantity of those of the networks ``models`` that were measured; their places among
    ``models`` set colours and markers in both rows of plots.
    """
    log = x == "n_train"
    axes.set_xlabel("training patterns" if log else "overlap (%)", labelpad=1)
    measured = [model for model in models if model in set(summary["model"])]
    shown = sorted(summary.loc[summary["model"].isin(measured), x].unique())
    if not shown:  # in small scans no window of the SSIM lies in the region
        axes.text(0.5, 0.5, "region too small", transform=axes.transAxes, ha="center", va="center")
        axes.set(xticks=[], yticks=[])
        return
    for place, model in enumerate(measured):
        offset = (place - (len(measured) - 1) / 2) * DODGE[x]
        draw_lines(axes, select(summary, model=model), x, line_style(models.index(model), model), offset, log=log)
    _draw_references(axes, summary, x, summary[summary["model"].isin([*measured, "floor"])])
    if far := _far(summary, x, measured):
        above = dict(textcoords="offset points", ha="right", va="bottom", annotation_clip=False)
        axes.annotate("\n".join(far), (1, 1), (0, 2), xycoords="axes fraction", linespacing=1.0, **above)
    if log:
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_locator(FixedLocator(_apart(shown, log)))
    axes.xaxis.set_major_formatter("{x:g}")


def _draw_references(axes: Axes, summary: pd.DataFrame, x: str, networks: pd.DataFrame) -> None:
    """Draw lines, and have the axis show them beside ``networks``; those that leave the plot, whose
    scale is the networks', are written above it.
    """
    metric = summary["metric"].iloc[0]
    low, high = reach_of(networks, metric)
    shown = [low, high]
    for name, rows in _references(summary, x).items():
        style = REFERENCE_LOOK | {"linestyle": REFERENCES[name].dashes}
        is_far = _is_far(rows, networks)
        # A single point is a bar there, or where networks have no other place either, a line.
        if len(rows) > 1:
            axes.plot(rows[x], rows["mean"], **style)
        elif networks[x].nunique() == 1:
            axes.axhline(rows["mean"].iloc[0], **style)
        elif not is_far:
            _draw_bar(axes, *rows[[x, "mean"]].iloc[0], REFERENCES[name].short)
        if is_far:
            shown.append(rows["mean"].min() if rows["mean"].min() < high else low)
        else:
            shown += [rows["mean"].min(), rows["mean"].max()]
    limit(axes, min(shown), max(shown), metric)


def _draw_bar(axes: Axes, where: float, value: float, name: str) -> None:
    """Draw a short bar, too short for dashes, with its name below."""
    axes.plot([where], [value], **REFERENCE_LOOK, marker="_", markersize=8, linestyle="none")
    axes.annotate(name, (where, value), (4, -2.5), textcoords="offset points", ha="right", va="top")


def _references(summary: pd.DataFrame, x: str) -> dict[str, pd.DataFrame]:
    """Choose the references that have a finite mean somewhere; their rows go from left to right."""
    found = {name: select(summary, model=name).sort_values(x) for name in REFERENCES}
    found = {name: rows[np.isfinite(rows["mean"])] for name, rows in found.items()}
    return {name: rows for name, rows in found.items() if len(rows)}


def _is_far(rows: pd.DataFrame, networks: pd.DataFrame) -> bool:
    """Say whether decibels of a reference are far above what networks reach."""
    metric = networks["metric"].iloc[0]
    low, high = reach_of(networks, metric)
    return metric == "psnr" and rows["mean"].max() > high + FAR * max(high - low, LEAST_SPAN[metric])


def _far(summary: pd.DataFrame, x: str, models: Iterable[str]) -> list[str]:
    """Put in words the references that leave a plot: name, highest value, and, in brackets, the
    only place at which there is one if networks have others too.
    """
    networks = summary[summary["model"].isin([*models, "floor"])]
    return [
        f"{REFERENCES[name].short} {rows['mean'].max():.0f}{_where(rows, networks, x)} ↑"
        for name, rows in _references(summary, x).items()
        if len(networks) and _is_far(rows, networks)
    ]


def _where(rows: pd.DataFrame, networks: pd.DataFrame, x: str) -> str:
    if len(rows) > 1 or networks[x].nunique() == 1:
        return ""
    return f" ({rows[x].iloc[0]:g}{' %' if x == 'overlap' else ''})"


def _apart(ticks: list[float], log: bool) -> list[float]:
    """Choose ticks whose labels do not meet: both ends, and from the largest down what has room
    between them.
    """
    place = np.log10(ticks) if log else np.asarray(ticks, float)
    kept, gap = [len(ticks) - 1], WIDTH_OF_TICK * (place[-1] - place[0])
    for index in range(len(ticks) - 2, -1, -1):
        if place[kept[-1]] - place[index] >= gap and (index == 0 or place[index] - place[0] >= gap):
            kept.append(index)
    return [ticks[index] for index in reversed(kept)]


def _handles_of_networks(models: Mapping[str, str]) -> list[Line2D]:
    return [
        Line2D([], [], label=label, markersize=3, **line_style(place, model))
        for place, (model, label) in enumerate(models.items())
    ]


def _handles_of_references(*summaries: pd.DataFrame) -> list[Line2D]:
    measured = set().union(*(summary["model"] for summary in summaries))
    infinite = any(np.isinf(select(summary, model="ceiling", metric="psnr")["mean"]).any() for summary in summaries)
    handles = []
    for name, reference in REFERENCES.items():
        if name in measured:
            label = reference.label + (" (PSNR ∞)" if name == "ceiling" and infinite else "")
            handles.append(Line2D([], [], label=label, linestyle=reference.dashes, **REFERENCE_LOOK))
    return handles
