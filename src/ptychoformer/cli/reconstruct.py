"""The command ``ptychoformer reconstruct``."""

import argparse
import time
from argparse import Namespace
from typing import Any

from ptychoformer.cli.arguments import (
    about_scan,
    add_reading,
    add_running,
    cropping,
    hdf5_name,
    png_name,
    reading,
    real,
    whole,
)
from ptychoformer.cli.outputs import beside, check_outputs
from ptychoformer.cli.threads import threads_of
from ptychoformer.provenance import code_digest, record

SUMMARY = "reconstruct the object from all patterns"
ABOUT = """\
Reconstruct the object from all patterns together (ePIE or rPIE), and with it the probe, unless that
is known.

OBJECT.h5 holds object/amplitude, object/phase, probe/wavefield and positions;
OBJECT.convergence.csv the R factor of every iteration, the error in amplitude as a part of all that
was recorded. It should fall and level off: what is left is noise, and what no object explains.

A state is kept beside the output, in OBJECT.state.pt: interrupted, the same command goes on where
it was."""
EXAMPLES = """\
examples:
  ptychoformer reconstruct scan.cxi -o object.h5 --png object.png
  ptychoformer reconstruct scan.cxi -o object.h5 --iterations 200 --refine-positions
  ptychoformer reconstruct scan.cxi -o quick.h5 --crop 128 --iterations 20"""
AFTERWARDS = "The same command goes on where it was."  # said when it was interrupted
# Of `datasets.*.reconstruction` in the workflow's config schema, which a test holds these against:
# the probe is refined from the second iteration on, positions from the fifth, and the result is the
# mean of the last twenty iterations.
PROBE_FROM, POSITIONS_FROM, AVERAGED = 2, 5, 20


def add_options(part: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    part.add_argument("-o", "--output", required=True, type=hdf5_name, metavar="OBJECT.h5", help="HDF5 file to write")
    part.add_argument("--png", type=png_name, metavar="FILE", help="picture: amplitude, phase, probe and convergence")
    engine = part.add_argument_group("engine")
    engine.add_argument(
        "--engine",
        choices=("epie", "rpie"),
        default="rpie",
        help="rpie moves more where the probe is dim [%(default)s]",
    )
    engine.add_argument(
        "--iterations", type=whole(1), default=60, metavar="N", help="passes over all patterns [%(default)s]"
    )
    regularisation = real(0, 1, low_excluded=True)
    engine.add_argument(
        "--regularisation", type=regularisation, default=0.8, metavar="A", help="alpha of rPIE, 0 to 1 [%(default)s]"
    )
    engine.add_argument(
        "--momentum",
        type=real(0, 1, high_excluded=True),
        default=0.0,
        metavar="M",
        help="0 to less than 1 [%(default)s]",
    )
    engine.add_argument(
        "--probe-known", action="store_true", help="take the scan's own probe as it is; otherwise it is refined"
    )
    engine.add_argument("--refine-positions", action="store_true", help="let positions move by what the patterns say")
    engine.add_argument("--unwrap", action="store_true", help="take jumps by 2 pi out of the phase")
    add_running(engine, "of the order of patterns")
    add_reading(part)


def run(options: Namespace) -> None:
    """Reconstruct the object from all patterns together."""
    convergence = beside(options.output, ".convergence.csv")
    check_outputs([options.output, convergence, options.png], [options.scan])
    from ptychoformer.measurement import reconstruct as measurement

    settings = reconstruction_settings(options)
    began, code, threads = time.perf_counter(), code_digest("measurement.reconstruct"), threads_of(options)
    how = {"seed": options.seed, "threads": threads, "code": code}
    facts = measurement.reconstruct(
        options.scan, reading(options), settings, output=options.output, convergence=convergence, **how
    )
    facts |= {"threads": threads}
    record(options.output, settings | about_scan(options) | {"seed": options.seed}, time.perf_counter() - began, facts)
    if options.png:
        from ptychoformer.publication.scan.pictures import draw_reconstruction

        draw_reconstruction(options.output, convergence, options.png)
    print(
        f"{facts['patterns']} patterns in {facts['reconstruction_seconds']} s, R factor {facts['r_factor']:.4f}:"
        f" {options.output}"
    )


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
        "unwrap": options.unwrap,
    }
