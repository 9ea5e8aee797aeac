"""Which files a job of the workflow reads, from the wildcards of its own."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

from ptychoformer import paths
from ptychoformer.experiments import Run
from ptychoformer.planning.plan import Plan
from ptychoformer.publication.store.holdings import INDEX, RETRAINED, VIEWS

RESULTS = "<results>"  # Snakemake's path variable: the folder of a scale's results
METRICS = f"{RESULTS}/evaluation/{{experiment}}/metrics.csv"
HELD = f"{RESULTS}/evaluation/{{experiment}}/held.csv"  # the same of all runs of a store
RECONSTRUCTION = f"{RESULTS}/measurement/reconstructions/{{dataset}}"


class Wildcards(Protocol):
    """The parts of the path of what a job makes, as text; each job has some of them."""

    object: str
    probe: str
    dataset: str
    test: str
    model: str
    loss: str
    seed: str
    experiment: str
    file: str


def files_of_runs(pattern: str, runs: Iterable[Run]) -> list[str]:
    """Fill in a pattern of paths with every run, each path once."""
    return list(dict.fromkeys(f"{RESULTS}/{pattern}".format(**run) for run in runs))


def parts_of_runs(runs: list[Run], *parts: str) -> dict[str, list[str]]:
    """Name what a figure shows of runs: ``patches`` or ``scenes``."""
    names = dict(patches="patches.h5", scenes="scene.h5")
    return {part: files_of_runs(f"{paths.EVALUATION}/{names[part]}", runs) for part in parts}


def files_of_store(folder: str) -> list[str]:
    """Return the files of a store of runs; none without a folder."""
    if not folder:
        return []
    places = [place for place in (Path(folder), Path(folder, RETRAINED)) if Path(place, INDEX).is_file()]
    return [str(path) for place in places for path in sorted([*place.glob("*.gz"), place / INDEX])]


class Inputs:
    """The files that jobs read.

    Args:
        plan: what is made.
    """

    def __init__(self, plan: Plan):
        self.plan, self.config, self.experiments = plan, plan.config, plan.experiments

    def dataset(self, dataset: str, seed: int | str) -> str:
        """Return the file of a dataset; of a measured one there is one for all seeds."""
        pattern = paths.MEASURED_DATASET if self.experiments.is_measured(dataset) else paths.SIMULATED_DATASET
        return f"{RESULTS}/{pattern}".format(dataset=dataset, seed=seed)

    def object(self, dataset: str) -> str:
        """Return the file of a dataset's true object, or of what stands for it."""
        if self.experiments.is_measured(dataset):
            return f"{RESULTS}/{paths.MEASURED_OBJECT}".format(dataset=dataset)
        return f"{RESULTS}/{paths.SIMULATED_OBJECT}".format(object=self.config["datasets"][dataset]["object"])

    def of_all_seeds(self, pattern: str) -> list[str]:
        """Fill each of the seeds into a pattern; its other wildcards stay."""
        return [pattern.replace("{seed}", str(seed)) for seed in self.config["seeds"]]

    def datasets(self, dataset: str) -> list[str]:
        """Return the files of a dataset with every seed."""
        return [self.dataset(dataset, seed) for seed in self.config["seeds"]]

    def trained_on(self, wildcards: Wildcards) -> str:
        """Return the dataset of a training."""
        return self.dataset(wildcards.dataset, wildcards.seed)

    def trained_on_together(self, wildcards: Wildcards) -> list[str]:
        """Return the datasets of a training with every seed."""
        return self.datasets(wildcards.dataset)

    def object_of_dataset(self, wildcards: Wildcards) -> str:
        """Return the object that the dataset of a training links to."""
        return self.object(wildcards.dataset)

    def probe_of_dataset(self, wildcards: Wildcards) -> str:
        """Return the probe that a dataset is simulated with."""
        return f"{RESULTS}/simulation/probes/{self.config['datasets'][wildcards.dataset]['probe']}.h5"

    def tested_on(self, wildcards: Wildcards) -> str:
        """Return the dataset that a run is tested on."""
        return self.dataset(wildcards.test, wildcards.seed)

    def object_of_test(self, wildcards: Wildcards) -> str:
        """Return the object that the dataset of a test links to."""
        return self.object(wildcards.test)

    def scans_of_run(self, wildcards: Wildcards) -> dict[str, str]:
        """Name what a run was trained and what it is tested on, and the objects of both."""
        return dict(
            dataset=self.trained_on(wildcards),
            object=self.object_of_dataset(wildcards),
            test=self.tested_on(wildcards),
            object_of_test=self.object_of_test(wildcards),
        )

    def reconstruction_of_test(self, wildcards: Wildcards) -> str:
        """Return the reconstruction of the simulated scan that a run is tested on."""
        return f"{RECONSTRUCTION}/seed{{seed}}.h5".format(dataset=wildcards.test, seed=wildcards.seed)

    def reconstruction_of_scan(self, wildcards: Wildcards) -> str | list:
        """Return what a measured dataset has its labels from, or nothing if they came with it."""
        labels = self.config["datasets"][wildcards.dataset]["labels"]
        return [] if labels else f"{RECONSTRUCTION}.h5".format(dataset=wildcards.dataset)

    def metrics(self, wildcards: Wildcards) -> list[str]:
        """Return the scores of every run and every reference of an experiment."""
        name = wildcards.experiment
        runs = self.experiments.runs(name) + self.experiments.references(name)
        return files_of_runs(f"{paths.EVALUATION}/metrics.csv", runs)

    def metrics_of_all(self) -> list[str]:
        """Return the scores of every experiment that is shown."""
        return [METRICS.format(experiment=experiment) for experiment in self.plan.shown]

    def metrics_of_claims(self) -> list[str]:
        """Return the scores of every experiment that claims are judged on; of a store of runs, of
        those too that no table shows, since not every network has their seed.
        """
        pattern = HELD if self.plan.harvested else METRICS
        return [pattern.format(experiment=experiment) for experiment in self.plan.shown]

    def bands(self) -> list[str]:
        """Return the energies by frequency band, unless a store of runs lacks them."""
        shown = not self.plan.harvested or "fig9" in self.plan.shown_figures
        return [f"{RESULTS}/{paths.BANDS}"] if shown else []

    def scan_to_draw(self, run: Run) -> dict[str, str]:
        """Name the dataset that a run is tested on, and the object that it links to."""
        return dict(dataset=self.dataset(run["test"], run["seed"]), object=self.object(run["test"]))

    def pictures(self, runs: list[Run], *parts: str) -> dict[str, Any]:
        """Name what a figure shows of runs side by side: their dataset, and ``parts`` of each.

        Args:
            parts: ``patches`` or ``scenes``.
        """
        return self.scan_to_draw(runs[0]) | parts_of_runs(runs, *parts)

    def kept_pictures(self, runs: list[Run], *parts: str) -> dict[str, Any]:
        """Name the same as `pictures`, or what the store of printed runs keeps of it."""
        return dict(views=f"{self.plan.harvested}/{VIEWS}") if self.plan.harvested else self.pictures(runs, *parts)

    def reconstruction_pictures(self) -> list[str]:
        """Return the pictures of the measured scans of Figure 5 that are reconstructed here."""
        if "measured" not in self.plan.shown:
            return []
        wanted = [name for name in self.experiments.datasets("measured") if not self.config["datasets"][name]["labels"]]
        return [f"{RESULTS}/publication/reconstructions/{dataset}.png" for dataset in wanted]

    def provenance_of_runs(self) -> dict[str, list[str]]:
        """Name where the report's runs say how they were made."""
        if self.plan.harvested:
            return dict(store=files_of_store(self.plan.harvested))
        return dict(
            histories=files_of_runs(f"{paths.TRAINING}/history.csv", self.experiments.runs("table1")),
            checkpoints=files_of_runs(f"{paths.TRAINING}/model.pt", self.plan.runs_of_page()),
        )
