"""Training as published: Adam, ReduceLROnPlateau, a fixed number of epochs (Sec. IV-A), from a
dataset to a checkpoint.

The whole state of a run is written to one file beside its outputs, after every epoch on a CPU and
now and then on a faster device, so that an interrupted training goes on where it was, and its
history so far to another (``history.unfinished.csv``). The state stays there until
``delete_state``, so that what the caller makes of the network next can fail without a loss. On a
CPU an interrupted run ends with the weights of an unbroken one, and runs that are trained side by
side with those of runs alone, to the last bit. On an accelerator, kernels that torch has no
deterministic form of may differ in the last digits; with ``deterministic`` it uses those that it
has.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ptychoformer.device import lookup_device, with_earlier
from ptychoformer.errors import PtychoformerError, TrainingError
from ptychoformer.measurement.cxi import Scan, read_scan
from ptychoformer.models import build, moved, own_initialisation, parameter_count
from ptychoformer.outside import is_outside, source_of
from ptychoformer.progress import say
from ptychoformer.provenance import digest, source_digest
from ptychoformer.randomness import integer_seed
from ptychoformer.tables import write_records
from ptychoformer.tensors import load_state, restored, save
from ptychoformer.training.checkpoint import Checkpoint, save_checkpoint
from ptychoformer.training.contract import check_loss, check_network
from ptychoformer.training.entries import LossEntry, NetworkEntry
from ptychoformer.training.examples import Examples, load_examples
from ptychoformer.training.forward import Forward
from ptychoformer.training.identity import data, schedule
from ptychoformer.training.losses import make_loss
from ptychoformer.training.normalisation import Normalisation, training_normalisation
from ptychoformer.training.options import TrainingOptions
from ptychoformer.training.pace import Forecast, say_how_long
from ptychoformer.training.precision import set_precision
from ptychoformer.training.run import Training, run_epoch
from ptychoformer.training.split import split_of, training_subset, validation_part
from ptychoformer.training.trial import Conditions

# Between two times that a run's state is written on a device whose epochs are shorter than the
# writing.
SECONDS_BETWEEN_STATES = 30.0
Follower = Callable[[int, Mapping[str, float]], None]


@dataclass(frozen=True)
class Run:
    """One of several runs that differ in their seed.

    Args:
        dataset: CXI file.
        seed: of subset, validation part, initial weights, order and dropout, the same for every
            model.
        checkpoint: output, the trained network.
        history: output, CSV with one row an epoch.
    """

    dataset: str | Path
    seed: int
    checkpoint: str | Path
    history: str | Path


@dataclass
class _Job:
    """A run with what it needs while it is trained."""

    run: Run
    window: tuple[int, int]
    normalisation: Normalisation
    training: Training
    outside: dict[str, str]  # file and digest of a user's own network and loss: see `_outside`
    identity: dict[str, Any]
    device: str  # or devices, for people
    saved: float = field(default_factory=time.monotonic)

    def save_state(self) -> None:
        about = {"identity": self.identity, "device": self.device}
        save(self.training.state() | about, state_beside(self.run.checkpoint))
        write_records(self.training.history, _growing(self.run.history))
        self.saved = time.monotonic()


def fit(
    dataset: str | Path,
    *,
    seed: int,
    checkpoint: str | Path,
    history: str | Path,
    **how: Any,
) -> dict[str, Any]:
    """Train one network on one dataset: `fit_together` with one run, whose facts it returns."""
    return fit_together([Run(dataset, seed, checkpoint, history)], **how)[0]


def fit_together(
    runs: Sequence[Run],
    *,
    model: NetworkEntry,
    loss: LossEntry,
    n_train: int,
    training: TrainingOptions,
    threads: int = 1,
    code: str = "",
    follow: Follower | None = None,
    advice: str = "",
) -> list[dict[str, Any]]:
    """Train one network with several seeds side by side, each as it would be alone.

    Args:
        runs: seeds, datasets and outputs.
        model: which network.
        loss: which loss.
        n_train: number of patterns, of which a part validates.
        training: how it is trained.
        threads: of the CPU.
        code: digest of the code, so that state left by other code is not continued.
        follow: is called after every epoch of a run, with its seed and its row of the history.
        advice: what would make it shorter, said with the forecast of a long training.

    Returns:
        Facts of each run for the provenance: device, parameters, initial weights, patterns, seconds
            of training.

    Raises:
        InputError: a dataset is damaged, or has fewer than ``n_train`` training patterns.
        TrainingError: network or loss are not what a training needs (`training.contract`); or a
            loss is no longer finite, and the other runs are trained to their end before.
    """
    torch.set_num_threads(threads)
    device = lookup_device()
    torch.use_deterministic_algorithms(device.type == "cpu" or training.deterministic, warn_only=True)
    jobs = [
        _prepared(run, model, loss, n_train, training, code, device, tried=place > 0) for place, run in enumerate(runs)
    ]
    failed = _train(jobs, training.epochs, device, follow, advice)
    if failed:
        for job in jobs:  # those that are whole need not be trained again
            if job.training.epoch == training.epochs:
                job.save_state()
        raise TrainingError(
            failed[0][1] if len(runs) == 1 else " ".join(f"Seed {seed}: {error}" for seed, error in failed)
        )
    return [_finished(job, model, n_train) for job in jobs]


def _prepared(
    run: Run,
    model: NetworkEntry,
    loss: LossEntry,
    n_train: int,
    training: TrainingOptions,
    code: str,
    device: torch.device,
    *,
    tried: bool,
) -> _Job:
    """Prepare a run as it starts or was left; network and loss are tried, unless they were."""
    outside = _outside(network=model.kind, loss=loss.kind)  # before they are imported: files may be edited meanwhile
    scan, normalisation, examples, validation = _read(run.dataset, model, n_train, run.seed, training)
    chosen = {"network": digest(model.plain()), "loss": digest(loss.plain()), "code": code, "seed": run.seed}
    chosen["number of training patterns"] = n_train
    identity = chosen | schedule(training) | data(scan, normalisation, examples, validation)
    examples, validation = examples.to(device), validation.to(device)

    forward = Forward.of(scan, normalisation, examples.patterns)
    if not tried:
        _try(model, loss, forward, examples, training)
    torch.manual_seed(integer_seed(run.seed, "loss"))
    measure = make_loss(loss, forward)  # another one, in which the trial has left no trace
    torch.manual_seed(integer_seed(run.seed, "weights"))
    network = build(model.kind, scan.window, model.options, model.initialisation, model.batch_norm)
    network = moved(network, device)
    set_precision(network, training.precision, device)
    making = Training(network, measure, training, run.seed, examples, validation)
    counts = f"{parameter_count(network):,} parameters, {len(examples)} patterns, {len(validation)} to validate"
    say(f"{model.kind}, seed {run.seed}: {counts}, on {device}")
    state = load_state(state_beside(run.checkpoint), identity)
    goes_on = state is not None and _restore(making, state, state_beside(run.checkpoint))
    known_as = with_earlier(device, state.get("device", "") if goes_on else "")
    return _Job(run, tuple(scan.window), normalisation, making, outside, identity, known_as)


def _read(
    dataset: str | Path, model: NetworkEntry, n_train: int, seed: int, training: TrainingOptions
) -> tuple[Scan, Normalisation, Examples, Examples]:
    """Read a scan and what of it a run learns from: the patterns that are fitted, and those that
    validate.
    """
    scan = read_scan(dataset)
    subset = training_subset(split_of(scan), n_train, seed, training.subset)
    normalisation = training_normalisation(scan, subset)
    parts = validation_part(subset, training.validation_fraction, training.validation, seed)
    examples, validation = (load_examples(dataset, scan, part, normalisation, model.inputs) for part in parts)
    return scan, normalisation, examples, validation


def _try(model: NetworkEntry, loss: LossEntry, forward: Forward, examples: Examples, training: TrainingOptions) -> None:
    """Try loss and network as a training on the examples will use them.

    Raises:
        InputError: one cannot be built.
        TrainingError: one is not what a training needs (`training.contract`).
    """
    conditions = Conditions(
        window=tuple(examples.inputs.shape[2:]),
        greatest=examples.inputs.max().item(),
        count=len(examples),
        batch_size=training.batch_size,
        precision=training.precision,
        device=examples.inputs.device,
    )
    check_loss(loss, make_loss(loss, forward), forward, conditions)
    check_network(model, conditions)


def try_out(
    dataset: str | Path,
    *,
    model: NetworkEntry,
    loss: LossEntry,
    n_train: int,
    seed: int,
    training: TrainingOptions,
) -> None:
    """Try network and loss as `fit` does before it trains, and write nothing; of a dataset that
    cannot be trained on, nothing is said.

    Raises:
        InputError: network or loss cannot be built.
        TrainingError: they are not what a training needs (`training.contract`).
    """
    try:
        scan, normalisation, examples, _ = _read(dataset, model, n_train, seed, training)
    except PtychoformerError:
        return
    examples = examples.to(lookup_device())
    _try(model, loss, Forward.of(scan, normalisation, examples.patterns), examples, training)


def _restore(making: Training, state: Mapping[str, Any], path: Path) -> bool:
    """Put a run where it was left, if it is not beyond the last epoch that is asked for; return
    whether it was put there.
    """
    if state.get("epoch", 0) > making.options.epochs:
        say(f"Starting anew: {path} is that of {state['epoch']} epochs, {making.options.epochs} are asked for.")
        return False
    if goes_on := restored(making, state, path):
        say(f"Going on after epoch {making.epoch}.")
    return goes_on


def _train(
    jobs: Sequence[_Job], epochs: int, device: torch.device, follow: Follower | None, advice: str
) -> list[tuple[int, TrainingError]]:
    """Train all that is left to do; return the seeds that failed, with their errors."""
    failed: list[tuple[int, TrainingError]] = []
    going = [job for job in jobs if job.training.epoch < epochs]
    for job in going:
        if job.training.options.compile:
            job.training.compile()
        job.training.capture()
    forecast, began = _forecast([job.training for job in going], device, advice), time.monotonic()
    while going:
        errors = run_epoch([job.training for job in going])
        failed += [(job.run.seed, error) for job, error in zip(going, errors, strict=True) if error]
        going = [job for job, error in zip(going, errors, strict=True) if not error]
        for job in going:
            if _is_due(job, device):
                job.save_state()
            say(_line(job, epochs))
            if follow:
                follow(job.run.seed, job.training.history[-1])
        if not forecast.over:
            say_how_long(time.monotonic() - began, max((epochs - job.training.epoch for job in going), default=0))
            forecast.over = True
        going = [job for job in going if job.training.epoch < epochs]
    return failed


def _forecast(runs: Sequence[Training], device: torch.device, advice: str) -> Forecast:
    """Have it said after a few steps of ``runs`` how long all that is left will take, where a step
    that is counted is done.
    """
    forecast = Forecast(sum((run.options.epochs - run.epoch) * run.batches for run in runs), advice)
    for run in runs if device.type == "cpu" else ():
        run.after_step = forecast.step_done
    return forecast


def _is_due(job: _Job, device: torch.device) -> bool:
    """Say whether the state of a run is to be written after an epoch."""
    return device.type == "cpu" or time.monotonic() - job.saved > SECONDS_BETWEEN_STATES


def _finished(job: _Job, model: NetworkEntry, n_train: int) -> dict[str, Any]:
    """Write what a run has made; return its facts."""
    making = job.training
    write_records(making.history, job.run.history)
    _growing(job.run.history).unlink(missing_ok=True)
    made = Checkpoint(
        model, job.window, job.normalisation, making.final_weights(), job.outside.get("network_digest", "")
    )
    save_checkpoint(made, job.run.checkpoint)
    return {
        "device": job.device,
        "parameters": parameter_count(making.model),
        "initial_weights": model.initialisation or own_initialisation(model.kind),
        "patterns": n_train,
        "training_seconds": round(sum(row["seconds"] for row in making.history), 1),
    } | job.outside


def _outside(**kinds: str) -> dict[str, str]:
    """Return for each kind that is a module of a user's own its file and the digest of its code."""
    found = {}
    for what, kind in kinds.items():
        if is_outside(kind):
            found |= {f"{what}_file": str(source_of(kind).resolve()), f"{what}_digest": source_digest(kind)}
    return found


def delete_state(checkpoint: str | Path) -> None:
    """Delete the state of a finished training, once everything that is made of it is safe."""
    state_beside(checkpoint).unlink(missing_ok=True)


def state_beside(checkpoint: str | Path) -> Path:
    """Name the file in which the state of a training lies until all that is made of it is safe."""
    return Path(checkpoint).with_name("state.pt")


def _growing(history: str | Path) -> Path:
    """Name the file of the history of an unfinished training. No rule declares it, so that a failed
    job keeps it, and the history of the network that lies beside it stays that network's own.
    """
    return Path(history).with_name(f"{Path(history).stem}.unfinished.csv")


def _line(job: _Job, epochs: int) -> str:
    row = job.training.history[-1]
    return (
        f"seed {job.run.seed}, epoch {row['epoch']:.0f} of {epochs}: training loss {row['train_loss']:.5f}, validation"
        f" loss {row['validation_loss']:.5f}, learning rate {row['learning_rate']:g}, {row['seconds']:.1f} s"
    )
