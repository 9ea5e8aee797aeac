"""One set of versions: the lock, the conda environment and the package's own requirements hold each other."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

from ptychoformer import __version__

ROOT = Path(__file__).resolve().parents[1]
CONDA_NAMES = {"pytorch": "torch", "matplotlib-base": "matplotlib"}
LOCKS = ("requirements.lock", "requirements-torch.lock", "requirements-torch-cpu.lock")
PINNED = {
    name: re.findall(r"^([\w.-]+)==([^\s;]+)(.*(?:\n    .*)*)", (ROOT / name).read_text().lower(), re.MULTILINE)
    for name in LOCKS
}
LOCK = {name: version for lock in LOCKS[:2] for name, version, _ in PINNED[lock]}
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text())
CONDA_PINS = [pin for pin in CONDA["dependencies"] if isinstance(pin, str) and "=" in pin]  # not pip itself
PIP_PINS = [pin for part in CONDA["dependencies"] if isinstance(part, dict) for pin in part["pip"]]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def requirements():
    yield from map(Requirement, PROJECT["dependencies"])
    for name, extra in PROJECT["optional-dependencies"].items():
        if name != "docs":  # which `make docs` installs beside the lock
            yield from map(Requirement, extra)


@pytest.mark.parametrize("requirement", list(requirements()), ids=lambda requirement: requirement.name)
def test_the_lock_satisfies_the_package(requirement):
    assert Version(LOCK[requirement.name]) in requirement.specifier


@pytest.mark.parametrize("pin", [pin for pin in CONDA_PINS if not pin.startswith("python=")])
def test_conda_pins_are_those_of_the_lock(pin):
    name, version = pin.split("=")
    assert LOCK[CONDA_NAMES.get(name, name)] == version


@pytest.mark.parametrize("pin", PIP_PINS)
def test_what_conda_has_of_pip_is_that_of_the_lock(pin):
    assert "pip" in CONDA["dependencies"]
    name, version = pin.split("==")
    assert LOCK[name] == version


def test_conda_holds_every_requirement_of_the_package():
    names = {CONDA_NAMES.get(name, name) for name in (pin.split("=")[0] for pin in [*CONDA_PINS, *PIP_PINS])}
    assert {requirement.name for requirement in map(Requirement, PROJECT["dependencies"])} <= names


def test_conda_python_is_the_one_the_package_asks_for():
    assert "python=3.11" in CONDA["dependencies"]
    assert Version("3.11") in Requirement(f"python{PROJECT['requires-python']}").specifier


def test_torch_is_the_pinned_one_with_and_without_libraries_for_gpus():
    assert LOCK["torch"] == "2.13.0"
    assert [pin[:2] for pin in PINNED["requirements-torch-cpu.lock"]] == [("torch", "2.13.0+cpu")]


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_the_contents_that_it_may_have(lock):
    assert PINNED[lock]
    for name, _, rest in PINNED[lock]:
        hashes = re.findall(r"--hash=sha256:([0-9a-f]{64})(?= \\\n|\Z)", rest)
        assert hashes, name
        assert len(hashes) == rest.count("--hash")


def test_what_is_installed_lacks_nothing():
    checked = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def test_what_the_locks_do_not_have_is_not_installed(tmp_path):
    """A wheel of the right name and version, with another content."""
    wheel = tmp_path / "tabulate-0.10.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tabulate.py", "")
        archive.writestr(
            "tabulate-0.10.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tabulate\nVersion: 0.10.0\n"
        )
        archive.writestr(
            "tabulate-0.10.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("tabulate-0.10.0.dist-info/RECORD", "")
    (tmp_path / "one.lock").write_text(
        "tabulate==0.10.0" + {name: rest for name, _, rest in PINNED["requirements.lock"]}["tabulate"]
    )
    make = (ROOT / "Makefile").read_text()
    options = re.search(r"^INSTALL := \$\(BIN\)/python -m pip install (.*)$", make, re.MULTILINE)[1].split()
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--no-index",
        "--find-links",
        tmp_path,
        "--target",
        tmp_path / "site",
    ]
    done = subprocess.run([*command, *options, tmp_path / "one.lock"], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in done.stderr
    assert not (tmp_path / "site").exists()


def test_the_citation_is_of_this_version_and_names_the_paper():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == __version__
    paper = citation["references"][0]
    assert paper["title"].startswith("Ptychoformer: A Physics-Guided Deep Learning Framework")
    assert paper["url"].endswith(paper["identifiers"][0]["value"].removeprefix("arXiv:"))


def test_actions_run_what_must_pass_before_a_change_lands():
    steps = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))["jobs"]["test"]["steps"]
    assert "bash .ci/run" in [step.get("run") for step in steps]


@pytest.mark.parametrize("form", sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.md")), ids=lambda form: form.name)
def test_forms_of_issues_have_a_name_and_a_line_about_them(form):
    head = yaml.safe_load(form.read_text(encoding="utf-8").split("---")[1])
    assert {"name", "about"} <= set(head)
