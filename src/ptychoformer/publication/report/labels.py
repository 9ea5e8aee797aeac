"""What the report calls datasets, networks, losses and scores: the names that its tables use."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ptychoformer.evaluation.quantities import CHANNEL_NAMES, QUANTITIES
from ptychoformer.publication.names import BLOCKS, REFERENCE_LABELS


@dataclass(frozen=True)
class Labels:
    """Name to label, in the order of the config; a name without a label stands for itself.

    ``overlaps`` are what datasets are called where scans of different overlap are compared.
    """

    datasets: Mapping[str, str] = field(default_factory=dict)
    networks: Mapping[str, str] = field(default_factory=dict)
    losses: Mapping[str, str] = field(default_factory=dict)
    overlaps: Mapping[str, str] = field(default_factory=dict)

    def dataset(self, name: str, test: str | None = None) -> str:
        """Name a dataset, and the one that networks were tested on if that is another."""
        own = self.datasets.get(name, name)
        return own if test in (None, name) else f"{own}, tested on {self.datasets.get(test, test)}"

    def network(self, name: str) -> str:
        """Name a network, or a reference such as the floor."""
        return self.networks.get(name) or REFERENCE_LABELS.get(name, name)

    def loss(self, name: str) -> str:
        """Name a loss; one that the config lacks goes by its name in capitals, as the common ones
        are known.
        """
        return self.losses.get(name, name.upper())

    def in_words(self, sentence: str, experiments: Mapping[str, str], about: str = "") -> str:
        """Replace every name in quotation marks in a sentence of `claims.contrasts` by its label.

        Args:
            experiments: name to where the paper shows it.
            about: the experiment that the sentence is about.
        """
        datasets = {**self.datasets, **(self.overlaps if about == "overlaps" else {})}
        known = {**BLOCKS, **datasets, **self.losses, **self.networks}
        sentence = re.sub(
            r"the experiment '([^']*)'", lambda name: f"the experiment of {experiments[name.group(1)]}", sentence
        )
        return re.sub(r"'([\w-]+)'", lambda name: known.get(name.group(1), name.group(1)), sentence)


def score_name(channel: str, metric: str) -> str:
    """Name a score with its unit: ``Amplitude PSNR (dB)``."""
    return f"{CHANNEL_NAMES[channel]} {QUANTITIES[metric].with_unit}"
