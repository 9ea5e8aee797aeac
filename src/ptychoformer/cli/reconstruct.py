"""The command ``ptychoformer reconstruct``."""

import argparse
import time
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ptychoformer.cli.arguments import (
    about_scan,
    add_reading,
    add_running,
    cropping,
    hdf5_name,
    number,
    png_name,
    reading,
)
from ptychoformer.cli.outputs import beside, check_outputs
from ptychoformer.cli.replacing import (
    about_picture,
    check_namesake,
    check_own,
    check_pictures,
    check_replaced,
    check_state,
    digests_of_given,
    given_files,
    is_table,
    scanned,
)
from ptychoformer.cli.threads import threads_of
from ptychoformer.errors import InputError
from ptychoformer.files import alone
from ptychoformer.measurement.options import ReconstructionOptions
from ptychoformer.measurement.origin import read_origin
from ptychoformer.measurement.preparation import PreparedScan, open_prepared
from ptychoformer.plugins import fields_of
from ptychoformer.progress import say
from ptychoformer.provenance import announce, code_digest, record

if TYPE_CHECKING:
    from ptychoformer.cli.watching import Watch

SUMMARY = "reconstruct the object from all patterns"
ABOUT = """\
Reconstruct the object from all patterns together (ePIE or rPIE), and with it the probe, unless that
is known.

OBJECT.h5 holds object/amplitude, object/phase, probe/wavefield (and probe/modes) and positions;
OBJECT.convergence.csv the R factor of every iteration, the error in amplitude as a part of all that
was recorded. It should fall and level off: what is left is noise, and what no object explains.

--frc tells how fine the object is reproduced, and takes as long again: two halves of the patterns,
of every two neighbours one each, are reconstructed on their own (OBJECT.half1.h5, OBJECT.half2.h5),
brought to the same phase, phase ramp and place, and compared ring by ring of their spectra
(OBJECT.frc.csv, and in the picture). Where they agree by less than half a bit, what a half tells
has less than a fifth of the power of its noise. Each half has half of the photons and a longer
step, so the whole is somewhat better. What both halves share, they agree about: wrong lengths,
stretched positions or a faulty detector do not show.

--probe-modes N takes the light for the sum of N waves that do not interfere (probe/modes), as the
beam of a synchrotron, or one that trembles, is. Use as many as make the resolution of --frc better;
the R factor falls with every one.

--probe begins with another probe than the one in the scan's file: that of a reconstruction of a
known sample in the same beam (its .h5), or one made from the patterns (found), if the file's is
worse than none.

--watch renews a picture while it converges, every three seconds, or less often where that would
take more than a twentieth of the time.

A state is kept beside the output, in OBJECT.state.pt: interrupted, the same command goes on where
it was."""
EXAMPLES = """\
examples:
  ptychoformer reconstruct scan.cxi -o object.h5 --png object.png
  ptychoformer reconstruct scan.cxi -o object.h5 --iterations 200 --refine-positions --watch now.png
  ptychoformer reconstruct scan.cxi -o object.h5 --frc --png object.png
  ptychoformer reconstruct scan.cxi -o object.h5 --frc --probe-modes 3
  ptychoformer reconstruct scan.cxi -o object.h5 --probe yesterday.h5
  ptychoformer reconstruct scan.cxi -o quick.h5 --crop 128 --iterations 20"""
AFTERWARDS = "The same command goes on where it was."  # said when it was interrupted


def add_options(part: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    part.add_argument("-o", "--output", required=True, type=hdf5_name, metavar="OBJECT.h5", help="HDF5 file to write")
    part.add_argument("--png", type=png_name, metavar="FILE", help="picture: amplitude, phase, probe and convergence")
    part.add_argument("--watch", type=png_name, metavar="FILE", help="picture that is renewed while it converges")
    part.add_argument("--frc", action="store_true", help="tell the resolution, by Fourier ring correlation of halves")
    _add_engine(part.add_argument_group("engine"))
    add_reading(part)


def _add_engine(engine: argparse._ArgumentGroup) -> None:
    """Add what the engine is told."""
    default, allowed = ReconstructionOptions(), fields_of("ReconstructionOptions")
    engine.add_argument(
        "--engine",
        choices=allowed["engine"]["enum"],
        default=default.engine,
        help="rpie moves more where the probe is dim [%(default)s]",
    )
    for name, letter, meaning in (
        ("iterations", "N", "passes over all patterns"),
        ("regularisation", "A", "alpha of rPIE, 0 to 1"),
        ("momentum", "M", "0 to less than 1"),
        ("probe_modes", "N", "waves that the light is made up of, if it is not fully coherent"),
    ):
        parser = number(allowed[name])
        start, shown = parser(str(getattr(default, name))), f"{meaning} [%(default)s]"
        engine.add_argument(f"--{name.replace('_', '-')}", type=parser, default=start, metavar=letter, help=shown)
    engine.add_argument(
        "--probe-known",
        action="store_true",
        help="take the scan's probe, or --probe, as it is; else it is refined",
    )
    engine.add_argument("--refine-positions", action="store_true", help="let positions move by what the patterns say")
    engine.add_argument("--unwrap", action="store_true", help="take jumps by 2 pi out of the phase")
    add_running(engine, "of the order of patterns")


def run(options: Namespace) -> None:
    """Reconstruct the object from all patterns together."""
    output = Path(options.output)
    convergence, rings = (beside(output, ending) for ending in (".convergence.csv", ".frc.csv"))
    halves = halves_of(output) if options.frc else []
    parts = [path for half in halves for path in half]
    inputs = [options.scan, *given_files(options).values()]
    check_outputs([output, convergence, options.png, options.watch, rings, *parts], inputs)
    with alone(output):
        check_pictures([options.png, options.watch], about_picture("reconstruct", options.scan))
        _check_replaced(options, (output, convergence), halves, rings)
        print(_made(options, output, convergence, rings))


def _made(options: Namespace, output: Path, convergence: Path, rings: Path) -> str:
    """Make everything that was asked for; returns what was found in words."""
    how = {"seed": options.seed, "threads": threads_of(options), "code": code_digest("measurement.reconstruct")}
    how |= {"keep_state": True}  # so that what is done is done if a half or a picture is interrupted
    facts = _reconstructed(options, output, convergence, watch=_watch(options), **how)
    rings.unlink(missing_ok=True)  # of an object that has been replaced
    line = (
        f"{facts['patterns']} patterns in {facts['reconstruction_seconds']} s, R factor {facts['r_factor']:#.3g}:"
        f" {output}"
    )
    if options.frc:
        try:
            line += f"\n{_frc(options, output, rings, how)}: {rings}"
        except InputError as error:
            _draw(options, convergence, None)
            delete_states(output)  # the same command would fail again
            raise InputError(f"{output} is written, but how fine it is cannot be told: {error}") from error
    _draw(options, convergence, rings if options.frc else None)
    delete_states(output)
    return line


def _check_replaced(options: Namespace, whole: tuple[Path, Path], halves: list[tuple[Path, Path]], rings: Path) -> None:
    """Check that objects that lie there are of the same scan, and what lies beside them such as is
    written there.

    Raises:
        OutputError: one is not.
    """
    from ptychoformer.evaluation.reproducibility import RINGS
    from ptychoformer.measurement.iterative import HISTORY
    from ptychoformer.measurement.reconstruct import state_file

    check_own(rings, is_table(RINGS))
    for output, convergence in (whole, *halves):
        check_namesake(output, told_by="engine")
        check_own(convergence, is_table(HISTORY))
        check_state(state_file(output))
    for half, _ in halves:
        check_replaced(half, about_scan(options), {}, told_by="engine")
    if (output := whole[0]).exists():
        with open_prepared(options.scan, reading(options), cropping(options)) as prepared:
            check_replaced(output, scanned(options, prepared, digests_of_given(options)), {}, told_by="engine")


def halves_of(output: Path) -> list[tuple[Path, Path]]:
    """Name where the object and the convergence of each half of a scan are written."""
    return [(beside(output, f".half{half}.h5"), beside(output, f".half{half}.convergence.csv")) for half in (1, 2)]


def delete_states(output: Path) -> None:
    """Take away what would let the reconstruction of a scan and of its halves go on."""
    from ptychoformer.measurement.reconstruct import delete_state

    for path in (output, *(half for half, _ in halves_of(output))):
        delete_state(path)


def _reconstructed(options: Namespace, output: Path, convergence: Path, **how: Any) -> dict[str, Any]:
    """Reconstruct the scan, or a half of it, and record how; returns the facts."""
    from ptychoformer.measurement.reconstruct import reconstruct

    began, settings = time.perf_counter(), reconstruction_options(options)
    given = digests_of_given(options)  # of the files as they are read now
    about = asdict(settings) | {"seed": options.seed} | ({"half": how["half"]} if "half" in how else {})

    def announced(scan: PreparedScan) -> None:
        about.update(scanned(options, scan, given))
        announce(output, about)

    where = {"output": output, "convergence": convergence, "announce": announced}
    facts = reconstruct(options.scan, reading(options), settings, **where, **how) | {"threads": how["threads"]}
    record(output, about, time.perf_counter() - began, facts)
    return facts


def _frc(options: Namespace, output: Path, rings: Path, how: Mapping[str, Any]) -> str:
    """Reconstruct both halves of the scan and compare them; returns what was found in words.

    Raises:
        InputError: the scan cannot be halved, or the halves cannot be compared.
    """
    from ptychoformer.evaluation.reproducibility import RINGS, agreement_of_files
    from ptychoformer.publication.scan.description import resolution
    from ptychoformer.tables import write_rows

    made = [path for path, _ in halves_of(output)]
    for half, (path, convergence) in enumerate(halves_of(output)):
        say(f"Half {half + 1} of 2:")
        _reconstructed(options, path, convergence, half=half, **how)
    found = agreement_of_files(*made, output)
    curves = (found.frequency, found.correlation, found.threshold)
    write_rows(RINGS, zip(*(map(float, curve) for curve in curves), strict=True), rings)
    return resolution(found, read_origin(output).pixel_size)


def _watch(options: Namespace) -> "Watch | None":
    if not options.watch:
        return None
    from ptychoformer.cli.watching import Watch

    return Watch(options.watch, about_picture("reconstruct", options.scan))


def _draw(options: Namespace, convergence: Path, rings: Path | None) -> None:
    """Draw the pictures that were asked for; in the end the one that was watched has the result."""
    if options.png or options.watch:
        from ptychoformer.publication.scan.pictures import draw_reconstruction

        about = about_picture("reconstruct", options.scan)
        for png in filter(None, {options.png, options.watch}):
            draw_reconstruction(options.output, convergence, png, rings, about)


def reconstruction_options(options: Namespace) -> ReconstructionOptions:
    """Return what of the reconstruction was chosen; the rest is as the workflow has it."""
    default = ReconstructionOptions()
    return replace(
        default,
        crop=options.crop,
        bin=options.bin,
        engine=options.engine,
        iterations=options.iterations,
        regularisation=options.regularisation,
        momentum=options.momentum,
        probe_from=None if options.probe_known else default.probe_from,
        positions_from=default.positions_from if options.refine_positions else None,
        probe_modes=options.probe_modes,
        unwrap=options.unwrap,
    )
