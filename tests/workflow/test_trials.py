"""`make trials`: which trainings it asks for, and what it makes of their losses."""

import importlib.util
import statistics
from pathlib import Path

import pandas as pd
import pytest

from ptychoformer.plugins import network_kinds

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def trials():
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("trials", ROOT / "workflow/trials.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def trial(trials, monkeypatch):
    monkeypatch.chdir(ROOT)
    return trials.configured("config/trials.yaml"), trials.networks(["config/trials.yaml"])


def test_every_network_is_tried_from_every_start_and_on_validation_alone(trial):
    config, tried = trial
    entries = [config["models"][name] for name in tried]
    found = {(entry["kind"], entry["options"].get("blocks"), entry["initialisation"]) for entry in entries}
    kinds = [(kind, None) for kind in network_kinds() if kind != "ptychoformer"] + [
        ("ptychoformer", "paper"),
        ("ptychoformer", "release"),
    ]
    assert found == {(*kind, start) for kind in kinds for start in ("torch", "glorot")}
    assert len(found) == len(tried)
    assert all(entry["experiments"] == [] for entry in entries)
    assert config["training"]["validation"] == "block"


def test_it_trains_and_nothing_else(trials, trial, project):
    wanted = list(trials.histories(*trial))
    assert len(wanted) == len(trial[1]) * 3
    assert all(path.startswith("results/trials/training/clean/trial_") and "/n732/" in path for path in wanted)
    jobs = project.planned(*wanted, "--configfile", "config/trials.yaml")
    assert jobs["train"] == len(wanted)
    assert not {"predict", "score", "collect", "analyse"} & set(jobs)


@pytest.fixture
def finished(trials, trial, monkeypatch, tmp_path):
    """Losses of a few finished trainings, the last epoch's by model and seed."""
    last = {
        "trial_ptynet_torch": [0.5, 0.1, 0.3],
        "trial_ptynet_glorot": [0.2, 0.3],
        "trial_paper_torch": [0.02],
        "trial_release_torch": [0.01],
    }
    monkeypatch.chdir(tmp_path)
    for path, (model, seed) in trials.histories(*trial).items():
        if seed < len(last.get(model, [])):
            Path(path).parent.mkdir(parents=True)
            losses = {"epoch": [11, 12], "train_loss": [9.0, 9.0], "validation_loss": [1.0, last[model][seed]]}
            pd.DataFrame(losses).to_csv(path, index=False)
    return trials.collect(*trial)


def test_losses_are_those_of_the_histories(trials, finished):
    assert list(finished.columns) == trials.COLUMNS
    assert len(finished) == 2 * (3 + 2 + 1 + 1)
    row = finished[(finished.model == "PtyNet") & (finished.initialisation == "glorot") & (finished.seed == 1)]
    assert list(row.epoch) == [11, 12]
    assert list(row.validation_loss) == [1.0, 0.3]
    assert set(finished[finished.model == "Ptychoformer"].blocks) == {"paper", "release"}


def test_the_table_has_means_and_sample_deviations_and_marks_the_lowest(trials, trial, finished):
    lines = trials.table(trial[0], finished).splitlines()
    torch, glorot = statistics.stdev([0.5, 0.1, 0.3]), statistics.stdev([0.2, 0.3])
    assert lines[0] == "| validation loss | torch | glorot |"
    assert lines[2] == f"| PtyNet | 0.3000 ± {torch:.4f} (3) | **0.2500 ± {glorot:.4f} (2)** |"
    assert lines[3:5] == [
        "| Ptychoformer, blocks: paper | 0.0200 (1) |  |",
        "| Ptychoformer, blocks: release | **0.0100 (1)** |  |",
    ]
    assert "732 patterns of 'clean', of which 20% validate (block), 12 epochs, batches of 16." in lines[-1]


def test_other_trials_are_kept_and_those_made_again_replaced(trials, finished):
    pd.testing.assert_frame_equal(trials.merged(finished), finished.sort_values(list(finished)[:8], ignore_index=True))
    Path(trials.OUTPUT).parent.mkdir(parents=True)
    finished.assign(n_train=2928).to_csv(trials.OUTPUT, index=False)
    again = finished[(finished.model == "PtyNet") & (finished.seed == 0)].assign(n_train=2928, validation_loss=7.0)
    both = trials.merged(again)
    assert len(both) == len(finished)
    assert (both.validation_loss == 7.0).sum() == len(again)
    assert len(trials.merged(finished)) == 2 * len(finished)


def test_the_full_trial_is_of_the_papers_size(trials, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert trials.scale(trials.configured("config/trials_full.yaml")) == {
        "n_train": 2928,
        "epochs": 25,
        "batch_size": 32,
    }


def test_without_a_finished_training_there_is_nothing_to_tell(trials, trial, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert trials.collect(*trial).empty
