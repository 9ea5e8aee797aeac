"""Patches into a scene: the weighted mean of all patches over each pixel, at the scan's recorded positions.

    scene/amplitude, scene/phase   (H', W') float32, the bounding box of the patches, NaN where nothing was stitched

Attributes of the group: ``origin`` (y, x) of the scene on the object, pixels; the ``weighting``; the normalisation's constants.
"""

import os
from dataclasses import dataclass

import numpy as np

from ptychoformer.errors import InputError
from ptychoformer.evaluation.patches import CHANNELS, open_patches, read_normalisation
from ptychoformer.storage import create_hdf5, open_hdf5, read, write
from ptychoformer.training.normalisation import Normalisation

WEIGHTINGS = ("radial", "uniform")
# Positive, so that a pixel which lies only in a window's corner is stitched too.
CORNER_WEIGHT = 0.01


@dataclass(frozen=True)
class Scene:
    """A stitched prediction on the 0 to 1 scale of the labels.

    Args:
        amplitude, phase: (H', W') float32, NaN where nothing was stitched.
        origin: y, x of the scene on the object, pixels.
        normalisation: of the labels.
    """

    amplitude: np.ndarray
    phase: np.ndarray
    origin: tuple[int, int]
    normalisation: Normalisation


def window_weights(window: tuple[int, int], weighting: str) -> np.ndarray:
    """Weights (h, w) of a patch's pixels, in (0, 1].

    Args:
        weighting: ``radial``, falling linearly from 1 at the window's centre to ``CORNER_WEIGHT`` in its corners, because the probe is
            brightest in its middle; or ``uniform``.

    Raises:
        InputError: the weighting is unknown.
    """
    if weighting not in WEIGHTINGS:
        raise InputError(f"The weighting '{weighting}' is unknown, allowed are {' and '.join(WEIGHTINGS)}.")
    if weighting == "uniform" or window == (1, 1):
        return np.ones(window)
    y, x = np.ogrid[: window[0], : window[1]]
    radius = np.hypot(y - (window[0] - 1) / 2, x - (window[1] - 1) / 2)
    return 1 - (1 - CORNER_WEIGHT) * radius / radius[0, 0]


def stitch(patches_file: str | os.PathLike, weighting: str, output: str | os.PathLike) -> None:
    """Stitch a prediction into a scene; time grows linearly with the number of patches, memory with the scene alone.

    Raises:
        InputError: the prediction cannot be read or the weighting is unknown.
    """
    with open_patches(patches_file) as patches:
        weights = window_weights(patches.window, weighting).ravel()
        origin = patches.positions.min(axis=0)
        height, width = patches.positions.max(axis=0) - origin + patches.window
        # Flat indices of a window's pixels: scattering a chunk by np.add.at was the fastest way measured, ahead of bincount.
        corners = (patches.positions - origin) @ (width, 1)
        offsets = np.add.outer(np.arange(patches.window[0]) * width, np.arange(patches.window[1])).ravel()
        amplitude, phase, total = np.zeros((3, height * width))
        for part, *channels in patches.chunks():
            pixels = np.add.outer(corners[part], offsets).ravel()
            for image, values in zip((amplitude, phase), channels, strict=True):
                np.add.at(image, pixels, (values.reshape(-1, len(weights)) * weights).ravel())
            np.add.at(total, pixels, np.tile(weights, part.stop - part.start))
        normalisation = patches.normalisation
    total[total == 0] = np.nan
    with create_hdf5(output) as file:
        group = file.create_group("scene")
        group.attrs.update({"origin": origin, "weighting": weighting, **normalisation.as_attributes()})
        for channel, image in zip(CHANNELS, (amplitude, phase), strict=True):
            write(group, channel, (image / total).reshape(height, width).astype(np.float32), "", "y,x")


def read_scene(path: str | os.PathLike) -> Scene:
    """A stitched scene.

    Raises:
        InputError: the file is damaged, something is missing, or amplitude and phase differ in shape.
    """
    with open_hdf5(path) as file:
        amplitude, phase = (read(file, f"scene/{channel}", 2)[:] for channel in CHANNELS)
        if amplitude.shape != phase.shape or "origin" not in file["scene"].attrs:
            raise InputError(f"{path}: a scene needs an 'origin', and amplitude {amplitude.shape} and phase {phase.shape} of one shape.")
        top, left = (int(corner) for corner in file["scene"].attrs["origin"])
        return Scene(amplitude, phase, (top, left), read_normalisation(file["scene"]))
