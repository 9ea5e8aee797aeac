"""Fig. 6: networks on an object of another kind than they were trained on, one pattern and the whole scene."""

import os
from collections.abc import Mapping

from matplotlib.figure import Figure

from ptychoformer.measurement.cxi import read_scan
from ptychoformer.publication.panels import (
    RunFiles,
    common_normalisation,
    label_ranges,
    point_view,
    representative_points,
    scene_view,
    truth_of,
)
from ptychoformer.publication.pictures import Pictures, Row
from ptychoformer.publication.style import DOUBLE_COLUMN, house_style, save
from ptychoformer.training.split import whole_scan


def draw(
    test_dataset: str | os.PathLike,
    run_files: RunFiles,
    labels: Mapping[str, str],
    *,
    pdf: str | os.PathLike,
    png: str | os.PathLike,
) -> None:
    """Draw the figure; the single pattern is the one of highest contrast in amplitude and phase together.

    Args:
        test_dataset: CXI file of the object that no network was trained on.
        run_files: network to its patches of all patterns and its scene, in the order of the columns.
        labels: network to the heading of its column.

    Raises:
        InputError: a file is damaged, or the runs do not belong to the same dataset and seed.
    """
    rows, pixel_size = load_rows(test_dataset, run_files)
    with house_style():
        save(compose(rows, [labels[model] for model in run_files], pixel_size), pdf, png)


def load_rows(test_dataset: str | os.PathLike, run_files: RunFiles) -> tuple[list[Row], float]:
    """The rows of the figure, and the size of a pixel in metres.

    Raises:
        InputError: see `draw`.
    """
    scan = read_scan(test_dataset)
    split = whole_scan(scan)
    normalisation = common_normalisation(run_files)
    truth, limits = truth_of(scan, normalisation), label_ranges(normalisation)
    place, _ = representative_points(split, truth["amplitude"], normalisation.phase(scan.phase))
    point = point_view(split, place, truth, normalisation, run_files)
    scene = scene_view(split, truth, normalisation, {model: path for model, (_, path) in run_files.items()})
    rows = [
        Row(view, channel, limits[channel], letter, f"{what}, {channel}")
        for letters, view, what in (("ab", point, f"Single pattern {split.test[place]}"), ("cd", scene, "Full scene"))
        for letter, channel in zip(letters, limits, strict=True)
    ]
    return rows, scan.pixel_size


def compose(rows: list[Row], headings: list[str], pixel_size: float) -> Figure:
    """The figure, one heading per network."""
    pictures = Pictures(rows)
    figure = Figure(figsize=(DOUBLE_COLUMN, pictures.height))
    pictures.draw(figure, headings, pixel_size)
    return figure
