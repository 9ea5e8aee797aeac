"""Runs gathered from results folders: whole ones only, each once, in the same bytes whatever the order."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from ptychoformer.errors import InputError
from ptychoformer.evaluation import columns as contract
from ptychoformer.evaluation.columns import BAND_ENERGIES, RUN
from ptychoformer.provenance import read_provenance, sidecar, write_provenance
from ptychoformer.publication.claims.judge import judge
from ptychoformer.publication.harvest import harvest
from ptychoformer.publication.store import files
from ptychoformer.publication.store.files import (
    BAND_RUN_COLUMNS,
    BANDS,
    FACTS,
    HISTORIES,
    RUN_COLUMNS,
    RUNS,
    SCORES,
    read_bands,
    read_part,
    read_scores,
)

SOURCE = Path(__file__).parents[2] / "src"
CLAIMS = Path(__file__).parents[2] / "resources" / "published" / "claims.yaml"
NETWORKS = ("ptychonn", "ptynet", "dpi", "ptychoformer")
HERE = dict(block="lower_right", level="scene")
# A digest that a careless reader takes for a number.
DIGEST = "12345e678901"


def make_run(
    results, model, seed=0, *, dataset="clean", test="clean", loss="mse", n_train=640, psnr=14.0, epochs=25, **facts
):
    """Metrics and trained weights of a run, as the workflow leaves them."""
    reference = model in ("floor", "ceiling")
    loss = "none" if reference else loss
    run = Path(dataset) / model / loss / f"n{n_train}" / f"seed{seed}"
    metrics = results / "evaluation" / run / f"on_{test}" / "metrics.csv"
    place = dict(dataset=dataset, test=test, model=model, loss=loss, n_train=n_train, seed=seed)
    place |= HERE | dict(region="whole")
    values = {("amplitude", "mse"): 0.0400000001, ("amplitude", "psnr"): psnr, ("phase", "ssim"): None}
    frame = pd.DataFrame(
        [place | dict(channel=channel, metric=metric, value=value) for (channel, metric), value in values.items()]
    )[list(contract.SCORES)]
    metrics.parent.mkdir(parents=True, exist_ok=True)
    frame.to_csv(metrics, index=False)
    write_provenance({"started": 200.0}, metrics)
    if not reference:
        weights = results / "training" / run / "model.pt"
        weights.parent.mkdir(parents=True, exist_ok=True)
        weights.touch()
        losses = {
            "epoch": [1, 2],
            "learning_rate": 1e-3,
            "train_loss": [0.4, 0.1],
            "validation_loss": [0.3, 0.2],
            "seconds": 1.0,
        }
        pd.DataFrame(losses).to_csv(weights.with_name("history.csv"), index=False)
        configuration = {"model": model, "training": {"epochs": epochs, "batch_size": 32}, "code": "0012345678e9"}
        content = {
            "package": "0.1.0",
            "configuration": configuration,
            "configuration_digest": DIGEST,
            "machine": "Linux x86_64",
        }
        content |= {"device": "cpu", "parameters": 2734466, "training_seconds": 2735.5, "started": 100.0}
        write_provenance(content | facts, weights)
    return metrics


def read(path):
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def contents(folder):
    """Every file of a store, to the byte."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def results(tmp_path):
    for seed in (0, 1):
        for model in NETWORKS:
            make_run(tmp_path / "results", model, seed)
    return tmp_path / "results"


class TestHarvest:
    def test_metrics_with_the_facts_of_their_training(self, tmp_path, results):
        harvest(results, tmp_path / "store")
        table = read_scores(tmp_path / "store")
        assert tuple(table.columns) == RUN_COLUMNS
        assert len(table) == 8 * 3
        row = table.query("model == 'ptychoformer' and seed == 1 and metric == 'psnr'").iloc[0]
        facts = (25, 32, 2734466, "0.1.0", DIGEST, "0012345678e9", "Linux x86_64", "cpu", 2735.5, "1970-01-01")
        assert tuple(row[list(FACTS)]) == facts
        assert row["value"] == 14.0
        assert set(read(tmp_path / "store" / SCORES)["value"]) == {"14.0", "0.0400000001", ""}

    def test_a_row_a_run_says_what_is_kept_of_it(self, tmp_path, results):
        make_run(results, "floor")
        make_bands(results, [0])
        harvest(results, tmp_path / "store")
        runs = read(tmp_path / "store" / RUNS)
        assert len(runs) == 9
        assert set(runs["blocks"]) == {"lower_right"}
        kept = {(model, seed): parts for model, seed, parts in runs[["model", "seed", "parts"]].itertuples(index=False)}
        assert (kept["dpi", "0"], kept["dpi", "1"], kept["floor", "0"]) == (
            "bands:lower_right:scene history",
            "history",
            "",
        )

    def test_losses_of_every_epoch(self, tmp_path, results):
        harvest(results, tmp_path / "store")
        table = read_part(tmp_path / "store", HISTORIES)
        assert table.query("model == 'dpi' and seed == 1")["validation_loss"].tolist() == [0.3, 0.2]
        assert len(table) == 8 * 2

    def test_an_empty_value_stays_empty(self, tmp_path, results):
        harvest(results, tmp_path / "store")
        assert set(read(tmp_path / "store" / SCORES).query("metric == 'ssim'")["value"]) == {""}

    def test_references_have_no_training(self, tmp_path):
        make_run(tmp_path / "results", "floor")
        found = harvest(tmp_path / "results", tmp_path / "store")
        table = read(tmp_path / "store" / SCORES)
        assert (read(tmp_path / "store" / RUNS)[list(FACTS)] == "").all(axis=None)
        assert len(table) == 3
        assert found.runs == ()

    def test_a_network_may_be_tested_on_two_datasets(self, tmp_path):
        for test in ("straight", "curved"):
            make_run(tmp_path / "results", "dpi", dataset="straight", test=test)
        assert len(harvest(tmp_path / "results", tmp_path / "store").runs) == 2
        assert set(read(tmp_path / "store" / SCORES)["test"]) == {"straight", "curved"}

    def test_metrics_of_a_whole_experiment_are_not_a_run(self, tmp_path, results):
        first = results / "evaluation/clean/ptychonn/mse/n640/seed0/on_clean/metrics.csv"
        (results / "evaluation/table1").mkdir()
        (results / "evaluation/table1/metrics.csv").write_bytes(first.read_bytes())
        assert len(harvest(results, tmp_path / "store").runs) == 8


def make_whole(results, seeds, **how):
    """Table I's networks, for these seeds."""
    for seed in seeds:
        for model in NETWORKS:
            make_run(results, model, seed, **how)


class TestOtherExperiments:
    """A folder that holds more than Table I."""

    def test_their_runs_are_rows_of_their_own(self, tmp_path, results):
        make_run(results, "dpi", n_train=50)
        make_run(results, "dpi", loss="mae")
        make_run(results, "dpi", dataset="straight", test="curved")
        make_run(results, "dpi", dataset="overlap_0", test="overlap_0", n_train=40)
        make_run(results, "floor", n_train=50)
        found = harvest(results, tmp_path / "store")
        assert len(found.runs) == 8 + 4
        own = read(tmp_path / "store" / SCORES).query("model == 'dpi' and seed == '0' and metric == 'psnr'")
        assert set(own[["dataset", "test", "loss", "n_train"]].itertuples(index=False, name=None)) == {
            ("clean", "clean", "mse", "640"),
            ("clean", "clean", "mse", "50"),
            ("clean", "clean", "mae", "640"),
            ("straight", "curved", "mse", "640"),
            ("overlap_0", "overlap_0", "mse", "40"),
        }
        assert (
            not read(tmp_path / "store" / SCORES)
            .duplicated([name for name in contract.SCORES if name != "value"])
            .any()
        )

    def test_smaller_training_sets_are_not_counted_with_the_largest(self, tmp_path, results):
        make_whole(results, range(5), n_train=50)
        assert harvest(results, tmp_path / "store").whole == {"clean": 2}

    def test_a_largest_set_without_a_whole_seed_hides_no_smaller_one(self, tmp_path, results):
        make_run(results, "dpi", n_train=2928)
        assert harvest(results, tmp_path / "store").whole == {"clean": 2}

    def test_networks_of_other_tables_take_no_seed_away(self, tmp_path, results):
        make_run(results, "transunet", 0)
        assert harvest(results, tmp_path / "store").whole == {"clean": 2}

    def test_networks_of_different_training_make_no_whole_seed(self, tmp_path):
        make_whole(tmp_path / "results", [0])
        make_run(tmp_path / "results", "dpi", 0, epochs=12)
        assert harvest(tmp_path / "results", tmp_path / "store").whole == {"clean": 0}

    def test_other_losses_and_transfers_are_no_seeds_of_table_1(self, tmp_path, results):
        make_whole(results, range(3), loss="mae")
        make_whole(results, range(3), dataset="straight", test="curved")
        assert harvest(results, tmp_path / "store").whole == {"clean": 2}

    def test_a_seed_without_every_network_of_table_1_is_not_whole(self, tmp_path):
        for model in NETWORKS[:2]:
            make_run(tmp_path / "results", model)
        assert harvest(tmp_path / "results", tmp_path / "store").whole == {"clean": 0}


class TestMerging:
    def test_twice_is_once(self, tmp_path, results):
        first = harvest(results, tmp_path / "store")
        content = contents(tmp_path / "store")
        second = harvest(results, tmp_path / "store")
        assert contents(tmp_path / "store") == content
        assert (len(first.new), len(second.new)) == (8, 0)

    def test_the_order_of_harvests_does_not_show(self, tmp_path, results):
        make_run(tmp_path / "other", "dpi", 10)
        make_run(tmp_path / "other", "dpi", 2)
        for name, folders in (("one", (results, tmp_path / "other")), ("two", (tmp_path / "other", results))):
            for folder in folders:
                harvest(folder, tmp_path / name)
        assert contents(tmp_path / "one") == contents(tmp_path / "two")
        assert read(tmp_path / "one" / SCORES).query("model == 'dpi'")["seed"].tolist() == [
            seed for seed in ("0", "1", "2", "10") for _ in range(3)
        ]

    def test_a_run_made_anew_replaces_its_rows_and_no_others(self, tmp_path, results):
        harvest(results, tmp_path / "store")
        before = read(tmp_path / "store" / SCORES)
        make_run(tmp_path / "again", "ptychonn", 1, psnr=15.25)
        found = harvest(tmp_path / "again", tmp_path / "store")
        after = read(tmp_path / "store" / SCORES)
        assert found.new == ()
        changed = (before != after).any(axis=1)
        assert after[changed]["value"].tolist() == ["15.25"]

    def test_of_a_run_that_was_trained_anew_nothing_earlier_stays(self, tmp_path, results):
        make_bands(results, [0, 1])
        harvest(results, tmp_path / "store")
        make_run(tmp_path / "again", "dpi", 1, training_seconds=99.0)
        harvest(tmp_path / "again", tmp_path / "store")
        bands = read(tmp_path / "store" / BANDS)
        assert set(bands.loc[bands["model"] == "dpi", "seed"]) == {"0"}
        assert set(bands.loc[bands["model"] == "ptynet", "seed"]) == {"0", "1"}

    def test_a_table_of_something_else_is_refused(self, tmp_path, results):
        (tmp_path / "store").mkdir()
        (tmp_path / "store" / RUNS).write_text("a,b\n1,2\n")
        with pytest.raises(InputError, match="columns"):
            harvest(results, tmp_path / "store")

    def test_a_file_is_no_store(self, tmp_path, results):
        (tmp_path / "runs.csv").touch()
        with pytest.raises(InputError, match=r"runs\.csv is a file; the store is a folder"):
            harvest(results, tmp_path / "runs.csv")
        with pytest.raises(InputError, match=r"runs\.csv is a file; the store is a folder"):
            harvest(results, tmp_path / "runs.csv" / "below" / "it")

    def test_a_folder_without_results_is_refused(self, tmp_path):
        with pytest.raises(InputError, match="no folder 'evaluation'"):
            harvest(tmp_path, tmp_path / "store")

    def test_a_store_whose_parts_name_no_place_is_added_to(self, tmp_path, results):
        for place, level in enumerate(("scene", "synchronised")):
            make_bands(results, [place], level=level)
            harvest(results, tmp_path / "store")
        content = contents(tmp_path / "store")
        runs = read(tmp_path / "store" / RUNS)
        assert set(runs["parts"]) == {"bands:lower_right:scene history", "bands:lower_right:synchronised history"}
        runs.assign(parts="bands history").to_csv(tmp_path / "store" / RUNS, index=False)
        harvest(results, tmp_path / "store")
        assert contents(tmp_path / "store") == content


class TestHalfFinished:
    def damage_weights(self, metrics, weights):
        weights.unlink()

    def damage_sidecar(self, metrics, weights):
        sidecar(weights).unlink()

    def damage_age(self, metrics, weights):
        write_provenance(read_provenance(weights) | {"started": 300.0}, weights)

    def damage_losses(self, metrics, weights):
        history = weights.with_name("history.csv")
        history.write_bytes(history.read_bytes()[:-8])

    def damage_state(self, metrics, weights):
        weights.with_name("state.pt").touch()

    def damage_metrics(self, metrics, weights):
        metrics.write_bytes(metrics.read_bytes()[:-8])

    def damage_values(self, metrics, weights):
        metrics.write_text(metrics.read_text().replace("14.0", "wrong"))

    def damage_identity(self, metrics, weights):
        metrics.write_text(metrics.read_text().replace("ptychonn", "ptynet"))

    @pytest.mark.parametrize(
        "damage", ["weights", "sidecar", "age", "losses", "state", "metrics", "values", "identity"]
    )
    def test_a_half_finished_run_is_skipped_and_named(self, tmp_path, results, damage):
        run = "clean/ptychonn/mse/n640/seed1"
        metrics = results / "evaluation" / run / "on_clean" / "metrics.csv"
        getattr(self, f"damage_{damage}")(metrics, results / "training" / run / "model.pt")
        found = harvest(results, tmp_path / "store")
        assert len(found.runs) == 7
        assert len(found.skipped) == 1
        assert found.skipped[0].startswith(f"{run}/on_clean")
        assert found.whole == {"clean": 1}
        assert len(read(tmp_path / "store" / SCORES)) == 7 * 3

    def test_it_does_not_take_away_what_was_there(self, tmp_path, results):
        harvest(results, tmp_path / "store")
        content = contents(tmp_path / "store")
        (results / "training/clean/ptychonn/mse/n640/seed1/model.pt").unlink()
        harvest(results, tmp_path / "store")
        assert contents(tmp_path / "store") == content


def make_bands(results, seeds=(0, 1), models=NETWORKS, shift=0.0, started=300.0, **headline):
    """Energy by band of a condition's scenes, as the workflow leaves it."""
    place = dict(dataset="clean", test="clean", loss="mse", n_train=640, channel="amplitude")
    rows = [
        place | dict(model=model, seed=seed, band=band, estimate=share + shift, truth=share)
        for model in models
        for seed in seeds
        for band, share in (("low", 0.98), ("mid", 0.015), ("high", 0.005))
    ]
    path = results / "evaluation" / "table1" / "bands.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows)[list(BAND_ENERGIES)].to_csv(path, index=False)
    write_provenance({"started": started, "configuration": {"headline": HERE | headline}}, path)
    return path


class TestBands:
    def test_bands_with_the_facts_of_their_training_and_their_scenes(self, tmp_path, results):
        make_bands(results)
        harvest(results, tmp_path / "store")
        assert tuple(read(tmp_path / "store" / BANDS).columns) == BAND_RUN_COLUMNS
        table = read_bands(tmp_path / "store")
        assert len(table) == 8 * 3
        row = table.query("model == 'ptychoformer' and seed == 1 and band == 'mid'").iloc[0]
        assert tuple(row[["block", "level", "estimate", "code_digest"]]) == (
            "lower_right",
            "scene",
            0.015,
            "0012345678e9",
        )

    def test_seed_by_seed_they_add_up_in_any_order(self, tmp_path, results):
        for name, order in (("one", (0, 1)), ("two", (1, 0))):
            for seed in order:
                make_bands(results, [seed])
                harvest(results, tmp_path / name)
        assert contents(tmp_path / "one") == contents(tmp_path / "two")
        assert len(read(tmp_path / "one" / BANDS)) == 8 * 3

    def test_made_anew_they_replace_those_of_the_same_runs(self, tmp_path, results):
        make_bands(results)
        harvest(results, tmp_path / "store")
        make_bands(results, [1], shift=0.001)
        harvest(results, tmp_path / "store")
        table = read(tmp_path / "store" / BANDS)
        assert set(table.query("seed == '1' and band == 'mid'")["estimate"]) == {"0.016"}
        assert set(table.query("seed == '0' and band == 'mid'")["estimate"]) == {"0.015"}

    def test_the_last_of_them_go_with_their_run(self, tmp_path, results):
        make_bands(results, [1], ["dpi"])
        harvest(results, tmp_path / "store")
        make_run(tmp_path / "again", "dpi", 1, training_seconds=99.0)
        harvest(tmp_path / "again", tmp_path / "store")
        assert not (tmp_path / "store" / BANDS).exists()

    def test_what_was_cut_short_is_put_right_by_the_next_harvest(self, tmp_path, results, monkeypatch):
        """Of a run that was trained anew nothing stays, at whichever file a harvest was killed."""
        make_bands(results, [1], ["dpi"])
        make_run(tmp_path / "again", "dpi", 1, training_seconds=99.0)
        write = files.write_csv
        for written in range(3):
            store = tmp_path / f"store{written}"
            harvest(results, store)
            left = [write] * written

            def killed(table, path, left=left):
                if not left:
                    raise KeyboardInterrupt
                left.pop()(table, path)

            monkeypatch.setattr(files, "write_csv", killed)
            with pytest.raises(KeyboardInterrupt):
                harvest(tmp_path / "again", store)
            monkeypatch.setattr(files, "write_csv", write)
            harvest(tmp_path / "again", store)
            assert not (store / BANDS).exists()
            assert read(store / RUNS).query("model == 'dpi' and seed == '1'")["seconds"].tolist() == ["99"]

    def test_without_bands_there_is_no_such_file(self, tmp_path, results):
        harvest(results, tmp_path / "store")
        assert not (tmp_path / "store" / BANDS).exists()

    def test_bands_of_runs_whose_scores_are_not_taken_are_skipped_and_named(self, tmp_path, results):
        """Of a training that the store knows or not, whether it has no scores yet or those of earlier weights."""
        harvest(results, tmp_path / "store")
        before = contents(tmp_path / "store")
        make_run(tmp_path / "again", "dpi", 1, training_seconds=99.0).unlink()
        make_run(tmp_path / "again", "dpi", 7).unlink()
        make_run(tmp_path / "again", "ptynet", 1, started=250.0)
        make_bands(tmp_path / "again", [1, 7], ["dpi"])
        for store in ("store", "new"):
            skipped = harvest(tmp_path / "again", tmp_path / store).skipped
            for seed in (1, 7):
                assert f"clean/clean/dpi/mse/640/{seed} in table1/bands.csv: its scores are not taken" in skipped
        make_bands(tmp_path / "again", [1], ["ptynet"])
        skipped = harvest(tmp_path / "again", tmp_path / "store").skipped
        assert "clean/clean/ptynet/mse/640/1 in table1/bands.csv: its scores are not taken" in skipped
        assert contents(tmp_path / "store") == before
        assert read_bands(tmp_path / "new") is None

    def test_bands_of_scenes_that_were_stitched_again_or_that_are_unknown_are_skipped_and_named(
        self, tmp_path, results
    ):
        path = make_bands(results, [0], ["dpi"], started=150.0)  # after the training, and before its scores
        skipped = harvest(results, tmp_path / "store").skipped
        assert skipped == ("clean/clean/dpi/mse/640/0 in table1/bands.csv: it was measured of earlier scenes",)
        sidecar(path).unlink()
        assert (
            harvest(results, tmp_path / "store").skipped[0].startswith("table1/bands.csv: its sidecar lacks something")
        )
        path.write_bytes(path.read_bytes()[:-12])
        assert "breaks off" in harvest(results, tmp_path / "store").skipped[0]
        assert not (tmp_path / "store" / BANDS).exists()


def test_a_network_named_na_is_harvested_and_read_as_a_network(tmp_path):
    make_run(tmp_path / "results", "NA")
    make_bands(tmp_path / "results", [0], ["NA"])
    found = harvest(tmp_path / "results", tmp_path / "store")
    assert [run[RUN.index("model")] for run in found.runs] == ["NA"]
    for table in (read_scores(tmp_path / "store"), read_bands(tmp_path / "store")):
        assert set(table["model"]) == {"NA"}


class TestCommand:
    def run(self, *arguments):
        command = [sys.executable, "-m", "ptychoformer.publication.harvest", *map(str, arguments)]
        return subprocess.run(
            command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(SOURCE)}, check=False
        )

    def test_it_tells_what_it_added(self, tmp_path, results):
        harvest(results, tmp_path / "store")
        make_run(results, "ptychonn", 2)
        done = self.run(results, tmp_path / "store")
        assert (done.returncode, done.stdout.strip()) == (0, "9 runs, 1 new, clean: 2 whole seeds")

    def test_help_and_one_sentence_errors(self, tmp_path):
        assert "folder of results" in self.run("--help").stdout
        failed = self.run(tmp_path / "nowhere", tmp_path / "store")
        assert failed.returncode == 1
        assert failed.stderr.startswith("Error: ")
        assert "Traceback" not in failed.stderr


def test_claims_are_judged_on_what_was_harvested(tmp_path):
    for seed, shift in enumerate((0.0, 0.3, -0.2, 0.1)):
        for place, model in enumerate(NETWORKS):
            make_run(
                tmp_path / "results",
                model,
                seed,
                psnr=13 + shift + 2 * (model == "ptychoformer") + 0.05 * place * (1 + seed),
            )
    harvest(tmp_path / "results", tmp_path / "store")
    judge(CLAIMS, {}, None, tmp_path / "store", **HERE, scales={}, output_csv=tmp_path / "claims.csv")
    row = pd.read_csv(tmp_path / "claims.csv").query("id == 'clean-amplitude-psnr' and source == 'reference'").iloc[0]
    assert (row["verdict"], row["n_seeds"], row["scale"]) == ("holds", 4, "640 patterns, 25 epochs")
