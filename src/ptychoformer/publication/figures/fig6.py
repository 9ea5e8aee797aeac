"""Fig. 6: networks on an object of another kind than they were trained on, one pattern and the
whole scene.
"""

import os
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure

from ptychoformer.evaluation.metrics import common_scale
from ptychoformer.measurement.cxi import read_patterns, read_scan
from ptychoformer.publication.figures.parts.panels import (
    RunFiles,
    View,
    error_limit,
    point_view,
    ranges_of,
    representative_points,
    require_one_training,
    scene_view,
    truth_of,
)
from ptychoformer.publication.figures.parts.pictures import Pictures, Row, psnr_text
from ptychoformer.publication.figures.parts.style import DOUBLE_COLUMN, house_style, save
from ptychoformer.publication.names import REFERENCES, scene_name
from ptychoformer.training.split import whole_scan

WIDEST = 0.86  # of a picture, so that the figure and its caption fit on a page, inches


def draw(
    test_dataset: str | os.PathLike,
    run_files: RunFiles,
    labels: Mapping[str, str],
    *,
    training_dataset: str | os.PathLike,
    references: RunFiles,
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
        references: floor and ceiling to their patches and scene, of the same training.
        block: of the test patterns, see `training.split`; of a scan that no network was trained on,
            its only one.
        level: of the scenes, see `stitch.read_scene`.

    Raises:
        InputError: a file is damaged, or the runs do not belong to the same dataset and seed.
    """
    rows, pixel_size = load_rows(test_dataset, run_files, training_dataset, references, block=block, level=level)
    with house_style():
        save(compose(rows, [labels[model] for model in run_files], pixel_size), pdf, png)


def load_rows(
    test_dataset: str | os.PathLike,
    run_files: RunFiles,
    training_dataset: str | os.PathLike,
    references: RunFiles,
    *,
    block: str,
    level: str,
) -> tuple[list[Row], float]:
    """Read the rows of the figure, and the size of a pixel in metres.

    Raises:
        InputError: see `draw`.
    """
    scan = read_scan(test_dataset)
    split, scale = whole_scan(scan), common_scale(training_dataset)
    everyone = {**run_files, **references}
    require_one_training(
        {model: path for model, (_, path) in everyone.items()}, (path for path, _ in everyone.values()), block=block
    )
    truth, limits = truth_of(scan, scale), ranges_of(scale)
    place, _ = representative_points(split, block, scale)
    pattern = read_patterns(test_dataset, np.array([split.test[place]]))[0]

    def shown(files: RunFiles) -> tuple[View, View]:
        scenes = {model: path for model, (_, path) in files.items()}
        scene = scene_view(split, truth, scale, scenes, block=block, level=level)
        return point_view(split, place, truth, scale, files), scene

    words = f"Single pattern {split.test[place]}", scene_name(block, level).capitalize()
    rows = []
    for letters, view, known, what in zip(("ab", "cd"), shown(run_files), shown(references), words, strict=True):
        for letter, (channel, ends) in zip(letters, limits.items(), strict=True):
            title = f"{what}, {channel}{_known(known, channel, ends)}"
            rows.append(Row(view, channel, ends, letter, title))
            errors = Row(view, channel, ends, shown=(0.0, error_limit(channel, view)), error=True)
            rows.append(replace(errors, pattern=pattern) if letter == "a" else errors)
    return rows, scan.pixel_size


def _known(references: View, channel: str, limits: tuple[float, float]) -> str:
    """Put the PSNR of every reference in words."""
    found = [
        f"{REFERENCES[name].short.lower()} {psnr_text(references, name, channel, limits)}"
        for name in references.answers
    ]
    return f" ({', '.join(found)})" if found else ""


def compose(rows: list[Row], headings: list[str], pixel_size: float) -> Figure:
    """Draw the rows, one heading per network."""
    pictures = Pictures(rows, WIDEST)
    figure = Figure(figsize=(DOUBLE_COLUMN, pictures.height))
    pictures.draw(figure, headings, pixel_size)
    return figure
