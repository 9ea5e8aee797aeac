"""Try networks and losses before what was trained with them is deleted, which Snakemake does when a
job begins.

    python -m ptychoformer.training.tried < trials.json

Trials are a list of mappings of the arguments of `fit.try_out`. The sentence about the first
network or loss that cannot be trained is printed between two `readiness.REFUSED`; what is wrong
with anything else is left to the job.
"""

import json
import sys

import torch

from ptychoformer.errors import PtychoformerError, is_out_of_memory
from ptychoformer.readiness import REFUSED
from ptychoformer.training.entries import LossEntry, NetworkEntry
from ptychoformer.training.fit import try_out
from ptychoformer.training.options import TrainingOptions


def main() -> None:
    """Try what standard input asks for."""
    torch.set_num_threads(1)
    for trial in json.load(sys.stdin):
        model, loss, training = trial.pop("model"), trial.pop("loss"), trial.pop("training")
        entries = {"model": NetworkEntry(**model), "loss": LossEntry.of(loss), "training": TrainingOptions(**training)}
        try:
            try_out(**trial, **entries)
        except PtychoformerError as error:
            if not is_out_of_memory(error):
                print(f"{REFUSED}{error}{REFUSED}")
            return


if __name__ == "__main__":
    main()
