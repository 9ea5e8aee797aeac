"""What the reference runs suffice for: a config cut down to the experiments, conditions, networks
and seeds that a store holds whole.

Tables, tests and figures compare networks (or losses) seed by seed, so that of every experiment the
largest complete part is shown: the networks, and the datasets and training sets with all of them,
that make most runs, each over the seeds that all of its networks have. What is left out is told.
A verdict on a claim needs no more than the runs that the claim names, and takes all of them.
Needs nothing but Python, so that the workflow can use it while it parses.
"""

import csv
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import chain, combinations, product
from pathlib import Path
from typing import Any

from ptychoformer.errors import InputError
from ptychoformer.evaluation import NEEDED_REFERENCES
from ptychoformer.experiments import Run, epochs_of, headline_of, models_of, sizes_of

# How many seeds there are to be, fixed before the first run as the paper's "ten independent
# experiments"; on fewer a result is interim.
SEEDS_FIXED = 10
INDEX, VIEWS = "runs.csv", "views.h5"  # of a store
# A store within the store: runs that were trained again, since what is measured of their scenes was
# not kept. Their scores take no part, so that what is compared stays as it was trained.
RETRAINED = "retrained"
MEASURED_PARTS = ("bands", "spectra")  # of scenes, which alone are taken from there
# What is looked at here.
_COLUMNS = (
    *("dataset", "test", "model", "loss", "n_train", "seed"),
    *("blocks", "parts", "epochs", "batch_size", "parameters", "device"),
)
_CURVES = ("sizes", "overlaps")  # experiments that Figure 8 draws against what their cells differ in
_MEASURED = "measured"  # the experiment whose data are no part of a store

Method = tuple[str, str]  # network and loss
Cell = tuple[str, int]  # dataset and number of training patterns
_Key = tuple[str, str, str, str, int]  # dataset, test, network, loss and number of training patterns


@dataclass(frozen=True)
class Part:
    """What is whole of an experiment.

    Args:
        methods: networks with their losses, in the order of the config.
        seeds: cell to the seeds that all of them have, ascending; cells without such a seed are
            left out.
        absent_methods: networks or losses that the config asks for besides, in words.
        absent_places: conditions and sizes of the training set likewise.
        devices: each device to what was trained on it, in words; empty where all that is compared
            was trained on one.
    """

    methods: tuple[Method, ...]
    seeds: Mapping[Cell, tuple[int, ...]]
    absent_methods: tuple[str, ...]
    absent_places: tuple[str, ...]
    devices: Mapping[str, tuple[str, ...]]

    @property
    def absent(self) -> tuple[str, ...]:
        """What the config asks for besides."""
        return self.absent_methods + self.absent_places

    @property
    def interim(self) -> bool:
        """Whether a cell has fewer seeds than were fixed beforehand."""
        return min(map(len, self.seeds.values())) < SEEDS_FIXED


def name_of_part(part: str, *place: str) -> str:
    """Name a part of what is kept of a run as the list of runs does.

    Args:
        place: block and level of the scenes that it is of, if it is of scenes.
    """
    return ":".join((part, *place))


class Holdings:
    """The runs of a store that were trained on the datasets of a config, for its epochs, in its
    batches; other keys are not compared.

    Args:
        folder: of the store.
        config: complete.

    Attributes:
        parts: experiment to what is whole of it; those of which nothing is are absent.
        runs: the same experiments to all their runs that are held, whole or not.

    Raises:
        InputError: there is no store, or its list of runs is damaged.
    """

    def __init__(self, folder: str | os.PathLike, config: Mapping[str, Any]):
        self._runs: dict[_Key, dict[int, set[str]]] = {}
        self._devices: dict[_Key, dict[int, str]] = {}
        self._retrained: dict[_Key, dict[int, str]] = {}
        headline = headline_of(config, "table1")
        place = headline["block"], headline["level"]
        for row in _rows(Path(folder, INDEX)):
            if _trained_as_asked(row, config):
                self._runs.setdefault(_key(row), {})[int(row["seed"])] = _kept(row, place)
                self._devices.setdefault(_key(row), {})[int(row["seed"])] = row["device"]
        if (again := Path(folder, RETRAINED, INDEX)).is_file():
            for row in _rows(again):
                held = self._runs.get(_key(row), {}).get(int(row["seed"]))
                if held is None or not _trained_as_asked(row, config):
                    continue
                if lacked := _kept(row, place).intersection(MEASURED_PARTS) - held:
                    held |= lacked
                    self._retrained.setdefault(_key(row), {})[int(row["seed"])] = row["device"]
        parts = {name: _part(name, config, self) for name in config["experiments"] if name != _MEASURED}
        self.parts = {name: part for name, part in parts.items() if part}
        self.runs = {name: _runs(name, config, self) for name in self.parts}

    def seeds(self, dataset: str, test: str | None, method: Method, size: int, having: str) -> set[int]:
        """Find the seeds of a run that have scores on a block, or a part of what is kept of the
        headline's scenes.
        """
        found = self._runs.get((dataset, test or dataset, *method, size), {})
        return {seed for seed, kept in found.items() if having in kept}

    def has(self, run: Run, part: str) -> bool:
        """Say whether a run has scores on a block, or a part of what is kept of the headline's
        scenes.
        """
        return part in self._runs.get(_key(run), {}).get(run["seed"], ())

    def device(self, dataset: str, test: str | None, method: Method, size: int, seed: int) -> str:
        """Find the device on which a run was trained."""
        return self._devices[dataset, test or dataset, *method, size][seed]

    def retrained_on(self, run: Run) -> str | None:
        """Find the device on which a run was trained again, since the store lacked what is measured
        of its scenes; None if it was not.
        """
        return self._retrained.get(_key(run), {}).get(run["seed"])

    def narrowed(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Cut the config down to what is whole; experiments of which nothing is are left alone."""
        config = deepcopy(dict(config))
        for name, part in self.parts.items():
            entry = config["experiments"][name]
            datasets, losses = {dataset for dataset, _ in part.seeds}, {loss for _, loss in part.methods}
            entry["datasets"] = [dataset for dataset in entry["datasets"] if dataset in datasets]
            entry["losses"] = [loss for loss in entry["losses"] if loss in losses]
            if len(entry["n_train"]) > 1:
                entry["n_train"] = sorted({size for _, size in part.seeds})
        for name, model in config["models"].items():
            asked = config["experiments"] if model["experiments"] is None else model["experiments"]
            model["experiments"] = [
                experiment
                for experiment in asked
                if experiment not in self.parts or name in {network for network, _ in self.parts[experiment].methods}
            ]
        return config


def _rows(index: Path) -> list[dict[str, str]]:
    """Read the rows of a store's list of runs, whose numbers are digits.

    Raises:
        InputError: it is missing or damaged; the sentence begins with the key of the config.
    """
    try:
        with index.open(newline="", encoding="utf-8") as file:
            table = csv.DictReader(file, strict=True)
            rows, columns = list(table), table.fieldnames or ()
    except OSError as error:
        raise InputError(f"harvested: {index.parent} holds no reference runs ({error.strerror}: {INDEX}).") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"harvested: {index} cannot be read as a table ({error}).") from error
    if missing := [name for name in _COLUMNS if name not in columns]:
        raise InputError(f"harvested: {index} has no column {missing[0]}; harvest it anew.")
    for line, row in enumerate(rows, 2):
        # The reader puts None where a row is shorter or longer than the head.
        is_whole = None not in row and None not in row.values()
        if not (is_whole and row["n_train"].isdecimal() and row["seed"].isdecimal()):
            raise InputError(f"harvested: line {line} of {index} is no run; harvest it anew.")
    return rows


def _key(row: Mapping[str, Any]) -> _Key:
    return row["dataset"], row["test"], row["model"], row["loss"], int(row["n_train"])


def _trained_as_asked(row: Mapping[str, str], config: Mapping[str, Any]) -> bool:
    """Say whether a run was trained for the epochs and in the batches that the config asks for;
    references were not trained.
    """
    if row["dataset"] not in config["datasets"]:
        return False
    if not row["epochs"]:
        return True
    return (row["epochs"], row["batch_size"]) == (
        str(epochs_of(config, row["dataset"])),
        str(config["training"]["batch_size"]),
    )


def _kept(row: Mapping[str, str], place: tuple[str, str]) -> set[str]:
    """Name the blocks of a run's scores, and what is kept of its scenes of one block and level."""
    parts = [part.split(":") for part in row["parts"].split()]
    return {*row["blocks"].split(), *(name for name, *own in parts if tuple(own) == place)}


def _part(experiment: str, config: Mapping[str, Any], holdings: Holdings) -> Part | None:
    """Find the largest complete part of an experiment, or None if it has none in which there is
    something to compare.
    """
    entry, block = config["experiments"][experiment], headline_of(config, experiment)["block"]
    methods, cells = _asked(experiment, config)
    held = _held(experiment, config, holdings)
    references = {cell: _with_references(entry["test"], cell, block, holdings) for cell in cells}
    best: tuple[tuple[int, int], tuple[Method, ...], dict[Cell, tuple[int, ...]]] = ((0, 0), (), {})
    for chosen in _candidates(held, cells, methods, config["seeds"]):
        seeds = {
            cell: tuple(sorted(references[cell].intersection(*(held[cell, method] for method in chosen))))
            for cell in cells
        }
        seeds = {cell: whole for cell, whole in seeds.items() if whole}
        size = (len(chosen) * sum(map(len, seeds.values())), len(chosen))
        alone = len(chosen) < min(2, len(methods)) or (experiment in _CURVES and len(seeds) < 2)
        if seeds and not alone and size > best[0]:
            best = (size, chosen, seeds)
    _, chosen, seeds = best
    if not chosen:
        return None
    absent_methods = _names(config, experiment, [method for method in methods if method not in chosen])
    absent_places = _places(config, [cell for cell in cells if cell not in seeds], cells)
    devices = _devices(config, experiment, chosen, seeds, holdings)
    return Part(chosen, seeds, tuple(absent_methods), tuple(absent_places), devices)


def _asked(experiment: str, config: Mapping[str, Any]) -> tuple[list[Method], list[Cell]]:
    """List networks with their losses, and conditions with their training sets, to be compared."""
    entry = config["experiments"][experiment]
    methods = [(model, loss) for model in models_of(config, experiment) for loss in entry["losses"]]
    cells = [(dataset, size) for dataset in entry["datasets"] for size in sizes_of(config, experiment, dataset)]
    return methods, cells


def _held(experiment: str, config: Mapping[str, Any], holdings: Holdings) -> dict[tuple[Cell, Method], set[int]]:
    """Find the seeds of the config with scores on the headline's block."""
    test, block = config["experiments"][experiment]["test"], headline_of(config, experiment)["block"]
    methods, cells = _asked(experiment, config)
    return {
        (cell, method): holdings.seeds(cell[0], test, method, cell[1], block) & set(config["seeds"])
        for cell in cells
        for method in methods
    }


def _runs(experiment: str, config: Mapping[str, Any], holdings: Holdings) -> list[Run]:
    """List all runs of an experiment that are held."""
    test = config["experiments"][experiment]["test"]
    return [
        dict(dataset=dataset, test=test or dataset, model=model, loss=loss, n_train=size, seed=seed)
        for ((dataset, size), (model, loss)), seeds in _held(experiment, config, holdings).items()
        for seed in sorted(seeds)
    ]


def _with_references(test: str | None, cell: Cell, block: str, holdings: Holdings) -> set[int]:
    """Find the seeds that have what a table cannot do without."""
    dataset, size = cell
    return set.intersection(*(holdings.seeds(dataset, test, (name, "none"), size, block) for name in NEEDED_REFERENCES))


def _candidates(
    held: Mapping, cells: Iterable[Cell], methods: list[Method], seeds: Iterable[int]
) -> list[tuple[Method, ...]]:
    """List sets of methods that some seed of some cell has, and what two of them have in common."""
    found = {frozenset(method for method in methods if seed in held[cell, method]) for cell in cells for seed in seeds}
    found |= {one & other for one, other in combinations(found, 2)}
    return sorted(tuple(method for method in methods if method in chosen) for chosen in found if chosen)


def _devices(
    config: Mapping[str, Any],
    experiment: str,
    methods: Sequence[Method],
    seeds: Mapping[Cell, Sequence[int]],
    holdings: Holdings,
) -> dict[str, tuple[str, ...]]:
    """Find what was trained on which device, see `Part.devices`.

    Networks (or losses) are compared within a seed of a condition, and the curves of Figure 8 also
    between conditions.
    """
    test = config["experiments"][experiment]["test"]
    found = {
        (method, cell, seed): holdings.device(cell[0], test, method, cell[1], seed)
        for cell, whole in seeds.items()
        for method, seed in product(methods, whole)
    }
    together = [{found[method, cell, seed] for method in methods} for cell, whole in seeds.items() for seed in whole]
    if len({*found.values()} if experiment in _CURVES else max(together, key=len)) < 2:
        return {}
    names = dict(zip(methods, _names(config, experiment, methods), strict=True))
    places = dict(zip(seeds, _places(config, seeds, [*seeds]), strict=True))
    for words in (lambda method, cell: names[method], lambda method, cell: places[cell]):
        by_device = _by_device(found, words)
        if _are_apart(by_device.values()):
            return by_device
    return _by_device(found, lambda method, cell: f"{names[method]} ({places[cell]})")


def _by_device(
    found: Mapping[tuple[Method, Cell, int], str], words: Callable[[Method, Cell], str]
) -> dict[str, tuple[str, ...]]:
    by_device: dict[str, dict[str, None]] = {}
    for (method, cell, _), device in found.items():
        by_device.setdefault(device, {})[words(method, cell)] = None
    return {device: tuple(names) for device, names in by_device.items()}


def _are_apart(groups: Iterable[Iterable[Any]]) -> bool:
    """Say whether nothing is in two groups."""
    together = [*chain.from_iterable(groups)]
    return len(together) == len({*together})


def _names(config: Mapping[str, Any], experiment: str, methods: Iterable[Method]) -> Iterable[str]:
    """Name networks, or losses where the experiment compares these, in words."""
    catalogue, place = ("losses", 1) if len(config["experiments"][experiment]["losses"]) > 1 else ("models", 0)
    return [config[catalogue][method[place]]["label"] or method[place] for method in methods]


def _places(config: Mapping[str, Any], missing: Iterable[Cell], cells: Iterable[Cell]) -> Iterable[str]:
    """Yield conditions in words, or training sets where a condition has several."""
    for dataset, size in missing:
        label = config["datasets"][dataset]["label"] or dataset
        yield label if sum(name == dataset for name, _ in cells) == 1 else f"{size:,} patterns"
