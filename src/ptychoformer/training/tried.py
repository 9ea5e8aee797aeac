"""Try networks and losses before what was trained with them is deleted, which Snakemake does when a
job begins.

    python -m ptychoformer.training.tried < trials.json

Trials are a list of mappings of the arguments of `fit.try_out`. Of the first one that fails the
exit status is ``REFUSED``, and the sentence is the last line of standard output; any other status
is no judgement.
"""

import json
import sys

from ptychoformer.errors import PtychoformerError
from ptychoformer.readiness import REFUSED
from ptychoformer.training.entries import LossEntry, NetworkEntry
from ptychoformer.training.fit import try_out
from ptychoformer.training.options import TrainingOptions


def main() -> int:
    """Try what standard input asks for; returns the exit status."""
    for trial in json.load(sys.stdin):
        model, loss, training = trial.pop("model"), trial.pop("loss"), trial.pop("training")
        entries = {"model": NetworkEntry(**model), "loss": LossEntry.of(loss), "training": TrainingOptions(**training)}
        try:
            try_out(**trial, **entries)
        except PtychoformerError as error:
            print(error)
            return REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main())
