"""Who holds a folder of work: a file for each process, which says on which system it runs and is
locked as long as it does.

A lock is the kernel's own, and ends with the process however it ends, so it tells a dead process
from a live one in any container of one machine, where process numbers do not. Nothing is told of
processes of another machine.
"""

import json
import os
import platform
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ptychoformer.files import try_lock

WORKFLOWS = Path(".snakemake/lock-owners")  # where running workflows leave their names
BOOT = Path("/proc/sys/kernel/random/boot_id")
MACHINE = Path("/etc/machine-id")
PROCESSES = "/proc/self/ns/pid"
WHOLE_MACHINE = "pid:[4026531836]"  # what Linux calls the processes that are in no container


def own_system() -> dict[str, str]:
    """Read the names of the running system: of the machine, of the time since it started, and of
    its set of processes; empty where they are not told.
    """
    return {
        "host": platform.node(),
        "machine": _line(MACHINE),
        "boot": _line(BOOT),
        "processes": os.readlink(PROCESSES) if os.path.lexists(PROCESSES) else "",
    }


def _line(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


@contextmanager
def turn(folder: Path) -> Iterator[None]:
    """Wait until no other process is here with ``folder``, so that of two who take the place of a
    dead owner the second one sees the first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        while try_lock(descriptor) is False:
            time.sleep(0.02)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def held(folder: Path) -> Iterator[Path]:
    """Leave the name of this process in ``folder`` while it works there; yield its file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{uuid.uuid4().hex}.json"
    unnamed = path.with_suffix(".unnamed")
    with open(unnamed, "w", encoding="utf-8") as file:
        try_lock(file.fileno())
        json.dump(own_system(), file)
        file.flush()
        unnamed.replace(path)  # so that no name is seen that is not whole and locked
        yield path
        path.unlink(missing_ok=True)


def is_dead(path: Path) -> bool:
    """Say whether the process that left ``path`` is known to have ended; if in doubt, it is not."""
    try:
        with open(path, "r+b") as file:  # NFS locks for itself alone only what may be written to
            owner, free = json.load(file), try_lock(file.fileno())
    except (OSError, ValueError):
        return False
    if not isinstance(owner, dict) or free is not True:
        return False
    here = own_system()
    if here["boot"] and owner.get("boot") == here["boot"]:
        return True
    # The machine was started anew since; a container of the same name may be on another machine.
    same = all(here[name] and owner.get(name) == here[name] for name in ("host", "machine", "processes"))
    return same and here["processes"] == WHOLE_MACHINE
