"""The command ``ptychoformer train``."""

import argparse
import json
import time
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ptychoformer.cli.arguments import add_reading, add_running, any_name, cropping, number, reading, whole
from ptychoformer.cli.networks import MODEL, OR_OWN, check_window, loss, loss_entry, losses, network, network_choices
from ptychoformer.cli.outputs import check_outputs
from ptychoformer.cli.replacing import digests_of_given, scanned
from ptychoformer.cli.run_folder import (
    CHECKPOINT,
    DATASET,
    HISTORY,
    JUDGEMENT,
    LABELS,
    PREPARATION,
    PreparedAs,
    check_beside,
    check_run,
    files_of,
)
from ptychoformer.cli.tensorboard import curves
from ptychoformer.cli.threads import threads_of
from ptychoformer.files import content_digest, locked, write_text
from ptychoformer.measurement.options import Patterns, choices_of
from ptychoformer.measurement.origin import read_origin
from ptychoformer.measurement.preparation import open_prepared
from ptychoformer.measurement.resemblance import Seen, Tally
from ptychoformer.outside import is_outside
from ptychoformer.plugins import fields_of, loss_code, network_code
from ptychoformer.progress import say
from ptychoformer.provenance import check_unedited, code_digest, record, source_digest
from ptychoformer.publication.names import counted
from ptychoformer.training.entries import NetworkEntry
from ptychoformer.training.options import TrainingOptions

if TYPE_CHECKING:
    from ptychoformer.evaluation.judgement import Judgement
    from ptychoformer.training.fit import Follower
    from ptychoformer.training.split import Split

SUMMARY = "train a network on a reconstructed scan"
ABOUT = """\
Train a network on a scan whose object was reconstructed: what it learns is to take one pattern to
its part of the object.

--crop and --bin decide what it sees: a crop of c detector pixels, summed in blocks of b x b, makes
patterns of c / b pixels. A smaller crop makes the object's pixels coarser, larger blocks make its
windows narrower. The lowest fifth of the scan is never trained on, nor is what overlaps it, so that
RUN's answers there are those to expect of a new scan.

Batch size and epochs are chosen by the number of patterns: as many steps as the paper's networks
took. At the end RUN is judged by the lowest fifth of the scan: in amplitude and phase, is it better
than the mean of the training labels, which knows nothing of a pattern? If in neither, --strict
makes that exit code 3, for scripts; otherwise it is 0, whatever was learnt.

RUN gets model.pt, history.csv (the losses of every epoch), judgement.json (the scores),
preparation.json (what predict has to know), and the labelled scan, dataset.cxi and object.h5. The
state of training is kept in RUN/state.pt: interrupted, the same command goes on after the last
whole epoch; a finished RUN it trains anew, and replaces when the new one is whole."""
EXAMPLES = """\
examples:
  ptychoformer train scan.cxi --object object.h5 -o run --crop 64
  ptychoformer train scan.cxi --object object.h5 -o run --crop 128 --bin 4 --model ptychonn --epochs 50
  ptychoformer train scan.cxi --object object.h5 -o run --crop 64 --option attention=none --loss mae
  ptychoformer train scan.cxi --object object.h5 -o run --crop 64 --model nets/mine.py --loss losses/mine.py"""
AFTERWARDS = "The same command goes on after the last whole epoch."  # said when it was interrupted
NOTHING_LEARNT = 3  # exit code with --strict
BLOCK = 1024  # patterns looked at together


def add_options(part: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    learnt = "what `reconstruct` made of the same scan"
    part.add_argument("--object", required=True, type=any_name, metavar="OBJECT.h5", help=learnt)
    part.add_argument("-o", "--output", required=True, type=any_name, metavar="RUN", help="folder to write into")
    training = part.add_argument_group("training")
    _add_network_options(training)
    training.add_argument(
        "--patterns", type=whole(2), metavar="N", help="to train on, drawn by the seed [all that may be]"
    )
    training.add_argument(
        "--epochs", type=whole(1), metavar="N", help="passes over them [as many steps as the paper's, 25 at least]"
    )
    training.add_argument("--batch-size", type=whole(1), metavar="N", help="patterns a step [4 to 32, by their number]")
    training.add_argument(
        "--learning-rate",
        type=number(fields_of("TrainingOptions")["learning_rate"]),
        default=TrainingOptions.learning_rate,
        metavar="R",
        help="of Adam at the start [%(default)s]",
    )
    training.add_argument(
        "--loss",
        type=loss,
        default="mse",
        metavar="KIND",
        help=f"what is made small: {', '.join(losses())}; {OR_OWN}",
    )
    training.add_argument(
        "--strict", action="store_true", help="exit code 3 if it is no better than the mean of the training labels"
    )
    training.add_argument(
        "--tensorboard",
        type=any_name,
        metavar="FOLDER",
        help="write curves for TensorBoard there, by the epoch (pip install tensorboard)",
    )
    add_running(training, "of the choice of patterns, initial weights, order and dropout")
    add_reading(part)


def _add_network_options(training: argparse._ArgumentGroup) -> None:
    """Add the options that say which network is trained, and what it sees."""
    training.add_argument("--model", type=network, default="ptychoformer", metavar="KIND", help=MODEL)
    training.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="of the network, as often as you like; an unknown name lists them",
    )
    training.add_argument(
        "--initialisation",
        choices=choices_of(NetworkEntry, "initialisation"),
        help="weights to start from [the network's own choice]",
    )
    training.add_argument(
        "--inputs",
        choices=choices_of(NetworkEntry, "inputs"),
        default=NetworkEntry.inputs,
        help="what is made of the photons it sees [%(default)s]",
    )
    training.add_argument(
        "--batch-norm",
        choices=choices_of(NetworkEntry, "batch_norm"),
        default=NetworkEntry.batch_norm,
        help="running averages of its batch norms, which decide after few steps [%(default)s]",
    )


def run(options: Namespace) -> int:
    """Train a network on a scan with a reconstruction, and judge it; returns the exit code."""
    files = files_of(options.output)
    check_outputs(files.values(), [options.scan, options.object])
    with locked(options.output), curves(options.tensorboard) as follow:
        check_beside(files)
        judged = _train(options, files, follow)
    return NOTHING_LEARNT if options.strict and not judged["better"] else 0


def _train(options: Namespace, files: Mapping[str, Path], follow: "Follower | None") -> "Judgement":
    # Before modules of the user's own are first imported: their files may be edited meanwhile.
    code = code_digest("training.fit", network_code(options.model), loss_code(options.loss))
    own = {what: kind for what, kind in (("network", options.model), ("loss", options.loss)) if is_outside(kind)}
    for kind in own.values():
        check_unedited(kind)
    model = NetworkEntry(
        options.model,
        network_choices(options.model, options.option),
        options.initialisation,
        options.inputs,
        options.batch_norm,
    )
    minimised = loss_entry(options.loss)
    settings = {"model": model.plain(), "loss": minimised.plain(), "seed": options.seed}
    source = {f"{what}_digest": source_digest(kind) for what, kind in own.items()}
    began, (preparation, scan) = time.perf_counter(), _prepared(options, model)
    scan |= {"object": content_digest(options.object)}
    # Before anything is replaced there; what the labelled scan tells, before anything is trained.
    check_run(files, scan, settings | source | {name: preparation[name] for name in ("crop", "bin")})
    n_train = _labelled(options, files, preparation["crop"])
    training = training_options(options, n_train)
    settled = {"n_train": n_train, "training": asdict(training)}
    check_run(files, scan, settled)
    from ptychoformer.training.fit import delete_state, fit

    threads = threads_of(options)
    facts = fit(
        files[DATASET],
        seed=options.seed,
        checkpoint=files[CHECKPOINT],
        history=files[HISTORY],
        model=model,
        loss=minimised,
        n_train=n_train,
        training=training,
        threads=threads,
        code=code,
        follow=follow,
        advice=shorter(options, training.batch_size),
    )
    facts |= {"threads": threads}
    preparation["label_deviation"], judged = _judged(files, n_train, options.seed, training.subset, threads)
    seen = {"seen": _seen(files[DATASET])}  # numbers that say nothing to a reader of the provenance
    write_text(json.dumps(preparation | seen, indent=2) + "\n", files[PREPARATION])
    write_text(json.dumps(judged, indent=2) + "\n", files[JUDGEMENT])
    record(files[CHECKPOINT], settings | settled | preparation | scan, time.perf_counter() - began, facts)
    delete_state(files[CHECKPOINT])
    print(f"{facts['patterns']} patterns in {facts['training_seconds']} s: {files[CHECKPOINT]}")
    return judged


def _prepared(options: Namespace, model: NetworkEntry) -> tuple[PreparedAs, dict[str, Any]]:
    """Return how patterns are prepared, for `predict`, and what tells the scan from others, once a
    network can be built for the patterns and there is an object.
    """
    with open_prepared(options.scan, reading(options), cropping(options)) as prepared:
        preparation: PreparedAs = {
            "crop": prepared.crop,
            "bin": options.bin,
            "window": list(prepared.window),
            "pixel_size": prepared.optics.pixel_size if prepared.optics else None,
            "positions_axes": prepared.axes,
            "positions_turn": prepared.turn,
            "mask": options.mask,
        }
    for warning in prepared.warnings:
        say(warning)
    check_window(model, prepared, options.bin)
    read_origin(options.object)
    return preparation, scanned(options, prepared, digests_of_given(options))


def _labelled(options: Namespace, files: Mapping[str, Path], crop: int) -> int:
    """Write the labelled scan; returns how many of its patterns are trained on."""
    from ptychoformer.measurement.cxi import read_scan
    from ptychoformer.measurement.labelled import make_labelled
    from ptychoformer.training.few import about_few
    from ptychoformer.training.split import split_of

    make_labelled(
        options.scan,
        reading(options),
        Patterns(crop, options.bin),
        labels=None,
        reconstruction=options.object,
        output=files[DATASET],
        object_output=files[LABELS],
    )
    split = split_of(read_scan(files[DATASET]))
    if few := about_few(split):
        say(few)
    return options.patterns or len(split.train)


def training_options(options: Namespace, n_train: int) -> TrainingOptions:
    """Choose how a network is trained on ``n_train`` patterns: in all that the command has no
    option for, as the workflow does where its config says nothing.
    """
    from ptychoformer.training.pace import batches, pace
    from ptychoformer.training.split import validation_part

    default = TrainingOptions()
    how = (default.validation_fraction, default.validation, options.seed)
    fitted = len(validation_part(np.arange(n_train), *how)[0])
    batch_size, epochs = pace(fitted, options.batch_size, options.epochs)
    steps = counted(epochs * batches(fitted, batch_size), "step")
    say(f"batches of {batch_size}, {counted(epochs, 'epoch')}: {steps}")
    return replace(
        default,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=options.learning_rate,
        min_learning_rate=min(default.min_learning_rate, options.learning_rate),
    )


def shorter(options: Namespace, batch_size: int) -> str:
    """Say what would make a training shorter. Fewer patterns do as long as the steps become
    smaller, or where the epochs are given; otherwise `pace` has as many steps of the same size.
    """
    from ptychoformer.training.pace import SMALLEST_BATCH

    smaller = not options.batch_size and batch_size > SMALLEST_BATCH
    ways = ["fewer pixels (--crop, --bin)", "fewer epochs (--epochs)"]
    ways += ["fewer patterns (--patterns)"] if options.epochs or smaller else []
    return f"{', '.join(ways)} or a smaller network (--model) would make it shorter"


def _judged(
    files: Mapping[str, Path], n_train: int, seed: int, subset: str, threads: int
) -> tuple[dict[str, float], "Judgement"]:
    """Say whether the network has learnt anything; returns the standard deviation of its
    training labels, and what was found.
    """
    from ptychoformer.evaluation import CHANNELS
    from ptychoformer.evaluation.judgement import judge, sentence, table
    from ptychoformer.evaluation.network import TrainedNetwork
    from ptychoformer.measurement.cxi import read_scan
    from ptychoformer.training.normalisation import label_statistics
    from ptychoformer.training.split import split_of, training_subset

    scan, network = read_scan(files[DATASET]), TrainedNetwork(files[CHECKPOINT], threads)
    split = split_of(scan)
    trained = training_subset(split, n_train, seed, subset)
    means, deviations = label_statistics(scan, trained, network.normalisation)
    judged = judge(files[DATASET], network, means)
    print(f"On {judged['patterns']} patterns of the part that was never trained on:\n{table(judged)}")
    print(f"The network is {sentence(judged, _advice(split, n_train))}")
    return dict(zip(CHANNELS, map(float, deviations), strict=True)), judged


def _advice(split: "Split", n_train: int) -> str:
    """Say what to do with a network that has learnt nothing of ``n_train`` patterns of the scan."""
    from ptychoformer.evaluation.judgement import LONGER
    from ptychoformer.training.few import FEW, more_patterns

    if n_train > FEW:
        return LONGER
    more = "more of the scan's (--patterns)" if n_train < len(split.train) else more_patterns(split)
    return f"{n_train} patterns are few to learn from; try {more}"


def _seen(dataset: Path) -> Seen:
    """Sum up what patterns that may be trained on look like: see `measurement.resemblance`."""
    from ptychoformer.measurement.cxi import read_patterns, read_scan
    from ptychoformer.training.split import split_of

    tally, train = Tally(), split_of(read_scan(dataset)).train
    for _ in tally.passing(
        read_patterns(dataset, train[start : start + BLOCK]) for start in range(0, len(train), BLOCK)
    ):
        pass
    return tally.summary()
