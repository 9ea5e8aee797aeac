"""Training: it learns, goes on where it was to the last bit, and says what is wrong."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from types import ModuleType

import h5py
import numpy as np
import pandas as pd
import pytest
import torch

from ptychoformer.errors import InputError, OutputError, TrainingError
from ptychoformer.evaluation.network import TrainedNetwork
from ptychoformer.evaluation.predict import predict
from ptychoformer.provenance import _code, _imports, _nodes, code_digest, source_digest
from ptychoformer.tensors import load, save
from ptychoformer.training import fit as fit_module
from ptychoformer.training import pace
from ptychoformer.training.checkpoint import load_checkpoint
from ptychoformer.training.entries import LossEntry, NetworkEntry
from ptychoformer.training.fit import Run, fit, fit_together
from ptychoformer.training.inputs import INPUTS, network_input
from ptychoformer.training.options import TrainingOptions

TRAINING = TrainingOptions(epochs=3, batch_size=8, validation_fraction=0.1)
# One with dropout and batch normalisation.
DPI = NetworkEntry("dpi", {"size": "small"})
PTYCHONN = NetworkEntry("ptychonn", {})
MSE = LossEntry("mse", {})


def train(folder, dataset, model=DPI, seed=0, **training):
    folder.mkdir(exist_ok=True)
    files = {"checkpoint": folder / "model.pt", "history": folder / "history.csv"}
    fit(
        dataset,
        model=model,
        loss=MSE,
        n_train=20,
        seed=seed,
        training=replace(TRAINING, **training),
        **files,
    )
    return load_checkpoint(files["checkpoint"]).weights, pd.read_csv(files["history"])


def assert_same_bits(weights, others):
    assert weights.keys() == others.keys()
    for name in weights:
        assert torch.equal(weights[name], others[name]), name


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


def train_together(folder, dataset, seeds, model=DPI, **training):
    runs = [Run(dataset, seed, folder / f"{seed}/model.pt", folder / f"{seed}/history.csv") for seed in seeds]
    for run in runs:
        run.checkpoint.parent.mkdir(parents=True, exist_ok=True)
    fit_together(runs, model=model, loss=MSE, n_train=20, training=replace(TRAINING, **training))
    return [load_checkpoint(run.checkpoint).weights for run in runs]


def test_seeds_side_by_side_are_those_of_runs_alone(tmp_path, make_scan):
    scan = make_scan()
    alone = [train(tmp_path / f"alone{seed}", scan, seed=seed, weights="best")[0] for seed in range(3)]
    for one, other in zip(alone, train_together(tmp_path, scan, range(3), weights="best"), strict=True):
        assert_same_bits(one, other)


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


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (turned, "the patterns changed since"),
        (probe_doubled, "the probe changed since"),
        (moved, "the positions changed since"),
        (pixels_of_another_size, "the geometry changed since"),
        (object_doubled, "the normalisation of the labels changed since"),
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


@pytest.mark.parametrize("weights", ["last", "best"])
def test_more_epochs_go_on_to_where_an_unbroken_run_ends(tmp_path, make_scan, monkeypatch, capsys, weights):
    scan = make_scan()
    broken_off(tmp_path / "longer", scan, monkeypatch, epoch=2, weights=weights)
    capsys.readouterr()
    found, _ = train(tmp_path / "longer", scan, epochs=5, weights=weights)
    assert "Going on after epoch 2." in capsys.readouterr().err
    assert_same_bits(found, train(tmp_path / "fresh", scan, epochs=5, weights=weights)[0])


def test_state_of_an_earlier_version_is_not_continued(tmp_path, make_scan, capsys):
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


OWN = """
from torch import nn

def build(window, *, channels: int = 2):
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.Dropout(0.2), nn.Conv2d(4, channels, 1))
"""


@pytest.fixture
def own(tmp_path):
    """The entry of a network in a file of a user's own."""
    for cached in (code_digest, _nodes, _code, _imports):
        cached.cache_clear()
    (tmp_path / "own.py").write_text(OWN)
    return NetworkEntry(str(tmp_path / "own.py"), {})


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
    for cached in (code_digest, _nodes, _code, _imports):
        cached.cache_clear()
    with pytest.raises(InputError, match=words):
        TrainedNetwork(tmp_path / "run/model.pt")


@pytest.mark.parametrize("moment", ["check_network", "Training", "run_epoch", "save_checkpoint"])
def test_a_network_that_is_edited_while_it_trains_is_signed_as_it_was_when_it_was_imported(
    tmp_path, make_scan, own, monkeypatch, moment
):
    """The code that trains is what was in the file before; the digest of what is there now would vouch for another."""

    def forget():
        for cached in (code_digest, _nodes, _code, _imports):
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


def test_a_comment_in_ones_own_network_leaves_its_checkpoints_alone(tmp_path, make_scan, own):
    train(tmp_path / "run", make_scan(), own, epochs=1)
    (tmp_path / "own.py").write_text("# Two convolutions.\n" + OWN)
    for cached in (code_digest, _nodes, _code, _imports):
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
