"""From the patterns of a scan to a file with its object and probe: `measurement.iterative`, run to
the end and put into conventions.

    object/amplitude          (H, W) float32, clear parts are 1 if the probe was not known
    object/phase              (H, W) float32, radians, from -pi to pi, or beyond if jumps by 2 pi
        were taken out
    object/light              (H, W) float32, photons that fell on each pixel
    probe/wavefield           (h, w) complex64, square root of photons; of several modes the
        brightest
    probe/modes               (modes, h, w) complex64, orthogonal, the brightest first; absent if
        there is one
    positions                 (n, 2) float64, y and x of the window's corner on the object, pixels,
        refined if that was asked for
    recorded_positions        (n, 2) float64, the same as recorded
    numbers                   (n,) int64, of these patterns in the scan's file, some of which may be
        left out
    counts                    (n,) float64, of each whole frame as recorded
    part_counts               (n, 4, 4) float32, the same in 4 x 4 parts of the frame

Attributes of the file: ``r_factor``, ``iterations``, ``engine``, ``crop`` (detector pixels that
were used along a side), ``bin``, ``centre`` (y, x of the detector pixel with the zero frequency),
whether the phase was ``unwrapped``, and ``pixel_size`` in metres if it is known.
`measurement.matching` holds them against the scan that the object is used with.
"""

import math
import os
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ptychoformer.device import lookup_device, with_earlier
from ptychoformer.errors import InputError
from ptychoformer.measurement.first_probe import as_bright_as, brightest, first_probe
from ptychoformer.measurement.gauge import fix_gauge
from ptychoformer.measurement.geometry import SMALLEST_WINDOW
from ptychoformer.measurement.halves import half_of
from ptychoformer.measurement.iterative import MARGIN, Reconstruction
from ptychoformer.measurement.misfit import counting_noise, misfit_of_mean
from ptychoformer.measurement.modes import first_modes, photons, root_of_light, shares
from ptychoformer.measurement.options import Reading, ReconstructionOptions
from ptychoformer.measurement.plausibility import nearest_step, probe_diameter
from ptychoformer.measurement.preparation import PreparedScan, open_prepared
from ptychoformer.measurement.readers.scan import ANOTHER_PROBE
from ptychoformer.measurement.wrapping import told_phase, unwrapped, wrapped_phase
from ptychoformer.memory import check_memory
from ptychoformer.progress import progress, say
from ptychoformer.provenance import digest
from ptychoformer.storage import create_hdf5, write
from ptychoformer.tables import write_records
from ptychoformer.tensors import fingerprint, load_state, restored, save

DARKNESS = 1.0  # R factor of a model without any light
# Times the R factor of counting noise that the mean has where there is something to explain.
STRUCTURE = 1.2
SECONDS_BETWEEN_STATES = 1.0  # at least, and
PART_FOR_STATES = 0.05  # of the time at most goes into writing them
BLOCK = 1024
# How many times the light of a known probe patterns may hold: one that is the first of several
# modes has a part of it alone, and one that is not in square roots of photons is off by far more.
AMPLIFIED = 2.0
# What they hold at least, on good pixels, of the light that the probe alone has there: of objects
# that are thicker nothing is reconstructed.
DARKENED = 0.01
# Of a pixel of the object, complex64: itself, what it was, its velocity and its sum, and as much
# again while these are made.
BYTES_OF_OBJECT = 64


def reconstruct(
    path: str | os.PathLike,
    reading: Reading,
    options: ReconstructionOptions,
    *,
    output: str | os.PathLike,
    convergence: str | os.PathLike,
    seed: int = 0,
    threads: int = 1,
    code: str = "",
    half: int | None = None,
    watch: Callable[[Reconstruction, PreparedScan], None] | None = None,
    announce: Callable[[PreparedScan], None] | None = None,
    keep_state: bool = False,
) -> dict[str, Any]:
    """Reconstruct a scan from a file of any format that can be read; an interrupted reconstruction
    goes on where it was.

    It starts anew, and says why, if anything has changed that the result depends on. Another number
    of iterations is no such thing as long as those that were done are also those of the longer or
    shorter run: none of them averaged that is not to be, or left out that is.

    Args:
        path: measured scan, or a dataset of this project.
        reading: how it is read.
        options: of the engine, and what of the patterns it is given.
        output: HDF5 file.
        convergence: CSV, a row for each iteration: ``iteration``, ``r_factor`` (before each
            update), ``seconds``.
        seed: of the order of patterns.
        threads: of the CPU.
        code: digest of the code, so that state left by other code is not continued.
        half: 0 or 1 for one half of the patterns, see `halves.half_of`; None for all.
        watch: is called after every iteration.
        announce: is called when the object is about to take its place at ``output``.
        keep_state: leave the state behind, for `delete_state`, so that a command with more to do
            can go on from there.

    Returns:
        Facts for the provenance: device, R factor, patterns, seconds.

    Raises:
        InputError: the file or the options cannot be used.
        TrainingError: the reconstruction diverged.
    """
    _check_options(options)
    torch.set_num_threads(threads)
    device = lookup_device()
    with open_prepared(path, reading, options) as whole:
        prepared = _part(whole, half, seed)
        _check_memory(path, prepared)
        amplitudes = torch.from_numpy(_amplitudes(prepared.frames(BLOCK), len(prepared.positions), prepared.window))
    run = _begun(path, prepared, amplitudes, options, seed, device)
    if options.probe_from is None and half is None:
        _check_light(path, prepared, amplitudes)
    say(
        f"{len(amplitudes)} patterns of {prepared.window[0]} x {prepared.window[1]} pixels, {options.engine}, on"
        f" {device}"
    )
    identity = _identity(run, prepared, code)
    known_as = with_earlier(device, _left_by(run, state_file(output), identity))
    about = {"identity": identity, "average_from": options.average_from, "device": known_as}
    _run_to_the_end(run, state_file(output), about, lambda: watch and watch(run, prepared))
    if keep_state:
        save(run.state() | about, state_file(output))
    r_factor = run.finish()
    _say_misfit(path, run, r_factor)
    if options.probe_modes > 1:
        say(f"The modes of the probe hold {_percent(shares(run.probe.cpu().numpy()))} of its light.")
    _check_width(path, run)
    _write(run, prepared, r_factor, output, announce and partial(announce, prepared))
    write_records(run.history, convergence)
    if not keep_state:
        delete_state(output)
    return _facts(run, r_factor, known_as)


def _facts(run: Reconstruction, r_factor: float, device: str) -> dict[str, Any]:
    """Collect what the provenance says of a finished reconstruction."""
    return {
        "device": device,
        "r_factor": r_factor,
        "patterns": len(run.amplitudes),
        "reconstruction_seconds": round(sum(row["seconds"] for row in run.history), 1),
    }


def _check_options(options: ReconstructionOptions) -> None:
    """Check that options fit each other.

    Raises:
        InputError: they do not.
    """
    if options.probe_modes > 1 and not options.finds_modes:
        raise InputError(
            f"--probe-modes: {options.probe_modes} is not allowed where the probe is not refined (--probe-known, or"
            f" fewer iterations than {ReconstructionOptions.probe_from}); it must be 1."
        )


def _percent(parts: np.ndarray) -> str:
    """Put parts of a whole in words, as percentages."""
    *others, last = (f"{100 * part:.1f}" for part in parts)
    return f"{', '.join(others)} and {last} %"


def _part(whole: PreparedScan, half: int | None, seed: int) -> PreparedScan:
    """Take the patterns that are reconstructed; warnings are said of the whole scan alone."""
    if half is not None:
        return half_of(whole, half, seed)
    for warning in whole.warnings:
        say(warning)
    return whole


def _begun(
    path: str | os.PathLike,
    prepared: PreparedScan,
    amplitudes: torch.Tensor,
    options: ReconstructionOptions,
    seed: int,
    device: torch.device,
) -> Reconstruction:
    """Set up a reconstruction from (n, h, w) square roots of patterns, before its first iteration.

    Raises:
        InputError: there is no probe, and none is to be found, or it is zero everywhere, or has
            fewer pixels than modes.
    """
    if prepared.probe is None and options.probe_from is None:
        raise InputError(
            f"{path} holds no probe to be taken as it is; leave out --probe-known (probe_from: null in a config), or"
            " name one with --probe (probe)."
        )
    if prepared.probe is not None and not prepared.probe.any():
        raise InputError(f"{path}: its probe is zero everywhere in the window; {ANOTHER_PROBE}.")
    height, width = prepared.window
    if options.probe_modes > height * width:
        raise InputError(
            f"--probe-modes: {options.probe_modes} is not allowed of a probe of {height} x {width} pixels; it must be"
            f" {height * width} or less."
        )
    good = torch.from_numpy(np.fft.ifftshift(~prepared.mask))
    probe = prepared.probe
    if probe is None:
        say("Looking how far out of focus the probe is ...")
        probe = first_probe(amplitudes, good, prepared.positions, options, device)
        say(f"Beginning with a probe that is {probe_diameter(probe):.3g} pixels across.")
    if options.probe_from is not None:
        probe = as_bright_as(probe, amplitudes)
    modes = torch.from_numpy(first_modes(probe, options.probe_modes))
    tensors = (amplitudes.to(device), good.to(device), prepared.positions, modes.to(device))
    return Reconstruction(*tensors, options, seed)


def _check_light(path: str | os.PathLike, prepared: PreparedScan, amplitudes: torch.Tensor) -> None:
    """Check that a probe that is taken as it is can have made patterns with these ``amplitudes``
    (n, h, w); warns if hardly anything of it would have passed the object.

    Raises:
        InputError: they hold more light than it has, and no object amplifies.
    """
    good = np.fft.ifftshift(~prepared.mask)
    most, light = brightest(amplitudes, torch.from_numpy(good)), prepared.probe_light
    where = f"{path}: its patterns hold up to {most:.4g} photons, its probe holds {light:.4g} (the sum of |P|^2)"
    cure = "leave out --probe-known (probe_from: null in a config) to have it scaled, or store square roots of photons"
    if most > AMPLIFIED * light:
        raise InputError(f"{where}, and no object amplifies; {cure}.")
    spectrum = np.abs(np.fft.fft2(prepared.probe, norm="ortho"))
    if most < DARKENED * np.sum(spectrum[good] ** 2, dtype=np.float64):
        say(f"{where}, so that hardly anything would pass the object; if that is wrong, {cure}.")


def _say_misfit(path: str | os.PathLike, run: Reconstruction, r_factor: float) -> None:
    """Say the ``r_factor`` of the result; warns of an object that hardly explains the patterns."""
    amplitudes, good = run.amplitudes.cpu(), run.good.cpu()
    noise, mean = counting_noise(amplitudes, good), misfit_of_mean(amplitudes, good)
    noisier = f", {r_factor / noise:.2g} times that of counting noise alone" if r_factor > 1.05 * noise else ""
    say(f"R factor {r_factor:#.3g} after {run.iteration} iterations{noisier}")
    cure = "look at the centre, the mask, the geometry and the positions (inspect)"
    if r_factor > max(DARKNESS, noise):
        say(
            f"{path}: with an R factor above {DARKNESS:g} the object explains the patterns worse than no light at all"
            f" would, and means nothing; {cure}."
        )
    elif mean > STRUCTURE * noise and r_factor > (mean + noise) / 2:
        say(
            f"{path}: the object explains less than half of how patterns differ from their mean, beyond counting noise"
            f" (the mean has an R factor of {mean:.3g}, noise {noise:.3g}), and may mean nothing; {cure}, or give it"
            " another first guess of the probe (--probe), or more iterations."
        )


def _check_width(path: str | os.PathLike, run: Reconstruction) -> None:
    """Warn of a probe so narrow that hardly two neighbouring patterns share any light."""
    width, step = probe_diameter(root_of_light(run.probe.cpu().numpy())), nearest_step(run.positions)
    if run.options.probe_from is not None and width < step:
        say(
            f"{path}: the probe that was found is {width:.3g} pixels across, narrower than the step of {step:.3g}, so"
            " that patterns share no light, and the object means nothing; another first guess of the probe would help"
            " (--probe), and the right positions."
        )


def state_file(output: str | os.PathLike) -> Path:
    """Return where the state of a reconstruction lies until the object has been written."""
    return Path(output).with_name(f"{Path(output).stem}.state.pt")


def delete_state(output: str | os.PathLike) -> None:
    """Take away what would let the reconstruction ``output`` go on."""
    state_file(output).unlink(missing_ok=True)


def _check_memory(path: str | os.PathLike, scan: PreparedScan) -> None:
    """Check that memory can hold the patterns and the object.

    Raises:
        InputError: they cannot; the sentence names a crop that would do.
    """
    window = scan.window[0]
    height, width = np.ceil(scan.positions.max(axis=0)) + window + 2 * MARGIN
    needed = 4.0 * len(scan.positions) * window**2 + BYTES_OF_OBJECT * height * width

    def advice(part: float) -> str:
        """Name a crop; patterns and object shrink along each side as it does."""
        bin = scan.crop // window
        crop = int(scan.crop * math.sqrt(part)) // (2 * bin) * 2 * bin
        return (
            f"--crop {crop} would fit; " if crop >= SMALLEST_WINDOW * bin else ""
        ) + "check the scan's positions and lengths"

    what = (
        f"{path}: an object of {height:.0f} x {width:.0f} pixels, with {len(scan.positions)} patterns of {window} x"
        f" {window},"
    )
    check_memory(what, needed, advice)


def _amplitudes(blocks: Iterable[np.ndarray], count: int, window: tuple[int, int]) -> np.ndarray:
    """Take the square roots of all patterns, (n, h, w) float32, zero frequency at [0, 0]."""
    amplitudes, start = np.empty((count, *window), np.float32), 0
    for block in blocks:
        amplitudes[start : start + len(block)] = np.sqrt(np.fft.ifftshift(np.maximum(block, 0), axes=(1, 2)))
        start += len(block)
    return amplitudes


def _identity(run: Reconstruction, prepared: PreparedScan, code: str) -> dict[str, Any]:
    """Collect all that the state of a run depends on, as `tensors.load_state` compares it."""
    return {
        "crop": prepared.crop,
        "bin": prepared.crop // prepared.window[0],
        "centre": [int(at) for at in prepared.centre],
        "geometry": digest(prepared.optics and vars(prepared.optics)),
        "patterns": fingerprint(run.amplitudes.cpu()),
        "positions": fingerprint(prepared.positions),
        "mask": fingerprint(prepared.mask),
        "probe": fingerprint(prepared.probe),
        "engine": run.options.engine,
        "regularisation": run.weight,
        "momentum": run.options.momentum,
        "refinement of the probe": run.options.probe_from,
        "number of modes of the probe": run.options.probe_modes,
        "refinement of the positions": run.options.positions_from,
        "number of coarse iterations": run.options.coarse_iterations,
        "seed": run.seed,
        "code": code,
        "version of PyTorch": str(torch.__version__),
    }


def _left_by(run: Reconstruction, path: Path, identity: Mapping[str, Any]) -> str:
    """Put ``run`` where it was left, if it was; returns the device that left it there, else ""."""
    state = load_state(path, identity)
    return state.get("device", "") if state is not None and _restore(run, state, path) else ""


def _restore(run: Reconstruction, state: Mapping[str, Any], path: Path) -> bool:
    """Put ``run`` where it was left, unless it would have averaged other iterations by then;
    returns whether it was put there.
    """
    done, averages = state.get("iteration", 0), state.get("average_from", run.options.average_from)
    first, last = run.options.average_from, run.options.iterations
    if done > last or (done >= first and averages != first):
        holds = f"{done} iterations, averaged from {averages} on"
        say(f"Starting anew: {path} holds {holds}, which the mean of iterations {first} to {last} cannot be made of.")
        return False
    if goes_on := restored(run, state, path):
        say(f"Going on after iteration {run.iteration}.")
    return goes_on


def _run_to_the_end(run: Reconstruction, path: Path, about: Mapping[str, Any], watch: Callable[[], None]) -> None:
    """Iterate, and write the state now and then, with what there is to know ``about`` it."""
    left = range(run.iteration, run.options.iterations)
    saved, wait = time.monotonic(), SECONDS_BETWEEN_STATES
    for _ in progress(left, len(left), "iterations"):
        run.run_iteration()
        if (began := time.monotonic()) - saved > wait:
            save(run.state() | about, path)
            saved = time.monotonic()
            wait = max(SECONDS_BETWEEN_STATES, (saved - began) / PART_FOR_STATES)
        watch()


def _write(
    run: Reconstruction,
    prepared: PreparedScan,
    r_factor: float,
    output: str | os.PathLike,
    announce: Callable[[], None] | None,
) -> None:
    light, found = run.light(), run.probe.cpu().numpy()
    transmission, probe = fix_gauge(run.finished_object(), found, light, probe_known=run.options.probe_from is None)
    light *= photons(probe) / photons(found)
    phase, told = np.angle(transmission), told_phase(np.abs(transmission), light)
    unwrap = run.options.unwrap
    phase = unwrapped(phase, told) if unwrap else phase
    if where := wrapped_phase(phase, told):
        cure = (
            "dislocations of the phase, which nothing unwraps"
            if unwrap
            else "--unwrap (reconstruction.unwrap) takes out what is 2 pi"
        )
        say(f"{output}: {where}; {cure}.")
    with create_hdf5(output, announce) as file:
        file.attrs["unwrapped"] = unwrap
        file.attrs.update({"r_factor": r_factor, "iterations": run.iteration, "engine": run.options.engine})
        file.attrs.update(
            {"crop": prepared.crop, "bin": prepared.crop // prepared.window[0], "centre": prepared.centre}
        )
        file.attrs.update({"pixel_size": prepared.optics.pixel_size} if prepared.optics else {})
        write(file, "object/amplitude", np.abs(transmission), "", "y,x")
        write(file, "object/phase", phase, "rad", "y,x")
        write(file, "object/light", light.astype(np.float32), "photons", "y,x")
        write(file, "probe/wavefield", probe[0], "sqrt(photons)", "y,x")
        if len(probe) > 1:
            write(file, "probe/modes", probe, "sqrt(photons)", "mode,y,x")
        write(file, "positions", run.positions, "pixels", "pattern,yx")
        write(file, "recorded_positions", run.recorded, "pixels", "pattern,yx")
        write(file, "numbers", prepared.numbers, "", "pattern")
        write(file, "counts", prepared.counts, "counts", "pattern")
        write(file, "part_counts", prepared.part_counts, "counts", "pattern,row,column")
