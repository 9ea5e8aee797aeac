"""Fig. 6: networks on an object of another kind than they were trained on, one pattern and the
whole scene.
"""

import os
from collections.abc import Mapping

from matplotlib.figure import Figure

from ptychoformer.evaluation.metrics import common_scale
from ptychoformer.measurement.cxi import read_scan
from ptychoformer.publication.figures.parts.panels import (
    RunFiles,
    point_view,
    ranges_of,
    representative_points,
    require_one_training,
    scene_view,
    truth_of,
)
from ptychoformer.publication.figures.parts.pictures import Pictures, Row
from ptychoformer.publication.figures.parts.style import DOUBLE_COLUMN, house_style, save
from ptychoformer.publication.names import scene_name
from ptychoformer.training.split import whole_scan


def draw(
    test_dataset: str | os.PathLike,
    run_files: RunFiles,
    labels: Mapping[str, str],
    *,
    training_dataset: str | os.PathLike,
    block: str,
    level: str,
    pdf: str | os.PathLike,
    png: str | os.PathLike,
) -> None:
    """Draw the figure; the single pattern is the one of highest contrast in amplitude and phase
    together.

    Args:
        test_dataset: CXI file of the object that no network was trained on.
        run_files: network to its patches of all patterns and its scene, in the order of the
            columns.
        labels: network to the heading of its column.
        training_dataset: CXI file that the networks were trained on, which sets the scale as in the
            metrics.
        block: of the test patterns, see `training.split`; of a scan that no network was trained on,
            its only one.
        level: of the scenes, see `stitch.read_scene`.

    Raises:
        InputError: a file is damaged, or the runs do not belong to the same dataset and seed.
    """
    rows, pixel_size = load_rows(test_dataset, run_files, training_dataset, block=block, level=level)
    with house_style():
        save(compose(rows, [labels[model] for model in run_files], pixel_size), pdf, png)


def load_rows(
    test_dataset: str | os.PathLike, run_files: RunFiles, training_dataset: str | os.PathLike, *, block: str, level: str
) -> tuple[list[Row], float]:
    """The rows of the figure, and the size of a pixel in metres.

    Raises:
        InputError: see `draw`.
    """
    scan = read_scan(test_dataset)
    split = whole_scan(scan)
    scenes = {model: path for model, (_, path) in run_files.items()}
    require_one_training(scenes, (path for path, _ in run_files.values()), block=block)
    scale = common_scale(training_dataset)
    truth, limits = truth_of(scan, scale), ranges_of(scale)
    place, _ = representative_points(split, block, truth["amplitude"], scale.phase(scan.phase))
    point = point_view(split, place, truth, scale, run_files)
    scene = scene_view(split, truth, scale, scenes, block=block, level=level)
    rows = [
        Row(view, channel, limits[channel], letter, f"{what}, {channel}")
        for letters, view, what in (
            ("ab", point, f"Single pattern {split.test[place]}"),
            ("cd", scene, scene_name(block, level).capitalize()),
        )
        for letter, channel in zip(letters, limits, strict=True)
    ]
    return rows, scan.pixel_size


def compose(rows: list[Row], headings: list[str], pixel_size: float) -> Figure:
    """The figure, one heading per network."""
    pictures = Pictures(rows)
    figure = Figure(figsize=(DOUBLE_COLUMN, pictures.height))
    pictures.draw(figure, headings, pixel_size)
    return figure
