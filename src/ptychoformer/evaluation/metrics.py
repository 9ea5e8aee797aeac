"""How close a prediction is to the truth: MSE, PSNR and SSIM of scenes and of patterns, as tidy rows.

All are taken with peak 1 and on two-dimensional images. Their 0 to 1 scale is that of the labels of *all* patterns that may be trained on,
whatever part of them a network was trained on, so that training sets of every size are measured with one ruler. Each is given over the
authors' test block (`block`) and over the part of it that no training pattern illuminates (`unseen`); or, on a dataset that the network
was not trained on, over the scan as a whole (`whole`).
"""

import os
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import pandas as pd
from scipy.ndimage import binary_erosion, gaussian_filter

from ptychoformer.errors import InputError
from ptychoformer.evaluation.patches import CHANNELS, Patches, open_patches
from ptychoformer.evaluation.stitch import Scene, read_scene
from ptychoformer.measurement.cxi import read_scan
from ptychoformer.measurement.windows import windows
from ptychoformer.storage import write_csv
from ptychoformer.training.normalisation import Normalisation, training_normalisation
from ptychoformer.training.split import Split, split_of, whole_scan

IDENTITY = {"dataset": str, "test": str, "model": str, "loss": str, "n_train": int, "seed": int}
COLUMNS = IDENTITY | {"region": str, "level": str, "channel": str, "metric": str, "value": float}
# Wang et al., IEEE Trans. Image Process. 13, 600 (2004): an 11 x 11 Gaussian window and constants for a peak of 1.
SSIM_SIGMA, SSIM_RADIUS = 1.5, 5
SSIM_C1, SSIM_C2 = 0.01**2, 0.03**2
# Predictions are stored in single precision: a mean square below this is its rounding, not an error.
ROUNDING = 1e-13


def psnr(mse: np.ndarray) -> np.ndarray:
    """Peak signal-to-noise ratio for peak 1, dB; infinite for a perfect match."""
    with np.errstate(divide="ignore"):  # the logarithm of zero is the infinity that is meant
        return -10 * np.log10(mse)


def ssim_map(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Structural similarity around each pixel of images (..., h, w), same shape (Wang et al. 2004, Eq. 13).

    Population covariance and reflecting borders, as ``skimage.metrics.structural_similarity`` with Gaussian weights, but for a whole
    stack at once.
    """
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    mean_1, mean_2 = _window_mean(first), _window_mean(second)
    variance_1 = _window_mean(first * first) - mean_1**2
    variance_2 = _window_mean(second * second) - mean_2**2
    covariance = _window_mean(first * second) - mean_1 * mean_2
    luminance = (2 * mean_1 * mean_2 + SSIM_C1) / (mean_1**2 + mean_2**2 + SSIM_C1)
    return luminance * (2 * covariance + SSIM_C2) / (variance_1 + variance_2 + SSIM_C2)


def _window_mean(images: np.ndarray) -> np.ndarray:
    return gaussian_filter(images, SSIM_SIGMA, mode="reflect", radius=SSIM_RADIUS, axes=(-2, -1))


def common_scale(dataset: str | os.PathLike) -> Normalisation:
    """The scale on which every network trained on a dataset is measured.

    Raises:
        InputError: the dataset cannot be read.
    """
    scan = read_scan(dataset)
    return training_normalisation(scan, split_of(scan).train)


def rescaled(values: np.ndarray, channel: str, scale: Normalisation, common: Normalisation) -> np.ndarray:
    """Values of ``amplitude`` or ``phase`` from one 0 to 1 scale to another, same shape; unchanged if the scales are the same."""
    if scale == common:
        return values
    return getattr(common, channel)(scale.restored(channel, np.asarray(values, np.float64)))


def scores(estimate: np.ndarray, truth: np.ndarray, region: np.ndarray) -> dict[str, np.ndarray]:
    """MSE, PSNR (dB) and SSIM of images (..., h, w) over the pixels of ``region`` (h, w) bool; each (...,), NaN where it has no pixel.

    SSIM is the mean over those pixels whose whole window lies in the region, so that nothing outside of it counts, the border included.
    """
    mse = _mean((np.asarray(estimate, np.float64) - truth) ** 2, region)
    mse = np.where(mse < ROUNDING, 0.0, mse)
    whole_windows = binary_erosion(region, np.ones((2 * SSIM_RADIUS + 1,) * 2))
    return {"mse": mse, "psnr": psnr(mse), "ssim": _mean(ssim_map(estimate, truth), whole_windows)}


def _mean(images: np.ndarray, region: np.ndarray) -> np.ndarray:
    return images[..., region].mean(axis=-1) if region.any() else np.full(images.shape[:-2], np.nan)


def measure(
    dataset: str | os.PathLike,
    test: str | os.PathLike,
    patches_file: str | os.PathLike,
    scene_file: str | os.PathLike,
    identity: Mapping[str, str | int],
    output: str | os.PathLike,
) -> None:
    """Write the metrics of one run: a row for every region, level, channel and metric; a region without pixels has empty values.

    Args:
        dataset: CXI file that the network was trained on; it sets the scale.
        test: CXI file that it is tested on, usually the same; its object is the truth.
        patches_file: prediction of the test patterns; each patch is compared with the object where its window really was.
        scene_file: the same prediction, stitched.
        identity: ``dataset``, ``model``, ``loss``, ``n_train`` and ``seed`` of the run, and ``test``, the name of the tested dataset.

    Raises:
        InputError: a file cannot be read, or they do not belong together.
    """
    scan, scene, common = read_scan(test), read_scene(scene_file), common_scale(dataset)
    transferred = identity["test"] != identity["dataset"]
    split = whole_scan(scan) if transferred else split_of(scan)
    truth = {channel: getattr(common, channel)(getattr(scan, channel)) for channel in CHANNELS}
    with open_patches(patches_file) as patches:
        _check_that_they_belong_together(split, patches, scene, test)
        # A reconstruction's patches are cut at recorded positions, where it may have put them by refining others.
        corners = scan.positions if identity["model"] == "epie" else scan.true_positions
        rows = [*_scene_rows(scene, truth, split, common), *_pattern_rows(patches, truth, split, corners, common)]
    if transferred:  # all of it is unseen
        rows = [("whole", *row[1:]) for row in rows if row[0] == "block"]
    frame = pd.DataFrame(rows, columns=["region", "level", "channel", "metric", "value"])
    write_csv(frame.assign(**{name: identity[name] for name in IDENTITY})[list(COLUMNS)], output)


def _check_that_they_belong_together(split: Split, patches: Patches, scene: Scene, dataset: str | os.PathLike) -> None:
    scan, file = split.scan, patches.amplitude.file.filename
    if not np.array_equal(patches.index, split.test) or patches.window != scan.window:
        raise InputError(f"{file} is not a prediction of the test patterns of {dataset}.")
    covered = tuple(slice(start, start + size) for start, size in zip(scene.origin, scene.amplitude.shape, strict=True))
    if covered != split.block or scene.normalisation != patches.normalisation:
        raise InputError(f"The scene is not stitched from {file}: its place on the object or its normalisation differs.")


def _scene_rows(scene: Scene, truth: dict[str, np.ndarray], split: Split, common: Normalisation) -> Iterator[tuple]:
    stitched = np.isfinite(scene.amplitude)
    regions = {"block": stitched, "unseen": stitched & split.unseen_pixels[split.block]}
    scaled = {channel: rescaled(getattr(scene, channel), channel, scene.normalisation, common) for channel in CHANNELS}
    for region, pixels in regions.items():
        for channel in CHANNELS:
            estimate = np.where(stitched, scaled[channel], 0)
            for metric, value in scores(estimate, truth[channel][split.block], pixels).items():
                yield region, "scene", channel, metric, float(value)


def _pattern_rows(
    patches: Patches, truth: dict[str, np.ndarray], split: Split, corners: np.ndarray, common: Normalisation
) -> Iterator[tuple]:
    regions = {"block": np.full(len(split.test), True), "unseen": split.unseen_test}
    by_pattern = _pattern_scores(patches, truth, corners, split.scan.window, common)
    for region, members in regions.items():
        for (channel, metric), values in by_pattern.items():
            yield region, "pattern", channel, metric, float(values[members].mean()) if members.any() else np.nan


def _pattern_scores(
    patches: Patches, truth: dict[str, np.ndarray], corners: np.ndarray, window: tuple[int, int], common: Normalisation
) -> dict[tuple[str, str], np.ndarray]:
    """Every metric of every channel, (m,)."""
    parts: dict[tuple[str, str], list[np.ndarray]] = {}
    whole_patch = np.full(patches.window, True)
    for part, *estimates in patches.chunks():
        here = corners[patches.index[part]]
        for channel, estimate in zip(CHANNELS, estimates, strict=True):
            estimate = rescaled(estimate, channel, patches.normalisation, common)
            for metric, values in scores(estimate, windows(truth[channel], here, window), whole_patch).items():
                parts.setdefault((channel, metric), []).append(values)
    return {key: np.concatenate(values) for key, values in parts.items()}


def collect(files: Iterable[str | os.PathLike], output: str | os.PathLike) -> None:
    """Write the rows of all ``files``, in their order, into one.

    Raises:
        InputError: there is no file, one cannot be used, or two hold the same row.
    """
    frames = [read_metrics(file) for file in files]
    if not frames:
        raise InputError(f"There are no metrics to collect into {output}.")
    frame = pd.concat(frames, ignore_index=True)
    repeated = frame.duplicated(subset=[name for name in COLUMNS if name != "value"])
    if repeated.any():
        run = frame.loc[repeated.idxmax(), list(IDENTITY)]
        raise InputError(f"The metrics of the run {'/'.join(map(str, run))} were given twice.")
    write_csv(frame, output)


def read_metrics(path: str | os.PathLike) -> pd.DataFrame:
    """The rows of a metrics file, an empty value as NaN.

    Raises:
        InputError: the file is missing or empty, or its columns or numbers are not those of metrics.
    """
    try:
        # Only an empty value is a missing one: names such as "NA" are names.
        frame = pd.read_csv(path, dtype=COLUMNS, keep_default_na=False, na_values={"value": [""]})
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist.") from error
    except ValueError as error:
        raise InputError(f"{path} cannot be read as metrics ({str(error).splitlines()[0]}).") from error
    if list(frame.columns) != list(COLUMNS):
        raise InputError(f"{path}: the columns must be {', '.join(COLUMNS)}, found {', '.join(frame.columns)}.")
    if frame.empty:
        raise InputError(f"{path} holds no metrics.")
    if (frame.drop(columns="value") == "").any(axis=None):
        raise InputError(f"{path} breaks off in the middle of a row.")
    return frame
