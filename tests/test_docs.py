"""What the documentation names is there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS, *sorted((ROOT / "resources").glob("*/README.md"))]
# Made by a recipe of docs/extending.md, by a run, or by make.
MADE = re.compile(r"toy\.|charbonnier\.|fig11\.|mine\.|table6\.csv|resources/files|\.venv")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_paths_of_the_project_that_are_named_are_there(page):
    named = re.findall(r"`((?:src|workflow|resources|config|profiles|docs|tests)/[\w/.-]*)`", page.read_text())
    assert [path for path in named if not MADE.search(path) and not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_modules_that_are_named_are_there(page):
    for dotted in re.findall(r"\bptychoformer((?:\.[a-z_0-9]+)+)", page.read_text()):
        if MADE.search(f"{dotted}."):
            continue
        place = ROOT / "src/ptychoformer" / dotted.lstrip(".").replace(".", "/")
        assert place.is_dir() or place.with_suffix(".py").is_file(), dotted


def test_the_foundations_that_architecture_lists_are_there():
    text = (ROOT / "docs/architecture.md").read_text()
    listed = text.split("Foundations that every room may use:")[1].split(" needs nothing that Snakemake")[0]
    for name in re.findall(r"`([a-z_.]+)`", listed):
        assert (ROOT / "src/ptychoformer" / f"{name.replace('.', '/')}.py").is_file(), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_between_pages_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)#\s]+)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_every_page_is_linked_from_readme_or_another_page():
    linked = {
        (page.parent / target).resolve()
        for page in PAGES
        for target in re.findall(r"\]\((?!https?:)([^)#\s]+)", page.read_text())
    }
    assert set(DOCS) <= linked


@pytest.mark.parametrize("script", sorted((ROOT / "workflow").glob("*.py")), ids=lambda script: script.name)
def test_the_scripts_of_workflow_say_what_they_do(script):
    finished = subprocess.run([sys.executable, str(script), "--help"], capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    assert "usage:" in finished.stdout
