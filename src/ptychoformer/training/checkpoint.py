"""A trained network as a file."""

import os
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ptychoformer.errors import InputError
from ptychoformer.models import build
from ptychoformer.provenance import source_digest
from ptychoformer.tensors import load, save
from ptychoformer.training.inputs import INPUTS
from ptychoformer.training.normalisation import Normalisation

OPTIONAL = {"source"}  # only in the checkpoints that need it


@dataclass(frozen=True)
class Checkpoint:
    """A trained network and everything that is needed to use it.

    Args:
        kind: module of the network.
        options: the options it was built with.
        initialisation: of its weights before training; None is the network's own.
        inputs: how its patterns are prepared (`training.inputs`).
        window: (h, w) of the patterns it reads.
        normalisation: of its outputs.
        weights: its state dict.
        source: digest of the network's module, if that lies outside the package.
    """

    kind: str
    options: dict[str, Any]
    initialisation: str | None
    inputs: str
    window: tuple[int, int]
    normalisation: Normalisation
    weights: dict[str, torch.Tensor]
    source: str = ""

    def network(self) -> nn.Module:
        """The network with its weights, ready to predict.

        Raises:
            InputError: its module lies outside the package, and is not there or not as it was when
                the network was trained.
        """
        if self.source and source_digest(self.kind) != self.source:
            raise InputError(
                f"'{self.kind}' is not as it was signed when the network was trained (it was edited, or an earlier"
                " version signed it in another way); bring back what it was, or train again."
            )
        model = build(self.kind, self.window, self.options)
        model.load_state_dict(self.weights)
        return model.eval()


def save_checkpoint(checkpoint: Checkpoint, path: str | os.PathLike) -> None:
    """Write a trained network."""
    content = vars(checkpoint) | {"normalisation": checkpoint.normalisation.as_attributes()}
    save({name: part for name, part in content.items() if name not in OPTIONAL or part}, path)


def load_checkpoint(path: str | os.PathLike) -> Checkpoint:
    """Read a trained network.

    Raises:
        InputError: the file is missing, damaged, from another version, or holds something else.
    """
    content, parts = load(path), set(Checkpoint.__dataclass_fields__) - OPTIONAL
    if {"kind", "weights"} <= set(content) and set(content) - OPTIONAL != parts:
        found = ", ".join(sorted(set(content) - OPTIONAL ^ parts))
        raise InputError(
            f"{path} is a checkpoint of another version of the code, which differs in {found}; train the network again."
        )
    if set(content) - OPTIONAL != parts or content["inputs"] not in INPUTS:
        raise InputError(f"{path} is no checkpoint of a trained network.")
    return Checkpoint(**content | {"normalisation": Normalisation.from_attributes(content["normalisation"])})
