"""Digests of the code that jobs run, with the modules that they are of, so that a job can see
whether that still is the code that it was planned with.

If an edit is taken back before the next run, nothing else would tell that it was there.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path

from ptychoformer.errors import InputError
from ptychoformer.files import write_text
from ptychoformer.provenance import OUTSIDE, PACKAGE, code_digest, files_of

PLANNED = Path(".snakemake/planned-code.json")  # in the folder that the workflow works in
_planned: dict[str, tuple[str, ...]] = {}


def planned_code(*modules: str) -> str:
    """Compute `provenance.code_digest`, and note what it is of for `remember`."""
    found = code_digest(*modules)
    _planned[found] = modules
    return found


def remember(since: float) -> None:
    """Write which modules the digests are of that were noted so far.

    Args:
        since: when the first of them was read, in seconds since 1970.
    """
    write_text(json.dumps({"since": since, "modules": _planned}), PLANNED)


def check_planned(digests: Iterable[str]) -> None:
    """Check that code is as it was when the workflow was planned.

    Of the package's own modules nothing is read if no file was touched since, as digests take a
    tenth of a second.

    Raises:
        InputError: it was edited.
    """
    try:
        planned = json.loads(PLANNED.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # of a job that something else started
        return
    sources = (file for file in PACKAGE.rglob("*.*") if file.parent.name != "__pycache__")
    touched = any(_is_touched(file, planned["since"]) for file in sources)
    for digest in digests:
        modules = planned["modules"].get(digest, ())
        own = any(name.startswith(OUTSIDE) for name in modules)
        if modules and (touched or own) and code_digest(*modules) != digest:
            edited = [os.path.relpath(file) for file in files_of(*modules) if _is_touched(file, planned["since"])]
            raise InputError(
                f"{' and '.join(edited) or 'the code'} changed since this run was planned; the same command again"
                " makes with it what is missing."
            )


def _is_touched(file: Path, since: float) -> bool:
    """Say whether a file was written, put in its place, or taken away later."""
    try:
        about = os.stat(file)
    except FileNotFoundError:
        return True
    return max(about.st_mtime, about.st_ctime) > since
