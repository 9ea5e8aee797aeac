"""Digests of the code that jobs run, with the files that they are of, so that a job can see whether
that still is the code that it was planned with.

If an edit is taken back before the next run, nothing else would tell that it was there.
"""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from ptychoformer.errors import InputError
from ptychoformer.files import content_digest, write_text
from ptychoformer.owners import WORKFLOWS
from ptychoformer.provenance import code_digest, contents_of

PLAN = ".plan"  # suffix of a run's plan, beside its name in ``WORKFLOWS``
_planned: dict[str, tuple[str, ...]] = {}


def planned_code(*modules: str) -> str:
    """Compute `provenance.code_digest`, and note what it is of for `remember`."""
    found = code_digest(*modules)
    _planned[found] = modules
    return found


def remember(plan: Path, jobs: Mapping[str, Iterable[str]]) -> None:
    """Write which code the jobs of a run are planned with.

    Args:
        plan: file of the run, in ``WORKFLOWS``.
        jobs: the digests of each, by its first output.
    """
    planned = {job: sorted(digests) for job, digests in jobs.items()}
    code = {}
    for digest in {digest for digests in planned.values() for digest in digests}:
        code[digest] = {"modules": _planned[digest], "files": contents_of(*_planned[digest])}
    write_text(json.dumps({"jobs": planned, "code": code}), plan)


def check_planned(job: str, digests: Iterable[str]) -> None:
    """Check that code is as it was when the workflow was planned.

    What files hold tells that nothing was edited, on any Python; whether an edit counts, digests
    do. A job of a cluster has digests of its own, of the code when it began.

    Args:
        job: its first output.
        digests: among its parameters.

    Raises:
        InputError: it was edited.
    """
    for path in WORKFLOWS.glob(f"*{PLAN}"):
        try:
            plan = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):  # of a run that has just ended
            continue
        if job not in plan["jobs"]:
            continue
        for digest in plan["jobs"][job]:
            code = plan["code"][digest]
            edited = [file for file, content in code["files"].items() if not _holds(file, content)]
            if edited and (digest not in digests or code_digest(*code["modules"]) != digest):
                raise InputError(
                    f"{' and '.join(map(os.path.relpath, edited))} changed since this run was planned; the same"
                    " command again makes with it what is missing."
                )


def _holds(file: str, content: str) -> bool:
    """Say whether a file is there and has the content of a digest."""
    return os.path.isfile(file) and content_digest(file) == content
