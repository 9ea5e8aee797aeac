"""Tensors as files: written whole or not at all, and read without running what they hold."""

import io
import os
import pickle
from pathlib import Path
from typing import Any

import torch

from ptychoformer.errors import InputError
from ptychoformer.files import atomic


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
