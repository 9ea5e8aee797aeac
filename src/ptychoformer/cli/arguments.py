"""What several commands may be told, and how their arguments are checked."""

import argparse
import math
from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ptychoformer.measurement.options import FOUND, Geometry, Patterns, Reading, names_of
from ptychoformer.measurement.readers import AXES, FORMATS
from ptychoformer.measurement.readers.beam import WAVELENGTHS
from ptychoformer.measurement.readers.by_path import UNITS
from ptychoformer.measurement.readers.nanoprobe import STEP
from ptychoformer.plugins import fields_of

HDF5 = ".h5", ".hdf5"  # how names of HDF5 files end


def add_running(group: argparse._ArgumentGroup, seed: str) -> None:
    """Add what has a computation repeat itself, and how fast it is."""
    group.add_argument("--seed", type=whole(0), default=0, metavar="N", help=f"{seed} [%(default)s]")
    add_threads(group)


def add_threads(group: argparse._ActionsContainer) -> None:
    """Add the number of threads, which `threads.threads_of` chooses where it is left out."""
    group.add_argument("--threads", type=whole(1), metavar="N", help="of the CPU [free cores]")


def add_reading(part: argparse.ArgumentParser, preparation: str = "", bin: int | None = Patterns.bin) -> None:
    """Add a scan, how it is read, and what is made of its patterns; ``preparation`` says what
    is done where the latter is left out.
    """
    part.add_argument("scan", type=any_name, metavar="SCAN", help="file with the patterns and positions of a scan")
    group = part.add_argument_group("how the scan is read", "What is left out is as the file says; lengths in metres.")
    group.add_argument("--format", choices=FORMATS, help="[recognised by what the file holds]")
    group.add_argument("--data", metavar="PATH", help="dataset with the patterns, of an HDF5 file without a format")
    group.add_argument("--positions", metavar="PATH", help="and with the positions x, y[, z]; or two datasets, X,Y")
    group.add_argument("--positions-unit", choices=UNITS, help="[as the dataset says]")
    group.add_argument(
        "--positions-axes",
        metavar="AXES",
        help="what the numbers of a position are, or the x and y of any format, --positions-axes=-x,y; in HDF5 without"
        f" a format a minus alone skips one: =-,x,y [{AXES}]",
    )
    group.add_argument(
        "--positions-turn",
        type=number(fields_of("Reading")["positions_turn"]),
        metavar="DEGREES",
        help=f"by which positions are turned then, clockwise in a picture [{Reading.positions_turn:g}]",
    )
    group.add_argument(
        "--mask",
        metavar="PATH",
        help="dataset of an HDF5 file, or a .npy or .tif: 0 where a detector pixel is good, any other number where it"
        " is bad; besides what the file itself masks",
    )
    group.add_argument(
        "--probe",
        type=any_name,
        metavar="PROBE",
        help="that a reconstruction begins with: the OBJECT.h5 of another one, a .npy, a dataset of the file, or"
        f" {FOUND}, from the patterns [the file's own, or {FOUND}]",
    )
    # Within reach of any instrument, so that micrometres taken for metres are noticed.
    group.add_argument("--wavelength", type=real(*WAVELENGTHS), metavar="METRES", help="of the beam")
    group.add_argument("--distance", type=real(1e-4, 1e3), metavar="METRES", help="from object to detector")
    group.add_argument("--detector-pixel", type=real(1e-7, 1e-2), metavar="METRES", help="side of a detector pixel")
    group.add_argument(
        "--centre", type=whole(0), nargs=2, metavar=("Y", "X"), help="detector pixel with the zero frequency [found]"
    )
    group.add_argument(
        "--step",
        type=number(fields_of("Reading")["step"]),
        metavar="S",
        help="between neighbours of a raster without positions, in pixels as the whole frame samples the object; in"
        f" HDF5 without a format in place of --positions, and in --positions-unit [of a nanoprobe {STEP:g}]",
    )
    kept = (
        "use patterns without light, repeated ones, and those far brighter or dimmer than the others; otherwise they"
        " are left out"
    )
    group.add_argument("--keep-frames", action="store_true", help=kept)
    crop = f"side of the square around the centre, detector pixels{preparation or ' [the largest]'}"
    group.add_argument("--crop", type=whole(1), metavar="C", help=crop)
    block = f"side of blocks that are summed{preparation or f' [{Patterns.bin}]'}"
    group.add_argument("--bin", type=number(fields_of("Patterns")["bin"]), default=bin, metavar="B", help=block)


def reading(options: Namespace) -> Reading:
    """Return how the scan is read."""
    geometry = {name: getattr(options, name) for name in names_of(Geometry)}
    given = {name: getattr(options, name) for name in names_of(Reading) if name != "geometry"}
    return Reading.of(given | {"geometry": geometry})


def cropping(options: Namespace) -> Patterns:
    """Return what is made of its patterns."""
    return Patterns(options.crop, options.bin)


def about_scan(options: Namespace) -> dict[str, Any]:
    """Return what tells one scan, read in one way, from another, for the provenance."""
    return {
        "scan": Path(options.scan).name,
        "scan_bytes": Path(options.scan).stat().st_size,
        "reading": asdict(reading(options)),
    }


def number(option: Mapping[str, Any]) -> Callable[[str], float]:
    """Make a parser of the numbers that an option allows.

    Args:
        option: schema, of `plugins.fields_of`.
    """
    if option["type"] == "integer":
        return whole(option["minimum"], option.get("maximum", math.inf))
    low, high = (option.get(f"exclusive{bound}", option.get(bound.lower())) for bound in ("Minimum", "Maximum"))
    excluded = {"low_excluded": "exclusiveMinimum" in option, "high_excluded": "exclusiveMaximum" in option}
    return real(low, math.inf if high is None else high, **excluded)


def whole(least: int, most: float = math.inf) -> Callable[[str], int]:
    """Make a parser of integers between two bounds."""
    allowed = f"an integer of at least {least}" + (f" and at most {most}" if most < math.inf else "")

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"'{text}' is not allowed; it must be {allowed}")
        return value

    return parse


def real(low: float, high: float, *, low_excluded: bool = False, high_excluded: bool = False) -> Callable[[str], float]:
    """Make a parser of finite numbers between two bounds."""
    bounds = [f"{'greater than' if low_excluded else 'at least'} {low:g}"]
    if high < math.inf:
        bounds.append(f"{'less than' if high_excluded else 'at most'} {high:g}")

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        above = low < value if low_excluded else low <= value
        below = value < high if high_excluded else value <= high
        if not (above and below and math.isfinite(value)):
            raise argparse.ArgumentTypeError(f"'{text}' is not allowed; it must be a number {' and '.join(bounds)}")
        return value

    return parse


def hdf5_name(text: str) -> str:
    """Take the name of an HDF5 file."""
    return _named(text, "an HDF5 file", *HDF5)


def onnx_name(text: str) -> str:
    """Take the name of an ONNX file."""
    return _named(text, "an ONNX file", ".onnx")


def png_name(text: str) -> str:
    """Take the name of a picture."""
    return _named(text, "a picture", ".png")


def _named(text: str, what: str, *endings: str) -> str:
    if Path(text).suffix.lower() not in endings:  # of ".png" alone it is empty
        allowed = f"the name of {what} must end in {' or '.join(endings)}"
        raise argparse.ArgumentTypeError(f"'{text}' is not allowed; {allowed}")
    return text


def any_name(text: str) -> str:
    """Take the name of a file or folder; an empty one is that of a shell's variable that is not
    set, and would mean the working folder.
    """
    if not text.strip():
        raise argparse.ArgumentTypeError(f"'{text}' is not allowed; it must be the name of a file or folder")
    return text
