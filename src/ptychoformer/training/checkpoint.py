"""A trained network as a file."""

import os
from dataclasses import dataclass, fields

import torch
from torch import nn

from ptychoformer.errors import InputError
from ptychoformer.models import BATCH_NORMS, build
from ptychoformer.provenance import check_content, sidecar, source_digest
from ptychoformer.tensors import load, save
from ptychoformer.training.entries import NetworkEntry
from ptychoformer.training.inputs import INPUTS
from ptychoformer.training.normalisation import Normalisation

OF_MODEL = tuple(field.name for field in fields(NetworkEntry))
OPTIONAL = {"batch_norm", "source"}  # only in the checkpoints that need it


@dataclass(frozen=True)
class Checkpoint:
    """A trained network and everything that is needed to use it.

    Args:
        model: which network it is, how it started, what it sees and how it averages.
        window: (h, w) of the patterns it reads.
        normalisation: of its outputs.
        weights: its state dict.
        source: digest of the network's module, if that lies outside the package.
    """

    model: NetworkEntry
    window: tuple[int, int]
    normalisation: Normalisation
    weights: dict[str, torch.Tensor]
    source: str = ""

    def network(self) -> nn.Module:
        """Build the network with its weights, ready to predict.

        Raises:
            InputError: its module lies outside the package, and is not there or not as it was when
                the network was trained.
        """
        if self.source and source_digest(self.model.kind) != self.source:
            raise InputError(
                f"'{self.model.kind}' is not as it was signed when the network was trained (it was edited, or a"
                " module of yours that it imports); bring back what it was, or train again."
            )
        network = build(self.model.kind, self.window, self.model.options, batch_norm=self.model.batch_norm)
        network.load_state_dict(self.weights)
        return network.eval()


def save_checkpoint(checkpoint: Checkpoint, path: str | os.PathLike) -> None:
    """Write a trained network; what its entry holds stands beside the rest. The provenance of
    another one that lay there goes before it.
    """
    parts = {name: part for name, part in vars(checkpoint).items() if name != "model"}
    content = checkpoint.model.plain() | parts | {"normalisation": checkpoint.normalisation.as_attributes()}
    sidecar(path).unlink(missing_ok=True)
    save({name: part for name, part in content.items() if name not in OPTIONAL or part}, path)


def load_checkpoint(path: str | os.PathLike) -> Checkpoint:
    """Read a trained network.

    Raises:
        InputError: the file is missing, damaged, from another version, holds something else, or is
            not the one that its provenance is of.
    """
    content, parts = load(path), {*OF_MODEL, *Checkpoint.__dataclass_fields__} - {"model"} - OPTIONAL
    check_content(path)
    different = (set(content) - OPTIONAL) ^ parts
    if different and {"kind", "weights"} <= set(content):
        raise InputError(
            f"{path} is a checkpoint of another version of the code, which differs in {', '.join(sorted(different))};"
            " train the network again."
        )
    if different or content["inputs"] not in INPUTS or content.get("batch_norm", "torch") not in BATCH_NORMS:
        raise InputError(f"{path} is no checkpoint of a trained network.")
    model = NetworkEntry(**{name: content.pop(name) for name in OF_MODEL if name in content})
    return Checkpoint(model, **content | {"normalisation": Normalisation.from_attributes(content["normalisation"])})
