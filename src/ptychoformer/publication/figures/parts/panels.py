"""What the figures of reconstructions show, as arrays: the truth and every network's answer, on
a scene and at single scan points.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from ptychoformer.errors import InputError
from ptychoformer.evaluation import CHANNELS
from ptychoformer.evaluation.metrics import common_scale, rescaled
from ptychoformer.evaluation.patches import open_patches
from ptychoformer.evaluation.scores import ROUNDING, psnr
from ptychoformer.evaluation.stitch import read_scene
from ptychoformer.measurement.cxi import Scan, read_patterns, read_scan
from ptychoformer.measurement.windows import windows
from ptychoformer.training.normalisation import Normalisation
from ptychoformer.training.split import Split, split_of

UNITS = {"amplitude": "norm.", "phase": "rad"}  # of an amplitude, 0 to 1 on the scale of the metrics
Images = Mapping[str, np.ndarray]
RunFiles = Mapping[str, tuple[str | os.PathLike, str | os.PathLike]]


@dataclass(frozen=True)
class View:
    """One part of the object as it is and as every network has it.

    Args:
        corner: (y, x) of its upper left corner on the object, pixels.
        truth: ``amplitude`` (h, w) on the metrics' scale and ``phase`` (h, w) in radians.
        answers: the same of each network, by name; NaN where nothing was stitched.
    """

    corner: tuple[int, int]
    truth: Images
    answers: Mapping[str, Images]

    def error(self, model: str, channel: str) -> np.ndarray:
        """Take the absolute difference from the truth, (h, w), in the channel's unit."""
        return np.abs(self.answers[model][channel] - self.truth[channel])

    def psnr(self, model: str, channel: str, limits: tuple[float, float], *, relative: bool = False) -> float:
        """Compute the PSNR of a network in dB over the stitched pixels; the peak is the distance of
        ``limits`` in the channel's unit.

        Args:
            relative: whether the mean error is taken off first, as it is of the metrics'
                ``relative_phase``.
        """
        error = (np.asarray(self.answers[model][channel], float) - self.truth[channel]) / (limits[1] - limits[0])
        mse = np.nanmean((error - np.nanmean(error) if relative else error) ** 2)
        return float(psnr(mse if mse >= ROUNDING else 0.0))


@dataclass(frozen=True)
class Views:
    """Everything that Fig. 4 shows of one dataset.

    Args:
        points: two scan points of the block.
        patterns: their diffraction patterns, (2, h, w), photons.
        indices: their numbers in the dataset.
        scene: the stitched scene of the block.
        unseen_from: first row of the scene from which on no training pattern illuminates any pixel,
            or None if there is none.
        pixel_size: metres.
        ranges: ends of the metrics' 0 to 1 scale, by channel, see `ranges_of`.
    """

    points: tuple[View, View]
    patterns: np.ndarray
    indices: tuple[int, int]
    scene: View
    unseen_from: int | None
    pixel_size: float
    ranges: Mapping[str, tuple[float, float]]

    def error_limit(self, channel: str) -> float:
        """Find the `error_limit` of all that is shown."""
        return error_limit(channel, *self.points, self.scene)


def error_limit(channel: str, *views: View) -> float:
    """Find the error that 99 % of all pixels shown stay below, common to all networks; a few
    outliers must not darken the rest.
    """
    errors = [view.error(model, channel).ravel() for view in views for model in view.answers]
    return float(np.nanpercentile(np.concatenate(errors), 99)) or 1.0


def load_views(dataset: str | os.PathLike, run_files: RunFiles, *, block: str, level: str) -> Views:
    """Read a dataset and the patches and scene of each network.

    Args:
        block: of the test patterns, see `training.split`.
        level: of the scenes, see `stitch.read_scene`.

    Raises:
        InputError: a file is damaged, or the runs do not belong to the dataset and to each other.
    """
    scan = read_scan(dataset)
    split = split_of(scan)
    scenes = {model: path for model, (_, path) in run_files.items()}
    require_one_training(scenes, (path for path, _ in run_files.values()), block=block)
    scale = common_scale(dataset)
    truth = truth_of(scan, scale)
    chosen = representative_points(split, block, scale)
    points = tuple(point_view(split, place, truth, scale, run_files) for place in chosen)
    indices = tuple(int(split.test[place]) for place in chosen)
    return Views(
        points=points,
        patterns=np.concatenate([read_patterns(dataset, np.array([index])) for index in indices]),
        indices=indices,
        scene=scene_view(split, truth, scale, scenes, block=block, level=level),
        unseen_from=_unseen_from(split.unseen_pixels[split.rectangle(block)]),
        pixel_size=scan.pixel_size,
        ranges=ranges_of(scale),
    )


def truth_of(scan: Scan, scale: Normalisation) -> Images:
    """Put the whole object into the units of a `View`: amplitude on the metrics' ``scale`` and
    phase in radians, both (H, W).
    """
    return {"amplitude": scale.normalised("amplitude", scan.amplitude), "phase": scan.phase}


def ranges_of(scale: Normalisation) -> Mapping[str, tuple[float, float]]:
    """Say what 0 and 1 of the metrics' ``scale`` are in the units of a `View`: amplitude on that
    scale itself, phase in radians.
    """
    return {"amplitude": (0.0, 1.0), "phase": scale.limits("phase")}


def representative_points(split: Split, block: str, scale: Normalisation) -> tuple[int, int]:
    """Choose two places in ``split.test``: a block's unseen patterns of highest contrast that
    overlap least, not at all if the block allows.

    The contrast is that of amplitude and phase together, on the metrics' ``scale``.

    Raises:
        InputError: there is no such block, or it has fewer than two patterns.
    """
    own = split.places(block)
    if len(own) < 2:
        raise InputError(f"Two test patterns are needed to choose from, the block '{block}' has {len(own)}.")
    window, corners = split.scan.window, split.scan.true_positions[split.test[own]]
    images = (scale.normalised(channel, getattr(split.scan, channel)) for channel in CHANNELS)
    contrast = sum(windows(image, corners, window).std(axis=(1, 2)) for image in images)
    unseen = split.unseen_test[own]
    # In a scan so small that training reaches every test pattern, these must do.
    places = np.flatnonzero(unseen) if unseen.sum() >= 2 else np.arange(len(own))
    first = places[contrast[places].argmax()]
    others = places[places != first]
    overlap = np.maximum(window - np.abs(corners[others] - corners[first]), 0).prod(axis=1)
    least = others[overlap == overlap.min()]
    return int(own[first]), int(own[least[contrast[least].argmax()]])


def require_one_training(
    scenes: Mapping[str, str | os.PathLike], patches: Iterable[str | os.PathLike] = (), *, block: str
) -> None:
    """Refuse predictions whose labels were not normalised alike: these networks were not trained on
    the same patterns.

    Args:
        scenes: network to its scenes, of which that of ``block`` is looked at.
        patches: predictions of single patterns that are shown beside them.

    Raises:
        InputError: the normalisations differ, or there is none.
    """
    found = {read_scene(path, block).normalisation for path in scenes.values()}
    for path in patches:
        with open_patches(path) as prediction:
            found.add(prediction.normalisation)
    if len(found) != 1:
        raise InputError(
            f"The runs of {', '.join(scenes) or 'no network'} have different normalisations; a figure compares runs of"
            " one seed."
        )


def point_view(split: Split, place: int, truth: Images, scale: Normalisation, run_files: RunFiles) -> View:
    """Read the truth and every answer in the window of pattern ``split.test[place]``.

    Args:
        truth: the whole object, see `truth_of`.
        scale: of the metrics.

    Raises:
        InputError: a prediction is not one of the test patterns.
    """
    corner = split.scan.true_positions[split.test[place]]
    answers = {}
    for model, (patches, _) in run_files.items():
        with open_patches(patches) as prediction:
            if not np.array_equal(prediction.index, split.test) or prediction.window != split.scan.window:
                raise InputError(f"{patches} is not a prediction of the test patterns of this dataset.")
            images = {"amplitude": prediction.amplitude[place], "phase": prediction.phase[place]}
            answers[model] = _shown(images, prediction.normalisation, scale)
    here = {channel: windows(image, corner[None], split.scan.window)[0] for channel, image in truth.items()}
    return View((int(corner[0]), int(corner[1])), here, answers)


def scene_view(
    split: Split,
    truth: Images,
    scale: Normalisation,
    scenes: Mapping[str, str | os.PathLike],
    *,
    block: str,
    level: str,
) -> View:
    """Read the truth and every scene in the rectangle of a block of the test patterns.

    Args:
        truth: the whole object, see `truth_of`.
        scale: of the metrics.
        scenes: network to its scenes.
        block: one that they were stitched of.
        level: of the scenes, see `stitch.read_scene`.

    Raises:
        InputError: there is no such block or level, or a scene covers another part of the object.
    """
    place = split.rectangle(block)
    here = {channel: image[place] for channel, image in truth.items()}
    answers = {}
    for model, path in scenes.items():
        scene = read_scene(path, block, level)
        if scene.rectangle != place:
            raise InputError(f"{path} does not cover the block '{block}' of this dataset.")
        answers[model] = _shown({"amplitude": scene.amplitude, "phase": scene.phase}, scene.normalisation, scale)
    return View((place[0].start, place[1].start), here, answers)


def _shown(images: Images, stored: Normalisation, scale: Normalisation) -> Images:
    """Bring a prediction on the 0 to 1 scale ``stored`` to the units of a `View`."""
    return {
        "amplitude": rescaled(images["amplitude"], "amplitude", stored, scale),
        "phase": stored.restored("phase", images["phase"]),
    }


def _unseen_from(unseen: np.ndarray) -> int | None:
    seen_rows = np.flatnonzero(~unseen.all(axis=1))
    first = int(seen_rows[-1]) + 1 if len(seen_rows) else 0
    return first if first < len(unseen) else None
