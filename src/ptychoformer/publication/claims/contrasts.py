"""From the numbers of an experiment to the contrasts that a claim makes, seed by seed.

Every contrast is a signed sum of metrics of the same seed, divided by another metric for a relative
effect:

- better less worse, for each pair of networks (or losses), turned so that positive is better: in
  MSE and other errors lower is better;
- the advantage at one condition less that at another (``smaller_drop``): (better_to - worse_to) -
  (better_from - worse_from);
- each step along an ordered list (``increasing``): of one network, or of its advantage over each
  rival;
- a number on its own, where nothing is compared (a band's share of the energy).

Names of experiments, datasets, networks and losses stand in single quotation marks, so that readers
of a verdict can tell them from its words.

Only seeds that have every number a claim names count, so that all contrasts of a claim are over the
same seeds.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise, product

import numpy as np

from ptychoformer.evaluation.quantities import channel_in_words
from ptychoformer.experiments import ALL
from ptychoformer.publication.claims.check import EACH, JUDGED, LARGEST, SMALLEST, Check
from ptychoformer.publication.claims.evidence import Numbers, Place
from ptychoformer.publication.claims.verdicts import Contrast


class Missing(Exception):
    """Runs that a claim needs are not there; the message says which."""


@dataclass(frozen=True)
class _Term:
    sign: int
    place: Place


@dataclass(frozen=True)
class _Question:
    """A contrast before its numbers are looked up; without ``reference`` it is a plain
    difference.
    """

    name: str
    terms: tuple[_Term, ...]
    reference: Place | None
    margin: float

    @property
    def places(self) -> list[Place]:
        return [term.place for term in self.terms] + ([self.reference] if self.reference else [])


def contrasts(test: Check, numbers: Numbers) -> list[Contrast]:
    """Look up what a claim compares, over all seeds that have everything it names.

    Raises:
        Missing: there is no such seed.
    """
    questions = list(_questions(test, numbers))
    places = _places(questions)
    seeds = sorted(numbers.whole(places))
    if not seeds:
        raise Missing(_what_is_missing(test, places, numbers))
    return [_look_up(question, numbers, seeds) for question in questions]


def runs_used(test: Check, numbers: Numbers) -> set[tuple]:
    """Find every run (the values of `columns.RUN`) whose numbers the contrasts use; none if there
    is no seed that has everything.

    Raises:
        Missing: there is no run to ask for.
    """
    places = _places(_questions(test, numbers))
    return {(*place.trained, seed) for place in places for seed in numbers.whole(places)}


def _places(questions: Iterable[_Question]) -> list[Place]:
    return list(dict.fromkeys(place for question in questions for place in question.places))


def _look_up(question: _Question, numbers: Numbers, seeds: list[int]) -> Contrast:
    parts = [term.sign * numbers.at(term.place, seeds) for term in question.terms]
    reference = numbers.at(question.reference, seeds) if question.reference else np.ones(len(seeds))
    unit = "fraction" if question.reference else JUDGED[question.terms[0].place.metric].effect_unit
    # An infinite PSNR makes a difference that is not a number; the contrast says so itself.
    with np.errstate(invalid="ignore"):
        return Contrast(question.name, unit, sum(parts), reference, float(np.abs(parts).max()), question.margin)


def _spots(test: Check) -> list[Place]:
    """List every dataset, region, channel and metric that a claim is about; model, loss and
    ``n_train`` are left open.
    """
    return [
        Place(dataset, test.test or dataset, "", "", 0, test.block, region, test.level, channel, metric)
        for dataset, region, channel, metric in product(test.dataset, test.region, test.channel, test.metric)
    ]


def _questions(test: Check, numbers: Numbers) -> Iterator[_Question]:
    for spot in _spots(test):
        dataset, region, channel, metric = spot.dataset, spot.region, spot.channel, spot.metric
        where = [
            *([quoted(dataset)] if len(test.dataset) > 1 else []),
            *([_score(spot)] if len(test.channel) * len(test.metric) > 1 else []),
            *([region] if len(test.region) > 1 else []),
        ]
        margin = test.margin.get(channel, {}).get(metric, np.nan)
        for pair, terms, reference in _compared(test, spot, numbers):
            yield _Question(", ".join([pair, *where]), tuple(terms), reference, margin)


def quoted(*names: str) -> str:
    """Write names as they stand in a verdict's words."""
    return ", ".join(f"'{name}'" for name in names)


def _score(spot: Place) -> str:
    return f"{channel_in_words(spot.channel)} {JUDGED[spot.metric].name}"


def _compared(test: Check, spot: Place, numbers: Numbers) -> Iterator[tuple[str, list[_Term], Place | None]]:
    """Yield name, terms and reference of every comparison at one spot (one dataset, region, channel
    and metric).
    """
    sign = 1 if JUDGED[spot.metric].higher_is_better else -1
    methods = [*test.better, *test.worse, *test.among]
    if test.drop:
        start, end = (_conditioned(test, spot, methods, part, numbers) for part in test.drop)
        yield from _between(test, start, end, sign)
    elif test.along:
        yield from _steps(test, spot, sign, numbers)
    else:
        for size in _sizes(test, spot, methods, numbers):
            here = spot._replace(n_train=size)
            suffix = f" at {size} patterns" if test.n_train == EACH else ""
            for name, better, worse in _pairs(test):
                terms = [_Term(sign, _method(test, here, better))] + (
                    [_Term(-sign, _method(test, here, worse))] if worse else []
                )
                base = {"relative_to_better": better, "relative_to_worse": worse}.get(test.effect)
                yield name + suffix, terms, _method(test, here, base) if base else None


def _pairs(test: Check) -> Iterator[tuple[str, str, str]]:
    """Yield name, better and worse (empty if there is none) of every pair."""
    if test.among:
        yield from ((f"{quoted(a)} less {quoted(b)}", a, b) for a, b in combinations(test.among, 2))
    elif not test.worse:
        yield from ((quoted(better), better, "") for better in test.better)
    else:
        several = len(test.better) > 1
        yield from (
            (f"{quoted(better)} over {quoted(worse)}" if several else quoted(worse), better, worse)
            for better, worse in product(test.better, test.worse)
        )


def _method(test: Check, spot: Place, name: str) -> Place:
    return (
        spot._replace(model=name, loss=test.held)
        if test.compare == "model"
        else spot._replace(model=test.held, loss=name)
    )


def _steps(test: Check, spot: Place, sign: int, numbers: Numbers) -> Iterator[tuple[str, list[_Term], None]]:
    ((key, order),) = test.along.items()
    if key == test.compare:  # along an ordered list of losses or of models
        present = _present(test, spot, numbers)
        if len(present) < 2:
            raise Missing(f"{_the(test)} has fewer than two of {quoted(*order)} on {quoted(spot.dataset)}")
        here = spot._replace(n_train=_one_size(test, spot, present, numbers))
        for start, end in pairwise(present):
            yield (
                f"{quoted(start)} to {quoted(end)}",
                [_Term(sign, _method(test, here, end)), _Term(-sign, _method(test, here, start))],
                None,
            )
        return
    methods = [*test.better, *test.worse]
    if key == "n_train":
        sizes = _sizes(test, spot, methods, numbers)
        stops = [
            (f"{size} patterns", spot._replace(n_train=size))
            for size in (sizes if order == "rising" else reversed(sizes))
        ]
    else:
        stops = [(quoted(name), _conditioned(test, spot, methods, {"dataset": name}, numbers)) for name in order]
    for (start_name, start), (end_name, end) in pairwise(stops):
        for name, terms, reference in _between(test, start, end, sign):
            yield f"{name}, {start_name} to {end_name}", terms, reference


def _between(test: Check, start: Place, end: Place, sign: int) -> Iterator[tuple[str, list[_Term], None]]:
    """Yield how much more there is at the end than at the start: of the lead over each rival, or of
    one network if it has none.
    """
    for name, better, worse in _pairs(test):
        terms = [_Term(sign, _method(test, end, better)), _Term(-sign, _method(test, start, better))]
        if worse:
            terms += [_Term(-sign, _method(test, end, worse)), _Term(sign, _method(test, start, worse))]
        yield name, terms, None


def _present(test: Check, spot: Place, numbers: Numbers) -> list[str]:
    """Name those of an ordered list of losses or models that were run, in its order."""
    return [name for name in test.along[test.compare] if numbers.sizes([_method(test, spot, name)])]


def left_out(test: Check, numbers: Numbers) -> list[str]:
    """Name the entries of the ordered list of ``increasing`` that were not run: a rise without them
    is not all that was claimed.
    """
    if test.compare not in test.along:
        return []
    present = [set(_present(test, spot, numbers)) for spot in _spots(test)]
    return [name for name in test.along[test.compare] if not all(name in names for names in present)]


def sizes_left_out(test: Check, numbers: Numbers, asked: Mapping[str, Sequence[int | str]]) -> list[str]:
    """Name the training sets that a claim is about, every one or those that it compares, and that
    were asked for but not run.

    Args:
        asked: dataset to its numbers of training patterns, ascending; ``all`` is above the others.
    """
    methods = [*test.better, *test.worse, *test.among]
    found: dict[str, None] = {}
    for spot in _spots(test):
        sizes = asked.get(spot.dataset, ())
        if wanted := _sizes_wanted(test, sizes):
            run = _every_size(test, spot, methods, numbers)
            above = max((size for size in sizes if isinstance(size, int)), default=0)
            lacking = [size for size in wanted if (run[-1] <= above if size == ALL else size not in run)]
            found |= {f"{size} patterns" if size == ALL else f"{size:,} patterns": None for size in lacking}
    return list(found)


def _sizes_wanted(test: Check, sizes: Sequence[int | str]) -> Sequence[int | str]:
    if _is_on_every_size(test):
        return sizes
    ends = {part.get("n_train") for part in test.drop}
    return [*(sizes[:1] if SMALLEST in ends else ()), *(sizes[-1:] if LARGEST in ends else ())]


def _conditioned(test: Check, spot: Place, methods: list[str], part: Mapping[str, str], numbers: Numbers) -> Place:
    """Move the spot to one of the conditions between which a claim compares: a dataset, or the
    largest or smallest training set.
    """
    if dataset := part.get("dataset"):
        spot = spot._replace(dataset=dataset, test=test.test or dataset)
        return spot._replace(n_train=_one_size(test, spot, methods, numbers))
    sizes = _every_size(test, spot, methods, numbers)
    return spot._replace(n_train=sizes[-1] if part["n_train"] == LARGEST else sizes[0])


def _sizes(test: Check, spot: Place, methods: list[str], numbers: Numbers) -> list[int]:
    if _is_on_every_size(test):
        return _every_size(test, spot, methods, numbers)
    return [_one_size(test, spot, methods, numbers)]


def _is_on_every_size(test: Check) -> bool:
    return test.n_train == EACH or "n_train" in test.along


def _every_size(test: Check, spot: Place, methods: list[str], numbers: Numbers) -> list[int]:
    """Find the training sets with a whole seed, or all where fewer than two have one."""
    whole, sizes = _run_sizes(test, spot, methods, numbers)
    sizes = whole if len(whole) > 1 else sizes
    if len(sizes) < 2:
        found = f"only training sets of {sizes[0]} patterns" if sizes else "no runs"
        raise Missing(
            f"{found} of {quoted(*methods)} on {quoted(spot.dataset)} in {_the(test)}; at least two sizes are needed"
        )
    return sizes


def _one_size(test: Check, spot: Place, methods: list[str], numbers: Numbers) -> int:
    """Find the largest training set with a whole seed, or the largest of all; 0 without any."""
    whole, sizes = _run_sizes(test, spot, methods, numbers)
    return max(whole or sizes or [0])


def _run_sizes(test: Check, spot: Place, methods: list[str], numbers: Numbers) -> tuple[list[int], list[int]]:
    """Find the training sets with a whole seed, and all with a number, ascending."""
    places = [_method(test, spot, name) for name in methods]
    sizes = numbers.sizes(places)
    return [size for size in sizes if numbers.whole(place._replace(n_train=size) for place in places)], sizes


def _the(test: Check) -> str:
    return f"the experiment {quoted(test.experiment)}"


def _what_is_missing(test: Check, places: list[Place], numbers: Numbers) -> str:
    absent = [place for place in places if not numbers.seeds(place)]
    if not absent:
        return f"no seed of {_the(test)} has every run that the claim names"
    not_run = [place for place in absent if not numbers.has_run(place)]
    if not_run:
        by_dataset: dict[str, dict[str, None]] = {}
        for place in not_run:
            on = quoted(place.dataset) + (f" with {place.n_train} patterns" if place.n_train else "")
            on += f", tested on {quoted(place.test)}" if place.test != place.dataset else ""
            by_dataset.setdefault(on, {})[place.model if test.compare == "model" else place.loss] = None
        return f"no runs in {_the(test)} of " + "; ".join(
            f"{quoted(*names)} on {on}" for on, names in by_dataset.items()
        )
    place = absent[0]
    where = f"{quoted(place.block)}, {place.region}, {place.level}"
    return f"{_the(test)} has no {_score(place)} of {quoted(place.model)} on {quoted(place.test)} ({where})"
