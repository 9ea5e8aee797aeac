"""The command ``ptychoformer inspect``."""

import argparse
import json
from argparse import Namespace

from ptychoformer.cli.arguments import add_reading, cropping, png_name, reading
from ptychoformer.cli.outputs import check_outputs
from ptychoformer.cli.replacing import about_picture, check_pictures
from ptychoformer.measurement.summary import as_mapping, summarise
from ptychoformer.publication.scan.description import described

SUMMARY = "say what a scan holds"
ABOUT = """\
Print what a scan holds and what is odd about it, before anything is computed from it.

A reconstruction needs neighbouring spots to overlap by 60 % or more of the probe's diameter. Bad
pixels are found and filled. Where wavelength, distance or the size of a detector pixel are not
recorded, give them, or all lengths are in pixels of the object."""
EXAMPLES = """\
examples:
  ptychoformer inspect scan.cxi --png scan.png
  ptychoformer inspect scan.npz.bz2 --wavelength 1.4e-10 --distance 2.0 --detector-pixel 75e-6
  ptychoformer inspect scan.cxi --json"""
AFTERWARDS = "Nothing was written."  # said when it was interrupted


def add_options(part: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    part.add_argument(
        "--png",
        type=png_name,
        metavar="FILE",
        help="picture: the mean pattern, the positions, the probe if it is known",
    )
    part.add_argument("--json", action="store_true", help="print JSON, lengths in metres and in pixels of the object")
    add_reading(part)


def run(options: Namespace) -> None:
    """Print what a scan holds."""
    about = about_picture("inspect", options.scan)
    check_outputs([options.png], [options.scan])
    check_pictures([options.png], about)
    summary = summarise(options.scan, reading(options), cropping(options))
    if options.png:
        from ptychoformer.publication.scan.pictures import draw_scan

        draw_scan(summary, options.png, about)
    facts = as_mapping(summary)
    print(json.dumps(facts, indent=2) if options.json else described(facts))
