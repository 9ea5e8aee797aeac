"""From a trained network and a dataset to amplitude and phase patches of its test patterns. Imports torch, as few modules here do."""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from ptychoformer.device import device_name, lookup_device
from ptychoformer.errors import InputError
from ptychoformer.evaluation.patches import create_patches
from ptychoformer.measurement.cxi import read_patterns, read_scan
from ptychoformer.progress import progress
from ptychoformer.training.checkpoint import load_checkpoint
from ptychoformer.training.examples import network_input
from ptychoformer.training.split import split_of, whole_scan

BATCH = 64


@torch.inference_mode()
def predict(
    dataset: str | os.PathLike,
    checkpoint: str | os.PathLike,
    model: Mapping[str, Any],
    output: str | os.PathLike,
    *,
    transferred: bool = False,
    threads: int = 1,
) -> dict[str, str]:
    """Predict the patterns of the test block, or of another dataset's whole scan, batch by batch.

    Args:
        dataset: CXI file.
        checkpoint: of the network ``model``, trained on patterns of the dataset's size.
        model: ``kind`` and ``options`` that the network must have.
        output: HDF5 file with the patches on the labels' scale (see `evaluation.patches`).
        transferred: whether the network was trained on another dataset.
        threads: of the CPU.

    Returns:
        Facts for the provenance: the device.

    Raises:
        InputError: a file is damaged, or the checkpoint belongs to another network or pattern size.
    """
    torch.set_num_threads(threads)
    trained = load_checkpoint(checkpoint)
    found, expected = _described(trained.kind, trained.options), _described(model["kind"], model["options"])
    if found != expected:
        raise InputError(f"{checkpoint} is a checkpoint of {found}, expected one of {expected}.")
    scan = read_scan(dataset)
    if tuple(trained.window) != tuple(scan.window):
        raise InputError(f"{checkpoint} was trained on patterns of {trained.window} pixels, {dataset} has {tuple(scan.window)}.")
    device = lookup_device()
    network = trained.network().to(device, memory_format=torch.channels_last)
    test = (whole_scan(scan) if transferred else split_of(scan)).test
    with create_patches(output, test, scan.positions[test], scan.window, trained.normalisation) as (amplitude, phase):
        for start in progress(range(0, len(test), BATCH), -(-len(test) // BATCH), "predicting"):
            batch = slice(start, min(start + BATCH, len(test)))
            patches = network(network_input(read_patterns(dataset, test[batch])).to(device)).float().cpu().numpy()
            amplitude[batch], phase[batch] = np.moveaxis(patches, 1, 0)
    return {"device": device_name(device)}


def _described(kind: str, options: Mapping[str, Any]) -> str:
    return f"'{kind}' with options {dict(options)}"
