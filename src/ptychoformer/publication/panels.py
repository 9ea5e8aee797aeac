"""What the figures of reconstructions show, as arrays: the truth and every network's answer, on a scene and at single scan points."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from ptychoformer.errors import InputError
from ptychoformer.evaluation.metrics import psnr
from ptychoformer.evaluation.patches import open_patches
from ptychoformer.evaluation.stitch import read_scene
from ptychoformer.measurement.cxi import Scan, read_patterns, read_scan
from ptychoformer.measurement.windows import windows
from ptychoformer.training.normalisation import Normalisation
from ptychoformer.training.split import Split, authors_split

Images = Mapping[str, np.ndarray]
RunFiles = Mapping[str, tuple[str | os.PathLike, str | os.PathLike]]


@dataclass(frozen=True)
class View:
    """One part of the object as it is and as every network has it.

    Args:
        corner: (y, x) of its upper left corner on the object, pixels.
        truth: ``amplitude`` (h, w) on the labels' scale and ``phase`` (h, w) in radians.
        answers: the same of each network, by name; NaN where nothing was stitched.
    """

    corner: tuple[int, int]
    truth: Images
    answers: Mapping[str, Images]

    def error(self, model: str, channel: str) -> np.ndarray:
        """Absolute difference from the truth, (h, w), in the channel's unit."""
        return np.abs(self.answers[model][channel] - self.truth[channel])

    def psnr(self, model: str, channel: str, limits: tuple[float, float]) -> float:
        """PSNR of a network in dB over the stitched pixels; the peak is the distance of the labels' ``limits`` in the channel's unit."""
        error = self.error(model, channel).astype(float) / (limits[1] - limits[0])
        return float(psnr(np.nanmean(error**2)))


@dataclass(frozen=True)
class Views:
    """Everything that Fig. 4 shows of one dataset.

    Args:
        points: two scan points.
        patterns: their diffraction patterns, (2, h, w), photons.
        indices: their numbers in the dataset.
        scene: the stitched scene.
        unseen_from: first row of the scene from which on no training pattern illuminates any pixel, or None if there is none.
        pixel_size: metres.
        ranges: lowest and highest value that the labels span, by channel.
    """

    points: tuple[View, View]
    patterns: np.ndarray
    indices: tuple[int, int]
    scene: View
    unseen_from: int | None
    pixel_size: float
    ranges: Mapping[str, tuple[float, float]]

    def scene_psnr(self, model: str, channel: str) -> float:
        """PSNR of a network's scene in dB, peak 1 on the labels' scale, over the stitched pixels."""
        return self.scene.psnr(model, channel, self.ranges[channel])

    def error_limit(self, channel: str) -> float:
        """The error that 99 % of all pixels shown stay below, common to all networks; a few outliers must not darken the rest."""
        errors = [view.error(model, channel).ravel() for view in (*self.points, self.scene) for model in view.answers]
        return float(np.nanpercentile(np.concatenate(errors), 99)) or 1.0


def load_views(dataset: str | os.PathLike, run_files: RunFiles) -> Views:
    """Read a dataset and the patches and scene of each network.

    Raises:
        InputError: a file is damaged, or the runs do not belong to the dataset and to each other.
    """
    scan = read_scan(dataset)
    split = authors_split(scan)
    normalisation = common_normalisation(run_files)
    truth = truth_of(scan, normalisation)
    chosen = representative_points(split, truth["amplitude"], normalisation.phase(scan.phase))
    points = tuple(point_view(split, place, truth, normalisation, run_files) for place in chosen)
    indices = tuple(int(split.test[place]) for place in chosen)
    return Views(
        points=points,
        patterns=np.concatenate([read_patterns(dataset, np.array([index])) for index in indices]),
        indices=indices,
        scene=scene_view(split, truth, normalisation, {model: scene for model, (_, scene) in run_files.items()}),
        unseen_from=_unseen_from(split.unseen_pixels[split.block]),
        pixel_size=scan.pixel_size,
        ranges=label_ranges(normalisation),
    )


def truth_of(scan: Scan, normalisation: Normalisation) -> Images:
    """The whole object: amplitude on the labels' scale and phase in radians, both (H, W)."""
    return {"amplitude": normalisation.amplitude(scan.amplitude), "phase": scan.phase}


def label_ranges(normalisation: Normalisation) -> Mapping[str, tuple[float, float]]:
    """Lowest and highest value that the labels span: amplitude on their own scale, phase in radians."""
    return {"amplitude": (0.0, 1.0), "phase": tuple(float(_radians(np.float64(end), normalisation)) for end in (0, 1))}


def representative_points(split: Split, amplitude: np.ndarray, phase: np.ndarray) -> tuple[int, int]:
    """Two places in ``split.test``: the unseen patterns of highest contrast that overlap least, not at all if the block allows.

    Args:
        amplitude: (H, W) true amplitude on the labels' scale.
        phase: (H, W) true phase on the labels' scale.

    Raises:
        InputError: the test block has fewer than two patterns.
    """
    if len(split.test) < 2:
        raise InputError("Fig. 4 needs a test block of at least two patterns.")
    window, corners = split.scan.window, split.scan.true_positions[split.test]
    contrast = sum(windows(image, corners, window).std(axis=(1, 2)) for image in (amplitude, phase))
    # In a scan so small that training reaches every test pattern, these must do.
    places = np.flatnonzero(split.unseen_test) if split.unseen_test.sum() >= 2 else np.arange(len(corners))
    first = places[contrast[places].argmax()]
    others = places[places != first]
    overlap = np.maximum(window - np.abs(corners[others] - corners[first]), 0).prod(axis=1)
    least = others[overlap == overlap.min()]
    return int(first), int(least[contrast[least].argmax()])


def common_normalisation(run_files: RunFiles) -> Normalisation:
    """The normalisation that all patches and scenes share.

    Raises:
        InputError: they have different ones, or there is none.
    """
    found = set()
    for patches, scene in run_files.values():
        with open_patches(patches) as prediction:
            found |= {prediction.normalisation, read_scene(scene).normalisation}
    return _only(found, run_files)


def scenes_normalisation(scenes: Mapping[str, str | os.PathLike]) -> Normalisation:
    """The normalisation that all scenes share.

    Raises:
        InputError: they have different ones, or there is none.
    """
    return _only({read_scene(path).normalisation for path in scenes.values()}, scenes)


def _only(found: set[Normalisation], models: Iterable[str]) -> Normalisation:
    if len(found) != 1:
        raise InputError(
            f"The runs of {', '.join(models) or 'no network'} have different normalisations; a figure compares runs of one seed."
        )
    return found.pop()


def point_view(split: Split, place: int, truth: Images, normalisation: Normalisation, run_files: RunFiles) -> View:
    """The window of pattern ``split.test[place]``.

    Args:
        truth: the whole object, see `truth_of`.

    Raises:
        InputError: a prediction is not one of the test patterns.
    """
    corner = split.scan.true_positions[split.test[place]]
    answers = {}
    for model, (patches, _) in run_files.items():
        with open_patches(patches) as prediction:
            if not np.array_equal(prediction.index, split.test) or prediction.window != split.scan.window:
                raise InputError(f"{patches} is not a prediction of the test patterns of this dataset.")
            answers[model] = {"amplitude": prediction.amplitude[place], "phase": _radians(prediction.phase[place], normalisation)}
    here = {channel: windows(image, corner[None], split.scan.window)[0] for channel, image in truth.items()}
    return View((int(corner[0]), int(corner[1])), here, answers)


def scene_view(split: Split, truth: Images, normalisation: Normalisation, scenes: Mapping[str, str | os.PathLike]) -> View:
    """The rectangle of the test patterns.

    Args:
        truth: the whole object, see `truth_of`.
        scenes: network to its scene.

    Raises:
        InputError: a scene covers another part of the object.
    """
    here = {channel: image[split.block] for channel, image in truth.items()}
    corner = (split.block[0].start, split.block[1].start)
    answers = {}
    for model, path in scenes.items():
        scene = read_scene(path)
        if scene.origin != corner or scene.amplitude.shape != here["amplitude"].shape:
            raise InputError(f"{path} is not a scene of the test block of this dataset.")
        answers[model] = {"amplitude": scene.amplitude, "phase": _radians(scene.phase, normalisation)}
    return View(corner, here, answers)


def _radians(phase: np.ndarray, normalisation: Normalisation) -> np.ndarray:
    low, high = normalisation.phase_min, normalisation.phase_max
    return low + phase * (high - low if high > low else 1.0)


def _unseen_from(unseen: np.ndarray) -> int | None:
    seen_rows = np.flatnonzero(~unseen.all(axis=1))
    first = int(seen_rows[-1]) + 1 if len(seen_rows) else 0
    return first if first < len(unseen) else None
