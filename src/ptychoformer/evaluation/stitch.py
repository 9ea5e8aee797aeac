"""Patches into scenes: for each block of a prediction, the weighted mean of its patches over each
pixel.

    {block}/amplitude, {block}/phase   (H', W') float32, the block's rectangle at its recorded
        positions, NaN where nothing was stitched
    {block}/synchronised_phase         the same, of phase patches whose constants tell each other
        (`evaluation.synchronise`)

Attributes of each group: ``origin`` (y, x) of the scene on the object, pixels; ``weighting``;
``at``, the positions that it is stitched at; ``tie``; the normalisation's constants.
"""

import os
from dataclasses import dataclass

import h5py
import numpy as np

from ptychoformer.errors import InputError
from ptychoformer.evaluation import CHANNELS, SCENE, SYNCHRONISED
from ptychoformer.evaluation.band import add_patches, weighted
from ptychoformer.evaluation.patches import Patches, open_patches, read_normalisation
from ptychoformer.evaluation.synchronise import TIE, corrections, pushed
from ptychoformer.storage import create_hdf5, open_hdf5, read, write
from ptychoformer.training.normalisation import Normalisation
from ptychoformer.training.split import Rectangle, rectangle_of

WEIGHTINGS = ("radial", "uniform")
# Positive, so that a pixel which lies only in a window's corner is stitched too.
CORNER_WEIGHT = 0.01
RECORDED, TRUE = "recorded", "true"
PHASE_AT = {SCENE: "phase", SYNCHRONISED: "synchronised_phase"}  # level of a scene to the array that holds its phase


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

    @property
    def rectangle(self) -> Rectangle:
        """Rows and columns of the object that the scene covers."""
        (top, left), (height, width) = self.origin, self.amplitude.shape
        return slice(top, top + height), slice(left, left + width)


def window_weights(window: tuple[int, int], weighting: str) -> np.ndarray:
    """Compute the weights (h, w) of a patch's pixels, in (0, 1].

    Args:
        weighting: ``radial``, falling linearly from 1 at the window's centre to ``CORNER_WEIGHT``
            in its corners, because the probe is brightest in its middle; or ``uniform``.

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


def stitch(
    patches_file: str | os.PathLike, weighting: str, output: str | os.PathLike, *, at: str = RECORDED, tie: float = TIE
) -> None:
    """Stitch every block of a prediction into a scene; time grows linearly with the number of
    patches, memory with the scene alone.

    Args:
        at: ``recorded``, where the stage said a window was, or ``true``, where it really was.
        tie: see `evaluation.synchronise`.

    Raises:
        InputError: the prediction cannot be read, or the weighting or the positions are unknown.
    """
    if at not in (RECORDED, TRUE):
        raise InputError(f"The positions '{at}' are unknown, allowed are {RECORDED} and {TRUE}.")
    with open_patches(patches_file) as prediction, create_hdf5(output) as file:
        weights = window_weights(prediction.window, weighting)
        about = {"weighting": weighting, "at": at, "tie": tie, **prediction.normalisation.as_attributes()}
        for name in prediction.blocks:
            patches = prediction.block(name)
            frame = rectangle_of(patches.positions, patches.window)
            group = file.create_group(name)
            group.attrs.update({"origin": [side.start for side in frame], **about})
            corners = patches.positions if at == RECORDED else patches.true_positions
            for array, image in _stitched(patches, corners, weights, frame, tie).items():
                write(group, array, image.astype(np.float32), "", "y,x")


def _stitched(
    patches: Patches, corners: np.ndarray, weights: np.ndarray, frame: Rectangle, tie: float
) -> dict[str, np.ndarray]:
    """Stitch amplitude, phase and synchronised phase (H', W') of a block in a frame, NaN where no
    patch lies.

    Args:
        corners: (m, 2) where the patches are added, pixels of the object; some of their pixels may
            lie beyond the frame.
    """
    canvas = rectangle_of(np.concatenate([patches.positions, corners]), patches.window)
    start, shape = zip(*((side.start, side.stop - side.start) for side in canvas), strict=True)
    inner = tuple(slice(side.start - n, side.stop - n) for side, n in zip(frame, start, strict=True))
    sums, corners = np.zeros((len(CHANNELS) + 1, *shape)), corners - start
    for part, *channels in patches.chunks():
        add_patches(sums, corners[part], weighted(channels, weights))
    amplitude, phase, total = sums
    phases = ((part, values) for part, _, values in patches.chunks())
    constants = corrections(phases, corners, weights, phase, total, tie)
    synchronised = phase + pushed(constants, corners, weights, shape)
    total[total == 0] = np.nan
    images = {"amplitude": amplitude, "phase": phase, "synchronised_phase": synchronised}
    return {name: (image / total)[inner] for name, image in images.items()}


def read_scene(path: str | os.PathLike, block: str, level: str = SCENE) -> Scene:
    """Read a stitched scene of one block.

    Args:
        level: ``scene``, plainly stitched, or ``synchronised``.

    Raises:
        InputError: the file is damaged, it has no such block or level, or amplitude and phase
            differ in shape.
    """
    if level not in PHASE_AT:
        raise InputError(f"There are no scenes of the level '{level}', only of {' and '.join(PHASE_AT)}.")
    with open_hdf5(path) as file:
        if not isinstance(group := file.get(block), h5py.Group):
            raise InputError(f"{path} holds no scene of the block '{block}', it holds {', '.join(file) or 'none'}.")
        amplitude, phase = (read(file, f"{block}/{array}", 2)[:] for array in ("amplitude", PHASE_AT[level]))
        if amplitude.shape != phase.shape or "origin" not in group.attrs:
            raise InputError(
                f"{path}: a scene needs an 'origin', and amplitude {amplitude.shape} and phase {phase.shape} of one"
                " shape."
            )
        top, left = (int(corner) for corner in group.attrs["origin"])
        return Scene(amplitude, phase, (top, left), read_normalisation(group))
