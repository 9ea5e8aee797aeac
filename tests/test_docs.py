"""What the documentation names is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# Made by a recipe of docs/extending.md, by a run, or by make.
MADE = re.compile(r"toy\.py|charbonnier\.py|fig11\.py|mine\.py|table6\.csv|resources/files|\.venv")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_paths_of_the_project_that_are_named_are_there(page):
    named = re.findall(r"`((?:src|workflow|resources|config|profiles|docs|tests)/[\w/.-]*)`", page.read_text())
    assert [path for path in named if not MADE.search(path) and not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)#\s]+)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_every_page_is_linked_from_readme_or_another_page():
    linked = {(page.parent / target).resolve() for page in PAGES for target in re.findall(r"\]\((?!https?:)([^)#\s]+)", page.read_text())}
    assert set(PAGES[1:]) <= linked
