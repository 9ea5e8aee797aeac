"""What the commands of `cli` do: one scan from a file to numbers, a reconstruction, a trained network, a predicted scene.

Libraries that take long to import are imported by the command that needs them.
"""

import json
import os
import tempfile
import time
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from ptychoformer.configuration import allowed_values
from ptychoformer.errors import InputError, OutputError
from ptychoformer.files import locked, write_text
from ptychoformer.measurement.preparation import PreparedScan, open_prepared
from ptychoformer.measurement.summary import as_mapping, summarise
from ptychoformer.plugins import loss_options, network_options, network_side
from ptychoformer.progress import say
from ptychoformer.provenance import code_digest, record
from ptychoformer.publication.figures.parts.lengths import with_prefix
from ptychoformer.publication.scan.description import described

# How networks are trained where nothing else is asked for: the defaults of `training` in the workflow's config schema, which a test holds
# these against. Epochs, batch size and learning rate are options of the command.
TRAINING = {
    "min_learning_rate": 1e-4,
    "factor": 0.5,
    "patience": 2,
    "subset": "scattered",
    "validation_fraction": 0.05,
    "validation": "random",
    "weights": "last",
    "precision": "mixed",
    "deterministic": False,
    "compile": False,
}
# Of `datasets.*.reconstruction` there: the probe is refined from the second iteration on, positions from the fifth, and the result is the
# mean of the last twenty iterations.
PROBE_FROM, POSITIONS_FROM, AVERAGED = 2, 5, 20
PREPARATION = "preparation.json"
SAME_PIXEL = 0.01  # largest relative difference between pixel sizes that count as the same


def inspect(options: Namespace) -> None:
    """Print what a scan holds."""
    check_outputs([options.png], [options.scan])
    summary = summarise(options.scan, reading(options), cropping(options))
    facts = as_mapping(summary)
    if options.png:
        from ptychoformer.publication.scan.pictures import draw_scan

        pixel_size, metres = facts["pixel_size"], summary.metres is not None
        positions = summary.metres if metres else summary.pixels
        draw_scan(summary.mean, positions, summary.scan.probe, pixel_size, "metres" if metres else "pixels", options.png)
    print(json.dumps(facts, indent=2) if options.json else described(facts))


def reconstruct(options: Namespace) -> None:
    """Reconstruct the object from all patterns together."""
    convergence = beside(options.output, ".convergence.csv")
    check_outputs([options.output, convergence, options.png], [options.scan])
    from ptychoformer.measurement import reconstruct as measurement

    settings = reconstruction_settings(options)
    began, code = time.perf_counter(), code_digest("measurement.reconstruct")
    how = {"seed": options.seed, "threads": options.threads, "code": code}
    facts = measurement.reconstruct(options.scan, reading(options), settings, output=options.output, convergence=convergence, **how)
    record(options.output, settings | about_scan(options.scan) | {"seed": options.seed}, time.perf_counter() - began, facts)
    if options.png:
        from ptychoformer.publication.scan.pictures import draw_reconstruction

        draw_reconstruction(options.output, convergence, options.png)
    print(f"{facts['patterns']} patterns in {facts['reconstruction_seconds']} s, R factor {facts['r_factor']:.4f}: {options.output}")


def reconstruction_settings(options: Namespace) -> dict[str, Any]:
    """What `measurement.reconstruct` is told."""
    return cropping(options) | {
        "engine": options.engine,
        "iterations": options.iterations,
        "regularisation": options.regularisation,
        "momentum": options.momentum,
        "averaged": AVERAGED,
        "probe_from": None if options.probe_known else PROBE_FROM,
        "positions_from": POSITIONS_FROM if options.refine_positions else None,
    }


def train(options: Namespace) -> None:
    """Train a network on a scan whose object was reconstructed."""
    run = Path(options.output)
    files = {name: run / name for name in ("dataset.cxi", "object.h5", "model.pt", "history.csv", PREPARATION)}
    check_outputs(files.values(), [options.scan, options.object])
    with locked(run):
        _train(options, files)


def _train(options: Namespace, files: Mapping[str, Path]) -> None:
    model = {"kind": options.model, "options": network_choices(options.model, options.option)}
    model |= {"initialisation": options.initialisation, "inputs": options.inputs}
    began = time.perf_counter()
    with open_prepared(options.scan, reading(options), cropping(options)) as prepared:
        preparation = {"crop": prepared.crop, "bin": options.bin, "window": list(prepared.window)}
        preparation["pixel_size"] = prepared.optics.pixel_size if prepared.optics else None
    for warning in prepared.warnings:
        say(warning)
    check_window(model, prepared, options.bin)
    from ptychoformer.measurement.cxi import read_scan
    from ptychoformer.measurement.labelled import make_labelled
    from ptychoformer.training.fit import delete_state, fit
    from ptychoformer.training.split import split_of

    made = {"labels": None, "reconstruction": options.object, "output": files["dataset.cxi"], "object_output": files["object.h5"]}
    make_labelled(options.scan, reading(options), {"crop": prepared.crop, "bin": options.bin}, **made)
    n_train = options.patterns or len(split_of(read_scan(files["dataset.cxi"])).train)
    training = TRAINING | {"epochs": options.epochs, "batch_size": options.batch_size, "learning_rate": options.learning_rate}
    training["min_learning_rate"] = min(training["min_learning_rate"], options.learning_rate)
    settings = {"model": model, "loss": loss_entry(options.loss), "n_train": n_train, "seed": options.seed, "training": training}
    code = code_digest("training.fit", f"models.{options.model}", f"training.losses.{options.loss}")
    results = {"checkpoint": files["model.pt"], "history": files["history.csv"], "threads": options.threads, "code": code}
    facts = fit(files["dataset.cxi"], **settings, **results)
    write_text(json.dumps(preparation, indent=2) + "\n", files[PREPARATION])
    record(files["model.pt"], settings | preparation | about_scan(options.scan), time.perf_counter() - began, facts)
    delete_state(files["model.pt"])
    print(f"{facts['patterns']} patterns in {facts['training_seconds']} s: {files['model.pt']}")


def predict(options: Namespace) -> None:
    """Predict a scan pattern by pattern, and stitch the scene as it comes."""
    checkpoint = checkpoint_in(options.checkpoint)
    tiffs = [f"{options.tiff}_amplitude.tif", f"{options.tiff}_phase.tif"] if options.tiff else []
    check_outputs([options.output, options.png, *tiffs], [options.scan, checkpoint])
    from ptychoformer.evaluation.network import TrainedNetwork
    from ptychoformer.evaluation.stream import predict_scene, write_tiffs

    trained = prepared_as(checkpoint)
    patterns = {"crop": options.crop or trained.get("crop"), "bin": options.bin or trained.get("bin") or 1}
    network, began = TrainedNetwork(checkpoint, options.threads), time.perf_counter()
    with open_prepared(options.scan, reading(options), patterns) as prepared:
        for warning in prepared.warnings:
            say(warning)
        _check_that_it_fits(options.scan, prepared, checkpoint, network.window, trained)
        stitching = {"weighting": options.weighting, "phase": options.phase}
        stitching |= {"tie": options.tie} if options.phase == "synchronised" else {}
        facts = predict_scene(prepared, network, network.normalisation, options.output, **stitching)
    facts |= {"device": network.device}
    settings = about_scan(options.scan) | patterns | stitching | {"network": network.kind, "checkpoint": network.digest}
    record(options.output, settings, time.perf_counter() - began, facts)
    if options.png:
        from ptychoformer.publication.scan.pictures import draw_scene

        draw_scene(options.output, options.png)
    if options.tiff:
        from ptychoformer.storage import open_hdf5

        with open_hdf5(options.output) as file:
            write_tiffs(file["scene"], options.tiff)
    print(f"{facts['patterns']} patterns in {facts['prediction_seconds']:.1f} s, {facts['patterns_per_second']:.0f} patterns per second")


def _check_that_it_fits(path: str, prepared: PreparedScan, checkpoint: Path, window: tuple[int, int], trained: Mapping[str, Any]) -> None:
    if prepared.window != window:
        found, expected = (" x ".join(map(str, shape)) for shape in (prepared.window, window))
        bin = trained.get("bin", max(1, prepared.crop // window[0]))
        raise InputError(
            f"{checkpoint} was trained on patterns of {expected} pixels, {path} gives {found}; "
            f"--crop {trained.get('crop', bin * window[0])} --bin {bin} would fit."
        )
    own, pixel_size = prepared.optics.pixel_size if prepared.optics else None, trained.get("pixel_size")
    if own and pixel_size:
        if abs(own / pixel_size - 1) > SAME_PIXEL:
            found, expected = with_prefix(own), with_prefix(pixel_size)
            say(f"{checkpoint} was trained on pixels of {expected}, {path} has {found}: the network knows no others.")
    elif trained and prepared.crop != trained["crop"]:
        pair = f"--crop {prepared.crop}, {checkpoint} was trained with --crop {trained['crop']}"
        say(f"{pair}: on the same detector the object's pixels differ, and the network knows no others.")


def reading(options: Namespace) -> dict[str, Any]:
    """How the scan is read, as `preparation.open_prepared` takes it."""
    scan = {"geometry": {name: getattr(options, name) for name in ("wavelength", "distance", "detector_pixel")}}
    scan |= {"format": options.format, "centre": tuple(options.centre) if options.centre else None}
    return scan | ({"step": options.step} if options.step else {})


def cropping(options: Namespace) -> dict[str, int | None]:
    """What is made of its patterns."""
    return {"crop": options.crop, "bin": options.bin}


def about_scan(path: str) -> dict[str, Any]:
    """What tells one scan from another, for the provenance."""
    return {"scan": Path(path).name, "scan_bytes": Path(path).stat().st_size}


def beside(output: str | os.PathLike, ending: str) -> Path:
    """``object.h5`` to ``object`` + ``ending`` in the same folder."""
    return Path(output).with_name(f"{Path(output).stem}{ending}")


def check_outputs(outputs: Any, inputs: list[str | os.PathLike]) -> None:
    """Make the folders of ``outputs`` (those that are not None), none of which may be one of the ``inputs``.

    Raises:
        InputError: an output is an input.
        OutputError: an output is a folder, or its folder cannot be made or written to.
    """
    for output in (Path(output) for output in outputs if output):
        for path in map(Path, inputs):
            if output.resolve() == path.resolve() or (output.exists() and path.exists() and output.samefile(path)):
                raise InputError(f"{path} would be replaced by what is made of it; name another output.")
        if output.is_dir():
            raise OutputError(f"{output} is a folder; the output must be the name of a file.")
        try:
            output.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"The folder {output.parent} cannot be made: {error.strerror}.") from error
        try:  # now rather than after an hour of work
            tempfile.TemporaryFile(dir=output.parent).close()
        except OSError as error:
            raise OutputError(f"{output} cannot be written into the folder {output.parent}: {error.strerror}.") from error


def checkpoint_in(path: str) -> Path:
    """The checkpoint itself, or that of a run's folder."""
    return Path(path) / "model.pt" if Path(path).is_dir() else Path(path)


def prepared_as(checkpoint: Path) -> Mapping[str, Any]:
    """How the patterns that a network was trained on were prepared; empty if that was not written beside the checkpoint.

    Raises:
        InputError: what was written there is no longer that.
    """
    path = checkpoint.with_name(PREPARATION)
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise InputError(f"{path} cannot be read as JSON; delete it, and give --crop and --bin.") from error
    whole = isinstance(found, dict) and all(isinstance(found.get(name), int) and found[name] > 0 for name in ("crop", "bin"))
    if not whole:
        raise InputError(f"{path} must hold 'crop' and 'bin', integers of at least 1; delete it, and give --crop and --bin.")
    return found


def network_choices(kind: str, texts: list[str]) -> dict[str, Any]:
    """Options of a network from ``name=value``, checked against what its ``build`` takes.

    Raises:
        InputError: there is no such option, or its value is not allowed.
    """
    allowed, chosen = network_options(kind), {}
    for text in texts:
        name, equals, value = text.partition("=")
        if name not in allowed or not equals:
            raise InputError(f"--option {text} is not name=value with an option of {kind}; allowed are {', '.join(allowed) or 'none'}.")
        try:
            chosen[name] = yaml.safe_load(value)
        except yaml.YAMLError:
            chosen[name] = value
        if not Draft202012Validator(allowed[name]).is_valid(chosen[name]):
            raise InputError(f"--option {name}: {value!r} is not allowed; it must be {allowed_values(allowed[name])}.")
    return chosen


def loss_entry(kind: str) -> dict[str, Any]:
    """A loss with the defaults of its options, as an entry of the config's catalogue."""
    return {"kind": kind} | {name: option["default"] for name, option in loss_options(kind).items()}


def check_window(model: Mapping[str, Any], prepared: PreparedScan, bin: int) -> None:
    """Whether a network can be built for the patterns of a scan.

    Raises:
        InputError: it cannot; the sentence suggests a crop.
    """
    side, multiple = prepared.window[0], network_side(model["kind"])
    fitting = multiple
    while 2 * fitting <= side:
        fitting *= 2
    advice = f"--crop {fitting * bin} would do" if fitting <= side else f"--bin {bin} leaves too few of them"
    if side % multiple:
        raise InputError(f"{model['kind']} needs patterns whose sides are multiples of {multiple} pixels, found {side} x {side}; {advice}.")
    import torch

    from ptychoformer.models import build

    try:
        with torch.device("meta"):  # shapes without numbers
            build(model["kind"], prepared.window, model["options"])
    except InputError as error:
        raise InputError(f"{str(error).rstrip('.')}; {advice}.") from error
