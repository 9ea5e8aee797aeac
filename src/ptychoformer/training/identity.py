"""What the result of a training depends on, under the names by which `tensors.load_state` compares
it with a state that was left.
"""

from dataclasses import asdict
from typing import Any

import torch

from ptychoformer.measurement.cxi import Scan
from ptychoformer.tensors import fingerprint
from ptychoformer.training.examples import Examples
from ptychoformer.training.normalisation import Normalisation
from ptychoformer.training.options import TrainingOptions


def schedule(training: TrainingOptions) -> dict[str, Any]:
    """Return how an epoch is trained; how many there are to be changes none of them."""
    return {name.replace("_", " "): value for name, value in asdict(training).items() if name != "epochs"}


def data(scan: Scan, normalisation: Normalisation, examples: Examples, validation: Examples) -> dict[str, Any]:
    """Return what a run is trained on and watched by."""
    parts = (examples, validation)
    return {
        "patterns": fingerprint(*(array for part in parts for array in (part.inputs, part.patterns))),
        "labels": fingerprint(*(part.labels for part in parts)),
        "normalisation of the labels": normalisation.as_attributes(),
        "positions": fingerprint(scan.positions, scan.true_positions),
        "probe": fingerprint(scan.probe),
        "geometry": scan.pixel_size,
        "detector": [scan.efficiency, scan.coherence],
        "version of PyTorch": str(torch.__version__),
    }
