"""What the documentation names is there."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "config/README.md",
    *DOCS,
    *sorted((ROOT / "resources").glob("*/README.md")),
]
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


def _letters(text):
    """A text without what a formatted string has between its words: quotes, braces, line ends."""
    return re.sub(r"\s+", " ", re.sub(r"\"\s*\n\s*f?\"", "", text))


def test_the_messages_that_troubleshooting_explains_are_said():
    sources = [*(ROOT / "src").rglob("*.py"), *(ROOT / "workflow/rules").glob("*.smk"), ROOT / "Makefile"]
    said = [_letters(path.read_text()) for path in [*sources, ROOT / "config/smoke.yaml"]]
    rows = re.findall(r"^\| `([^`]+)`", (ROOT / "docs/troubleshooting.md").read_text(), re.MULTILINE)
    assert len(rows) > 10
    for message in rows:
        parts = [part.strip() for part in message.split("...") if part.strip(" ;'")]
        assert any(all(part.lower() in text.lower() for part in parts) for text in said), message


def test_readme_is_read_in_one_sitting():
    text = (ROOT / "README.md").read_text()
    assert len(text.split()) <= 900
    assert len(re.findall(r"^- .*\]\(", text, re.MULTILINE)) == 5  # where to go on


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_targets_of_make_that_are_named_are_there(page):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = re.findall(r"(?:^    |`)make(?: PYTHON=\S+)? ([a-z-]+)", page.read_text(), re.MULTILINE)
    assert set(named) <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_to_headings_lead_to_one(page):
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)#([^)\s]+)\)", page.read_text()):
        headings = re.findall(r"^#+ (.+)$", (page.parent / target if target else page).read_text(), re.MULTILINE)
        slugs = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
        assert anchor in slugs, f"{target}#{anchor}"


@pytest.mark.parametrize("script", sorted((ROOT / "workflow").glob("*.py")), ids=lambda script: script.name)
def test_the_scripts_of_workflow_say_what_they_do(script):
    finished = subprocess.run([sys.executable, str(script), "--help"], capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    assert "usage:" in finished.stdout


def _named(nav):
    for entry in nav:
        for value in entry.values():
            yield from _named(value) if isinstance(value, list) else [value]


def test_the_website_has_every_page_once():
    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    assert sorted(_named(site["nav"])) == [page.name for page in DOCS]


@pytest.mark.slow
def test_the_website_is_built_without_a_warning_and_loads_nothing_from_elsewhere(tmp_path):
    mkdocs = shutil.which("mkdocs", path=os.pathsep.join([str(ROOT / ".venv/docs/bin"), os.environ["PATH"]]))
    if not mkdocs:
        pytest.skip("MkDocs Material, which `make docs` installs beside the lock, is not on this machine.")
    command = [mkdocs, "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    for page in tmp_path.glob("*.html"):
        assert not re.search(r'<(?:script|img|link rel="(?:stylesheet|preconnect))[^>]*"https?:', page.read_text()), (
            page
        )
