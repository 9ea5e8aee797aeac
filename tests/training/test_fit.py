"""Training: it learns, goes on where it was to the last bit, and says what is wrong."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import torch

from ptychoformer.errors import InputError, OutputError, TrainingError
from ptychoformer.tensors import load, save
from ptychoformer.training import fit as fit_module
from ptychoformer.training.checkpoint import load_checkpoint
from ptychoformer.training.fit import fit

TRAINING = {
    "epochs": 3,
    "batch_size": 8,
    "learning_rate": 1e-3,
    "min_learning_rate": 1e-4,
    "factor": 0.5,
    "patience": 2,
    "subset": "scattered",
    "validation_fraction": 0.1,
    "validation": "random",
    "weights": "last",
    "precision": "float32",
}
DPI = {"kind": "dpi", "options": {}}  # the one with dropout and batch normalisation


def train(folder, dataset, model=DPI, seed=0, **training):
    folder.mkdir(exist_ok=True)
    files = {"checkpoint": folder / "model.pt", "history": folder / "history.csv"}
    fit(dataset, model=model, loss={"kind": "mse"}, n_train=20, seed=seed, training=TRAINING | training, **files)
    return load_checkpoint(files["checkpoint"]).weights, pd.read_csv(files["history"])


def assert_same_bits(weights, others):
    assert weights.keys() == others.keys()
    for name in weights:
        assert torch.equal(weights[name], others[name]), name


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tmp_path, make_scan):
    scan = make_scan()
    first, again, other = (train(tmp_path / name, scan, seed=seed)[0] for name, seed in (("a", 0), ("b", 0), ("c", 1)))
    assert_same_bits(first, again)
    assert not torch.equal(first["last.weight"], other["last.weight"])


def test_loss_falls_and_the_history_says_so(tmp_path, make_scan):
    _, history = train(tmp_path / "run", make_scan(), epochs=12)
    assert list(history.epoch) == list(range(1, 13))
    assert history.train_loss.iloc[-1] < 0.7 * history.train_loss.iloc[0]


def test_an_interrupted_run_ends_with_the_weights_of_an_unbroken_one(tmp_path, make_scan, monkeypatch):
    scan = make_scan()
    unbroken, history = train(tmp_path / "unbroken", scan, epochs=5)
    run_epoch, calls = fit_module.Training.run_epoch, []

    def breaks_in_the_third_epoch(self, *examples):
        calls.append(self.epoch)
        if len(calls) == 3:
            raise KeyboardInterrupt
        run_epoch(self, *examples)

    monkeypatch.setattr(fit_module.Training, "run_epoch", breaks_in_the_third_epoch)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "broken", scan, epochs=5)
    assert not (tmp_path / "broken/model.pt").exists()
    resumed, resumed_history = train(tmp_path / "broken", scan, epochs=5)
    assert calls == [0, 1, 2, 2, 3, 4]
    assert_same_bits(unbroken, resumed)
    pd.testing.assert_frame_equal(history.drop(columns="seconds"), resumed_history.drop(columns="seconds"))
    again, _ = train(tmp_path / "broken", scan, epochs=5)
    assert calls == [0, 1, 2, 2, 3, 4]  # nothing is trained twice while the state is there
    assert_same_bits(unbroken, again)
    fit_module.forget_state(tmp_path / "broken/model.pt")
    assert not (tmp_path / "broken/state.pt").exists()


def test_kill_9_in_the_middle_of_an_epoch_costs_nothing_but_time(tmp_path, make_scan):
    scan = make_scan()
    unbroken, _ = train(tmp_path / "unbroken", scan, epochs=10)
    broken = tmp_path / "broken"
    broken.mkdir()
    program = f"""
from ptychoformer.training.fit import fit
fit({str(scan)!r}, model={DPI!r}, loss={{"kind": "mse"}}, n_train=20, seed=0, training={TRAINING | {"epochs": 10}!r},
    checkpoint={str(broken / "model.pt")!r}, history={str(broken / "history.csv")!r})
"""
    process = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.DEVNULL)
    while not (broken / "state.pt").exists():
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (broken / "model.pt").exists()
    resumed, _ = train(broken, scan, epochs=10)
    assert_same_bits(unbroken, resumed)


def test_state_of_another_configuration_is_not_continued(tmp_path, make_scan, capsys):
    scan = make_scan()
    fresh, _ = train(tmp_path / "fresh", scan, batch_size=4)
    stale = tmp_path / "stale"
    stale.mkdir()
    save({"identity": "another"}, stale / "state.pt")
    weights, _ = train(stale, scan, batch_size=4)
    assert_same_bits(fresh, weights)
    assert "Starting anew" in capsys.readouterr().err


def test_a_truncated_state_is_not_continued(tmp_path, make_scan):
    stale = tmp_path / "stale"
    stale.mkdir()
    (stale / "state.pt").write_bytes(b"PK\x03\x04 torn")
    train(stale, make_scan(), epochs=1)


def test_a_loss_that_is_not_finite_names_epoch_batch_and_learning_rate(tmp_path, make_scan):
    with pytest.raises(TrainingError, match=r"epoch \d+, batch \d+ of \d+, at learning rate 1e\+30"):
        train(tmp_path / "run", make_scan(), learning_rate=1e30)


def test_nan_in_a_dataset_names_file_and_pattern(tmp_path, make_scan):
    patterns = np.ones((30, 32, 32), np.float32)
    patterns[:24, 3, 4] = np.nan
    with pytest.raises(InputError, match=r"scan.cxi: \d+ patterns hold NaN or infinity, the first is pattern \d+"):
        train(tmp_path / "run", make_scan(patterns=patterns))


def test_best_weights_are_those_of_the_lowest_validation_loss(tmp_path, make_scan):
    scan = make_scan()
    best, history = train(tmp_path / "best", scan, epochs=8, weights="best", learning_rate=1e-2)
    epoch = int(history.validation_loss.idxmin()) + 1
    assert epoch < 8  # otherwise this says nothing
    until_then, _ = train(tmp_path / "last", scan, epochs=epoch, learning_rate=1e-2)
    assert_same_bits(best, until_then)


def test_bfloat16_learns_too(tmp_path, make_scan):
    _, history = train(tmp_path / "run", make_scan(), precision="bfloat16", epochs=6)
    assert history.train_loss.iloc[-1] < history.train_loss.iloc[0]


def test_a_full_disk_is_one_sentence_and_leaves_nothing_behind(tmp_path, make_scan, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    scan = make_scan()
    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(OutputError, match=r"state.pt cannot be written: the disk is full"):
        train(tmp_path / "run", scan)
    assert not list((tmp_path / "run").iterdir())


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 torn"])
def test_a_damaged_checkpoint_is_one_sentence(tmp_path, content):
    (tmp_path / "model.pt").write_bytes(content)
    with pytest.raises(InputError, match=r"model.pt cannot be read as a checkpoint"):
        load_checkpoint(tmp_path / "model.pt")


def test_something_else_than_a_checkpoint_is_one_sentence(tmp_path):
    save({"epoch": 1}, tmp_path / "model.pt")
    assert load(tmp_path / "model.pt") == {"epoch": 1}
    with pytest.raises(InputError, match="no checkpoint of a trained network"):
        load_checkpoint(tmp_path / "model.pt")
