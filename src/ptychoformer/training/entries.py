"""Which network is trained, and with which loss: an entry of the config's ``models`` and one of its
``losses``, or what a command line says in their place.

Type, range, default and meaning of what a network's entry holds stand here alone, for the schema
and the command line, as in `training.options`. The options of either are the keywords of its
``build``, which `plugins` reads. Nothing here imports torch.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal, Self


@dataclass(frozen=True)
class NetworkEntry:
    """A network, how it starts, what it sees and how it averages. The label of a config's entry,
    and the experiments it takes part in, are not here: no result of a training depends on them.
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
    batch_norm: Annotated[
        Literal["torch", "keras"],
        {
            "description": "running averages that batch norms predict with; torch: as the module has them, by default"
            " 0.9 of themselves and 0.1 of a step's; keras: 0.99 and 0.01, and 1e-3 beside the variance for 1e-5"
        },
    ] = "torch"

    def plain(self) -> dict[str, Any]:
        """Return what the class takes, for files, digests and provenance.

        ``batch_norm`` is left out where it is ``torch``, so that a network is the same one as
        before there was a choice.
        """
        return {name: value for name, value in asdict(self).items() if (name, value) != ("batch_norm", "torch")}


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
