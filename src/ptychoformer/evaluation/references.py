"""The two results that every network's are to be read between.

The *floor* knows nothing of a pattern: each test patch is the mean of the training labels. The *ceiling* knows everything but the jitter:
the true labels, cut where the windows really were and stitched where the stage said they were.
"""

import os

import numpy as np

from ptychoformer.errors import InputError
from ptychoformer.evaluation import REFERENCES
from ptychoformer.evaluation.patches import chunks, create_patches
from ptychoformer.measurement.cxi import read_scan
from ptychoformer.measurement.windows import windows
from ptychoformer.training.normalisation import Normalisation, label_windows
from ptychoformer.training.split import authors_split, training_subset, whole_scan


def reference_patches(
    kind: str,
    dataset: str | os.PathLike,
    test: str | os.PathLike,
    *,
    n_train: int,
    seed: int,
    subset: str,
    transferred: bool,
    output: str | os.PathLike,
) -> None:
    """Write the floor or the ceiling of a dataset as a prediction.

    Args:
        kind: ``floor`` or ``ceiling``.
        dataset: CXI file that the networks were trained on which it is compared with.
        test: CXI file that they are tested on.
        n_train: how many training patterns they get.
        seed: theirs, for it draws the training patterns and thereby sets the normalisation.
        subset: how the training patterns were chosen, see `training.split.training_subset`.
        transferred: whether ``test`` is another dataset, which is then predicted as a whole.

    Raises:
        InputError: the kind is unknown, the dataset cannot be read or has fewer than ``n_train`` training patterns.
    """
    if kind not in REFERENCES:
        raise InputError(f"The reference '{kind}' is unknown, allowed are {' and '.join(REFERENCES)}.")
    scan = read_scan(dataset)
    labels = label_windows(scan, training_subset(authors_split(scan), n_train, seed, subset))
    normalisation = Normalisation.of(*labels)
    scan = read_scan(test)
    split = whole_scan(scan) if transferred else authors_split(scan)
    images = normalisation.amplitude(scan.amplitude), normalisation.phase(scan.phase)
    if kind == "floor":
        normalised = normalisation.amplitude(labels[0]), normalisation.phase(labels[1])
        images = tuple(np.full_like(image, part.mean(dtype=np.float64)) for image, part in zip(images, normalised, strict=True))
    with create_patches(output, split.test, scan.positions[split.test], scan.window, normalisation) as (amplitude, phase):
        for part in chunks(len(split.test), scan.window):
            corners = scan.true_positions[split.test[part]]
            amplitude[part], phase[part] = (windows(image, corners, scan.window) for image in images)
