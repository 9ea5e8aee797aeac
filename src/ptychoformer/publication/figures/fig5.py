"""Fig. 5: networks on a measured scan, labelled by an iterative reconstruction: one pattern,
the scene, a detail, and the scores.
"""

import os
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ptychoformer.evaluation import CHANNELS, WHOLE
from ptychoformer.evaluation.metrics import common_scale
from ptychoformer.evaluation.quantities import QUANTITIES
from ptychoformer.measurement.cxi import read_scan
from ptychoformer.measurement.windows import window_sums
from ptychoformer.publication.figures.parts.panels import (
    RunFiles,
    View,
    point_view,
    ranges_of,
    representative_points,
    require_one_training,
    scene_view,
    truth_of,
)
from ptychoformer.publication.figures.parts.pictures import Pictures, Row
from ptychoformer.publication.figures.parts.style import DOUBLE_COLUMN, axes_at, colour, house_style, letter, save
from ptychoformer.publication.figures.parts.sweeps import (
    BOUNDS,
    UNBOUNDED,
    mark_cut,
    read_scenes,
    summarise,
)
from ptychoformer.publication.names import scene_name
from ptychoformer.publication.selection import select
from ptychoformer.training.split import split_of

METRICS = ("psnr", "ssim", "mse")
LABELS = "Labels"
SHOWN = (0.005, 0.995)  # quantiles of the scene's labels that are the ends of the colour scales
WIDEST = 1.1  # of a picture, so that all fit on a page, inches
BARS = 1.35  # height of a panel of bars, inches
ABOVE_BARS, BELOW_BARS = 0.42, 0.48


def draw(
    dataset: str | os.PathLike,
    run_files: RunFiles,
    metrics_csv: str | os.PathLike,
    labels: Mapping[str, str],
    *,
    block: str,
    level: str,
    pdf: str | os.PathLike,
    png: str | os.PathLike,
) -> None:
    """Draw the figure; the single pattern and the detail are those of highest contrast in amplitude
    and phase together.

    Args:
        dataset: CXI file.
        run_files: network to its patches and its scene, in the order of the columns; one seed.
        metrics_csv: scores of all seeds.
        labels: network to its name.
        block: of the test patterns, see `training.split`.
        level: of the scenes and their scores, see `stitch.read_scene`.

    Raises:
        InputError: a file is damaged, or the runs do not belong to the dataset and to each other.
    """
    rows, pixel_size = load_rows(dataset, run_files, block=block, level=level)
    scores = summarise(read_scenes(metrics_csv, block=block, region=WHOLE, level=level), ["model"], METRICS)
    with house_style():
        save(compose(rows, scores, {model: labels[model] for model in run_files}, pixel_size), pdf, png)


def load_rows(
    dataset: str | os.PathLike, run_files: RunFiles, *, block: str, level: str
) -> tuple[list[Row], float | None]:
    """Read the rows of pictures, and the size of a pixel in metres if it is known.

    Raises:
        InputError: see `draw`.
    """
    scan = read_scan(dataset)
    split, scale = split_of(scan), common_scale(dataset)
    scenes = {model: path for model, (_, path) in run_files.items()}
    require_one_training(scenes, (path for path, _ in run_files.values()), block=block)
    truth, limits = truth_of(scan, scale), ranges_of(scale)
    place, _ = representative_points(split, block, scale)
    point = point_view(split, place, truth, scale, run_files)
    scene = scene_view(split, truth, scale, scenes, block=block, level=level)
    shown = (
        ("ab", point, f"Pattern {split.test[place]}"),
        ("cd", scene, scene_name(block, level).capitalize()),
        ("ef", detail_of(scene), "Detail of the scene"),
    )
    # The metrics' scale ends at the labels' extremes, which lie at the scan's border and would
    # leave no contrast.
    colours = {channel: tuple(np.quantile(image, SHOWN)) for channel, image in scene.truth.items()}
    rows = [
        Row(view, channel, limits[channel], name, f"{what}, {channel}", colours[channel])
        for letters, view, what in shown
        for name, channel in zip(letters, CHANNELS, strict=True)
    ]
    return rows, scan.pixel_size


def detail_of(scene: View) -> View:
    """Find the square of half the scene's shorter side in which the truth has the highest contrast;
    it holds stitched pixels alone.
    """
    shape = scene.truth["amplitude"].shape
    side = min(shape) // 2
    stitched = ~np.isnan(next(iter(scene.answers.values()))["amplitude"])
    contrast = sum(_contrast(image / (np.ptp(image) or 1), side) for image in scene.truth.values())
    whole = window_sums(stitched, (side, side)) == side**2
    top, left = np.unravel_index(np.where(whole, contrast, -1).argmax(), contrast.shape)
    part = np.s_[top : top + side, left : left + side]
    answers = {
        model: {channel: image[part] for channel, image in images.items()} for model, images in scene.answers.items()
    }
    corner = (scene.corner[0] + int(top), scene.corner[1] + int(left))
    return View(corner, {channel: image[part] for channel, image in scene.truth.items()}, answers)


def _contrast(image: np.ndarray, side: int) -> np.ndarray:
    """Take the standard deviation in every square of ``side`` pixels of an image (H, W): (H - side
    + 1, W - side + 1).
    """
    image = image.astype(np.float64)
    mean = window_sums(image, (side, side)) / side**2
    return np.sqrt(np.maximum(window_sums(image**2, (side, side)) / side**2 - mean**2, 0))


def compose(rows: list[Row], scores: pd.DataFrame, labels: Mapping[str, str], pixel_size: float | None) -> Figure:
    """Draw the rows and the scores; ``labels`` are those of the networks' columns."""
    pictures = Pictures(rows, widest=WIDEST)
    figure = Figure(figsize=(DOUBLE_COLUMN, pictures.height + ABOVE_BARS + BARS + BELOW_BARS))
    pictures.draw(figure, list(labels.values()), pixel_size, truth=LABELS)
    width = (DOUBLE_COLUMN - 0.1) / len(METRICS)
    for place, (metric, name) in enumerate(zip(METRICS, "ghi", strict=True)):
        box = (0.1 + place * width + 0.38, pictures.height + ABOVE_BARS, width - 0.5, BARS)
        letter(figure, (box[0] - 0.38, *box[1:]), name, f"{QUANTITIES[metric].name} of the scene", above=0.14)
        draw_bars(axes_at(figure, box), select(scores, metric=metric), metric, list(labels))
    handles = [Patch(color=colour(model), label=label) for model, label in labels.items()]
    handles.append(
        Line2D([], [], color="black", linewidth=0.8, linestyle=(0, (1, 1)), label="floor: mean of the labels")
    )
    figure.legend(handles=handles, loc="lower center", ncols=len(handles), handlelength=1.2, columnspacing=1.5)
    return figure


def draw_bars(axes: Axes, scores: pd.DataFrame, metric: str, models: list[str]) -> None:
    """Draw one metric of all networks in both channels, with 95 % intervals and the floor."""
    width = 0.8 / len(models)
    for group, channel in enumerate(CHANNELS):
        for place, model in enumerate(models):
            row = select(scores, model=model, channel=channel).iloc[0]
            x = group + (place - (len(models) - 1) / 2) * width
            axes.bar(x, row["mean"], 0.9 * width, color=colour(model))
            axes.errorbar(x, row["mean"], row["half"], color="black", elinewidth=0.7, capsize=1.5, capthick=0.6)
        floor = select(scores, model="floor", channel=channel)["mean"]
        axes.hlines(floor, group - 0.45, group + 0.45, color="black", linewidth=0.8, linestyle=(0, (1, 1)), zorder=3)
    # Bars start at zero, and no axis goes on where scores do not, whatever a wide interval does.
    bottom = min(0, scores.loc[scores["model"].isin(models), "mean"].min())
    axes.set_ylim(bottom, min(axes.get_ylim()[1], BOUNDS.get(metric, UNBOUNDED)[1]))
    mark_cut(axes)
    axes.set_xticks(range(len(CHANNELS)), CHANNELS)
    axes.tick_params(axis="x", length=0)
    axes.set_ylabel(QUANTITIES[metric].with_unit, labelpad=2)
