"""A network of one's own is trained and predicts, and a crop is advised that it takes."""

import json
import re
from types import SimpleNamespace

import pytest
import torch

from ptychoformer.cli import networks, train
from ptychoformer.errors import InputError
from ptychoformer.training.entries import NetworkEntry

from .conftest import OWN, main


@pytest.mark.parametrize("how", ["path", "relative path", "dotted name"])
def test_a_network_of_ones_own_is_trained_and_predicts_from_anywhere(scan, learn, tmp_path, monkeypatch, how):
    name = f"own_{how.replace(' ', '_')}"
    (tmp_path / f"{name}.py").write_text("")
    (tmp_path / name).mkdir()
    (tmp_path / name / "net.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    kinds = {"path": tmp_path / name / "net.py", "relative path": f"{name}/net.py", "dotted name": f"{name}.net"}
    (tmp_path / f"{name}.py").unlink()
    run = tmp_path / "run"
    assert learn(run, "--option", "width=3", model=kinds[how]) == 0
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert main("predict", scan, "--checkpoint", run, "-o", "scene.h5", "--threads", 1) == 0
    expected = f"{name}.net" if how == "dotted name" else str(tmp_path / name / "net.py")
    facts = json.loads((run / "model.pt.provenance.json").read_text())
    assert facts["configuration"]["model"]["kind"] == expected
    assert facts["configuration"]["model"]["options"] == {"width": 3}
    assert facts["network_file"] == str(tmp_path / name / "net.py")


@pytest.mark.parametrize(
    ("model", "options", "words"),
    [
        ("gone.py", (), "there is no file '/.*gone.py'"),
        ("gone.net", (), "there is no module 'gone.net' that can be imported"),
        ("empty.py", (), "empty.py defines no function 'build"),
        ("own.py", ("--option", "widht=3"), "is not name=value with an option of .*own.py; did you mean 'width'"),
        ("own.py", ("--option", "width=wide"), "--option width: 'wide' is not allowed; it must be an integer"),
        ("needy.py", (), "--option width=value is missing; width must be an integer"),
        ("dpi", ("--option", "siez=small"), "an option of dpi; did you mean 'size'"),
        (
            "broken.py",
            (),
            r"The network '.*broken.py' cannot be built: ZeroDivisionError: division by zero \(broken.py",
        ),
    ],
)
def test_a_network_that_cannot_be_used_is_one_sentence(learn, tmp_path, monkeypatch, capsys, model, options, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.py").write_text("")
    (tmp_path / "own.py").write_text(OWN)
    (tmp_path / "needy.py").write_text("def build(window, *, width: int): ...")
    (tmp_path / "broken.py").write_text("def build(window):\n    return 1 / 0\n")
    capsys.readouterr()
    assert learn("run", *options, model=model) == 1
    assert re.search(words, capsys.readouterr().err.splitlines()[-1])


def test_a_side_that_is_no_power_of_two_gets_a_suggestion():
    with pytest.raises(InputError, match="a power of two, found 96 x 96; --crop 128 would do"):
        networks.check_window(NetworkEntry("ptychoformer", {}), SimpleNamespace(window=(96, 96)), bin=2)


OWN_NETWORK = """
from torch import nn


def build(window, *, width: int = 8) -> nn.Module:
    if {wrong}:
        raise {error}
    return nn.Conv2d(1, 2, 3, padding=1)
"""


@pytest.mark.parametrize("side", [32, 64, 128])
@pytest.mark.parametrize("error", ["ValueError('no file weights.pt')", "KeyError('theta')", "RuntimeError('--bin')"])
def test_what_no_crop_mends_is_not_told_with_one(tmp_path, side, error):
    own = tmp_path / "own.py"
    own.write_text(OWN_NETWORK.format(wrong=True, error=error))
    for model in (NetworkEntry(str(own), {}), NetworkEntry("ptychoformer", {"no_such_option": 1})):
        with pytest.raises(InputError) as caught:
            train.check_window(model, SimpleNamespace(window=(side, side)), 1)
        assert "--crop" not in str(caught.value)


@pytest.mark.parametrize(("side", "advised"), [(320, 256), (96, 64), (48, 32), (40, 32)])
def test_a_crop_that_is_advised_would_do(side, advised):
    model = NetworkEntry("ptychoformer", {})
    with pytest.raises(InputError, match=f"--crop {advised} would do"):
        train.check_window(model, SimpleNamespace(window=(side, side)), 1)
    train.check_window(model, SimpleNamespace(window=(advised, advised)), 1)


def test_a_crop_is_advised_that_a_network_of_ones_own_takes(tmp_path):
    own = tmp_path / "own.py"
    own.write_text(OWN_NETWORK.format(wrong="window[0] > 32", error="ValueError('patterns are too wide')"))
    model = NetworkEntry(str(own), {})
    with pytest.raises(InputError, match=r"patterns are too wide.*; --crop 64 would do"):
        train.check_window(model, SimpleNamespace(window=(64, 64)), 2)


def test_a_network_that_reads_numbers_while_it_is_built_is_taken(tmp_path):
    own = tmp_path / "own.py"
    number = (
        "import torch\nfrom torch import nn\n\ndef build(window):\n    return nn.Conv2d(1, int(torch.full((), 2)), 3)\n"
    )
    own.write_text(number)
    state = torch.get_rng_state()
    networks.check_window(NetworkEntry(str(own), {}), SimpleNamespace(window=(32, 32)), 1)
    assert torch.equal(torch.get_rng_state(), state)
    wrong = tmp_path / "wrong.py"
    wrong.write_text(number.replace("2)", "-2)"))
    with pytest.raises(InputError) as caught:
        networks.check_window(NetworkEntry(str(wrong), {}), SimpleNamespace(window=(32, 32)), 1)
    assert "meta" not in str(caught.value)
