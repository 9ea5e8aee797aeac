"""How much memory there is, asked before much of it is taken, and how often Python looks for
garbage in it.
"""

import atexit
import gc
import os
import resource
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib.abc import MetaPathFinder
from pathlib import Path

from ptychoformer.errors import InputError

CGROUP = Path("/sys/fs/cgroup/memory.max")  # of a container, or a cluster's job
GIGABYTE = 1e9
MOST = 0.9  # of all memory is what is advised to be used
# No measured data shrink this much, but nothing declared does: a file that claims more is refused
# before memory or disk are used.
MOST_EXPANSION = 1000
# Bytes of address space that PyTorch for CPUs and the libraries beside it take on one thread. With
# less they end the process, from 0.51 to 0.77 GB, or fail in ways of their own.
TORCH = 8e8


def memory() -> float:
    """Return the bytes that this process may have: the machine's, or its container's limit."""
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), resource.getrlimit(resource.RLIMIT_AS)[0]]
    with suppress(OSError, ValueError):  # there is none, or it says "max"
        limits.append(int(CGROUP.read_text(encoding="utf-8")))
    return float(min(limit for limit in limits if limit > 0))


def check_memory(what: str, needed: float, advice: Callable[[float], str]) -> None:
    """Check that ``what``, which takes ``needed`` bytes, can be held.

    Args:
        advice: what to do, in words, if but a part of ``needed``, less than 1, can be had.

    Raises:
        InputError: it cannot.
    """
    if needed > (there := memory()):
        words = advice(MOST * there / needed)
        raise InputError(
            f"{what} takes {needed / GIGABYTE:.3g} GB of memory, and there are {there / GIGABYTE:.3g} GB; {words}."
        )


def check_room(where: str, needed: float) -> None:
    """Check that what a file says it holds, ``needed`` bytes, can be held.

    Raises:
        InputError: it cannot.
    """
    check_memory(f"{where}: what it says that it holds", needed, lambda _: "use a machine with more, or a smaller file")


def collect_seldom() -> None:
    """Have Python look for garbage after thousands of objects, not hundreds, and not when it ends.

    Among all that torch imports, that takes a quarter of the time for which a program does nothing
    but start and end.
    """
    gc.set_threshold(10_000)
    atexit.register(gc.freeze)


class _RoomForTorch(MetaPathFinder):
    """Looks for room when PyTorch is first imported, and finds no module."""

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if fullname == "torch" and 0 <= limit < TORCH:
            raise InputError(
                f"PyTorch needs {TORCH / GIGABYTE:g} GB of address space at least, and this process may take"
                f" {limit / GIGABYTE:.2g} GB; raise that limit (ulimit -v)."
            )


def look_before_torch() -> None:
    """Have the import of PyTorch raise an `InputError` where the process may not take the address
    space that it needs: it would end the process without a word.
    """
    if not any(isinstance(finder, _RoomForTorch) for finder in sys.meta_path):
        sys.meta_path.insert(0, _RoomForTorch())
