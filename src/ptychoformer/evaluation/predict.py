"""From a trained network and a dataset to amplitude and phase patches of its test patterns."""

import os

import numpy as np

from ptychoformer.errors import InputError
from ptychoformer.evaluation.network import BATCH, TrainedNetwork
from ptychoformer.evaluation.patches import create_patches
from ptychoformer.measurement.cxi import read_patterns, read_scan
from ptychoformer.progress import progress
from ptychoformer.training.entries import NetworkEntry
from ptychoformer.training.split import Split, tested_split


def predict(
    dataset: str | os.PathLike,
    checkpoint: str | os.PathLike,
    model: NetworkEntry,
    output: str | os.PathLike,
    *,
    transferred: bool = False,
    threads: int = 1,
) -> dict[str, str]:
    """Predict the test patterns of a scan, or all of another dataset's, batch by batch.

    Args:
        dataset: CXI file.
        checkpoint: trained on patterns of the dataset's size.
        model: which network the checkpoint must be of.
        output: HDF5 file with the patches on the labels' scale (see `evaluation.patches`).
        transferred: whether the network was trained on another dataset.
        threads: of the CPU.

    Returns:
        Facts for the provenance: the device.

    Raises:
        InputError: a file is damaged, or the checkpoint belongs to another network or pattern size.
    """
    network = TrainedNetwork(checkpoint, threads)
    if network.model != model:
        found, expected = _described(network.model), _described(model)
        raise InputError(f"{checkpoint} is a checkpoint of {found}; expected is one of {expected}.")
    scan = read_scan(dataset)
    if network.window != tuple(scan.window):
        raise InputError(
            f"{checkpoint} was trained on patterns of {network.window} pixels, {dataset} has {tuple(scan.window)}."
        )
    predict_split(dataset, network, tested_split(scan, transferred), output)
    return {"device": network.device}


def predict_split(dataset: str | os.PathLike, network: TrainedNetwork, split: Split, output: str | os.PathLike) -> None:
    """Write the patches of the patterns that a split of a dataset tests.

    Raises:
        InputError: the dataset is damaged.
    """
    # Of one size on every device, since the last digits of what a network says depend on it.
    parts = [slice(start, start + BATCH) for start in range(0, len(split.test), BATCH)]
    patterns = (read_patterns(dataset, split.test[part]) for part in parts)
    with create_patches(output, split, network.normalisation) as (amplitude, phase):
        predicted = progress(network.stream(patterns), len(split.test), "predicting", len)
        for part, patches in zip(parts, predicted, strict=True):
            amplitude[part], phase[part] = np.moveaxis(patches, 1, 0)


def _described(model: NetworkEntry) -> str:
    start = model.initialisation or "of its own"
    how = f"initialisation {start}, inputs {model.inputs}, batch norm {model.batch_norm}"
    return f"'{model.kind}' with options {model.options}, {how}"
