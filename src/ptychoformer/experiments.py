"""The runs that a config asks for, experiment by experiment.

A run is a mapping with what its path names (see `paths`): dataset, test, model, loss, n_train and
seed. Needs nothing but Python and the config, so that the workflow can use it while it parses.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from ptychoformer.errors import InputError
from ptychoformer.escaping import mathtext
from ptychoformer.evaluation import REFERENCES, SCENE, SYNCHRONISED
from ptychoformer.simulation.scan import STRIP, WHOLE_SCAN, grid_of, train_rows

Run = dict[str, Any]
ALL = "all"  # of a dataset's training patterns, in the config


def is_measured(config: Mapping[str, Any], dataset: str) -> bool:
    """Say whether a dataset was measured rather than simulated."""
    return config["datasets"][dataset]["kind"] == "measured"


def window_side(config: Mapping[str, Any], dataset: str) -> int:
    """Find the side of the patterns that networks see of a dataset, pixels."""
    entry = config["datasets"][dataset]
    if is_measured(config, dataset):
        return entry["patterns"]["crop"] // entry["patterns"]["bin"]
    return config["probes"][entry["probe"]]["size"]


def scanned_patterns(config: Mapping[str, Any], dataset: str) -> int | None:
    """Count the patterns of a scan; None where a measured file alone can tell."""
    grid = _grid(config, dataset)
    return grid and grid[0] * grid[1]


def training_patterns(config: Mapping[str, Any], dataset: str) -> int | None:
    """Count the patterns that may be trained on; None where a measured file alone can tell."""
    grid = _grid(config, dataset)
    return grid and train_rows(grid[0]) * grid[1]


def _grid(config: Mapping[str, Any], dataset: str) -> tuple[int, int] | None:
    """Count rows and columns of the scan of a dataset; None of a measured one."""
    if is_measured(config, dataset):
        return None
    entry = config["datasets"][dataset]
    shape = config["objects"][entry["object"]]["shape"]
    return grid_of(shape, window_side(config, dataset), entry["scan"]["overlap"])


def epochs_of(config: Mapping[str, Any], dataset: str) -> int:
    """Look up how many epochs networks are trained on a dataset: its own number, or that of
    ``training``.
    """
    return config["datasets"][dataset].get("epochs") or config["training"]["epochs"]


def sizes_of(config: Mapping[str, Any], experiment: str, dataset: str) -> list[int]:
    """List the numbers of training patterns that an experiment asks of a dataset, ascending.

    Raises:
        InputError: it asks for more than there are.
    """
    there_are = training_patterns(config, dataset)
    for asked in config["experiments"][experiment]["n_train"]:
        if there_are and asked != ALL and asked > there_are:
            raise InputError(
                f"experiments.{experiment}.n_train: {asked} is not allowed; dataset '{dataset}' has {there_are}"
                " training patterns."
            )
    return sorted({there_are if asked == ALL else asked for asked in config["experiments"][experiment]["n_train"]})


def sizes_asked(config: Mapping[str, Any]) -> dict[str, dict[str, list[int]]]:
    """Map experiments to their datasets, and these to the numbers of training patterns that are
    asked of them, ascending.

    Raises:
        InputError: see `sizes_of`.
    """
    return {
        name: {dataset: sizes_of(config, name, dataset) for dataset in entry["datasets"]}
        for name, entry in config["experiments"].items()
    }


def headline_of(config: Mapping[str, Any], experiment: str) -> dict[str, str]:
    """Say what tables, figures and claims of an experiment are about: the ``block`` of the test
    patterns, and the ``level`` of its scenes.
    """
    entry = config["experiments"][experiment]
    level = SYNCHRONISED if config["stitching"]["phase"] == "synchronised" else SCENE
    if entry["test"]:
        return {"block": WHOLE_SCAN, "level": level}
    measured = any(is_measured(config, dataset) for dataset in entry["datasets"])
    return {"block": STRIP if measured else config["evaluation"]["block"], "level": level}


def models_of(config: Mapping[str, Any], experiment: str) -> list[str]:
    """List the networks that take part in an experiment, in the order of the catalogue."""
    return [
        name
        for name, model in config["models"].items()
        if model["experiments"] is None or experiment in model["experiments"]
    ]


class Holdings(Protocol):
    """What a store of runs holds whole: see `publication.store.holdings`."""

    parts: Mapping[str, Any]

    def has(self, run: Run, part: str) -> bool:
        """Say whether a run has a part of what is kept."""


class Experiments:
    """The experiments of a config.

    Args:
        config: complete; narrowed to the holdings if there are any.
        holdings: of a store of runs that are printed in place of any that would be trained.
    """

    def __init__(self, config: Mapping[str, Any], holdings: Holdings | None = None):
        self.config, self.holdings = config, holdings

    def check(self) -> None:
        """Look at every experiment before any job starts.

        Raises:
            InputError: one asks for what cannot be.
        """
        for experiment in self.config["experiments"]:
            self.runs(experiment)
        self.headline_run()
        if len(self.sizes("sizes", self.first_dataset("sizes"))) < 2:
            raise InputError(
                "experiments.sizes.n_train: all sizes are the same; Figure 8 shows scenes of two sizes or more."
            )

    def datasets(self, experiment: str) -> list[str]:
        """List the datasets that an experiment trains on."""
        return self.config["experiments"][experiment]["datasets"]

    def first_dataset(self, experiment: str) -> str:
        """Name the dataset that figures show."""
        return self.datasets(experiment)[0]

    def is_measured(self, dataset: str) -> bool:
        """Say whether a dataset was measured rather than simulated."""
        return is_measured(self.config, dataset)

    def networks(self, experiment: str) -> list[str]:
        """List the networks of an experiment, in the order of the catalogue."""
        return models_of(self.config, experiment)

    def sizes(self, experiment: str, dataset: str) -> list[int]:
        """List the numbers of training patterns that an experiment asks of a dataset, ascending."""
        return sizes_of(self.config, experiment, dataset)

    def all_sizes(self, experiment: str) -> list[int]:
        """List the same of all its datasets, each once."""
        return sorted({size for dataset in self.datasets(experiment) for size in self.sizes(experiment, dataset)})

    def seeds(self, experiment: str, dataset: str, size: int) -> Sequence[int]:
        """Return the seeds of an experiment; from a store, those that all of its networks have."""
        part = self.holdings and self.holdings.parts.get(experiment)
        return part.seeds.get((dataset, size), ()) if part else self.config["seeds"]

    def epochs(self, dataset: str) -> int:
        """Look up how many epochs networks are trained on a dataset."""
        return epochs_of(self.config, dataset)

    def headline(self, experiment: str) -> dict[str, str]:
        """Say which block of the test patterns is shown, and which of its scenes."""
        return headline_of(self.config, experiment)

    def factor(self, experiment: str) -> str:
        """Name what an experiment compares: networks, or losses where it has several."""
        return "loss" if len(self.config["experiments"][experiment]["losses"]) > 1 else "model"

    def runs(self, experiment: str, **only: Any) -> list[Run]:
        """List the runs of an experiment, or of a part (``dataset=...``, ``seed=...``)."""
        losses = self.config["experiments"][experiment]["losses"]
        found = self._combinations(
            experiment, [(model, loss) for model in self.networks(experiment) for loss in losses]
        )
        return [run for run in found if all(run[key] == value for key, value in only.items())]

    def references(self, experiment: str) -> list[Run]:
        """List the references of every dataset, size and seed of an experiment."""
        wanted = self._combinations(experiment, [(reference, "none") for reference in REFERENCES])
        # A measured scan is its own reconstruction.
        return [run for run in wanted if not (run["model"] == "epie" and self.is_measured(run["test"]))]

    def _combinations(self, experiment: str, methods: Iterable[tuple[str, str]]) -> list[Run]:
        entry = self.config["experiments"][experiment]
        return [
            dict(dataset=dataset, test=entry["test"] or dataset, model=model, loss=loss, n_train=size, seed=seed)
            for dataset in entry["datasets"]
            for model, loss in methods
            for size in self.sizes(experiment, dataset)
            for seed in self.seeds(experiment, dataset, size)
        ]

    def all_runs(self, experiments: Iterable[str]) -> list[Run]:
        """List the runs of several experiments, each once."""
        return list({tuple(run.values()): run for experiment in experiments for run in self.runs(experiment)}.values())

    def our_network(self) -> str:
        """Name the network that the paper is about.

        Raises:
            InputError: it does not take part in Table I.
        """
        for model in self.networks("table1"):
            entry = self.config["models"][model]
            if entry["kind"] == "ptychoformer" and entry["options"].get("attention", "paper") == "paper":
                return model
        raise InputError(
            "experiments.table1: a network of kind ptychoformer with attention paper must take part; Figures 2 and 3"
            " show it."
        )

    def headline_run(self) -> Run:
        """Return our network's first run on Table I's first condition, for Figures 1 to 3."""
        return self.runs("table1", dataset=self.first_dataset("table1"), model=self.our_network())[0]

    def runs_to_draw(self, experiment: str, **only: Any) -> list[Run]:
        """List the networks of an experiment that are drawn side by side: on its first dataset,
        with its greatest training set and the first seed.
        """
        dataset = self.first_dataset(experiment)
        only = dict(n_train=self.sizes(experiment, dataset)[-1]) | only
        return self.runs(experiment, dataset=dataset, seed=self.seeds(experiment, dataset, only["n_train"])[0], **only)

    def runs_of_spectra(self) -> list[Run]:
        """List the runs of Table I's first condition."""
        return self.runs("table1", dataset=self.first_dataset("table1"))

    def are_held(self, runs: Iterable[Run], part: str) -> bool:
        """Say whether the holdings have a part of each of these runs."""
        return all(self.holdings.has(run, part) for run in runs)

    def labels(self, catalogue: str, names: Iterable[str]) -> dict[str, str]:
        """Map names of a catalogue to what tables call them."""
        return {name: self.config[catalogue][name]["label"] or name for name in names}

    def all_labels(self) -> dict[str, dict[str, str]]:
        """Collect the labels of every dataset, network and loss, as `report.labels.Labels` takes
        them.
        """
        catalogues = {"datasets": "datasets", "networks": "models", "losses": "losses"}
        known = {part: self.labels(name, self.config[name]) for part, name in catalogues.items()}
        return known | {"overlaps": self._labels_by_overlap()}

    def _labels_by_overlap(self) -> dict[str, str]:
        """Label datasets whose overlap is compared by that; those that share one are left out."""
        overlaps = {name: self.config["datasets"][name]["scan"]["overlap"] for name in self.datasets("overlaps")}
        shared = Counter(overlaps.values())
        return {name: f"{100 * value:g} % overlap" for name, value in overlaps.items() if shared[value] == 1}

    def drawn_labels(self, catalogue: str, names: Iterable[str]) -> dict[str, str]:
        """Map the same names to what figures call them."""
        return {name: mathtext(label) for name, label in self.labels(catalogue, names).items()}

    def scale(self, experiment: str) -> dict[str, Any]:
        """Take the subtree of the config that an experiment's numbers depend on, those of its
        references too.
        """
        config, entry = self.config, self.config["experiments"][experiment]
        names = [*entry["datasets"], *([entry["test"]] if entry["test"] else [])]
        datasets = {name: config["datasets"][name] for name in names}
        simulated = [dataset for name, dataset in datasets.items() if not self.is_measured(name)]
        parts = {
            catalogue: {name: config[catalogue][name] for name in dict.fromkeys(dataset[part] for dataset in simulated)}
            for catalogue, part in (("objects", "object"), ("probes", "probe"))
        }
        return {
            "seeds": config["seeds"],
            "experiments": {experiment: entry},
            "training": config["training"],
            "models": {name: config["models"][name] for name in self.networks(experiment)},
            "losses": {name: config["losses"][name] for name in entry["losses"]},
            "datasets": datasets,
            **parts,
            **({"optics": config["optics"]} if simulated else {}),
            **{part: config[part] for part in ("stitching", "evaluation", "iterative")},
        }
