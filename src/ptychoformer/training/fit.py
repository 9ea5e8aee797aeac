"""Training as published: Adam, ReduceLROnPlateau, a fixed number of epochs (Sec. IV-A), from a dataset to a checkpoint.

After every epoch the whole state is written to one file beside the outputs, so that an interrupted training goes on where it was. It
stays there until ``forget_state``, so that what the caller makes of the network next can fail without a loss.
Order and dropout of an epoch depend on the seed and the epoch alone; on a CPU an interrupted run ends with the weights of an unbroken
one, to the last bit. (On an accelerator, kernels that torch has no deterministic form of may differ in the last digits; torch warns.)
"""

import math
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from ptychoformer.device import device_name, lookup_device
from ptychoformer.errors import TrainingError
from ptychoformer.measurement.cxi import read_scan
from ptychoformer.models import build, own_initialisation, parameter_count
from ptychoformer.progress import progress, say
from ptychoformer.provenance import digest
from ptychoformer.randomness import generator, integer_seed
from ptychoformer.storage import write_csv
from ptychoformer.tensors import load_state, save
from ptychoformer.training.checkpoint import Checkpoint, save_checkpoint
from ptychoformer.training.examples import Examples, load_examples
from ptychoformer.training.forward import Forward
from ptychoformer.training.losses import Loss, make_loss
from ptychoformer.training.normalisation import training_normalisation
from ptychoformer.training.optimiser import Adam, Plateau
from ptychoformer.training.split import split_of, training_subset, validation_part


@dataclass
class Training:
    """A network in the making.

    Args:
        model: the network, on the device.
        loss: of a prediction, its labels and the patterns.
        options: the config's ``training``: epochs, batch_size, learning_rate, min_learning_rate, factor, patience, precision, weights.
        seed: of order and dropout.
    """

    model: nn.Module
    loss: Loss
    options: Mapping[str, Any]
    seed: int
    epoch: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    best: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        options = self.options
        self.optimiser = Adam(self.model.parameters(), options["learning_rate"])
        self.schedule = Plateau(self.optimiser, factor=options["factor"], patience=options["patience"], floor=options["min_learning_rate"])

    @property
    def learning_rate(self) -> float:
        """Of the epoch that comes next."""
        return self.optimiser.learning_rate

    def run_epoch(self, examples: Examples, validation: Examples) -> None:
        """Fit every example once, validate, adjust the learning rate.

        Raises:
            TrainingError: a loss is NaN or infinite.
        """
        began, rate = time.perf_counter(), self.learning_rate
        train_loss = self._fit(examples)
        validation_loss = self._validate(validation)
        if not math.isfinite(validation_loss):
            raise TrainingError(
                f"The validation loss became {validation_loss} after epoch {self.epoch + 1}, at learning rate {rate:g}; lower "
                f"that or look for outliers in the dataset."
            )
        self.schedule.step(validation_loss)
        self.epoch += 1
        seconds = time.perf_counter() - began
        names = ("epoch", "learning_rate", "train_loss", "validation_loss", "seconds")
        self.history.append(dict(zip(names, (self.epoch, rate, train_loss, validation_loss, seconds), strict=True)))
        if self.options["weights"] == "best" and validation_loss <= self.best.get("loss", float("inf")):
            self.best = {"loss": validation_loss, "weights": _copied(self.model.state_dict())}

    def _fit(self, examples: Examples) -> float:
        self.model.train()
        torch.manual_seed(integer_seed(self.seed, "dropout", self.epoch))
        order = torch.from_numpy(generator(self.seed, "order", self.epoch).permutation(len(examples))).to(examples.inputs.device)
        batches = order.split(self.options["batch_size"])
        losses = []
        for batch in progress(batches, len(batches), f"epoch {self.epoch + 1}"):
            loss = self._loss(examples.part(batch))
            self.optimiser.forget_gradients()
            loss.backward()
            self.optimiser.step()
            losses.append(loss.detach())
        # Looked at once an epoch: asking after every batch would make an accelerator wait for the host.
        losses = torch.stack(losses)
        finite = losses.isfinite()
        if not finite.all():
            first = int((~finite).nonzero()[0])
            raise TrainingError(
                f"The loss became {losses[first].item()} in epoch {self.epoch + 1}, batch {first + 1} of {len(batches)}, at learning rate "
                f"{self.learning_rate:g}; lower that or look for outliers in the dataset."
            )
        return losses.mean().item()

    @torch.no_grad()
    def _validate(self, examples: Examples) -> float:
        self.model.eval()
        size = self.options["batch_size"]
        parts = (examples.part(slice(start, start + size)) for start in range(0, len(examples), size))
        total = sum(self._loss(part) * len(part) for part in parts)
        return (total / len(examples)).item()

    def _loss(self, part: Examples) -> Tensor:
        half = self.options["precision"] == "bfloat16"
        with torch.autocast(part.inputs.device.type, dtype=torch.bfloat16, enabled=half):
            prediction = self.model(part.inputs)
        return self.loss(prediction.float(), part.labels, part.patterns)

    def final_weights(self) -> dict[str, Tensor]:
        """Of the last epoch, as published, or of the best validation loss."""
        weights = self.best["weights"] if self.options["weights"] == "best" else self.model.state_dict()
        return {name: tensor.cpu().contiguous() for name, tensor in weights.items()}

    def state(self) -> dict[str, Any]:
        """Everything that the next epoch depends on."""
        return {
            "epoch": self.epoch,
            "history": self.history,
            "best": self.best,
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state(),
            "schedule": self.schedule.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what ``state`` returned."""
        self.epoch, self.history, self.best = state["epoch"], state["history"], state["best"]
        self.model.load_state_dict(state["model"])
        self.optimiser.restore(state["optimiser"])
        self.schedule.restore(state["schedule"])


def _copied(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in weights.items()}


def fit(
    dataset: str | Path,
    *,
    model: Mapping[str, Any],
    loss: Mapping[str, Any],
    n_train: int,
    seed: int,
    training: Mapping[str, Any],
    checkpoint: str | Path,
    history: str | Path,
    threads: int = 1,
    code: str = "",
) -> dict[str, Any]:
    """Train one network on one dataset.

    Args:
        dataset: CXI file.
        model: catalogue entry with ``kind``, ``options``, ``initialisation`` (None: the network's own) and ``inputs``.
        loss: catalogue entry with ``kind`` and its options.
        n_train: number of patterns, of which a part validates.
        seed: of subset, validation part, initial weights, order and dropout, the same for every model.
        training: the config's ``training``.
        checkpoint: output, the trained network.
        history: output, CSV with one row an epoch.
        threads: of the CPU.
        code: digest of the code, so that state left by other code is not continued.

    Returns:
        Facts for the provenance: device, parameters, initial weights, patterns, seconds of training.

    Raises:
        InputError: the dataset is damaged, or has fewer than ``n_train`` training patterns.
        TrainingError: the loss is no longer finite.
    """
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    device = lookup_device()
    scan = read_scan(dataset)
    subset = training_subset(split_of(scan), n_train, seed, training["subset"])
    normalisation = training_normalisation(scan, subset)
    fitted, watched = validation_part(subset, training["validation_fraction"], training["validation"], seed)
    examples, validation = (load_examples(dataset, scan, part, normalisation, model["inputs"]).to(device) for part in (fitted, watched))

    torch.manual_seed(integer_seed(seed, "weights"))
    network = build(model["kind"], scan.window, model["options"], model["initialisation"])
    network = network.to(device, memory_format=torch.channels_last)
    run = Training(network, make_loss(loss, Forward.of(scan, normalisation, examples.patterns)), training, seed)
    say(f"{model['kind']}: {parameter_count(network):,} parameters, {len(examples)} patterns, {len(validation)} to validate, on {device}")

    state_file = _state_beside(checkpoint)
    identity = digest([dict(model), dict(loss), n_train, seed, dict(training), code, torch.__version__, _fingerprint(examples)])
    if state := load_state(state_file, identity):
        run.restore(state)
        say(f"Going on after epoch {run.epoch}.")
    while run.epoch < training["epochs"]:
        run.run_epoch(examples, validation)
        save(run.state() | {"identity": identity}, state_file)
        say(_line(run.history[-1], training["epochs"]))

    write_csv(pd.DataFrame(run.history), history)
    entry = dict(model) | {"options": dict(model["options"])}
    made = Checkpoint(**entry, window=tuple(scan.window), normalisation=normalisation, weights=run.final_weights())
    save_checkpoint(made, checkpoint)
    return {
        "device": device_name(device),
        "parameters": parameter_count(network),
        "initial_weights": model["initialisation"] or own_initialisation(model["kind"]),
        "patterns": n_train,
        "training_seconds": round(sum(row["seconds"] for row in run.history), 1),
    }


def forget_state(checkpoint: str | Path) -> None:
    """Delete the state of a finished training, once everything that is made of it is safe."""
    _state_beside(checkpoint).unlink(missing_ok=True)


def _state_beside(checkpoint: str | Path) -> Path:
    return Path(checkpoint).with_name("state.pt")


def _fingerprint(examples: Examples) -> int:
    """Checksum of all inputs and labels."""
    return zlib.crc32(np.ascontiguousarray(examples.labels.cpu()), zlib.crc32(np.ascontiguousarray(examples.inputs.cpu())))


def _line(row: Mapping[str, float], epochs: int) -> str:
    return (
        f"epoch {row['epoch']:.0f} of {epochs}: training loss {row['train_loss']:.5f}, validation loss {row['validation_loss']:.5f}, "
        f"learning rate {row['learning_rate']:g}, {row['seconds']:.1f} s"
    )
