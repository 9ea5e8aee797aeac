"""A training that was broken off goes on where it was to the last bit, and only as what it was."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import fields, replace

import h5py
import pandas as pd
import pytest

from ptychoformer import device
from ptychoformer.tensors import save
from ptychoformer.training import fit as fit_module
from ptychoformer.training import pace
from ptychoformer.training.entries import LossEntry
from ptychoformer.training.identity import schedule
from ptychoformer.training.options import TrainingOptions

from .conftest import DPI, MSE, PTYCHONN, TRAINING, assert_same_bits, train, train_together


def test_a_forecast_counts_what_a_broken_off_training_has_left(tmp_path, make_scan, monkeypatch, capsys):
    scan, run_epoch = make_scan(), fit_module.run_epoch

    def breaks(runs):
        if runs[0].epoch == 2:
            raise KeyboardInterrupt
        return run_epoch(runs)

    monkeypatch.setattr(pace, "SECONDS_TO_FORECAST", 0.0)
    monkeypatch.setattr(fit_module, "run_epoch", breaks)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "run", scan)
    monkeypatch.setattr(fit_module, "run_epoch", run_epoch)
    capsys.readouterr()
    train(tmp_path / "run", scan)
    assert "s a step, steps left: 1" in capsys.readouterr().err


def test_an_interrupted_run_ends_with_the_weights_of_an_unbroken_one(tmp_path, make_scan, monkeypatch):
    scan = make_scan()
    unbroken, history = train(tmp_path / "unbroken", scan, epochs=5)
    run_epoch, calls = fit_module.run_epoch, []

    def breaks_in_the_third_epoch(runs):
        calls.append(runs[0].epoch)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return run_epoch(runs)

    monkeypatch.setattr(fit_module, "run_epoch", breaks_in_the_third_epoch)
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
    fit_module.delete_state(tmp_path / "broken/model.pt")
    assert not (tmp_path / "broken/state.pt").exists()


def test_kill_9_in_the_middle_of_an_epoch_costs_nothing_but_time(tmp_path, make_scan):
    scan = make_scan()
    unbroken, _ = train(tmp_path / "unbroken", scan, epochs=10)
    broken = tmp_path / "broken"
    broken.mkdir()
    program = f"""
from ptychoformer.training.entries import LossEntry, NetworkEntry
from ptychoformer.training.fit import fit
from ptychoformer.training.inputs import INPUTS, network_input
from ptychoformer.training.options import TrainingOptions
fit({str(scan)!r}, model={DPI!r}, loss={MSE!r}, n_train=20, seed=0, training={replace(TRAINING, epochs=10)!r},
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


def test_an_interrupted_training_of_several_seeds_goes_on_where_each_was(tmp_path, make_scan, monkeypatch):
    scan = make_scan()
    unbroken = train_together(tmp_path / "unbroken", scan, (0, 1))
    run_epoch, epochs = fit_module.run_epoch, []

    def breaks(runs):
        epochs.append([run.epoch for run in runs])
        if len(epochs) == 2:
            raise KeyboardInterrupt
        return run_epoch(runs)

    monkeypatch.setattr(fit_module, "run_epoch", breaks)
    with pytest.raises(KeyboardInterrupt):
        train_together(tmp_path / "broken", scan, (0, 1))
    (tmp_path / "broken/1/state.pt").unlink()
    for one, other in zip(unbroken, train_together(tmp_path / "broken", scan, (0, 1)), strict=True):
        assert_same_bits(one, other)
    assert epochs == [[0, 0], [1, 1], [1, 0], [2, 1], [2]]


def broken_off(folder, scan, monkeypatch, epoch=1, **training):
    """Leave the state of a training that was interrupted after ``epoch``."""
    run_epoch = fit_module.run_epoch

    def break_off(runs):
        if runs[0].epoch == epoch:
            raise KeyboardInterrupt
        return run_epoch(runs)

    monkeypatch.setattr(fit_module, "run_epoch", break_off)
    with pytest.raises(KeyboardInterrupt):
        train(folder, scan, **training)
    monkeypatch.setattr(fit_module, "run_epoch", run_epoch)


def test_a_run_that_goes_on_elsewhere_names_every_device(tmp_path, make_scan, monkeypatch, capsys):
    scan, folder = make_scan(), tmp_path / "run"
    monkeypatch.setattr(device, "device_name", lambda _: "Tesla T4")
    broken_off(folder, scan, monkeypatch)
    monkeypatch.setattr(device, "device_name", lambda _: "cpu")
    broken_off(folder, scan, monkeypatch, epoch=2)
    assert "It began on Tesla T4 and goes on on cpu" in capsys.readouterr().err
    files = {"checkpoint": folder / "model.pt", "history": folder / "history.csv"}
    facts = fit_module.fit(scan, model=DPI, loss=MSE, n_train=20, seed=0, training=TRAINING, **files)
    assert facts["device"] == "Tesla T4, then cpu"
    assert "It began" not in capsys.readouterr().err


def turned(file):
    file["entry_1/data_1/data"][:] = file["entry_1/data_1/data"][:][:, ::-1]


def probe_doubled(file):
    file["ptychography/probe"][:] *= 2


def moved(file):
    file["ptychography/positions"][7] -= 1


def pixels_of_another_size(file):
    file["ptychography"].attrs["pixel_size"] *= 2


def object_doubled(file):
    file["ptychography/object/amplitude"][:] *= 2


def object_turned(file):
    for part in ("amplitude", "phase"):
        file[f"ptychography/object/{part}"][:] = file[f"ptychography/object/{part}"][:][::-1, ::-1]


def detector_dimmed(file):
    file["ptychography"].attrs["efficiency"] = 0.5


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (turned, "the patterns changed since"),
        (probe_doubled, "the probe changed since"),
        (moved, "the positions changed since"),
        (pixels_of_another_size, "the geometry changed since"),
        (object_doubled, "the normalisation of the labels changed since"),
        (object_turned, "the labels "),
        (detector_dimmed, "the detector changed since"),
    ],
)
def test_state_of_another_dataset_is_not_continued(tmp_path, make_scan, monkeypatch, capsys, change, named):
    scan = make_scan(jitter=2)
    broken_off(tmp_path / "stale", scan, monkeypatch)
    with h5py.File(scan, "r+") as file:
        change(file)
    capsys.readouterr()
    weights, _ = train(tmp_path / "stale", scan)
    assert f"Starting anew: {named}" in capsys.readouterr().err
    assert_same_bits(weights, train(tmp_path / "fresh", scan)[0])


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        (dict(batch_size=4), "the batch size changed since"),
        (dict(model=PTYCHONN, patience=1), "the network and the patience changed since"),
        (dict(seed=1), "the seed, the patterns and the labels changed since"),
        (dict(epochs=1), "state.pt is that of 2 epochs, 1 are asked for."),
    ],
)
def test_state_of_another_configuration_is_not_continued(tmp_path, make_scan, monkeypatch, capsys, changed, named):
    scan = make_scan()
    broken_off(tmp_path / "stale", scan, monkeypatch, epoch=2)
    capsys.readouterr()
    weights, _ = train(tmp_path / "stale", scan, **changed)
    said = capsys.readouterr().err
    assert "Starting anew: " in said
    assert named in said
    assert_same_bits(weights, train(tmp_path / "fresh", scan, **changed)[0])


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        (dict(model=replace(DPI, batch_norm="keras")), "the network changed since"),
        (dict(loss=LossEntry("huber", {"delta": 0.1})), "the loss changed since"),
        (dict(loss=LossEntry("mae", {})), "the loss changed since"),
        (dict(code="0123456789ab"), "the code changed since"),
    ],
)
def test_what_no_tensor_of_a_state_would_tell_is_told(tmp_path, make_scan, monkeypatch, capsys, changed, named):
    scan, usual = make_scan(), dict(loss=LossEntry("huber", {"delta": 1.0}))
    broken_off(tmp_path / "stale", scan, monkeypatch, **usual)
    capsys.readouterr()
    train(tmp_path / "stale", scan, epochs=1, **usual | changed)
    assert f"Starting anew: {named}" in capsys.readouterr().err


OTHERWISE = {
    "subset": "square",
    "validation": "block",
    "weights": "best",
    "precision": "float32",
    "deterministic": True,
    "compile": True,
}


@pytest.mark.parametrize("option", [field.name for field in fields(TrainingOptions)])
def test_every_option_but_the_number_of_epochs_makes_another_training(option):
    usual = TrainingOptions()
    other = replace(usual, **{option: OTHERWISE.get(option, 2 * getattr(usual, option))})
    assert (schedule(other) == schedule(usual)) == (option == "epochs")


@pytest.mark.parametrize("weights", ["last", "best"])
def test_more_epochs_go_on_to_where_an_unbroken_run_ends(tmp_path, make_scan, monkeypatch, capsys, weights):
    scan = make_scan()
    broken_off(tmp_path / "longer", scan, monkeypatch, epoch=2, weights=weights)
    capsys.readouterr()
    found, _ = train(tmp_path / "longer", scan, epochs=5, weights=weights)
    assert "Going on after epoch 2." in capsys.readouterr().err
    assert_same_bits(found, train(tmp_path / "fresh", scan, epochs=5, weights=weights)[0])


def test_a_state_of_another_training_is_not_continued(tmp_path, make_scan, capsys):
    stale = tmp_path / "stale"
    stale.mkdir()
    save({"identity": "another"}, stale / "state.pt")
    train(stale, make_scan(), epochs=1)
    assert "Starting anew" in capsys.readouterr().err


def test_a_truncated_state_is_not_continued(tmp_path, make_scan):
    stale = tmp_path / "stale"
    stale.mkdir()
    (stale / "state.pt").write_bytes(b"PK\x03\x04 torn")
    train(stale, make_scan(), epochs=1)


def test_the_history_of_an_unfinished_training_grows_by_the_epoch_and_is_the_beginning_of_the_whole(
    tmp_path, make_scan, monkeypatch
):
    scan, run = make_scan(), tmp_path / "run"
    run_epoch, grown = fit_module.run_epoch, []

    def looks_and_breaks(runs):
        if (run / "history.unfinished.csv").exists():
            grown.append((run / "history.unfinished.csv").read_bytes())
        assert not (run / "history.csv").exists()
        if len(grown) == 3:
            raise KeyboardInterrupt
        return run_epoch(runs)

    monkeypatch.setattr(fit_module, "run_epoch", looks_and_breaks)
    with pytest.raises(KeyboardInterrupt):
        train(run, scan, epochs=5)
    assert (run / "history.unfinished.csv").read_bytes() == grown[-1]
    monkeypatch.setattr(fit_module, "run_epoch", run_epoch)
    _, history = train(run, scan, epochs=5)
    whole = (run / "history.csv").read_bytes()
    assert [part.count(b"\n") for part in grown] == [2, 3, 4]
    assert all(whole.startswith(part) for part in grown)
    assert len(history) == 5
    assert not (run / "history.unfinished.csv").exists()


def test_a_history_that_lies_beside_a_trained_network_is_not_replaced_before_that_is(tmp_path, make_scan, monkeypatch):
    scan, run = make_scan(), tmp_path / "run"
    train(run, scan)
    fit_module.delete_state(run / "model.pt")
    before = {name: (run / name).read_bytes() for name in ("model.pt", "history.csv")}
    run_epoch = fit_module.run_epoch

    def breaks(runs):
        if runs[0].epoch == 2:
            raise KeyboardInterrupt
        return run_epoch(runs)

    monkeypatch.setattr(fit_module, "run_epoch", breaks)
    with pytest.raises(KeyboardInterrupt):
        train(run, scan, learning_rate=1e-4)
    assert {name: (run / name).read_bytes() for name in before} == before
    assert len(pd.read_csv(run / "history.unfinished.csv")) == 2
