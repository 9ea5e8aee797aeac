"""Snakemake, run as a user runs it, in a copy of the project."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

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


class Project:
    """A copy of the project in a folder of its own."""

    def __init__(self, folder: Path):
        self.folder = folder

    @classmethod
    def fresh(cls, folder: Path) -> "Project":
        """As cloned, without results."""
        folder.mkdir(parents=True, exist_ok=True)
        for part in PARTS:
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__", "files"))
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
        # Nothing of the test's own path: the workflow has to find its package by itself.
        return {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess:
        """Run to the end; output and errors together in ``stdout``."""
        return subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment(),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def planned(self, *arguments: str) -> dict[str, int]:
        """Jobs that a dry run would do, by rule."""
        finished = self.snakemake(*arguments, "--dry-run", "--quiet", "host")
        assert finished.returncode == 0, finished.stdout
        jobs = {}
        for line in finished.stdout.splitlines():
            words = line.split()
            if len(words) == 2 and words[1].isdigit() and words[0] != "total" and not words[0].endswith(":"):
                jobs[words[0]] = int(words[1])
        return jobs

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.folder / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))


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
