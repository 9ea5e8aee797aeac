"""The command ``ptychoformer``: one scan, four commands, no workflow.

Exit codes: 0 fine, 1 an error that is one sentence, 2 a command line that cannot be understood, 130 interrupted.
"""

import argparse
import math
import os
import sys
from collections.abc import Callable, Sequence

from ptychoformer import __version__, commands
from ptychoformer.errors import PtychoformerError
from ptychoformer.evaluation.stitch import WEIGHTINGS
from ptychoformer.evaluation.synchronise import PHASES, TIE
from ptychoformer.measurement.readers import FORMATS, STEP
from ptychoformer.measurement.readers.cxi import WAVELENGTHS
from ptychoformer.plugins import loss_kinds, loss_options, network_kinds
from ptychoformer.training.inputs import INPUTS

INITIALISATIONS = ("torch", "glorot")  # those of `models`, which would import torch

ABOUT = """\
From the diffraction patterns of a scan to pictures of its object.

inspect      what a file holds: counts, geometry, overlap, warnings
reconstruct  the object from all patterns together, by iteration: slow and exact, and what a network learns from
train        a network that takes one pattern to its part of the object
predict      a whole scan with that network, as fast as patterns come

A scan is a CXI or NXcxi_ptycho file, an .npz.bz2 of the APS Velociprobe, or an .npz or .npy of frames on a raster.
Each command explains itself: ptychoformer predict --help."""

INSPECT = """\
Print what a scan holds and what is odd about it, before anything is computed from it.

A reconstruction needs neighbouring spots to overlap by 60 % or more of the probe's diameter. Bad pixels are found and filled. Where
wavelength, distance or the size of a detector pixel are not recorded, give them, or all lengths are in pixels of the object."""
INSPECT_EXAMPLES = """\
examples:
  ptychoformer inspect scan.cxi --png scan.png
  ptychoformer inspect scan.npz.bz2 --wavelength 1.4e-10 --distance 2.0 --detector-pixel 75e-6
  ptychoformer inspect scan.cxi --json"""

RECONSTRUCT = """\
Reconstruct the object from all patterns together (ePIE or rPIE), and with it the probe, unless that is known.

OBJECT.h5 holds object/amplitude, object/phase, probe/wavefield and positions; OBJECT.convergence.csv the R factor of every iteration, the
error in amplitude as a part of all that was recorded. It should fall and level off: what is left is noise, and what no object explains.

A state is kept beside the output, in OBJECT.state.pt: interrupted, the same command goes on where it was."""
RECONSTRUCT_EXAMPLES = """\
examples:
  ptychoformer reconstruct scan.cxi -o object.h5 --png object.png
  ptychoformer reconstruct scan.cxi -o object.h5 --iterations 200 --refine-positions
  ptychoformer reconstruct scan.cxi -o quick.h5 --crop 128 --iterations 20"""

TRAIN = """\
Train a network on a scan whose object was reconstructed: what it learns is to take one pattern to its part of the object.

--crop and --bin decide what it sees: a crop of c detector pixels, summed in blocks of b x b, makes patterns of c / b pixels. A smaller
crop makes the object's pixels coarser, larger blocks make its windows narrower. The lowest fifth of the scan is never trained on, nor is
what overlaps it, so that RUN's answers there are those to expect of a new scan.

RUN gets model.pt, history.csv (the losses of every epoch), preparation.json (what predict has to know), and the labelled scan, dataset.cxi
and object.h5. The state of training is kept in RUN/state.pt: interrupted, the same command goes on after the last whole epoch."""
TRAIN_EXAMPLES = """\
examples:
  ptychoformer train scan.cxi --object object.h5 -o run --crop 64
  ptychoformer train scan.cxi --object object.h5 -o run --crop 128 --bin 4 --model ptychonn --epochs 50
  ptychoformer train scan.cxi --object object.h5 -o run --crop 64 --option attention=none --loss mae"""

PREDICT = """\
Predict every pattern of a scan with a trained network and stitch the answers, in one pass.

The scan may be as long as it likes: only the rows of the scene that patterns still to come can touch are in memory (of a scan in random
order these are all rows). Patterns are cropped and binned as those that the network was trained on.

A pattern does not tell the mean phase of its window. With --phase synchronised, patches that overlap tell each other: the constants with
which they agree best, weakly tied to the network's own, are added to them. This takes some numbers of each pattern in memory.

SCENE.h5 holds scene/amplitude, scene/phase in radians (NaN where no pattern lies), and the positions; SCENE.h5.provenance.json says what it
was made from. A network knows objects like those it was trained on, at the same size of pixel: compare with a reconstruction."""
PREDICT_EXAMPLES = """\
examples:
  ptychoformer predict scan.cxi --checkpoint run -o scene.h5 --png scene.png
  ptychoformer predict scan.cxi --checkpoint run -o scene.h5 --phase synchronised --tie 0.1
  ptychoformer predict next.cxi --checkpoint run -o next.h5 --tiff next       (next_amplitude.tif, next_phase.tif for ImageJ)
  ptychoformer predict scan.cxi --checkpoint run/model.pt -o scene.h5 --crop 64 --bin 2"""

AFTERWARDS = {
    "reconstruct": "The same command goes on where it was.",
    "train": "The same command goes on after the last whole epoch.",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line, by default that of the process; returns the exit code.

    Raises:
        SystemExit: 2 on a command line that cannot be understood, 0 after ``--help``.
    """
    afterwards = ""
    try:
        options = parser().parse_args(arguments)
        afterwards = options.afterwards
        options.run(options)
    except PtychoformerError as error:
        return _failed(f"Error: {error}", 1)
    except MemoryError:
        return _failed("Error: The memory does not suffice; use fewer pixels (--crop, --bin) or another machine.", 1)
    except KeyboardInterrupt:
        return _failed(f"Interrupted. {afterwards}", 130)
    return 0


def _failed(line: str, code: int) -> int:
    print(line, file=sys.stderr)
    return code


def parser() -> argparse.ArgumentParser:
    """What the command line may hold."""
    whole = argparse.ArgumentParser("ptychoformer", description=ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter)
    whole.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parts = whole.add_subparsers(metavar="COMMAND", required=True)
    _add_inspect(_command(parts, "inspect", "say what a scan holds", INSPECT, INSPECT_EXAMPLES))
    _add_reconstruct(_command(parts, "reconstruct", "reconstruct the object from all patterns", RECONSTRUCT, RECONSTRUCT_EXAMPLES))
    _add_train(_command(parts, "train", "train a network on a reconstructed scan", TRAIN, TRAIN_EXAMPLES))
    _add_predict(_command(parts, "predict", "predict and stitch a scan with a trained network", PREDICT, PREDICT_EXAMPLES))
    return whole


def _command(parts, name: str, summary: str, about: str, examples: str) -> argparse.ArgumentParser:
    made = parts.add_parser(name, help=summary, description=about, epilog=examples, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("scan", metavar="SCAN", help="file with the patterns and positions of a scan")
    made.set_defaults(run=getattr(commands, name), afterwards=AFTERWARDS.get(name, "Nothing was written."))
    return made


def _add_inspect(part: argparse.ArgumentParser) -> None:
    part.add_argument("--png", type=_png, metavar="FILE", help="picture: the mean pattern, the positions, the probe if it is known")
    part.add_argument("--json", action="store_true", help="print JSON, lengths in metres and in pixels of the object")
    _add_reading(part)


def _add_reconstruct(part: argparse.ArgumentParser) -> None:
    part.add_argument("-o", "--output", required=True, type=_hdf5, metavar="OBJECT.h5", help="HDF5 file to write")
    part.add_argument("--png", type=_png, metavar="FILE", help="picture: amplitude, phase, probe and convergence")
    engine = part.add_argument_group("engine")
    engine.add_argument("--engine", choices=("epie", "rpie"), default="rpie", help="rpie moves more where the probe is dim [%(default)s]")
    engine.add_argument("--iterations", type=_whole(1), default=60, metavar="N", help="passes over all patterns [%(default)s]")
    regularisation = _real(0, 1, low_excluded=True)
    engine.add_argument("--regularisation", type=regularisation, default=0.8, metavar="A", help="alpha of rPIE, 0 to 1 [%(default)s]")
    engine.add_argument("--momentum", type=_real(0, 1, high_excluded=True), default=0.0, metavar="M", help="0 to less than 1 [%(default)s]")
    engine.add_argument("--probe-known", action="store_true", help="take the scan's own probe as it is; otherwise it is refined")
    engine.add_argument("--refine-positions", action="store_true", help="let positions move by what the patterns say")
    _add_running(engine, "of the order of patterns")
    _add_reading(part)


def _add_train(part: argparse.ArgumentParser) -> None:
    part.add_argument("--object", required=True, metavar="OBJECT.h5", help="what `reconstruct` made of the same scan")
    part.add_argument("-o", "--output", required=True, metavar="RUN", help="folder to write into")
    training = part.add_argument_group("training")
    training.add_argument("--model", choices=network_kinds(), default="ptychoformer", help="network [%(default)s]")
    training.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="of the network, as often as you like; an unknown name lists them",
    )
    training.add_argument("--initialisation", choices=INITIALISATIONS, help="weights to start from [the network's own choice]")
    training.add_argument("--inputs", choices=tuple(INPUTS), default="log", help="what is made of the photons it sees [%(default)s]")
    training.add_argument("--patterns", type=_whole(2), metavar="N", help="to train on, drawn by the seed [all that may be]")
    training.add_argument("--epochs", type=_whole(1), default=25, metavar="N", help="passes over them [%(default)s]")
    training.add_argument("--batch-size", type=_whole(1), default=32, metavar="N", help="patterns a step [%(default)s]")
    rate = _real(0, 1, low_excluded=True)
    training.add_argument("--learning-rate", type=rate, default=1e-3, metavar="R", help="of Adam at the start [%(default)s]")
    training.add_argument("--loss", choices=_losses(), default="mse", help="what is made small [%(default)s]")
    _add_running(training, "of the choice of patterns, initial weights, order and dropout")
    _add_reading(part)


def _add_predict(part: argparse.ArgumentParser) -> None:
    part.add_argument("--checkpoint", required=True, metavar="RUN", help="folder that `train` made, or a model.pt")
    part.add_argument("-o", "--output", required=True, type=_hdf5, metavar="SCENE.h5", help="HDF5 file to write")
    part.add_argument("--png", type=_png, metavar="FILE", help="picture of the scene")
    part.add_argument("--tiff", metavar="PREFIX", help="write PREFIX_amplitude.tif and PREFIX_phase.tif for ImageJ")
    part.add_argument("--weighting", choices=WEIGHTINGS, default="radial", help="radial: patches count most at their centre [%(default)s]")
    part.add_argument("--phase", choices=PHASES, default="plain", help="how phase is stitched [%(default)s]")
    tie = "of synchronised phase to the network's own: 0 none, a large one is as good as plain [%(default)s]"
    part.add_argument("--tie", type=_real(0, math.inf), default=TIE, metavar="T", help=tie)
    part.add_argument("--threads", type=_whole(1), default=_cores(), metavar="N", help="of the CPU [%(default)s]")
    _add_reading(part, preparation=" [as in training]", bin=None)


def _add_running(group: argparse._ArgumentGroup, seed: str) -> None:
    group.add_argument("--seed", type=_whole(0), default=0, metavar="N", help=f"{seed} [%(default)s]")
    group.add_argument("--threads", type=_whole(1), default=_cores(), metavar="N", help="of the CPU [%(default)s]")


def _add_reading(part: argparse.ArgumentParser, preparation: str = "", bin: int | None = 1) -> None:
    group = part.add_argument_group("how the scan is read", "What is left out is as the file says; lengths in metres.")
    group.add_argument("--format", choices=FORMATS, help="[recognised by what the file holds]")
    # Within reach of any instrument, so that micrometres taken for metres are noticed.
    group.add_argument("--wavelength", type=_real(*WAVELENGTHS), metavar="METRES", help="of the beam")
    group.add_argument("--distance", type=_real(1e-4, 1e3), metavar="METRES", help="from object to detector")
    group.add_argument("--detector-pixel", type=_real(1e-7, 1e-2), metavar="METRES", help="side of a detector pixel")
    group.add_argument("--centre", type=_whole(0), nargs=2, metavar=("Y", "X"), help="detector pixel with the zero frequency [found]")
    group.add_argument(
        "--step",
        type=_real(0, math.inf, low_excluded=True),
        metavar="PIXELS",
        help=f"of a nanoprobe's raster, between neighbours [{STEP:g}]",
    )
    crop = f"side of the square around the centre, detector pixels{preparation or ' [the largest]'}"
    group.add_argument("--crop", type=_whole(1), metavar="C", help=crop)
    group.add_argument("--bin", type=_whole(1), default=bin, metavar="B", help=f"side of blocks that are summed{preparation or ' [1]'}")


def _losses() -> list[str]:
    """Those that need no options."""
    return [kind for kind in loss_kinds() if all("default" in option for option in loss_options(kind).values())]


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _whole(least: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least:
            raise argparse.ArgumentTypeError(f"'{text}' is not allowed; it must be an integer of at least {least}")
        return value

    return parse


def _real(low: float, high: float, *, low_excluded: bool = False, high_excluded: bool = False) -> Callable[[str], float]:
    bounds = [f"{'greater than' if low_excluded else 'at least'} {low:g}"]
    if high < math.inf:
        bounds.append(f"{'less than' if high_excluded else 'at most'} {high:g}")

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        inside = (
            low <= value <= high and math.isfinite(value) and not (low_excluded and value == low) and not (high_excluded and value == high)
        )
        if not inside:
            raise argparse.ArgumentTypeError(f"'{text}' is not allowed; it must be a number {' and '.join(bounds)}")
        return value

    return parse


def _hdf5(text: str) -> str:
    if not text.lower().endswith((".h5", ".hdf5")):
        raise argparse.ArgumentTypeError(f"'{text}' is not allowed; the name of an HDF5 file must end in .h5 or .hdf5")
    return text


def _png(text: str) -> str:
    if not text.lower().endswith(".png"):
        raise argparse.ArgumentTypeError(f"'{text}' is not allowed; the name of a picture must end in .png")
    return text
