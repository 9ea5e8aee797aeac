"""What would make a run of the workflow fail late, or lose what is finished: looked at before it
begins.
"""

import os
import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from ptychoformer.errors import InputError, OutputError
from ptychoformer.files import locked

AHEAD = 60.0  # seconds by which the clocks of machines that share a disk may differ


def check_times(files: Iterable[str]) -> None:
    """Whether no file is dated later than this machine's clock: a workflow that goes by times would
    delete all that was made of it, and make it anew for ever.

    Raises:
        InputError: one is.
    """
    now = time.time()
    dated = {file: os.stat(file).st_mtime for file in set(files) if os.path.isfile(file)}
    late = sorted(file for file, at in dated.items() if at > now + AHEAD)
    if late:
        others = f" (and {len(late) - 1} more)" if len(late) > 1 else ""
        raise InputError(
            f"{late[0]}{others} is dated {_read(dated[late[0]])}, but this machine's clock says {_read(now)}: what is"
            f" made of it would be deleted; set the clock if it is wrong, else run touch {late[0]}, and after it"
            " snakemake --touch if what was made of it may stay as it is."
        )


def _read(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M")


def check_writable(files: Iterable[str]) -> None:
    """Whether the folders of ``files``, or the ones they are to be made in, can be written to.

    Raises:
        OutputError: one cannot.
    """
    for folder in sorted({Path(file).parent for file in files}):
        there = next(part for part in (folder, *folder.parents) if part.exists())
        if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
            raise OutputError(
                f"The folder {there} cannot be written to: it belongs to somebody else or is read-only; change that, or"
                " name another with pathvars.results."
            )


def check_alone(files: Iterable[str]) -> None:
    """Whether no process is at work in the folders of ``files`` (`files.locked`), such as a job
    that outlived the workflow that started it.

    Raises:
        OutputError: one is.
    """
    for folder in sorted({Path(file).parent for file in files}):
        if folder.is_dir():
            with locked(folder):
                pass
