"""The results that every network's are to be read between.

The *floor* knows nothing of a pattern: each test patch is the mean of the training labels. The
*ceiling* knows everything but the jitter: the true labels, cut where the windows really were and
stitched where the stage said they were. *One pattern* is the ceiling with what no pattern can tell
taken out: a pattern does not change with the constant phase of its window, so each patch has the
true shape and the mean phase of the training labels. (A network may still guess a constant from
what it sees, or remember it from a neighbour.) *ePIE* is a ceiling of another kind, an iterative
reconstruction with the probe known: it uses all patterns together, networks one at a time.
"""

import os

import numpy as np

from ptychoformer.errors import InputError
from ptychoformer.evaluation import REFERENCES
from ptychoformer.evaluation.patches import chunks, create_patches
from ptychoformer.measurement.cxi import Scan, read_scan, read_transmission
from ptychoformer.measurement.windows import windows
from ptychoformer.training.normalisation import label_statistics, training_normalisation
from ptychoformer.training.split import split_of, tested_split, training_subset


def reference_patches(
    kind: str,
    dataset: str | os.PathLike,
    test: str | os.PathLike,
    *,
    n_train: int,
    seed: int,
    subset: str,
    transferred: bool,
    reconstruction: str | os.PathLike | None = None,
    output: str | os.PathLike,
) -> None:
    """Write a reference of a dataset as a prediction.

    Args:
        kind: one of `evaluation.REFERENCES`.
        dataset: CXI file that the networks were trained on which it is compared with.
        test: CXI file that they are tested on.
        n_train: how many training patterns they get.
        seed: theirs, for it draws the training patterns and thereby sets the normalisation.
        subset: how the training patterns were chosen, see `training.split.training_subset`.
        transferred: whether ``test`` is another dataset, which is then predicted as a whole.
        reconstruction: of ``epie``, an object reconstructed from ``test``
            (`measurement.reconstruct`). Its constant phase, which no pattern knows, is taken from
            the truth.

    Raises:
        InputError: the kind is unknown, the dataset cannot be read or has fewer than ``n_train``
            training patterns.
    """
    if kind not in REFERENCES:
        raise InputError(f"The reference '{kind}' is unknown, allowed are {', '.join(REFERENCES)}.")
    scan = read_scan(dataset)
    trained = training_subset(split_of(scan), n_train, seed, subset)
    normalisation = training_normalisation(scan, trained)
    means, _ = label_statistics(scan, trained, normalisation)
    tested = read_scan(test)
    split = tested_split(tested, transferred)
    amplitude, phase = _reconstructed(tested, reconstruction) if kind == "epie" else (tested.amplitude, tested.phase)
    images = normalisation.normalised("amplitude", amplitude), normalisation.normalised("phase", phase)
    if kind == "floor":
        images = tuple(np.full_like(image, mean) for image, mean in zip(images, means, strict=True))
    # A reconstruction is a whole object: its patches are stitched where they were cut.
    corners = tested.positions if kind == "epie" else tested.true_positions
    with create_patches(output, split, normalisation, cut_at=corners) as (amplitudes, phases):
        for part in chunks(len(split.test), tested.window):
            amplitudes[part], found = (windows(image, corners[split.test[part]], tested.window) for image in images)
            if kind == "one_pattern":
                found = found + means[1] - found.mean(axis=(1, 2), keepdims=True)
            phases[part] = found


def _reconstructed(scan: Scan, path: str | os.PathLike) -> tuple[np.ndarray, np.ndarray]:
    """Read amplitude and phase (H, W) of a reconstruction, on the grid of the object; what the scan
    does not reach is as without an object.
    """
    found = read_transmission(path)
    height, width = (min(sizes) for sizes in zip(found.shape, scan.amplitude.shape, strict=True))
    truth = scan.amplitude[:height, :width] * np.exp(1j * scan.phase[:height, :width])
    turned = found[:height, :width] * np.exp(1j * np.angle(np.vdot(found[:height, :width], truth)))
    middle = np.angle(truth.mean())
    amplitude, phase = np.ones_like(scan.amplitude), np.zeros_like(scan.phase)
    amplitude[:height, :width] = np.abs(turned)
    phase[:height, :width] = np.angle(turned * np.exp(-1j * middle)) + middle
    return amplitude, phase
