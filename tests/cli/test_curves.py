"""Curves for TensorBoard are those of the history, and a training outlives them."""

import sys

import pandas as pd
import pytest

from .conftest import one_sentence


@pytest.fixture
def board(monkeypatch):
    """TensorBoard's writer, which remembers what it was told; its fault is an error to raise."""

    class Board:
        points, fault, fault_at_the_end = [], None, None

        class SummaryWriter:
            def __init__(self, folder, purge_step):
                self.folder = folder
                Board.points.append(("from", str(folder), purge_step))

            def add_scalar(self, tag, value, step):
                if Board.fault:
                    raise Board.fault
                Board.points.append((tag, value, step))

            def flush(self):
                pass

            def close(self):
                Board.points.append(("closed",))
                if Board.fault_at_the_end:
                    raise Board.fault_at_the_end

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", Board)
    return Board


def test_curves_are_those_of_the_history_and_go_on_where_an_interrupted_training_does(
    learn, board, tmp_path, monkeypatch, capsys
):
    from ptychoformer.training import fit

    run_epoch = fit.run_epoch
    monkeypatch.setattr(fit, "run_epoch", lambda runs: _interrupted_after(run_epoch, runs, 2))
    run, folder = tmp_path / "run", tmp_path / "curves"
    assert learn(run, "--tensorboard", folder, epochs=3) == 130
    monkeypatch.setattr(fit, "run_epoch", run_epoch)
    assert learn(run, "--tensorboard", folder, epochs=3) == 0
    history = pd.read_csv(run / "history.csv")
    assert [point for point in board.points if point[0] in ("from", "closed")] == [
        ("from", str(folder), 1),
        ("closed",),
        ("from", str(folder), 3),
        ("closed",),
    ]
    columns = {"loss/training": "train_loss", "loss/validation": "validation_loss", "learning rate": "learning_rate"}
    for tag, column in columns.items():
        told = [point[1:] for point in board.points if point[0] == tag]
        assert [step for _, step in told] == [1, 2, 3]
        assert [value for value, _ in told] == pytest.approx(list(history[column]), rel=1e-6)


def _interrupted_after(run_epoch, runs, epoch):
    if runs[0].epoch == epoch:
        raise KeyboardInterrupt
    return run_epoch(runs)


def test_a_training_outlives_its_curves(learn, board, tmp_path, capsys):
    board.fault = OSError("disk full\nat length")
    assert learn(tmp_path / "run", "--tensorboard", tmp_path / "curves", epochs=2) == 0
    told = [line for line in capsys.readouterr().err.splitlines() if "TensorBoard" in line]
    assert told == ["The curves for TensorBoard end before epoch 1 (disk full)."]


def test_a_training_that_ended_outlives_the_end_of_its_curves(learn, board, tmp_path, capsys):
    board.fault_at_the_end = OSError("disk full")
    assert learn(tmp_path / "run", "--tensorboard", tmp_path / "curves", epochs=2) == 0
    assert "The curves for TensorBoard end before all was written (disk full)." in capsys.readouterr().err


@pytest.mark.parametrize(
    "error", [ImportError("No module named 'tensorboard'"), TypeError("Descriptors cannot be created\ndirectly")]
)
def test_a_tensorboard_that_is_missing_or_broken_is_told_before_any_work(learn, tmp_path, monkeypatch, capsys, error):
    class Missing:
        def __getattr__(self, name):
            raise error

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", Missing())
    assert learn(tmp_path / "run", "--tensorboard", tmp_path / "curves") == 1
    said = one_sentence(capsys)
    assert "--tensorboard needs the package tensorboard, which cannot be imported (" in said
    assert "`pip install tensorboard` installs it." in said
    assert not (tmp_path / "curves").exists()
    assert not (tmp_path / "run" / "dataset.cxi").exists()


def test_a_folder_for_curves_that_is_a_file_is_told_before_any_work(learn, board, tmp_path, capsys):
    (tmp_path / "curves").write_text("")
    assert learn(tmp_path / "run", "--tensorboard", tmp_path / "curves") == 1
    assert "cannot be made" in one_sentence(capsys) or "is a" in one_sentence(capsys)
    assert not (tmp_path / "run" / "dataset.cxi").exists()


@pytest.mark.slow
def test_tensorboard_itself_shows_the_history(learn, tmp_path):
    loader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    assert learn(tmp_path / "run", "--tensorboard", tmp_path / "curves", epochs=2) == 0
    shown = loader.EventAccumulator(str(tmp_path / "curves")).Reload().Scalars("loss/validation")
    history = pd.read_csv(tmp_path / "run" / "history.csv")
    assert [point.step for point in shown] == [1, 2]
    assert [point.value for point in shown] == pytest.approx(list(history["validation_loss"]), rel=1e-5)
