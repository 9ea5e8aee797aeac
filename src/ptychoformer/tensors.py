"""Tensors as files: written whole or not at all, checked bit by bit where they are read, and read
without running what they hold.
"""

import copy
import hashlib
import io
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from ptychoformer.errors import InputError, OutputError, first_line, is_out_of_memory, raise_unless_damaged
from ptychoformer.files import atomic, check_file
from ptychoformer.progress import say

_CURE = "delete it, and run the same command that made it again"


def save(content: dict[str, Any], path: str | os.PathLike) -> None:
    """Save ``content`` as ``torch.save`` does, whole or not at all."""
    # Through memory, since torch's own writer hides a full disk behind an internal assertion.
    buffer = io.BytesIO()
    torch.save(content, buffer)
    with atomic(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def load(path: str | os.PathLike) -> dict[str, Any]:
    """Read what ``save`` wrote, on the CPU; never execute code from the file.

    Raises:
        InputError: the file is missing, damaged, or no checkpoint.
    """
    check_file(path)
    try:
        with zipfile.ZipFile(path) as archive:  # torch does not look at the checksums that it writes
            damaged = archive.testzip()
        content = None if damaged else torch.load(path, map_location="cpu", weights_only=True)
    # of a file that is something else, torch lets through whatever its unpickler stumbles over
    except Exception as error:
        raise_unless_damaged(error, path)
        raise InputError(
            f"{path} cannot be read as a checkpoint, it may be another file, truncated or damaged; if it was one,"
            f" {_CURE}."
        ) from error
    if damaged:
        raise InputError(f"{path} is damaged, its part '{damaged}' is not what was written; {_CURE}.")
    if not isinstance(content, dict):
        raise InputError(f"{path} is no checkpoint of this project.")
    return content


def fingerprint(*arrays: np.ndarray | torch.Tensor | None) -> str:
    """Compute hexadecimal digits that change with the type, the shape and every number of
    ``arrays``; None stands for one that is missing.
    """
    seen = hashlib.sha256()
    for array in arrays:
        whole = None if array is None else np.ascontiguousarray(array)
        seen.update(b"none" if whole is None else f"{whole.dtype}{whole.shape}".encode())
        seen.update(b"" if whole is None else whole)
    return seen.hexdigest()


def load_state(path: str | os.PathLike, identity: Mapping[str, Any]) -> dict[str, Any] | None:
    """Read the state that an interrupted job saved with the same ``identity``; None, and a line
    that says why, if there is no such state.

    Args:
        identity: all that a result depends on, digests or values that JSON knows, under names that
            stand after "the" in a sentence.
    """
    if not Path(path).exists():
        return None
    try:
        state = load(path)
    except InputError:
        _set_aside(path, "it is damaged, or no state")
        return None
    before = state.get("identity")
    if not isinstance(before, dict) or before.keys() != identity.keys():
        say(f"Starting anew: {path} was written by another version of the code.")
        return None
    if changed := [f"the {name}" for name in identity if before[name] != identity[name]]:
        *others, last = changed
        say(f"Starting anew: {', '.join(others)}{' and ' if others else ''}{last} changed since {path} was written.")
        return None
    return state


def is_no_state(path: str | os.PathLike) -> bool:
    """Say whether a file can be read, and is no state, so that `load_state` would begin anew and
    the next state take its place. (One that cannot be read is set aside.)
    """
    try:
        return Path(path).exists() and not isinstance(load(path).get("identity"), dict)
    except InputError:
        return False


class Resumable(Protocol):
    """What can be put where it was left."""

    def state(self) -> dict[str, Any]:
        """Return all that what follows depends on."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what ``state`` returned."""


def restored(run: Resumable, state: Mapping[str, Any], path: str | os.PathLike) -> bool:
    """Put ``run`` where the state at ``path`` has it, and say whether that could be done; a state
    that lacks what is needed is set aside, and the run is as it was.
    """
    before = copy.deepcopy(run.state())
    try:
        run.restore(state)
    # whatever a library finds wrong with what is missing, of another shape or of another type
    except Exception as error:
        if is_out_of_memory(error):
            raise
        run.restore(before)
        _set_aside(path, first_line(error))
        return False
    return True


def _set_aside(path: str | os.PathLike, reason: str) -> None:
    """Rename a state that cannot be used, so that it is not tried for ever, and say so."""
    aside = Path(path).with_suffix(".unusable.pt")
    if aside.is_dir():
        raise OutputError(f"{path} cannot be used ({reason}), nor set aside as {aside}, which is a folder; move it.")
    Path(path).replace(aside)
    say(f"Starting anew: the state at {path} cannot be used ({reason}); it now is {aside.name}.")
