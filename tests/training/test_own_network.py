"""A network of one's own is tried before it is trained, signed as it was, and predicts what it learned."""

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from ptychoformer.errors import InputError, TrainingError
from ptychoformer.evaluation.network import TrainedNetwork
from ptychoformer.evaluation.predict import predict
from ptychoformer.provenance import _code, _imports, _source, code_digest, source_digest
from ptychoformer.tensors import load
from ptychoformer.training import fit as fit_module
from ptychoformer.training.entries import LossEntry
from ptychoformer.training.fit import fit
from ptychoformer.training.inputs import network_input

from .conftest import DPI, MSE, OWN, TRAINING, train


@pytest.mark.parametrize("loss", ["mse", "mae"])
def test_a_network_of_one_channel_is_told_before_anything_is_written(tmp_path, make_scan, own, loss):
    """It would have been trained and scored by broadcasting."""
    folder = tmp_path / "run"
    files = {"checkpoint": folder / "model.pt", "history": folder / "history.csv"}
    narrow = replace(own, options={"channels": 1})
    with pytest.raises(
        TrainingError, match=r"own.py' returns a tensor of 2 x 1 x 32 x 32 .*; expected is .* 2 x 2 x 32 x 32\.$"
    ):
        fit(make_scan(), model=narrow, loss=LossEntry(loss, {}), n_train=20, seed=0, training=TRAINING, **files)
    assert not folder.exists()


def test_a_last_batch_of_one_pattern_is_found_in_the_numbers_of_the_training(tmp_path, make_scan, own):
    norm = "nn.Conv2d(4, 4, 32), nn.BatchNorm2d(4), nn.Upsample(32), "
    (tmp_path / "own.py").write_text(OWN.replace("nn.Dropout(0.2), ", norm))
    with pytest.raises(TrainingError, match="which is the last of 18 patterns in batches of 17; another number"):
        train(tmp_path / "run", make_scan(), own, batch_size=17)
    train(tmp_path / "run", make_scan(), own, batch_size=16, epochs=1)


def test_a_trained_network_of_ones_own_predicts_what_it_learned(tmp_path, make_scan, own):
    scan, run = make_scan(), tmp_path / "run"
    weights, _ = train(run, scan, own)
    assert predict(scan, run / "model.pt", own, tmp_path / "patches.h5") == {"device": "cpu"}
    patterns = np.ones((2, 32, 32), np.float32)
    (patches,) = TrainedNetwork(run / "model.pt").stream([patterns])
    first, _, last = fit_module.build(own.kind, (32, 32), {})
    first.load_state_dict({name.removeprefix("0."): part for name, part in weights.items() if name.startswith("0.")})
    last.load_state_dict({name.removeprefix("2."): part for name, part in weights.items() if name.startswith("2.")})
    seen = torch.from_numpy(network_input(patterns, "log"))
    torch.testing.assert_close(torch.from_numpy(patches), last(first(seen)).detach())


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (
            lambda file: file.unlink(),
            r"run/model\.pt holds a network that cannot be built: there is no file '.*own\.py'\.$",
        ),
        (
            lambda file: file.write_text(OWN.replace("4, 3", "4, 5")),
            "own.py' is not as it was signed when the network was trained",
        ),
        (
            lambda file: file.write_text(OWN.replace("0.2", "0.3")),
            "is not as it was signed when the network was trained",
        ),
        (lambda file: file.write_text("def build(window:"), r"cannot be built: .*own\.py, line 1: "),
    ],
)
def test_a_checkpoint_whose_own_network_is_not_what_it_was_is_one_sentence(tmp_path, make_scan, own, edit, words):
    train(tmp_path / "run", make_scan(), own, epochs=1)
    edit(tmp_path / "own.py")
    for cached in (code_digest, _source, _code, _imports):
        cached.cache_clear()
    with pytest.raises(InputError, match=words):
        TrainedNetwork(tmp_path / "run/model.pt")


@pytest.mark.parametrize("moment", ["check_network", "Training", "run_epoch", "save_checkpoint"])
def test_a_network_that_is_edited_while_it_trains_is_signed_as_it_was_when_it_was_imported(
    tmp_path, make_scan, own, monkeypatch, moment
):
    """The code that trains is what was in the file before; the digest of what is there now would vouch for another."""

    def forget():
        for cached in (code_digest, _source, _code, _imports):
            cached.cache_clear()

    forget()
    signed, original = source_digest(own.kind), getattr(fit_module, moment)

    def edits(*arguments, **more):
        result = original(*arguments, **more)
        (tmp_path / "own.py").write_text(OWN.replace("0.2", "0.3"))
        forget()
        return result

    monkeypatch.setattr(fit_module, moment, edits)
    train(tmp_path / "run", make_scan(), own, epochs=1)
    assert load(tmp_path / "run/model.pt")["source"] == signed != source_digest(own.kind)
    with pytest.raises(InputError, match="is not as it was signed when the network was trained"):
        TrainedNetwork(tmp_path / "run/model.pt")
    (tmp_path / "own.py").write_text(OWN)
    forget()
    TrainedNetwork(tmp_path / "run/model.pt")


def test_what_a_network_imports_without_being_signed_is_told_once(tmp_path, make_scan, own, capsys):
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden/own_hidden_widths.py").write_text("WIDTH = 4\n")
    add = f"import sys\nsys.path.append({str(tmp_path / 'hidden')!r})\nimport own_hidden_widths\n"
    (tmp_path / "own.py").write_text(add + OWN)
    train(tmp_path / "run", make_scan(), own, epochs=1)
    sys.path.remove(str(tmp_path / "hidden"))
    told = [line for line in capsys.readouterr().err.splitlines() if "is not signed" in line]
    assert len(told) == 1
    assert f"also imports {tmp_path / 'hidden/own_hidden_widths.py'}, which is not signed with it" in told[0]


def test_a_network_may_look_for_its_modules_where_others_are_looked_for_by_another_name(
    tmp_path, make_scan, own, monkeypatch
):
    (tmp_path / "real").mkdir()
    (tmp_path / "real/own_linked_widths.py").write_text("WIDTH = 4\n")
    (tmp_path / "link").symlink_to("real")
    monkeypatch.syspath_prepend(str(tmp_path / "link"))
    add = f"import sys\nsys.path.append({str(tmp_path / 'real')!r})\nimport own_linked_widths\n"
    (tmp_path / "own.py").write_text(add + OWN)
    train(tmp_path / "run", make_scan(), own, epochs=1)
    assert load(tmp_path / "run/model.pt")["source"] == source_digest(own.kind)


def test_a_comment_in_ones_own_network_leaves_its_checkpoints_alone(tmp_path, make_scan, own):
    train(tmp_path / "run", make_scan(), own, epochs=1)
    (tmp_path / "own.py").write_text("# Two convolutions.\n" + OWN)
    for cached in (code_digest, _source, _code, _imports):
        cached.cache_clear()
    TrainedNetwork(tmp_path / "run/model.pt")


def test_provenance_is_told_where_ones_own_network_lies(tmp_path, make_scan, own):
    files = {"checkpoint": tmp_path / "model.pt", "history": tmp_path / "history.csv"}
    made = {"loss": MSE, "n_train": 20, "seed": 0, "training": replace(TRAINING, epochs=1)}
    facts = fit(make_scan(), model=own, **made, **files)
    assert facts["network_file"] == str(tmp_path / "own.py")
    assert facts["network_digest"] == load(tmp_path / "model.pt")["source"]
    assert not {"network_file", "network_digest"} & set(fit(make_scan(), model=DPI, **made, **files))
    assert "source" not in load(tmp_path / "model.pt")
