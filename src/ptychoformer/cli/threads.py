"""How many threads a command computes with: as many as there are cores that nobody else uses.

Threads of one step wait for each other, so that a step lasts until the slowest has its turn. On two
cores that ten other processes wanted, two threads reconstructed more than fifteen times slower than
one.
"""

import math
import os
import time
from argparse import Namespace
from pathlib import Path

from ptychoformer.progress import say

TIMES, QUOTA = Path("/proc/stat"), Path("/sys/fs/cgroup/cpu.max")  # of Linux, and of a container
SECONDS = 0.3  # that are watched
SLACK = 0.1  # of a core, which whatever runs in the background may take


def threads_of(options: Namespace) -> int:
    """Choose as many threads as the command line says, or as cores are free."""
    if options.threads:
        return options.threads
    free, own = free_cores(), cores()
    if free < own:
        say(f"{free} of {own} cores {'is' if free == 1 else 'are'} free: as many threads (--threads).")
    return free


def cores() -> int:
    """Count the cores that this process may use."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = QUOTA.read_text(encoding="ascii").split()
        return max(1, min(allowed, int(quota) // int(period)))
    except (OSError, ValueError):  # there is no container, or one without a limit ("max")
        return allowed


def free_cores() -> int:
    """Count the cores of this process that nobody else uses while it is watching, at least one.

    Where the system does not tell how long each core was idle, these are as many as the load
    average of the last minute leaves.
    """
    before = _idle_ticks()
    if not before:
        busy = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
        return max(1, min(cores(), round((os.cpu_count() or 1) - busy)))
    time.sleep(SECONDS)
    after = _idle_ticks()
    idle = sum(after[core] - earlier for core, earlier in before.items()) / (SECONDS * os.sysconf("SC_CLK_TCK"))
    return max(1, min(cores(), math.floor(idle + SLACK)))


def _idle_ticks() -> dict[int, int]:
    """Read for how many ticks each core that this process may use was idle since the machine
    started; empty where that is not told.
    """
    try:
        lines = TIMES.read_text(encoding="ascii").splitlines()
        words = [line.split() for line in lines if line.startswith("cpu") and line[3].isdigit()]
        idle = {int(word[0][3:]): int(word[4]) + int(word[5]) for word in words}
        return {core: idle[core] for core in os.sched_getaffinity(0)}
    except (OSError, AttributeError, ValueError, IndexError, KeyError):
        return {}
