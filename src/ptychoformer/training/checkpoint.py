"""A trained network as a file, and the state from which an interrupted training goes on."""

import io
import os
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ptychoformer.errors import InputError
from ptychoformer.files import atomic
from ptychoformer.models import build
from ptychoformer.training.normalisation import Normalisation


@dataclass(frozen=True)
class Checkpoint:
    """A trained network and everything that is needed to use it.

    Args:
        kind: module of the network.
        options: the options it was built with.
        window: (h, w) of the patterns it reads.
        normalisation: of its outputs.
        weights: its state dict.
    """

    kind: str
    options: dict[str, Any]
    window: tuple[int, int]
    normalisation: Normalisation
    weights: dict[str, torch.Tensor]

    def network(self) -> nn.Module:
        """The network with its weights, ready to predict."""
        model = build(self.kind, self.window, self.options)
        model.load_state_dict(self.weights)
        return model.eval()


def save(content: dict[str, Any], path: str | os.PathLike) -> None:
    """``torch.save``, whole or not at all."""
    # Through memory, since torch's own writer hides a full disk behind an internal assertion.
    buffer = io.BytesIO()
    torch.save(content, buffer)
    with atomic(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def load(path: str | os.PathLike) -> dict[str, Any]:
    """What ``save`` wrote, on the CPU; never executes code from the file.

    Raises:
        InputError: the file is missing, damaged, or no checkpoint.
    """
    if not Path(path).is_file():
        raise InputError(f"{path} does not exist.")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, OSError, EOFError, pickle.UnpicklingError, ValueError) as error:
        raise InputError(f"{path} cannot be read as a checkpoint, it may be truncated.") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} is no checkpoint of this project.")
    return content


def save_checkpoint(checkpoint: Checkpoint, path: str | os.PathLike) -> None:
    """Write a trained network."""
    save(vars(checkpoint) | {"normalisation": checkpoint.normalisation.as_attributes()}, path)


def load_checkpoint(path: str | os.PathLike) -> Checkpoint:
    """Read a trained network.

    Raises:
        InputError: the file is missing, damaged, or holds something else.
    """
    content = load(path)
    if set(content) != set(Checkpoint.__dataclass_fields__):
        raise InputError(f"{path} is no checkpoint of a trained network.")
    return Checkpoint(**content | {"normalisation": Normalisation.from_attributes(content["normalisation"])})
