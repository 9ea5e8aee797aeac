"""Training: it learns, the same from the same seed, says how long it takes and what is wrong."""

import sys
from dataclasses import replace
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from ptychoformer.errors import InputError, OutputError, TrainingError
from ptychoformer.measurement.cxi import read_scan
from ptychoformer.tensors import load, save
from ptychoformer.training import fit as fit_module
from ptychoformer.training import pace
from ptychoformer.training.checkpoint import load_checkpoint
from ptychoformer.training.entries import LossEntry, NetworkEntry
from ptychoformer.training.fit import Run, fit, fit_together
from ptychoformer.training.inputs import INPUTS, network_input
from ptychoformer.training.normalisation import label_windows
from ptychoformer.training.split import split_of, training_subset, validation_part

from .conftest import DPI, MSE, PTYCHONN, TRAINING, assert_same_bits, train, train_together


def test_a_forecast_is_said_within_the_first_epoch_and_changes_no_bit(tmp_path, make_scan, monkeypatch, capsys):
    scan = make_scan()
    plain, losses = train(tmp_path / "plain", scan)
    assert "a step" not in capsys.readouterr().err
    monkeypatch.setattr(pace, "SECONDS_TO_FORECAST", 0.0)
    forecast, same = train(tmp_path / "forecast", scan)
    lines = capsys.readouterr().err.splitlines()
    said = next(number for number, line in enumerate(lines) if "s a step, steps left: 7, about " in line)
    assert said < next(number for number, line in enumerate(lines) if "epoch 1 of 3" in line)
    assert sum("a step" in line for line in lines) == 1
    assert_same_bits(plain, forecast)
    pd.testing.assert_frame_equal(losses.drop(columns="seconds"), same.drop(columns="seconds"))


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tmp_path, make_scan):
    scan = make_scan()
    first, again, other = (train(tmp_path / name, scan, seed=seed)[0] for name, seed in (("a", 0), ("b", 0), ("c", 1)))
    assert_same_bits(first, again)
    assert not torch.equal(first["last.weight"], other["last.weight"])


def test_a_seed_draws_the_initial_weights(tmp_path, make_scan):
    scan, still = make_scan(), dict(model=PTYCHONN, epochs=1, learning_rate=1e-30, min_learning_rate=0.0)
    first, other = (train(tmp_path / f"{seed}", scan, seed=seed, **still)[0] for seed in (0, 1))
    assert all(not torch.equal(first[name], other[name]) for name in first if name.endswith("weight"))


def test_loss_falls_and_the_history_says_so(tmp_path, make_scan):
    _, history = train(tmp_path / "run", make_scan(), epochs=12)
    assert list(history.epoch) == list(range(1, 13))
    assert history.train_loss.iloc[-1] < 0.7 * history.train_loss.iloc[0]


def test_the_training_loss_is_a_mean_over_patterns_however_they_are_batched(tmp_path, make_scan):
    scan, still = make_scan(), dict(model=PTYCHONN, epochs=1, learning_rate=1e-12)
    whole, batches = (train(tmp_path / f"{size}", scan, batch_size=size, **still)[1] for size in (18, 8))
    assert batches.train_loss[0] == pytest.approx(whole.train_loss[0], rel=1e-6)  # batches of 8, 8 and 2


def test_seeds_side_by_side_are_those_of_runs_alone(tmp_path, make_scan):
    scan = make_scan()
    alone = [train(tmp_path / f"alone{seed}", scan, seed=seed, weights="best")[0] for seed in range(3)]
    for one, other in zip(alone, train_together(tmp_path, scan, range(3), weights="best"), strict=True):
        assert_same_bits(one, other)


def test_batch_norms_of_keras_train_side_by_side_and_predict_with_their_own_averages(tmp_path, make_scan):
    scan, keras = make_scan(), replace(DPI, batch_norm="keras")
    alone = [train(tmp_path / f"alone{seed}", scan, keras, seed=seed)[0] for seed in range(2)]
    for one, other in zip(alone, train_together(tmp_path, scan, range(2), keras), strict=True):
        assert_same_bits(one, other)
    plain, averages = train(tmp_path / "plain", scan)[0], [name for name in alone[0] if name.endswith("running_var")]
    # Seven steps leave more of the start, 1, in averages of Keras.
    assert all((alone[0][name] - 1).abs().mean() < 0.2 * (plain[name] - 1).abs().mean() for name in averages)
    network = load_checkpoint(tmp_path / "alone0/model.pt").network()
    assert {layer.eps for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)} == {1e-3}


@pytest.mark.parametrize("written_between", [True, False])
def test_a_seed_that_fails_is_named_and_costs_the_others_nothing(tmp_path, make_scan, monkeypatch, written_between):
    scan = make_scan()
    if not written_between:  # as on a device whose epochs are short
        monkeypatch.setattr(fit_module, "_is_due", lambda job, device: False)
    alone, _ = train(tmp_path / "alone", scan, seed=1)
    losses = fit_module.Training.losses

    def fails(self):
        batches, validation = losses(self)
        return (
            (torch.full_like(batches, torch.nan), validation)
            if self.seed == 0 and self.epoch == 1
            else (batches, validation)
        )

    monkeypatch.setattr(fit_module.Training, "losses", fails)
    with pytest.raises(TrainingError, match="Seed 0: The loss became nan in epoch 2, batch 1 of"):
        train_together(tmp_path, scan, (0, 1))
    assert not (tmp_path / "1/model.pt").exists()
    state = load(tmp_path / "1/state.pt")
    assert state["epoch"] == TRAINING.epochs
    assert_same_bits(alone, state["model"])


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


def test_a_checkpoint_that_does_not_say_what_it_sees_is_one_sentence(tmp_path, make_scan):
    train(tmp_path / "run", make_scan(), epochs=1)
    content = load(tmp_path / "run/model.pt")
    former = {name: part for name, part in content.items() if name not in ("inputs", "initialisation")}
    save(former, tmp_path / "model.pt")
    with pytest.raises(InputError) as caught:
        load_checkpoint(tmp_path / "model.pt")
    words = "is a checkpoint of another version of the code, which differs in initialisation, inputs; train the network again."
    assert str(caught.value) == f"{tmp_path / 'model.pt'} {words}"
    save(content | {"inputs": "cube"}, tmp_path / "model.pt")
    with pytest.raises(InputError, match="no checkpoint of a trained network"):
        load_checkpoint(tmp_path / "model.pt")


def test_a_network_is_shown_what_its_entry_says(tmp_path, make_scan, monkeypatch):
    photons = np.random.default_rng(0).poisson(20, (30, 32, 32)).astype(np.float32)
    photons[:, 0, 0] = -1  # as read-out noise can leave it
    scan, seen = make_scan(patterns=photons), {}
    for inputs in INPUTS:

        def look(runs, inputs=inputs):
            seen[inputs] = runs[0].examples
            raise KeyboardInterrupt

        monkeypatch.setattr(fit_module, "run_epoch", look)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / inputs, scan, replace(DPI, inputs=inputs))
    counted = np.round(np.expm1(seen["log"].inputs.double().numpy()))
    assert counted.min() == 0
    assert set(map(bytes, counted.astype(np.float32))) <= set(map(bytes, np.maximum(photons, 0)[:, None]))
    np.testing.assert_allclose(seen["sqrt"].inputs, np.sqrt(counted), rtol=1e-6)
    np.testing.assert_allclose(
        seen["sqrt_max"].inputs, np.sqrt(counted / counted.max(axis=(1, 2, 3), keepdims=True)), rtol=1e-6
    )
    for examples in seen.values():  # losses at the detector compare with the same
        np.testing.assert_array_equal(examples.patterns, seen["log"].inputs)
        np.testing.assert_array_equal(examples.labels, seen["log"].labels)


def test_patterns_are_fitted_and_watched_with_their_own_labels(tmp_path, make_scan, monkeypatch):
    """Each once, where its window really was, on the scale of those that were drawn for this training alone."""
    numbers = np.arange(90, dtype=np.float32)
    patterns = np.broadcast_to(numbers[:, None, None], (90, 32, 32))
    path, found = make_scan(rows=15, jitter=3, patterns=patterns), []

    def look(runs):
        found.extend(runs)
        raise KeyboardInterrupt

    monkeypatch.setattr(fit_module, "run_epoch", look)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "run", path, seed=3, validation_fraction=0.25)
    scan = read_scan(path)
    drawn = training_subset(split_of(scan), 20, 3, "scattered")
    parts = validation_part(drawn, 0.25, TRAINING.validation, 3)
    cut = label_windows(scan, drawn)
    for examples, part in zip((found[0].examples, found[0].validation), parts, strict=True):
        np.testing.assert_allclose(np.expm1(examples.inputs[:, 0, 0, 0].numpy()), numbers[part], rtol=1e-5)
        assert torch.equal(examples.patterns, examples.inputs)
        for channel, labels in enumerate(cut):
            own = labels[np.searchsorted(drawn, part)]
            expected = (own - labels.min()) / np.ptp(labels)
            np.testing.assert_allclose(examples.labels[:, channel].numpy(), expected, atol=1e-6)


def test_a_pattern_without_photons_is_nothing_to_see():
    for inputs in INPUTS:
        assert not network_input(np.zeros((1, 4, 4), np.float32), inputs).any()


def test_a_loss_at_the_detector_is_the_same_whatever_the_network_sees(tmp_path, make_scan):
    """A network that answers every pattern alike is scored alike: the patterns in the loss are not its inputs."""
    losses = {}
    for inputs in INPUTS:
        folder = tmp_path / inputs
        folder.mkdir()
        files = {"checkpoint": folder / "model.pt", "history": folder / "history.csv"}
        still = replace(TRAINING, epochs=1, learning_rate=1e-30, min_learning_rate=0.0)
        blind, loss = NetworkEntry("blind", {}, inputs=inputs), LossEntry("nssim_diffraction", {})
        fit(make_scan(), model=blind, loss=loss, n_train=20, seed=0, training=still, **files)
        losses[inputs] = pd.read_csv(files["history"]).validation_loss.item()
    assert losses["sqrt"] == losses["sqrt_max"] == losses["log"]


@pytest.fixture(autouse=True)
def _a_blind_network(monkeypatch):
    """A user's own network, ``blind``, which answers every pattern with its one layer's bias."""

    class Blind(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.last = torch.nn.Conv2d(1, 2, 1)

        def forward(self, patterns):
            return self.last(0 * patterns)

    module = ModuleType("ptychoformer.models.blind")
    module.build = lambda window: Blind()
    monkeypatch.setitem(sys.modules, module.__name__, module)


def test_users_own_networks_start_as_their_entry_says(tmp_path, make_scan):
    still = {"epochs": 1, "learning_rate": 1e-30, "min_learning_rate": 0.0}
    plain, glorot = (
        train(tmp_path / str(how), make_scan(), NetworkEntry("blind", {}, how), **still)[0] for how in (None, "glorot")
    )
    assert plain["last.bias"].any()
    assert not glorot["last.bias"].abs().max() > 1e-20


def test_provenance_is_told_how_the_network_started(tmp_path, make_scan):
    for model, how in ((DPI, "torch"), (replace(DPI, initialisation="glorot"), "glorot"), (PTYCHONN, "glorot")):
        files = {"checkpoint": tmp_path / "model.pt", "history": tmp_path / "history.csv"}
        facts = fit(
            make_scan(),
            model=model,
            loss=MSE,
            n_train=20,
            seed=0,
            training=replace(TRAINING, epochs=1),
            **files,
        )
        assert facts["initial_weights"] == how


@pytest.mark.parametrize("seeds", [[0], [0, 1]])
@pytest.mark.parametrize("precision", ["mixed", "bfloat16"])
def test_the_trial_before_a_training_changes_no_bit_of_it(tmp_path, make_scan, own, monkeypatch, precision, seeds):
    scan = make_scan()
    for place, model in enumerate((DPI, own)):
        tried = train_together(tmp_path / f"tried{place}", scan, seeds, model, precision=precision)
        with monkeypatch.context() as without:
            without.setattr(fit_module, "check_network", lambda *_: None)
            without.setattr(fit_module, "check_loss", lambda *_: None)
            untried = train_together(tmp_path / f"untried{place}", scan, seeds, model, precision=precision)
        for one, other in zip(tried, untried, strict=True):
            assert_same_bits(one, other)


def test_a_loss_that_broadcasts_is_told_before_anything_is_written(tmp_path, make_scan, monkeypatch):
    module = ModuleType("ptychoformer.training.losses.mine")
    module.build = lambda forward: (
        lambda prediction, labels, patterns: (prediction[:, None] - labels[None]).square().mean()
    )
    monkeypatch.setitem(sys.modules, module.__name__, module)
    folder = tmp_path / "run"
    files = {"checkpoint": folder / "model.pt", "history": folder / "history.csv"}
    with pytest.raises(TrainingError, match="The loss 'mine' is the same whichever label belongs to which prediction"):
        fit(make_scan(), model=DPI, loss=LossEntry("mine", {}), n_train=20, seed=0, training=TRAINING, **files)
    assert not folder.exists()


def test_every_epoch_of_every_run_is_followed(tmp_path, make_scan):
    followed = []
    runs = [Run(make_scan(), seed, tmp_path / f"{seed}/model.pt", tmp_path / f"{seed}/history.csv") for seed in (0, 1)]
    how = {"model": PTYCHONN, "loss": MSE, "n_train": 20, "training": replace(TRAINING, epochs=2)}
    fit_together(runs, **how, follow=lambda seed, row: followed.append((seed, row["epoch"], row["train_loss"])))
    for seed in (0, 1):
        history = pd.read_csv(tmp_path / f"{seed}/history.csv")
        assert [row[1:] for row in followed if row[0] == seed] == [
            (epoch, pytest.approx(loss, rel=1e-6))
            for epoch, loss in zip(history.epoch, history.train_loss, strict=True)
        ]
