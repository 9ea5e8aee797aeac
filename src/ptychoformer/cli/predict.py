"""The command ``ptychoformer predict``."""

import argparse
import math
import time
from argparse import Namespace
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from ptychoformer.cli.arguments import add_reading, add_threads, any_name, hdf5_name, png_name, reading, real
from ptychoformer.cli.outputs import check_outputs
from ptychoformer.cli.replacing import about_picture, check_pictures, check_replaced, digests_of_given, scanned
from ptychoformer.cli.run_folder import PreparedAs, checkpoint_in, prepared_as
from ptychoformer.cli.threads import threads_of
from ptychoformer.errors import InputError
from ptychoformer.evaluation.stitch import WEIGHTINGS
from ptychoformer.evaluation.synchronise import PHASES, TIE
from ptychoformer.evaluation.tiff import tiff_names, write_tiffs
from ptychoformer.files import alone
from ptychoformer.measurement.matching import SAME_PIXEL
from ptychoformer.measurement.options import Patterns
from ptychoformer.measurement.preparation import PreparedScan, open_prepared
from ptychoformer.measurement.resemblance import Tally, differences
from ptychoformer.progress import say
from ptychoformer.provenance import announce, record
from ptychoformer.publication.figures.parts.lengths import with_prefix
from ptychoformer.training.normalisation import Normalisation

SUMMARY = "predict and stitch a scan with a trained network"
ABOUT = """\
Predict every pattern of a scan with a trained network and stitch the answers, in one pass.

The scan may be as long as it likes: only the rows of the scene that patterns still to come can
touch are in memory (of a scan in random order these are all rows). Patterns are cropped and binned
as those that the network was trained on.

A pattern does not tell the mean phase of its window. With --phase synchronised, patches that
overlap tell each other: the constants with which they agree best, weakly tied to the network's own,
are added to them. This takes some numbers of each pattern in memory.

SCENE.h5 holds scene/amplitude, scene/phase in radians (NaN where no pattern lies), and the
positions; SCENE.h5.provenance.json says what it was made from. A network knows objects like those
it was trained on, at the same size of pixel: compare with a reconstruction."""
EXAMPLES = """\
examples:
  ptychoformer predict scan.cxi --checkpoint run -o scene.h5 --png scene.png
  ptychoformer predict scan.cxi --checkpoint run -o scene.h5 --phase synchronised --tie 0.1
  ptychoformer predict next.cxi --checkpoint run -o next.h5 --tiff next    (next_amplitude.tif, next_phase.tif)
  ptychoformer predict scan.cxi --checkpoint run/model.pt -o scene.h5 --crop 64 --bin 2"""
AFTERWARDS = "Nothing was written."  # said when it was interrupted, before
WRITTEN = "{} is written, and perhaps not all of its pictures; the same command makes both anew."
# A scene whose standard deviation is a smaller part of that of the labels has no structure.
# Networks that had not left their first plateau made scenes of 0.03.
LEAST_DEVIATION = 0.2


def add_options(part: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    trained = "folder that `train` made, or a model.pt"
    part.add_argument("--checkpoint", required=True, type=any_name, metavar="RUN", help=trained)
    part.add_argument("-o", "--output", required=True, type=hdf5_name, metavar="SCENE.h5", help="HDF5 file to write")
    part.add_argument("--png", type=png_name, metavar="FILE", help="picture of the scene")
    tiffs = "write PREFIX_amplitude.tif and PREFIX_phase.tif for ImageJ"
    part.add_argument("--tiff", type=any_name, metavar="PREFIX", help=tiffs)
    part.add_argument(
        "--weighting",
        choices=WEIGHTINGS,
        default="radial",
        help="radial: patches count most at their centre [%(default)s]",
    )
    part.add_argument("--phase", choices=PHASES, default="plain", help="how phase is stitched [%(default)s]")
    tie = "of synchronised phase to the network's own: 0 none, a large one is as good as plain [%(default)s]"
    part.add_argument("--tie", type=real(0, math.inf), default=TIE, metavar="T", help=tie)
    add_threads(part)
    add_reading(part, preparation=" [as in training]", bin=None)


def run(options: Namespace) -> None:
    """Predict a scan pattern by pattern, and stitch the scene as it comes."""
    checkpoint = checkpoint_in(options.checkpoint)
    tiffs = tiff_names(options.tiff) if options.tiff else []
    about = about_picture("predict", options.scan)
    check_outputs([options.output, options.png, *tiffs], [options.scan, checkpoint])
    with alone(options.output):
        check_pictures([options.png, *tiffs], about)
        facts = _predicted(options, checkpoint)
        _show(options, about)
    print(
        f"{facts['patterns']} patterns in {facts['prediction_seconds']:.1f} s, {facts['patterns_per_second']:.0f}"
        " patterns per second"
    )


def _predicted(options: Namespace, checkpoint: Path) -> dict[str, Any]:
    """Predict and stitch the scan, record how, and say what is odd about it; returns the facts."""
    from ptychoformer.evaluation.network import TrainedNetwork
    from ptychoformer.evaluation.stream import predict_scene

    trained = prepared_as(checkpoint)
    patterns = Patterns(options.crop or trained.get("crop"), options.bin or trained.get("bin") or Patterns.bin)
    threads = threads_of(options)
    network, began = TrainedNetwork(checkpoint, threads), time.perf_counter()
    with open_prepared(options.scan, reading(options), patterns) as prepared:
        for warning in prepared.warnings:
            say(warning)
        scan, made_by = scanned(options, prepared, digests_of_given(options)), {"checkpoint": network.digest}
        check_replaced(options.output, scan, made_by, told_by="checkpoint")
        _check_window(options.scan, prepared, checkpoint, network.window, trained)
        _warn_of_other_pixels(options.scan, prepared, checkpoint, trained)
        _warn_of_other_axes(options.scan, prepared, checkpoint, trained)
        _warn_without_mask(options.scan, prepared, checkpoint, trained)
        stitching = {"weighting": options.weighting, "phase": options.phase}
        stitching |= {"tie": options.tie} if options.phase == "synchronised" else {}
        tally = Tally()
        watched = replace(prepared, frames=lambda size: tally.passing(prepared.frames(size)))
        settings = scan | asdict(patterns) | stitching | made_by | {"network": network.model.kind}
        how = stitching | {"announce": partial(announce, options.output, settings)}
        facts = predict_scene(watched, network, network.normalisation, options.output, **how)
        options.afterwards = WRITTEN.format(options.output)
    _warn_if_unlike(options.scan, tally, checkpoint, trained)
    facts |= {"device": network.device, "threads": threads}
    record(options.output, settings, time.perf_counter() - began, facts)
    _warn_if_flat(options.output, trained, network.normalisation)
    return facts


def _show(options: Namespace, about: str) -> None:
    """Write the scene as a picture and as TIFFs, if they are asked for."""
    if options.png:
        from ptychoformer.publication.scan.pictures import draw_scene

        draw_scene(options.output, options.png, about)
    if options.tiff:
        from ptychoformer.storage import open_hdf5

        with open_hdf5(options.output) as file:
            write_tiffs(file["scene"], options.tiff, about)


def _check_window(
    path: str, prepared: PreparedScan, checkpoint: Path, window: tuple[int, int], trained: PreparedAs
) -> None:
    """Check that patterns have the ``window`` (h, w) of the network's, and say which crop would do.

    Raises:
        InputError: they have another.
    """
    if prepared.window == window:
        return
    found, expected = (" x ".join(map(str, shape)) for shape in (prepared.window, window))
    bin = trained.get("bin", max(1, prepared.crop // window[0]))
    raise InputError(
        f"{checkpoint} was trained on patterns of {expected} pixels, {path} gives {found}; "
        f"--crop {trained.get('crop', bin * window[0])} --bin {bin} would fit."
    )


def _warn_of_other_pixels(path: str, prepared: PreparedScan, checkpoint: Path, trained: PreparedAs) -> None:
    """Warn of pixels of another size than the object's were in training; of another crop, where a
    size is not known.
    """
    own, pixel_size = prepared.optics.pixel_size if prepared.optics else None, trained.get("pixel_size")
    if own and pixel_size:
        if abs(own / pixel_size - 1) > SAME_PIXEL:
            found, expected = with_prefix(own), with_prefix(pixel_size)
            say(f"{checkpoint} was trained on pixels of {expected}, {path} has {found}: the network knows no others.")
    elif trained and prepared.crop != trained["crop"]:
        pair = f"--crop {prepared.crop}, {checkpoint} was trained with --crop {trained['crop']}"
        say(f"{pair}: on the same detector the object's pixels differ, and the network knows no others.")


def _warn_of_other_axes(path: str, prepared: PreparedScan, checkpoint: Path, trained: PreparedAs) -> None:
    """Warn of positions that are read in another way than those of the training were, if known."""
    if not {"positions_axes", "positions_turn"} <= set(trained):
        return
    here, there = (
        f"--positions-axes={axes} --positions-turn={turn:g}"
        for axes, turn in ((prepared.axes, prepared.turn), (trained["positions_axes"], trained["positions_turn"]))
    )
    if here != there:
        say(
            f"{checkpoint} was trained with {there}, {path} is read with {here}: of scans of one instrument one of the"
            " two puts patches together in wrong places."
        )


def _warn_without_mask(path: str, prepared: PreparedScan, checkpoint: Path, trained: PreparedAs) -> None:
    """Warn of a scan without any mask, if one was given for that of the training."""
    if (mask := trained.get("mask")) and not prepared.bad["masked"]:
        say(f"{checkpoint} was trained with --mask {mask}, {path} is read without: the network knows no such pixels.")


def _warn_if_unlike(scan: str, tally: Tally, checkpoint: Path, trained: PreparedAs) -> None:
    """Warn of patterns unlike those that the network was trained on, where it is known."""
    if "seen" in trained and (found := differences(tally.summary(), trained["seen"])):
        say(f"{scan} is unlike what {checkpoint} was trained on: {', and '.join(found)}; the network knows no others.")


def _warn_if_flat(scene: str, trained: PreparedAs, scale: Normalisation) -> None:
    """Warn of channels that hardly vary in a scene, where the training labels' spread is known."""
    from ptychoformer.evaluation.stream import scene_deviations

    flat = []
    for channel, deviation in scene_deviations(scene).items():
        low, high = scale.limits(channel)
        expected = trained.get("label_deviation", {}).get(channel, 0.0) * (high - low)
        if deviation < LEAST_DEVIATION * expected:
            flat.append(
                f"{channel} has a standard deviation of {deviation:.2g}, the training labels had {expected:.2g}"
            )
    if flat:
        say(
            f"{scene} has no structure ({'; '.join(flat)}): the network has learnt nothing, or this is no object of the"
            " kind it knows."
        )
