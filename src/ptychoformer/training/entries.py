"""Which network is trained, and with which loss: an entry of the config's ``models`` and one of its
``losses``, or what a command line says in their place.

Type, range, default and meaning of what a network's entry holds stand here alone, for the schema
and the command line, as in `training.options`. The options of either are the keywords of its
``build``, which `plugins` reads. Nothing here imports torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self


@dataclass(frozen=True)
class NetworkEntry:
    """A network, how it starts and what it sees. The label of a config's entry, and the experiments
    it takes part in, are not here: no result of a training depends on them.
    """

    kind: Annotated[
        str,
        {
            "description": "module in src/ptychoformer/models; or one of your own: the path of a .py file, or its"
            " dotted name"
        },
    ]
    options: Annotated[
        dict[str, Any],
        {"description": "keyword options of the module's build function", "type": "object"},
    ]
    initialisation: Annotated[
        Literal["torch", "glorot"] | None,
        {
            "description": "weights before training: torch's own, or Glorot-uniform with zero biases; null: as the"
            " module has it"
        },
    ] = None
    inputs: Annotated[
        Literal["log", "sqrt", "sqrt_max"],
        {
            "description": "what the network sees; log: log(1 + photons); sqrt: their square root; sqrt_max: that over"
            " its greatest in the pattern"
        },
    ] = "log"


@dataclass(frozen=True)
class LossEntry:
    """A loss: a module of `training.losses` and the options of its ``build``."""

    kind: str
    options: dict[str, Any]

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Self:
        """Take the entry of a config without its label, where options stand beside ``kind``."""
        return cls(plain["kind"], {name: value for name, value in plain.items() if name != "kind"})

    def plain(self) -> dict[str, Any]:
        """Return what `of` takes, for digests and provenance."""
        return {"kind": self.kind, **self.options}
