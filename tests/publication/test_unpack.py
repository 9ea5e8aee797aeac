"""From a results folder into a store and back: what the workflow would have collected itself, digit for digit."""

import shutil

import pandas as pd
import pytest

from ptychoformer.errors import InputError
from ptychoformer.evaluation.columns import BAND_ENERGIES, RUN, SCORES, SPECTRA
from ptychoformer.paths import Run
from ptychoformer.publication.store import files as store
from ptychoformer.publication.store.unpack import histories, trained, unpack, unpack_spectra
from ptychoformer.tables import write_csv

FACTS = dict(
    zip(
        store.FACTS,
        ("25", "32", "2734466", "0.1.0", "ab12", "0012345678e9", "Linux", "NVIDIA H100", "12.5", "2026-01-31"),
        strict=True,
    )
)
HEADLINE = dict(block="lower_right", level="scene")


def run(model, seed, loss="mse"):
    return dict(dataset="clean", test="clean", model=model, loss=loss, n_train="2928", seed=str(seed))


@pytest.fixture
def folder(tmp_path):
    """Two seeds of two networks and a floor; values with more digits than a table prints, and empty ones."""
    runs = [run(model, seed) for model in ("dpi", "ptynet") for seed in (0, 1)] + [
        run("floor", seed, "none") for seed in (0, 1)
    ]
    place = HEADLINE | dict(region="whole", channel="phase")
    scores = [
        one | place | dict(metric=metric, value=value)
        for one in runs
        for metric, value in (("mse", "0.0400000001"), ("psnr", "inf"), ("ssim", ""))
    ]
    bands = [one | HEADLINE | dict(channel="phase", band="low", estimate="1e-07", truth="0.5") for one in runs[:4]]
    spectra = [
        one | HEADLINE | dict(channel="phase", quantity="frc", frequency=f, value="0.10")
        for one in runs[:4]
        for f in ("0", "0.125")
    ]
    losses = [
        one | dict(epoch=str(e), learning_rate="0.001", train_loss="0.2", validation_loss=f"0.{e}")
        for one in runs[:4]
        for e in (1, 2, 10)
    ]
    tables = {store.SCORES: scores, store.BANDS: bands, store.SPECTRA: spectra, store.HISTORIES: losses}
    facts = pd.DataFrame([one | (FACTS if one["loss"] == "mse" else dict.fromkeys(FACTS, "")) for one in runs])
    store.write(
        tmp_path / "store", facts, {name: pd.DataFrame(rows)[list(store.TABLES[name])] for name, rows in tables.items()}
    )
    return tmp_path / "store"


def as_text(path):
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def test_metrics_of_an_experiment_in_the_order_of_its_runs(folder, tmp_path):
    wanted = [run("ptynet", 1), run("dpi", 0), run("floor", 0, "none"), run("epie", 0, "none")]
    unpack(folder, {tmp_path / "metrics.csv": wanted})
    table = as_text(tmp_path / "metrics.csv")
    assert list(table.columns) == list(SCORES)
    assert list(dict.fromkeys(table["model"])) == ["ptynet", "dpi", "floor"]  # a reference may be absent
    assert table["value"].tolist() == ["0.0400000001", "inf", ""] * 3


def test_spectra_and_bands_of_the_headlines_scenes(folder, tmp_path):
    outputs = dict(output_spectra_csv=tmp_path / "spectra.csv", output_bands_csv=tmp_path / "bands.csv")
    unpack_spectra(folder, [run("dpi", 1)], **HEADLINE, **outputs)
    spectra, bands = as_text(tmp_path / "spectra.csv"), as_text(tmp_path / "bands.csv")
    assert (list(spectra.columns), list(bands.columns)) == (list(SPECTRA), list(BAND_ENERGIES))
    assert spectra["value"].tolist() == ["0.10", "0.10"]
    assert bands["estimate"].tolist() == ["1e-07"]
    with pytest.raises(InputError, match="holds nothing of the run clean/clean/dpi/mse/2928/1"):
        unpack_spectra(folder, [run("dpi", 1)], block="strip", level="scene", **outputs)


def test_spectra_and_bands_of_runs_that_were_trained_again_for_them(folder, tmp_path):
    """Theirs alone, and none of a run that has its own; scores and facts stay those of the store."""
    again = folder / store.RETRAINED
    shutil.copytree(folder, again)
    bands = as_text(again / store.BANDS)
    write_csv(bands.assign(estimate="0.75"), again / store.BANDS)
    write_csv(as_text(folder / store.BANDS).query("seed != '1'"), folder / store.BANDS)
    outputs = dict(output_spectra_csv=tmp_path / "spectra.csv", output_bands_csv=tmp_path / "bands.csv")
    unpack_spectra(folder, [run("dpi", 0), run("dpi", 1)], **HEADLINE, **outputs)
    assert as_text(tmp_path / "bands.csv")["estimate"].tolist() == ["1e-07", "0.75"]
    assert len(as_text(tmp_path / "spectra.csv")) == 4
    found = store.read_bands(folder)
    assert dict(zip(found["seed"], found["estimate"], strict=False)) == {0: 1e-07, 1: 0.75}
    for path in (folder, again):
        (path / store.BANDS).unlink()
    assert store.read_bands(folder) is None
    with pytest.raises(InputError, match=r"store holds no bands\.csv\.gz\.$"):
        unpack_spectra(folder, [run("dpi", 1)], **HEADLINE, **outputs)


def test_losses_and_facts_of_training(folder):
    wanted = [run("dpi", 1), run("dpi", 0)]
    found = histories(folder, wanted)
    assert set(found) == {Run("clean", "dpi", "mse", 2928, seed) for seed in (0, 1)}
    assert found[Run("clean", "dpi", "mse", 2928, 0)]["validation_loss"].tolist() == [0.1, 0.2, 0.1]
    facts = trained(folder, wanted)[Run("clean", "dpi", "mse", 2928, 1)]
    assert (facts["device"], facts["configuration"]["code"], facts["training_seconds"]) == (
        "NVIDIA H100",
        "0012345678e9",
        12.5,
    )


def test_a_network_that_is_absent_is_named(folder, tmp_path):
    with pytest.raises(InputError, match="holds nothing of the run clean/clean/segformer/mse/2928/0"):
        unpack(folder, {tmp_path / "metrics.csv": [run("segformer", 0)]})


def test_scores_of_a_run_without_a_row_are_refused(folder):
    rows = as_text(folder / store.RUNS)
    rows[rows["model"] != "dpi"].to_csv(folder / store.RUNS, index=False)
    with pytest.raises(
        InputError, match=r"has no row of the run clean/clean/dpi/mse/2928/0, which scores\.csv\.gz has"
    ):
        store.read_scores(folder)
    assert list(RUN) == list(run("dpi", 0))
