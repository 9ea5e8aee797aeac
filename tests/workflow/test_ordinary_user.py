"""A whole small workflow as an ordinary user, whom a folder and memory can be refused."""

import os
import resource
import site
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

from .conftest import Project

SMOKE = ("--configfile", "config/smoke.yaml")
TARGET = "results/smoke/training/clean/ptychonn/mse/n24/seed0/model.pt"  # simulates and trains
SOMEBODY = 65534

pytestmark = pytest.mark.slow


class OrdinaryUser(Project):
    """A project that belongs to a user without privileges, who runs it."""

    @staticmethod
    def user():
        return dict(user=SOMEBODY, group=SOMEBODY, extra_groups=[]) if os.geteuid() == 0 else {}

    @classmethod
    def python(cls):
        """A Python that this user may start: root's own may lie in root's home; None if there is none."""
        question = f"import sys; sys.exit(sys.version_info[:2] != {sys.version_info[:2]})"
        for path in (sys.executable, "/usr/bin/python3"):
            with suppress(OSError):
                if subprocess.run([path, "-c", question], **cls.user()).returncode == 0:
                    return path
        return None

    def command(self, *arguments):
        return [self.python(), *super().command(*arguments)[1:]]

    def environment(self):
        return super().environment() | {"HOME": str(self.folder), "PYTHONPATH": os.pathsep.join(site.getsitepackages())}

    def snakemake(self, *arguments, memory=None):
        """Run as that user, in so many bytes of memory a process."""

        def limited():
            if memory:
                resource.setrlimit(resource.RLIMIT_AS, (memory, memory))

        everything = dict(cwd=self.folder, env=self.environment(), text=True, preexec_fn=limited)
        command = self.command(*arguments)
        return subprocess.run(command, **everything, **self.user(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


@pytest.fixture
def ordinary():
    """A project of an ordinary user, in a folder that everybody reaches."""
    if not OrdinaryUser.python():
        pytest.skip("an ordinary user may start no Python here that has this one's version")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        project = OrdinaryUser.fresh(Path(folder, "project"))
        (project.folder / "results").mkdir()
        if os.geteuid() == 0:
            subprocess.run(["chown", "-R", f"{SOMEBODY}:{SOMEBODY}", project.folder], check=True)
        yield project


def sentence_of(finished):
    assert finished.returncode != 0
    assert "Traceback" not in finished.stdout
    return finished.stdout


def test_a_whole_small_workflow_goes_on_after_what_an_ordinary_user_is_refused(ordinary, tried):
    results = ordinary.folder / "results"
    belongs, closed = "The folder results cannot be written to: it belongs to somebody else", "Insufficient permissions"
    for mode, sentence in ((0o555, belongs), (0o444, closed), (0o000, closed)):
        with tried("a results folder that is read-only to an ordinary user: one sentence before the work"):
            results.chmod(mode)
            assert sentence_of(ordinary.snakemake(TARGET, *SMOKE)).count(sentence) == 1
    results.chmod(0o755)

    with tried("memory that does not suffice: one sentence"):
        said = sentence_of(ordinary.snakemake(TARGET, *SMOKE, memory=600 * 2**20))
        assert said.count("Error in train: PyTorch needs 0.8 GB of address space at least, and this process may") == 1

    finished = ordinary.snakemake(TARGET, *SMOKE)
    assert finished.returncode == 0, finished.stdout
    assert (ordinary.folder / TARGET).stat().st_uid != 0

    with tried("a part of the results that is read-only to an ordinary user: one sentence, the rest stays"):
        weights, made = (ordinary.folder / TARGET).read_bytes(), (ordinary.folder / TARGET).parent
        made.chmod(0o555)
        said = sentence_of(ordinary.snakemake(TARGET, "--forcerun", "train", *SMOKE))
        assert said.count(f"The folder {made.relative_to(ordinary.folder)} cannot be written to") == 1
        assert (ordinary.folder / TARGET).read_bytes() == weights
    made.chmod(0o755)
    finished = ordinary.snakemake(TARGET, *SMOKE)
    assert finished.returncode == 0, finished.stdout
