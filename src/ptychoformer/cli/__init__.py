"""The command ``ptychoformer``: one scan, a few commands, no workflow.

Each command is a module with what it does, in words (``SUMMARY``, ``ABOUT``, ``EXAMPLES``,
``AFTERWARDS``) and in code (``add_options``, ``run``). Libraries that take long to import are
imported by the command that needs them.

What is said of an interruption, ``AFTERWARDS`` at first, a command may change in its options as it
goes (``options.afterwards``).

Exit codes: 0 fine, 1 an error that is one sentence, 2 a command line that cannot be understood, 3 a
network that learnt nothing (``train --strict``), 130 interrupted.
"""

import argparse
import io
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress

from ptychoformer import __version__
from ptychoformer.cli import export, inspect, predict, reconstruct, train
from ptychoformer.errors import PtychoformerError, is_out_of_memory
from ptychoformer.files import is_disk_full
from ptychoformer.memory import collect_seldom, look_before_torch
from ptychoformer.parsing import Parser

ABOUT = """\
From the diffraction patterns of a scan to pictures of its object.

inspect      what a file holds: counts, geometry, overlap, warnings
reconstruct  the object from all patterns together, by iteration: slow and exact, and what a
             network learns from
train        a network that takes one pattern to its part of the object
predict      a whole scan with that network, as fast as patterns come
export       that network as an ONNX file, for a program without this package

A scan is a CXI or NXcxi_ptycho file, a pair of files of ptychodus or pty-chi, an .npz.bz2 of the
APS Velociprobe, an .npz or .npy of frames on a raster, or any HDF5 file with --data and
--positions. Each command explains itself:
ptychoformer predict --help."""
COMMANDS = {"inspect": inspect, "reconstruct": reconstruct, "train": train, "predict": predict, "export": export}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line, by default that of the process; returns the exit code.

    Raises:
        SystemExit: 2 on a command line that cannot be understood, 0 after ``--help``.
    """
    _fill_streams()
    if isinstance(sys.stdout, io.TextIOWrapper):  # of names and units that the terminal cannot show
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        try:
            return _run(arguments)
        finally:
            if sys.stdout:  # which whoever started this may have closed
                sys.stdout.flush()
    except OSError as error:
        full = is_disk_full(error)
        if not (full or isinstance(error, BrokenPipeError)):
            raise
        with suppress(OSError):  # what is full may be where errors go
            if full:
                _failed("Error: The disk is full, what was to be printed is not all there.", 1)
        # Or whoever read the output has seen enough, as `head` has. What is still to be flushed
        # goes nowhere.
        for stream in filter(None, (sys.stdout, sys.stderr)):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return 1 if full else 128 + signal.SIGPIPE


def _fill_streams() -> None:
    """Open what whoever started this process has closed (``2>&-``): a file of ours would take its
    place, and with it what libraries print.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))


def _run(arguments: Sequence[str] | None) -> int:
    options = argparse.Namespace(afterwards="")
    collect_seldom()
    look_before_torch()
    try:
        options = parser().parse_args(arguments)
        return options.run(options) or 0
    except PtychoformerError as error:
        return _failed(f"Error: {error}", 1)
    except KeyboardInterrupt:
        return _failed(f"Interrupted. {options.afterwards}", 130)
    except Exception as error:
        if isinstance(error, OSError) and error.filename is not None:
            return _failed(f"Error: {os.fspath(error.filename)}: {error.strerror}.", 1)
        if not is_out_of_memory(error):
            raise
        return _failed("Error: The memory does not suffice; use fewer pixels (--crop, --bin) or another machine.", 1)


def _failed(line: str, code: int) -> int:
    print(line, file=sys.stderr)
    return code


def parser(kind: type[Parser] = Parser) -> Parser:
    """Make the parser of the command line; its ``kind`` decides what becomes of a line that cannot
    be understood.
    """
    whole = kind("ptychoformer", description=ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter)
    whole.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parts = whole.add_subparsers(metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        words = {"help": command.SUMMARY, "description": command.ABOUT, "epilog": command.EXAMPLES}
        part = parts.add_parser(name, **words, formatter_class=argparse.RawDescriptionHelpFormatter)
        part.set_defaults(run=command.run, afterwards=command.AFTERWARDS)
        command.add_options(part)
    return whole
