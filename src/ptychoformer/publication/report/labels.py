"""What the report calls datasets, networks and losses: the names that its tables use."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ptychoformer.evaluation.quantities import QUANTITIES


@dataclass(frozen=True)
class Labels:
    """Name to label, in the order of the tables; a name without a label stands for itself."""

    datasets: dict[str, str] = field(default_factory=dict)
    networks: dict[str, str] = field(default_factory=dict)
    losses: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, words: Mapping[str, Mapping[str, Any]]) -> "Labels":
        """The labels of all tables; the first table that has a name decides, so that Table I's
        names are used throughout.

        Args:
            words: table to the words that it was made with, see `compare.make_table`.
        """
        found = cls()
        for table in words.values():
            parts = (found.datasets, found.networks) if table["factor"] == "model" else (found.networks, found.losses)
            for part, names in zip(parts, (table["conditions"], table["methods"]), strict=True):
                part.update({name: label for name, label in names.items() if name not in part})
        return found

    def dataset(self, name: str, test: str | None = None) -> str:
        """A dataset, and the one that networks were tested on if that is another."""
        own = self.datasets.get(name, name)
        return own if test in (None, name) else f"{own}, tested on {self.datasets.get(test, test)}"

    def network(self, name: str) -> str:
        """A network, or the floor or ceiling."""
        return self.networks.get(name, name)

    def loss(self, name: str) -> str:
        """A loss; where no table compares losses, its name in capitals, as the common ones are
        known.
        """
        return self.losses.get(name, name.upper())

    def with_labels(self, sentence: str) -> str:
        """A sentence in which networks, losses and metrics stand under their labels rather than
        under their names.
        """
        known = self.losses | self.networks | {metric: quantity.name for metric, quantity in QUANTITIES.items()}
        return re.sub(r"\w+", lambda word: known.get(word.group(), word.group()), sentence)
