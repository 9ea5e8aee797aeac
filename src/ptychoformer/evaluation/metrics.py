"""How close a prediction is to the truth: MSE, PSNR and SSIM of scenes and of patterns, as tidy
rows.

All are taken with peak 1. Their 0 to 1 scale is that of the labels of *all* patterns that may be
trained on, whatever part of them a network was trained on, so that training sets of every size are
measured with one ruler. Each named block of the test patterns (`training.split`) is scored at every
level: its stitched ``scene``, the ``synchronised`` scene (`evaluation.synchronise`), the mean over
its single patterns (``pattern``), each over the ``whole`` block and over the part of it that no
training pattern illuminates (``unseen``). Phase is scored as it is, and as ``relative_phase``, with
its mean error taken off: the constant phase of a window leaves no trace in its pattern.

``released`` is how the authors' release scores: PSNR of the error pooled over all patches, and SSIM
of an "image" that has a patch in each row, flattened. Its windows mix neighbouring patches and the
ends of unrelated pixel rows, so it is no SSIM of images; it stands here since the printed numbers
may have been made so.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from ptychoformer.errors import InputError
from ptychoformer.evaluation import CHANNELS, PATTERN, RELATIVE_PHASE, RELEASED, SCENE, SYNCHRONISED, UNSEEN, WHOLE
from ptychoformer.evaluation.columns import IDENTITY, SCORE_TYPES, SCORES, check_given_once
from ptychoformer.evaluation.patches import Patches, chunks, open_patches
from ptychoformer.evaluation.scores import (
    LEAST_ERROR_PSNR,
    Images,
    Region,
    psnr,
    scores_by_region,
    ssim_map,
    unless_rounding,
    without_constant,
)
from ptychoformer.evaluation.stitch import Scene, read_scene
from ptychoformer.measurement.cxi import read_scan
from ptychoformer.measurement.windows import windows
from ptychoformer.similarity import RADIUS
from ptychoformer.tables import read_csv, write_csv, write_rows
from ptychoformer.training.normalisation import Normalisation, training_normalisation
from ptychoformer.training.split import Rectangle, Split, split_of, tested_split

if TYPE_CHECKING:  # a run is scored in less time than pandas takes to import
    import pandas as pd


def common_scale(dataset: str | os.PathLike) -> Normalisation:
    """Find the scale on which every network trained on a dataset is measured.

    Raises:
        InputError: the dataset cannot be read.
    """
    scan = read_scan(dataset)
    return training_normalisation(scan, split_of(scan).train)


def rescaled(values: np.ndarray, channel: str, scale: Normalisation, common: Normalisation) -> np.ndarray:
    """Bring values of ``amplitude`` or ``phase`` from one 0 to 1 scale to another, same shape; they
    are unchanged if the scales are the same.
    """
    if scale == common:
        return values
    return common.normalised(channel, scale.restored(channel, np.asarray(values, np.float64)))


def measure(
    dataset: str | os.PathLike,
    test: str | os.PathLike,
    patches_file: str | os.PathLike,
    scene_file: str | os.PathLike,
    identity: Mapping[str, str | int],
    output: str | os.PathLike,
) -> None:
    """Write the metrics of one run: a row for every block, region, level, channel and metric; a
    region without pixels has empty values.

    Args:
        dataset: CXI file that the network was trained on; it sets the scale.
        test: CXI file that it is tested on, usually the same; its object is the truth.
        patches_file: prediction of the test patterns; each patch is compared with the object where
            it was cut.
        scene_file: the same prediction, every block of it stitched.
        identity: ``dataset``, ``model``, ``loss``, ``n_train`` and ``seed`` of the run, and
            ``test``, the name of the tested dataset.

    Raises:
        InputError: a file cannot be read, or they do not belong together.
    """
    scan, common = read_scan(test), common_scale(dataset)
    split = tested_split(scan, transferred=identity["test"] != identity["dataset"])
    truth = {channel: common.normalised(channel, getattr(scan, channel)) for channel in CHANNELS}
    with open_patches(patches_file) as patches:
        _check_that_they_belong_together(split, patches, test)
        by_pattern = _pattern_scores(patches, truth, common)
        rows = [
            (block, *row)
            for block, places in split.blocks.items()
            for row in (
                *_scene_rows(scene_file, patches, split, block, truth, common),
                *_pattern_rows(by_pattern, places, split),
                *_released_rows(patches.block(block), truth, common),
            )
        ]
    write_rows(SCORES, ([*(identity[name] for name in IDENTITY), *row] for row in rows), output)


def _check_that_they_belong_together(split: Split, patches: Patches, dataset: str | os.PathLike) -> None:
    belong = (
        patches.window == split.scan.window
        and np.array_equal(patches.index, split.test)
        and patches.blocks.keys() == split.blocks.keys()
        and all(np.array_equal(patches.blocks[name], places) for name, places in split.blocks.items())
    )
    if not belong:
        raise InputError(f"{patches.amplitude.file.filename} is not a prediction of the test patterns of {dataset}.")


def _regions(split: Split, unseen: np.ndarray) -> dict[str, np.ndarray]:
    """Name the regions of a block: the whole, and what is ``unseen`` of it. Of a scan without
    training all is, which goes without saying.
    """
    whole = {WHOLE: np.full_like(unseen, True)}
    return whole | {UNSEEN: unseen} if len(split.train) else whole


def _scene_rows(
    path: str | os.PathLike,
    patches: Patches,
    split: Split,
    block: str,
    truth: Mapping[str, np.ndarray],
    common: Normalisation,
) -> Iterator[tuple]:
    place = split.rectangle(block)
    here = {channel: Images.of(truth[channel][place]) for channel in CHANNELS}
    scenes = {level: _own_scene(path, block, level, place, patches) for level in (SCENE, SYNCHRONISED)}
    stitched = np.isfinite(scenes[SCENE].amplitude)
    regions = {name: Region(pixels & stitched) for name, pixels in _regions(split, split.unseen_pixels[place]).items()}
    # Synchronising moves phases alone: the amplitude of both levels is one image, and is scored
    # once.
    of_amplitude = list(_image_rows(scenes[SCENE], "amplitude", here, regions, common))
    for level, scene in scenes.items():
        of_phase = _image_rows(scene, "phase", here, regions, common)
        yield from ((region, level, *row) for region, *row in (*of_amplitude, *of_phase))


def _own_scene(path: str | os.PathLike, block: str, level: str, place: Rectangle, patches: Patches) -> Scene:
    scene = read_scene(path, block, level)
    if scene.rectangle != place or scene.normalisation != patches.normalisation:
        file = patches.amplitude.file.filename
        raise InputError(f"{path} is not stitched from {file}: its place on the object or its normalisation differs.")
    return scene


def _image_rows(
    scene: Scene, channel: str, truth: Mapping[str, Images], regions: Mapping[str, Region], common: Normalisation
) -> Iterator[tuple]:
    """Yield region, channel, metric and value of one channel of a scene, 0 where nothing was
    stitched, and of the relative phase.
    """
    image, here = rescaled(getattr(scene, channel), channel, scene.normalisation, common), truth[channel]
    image = np.where(np.isfinite(scene.amplitude), image, 0)
    by_region = scores_by_region(Images.of(image), here, regions.values())
    for (name, region), found in zip(regions.items(), by_region, strict=True):
        yield from ((name, channel, metric, float(value)) for metric, value in found.items())
        if channel == "phase":
            relative = Images.of(without_constant(image, here.values, region.pixels))
            (found,) = scores_by_region(relative, here, [region])
            yield from ((name, RELATIVE_PHASE, metric, float(value)) for metric, value in found.items())


def _pattern_rows(
    by_pattern: Mapping[tuple[str, str], np.ndarray], places: np.ndarray, split: Split
) -> Iterator[tuple]:
    for region, members in _regions(split, split.unseen_test[places]).items():
        for (channel, metric), values in by_pattern.items():
            mean = _mean_of_patterns(values[places][members]) if members.any() else np.nan
            yield region, PATTERN, channel, metric, mean


def _mean_of_patterns(values: np.ndarray) -> float:
    """Average one metric (m,) over patterns; infinite if it is so for all of them.

    Among others, an exact pattern counts as one with the least error that single precision tells;
    its infinite PSNR would hide all of theirs.
    """
    exact = np.isposinf(values)
    return np.inf if exact.all() else float(np.where(exact, LEAST_ERROR_PSNR, values).mean())


def _pattern_scores(
    patches: Patches, truth: Mapping[str, np.ndarray], common: Normalisation
) -> dict[tuple[str, str], np.ndarray]:
    """Score every pattern in each metric of each channel, (m,)."""
    parts: dict[tuple[str, str], list[np.ndarray]] = {}
    whole_patch = Region(np.full(patches.window, True))
    for part, *estimates in patches.chunks():
        for channel, estimate in zip(CHANNELS, estimates, strict=True):
            here = Images.of(windows(truth[channel], patches.true_positions[part], patches.window))
            estimate = rescaled(estimate, channel, patches.normalisation, common)
            images = {channel: estimate}
            if channel == "phase":
                images[RELATIVE_PHASE] = without_constant(estimate, here.values, whole_patch.pixels)
            for name, image in images.items():
                for metric, values in scores_by_region(Images.of(image), here, [whole_patch])[0].items():
                    parts.setdefault((name, metric), []).append(values)
    return {key: np.concatenate(values) for key, values in parts.items()}


def _released_rows(patches: Patches, truth: Mapping[str, np.ndarray], common: Normalisation) -> Iterator[tuple]:
    """Yield the release's own score, of patches as the rows (m, h * w) of one image; chunk by
    chunk, each with the rows that its windows reach.
    """
    count, pixels, reach = len(patches.index), patches.window[0] * patches.window[1], RADIUS
    for channel in CHANNELS:
        squares = similarity = 0.0
        for part in chunks(count, patches.window):
            held = slice(max(0, part.start - reach), min(count, part.stop + reach))
            estimate = rescaled(patches.read(channel, held), channel, patches.normalisation, common).reshape(-1, pixels)
            here = windows(truth[channel], patches.true_positions[held], patches.window).reshape(-1, pixels)
            own = slice(part.start - held.start, part.stop - held.start)
            squares += float(((np.asarray(estimate[own], np.float64) - here[own]) ** 2).sum())
            inner = slice(max(part.start, reach) - held.start, min(part.stop, count - reach) - held.start)
            similarity += float(ssim_map(estimate, here)[inner, reach : pixels - reach].sum())
        inner_pixels = max(0, count - 2 * reach) * max(0, pixels - 2 * reach)
        mse = unless_rounding(np.asarray(squares / (count * pixels)))
        values = {"mse": mse, "psnr": psnr(mse), "ssim": similarity / inner_pixels if inner_pixels else np.nan}
        yield from ((WHOLE, RELEASED, channel, metric, float(value)) for metric, value in values.items())


def collect(files: Iterable[str | os.PathLike], output: str | os.PathLike) -> None:
    """Write the rows of all ``files``, in their order, into one.

    Raises:
        InputError: there is no file, one cannot be used, or two hold the same row.
    """
    import pandas as pd

    frames = [read_metrics(file) for file in files]
    if not frames:
        raise InputError(f"There are no metrics to collect into {output}.")
    frame = pd.concat(frames, ignore_index=True)
    check_given_once(frame)
    write_csv(frame, output)


def read_metrics(path: str | os.PathLike) -> "pd.DataFrame":
    """Read the rows of a metrics file, an empty value as NaN.

    Raises:
        InputError: the file is missing or empty, or its columns or numbers are not those of
            metrics.
    """
    frame = read_csv(path, SCORE_TYPES, what="metrics")
    if list(frame.columns) != list(SCORES):
        raise InputError(f"{path}: the columns must be {', '.join(SCORES)}, found {', '.join(frame.columns)}.")
    if frame.empty:
        raise InputError(f"{path} holds no metrics.")
    if (frame.drop(columns="value") == "").any(axis=None):
        raise InputError(f"{path} breaks off in the middle of a row.")
    return frame
