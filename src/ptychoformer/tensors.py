"""Tensors as files: written whole or not at all, and read without running what they hold."""

import io
import os
from pathlib import Path
from typing import Any

import torch

from ptychoformer.errors import InputError
from ptychoformer.files import atomic
from ptychoformer.progress import say


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
    except Exception as error:  # of a file that is something else, torch lets through whatever its unpickler stumbles over
        raise InputError(f"{path} cannot be read as a checkpoint, it may be truncated.") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} is no checkpoint of this project.")
    return content


def load_state(path: str | os.PathLike, identity: str) -> dict[str, Any] | None:
    """The state that an interrupted job saved with the same ``identity``; None, and a line that says why, if there is no such state."""
    if not Path(path).exists():
        return None
    try:
        state = load(path)
    except InputError as error:
        say(f"Starting anew: {error}")
        return None
    if state.get("identity") != identity:
        say(f"Starting anew: {path} belongs to another configuration, dataset or version of the code.")
        return None
    return state
