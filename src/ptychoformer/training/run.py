"""A network in the making: one run's state, and its epochs, alone or side by side with those of
other runs.
"""

import copy
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ptychoformer.errors import TrainingError, first_line
from ptychoformer.progress import progress, say
from ptychoformer.randomness import generator, integer_seed
from ptychoformer.training import HISTORY
from ptychoformer.training.dropout import Draws
from ptychoformer.training.examples import Examples
from ptychoformer.training.graphs import Graphs, missed_by_replays, say_uncaptured
from ptychoformer.training.losses import Loss
from ptychoformer.training.optimiser import Adam, Plateau
from ptychoformer.training.options import TrainingOptions
from ptychoformer.training.pace import batches
from ptychoformer.training.precision import autocast

# What helps where a loss is no number.
UNBOUNDED = (
    "lower that, or look for outliers in the dataset, or in network and loss for a division, root or logarithm of zero"
    " or less"
)


class Training:
    """A network, what it is trained on, and how far it is.

    Order and dropout of an epoch depend on the seed and the epoch alone.

    Args:
        model: the network, on the device.
        loss: of a prediction, its labels and the patterns.
        options: how it is trained.
        seed: of order and dropout.
        examples: to be fitted, on the device.
        validation: to be watched, on the device.

    ``after_step``, where it is set, is called after every step.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Loss,
        options: TrainingOptions,
        seed: int,
        examples: Examples,
        validation: Examples,
    ):
        self.model, self.loss, self.options, self.seed = model, loss, options, seed
        self.examples, self.validation = examples, validation
        self.epoch = 0
        self.after_step: Callable[[], None] = _nothing
        self.history: list[dict[str, float]] = []
        self.best: dict[str, Any] = {}
        self.optimiser = Adam(model.parameters(), options.learning_rate)
        self.schedule = Plateau(
            self.optimiser, factor=options.factor, patience=options.patience, floor=options.min_learning_rate
        )
        self.batches = batches(len(examples), options.batch_size)
        self._whole = len(examples) // options.batch_size  # of the batches; the last may be smaller
        self._device = examples.inputs.device
        self._compiled: nn.Module = model  # what whole batches pass through
        self._draws, self._graphs = Draws(self._device), Graphs(self._device)
        # What an epoch reads and writes lies at places that stay, as captured steps need it.
        self._order = torch.zeros(len(examples), dtype=torch.long, device=self._device)
        self._number = torch.zeros(1, dtype=torch.long, device=self._device)
        self._losses = torch.zeros(self.batches, device=self._device)
        self._validation_loss = torch.zeros((), device=self._device)

    def compile(self) -> None:
        """Have torch fuse the kernels that a whole batch passes through, if it can; the state of
        the run stays as it is.

        Other batches and the validation part are few: for a shape of their own each would have to
        be compiled again.
        """
        if not self._whole:
            return
        compiled = torch.compile(self.model, dynamic=False)
        self.model.train()
        with self.in_use():
            before = copy.deepcopy(self.state())
            try:
                self._fit(self._order[: self.options.batch_size], compiled)
                self._compiled = compiled
            # a compiler that is missing, or whatever this one makes of the network: it trains
            # without
            except Exception as error:
                say(
                    f"This network cannot be compiled, its kernels are not fused ({type(error).__name__}:"
                    f" {first_line(error)})."
                )
            self.restore(before)

    def capture(self) -> None:
        """Make each step one launch where the device can; the state of the run stays as it is."""
        if not self._graphs.possible:
            return
        works = {"whole": self._fit_next} if self._whole else {}
        works |= {"last": self._fit_last} if self._whole < self.batches else {}
        with self.in_use():
            before = copy.deepcopy(self.state())
            self.model.train()
            if missed := missed_by_replays(self.model, next(iter(works.values()))):
                say_uncaptured(missed)
            captured = not missed and self._graphs.capture(works)
            self.model.eval()
            captured = captured and self._graphs.capture({"validation": self._watch})
            self.restore(before)
        if not captured:
            # A capture that broke off leaves its generator waiting for an end that does not come.
            self._draws = Draws(self._device)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Compute on the run's stream, with the run's draws."""
        with self._graphs.stream(), self._draws.in_use():
            yield

    def begin_epoch(self) -> None:
        """Draw the order of the next epoch."""
        self._draws.seed(integer_seed(self.seed, "dropout", self.epoch))
        self.model.train()
        with self._graphs.stream():
            self._order.copy_(
                torch.from_numpy(generator(self.seed, "order", self.epoch).permutation(len(self.examples)))
            )
            self._number.zero_()

    def fit_batch(self, number: int) -> None:
        """Take the step of a batch; the device may still be at it when this returns."""
        captured, network = ("whole", self._compiled) if number < self._whole else ("last", self.model)
        if captured in self._graphs:
            self._graphs.replay(captured)
            return
        size = self.options.batch_size
        with self.in_use():
            self._losses[number] = self._fit(self._order[number * size : (number + 1) * size], network)

    def validate(self) -> None:
        """Find the validation loss; the device may still be at it when this returns."""
        self.model.eval()
        if "validation" in self._graphs:
            self._graphs.replay("validation")
            return
        with self.in_use():
            self._watch()

    def losses(self) -> tuple[Tensor, float]:
        """Wait for the losses of the epoch's batches and of the validation part, and return them.

        Looked at once an epoch: asking after every batch would make an accelerator wait for the
        host.
        """
        with self._graphs.stream():
            return self._losses.cpu(), self._validation_loss.item()

    def end_epoch(self, losses: Tensor, validation_loss: float, seconds: float) -> None:
        """Adjust the learning rate and write the history.

        Raises:
            TrainingError: a loss is NaN or infinite.
        """
        rate, finite = self.optimiser.learning_rate, losses.isfinite()
        if not finite.all():
            first = int((~finite).nonzero()[0])
            raise TrainingError(
                f"The loss became {losses[first].item()} in epoch {self.epoch + 1}, batch {first + 1} of"
                f" {self.batches}, at learning rate {rate:g}; {UNBOUNDED}."
            )
        if not math.isfinite(validation_loss):
            raise TrainingError(
                f"The validation loss became {validation_loss} after epoch {self.epoch + 1}, at learning rate {rate:g};"
                f" {UNBOUNDED}."
            )
        self.epoch += 1
        row = (self.epoch, rate, self._mean(losses), validation_loss, seconds)
        self.history.append(dict(zip(HISTORY, row, strict=True)))
        with self._graphs.stream():
            self.schedule.step(validation_loss)
            if self.options.weights == "best" and validation_loss <= self.best.get("loss", math.inf):
                self.best = {
                    "loss": validation_loss,
                    "weights": {name: part.clone() for name, part in self.model.state_dict().items()},
                }

    def _mean(self, losses: Tensor) -> float:
        """Average the losses of batches, the last of which may be smaller, over patterns."""
        sizes = torch.full_like(losses, self.options.batch_size)
        sizes[-1] = len(self.examples) - self.options.batch_size * (self.batches - 1)
        return (losses @ sizes).item() / len(self.examples)

    def _fit(self, batch: Tensor, network: nn.Module) -> Tensor:
        loss = self._loss(self.examples.part(batch), network)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return loss.detach()

    def _fit_next(self) -> None:
        """Fit the next whole batch of the epoch; which one it is, the device counts."""
        whole = self._order[: self._whole * self.options.batch_size].view(self._whole, -1)
        batch = whole.index_select(0, self._number)[0]
        self._losses.index_copy_(0, self._number, self._fit(batch, self._compiled)[None])
        self._number.add_(1).remainder_(self._whole)

    def _fit_last(self) -> None:
        """Fit the last batch of the epoch, which is smaller than the others."""
        last = self._order[self._whole * self.options.batch_size :]
        self._losses[-1].copy_(self._fit(last, self.model))

    @torch.no_grad()
    def _watch(self) -> None:
        size, examples = self.options.batch_size, self.validation
        parts = (examples.part(slice(start, start + size)) for start in range(0, len(examples), size))
        self._validation_loss.copy_(sum(self._loss(part, self.model) * len(part) for part in parts) / len(examples))

    def _loss(self, part: Examples, network: nn.Module) -> Tensor:
        with autocast(self.options.precision, self._device):
            prediction = network(part.inputs)
        return self.loss(prediction.float(), part.labels, part.patterns)

    def final_weights(self) -> dict[str, Tensor]:
        """Return the weights of the last epoch, as published, or those with the best validation
        loss.
        """
        weights = self.best["weights"] if self.options.weights == "best" else self.model.state_dict()
        with self._graphs.stream():
            return {name: tensor.cpu().contiguous() for name, tensor in weights.items()}

    def state(self) -> dict[str, Any]:
        """Return all that the next epoch depends on, once the device has done what it was told."""
        self._graphs.wait()
        return {
            "epoch": self.epoch,
            "history": self.history,
            "best": self.best,
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state(),
            "schedule": self.schedule.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what ``state`` returned, once the device has done what it was told."""
        self.epoch, self.history, self.best = state["epoch"], state["history"], state["best"]
        with self._graphs.stream():  # on another one a step that is still at work would write over what is restored
            self.model.load_state_dict(state["model"])
            self.optimiser.restore(state["optimiser"])
            self.schedule.restore(state["schedule"])


def _nothing() -> None:
    pass


def run_epoch(runs: Sequence[Training]) -> list[TrainingError | None]:
    """Take every run through its next epoch, in turn by batches; return what went wrong.

    The seconds in their histories are their shares of the time.
    """
    began = time.perf_counter()
    for run in runs:
        run.begin_epoch()
    most = max(run.batches for run in runs)
    for number in progress(range(most), most, f"epoch {runs[0].epoch + 1}"):
        for run in runs:
            if number < run.batches:
                run.fit_batch(number)
                run.after_step()
    for run in runs:
        run.validate()
    losses = [run.losses() for run in runs]
    seconds = (time.perf_counter() - began) / len(runs)
    return [_ended(run, *found, seconds) for run, found in zip(runs, losses, strict=True)]


def _ended(run: Training, losses: Tensor, validation_loss: float, seconds: float) -> TrainingError | None:
    try:
        run.end_epoch(losses, validation_loss, seconds)
    except TrainingError as error:
        return error
    return None
