"""One set of versions: the lock, the conda environment and the package's own requirements hold each other."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

from ptychoformer import __version__

ROOT = Path(__file__).resolve().parents[1]
CONDA_NAMES = {"pytorch": "torch", "matplotlib-base": "matplotlib"}
LOCK = dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "requirements.lock").read_text().lower(), re.MULTILINE))
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def requirements():
    yield from map(Requirement, PROJECT["dependencies"])
    for extra in PROJECT["optional-dependencies"].values():
        yield from map(Requirement, extra)


@pytest.mark.parametrize("requirement", list(requirements()), ids=lambda requirement: requirement.name)
def test_the_lock_satisfies_the_package(requirement):
    assert Version(LOCK[requirement.name]) in requirement.specifier


@pytest.mark.parametrize("pin", [pin for pin in CONDA["dependencies"] if not pin.startswith("python=")])
def test_conda_pins_are_those_of_the_lock(pin):
    name, version = pin.split("=")
    assert LOCK[CONDA_NAMES.get(name, name)] == version


def test_conda_holds_every_requirement_of_the_package():
    names = {CONDA_NAMES.get(name, name) for name in (pin.split("=")[0] for pin in CONDA["dependencies"])}
    assert {requirement.name for requirement in map(Requirement, PROJECT["dependencies"])} <= names


def test_conda_python_is_the_one_the_package_asks_for():
    assert "python=3.11" in CONDA["dependencies"]
    assert Version("3.11") in Requirement(f"python{PROJECT['requires-python']}").specifier


def test_torch_is_the_pinned_one():
    assert LOCK["torch"] == "2.13.0"


def test_the_citation_is_of_this_version_and_names_the_paper():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == __version__
    assert citation["references"][0]["title"].startswith("Ptychoformer: A Physics-Guided Deep Learning Framework")


def test_actions_run_what_must_pass_before_a_change_lands():
    steps = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))["jobs"]["test"]["steps"]
    assert "bash .ci/run" in [step.get("run") for step in steps]


@pytest.mark.parametrize("form", sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.md")), ids=lambda form: form.name)
def test_forms_of_issues_have_a_name_and_a_line_about_them(form):
    head = yaml.safe_load(form.read_text(encoding="utf-8").split("---")[1])
    assert {"name", "about"} <= set(head)
