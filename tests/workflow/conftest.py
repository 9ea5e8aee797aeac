"""Snakemake, run as a user runs it, in a copy of the project."""

import atexit
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import pytest

from ptychoformer.provenance import PACKAGE, code_digest

from .forked import ask

ROOT = Path(__file__).resolve().parents[2]
PARTS = (
    "CITATION.cff",
    "Snakefile",
    "config.yaml",
    "config",
    "docs",
    "environment.yml",
    "profiles",
    "resources",
    "src",
    "workflow",
)


@cache
def warm() -> tuple[str, Path]:
    """Where a Python listens that has imported already (`forked`), and the Python that asks it; it ends
    with these tests.
    """
    folder = Path(tempfile.mkdtemp())
    address, python = str(folder / "socket"), folder / "python"
    program = [sys.executable, Path(__file__).with_name("forked.py")]
    environment = without_path() | dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")  # read but once
    pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    server = subprocess.Popen([*program, "serve", address], env=environment, **pipes)
    assert server.stdout.readline() == b"listening\n"
    atexit.register(shutil.rmtree, folder)
    atexit.register(server.communicate)
    python.write_text(f'#!/bin/sh\nexec {shlex.join([program[0], "-IS", str(program[1]), "ask", address])} "$@"\n')
    python.chmod(0o755)
    return address, python


@cache
def read_modules() -> None:
    """Have what counts of every module remembered beside it, so that no copy has to read them all."""
    for path in PACKAGE.rglob("*.py"):
        code_digest(".".join(path.relative_to(PACKAGE).with_suffix("").parts))


def without_path() -> dict[str, str]:
    """Nothing of the test's own path: the workflow has to find its package by itself."""
    return {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}


def jobs_in(told: str) -> dict[str, int]:
    """Jobs by rule, as a dry run tells them."""
    jobs = {}
    for line in told.splitlines():
        words = line.split()
        if len(words) == 2 and words[1].isdigit() and words[0] != "total" and not words[0].endswith(":"):
            jobs[words[0]] = int(words[1])
    return jobs


class Project:
    """A copy of the project in a folder of its own."""

    def __init__(self, folder: Path):
        self.folder = folder

    @classmethod
    def fresh(cls, folder: Path) -> "Project":
        """As cloned, without results, but compiled and read as far as the project's own modules are."""
        read_modules()
        folder.mkdir(parents=True, exist_ok=True)
        for part in PARTS:
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("*.pyc.*", "files"))
            else:
                shutil.copy2(source, folder / part)
        return cls(folder)

    def copy(self, folder: Path) -> "Project":
        """The same with its results, to be edited."""
        shutil.copytree(self.folder, folder)
        return Project(folder)

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]

    def environment(self) -> dict[str, str]:
        return without_path()

    def snakemake(self, *arguments: str, cold: bool = False) -> subprocess.CompletedProcess:
        """Run to the end; output and errors together in ``stdout``.

        Args:
            cold: each job starts Python and imports, as a user's does; else it is forked from one that
                has imported.
        """
        command, (address, python) = self.command(*arguments), warm()
        with tempfile.TemporaryFile("w+") as output, open(os.devnull) as nothing:
            streams = [nothing.fileno(), output.fileno(), output.fileno()]
            where = dict(folder=str(self.folder), environment=self.environment())
            status = ask(address, command[1:], streams, python=sys.executable if cold else str(python), **where)
            output.seek(0)
            return subprocess.CompletedProcess(command, status, output.read())

    def told(self, *arguments: str) -> str:
        """What a dry run says, which succeeds."""
        finished = self.snakemake(*arguments, "--dry-run", "--quiet", "host")
        assert finished.returncode == 0, finished.stdout
        return finished.stdout

    def planned(self, *arguments: str) -> dict[str, int]:
        """Jobs that a dry run would do, by rule."""
        return jobs_in(self.told(*arguments))

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.folder / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))


class Cloned(Project):
    """The project as cloned, which no test edits: what has one answer is asked once."""

    def __init__(self, folder: Path):
        super().__init__(folder)
        self.finished = {}

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess:
        assert "--dry-run" in arguments  # what makes files would be seen by the next test
        if arguments not in self.finished:
            self.finished[arguments] = super().snakemake(*arguments)
        return self.finished[arguments]


@pytest.fixture(scope="session")
def cloned(tmp_path_factory):
    return Cloned.fresh(tmp_path_factory.mktemp("cloned"))


@pytest.fixture
def project(tmp_path):
    return Project.fresh(tmp_path)


@pytest.fixture(scope="session")
def finished_project(tmp_path_factory):
    """The whole smoke workflow, run once for all tests that look at it."""
    project = Project.fresh(tmp_path_factory.mktemp("smoke"))
    finished = project.snakemake("--configfile", "config/smoke.yaml")
    assert finished.returncode == 0, finished.stdout
    return project
