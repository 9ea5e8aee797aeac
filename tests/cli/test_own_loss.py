"""A loss of one's own is trained with, from wherever, and a run with another version of it is not replaced."""

import json
import re

import pytest
import torch

from ptychoformer.provenance import _code, _first_content, _imports, _source, code_digest
from ptychoformer.training.checkpoint import load_checkpoint

SQUARES = """
def build(forward, *, factor: float = 2.0):
    return lambda prediction, labels, patterns: factor * (prediction - labels).square().mean()
"""


@pytest.fixture(autouse=True)
def anew():
    """Read files again that were edited, as another process would."""

    def forget():
        for cached in (code_digest, _source, _code, _imports, _first_content):
            cached.cache_clear()

    forget()
    yield forget
    forget()


def test_a_loss_of_ones_own_trains_as_the_same_one_of_the_package(learn, tmp_path, monkeypatch, anew, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "squares.py").write_text(SQUARES)
    assert learn("own", "--loss", "squares.py") == 0
    assert learn("mse", "--loss", "mse") == 0
    own, mse = (load_checkpoint(tmp_path / name / "model.pt").weights for name in ("own", "mse"))
    assert all(torch.equal(own[name], mse[name]) for name in mse)
    facts = json.loads((tmp_path / "own/model.pt.provenance.json").read_text())
    assert facts["configuration"]["loss"] == {"kind": str(tmp_path / "squares.py"), "factor": 2.0}
    assert facts["loss_file"] == str(tmp_path / "squares.py")

    (tmp_path / "squares.py").write_text(SQUARES.replace("square()", "abs()"))
    anew()
    before = {path.name: path.read_bytes() for path in (tmp_path / "own").iterdir()}
    capsys.readouterr()
    assert learn("own", "--loss", "squares.py") == 1
    assert "was made with another version of the loss's file" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in (tmp_path / "own").iterdir()} == before


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (None, "there is no file '/.*squares.py'"),
        ("", "squares.py defines no function 'build"),
        (SQUARES.replace(" = 2.0", ""), "the loss '.*squares.py' needs factor, which only a config can give; to be"),
        ("def build(forward):\n    return 1 / 0\n", r"cannot be built: ZeroDivisionError: .* \(squares.py, line 2\)"),
    ],
)
def test_a_loss_that_cannot_be_used_is_one_sentence(learn, tmp_path, monkeypatch, capsys, source, words):
    monkeypatch.chdir(tmp_path)
    if source is not None:
        (tmp_path / "squares.py").write_text(source)
    capsys.readouterr()
    assert learn("run", "--loss", "squares.py") == 1
    assert re.search(words, capsys.readouterr().err.splitlines()[-1])
