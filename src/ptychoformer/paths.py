"""Where runs and datasets lie in a folder of results: the only place that spells the path of a run.

Patterns for `str.format`, and for Snakemake's wildcards, relative to the folder of results.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from ptychoformer.errors import InputError

# Folders of the folder of results.
ROOMS = ("simulation", "measurement", "training", "evaluation", "publication")
CELL = "{dataset}/{model}/{loss}/n{n_train}"  # what is trained with every seed
RUN = f"{CELL}/seed{{seed}}"
TRAINING = f"training/{RUN}"
EVALUATION = f"evaluation/{RUN}/on_{{test}}"  # a run is tested on a dataset, its own or another
OWN_EVALUATION = EVALUATION.replace("{test}", "{dataset}")
REFERENCE_EVALUATION = EVALUATION.replace("{model}/{loss}", "{reference}/none")
EPIE_EVALUATION = EVALUATION.replace("{model}/{loss}", "epie/none")
# Of the scenes of Table I's first condition: spectra, and the energy by frequency band.
SPECTRA, BANDS = "evaluation/table1/spectra.csv", "evaluation/table1/bands.csv"
SIMULATED_DATASET = "simulation/datasets/{dataset}/seed{seed}.cxi"
MEASURED_DATASET = "measurement/datasets/{dataset}.cxi"  # one for all seeds
SIMULATED_OBJECT = "simulation/objects/{object}.h5"
MEASURED_OBJECT = "measurement/objects/{dataset}.h5"


def _matching(pattern: str) -> re.Pattern:
    """Make the regular expression of paths of a pattern, with a group for each of its parts."""
    digits = dict.fromkeys(("n_train", "seed"), r"\d+")
    return re.compile(re.sub(r"\{(\w+)\}", lambda part: f"(?P<{part[1]}>{digits.get(part[1], '[^/]+')})", pattern))


@dataclass(frozen=True, order=True)
class Run:
    """One trained network; its identity is its path."""

    dataset: str
    model: str
    loss: str
    n_train: int
    seed: int

    @classmethod
    def of(cls, path: str | os.PathLike) -> "Run":
        """Find the run that a file in its folder belongs to.

        Raises:
            InputError: the path is not that of a run.
        """
        found = _matching(RUN).fullmatch("/".join(Path(path).parent.parts[-5:]))
        if not found:
            raise InputError(
                f"{path} is not the path of a run, which ends in dataset/model/loss/n<patterns>/seed<seed>/file."
            )
        parts = found.groupdict()
        return cls(**parts | {"n_train": int(parts["n_train"]), "seed": int(parts["seed"])})

    def __str__(self) -> str:
        """Return its path, as `of` reads it."""
        return RUN.format(**vars(self))


def names_of_run(folder: str | os.PathLike) -> dict[str, str] | None:
    """Read dataset, model, loss, n_train, seed and test, as text, from the name of a run's folder;
    None if the folder is no run's.

    Args:
        folder: relative to ``evaluation``.
    """
    found = _matching(EVALUATION).fullmatch(f"evaluation/{Path(folder).as_posix()}")
    return found.groupdict() if found else None
