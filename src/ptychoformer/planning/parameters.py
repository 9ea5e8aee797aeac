"""Which part of the config, and which code, a job of the workflow depends on: an edit of anything
else makes nothing anew.
"""

import ast
import json
from collections.abc import Callable
from typing import Any

from ptychoformer.experiments import window_side
from ptychoformer.measurement.options import Reading, names_of
from ptychoformer.planning.code import planned_code
from ptychoformer.planning.inputs import Wildcards
from ptychoformer.planning.plan import Plan
from ptychoformer.plugins import loss_code, network_code
from ptychoformer.provided import options_of
from ptychoformer.training.entries import NetworkEntry


def meaning(written: str) -> str:
    """Find what a parameter means, from the way Python writes it (``repr``): the same whatever the
    order of keys, and whether 1 is written 1 or 1.0.
    """
    try:
        return json.dumps(_plain(ast.literal_eval(written)), sort_keys=True)
    except (ValueError, SyntaxError, TypeError):  # of another kind than a config's
        return written


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


class Parameters:
    """What jobs depend on besides files.

    Args:
        plan: what is made.
    """

    def __init__(self, plan: Plan):
        self.plan, self.config, self.experiments = plan, plan.config, plan.experiments

    def object(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return the options of an object, with which file has which role, but not where it is."""
        return self._with_files("objects", wildcards.object)

    def probe(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return the options of a probe, with its file, but not where that is."""
        return self._with_files("probes", wildcards.probe)

    def files_of_scan(self, wildcards: Wildcards) -> dict[str, str]:
        """Return which file is the scan of a measured dataset, and which its labels, if any."""
        return self.plan.provided.of("datasets", wildcards.dataset)

    def _with_files(self, catalogue: str, name: str) -> dict[str, Any]:
        """Return the options of an entry, and its files by their role: Snakemake compares the files
        that a job reads without their roles, so that two that were swapped would be the same to it.
        """
        return options_of(self.config[catalogue][name]) | self.plan.provided.of(catalogue, name)

    def source_of_file(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return address and checksum of a file."""
        return self.plan.provided.source(wildcards.file)

    def of_dataset(self, part: str) -> Callable[[Wildcards], Any]:
        """Make a function of wildcards: one part of a dataset's entry.

        Snakemake's ``lookup`` searches the whole config, for 10 ms a job.
        """
        return lambda wildcards: self.config["datasets"][wildcards.dataset][part]

    def scan(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return how a measured scan is read, whatever is made of it."""
        entry = self.config["datasets"][wildcards.dataset]
        return {key: entry[key] for key in names_of(Reading)}

    def simulated_reconstruction(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return the options of a reconstruction whose probe is known, as positions are unless the
        stage was jittery.
        """
        exact = self.config["datasets"][wildcards.dataset]["scan"]["jitter"] == 0
        return self.config["iterative"] | dict(probe_from=None) | (dict(positions_from=None) if exact else {})

    def network(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return a network without its label, on which no result depends."""
        entry = self.config["models"][wildcards.model]
        return NetworkEntry(**{key: entry[key] for key in names_of(NetworkEntry)}).plain()

    def loss(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return a loss without its label."""
        return {key: part for key, part in self.config["losses"][wildcards.loss].items() if key != "label"}

    def training(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return how a network is trained on a dataset; what trains beside it changes nothing."""
        training = {key: part for key, part in self.config["training"].items() if key != "seeds_together"}
        return training | dict(epochs=self.experiments.epochs(wildcards.dataset))

    def training_code(self, wildcards: Wildcards) -> str:
        """Return the digest of what a training runs: the loop, its network and its loss alone."""
        network, loss = self.config["models"][wildcards.model]["kind"], self.config["losses"][wildcards.loss]["kind"]
        return planned_code("training.fit", network_code(network), loss_code(loss))

    def inspection_code(self, wildcards: Wildcards) -> str:
        """Return the digest of what looks into a network, and of that network."""
        return planned_code("training.inspection", network_code(self.config["models"][wildcards.model]["kind"]))

    def window(self, dataset: str) -> list[int]:
        """Return height and width of a dataset's patterns."""
        return [window_side(self.config, dataset)] * 2

    def factor(self, wildcards: Wildcards) -> str:
        """Return what an experiment compares."""
        return self.experiments.factor(wildcards.experiment)

    def missing_scan(self, wildcards: Wildcards) -> str:
        """Return the file without which Figure 5 is left out, or nothing."""
        return self.plan.missing_scan()

    def caution(self, wildcards: Wildcards) -> str:
        """Return what the report says above all numbers, or nothing."""
        return self.config["caution"]
