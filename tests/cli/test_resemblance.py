"""A scan that is unlike those that a network was trained on is predicted, and told with numbers."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ptychoformer import cli
from ptychoformer.measurement.cxi import create_dataset
from ptychoformer.measurement.resemblance import Seen, Tally, differences
from ptychoformer.models import build
from ptychoformer.training.checkpoint import Checkpoint, save_checkpoint
from ptychoformer.training.entries import NetworkEntry
from ptychoformer.training.normalisation import Normalisation

SIDE = 16


def patterns(photons=1e4, width=3.0, shift=0, seed=0, count=12):
    y, x = np.indices((SIDE, SIDE)) - SIDE // 2
    spot = np.exp(-((y - shift) ** 2 + x**2) / (2 * width**2))
    return np.random.default_rng(seed).poisson(photons * spot / spot.sum(), (count, SIDE, SIDE)).astype(np.float32)


def summary(frames, block=5):
    tally = Tally()
    assert sum(
        len(part) for part in tally.passing(frames[start : start + block] for start in range(0, len(frames), block))
    ) == len(frames)
    return tally.summary()


def write(path, frames):
    positions = 4.0 * np.indices((3, 4)).reshape(2, -1).T
    with create_dataset(path, window=(SIDE, SIDE), positions=positions) as data:
        data[:] = frames
    return path


@pytest.fixture
def run(tmp_path):
    torch.manual_seed(0)
    weights = build("ptychonn", (SIDE, SIDE), {}).state_dict()
    checkpoint = Checkpoint(NetworkEntry("ptychonn", {}), (SIDE, SIDE), Normalisation(0.5, 1.0, -1.0, 1.0), weights)
    save_checkpoint(checkpoint, tmp_path / "model.pt")
    return SimpleNamespace(folder=tmp_path, preparation=tmp_path / "preparation.json")


def predicted(run, frames, capsys):
    scan = write(run.folder / "scan.cxi", frames)
    (run.folder / "scene.h5").unlink(missing_ok=True)
    code = cli.main(
        ["predict", str(scan), "--checkpoint", str(run.folder), "-o", str(run.folder / "scene.h5"), "--threads", "1"]
    )
    return code, capsys.readouterr().err


def test_a_summary_is_that_of_the_patterns():
    frames = patterns()
    found = summary(frames)
    assert list(found) == list(Seen.__annotations__)
    np.testing.assert_allclose(found["photons"], np.quantile(frames.sum(axis=(1, 2)), (0.05, 0.5, 0.95)))
    np.testing.assert_allclose(found["mean_pattern"], frames.mean(axis=0) / frames.sum(axis=(1, 2)).mean(), atol=1e-6)
    assert np.shape(summary(np.ones((2, 40, 40), np.float32))["mean_pattern"]) == (16, 16)


def test_another_scan_of_the_same_kind_is_near():
    assert differences(summary(patterns(seed=1)), summary(patterns())) == []
    assert differences(summary(patterns(photons=1.8e4)), summary(patterns())) == []


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (dict(photons=1e3), ["a pattern has "]),
        (dict(photons=1e5), ["a pattern has "]),
        (dict(width=1.5), ["of the light of the mean pattern falls elsewhere"]),
        (dict(shift=3), ["of the light of the mean pattern falls elsewhere"]),
        (dict(shift=6, photons=10), ["of the light", "a pattern has "]),
    ],
)
def test_what_is_unlike_training_is_told_with_numbers(run, capsys, other, words):
    run.preparation.write_text(json.dumps({"crop": SIDE, "bin": 1, "seen": summary(patterns())}))
    code, said = predicted(run, patterns(), capsys)
    assert code == 0
    assert "is unlike" not in said
    code, said = predicted(run, patterns(**other), capsys)
    assert code == 0
    line = next(line for line in said.splitlines() if "is unlike what" in line)
    assert [part in line for part in words] == [True] * len(words)
    assert ("a pattern has " in line) == ("a pattern has " in words)


def test_a_run_without_a_summary_is_used_without_it(run, capsys):
    run.preparation.write_text(json.dumps({"crop": SIDE, "bin": 1}))
    code, said = predicted(run, patterns(photons=10), capsys)
    assert code == 0
    assert "is unlike" not in said


@pytest.mark.parametrize(
    "seen", [None, {}, {"photons": [1, 2], "mean_pattern": [[1]]}, {"photons": [1, 2, "x"], "mean_pattern": [[1]]}]
)
def test_a_damaged_summary_is_refused(run, capsys, seen):
    run.preparation.write_text(json.dumps({"crop": SIDE, "bin": 1, "seen": seen}))
    code, said = predicted(run, patterns(), capsys)
    assert code == 1
    assert "'seen' must hold 'photons' and 'mean_pattern'" in said
