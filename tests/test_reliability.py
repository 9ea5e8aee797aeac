"""The tables of docs/reliability.md are those of a whole run, or they stay: tried on a project of a
few tests that count.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import SOURCE, TABLES, WITH_ACCOUNTING

HERE = Path(__file__).parent
COUNT = "def test_{name}(tried):\n    with tried('a fault'):\n        assert {holds}\n"
ON_SLURM = """
import pytest

@pytest.fixture
def slurm():
    pass

def test_on_slurm(slurm, tried):
    with tried('a job is lost', 'fault on Slurm, with accounting'):
        pass
"""
EMPTY = "".join(f"# {name}\n<!-- {name}: begin, made by `make {name}` -->\n<!-- {name}: end -->\n" for name in TABLES)
ROW = "| a fault | {} | {} | {} |"
WHOLE = "The tables of make reliability in page.md are those of this run."


class TinyProject:
    """A project of tests with a page."""

    def __init__(self, folder):
        self.folder, self.page = folder, folder / "page.md"
        self.page.write_text(EMPTY)
        (folder / "tests").mkdir()
        (folder / "pyproject.toml").write_text(
            f"[tool.pytest.ini_options]\ntestpaths = ['tests']\naddopts = '--import-mode=importlib'\npythonpath = ['{SOURCE}']\n"
        )
        for name in ("conftest.py", "reliability.py"):
            shutil.copy(HERE / name, folder / "tests")
        self.write("a", COUNT.format(name="one", holds=True) + "\ndef test_else():\n    pass\n")
        self.write("b", COUNT.format(name="two", holds=True))
        self.write("slurm", ON_SLURM)

    def write(self, name, text):
        (self.folder / f"tests/test_{name}.py").write_text(text)

    def run(self, *asked, reliability="page.md"):
        """The status of a run with these options, and its output."""
        command = [sys.executable, "-m", "pytest", f"--reliability={reliability}", *asked]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
        environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # of which one takes a second to load
        ended = subprocess.run(
            command, cwd=self.folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        return ended.returncode, ended.stdout


@pytest.fixture
def project(tmp_path):
    return TinyProject(tmp_path)


@pytest.mark.parametrize("how", ["", "-p xdist -n 2"])
def test_a_whole_run_writes_its_own_block_and_leaves_the_other_one(project, how):
    status, said = project.run(*how.split())
    assert (status, said.splitlines()[-2]) == (0, WHOLE), said
    text = project.page.read_text()
    assert ROW.format(2, 2, 0) in text
    assert "fault on Slurm" not in text
    status, said = project.run("tests/test_slurm.py", "--reliability-of=test-slurm", *how.split())
    assert (status, "are those of this run" in said) == (0, True), said
    both = project.page.read_text()
    assert (
        f"| {WITH_ACCOUNTING} | tries | survived | lost |\n| --- | --- | --- | --- |\n| a job is lost | 1 | 1 | 0 |"
        in both
    )
    assert text.partition("# test-slurm")[0] == both.partition("# test-slurm")[0]


def test_a_fault_that_was_not_survived_is_counted_as_lost(project):
    project.write("b", COUNT.format(name="two", holds=False))
    status, said = project.run()
    assert (status, WHOLE in said) == (1, True)
    assert ROW.format(2, 1, 1) in project.page.read_text()


LATE = "import pytest\n\n@pytest.fixture\ndef late():\n    yield\n    assert False\n\n"
TWO = COUNT.format(name="two", holds=True)
SECOND = {
    "whole": TWO,
    "lost before": COUNT.format(name="lost", holds=False) + TWO,
    "slow": f"import pytest\npytestmark = pytest.mark.slow\n\n{TWO}",
    "skipped": TWO.replace("assert True", "__import__('pytest').skip('not here')"),
    "interrupted": TWO.replace("assert True", "raise KeyboardInterrupt"),
    "failed outside": TWO.replace("    with", "    assert False\n    with"),
    "failed afterwards": f"{LATE}{TWO}".replace("(tried", "(late, tried"),
    "broken": "import nothing_of_that_name\n",
}
LEFT_OUT = "1 of the tests that count did not run, such as tests/test_{}"
FAILED_OUTSIDE = "tests/test_b.py::test_two failed outside of what it tries"


@pytest.mark.parametrize(
    ("asked", "second", "reason"),
    [
        ("--collect-only", "whole", "no test that counts ran"),
        ("-k nothing", "whole", "no test that counts ran"),
        ("-k one", "whole", LEFT_OUT.format("b.py::test_two")),
        ("-k one -p xdist -n 1", "whole", LEFT_OUT.format("b.py::test_two")),
        ("-m slow", "slow", LEFT_OUT.format("a.py::test_one")),
        ("tests/test_a.py", "whole", LEFT_OUT.format("b.py::test_two")),
        ("tests/test_b.py::test_two", "whole", LEFT_OUT.format("a.py::test_one")),
        ("--ignore=tests/test_b.py", "whole", LEFT_OUT.format("b.py::test_two")),
        ("--deselect=tests/test_a.py", "whole", LEFT_OUT.format("a.py::test_one")),
        ("-x", "lost before", LEFT_OUT.format("b.py::test_two")),
        ("", "skipped", LEFT_OUT.format("b.py::test_two")),
        ("", "interrupted", "the run broke off"),
        ("", "failed outside", FAILED_OUTSIDE),
        ("", "failed afterwards", FAILED_OUTSIDE),
        ("--continue-on-collection-errors", "broken", "not all tests can be collected"),
    ],
)
def test_a_part_of_the_tests_writes_nothing_and_says_why(project, asked, second, reason):
    project.write("b", SECOND[second])
    _, said = project.run(*asked.split())
    assert re.findall("^page.md stays as it was: .*$", said, re.MULTILINE) == [f"page.md stays as it was: {reason}."], (
        said
    )
    assert project.page.read_text() == EMPTY


@pytest.mark.parametrize(
    ("page", "text", "sentence"),
    [
        ("gone.md", None, "gone.md does not exist."),
        ("tests", None, "tests is no regular file but a folder."),
        ("page.md", "", "page.md must have the lines"),
        ("page.md", EMPTY.partition("# test-slurm")[2], "page.md must have the lines"),
        ("page.md", EMPTY + EMPTY, "page.md must have the lines"),
    ],
)
def test_a_page_that_cannot_get_the_tables_is_refused_before_the_tests(project, page, text, sentence):
    if text is not None:
        project.page.write_text(text)
    status, said = project.run(reliability=page)
    assert status == pytest.ExitCode.USAGE_ERROR
    assert f"--reliability: {sentence}" in said
    assert "Traceback" not in said
    assert "collected" not in said


def test_marks_that_are_gone_when_the_tests_end_are_one_sentence(project):
    project.write(
        "b",
        f"from pathlib import Path\n\ndef test_two(tried):\n    Path('{project.page}').write_text('mine')\n    with tried('a fault'):\n        pass\n",
    )
    _, said = project.run()
    assert "page.md stays as it was: page.md must have the lines" in said
    assert project.page.read_text() == "mine"
