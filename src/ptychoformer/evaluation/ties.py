"""How much synchronised stitching gains with which tie, on training patterns that a network was not
trained on.

The tie (`evaluation.synchronise`) is chosen here and never on the test strip. A network that was
trained on a part of the training patterns predicts the others; scores are taken on the pixels of
these that no pattern of its own illuminates, as on the unseen part of a test block.
"""

import os
import tempfile
from collections.abc import Iterable
from math import inf
from pathlib import Path

import numpy as np
import pandas as pd

from ptychoformer.errors import InputError
from ptychoformer.evaluation import SCENE, SYNCHRONISED
from ptychoformer.evaluation.metrics import common_scale, rescaled
from ptychoformer.evaluation.network import TrainedNetwork
from ptychoformer.evaluation.predict import predict_split
from ptychoformer.evaluation.scores import scores, without_constant
from ptychoformer.evaluation.stitch import read_scene, stitch
from ptychoformer.measurement.cxi import read_scan
from ptychoformer.training.split import Split, split_of, training_subset

HELD_OUT = "held_out"
COLUMNS = ["tie", "phase", "relative_phase"]


def score_ties(
    dataset: str | os.PathLike,
    checkpoint: str | os.PathLike,
    ties: Iterable[float],
    *,
    n_train: int,
    seed: int,
    subset: str,
    weighting: str,
) -> pd.DataFrame:
    """Score each tie by the PSNR in dB of the phase and of the relative phase of the held-out
    patterns' scene, a row each; the first, inf, is plain.

    Args:
        dataset: CXI file.
        checkpoint: of a network that was trained on ``n_train`` of its patterns.
        n_train, seed, subset: of that training, see `training.split.training_subset`.
        weighting: of the stitching.

    Raises:
        InputError: a file cannot be read, or no pattern was held out.
    """
    scan, common, network = read_scan(dataset), common_scale(dataset), TrainedNetwork(checkpoint)
    split = split_of(scan)
    trained = training_subset(split, n_train, seed, subset)
    others = np.setdiff1d(split.train, trained)
    if not len(others):
        raise InputError(
            f"{checkpoint} was trained on all training patterns of {dataset}; none is left to try ties on."
        )
    held_out = Split(scan, trained, others, {HELD_OUT: np.arange(len(others))})
    place = held_out.rectangle(HELD_OUT)
    unseen, truth = held_out.unseen_pixels[place], common.normalised("phase", scan.phase)[place]
    with tempfile.TemporaryDirectory() as folder:
        patches, scene_file, rows = Path(folder, "patches.h5"), Path(folder, "scene.h5"), []
        predict_split(dataset, network, held_out, patches)
        for tie, level in ((inf, SCENE), *((tie, SYNCHRONISED) for tie in ties)):
            stitch(patches, weighting, scene_file, tie=0.0 if level == SCENE else tie)
            scene = read_scene(scene_file, HELD_OUT, level)
            region = unseen & np.isfinite(scene.phase)
            phase = np.where(region, rescaled(scene.phase, "phase", scene.normalisation, common), 0)
            images = phase, without_constant(phase, truth, region)
            rows.append((tie, *(float(scores(image, truth, region)["psnr"]) for image in images)))
    return pd.DataFrame(rows, columns=COLUMNS)
