"""What would make a run of the workflow fail late, or lose what is finished: looked at before it
begins.
"""

import json
import os
import reprlib
import shlex
import subprocess  # of Python, as a list of words, by no shell  # nosec B404
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from ptychoformer.errors import InputError, OutputError
from ptychoformer.files import check_folder, locked
from ptychoformer.provenance import read_provenance, sidecar

CODES = {"code", "prediction_code"}  # parameters that are digests of code
REFUSED = "\0"  # before and after the sentence of `training.tried`
AHEAD = 60.0  # seconds by which the clocks of machines that share a disk may differ


def check_times(files: Iterable[str]) -> None:
    """Check that no file is dated later than this machine's clock: a workflow that goes by times
    would delete all that was made of it, and make it anew for ever.

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
            f" made of it would be deleted; set the clock if it is wrong, else run {_touching(late)}, and after it"
            " snakemake --touch if what was made of it may stay as it is."
        )


def _touching(files: list[str]) -> str:
    """Write the command that dates files anew: of several, all that are dated later than now in the
    folders that they share.
    """
    if len(files) == 1:
        return f"touch {shlex.quote(files[0])}"
    shared: dict[tuple[str, ...], list[str]] = {}
    for file in files:
        shared.setdefault(Path(file).parts[: 1 + os.path.isabs(file)], []).append(file)
    folders = " ".join(shlex.quote(os.path.commonpath(those)) for those in shared.values())
    return f"find {folders} -newermt now -exec touch {{}} +"


def _read(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M")


def check_trials(trials: Sequence[Mapping[str, Any]], python: str) -> None:
    """Check that networks and losses can be trained which are to replace finished trainings, that
    would be deleted first (`training.tried`). Where they cannot be tried, it is left to the jobs.

    Args:
        trials: what to try.
        python: of the jobs.

    Raises:
        InputError: one cannot be trained; with the sentence that its job would end with.
    """
    package = Path(__file__).parent
    found = filter(None, (str(package.parent), os.environ.get("PYTHONPATH")))
    finished = subprocess.run(  # nosec B603
        [python, "-m", f"{package.name}.training.tried"],
        input=json.dumps(trials),
        env=os.environ | {"PYTHONPATH": os.pathsep.join(found), "PYTHONSAFEPATH": "1", "PYTHONIOENCODING": "utf-8"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
        errors="replace",
    )
    _, *sentence = finished.stdout.split(REFUSED)  # the modules may print something too
    if len(sentence) == 2:
        raise InputError(f"{sentence[0]} So nothing was begun; finished trainings are as they were.")


def check_not_empty(files: Iterable[str]) -> None:
    """Check that none of ``files``, which are made, is empty: what was cut off to nothing is
    younger than what it was made of, so that a workflow that goes by times would take it for whole.

    Raises:
        InputError: one is.
    """
    for file in sorted(set(files)):
        if os.path.isfile(file) and os.path.getsize(file) == 0:
            raise InputError(f"{file} is empty, so it was cut off; delete it, and run the same command again.")


class Kept(NamedTuple):
    """A file that is there and is not made anew, and what would make it with which parameters."""

    file: str
    rule: str
    parameters: Mapping[str, Any]


def check_made(kept: Iterable[Kept], advice: str) -> list[Kept]:
    """Check that files were made with the parameters that they would be made with now, as far as
    their provenance tells; return those that other code made.

    Args:
        kept: files of which Snakemake itself does not know or ask it.
        advice: what to do besides ``--forcerun``.

    Raises:
        InputError: one was made with another configuration, or its provenance cannot be read.
    """
    others, by_other_code = [], []
    for one in kept:
        if not sidecar(one.file).is_file():
            continue
        made = read_provenance(one.file).get("configuration", {})
        made.pop("wildcards", None)  # which are in the path
        now = json.loads(json.dumps(dict(one.parameters), default=str))
        said = [name for name in now if name in made and name not in CODES]  # the rest is of another version's
        if different := next((found for name in said for found in _differences(made[name], now[name], name)), ""):
            others.append((one, different))
        elif made != now:
            by_other_code.append(one)
    if others:
        (first, different), more = others[0], f" (and {len(others) - 1} more)" if len(others) > 1 else ""
        rules = " ".join(dict.fromkeys(one.rule for one, _ in others))
        raise InputError(
            f"{first.file}{more} was made with {different} by the config now, and Snakemake would keep it; to make it"
            f" anew, {advice} --forcerun {rules} at the end of the command, else undo the change."
        )
    return by_other_code


def _differences(made: Any, now: Any, key: str) -> Iterator[str]:
    """Yield where two parameters of a name differ, such as ``training.epochs 1, which is 5``."""
    if isinstance(made, dict) and isinstance(now, dict):
        for name in dict.fromkeys([*made, *now]):
            yield from _differences(made.get(name), now.get(name), f"{key}.{name}")
    elif made != now:
        yield f"{key} {reprlib.repr(made)}, which is {reprlib.repr(now)}"


def check_writable(files: Iterable[str]) -> None:
    """Check that ``files`` can be written: none is a folder, and the folders that they are in, or
    that these are to be made in, may be written to.

    Raises:
        OutputError: one cannot.
    """
    files = sorted(set(map(Path, files)))
    for file in files:
        if os.path.isdir(file):  # where a `Path` would raise an error in a folder that may not be entered
            raise OutputError(f"{file} is a folder, where a file is to be written; move it away.")
    for folder in sorted({file.parent for file in files}):
        check_folder(folder)
        there = next(part for part in (folder, *folder.parents) if os.path.exists(part))
        if not os.access(there, os.W_OK | os.X_OK):
            raise OutputError(
                f"The folder {there} cannot be written to: it belongs to somebody else or is read-only; change that, or"
                " name another with pathvars.results."
            )


def check_alone(files: Iterable[str]) -> None:
    """Check that no process is at work in the folders of ``files`` (`files.locked`), such as a job
    that outlived the workflow that started it.

    Raises:
        OutputError: one is.
    """
    for folder in sorted({Path(file).parent for file in files}):
        if folder.is_dir():
            with locked(folder):
                pass
