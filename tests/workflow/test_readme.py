"""`make readme`: the page in the project says what its tables hold."""

import importlib.util
from pathlib import Path

import pytest

from ptychoformer.publication.report.readme import BEGIN, END

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def readme(monkeypatch):
    """The script as a module, at work in the project."""
    spec = importlib.util.spec_from_file_location("readme", ROOT / "workflow/readme.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.chdir(ROOT)
    return module


@pytest.mark.parametrize("page", ["README.md", "docs/results.md"])
def test_pages_say_what_the_tables_hold(readme, page):
    """If this fails, `make readme` was forgotten."""
    text = Path(page).read_text(encoding="utf-8")
    assert text.partition(BEGIN)[2].partition(END)[0] == "\n" + readme.rendered()[page]


def test_the_experiments_that_it_speaks_of_are_there(readme):
    config = readme.configured()
    assert {*readme.AT_LAPTOP_SCALE, *readme.AT_FULL_SIZE} <= set(config["experiments"])
