"""Estimate how long the whole paper takes on machines of several sizes, and print it as Markdown.

    python workflow/scaling.py

Snakemake's plan of ``config/paper.yaml`` is scheduled on each machine by list scheduling: of the
jobs that are ready, the one with the longest path to the end starts first wherever it fits. What a
job takes was measured; each number below names where.
"""

import heapq
import math
import re
import subprocess  # of Snakemake, as a list of words, by no shell  # nosec B404
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from ptychoformer.configuration import CONFIG, FULL_SIZE, GPU, load
from ptychoformer.experiments import scanned_patterns
from ptychoformer.parsing import command_parser

PAPER = load((ROOT / CONFIG, ROOT / FULL_SIZE), ROOT)
EPOCHS, BATCH = PAPER["training"]["epochs"], PAPER["training"]["batch_size"]
FITTED = 1 - PAPER["training"]["validation_fraction"]
SEEDS = len(PAPER["seeds"])
ALL_PATTERNS = 3721  # of a scan of which jobs were timed

# Milliseconds a training step of one seed on an H100, ten side by side (docs/gpu.md). A network
# that was not measured counts as Ptychoformer, there and on a CPU.
STEPS = {"ptychoformer": 1.70, "dpi": 2.49, "ptychonn": 1.01, "ptynet": 0.90, "ptynet_large": 4.7}
# Seconds of Python and torch before the work begins, and of Slurm around a job (8 to 12 s, most of
# it waiting for the next look at it).
START, SUBMISSION = 2.5, 10.0
# CPU seconds of jobs at full size, their start included: benchmarks, the largest of two each.
SECONDS = {"dataset": 0.8, "reference": 0.6, "many_pattern_reference": 0.6, "score": 1.9, "object": 0.7, "probe": 0.6}
LOCAL = ("provided_file", "own_file", "all")  # no jobs of a cluster, and not counted
OTHERS = 5.0  # figures, tables, statistics, what looks into a network
RECONSTRUCTION = 12 / ALL_PATTERNS  # seconds a pattern, on a core
FORWARD = 1 / 3  # of a training step: predicting a pattern


@dataclass(frozen=True)
class Job:
    """What a job takes: seconds, cores and GPUs, and which jobs it waits for, by number."""

    rule: str
    seconds: float
    cores: int = 1
    gpus: int = 0
    after: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Machine:
    """How much runs at once: cores, GPUs, and jobs of a cluster (0 on one machine)."""

    name: str
    cores: int
    gpus: int = 0
    submissions: int = 0


@dataclass(frozen=True)
class Node:
    """A job of Snakemake's plan: its rule, its wildcards, and the jobs that it waits for."""

    rule: str
    wildcards: Mapping[str, str]
    after: frozenset[int]


MACHINES = (
    Machine("one CPU node, 16 cores", cores=16),
    Machine("one GPU, 16 cores", cores=16, gpus=1),
    Machine("eight GPUs, 64 cores", cores=64, gpus=8),
    Machine("a hundred CPU nodes by Slurm, `profiles/slurm-cpu`", cores=400, submissions=100),
)


def main() -> None:
    """Plan, schedule and print."""
    command_parser("python workflow/scaling.py", __doc__).parse_args()
    print("| | wall time | jobs | core hours | GPU hours |\n|---|---|---|---|---|")
    plans = {gpu: read_plan(FULL_SIZE, *gpu * [GPU]) for gpu in (False, True)}
    for machine in MACHINES:
        jobs = timed(plans[machine.gpus > 0], gpu=machine.gpus > 0)
        if machine.submissions:
            profile = yaml.safe_load((ROOT / "profiles/slurm-cpu/config.yaml").read_text())
            jobs = grouped(jobs, profile["groups"], profile["group-components"], profile["cores"])
        hours = scheduled(jobs, machine) / 3600
        core_hours = sum(job.seconds * job.cores for job in jobs.values()) / 3600
        gpu_hours = sum(job.seconds * job.gpus for job in jobs.values()) / 3600
        count = sum(job.rule not in LOCAL for job in jobs.values())
        print(f"| {machine.name} | {told(hours)} | {count:,} | {core_hours:,.0f} | {gpu_hours:.1f} |")


def told(hours: float) -> str:
    return f"{hours:.1f} h" if hours >= 2 else f"{hours * 60:.0f} min"


def read_plan(*configs: str) -> dict[int, Node]:
    """Read Snakemake's plan of everything, by the number of a job."""
    command = [sys.executable, "-m", "snakemake", "--dag", "dot", "--forceall", "--configfile", *configs]
    finished = subprocess.run(command, cwd=ROOT, text=True, check=True, stdout=subprocess.PIPE)  # nosec B603
    return parsed(finished.stdout)


def parsed(graph: str) -> dict[int, Node]:
    """Read the jobs of a graph as Snakemake prints it, in the language of Graphviz.

    A label lacks the wildcards that a job has in common with one that it waits for; they are added.
    """
    labels = {int(number): label for number, label in re.findall(r'^\s*(\d+)\[label = "(.*?)"', graph, re.MULTILINE)}
    after: dict[int, set[int]] = defaultdict(set)
    for first, second in re.findall(r"^\s*(\d+) -> (\d+)", graph, re.MULTILINE):
        after[int(second)].add(int(first))
    wildcards: dict[int, dict[str, str]] = {}
    for number in in_order(after, labels):
        _, *named = labels[number].split(r"\n")
        inherited = [wildcards[other] for other in sorted(after[number])]
        own = dict(name.split(": ", 1) for name in named)
        wildcards[number] = {key: value for part in inherited for key, value in part.items()} | own
    return {
        number: Node(label.split(r"\n")[0], wildcards[number], frozenset(after[number]))
        for number, label in labels.items()
    }


def in_order(after: Mapping[int, Iterable[int]], numbers: Iterable[int]) -> list[int]:
    """Sort jobs, those that a job waits for before it."""
    done: dict[int, None] = {}
    stack = [(number, False) for number in numbers]
    while stack:
        number, entered = stack.pop()
        if number in done:
            continue
        if entered:
            done[number] = None
            continue
        stack.append((number, True))
        stack += [(other, False) for other in after.get(number, ()) if other not in done]
    return list(done)


def timed(plan: Mapping[int, Node], gpu: bool) -> dict[int, Job]:
    """Estimate what the jobs of a plan take; downloads are not counted."""
    cpu = seconds_of_cpu(ROOT / "resources/reference/runs.csv")
    takes: dict[str, Callable[[Node], float]] = {
        "train": lambda node: START + training(node, cpu, gpu),
        "train_together": lambda node: START + SEEDS * training(node, cpu, gpu),
        "predict": lambda node: START + (0 if gpu else FORWARD * ALL_PATTERNS * pattern_on_cpu(node, cpu)),
        "simulated_reconstruction": lambda node: START + RECONSTRUCTION * patterns(node),
        **dict.fromkeys(LOCAL, lambda node: 0.0),
    }
    on_gpu = ("train", "train_together") if gpu else ()
    return {
        number: Job(
            node.rule,
            takes.get(node.rule, lambda node: SECONDS.get(node.rule, OTHERS))(node),
            gpus=int(node.rule in on_gpu),
            after=node.after,
        )
        for number, node in plan.items()
    }


def seconds_of_cpu(runs: Path) -> dict[str, float]:
    """Find the seconds that one pattern of one epoch takes on a core, by network: the lower
    quartile of the reference runs on a CPU, some of which shared their core.
    """
    table = pd.read_csv(runs)
    table = table[(table.device == "cpu") & table.seconds.notna()]
    each = table.seconds / (FITTED * table.n_train * table.epochs)
    return each.groupby(table.model).quantile(0.25).to_dict()


def training(node: Node, cpu: Mapping[str, float], gpu: bool) -> float:
    """Estimate the seconds that one seed's training takes."""
    model, fitted = node.wildcards["model"], FITTED * int(node.wildcards["n_train"])
    if gpu:
        return EPOCHS * math.ceil(fitted / BATCH) * STEPS.get(model, STEPS["ptychoformer"]) / 1000
    return EPOCHS * fitted * pattern_on_cpu(node, cpu)


def pattern_on_cpu(node: Node, cpu: Mapping[str, float]) -> float:
    return cpu.get(node.wildcards["model"], cpu["ptychoformer"])


def patterns(node: Node) -> int:
    return scanned_patterns(PAPER, node.wildcards["dataset"]) or ALL_PATTERNS


def grouped(jobs: Mapping[int, Job], groups: Mapping[str, str], sizes: Mapping[str, int], cores: int) -> dict[int, Job]:
    """Merge the jobs as a cluster gets them: those of a group, as many components at a time as the
    profile says, and all with the time of a submission.
    """
    leader = {number: number for number in jobs}
    for chunk in chunks(jobs, groups, sizes):
        leader |= dict.fromkeys(chunk, min(chunk))
    members: dict[int, list[int]] = defaultdict(list)
    for number, first in leader.items():
        members[first].append(number)
    merged = {}
    for first, inside in members.items():
        within = {number: replace(jobs[number], after=jobs[number].after & set(inside)) for number in inside}
        asked = min(cores, len(inside))
        waiting = 0.0 if jobs[first].rule in LOCAL else SUBMISSION
        seconds = scheduled(within, Machine("", cores=asked)) + waiting
        after = frozenset(leader[other] for number in inside for other in jobs[number].after) - {first}
        merged[first] = Job(jobs[first].rule, seconds, asked, after=after)
    return merged


def chunks(jobs: Mapping[int, Job], groups: Mapping[str, str], sizes: Mapping[str, int]) -> Iterable[list[int]]:
    """Yield the numbers of the jobs that are submitted together; jobs of a group that wait for each
    other are one component of it.
    """
    components: dict[str, dict[int, list[int]]] = defaultdict(dict)
    of: dict[int, list[int]] = {}
    for number in in_order({key: job.after for key, job in jobs.items()}, jobs):
        group = groups.get(jobs[number].rule)
        if group is None:
            continue
        component = [number]
        for other in jobs[number].after:
            if groups.get(jobs[other].rule) == group and of[other] is not component:
                joined = of[other]
                components[group].pop(id(joined))
                component += joined
                of |= dict.fromkeys(joined, component)
        of[number] = component
        components[group][id(component)] = component
    for group, found in components.items():
        parts, size = list(found.values()), sizes.get(group, 1)
        for start in range(0, len(parts), size):
            yield [number for part in parts[start : start + size] for number in part]


def scheduled(jobs: Mapping[int, Job], machine: Machine) -> float:
    """Count the seconds until the last job ends, when of the ready jobs that fit the one with the
    longest path to the end starts first.

    Raises:
        ValueError: a job needs more than the machine has.
    """
    urgency, followers = paths_to_the_end(jobs), followers_of(jobs)
    waits = {number: len(job.after) for number, job in jobs.items()}
    ready = [(-urgency[number], number) for number, count in waits.items() if not count]
    heapq.heapify(ready)
    free = [machine.cores, machine.gpus, machine.submissions or len(jobs)]
    running: list[tuple[float, int]] = []
    now = 0.0
    while ready or running:
        left = []
        while ready:
            entry = heapq.heappop(ready)
            needs = needs_of(jobs[entry[1]])
            if all(need <= there for need, there in zip(needs, free)):
                free = [there - need for need, there in zip(needs, free)]
                heapq.heappush(running, (now + jobs[entry[1]].seconds, entry[1]))
            else:
                left.append(entry)
        ready = left  # in order, so that it is a heap
        if not running:
            raise ValueError(f"{machine.name}: no room for {jobs[ready[0][1]].rule}.")
        now, ended = heapq.heappop(running)
        free = [there + need for need, there in zip(needs_of(jobs[ended]), free)]
        for number in followers[ended]:
            waits[number] -= 1
            if not waits[number]:
                heapq.heappush(ready, (-urgency[number], number))
    return now


def needs_of(job: Job) -> tuple[int, int, int]:
    return job.cores, job.gpus, 1


def followers_of(jobs: Mapping[int, Job]) -> dict[int, list[int]]:
    followers: dict[int, list[int]] = defaultdict(list)
    for number, job in jobs.items():
        for other in job.after:
            followers[other].append(number)
    return followers


def paths_to_the_end(jobs: Mapping[int, Job]) -> dict[int, float]:
    """Add up the seconds of the longest chain of jobs that begins with each job."""
    followers, longest = followers_of(jobs), {}
    for number in reversed(in_order({key: job.after for key, job in jobs.items()}, jobs)):
        longest[number] = jobs[number].seconds + max((longest[other] for other in followers[number]), default=0.0)
    return longest


if __name__ == "__main__":
    main()
