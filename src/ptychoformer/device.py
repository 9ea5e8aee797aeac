"""Where tensors live, looked up once a job. Of several CUDA cards a job takes the one that the
fewest jobs hold.
"""

import fcntl
import os
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import torch

from ptychoformer.progress import say


@cache
def lookup_device() -> torch.device:
    """Choose the accelerator that torch finds (CUDA, MPS, ...), or the CPU; a CUDA card becomes
    torch's current one and is held until this process ends.
    """
    found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    if found is None or found.type != "cuda":
        return found or torch.device("cpu")
    # CUDA_VISIBLE_DEVICES renumbers the cards; a card's UUID stays the same.
    card = torch.device(
        "cuda",
        _taken([str(torch.cuda.get_device_properties(place).uuid) for place in range(torch.cuda.device_count())]),
    )
    torch.cuda.set_device(card)
    return card


def device_name(device: torch.device) -> str:
    """Name a device for people: the model of a CUDA device, or the device's type."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def with_earlier(device: torch.device, earlier: str) -> str:
    """Say, for people, what a job ran on that began on ``earlier``, if that is not empty, and
    continued on ``device``.
    """
    now = device_name(device)
    if not earlier or earlier.split(", then ")[-1] == now:
        return earlier or now
    say(f"It began on {earlier} and goes on on {now}, whose numbers may differ in their last digits.")
    return f"{earlier}, then {now}"


def _taken(cards: Sequence[str]) -> int:
    """Take one of the cards, named by their UUIDs; return its place. Where no file can be locked it
    is the first.
    """
    try:
        return _least_held(cards, Path(tempfile.gettempdir()) / f"ptychoformer-cards-{os.getuid()}")
    except OSError as error:
        say(f"No card can be reserved ({error}); the first of {len(cards)} is used, whoever else works there.")
        return 0


def _least_held(cards: Sequence[str], folder: Path) -> int:
    """Hold the card that the fewest processes hold; return its place.

    A holder is a locked file ``{card}.*`` in ``folder``. Its lock ends with its process, however
    that ends.

    Raises:
        OSError: the folder cannot be written to, or knows no locks.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    with (folder / "gate").open("w") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)  # who counts also takes before anybody else counts
        holders = [sum(map(_is_held, folder.glob(f"{card}.*"))) for card in cards]
        place = holders.index(min(holders))
        # A bare descriptor, which nothing closes before the process ends.
        descriptor, _ = tempfile.mkstemp(prefix=f"{cards[place]}.", dir=folder)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    return place


def _is_held(file: Path) -> bool:
    """Say whether a living process holds a card by this file; remove that of a dead one."""
    with file.open() as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    file.unlink()
    return False
