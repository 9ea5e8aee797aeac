"""Command lines of the workflow's own scripts: one sentence for one that cannot be understood."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = [path.relative_to(ROOT).as_posix() for path in sorted(ROOT.glob("workflow/*.py"))]
HARVEST = ["-m", "ptychoformer.publication.harvest"]
OPTIONS = {
    script: re.findall(r'add_argument\(\s*"--(\w+)"', (ROOT / script).read_text())
    for script in (*SCRIPTS, "src/ptychoformer/publication/harvest.py")
}


def said(*command):
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": "src"}
    finished = subprocess.run([sys.executable, *command], cwd=ROOT, env=environment, text=True, capture_output=True)
    assert (finished.returncode, finished.stdout) == (2, "")
    assert finished.stderr.startswith("Error: ")
    assert finished.stderr.count("\n") == 1
    return finished.stderr


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_mistyped_option_is_told_its_neighbour_and_where_the_help_is(script):
    own = (OPTIONS[script] or ["help"])[0]
    mistyped = f"--{own[:-2]}{own[-1]}{own[-2]}"  # two letters changed places
    sentence = said(script, mistyped, "1")
    assert sentence.startswith(f"Error: there is no option {mistyped}; did you mean '--{own}'?")
    assert sentence.endswith(f"`python {script} --help` lists what there is.\n")


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (["workflow/reference.py", "--hours", "two"], "--hours: invalid float value: 'two'."),
        (["workflow/reference.py", "--gpu", "1.5"], "--gpu: invalid int value: '1.5'."),
        (["workflow/trials.py", "--overlay"], "--overlay: expected at least one argument."),
        (["workflow/check_slurm.py", "profiles/slurm"], "there is one argument too many, or one without its option"),
        (["workflow/speed.py", "--networks", "PtychoNet"], "--networks: 'PtychoNet' is not allowed; it must be one of"),
        (["workflow/speed.py", "--networks", "PtychoNet"], "did you mean 'PtychoNN'?"),
        (["workflow/scaling.py", "now"], "there is one argument too many, or one without its option: now."),
        ([*HARVEST, "results", "--confg", "x"], "there is no option --confg; did you mean '--config'?"),
        ([*HARVEST, "results"], "the following arguments are required: store."),
    ],
)
def test_what_else_cannot_be_understood_is_one_sentence(command, sentence):
    assert sentence in said(*command)
