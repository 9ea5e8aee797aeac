"""The tutorial, followed to the letter."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/tutorial.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
WRITTEN = re.findall(r"`([\w/]+\.(?:py|yaml))`:\n\n```(?:python|yaml)\n(.*?)```", PAGE, re.DOTALL)
LOCKS = ("requirements.lock", "requirements-torch.lock", "requirements-torch-cpu.lock")


def _shape(line):
    """A line without its numbers, which seeds, versions and machines change, and without blanks."""
    return re.sub(r"[\d.,]+(e[+-]?\d+)?", "#", re.sub(r"\s+", " ", line.strip()))


def _commands():
    """Each block of commands with the outputs that follow it."""
    steps = []
    for language, text in BLOCKS:
        if language == "bash":
            steps.append((text, []))
        elif language == "text":
            steps[-1][1].extend(text.splitlines())
    return steps


def test_every_file_that_the_tutorial_writes_is_shown_before_a_command_that_reads_it():
    assert [name for name, _ in WRITTEN] == ["networks/tiny.py", "config/mine.yaml"]
    assert len(_commands()) == 7
    assert all(PAGE.index(f"`{name}`:") < PAGE.index("config/smoke.yaml config/mine.yaml") for name, _ in WRITTEN)


def test_the_smoke_run_has_as_many_steps_as_the_tutorial_shows(cloned):
    steps = sum(cloned.planned("--configfile", "config/smoke.yaml").values())
    assert f"\n{steps} of {steps} steps (100%) done\n" in PAGE


@pytest.mark.slow
def test_the_tutorial_works_to_the_letter_and_prints_what_it_shows(finished_project, tmp_path):
    """Step 1 is the finished smoke run that other tests share."""
    installed = Path(sys.prefix, "installed")
    if not installed.is_file() or installed.read_text() != "".join((ROOT / lock).read_text() for lock in LOCKS):
        pytest.skip("The environment of the tests is not the one that `make` installs.")
    folder = finished_project.copy(tmp_path / "clone").folder
    for name in ("Makefile", *LOCKS):
        shutil.copy(ROOT / name, folder)
    (folder / ".venv").symlink_to(sys.prefix)
    for name, text in WRITTEN:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    steps = _commands()
    assert steps[0][0] == "make smoke\n"
    exports = "".join(re.findall(r"^export .*\n", PAGE, re.MULTILINE))
    for commands, shown in steps[1:]:
        finished = subprocess.run(
            ["bash", "-ec", exports + commands if "$SCAN" in commands else commands],
            cwd=folder,
            env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert finished.returncode == 0, finished.stdout
        printed = {_shape(line) for line in finished.stdout.splitlines()}
        assert [line for line in shown if _shape(line) not in printed] == []
        if "inspect" in commands:
            lines = [line for line in finished.stdout.splitlines() if line.startswith("  ")]
            assert [line for line in shown if line.startswith("  ")] == lines  # all, and to the letter
    table = (folder / "results/smoke/publication/tables/table1.md").read_text()
    assert all(f"| {name} " in table for name in ("Tiny", "Ptychoformer", "Floor"))
    for name in ("results/publication/figures/fig1.png", "scan.png", "object.png", "scene.png"):
        assert (folder / name).stat().st_size
