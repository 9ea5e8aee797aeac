"""What the documentation names is there."""

import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
MADE_PAGE = "reference.md"  # by `make docs`
DOCS = sorted(path for path in (ROOT / "docs").glob("*.md") if path.name != MADE_PAGE)
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "config/README.md",
    *DOCS,
    *sorted((ROOT / "resources").glob("*/README.md")),
]
# Files of data whose comments say where more is found.
ANNOTATED = [
    ROOT / "config.yaml",
    *sorted(
        path
        for place in ("config", "profiles", "resources", "workflow/schemas")
        for path in (ROOT / place).rglob("*.yaml")
    ),
]
# Made by a recipe of docs/extending.md, by a run, or by make.
MADE = re.compile(r"toy\.|charbonnier\.|fig11\.|mine\.|table6\.csv|resources/files|\.venv")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_paths_of_the_project_that_are_named_are_there(page):
    named = re.findall(r"`((?:src|workflow|resources|config|profiles|docs|tests)/[\w/.-]*)`", page.read_text())
    assert [path for path in named if not MADE.search(path) and not (ROOT / path).exists()] == []


@pytest.mark.parametrize("file", ANNOTATED, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_files_of_the_project_that_comments_name_are_there(file):
    named = re.findall(r"(?<![\w./-])(?:src|workflow|resources|config|docs|tests)/[\w/.-]*\.[a-z]+\b", file.read_text())
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
    sources += [ROOT / "workflow/torch.sh", Path(find_spec("snakemake.common.configfile").origin)]
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
    assert sorted(_named(site["nav"])) == sorted([MADE_PAGE, *(page.name for page in DOCS)])


def _reference(folder):
    page = folder / "made.md"
    subprocess.run([sys.executable, str(ROOT / "workflow/document.py"), "--output", str(page)], check=True)
    return page.read_text()


def test_the_reference_has_every_option_key_and_function(tmp_path):
    page = _reference(tmp_path)
    for command in ("inspect", "reconstruct", "train", "predict", "export"):
        said = subprocess.run(
            [sys.executable, "-m", "ptychoformer", command, "--help"],
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
            capture_output=True,
            text=True,
        ).stdout
        section = page.split(f"### ptychoformer {command}\n")[1].split("\n### ")[0]
        options = re.findall(r"^  (?:-\w(?: \S+)?, )?(--[a-z-]+)", said, re.MULTILINE)
        assert len(options) > 1
        assert [option for option in options if option not in section] == []
    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
    assert all(f"\n### {key}\n" in page for key in schema["properties"])
    assert "| `training.epochs` | integer, ≥ 1, ≤ 10000 | `25` |" in page.replace("\\", "")
    assert all(f"\n### {name}\n" in page for name in ("open_scan", "reconstruct", "train", "predict"))
    assert "%(" not in page
    assert all(page.count(f"`{kind}: ") for kind in ("ptychoformer", "dpi", "weighted"))


def test_pictures_of_the_documentation_are_shown_and_small():
    pictures = [*(ROOT / "docs/pictures").iterdir(), ROOT / "docs/fig4.jpg"]
    shown = {
        (page.parent / target).resolve()
        for page in PAGES
        for target in re.findall(r"!\[.+\]\((.+)\)", page.read_text())
    }
    assert set(pictures) == shown
    assert sum(path.stat().st_size for path in pictures) < 1_000_000


def test_the_gallery_shows_every_figure_with_its_scale_or_says_that_it_is_missing():
    text = (ROOT / "docs/gallery.md").read_text()
    figures = yaml.safe_load((ROOT / "resources/published/contents.yaml").read_text())["figures"]
    for number in (name.removeprefix("fig") for name in figures):
        shown = re.search(rf"!\[Figure {number}\b.*\n\nFigure {number}\b(.*)", text)
        assert shown or f"Figure {number} is missing, since" in text
        if shown:
            assert re.search("smoke scale|laptop scale|full size|the same at all scales", shown.group(1)), number
            assert f"ARGS=fig{number}`" in shown.group(1)


@pytest.mark.slow
def test_the_website_is_built_without_a_warning_and_loads_nothing_from_elsewhere(tmp_path):
    mkdocs = shutil.which("mkdocs", path=os.pathsep.join([str(ROOT / ".venv/docs/bin"), os.environ["PATH"]]))
    if not mkdocs:
        pytest.skip("MkDocs Material, which `make docs` installs beside the lock, is not on this machine.")
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    (tmp_path / "docs" / MADE_PAGE).write_text(_reference(tmp_path))
    finished = subprocess.run([mkdocs, "build", "--strict", "--quiet"], cwd=tmp_path, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    pages = list((tmp_path / "site").glob("*.html"))
    assert len(pages) >= len(DOCS) + 1
    for page in pages:
        assert not re.search(r'<(?:script|img|link rel="(?:stylesheet|preconnect))[^>]*"https?:', page.read_text()), (
            page
        )
