"""The first screen of the report: what was run, what that can and cannot show, and how Table I
came out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ptychoformer.evaluation.intervals import half_width
from ptychoformer.publication.names import counted, object_name
from ptychoformer.publication.report.headline import AHEAD, BEHIND, Headline
from ptychoformer.publication.report.runs import Trained
from ptychoformer.publication.store.holdings import SEEDS_FIXED


@dataclass(frozen=True)
class Opening:
    """The first screen in words.

    Args:
        facts: what was run, name and text of each.
        can, cannot: what runs of this scale can show, and cannot.
        standing: how the network of the paper stands in Table I; empty if it has no rival.
        floor: how far above the floor that is; empty where there is none.
    """

    facts: tuple[tuple[str, str], ...]
    can: str
    cannot: str
    standing: str
    floor: str


def opening(
    scale_note: str, scale: Mapping[str, Any], trained: Sequence[Trained], headlines: Sequence[Headline], name: str
) -> Opening:
    """Say what was run and how it came out.

    Args:
        scale_note: size of Table I's trainings, a sentence.
        scale: subtree of the config that Table I depends on.
        trained: every trained network with its provenance.
        headlines: of Table I.
        name: of the network of the paper.
    """
    seeds = sorted({run.seed for run, _ in trained})
    facts = [("Scale", scale_note), ("Object", _objects(scale)), ("Seeds", _seeds(seeds)), ("Machine", _cost(trained))]
    return Opening(
        tuple((heading, text) for heading, text in facts if text),
        _can(len(seeds)),
        _cannot(len(seeds)),
        _standing(headlines, name),
        _above_the_floor(headlines, name),
    )


def _objects(scale: Mapping[str, Any]) -> str:
    """Say what the scans of Table I are of."""
    found = "; ".join(object_name(entry) + _shape(entry) for entry in scale.get("objects", {}).values())
    return found[:1].upper() + found[1:]


def _shape(entry: Mapping[str, Any]) -> str:
    return f", {' × '.join(map(str, entry['shape']))} pixels" if entry.get("shape") else ""


def _seeds(seeds: Sequence[int]) -> str:
    fixed = "" if len(seeds) >= SEEDS_FIXED else f", where the paper repeats {SEEDS_FIXED} times"
    return f"{len(seeds)} ({', '.join(map(str, seeds))}){fixed}" if seeds else ""


def _cost(trained: Sequence[Trained]) -> str:
    """Say how many networks were trained, and for how long on what."""
    seconds: dict[str, float] = {}
    for _, fact in trained:
        where = ", ".join(str(fact[name]).replace("cpu", "CPU") for name in ("device", "machine") if name in fact)
        seconds[where] = seconds.get(where, 0) + float(fact.get("training_seconds", 0))
    spent = "; ".join(_spent(seconds[where]) + (f" on {where}" if where else "") for where in sorted(seconds))
    return f"{len(trained):,} trainings in all experiments, {spent}" if trained else ""


def _spent(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours:.1f} hours" if hours >= 1 else counted(max(1, round(60 * hours)), "minute")


def _can(seeds: int) -> str:
    if seeds < 2:
        return "One seed shows that everything runs, and what scenes look like."
    return (
        f"Differences between two networks, as they are observed, of more than {half_width(1, seeds):.1f} times their"
        f" scatter from seed to seed: half the width of a 95 % interval over {seeds} seeds. A true difference of that"
        " size is found in half of all such experiments, and tests that are corrected for several pairs ask for more."
    )


def _cannot(seeds: int) -> str:
    few = "Which of two networks is better at all; what" if seeds < 2 else "What"
    return (
        f"{few} another object, another part of this one or another size of training would give. Seeds repeat the"
        " training, not the sample."
    )


def _standing(headlines: Sequence[Headline], name: str) -> str:
    if not headlines:
        return ""
    ahead, behind = (sum(line.standing == way for line in headlines) for way in (AHEAD, BEHIND))
    printed = [line for line in headlines if line.published_ahead is not None]
    won = sum(bool(line.published_ahead) for line in printed)
    paper = f"; of the {len(printed)} of these that the paper prints it has {name} ahead in {won}" if printed else ""
    return (
        f"Of Table I’s {len(headlines)} scores in PSNR and SSIM {name} leads the best other network of the paper in"
        f" {ahead} and trails it in {behind}, by 95 % intervals, each of one pair alone, that leave zero out; in"
        f" {len(headlines) - ahead - behind} they cannot be told apart{paper}."
    )


def _above_the_floor(headlines: Sequence[Headline], name: str) -> str:
    scored = [line for line in headlines if line.floor]
    if not scored:
        return ""
    first, above = scored[0], sum(line.above_floor for line in scored)
    return (
        f"{name} is above the floor, which predicts the mean of the training labels everywhere, in {above} of"
        f" {len(scored)} scores; {first.condition.lower()}, {first.column[:1].lower()}{first.column[1:]}: {first.ours},"
        f" floor {first.floor}, best other network of the paper {first.rival} ({first.rival_name})."
    )
