"""What every script of a rule has around its one call: the package on the path, a log, errors in
one sentence, provenance.

from adapter import job

with job(snakemake) as facts:
    from ptychoformer.simulation.objects import make_object
    make_object(...)
"""

import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NoReturn, TextIO

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from ptychoformer.errors import PtychoformerError, is_out_of_memory
from ptychoformer.files import is_disk_full, locked
from ptychoformer.memory import collect_seldom, look_before_torch
from ptychoformer.owners import WORKFLOWS, is_dead
from ptychoformer.planning.code import check_planned
from ptychoformer.provenance import record, sidecar
from ptychoformer.readiness import CODES

_STARTED_BY = list(WORKFLOWS.glob("*.json"))


@contextmanager
def job(snakemake, alone: Iterable[str] = (), afterwards: Callable[[], None] | None = None) -> Iterator[dict]:
    """Run a rule's work; what the caller puts into the yielded mapping (for example the device)
    goes into the provenance.

    What it puts there under the path of an output goes into the provenance of that output alone:
    ``wildcards`` among the job's wildcards, the rest among its facts. The recorded configuration is
    the rule's parameters, with the wildcards under a name of their own: rules have parameters of
    their wildcards' names, such as the options of the network ``model``.

    Args:
        alone: outputs out of whose folders other jobs are kept, such as one that outlived its
            workflow. If one is there, log and provenance are its own, and nothing is touched.
        afterwards: deletes what an interrupted job goes on from. It is called when the provenance
            is written, unless the workflow that started this job is known to have ended: the next
            one will take what the job makes for unfinished, and delete it.
    """
    collect_seldom()
    look_before_torch()
    facts: dict = {}
    began, started = time.perf_counter(), round(time.time(), 3)
    with _alone(snakemake, alone), _log(snakemake.log[0]) as console:
        try:
            check_planned(snakemake.output[0], [code for name, code in snakemake.params.items() if name in CODES])
            for artefact in snakemake.output:  # so that none is left of other content by a job that is killed
                sidecar(artefact).unlink(missing_ok=True)
            yield facts
            own = {artefact: facts.pop(artefact, {}) for artefact in snakemake.output}
            for artefact in snakemake.output:
                about = {"rule": snakemake.rule, "started": started}
                wildcards = dict(snakemake.wildcards.items()) | own[artefact].pop("wildcards", {})
                configuration = dict(snakemake.params.items()) | {"wildcards": wildcards}
                record(artefact, configuration, time.perf_counter() - began, about | facts | own[artefact])
            _date(snakemake.input, started)
            if afterwards and not _is_orphan():
                afterwards()
        except PtychoformerError as error:
            _fail(f"Error in {snakemake.rule}: {error}", console, f"Error: {error}\n")
        except Exception as error:
            reason = f"{type(error).__name__}: {error} (where it happened stands in {snakemake.log[0]})"
            if is_out_of_memory(error):
                reason = "the memory does not suffice; run fewer jobs at once (--cores), or on another machine."
            elif isinstance(error, OSError) and is_disk_full(error):
                reason = f"the disk is full ({error}); free some space and run the same command again."
            _fail(f"Error in {snakemake.rule}: {reason}", console, traceback.format_exc())


def _fail(sentence: str, console: TextIO, logged: str) -> NoReturn:
    """End the job with a sentence on the console, and more in its log if there is room for it."""
    print(sentence, file=console)
    with suppress(OSError):
        print(logged, end="", file=sys.stderr)
    sys.exit(1)


def _is_orphan() -> bool:
    """Say whether the workflow that started this job is known to have ended."""
    return bool(_STARTED_BY) and not any(owner.exists() and not is_dead(owner) for owner in _STARTED_BY)


@contextmanager
def _alone(snakemake, files: Iterable[str]) -> Iterator[None]:
    """Keep other jobs that ask for it out of the folders of ``files``; end the process if one is
    there, with a sentence on the console.
    """
    with ExitStack() as held:
        try:
            for folder in sorted({Path(file).parent for file in files}):
                held.enter_context(locked(folder))
        except PtychoformerError as error:
            print(f"Error in {snakemake.rule}: {error}", file=sys.stderr)
            sys.exit(1)
        yield


def _date(inputs: Iterable[str], started: float) -> None:
    """Date what was read no later than the job began, if the clock that dated it was ahead:
    Snakemake deletes what is older than what it was made of.
    """
    for file in inputs:
        with suppress(OSError):  # somebody else's
            if os.stat(file).st_mtime > time.time():
                os.utime(file, (started, started))


def folder_of(files: Iterable[str]) -> Path | None:
    """Find where files of one folder lie; None without files."""
    return next((Path(file).parent for file in files), None)


@contextmanager
def _log(path: str) -> Iterator:
    """Append everything that the process prints to the log, which an interrupted job has begun;
    yield the console.
    """
    console = os.fdopen(os.dup(2), "w", buffering=1, errors="backslashreplace")
    with open(path, "a+", buffering=1, encoding="utf-8") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        try:
            yield console
        finally:
            _bring_back(log, path)


def _bring_back(log: TextIO, path: str) -> None:
    """Write the log once more if it no longer lies where it was begun: Snakemake deletes it before
    it starts a job, even one that is then refused because this one is at work. A disk without room
    for its last lines takes nothing from what the job has made.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # nowhere, since Python flushes once more when it ends
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    if Path(path).exists() and os.path.samestat(os.stat(path), os.fstat(log.fileno())):
        return
    log.seek(0)
    with suppress(OSError), open(path, "a", encoding="utf-8") as again:
        again.write(log.read())
