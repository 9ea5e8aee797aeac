"""Where the time of a run of the workflow went: by room, and how much of it was spent on starting programs and on waiting.

Snakemake leaves a ``*.benchmark.tsv`` for every job, with its seconds. The sidecar of provenance beside a job's output says when and how
long the job's own program ran, and how much of that it was importing libraries.
"""

import json
import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pandas as pd

from ptychoformer.errors import InputError
from ptychoformer.evaluation import REFERENCES

ROOMS = ("simulation", "training", "evaluation", "publication")
# A longer time without any job was no waiting of the scheduler: the user had stopped the workflow.
LONGEST_PAUSE = 60.0
# When a job's own program ends is known, but not how long its process took to go: it seems to run for a moment beside its successor.
PASSING = 0.1


@dataclass(frozen=True)
class Job:
    """One finished job.

    Args:
        room: where its results lie.
        start, end: seconds since the epoch.
        startup: seconds until its own work began: the interpreter and its imports.
        memory: greatest resident set, MB.
    """

    room: str
    start: float
    end: float
    startup: float
    memory: float

    @property
    def seconds(self) -> float:
        """From start to end."""
        return self.end - self.start


@dataclass(frozen=True)
class Timing:
    """Sums over jobs.

    Args:
        rooms: one row a room: jobs, seconds, startup (seconds), memory (MB, the greatest).
        elapsed: seconds in which the workflow ran.
        at_once: greatest number of jobs side by side, for more than a passing moment.
        startup: part of ``elapsed * at_once`` that went into starting programs.
        idle: part of it in which nothing ran: scheduling, and waiting for the last jobs of a stage.
    """

    rooms: pd.DataFrame
    elapsed: float
    at_once: int
    startup: float
    idle: float


def read_jobs(results: str | os.PathLike, runs: Collection[str]) -> list[Job]:
    """Every job of a results folder that left a benchmark and, beside it, the provenance of its output.

    Args:
        results: with the rooms in it.
        runs: ``dataset/model/loss/n<patterns>/seed<seed>`` of the networks that are trained now; what is left of others is not counted.

    Raises:
        InputError: a benchmark cannot be read.
    """
    folder = Path(results)
    files = (path for room in ROOMS for path in sorted((folder / room).rglob("*.benchmark.tsv")))
    jobs = []
    for path in files:
        room, *folders, _ = path.relative_to(folder).parts
        if _is_current(folders, runs) and (job := _job(path, room)):
            jobs.append(job)
    return jobs


def _is_current(folders: list[str], runs: Collection[str]) -> bool:
    if len(folders) < 5 or folders[1] in REFERENCES:  # no run's, or that of a floor or ceiling
        return True
    return "/".join(folders[:5]) in runs


def _job(benchmark: Path, room: str) -> Job | None:
    try:
        row = pd.read_csv(benchmark, sep="\t", na_values="-").iloc[-1]
        seconds, memory = float(row["s"]), float(row["max_rss"])
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise InputError(f"{benchmark} cannot be read as a benchmark of Snakemake; delete it.") from error
    name = benchmark.name.removesuffix(".benchmark.tsv")
    # A job of all seeds leaves its outputs in their folders; a rule made from another has that one's name in its own.
    for sidecar in [*sorted(benchmark.parent.glob("*.provenance.json")), *sorted(benchmark.parent.glob("seed*/*.provenance.json"))]:
        facts = json.loads(sidecar.read_text(encoding="utf-8"))
        if (name in facts["rule"] or name == Path(facts["artefact"]).stem) and "started" in facts:
            end = facts["started"] + facts["seconds"]
            startup = min(max(seconds - facts["seconds"] + facts["import_seconds"], 0.0), seconds)
            return Job(room, end - seconds, end, startup, memory)
    return None


def summarise(jobs: Iterable[Job]) -> Timing:
    """Time by room and the shares that were not work.

    Raises:
        InputError: there is no job.
    """
    jobs = sorted(jobs, key=lambda job: job.start)
    if not jobs:
        raise InputError("There are no benchmarks to sum up.")
    table = pd.DataFrame({
        "room": [job.room for job in jobs],
        "seconds": [job.seconds for job in jobs],
        "startup": [job.startup for job in jobs],
        "memory": [job.memory for job in jobs],
    })  # fmt: skip
    rooms = table.groupby("room").agg(
        jobs=("seconds", "size"), seconds=("seconds", "sum"), startup=("startup", "sum"), memory=("memory", "max")
    )
    elapsed, at_once = _elapsed(jobs), _at_once(jobs)
    available = elapsed * at_once
    # Jobs that overlap in passing keep no further core busy.
    busy = sum(min(level, at_once) * seconds for level, seconds in _lasted(jobs).items())
    return Timing(
        rooms.reindex([room for room in ROOMS if room in rooms.index]),
        elapsed,
        at_once,
        rooms["startup"].sum() / available,
        1 - busy / available,
    )


def _elapsed(jobs: list[Job]) -> float:
    """Seconds between the first start and the last end, without pauses of the workflow."""
    total, reached = 0.0, jobs[0].start
    for job in jobs:
        gap = job.start - reached
        if gap > LONGEST_PAUSE:
            reached = job.start
        if job.end > reached:
            total, reached = total + job.end - reached, job.end
    return total


def _lasted(jobs: list[Job]) -> dict[int, float]:
    """Seconds during which no job, one job, two jobs, ... were running."""
    # At equal times ends count first: a job that starts when another ends does not run beside it.
    events = sorted([(job.start, 1) for job in jobs] + [(job.end, -1) for job in jobs])
    lasted: dict[int, float] = {}
    running = 0
    for (time, change), (following, _) in pairwise(events):
        running += change
        lasted[running] = lasted.get(running, 0.0) + following - time
    return lasted


def _at_once(jobs: list[Job]) -> int:
    lasted = _lasted(jobs)
    busy = sum(seconds for level, seconds in lasted.items() if level)
    for level in sorted(lasted, reverse=True):
        reached = sum(seconds for other, seconds in lasted.items() if other >= level)
        if reached >= PASSING * busy:
            return level
    return 1
