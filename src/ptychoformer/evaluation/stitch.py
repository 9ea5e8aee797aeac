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
from ptychoformer.evaluation import SCENE, SYNCHRONISED
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
    """Weights (h, w) of a patch's pixels, in (0, 1].

    Args:
        weighting: ``radial``, falling linearly from 1 at the window's centre to ``CORNER_WEIGHT``
            in its corners, because the probe is
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


class Canvas:
    """The rectangle of the object that patches at ``corners`` cover together, to which patches are
    added.

    Args:
        corners: (m, 2) of the patches on the object, whole pixels.
        weights: (h, w) of a patch's pixels.
        frame: rectangle that the canvas covers at least.
    """

    def __init__(self, corners: np.ndarray, weights: np.ndarray, frame: Rectangle):
        covered = zip(rectangle_of(corners, weights.shape), frame, strict=True)
        rows, columns = (slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in covered)
        self.shape = rows.stop - rows.start, columns.stop - columns.start
        self._inner = tuple(
            slice(f.start - c.start, f.stop - c.start) for f, c in zip(frame, (rows, columns), strict=True)
        )
        self.corners, self.weights = corners - (rows.start, columns.start), weights
        # Flat indices of a window's pixels: scattering a chunk by np.add.at was the fastest way
        # measured, ahead of bincount.
        self._starts = self.corners @ (self.shape[1], 1)
        self._offsets = np.add.outer(np.arange(weights.shape[0]) * self.shape[1], np.arange(weights.shape[1]))

    def blank(self) -> np.ndarray:
        """A flat array of zeros."""
        return np.zeros(self.shape[0] * self.shape[1])

    def add(self, image: np.ndarray, part: slice, values: np.ndarray) -> None:
        """Add weighted ``values`` (len(part), h, w), or one for all pixels, to a flat image at
        the patches ``part``.
        """
        pixels = np.add.outer(self._starts[part], self._offsets)
        np.add.at(image, pixels.ravel(), np.broadcast_to(values * self.weights, pixels.shape).ravel())

    def framed(self, image: np.ndarray) -> np.ndarray:
        """The part (H', W') of an image of the canvas that lies in the frame."""
        return image[self._inner]


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
            canvas = Canvas(patches.positions if at == RECORDED else patches.true_positions, weights, frame)
            for array, image in _stitched(patches, canvas, tie).items():
                write(group, array, canvas.framed(image).astype(np.float32), "", "y,x")


def _stitched(patches: Patches, canvas: Canvas, tie: float) -> dict[str, np.ndarray]:
    """Amplitude, phase and synchronised phase of a block on its canvas, NaN where no patch lies."""
    amplitude, phase, total = canvas.blank(), canvas.blank(), canvas.blank()
    for part, *channels in patches.chunks():
        for image, values in zip((amplitude, phase), channels, strict=True):
            canvas.add(image, part, values)
        canvas.add(total, part, np.ones(1))
    amplitude, phase, total = (image.reshape(canvas.shape) for image in (amplitude, phase, total))
    phases = ((part, values) for part, _, values in patches.chunks())
    constants = corrections(phases, canvas.corners, canvas.weights, phase, total, tie)
    synchronised = phase + pushed(constants, canvas.corners, canvas.weights, canvas.shape)
    total[total == 0] = np.nan
    return {"amplitude": amplitude / total, "phase": phase / total, "synchronised_phase": synchronised / total}


def read_scene(path: str | os.PathLike, block: str, level: str = SCENE) -> Scene:
    """A stitched scene of one block.

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
