"""From a config to what jobs read and depend on, and to what is shown."""

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml
from snakemake.utils import update_config

from ptychoformer.drawn import PANELS_OF_FIG8, experiments_of_fig8, runs_of_fig9
from ptychoformer.errors import InputError
from ptychoformer.paths import EVALUATION, TRAINING
from ptychoformer.planning.figures import FIGURES, drawings
from ptychoformer.planning.inputs import Inputs, files_of_runs, files_of_store
from ptychoformer.planning.parameters import Parameters, meaning
from ptychoformer.planning.plan import Plan
from ptychoformer.training.options import TrainingOptions

ROOT = Path(__file__).resolve().parents[2]
STAR = "aps_siemens_star/siemens-star-small.npz.bz2"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """No file of the project's own folder is at hand."""
    monkeypatch.chdir(tmp_path)


def plan(*overlays, **changes):
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    for overlay in (*overlays, changes):
        update_config(config, overlay)  # as Snakemake merges them
    return Plan(config, ROOT)


def full_size(*overlays, **changes):
    """The plan of what the reference runs print."""
    paper = [yaml.safe_load((ROOT / f"config/{name}.yaml").read_text()) for name in ("paper", "full-size")]
    return plan(*paper, *overlays, **changes)


def keep_reference(folder, parts, **only):
    """The index of the project's reference runs without the large PtyNet, and with these parts of Table I's first condition,
    or of some of its runs, as all that is kept besides scores."""
    runs = pd.read_csv(ROOT / "resources/reference/runs.csv", dtype=str, keep_default_na=False)
    runs = runs[runs["model"] != "ptynet_large"].assign(parts="")
    first = dict(dataset=["clean"], test=["clean"], loss=["mse"], n_train=["2928"])
    chosen = np.logical_and.reduce([runs[name].isin(values) for name, values in (first | only).items()])
    runs.loc[chosen, "parts"] = parts
    runs.to_csv(folder / "runs.csv", index=False)


def job(**wildcards):
    return SimpleNamespace(**{name: str(value) for name, value in wildcards.items()})


class TestPlan:
    def test_measured_data_are_shown_when_their_scan_is_at_hand(self, tmp_path):
        without = plan()
        assert without.missing_scan() == STAR
        assert not {"measured", "fig5"} & {*without.shown, *without.shown_tables, *without.shown_figures}
        (tmp_path / STAR).parent.mkdir(parents=True)
        (tmp_path / STAR).touch()
        with_scan = plan(data_dir=str(tmp_path))
        assert with_scan.missing_scan() == ""
        assert with_scan.shown == list(with_scan.config["experiments"])
        assert with_scan.shown_figures == list(with_scan.contents.figures)

    def test_of_which_sizes_a_claim_on_all_of_them_is(self):
        """Those of the config, also where a store lacks some; of the reference runs, those of the paper's size."""
        local, paper = plan(), [50, 100, 200, 500, 1000, 2000]
        assert local.sizes_asked["sizes"] == {"clean": [50, 192, 400]}
        assert local.sizes_asked_of_reference["sizes"] == [*paper, "all"]
        harvested = full_size()
        assert set(harvested.experiments.sizes("sizes", "clean")) <= set(harvested.sizes_asked["sizes"]["clean"])
        assert harvested.sizes_asked["sizes"] == {"clean": [*paper, 2928]}
        assert harvested.sizes_asked_of_reference == {}

    def test_a_config_that_is_wrong_is_one_sentence(self):
        with pytest.raises(InputError, match=r"^seeds: 'one' is not allowed; it must be a list of different integers"):
            plan(seeds="one")

    def test_the_config_is_completed_in_place(self):
        config = yaml.safe_load((ROOT / "config.yaml").read_text())
        assert Plan(config, ROOT).config is config
        assert config["stitching"]["positions"] == "recorded"

    def test_claims_are_judged_on_the_reference_runs_of_the_project_too(self):
        assert plan().reference() == str(ROOT / "resources/reference")
        assert plan().harvest_note() == ""

    def test_what_is_printed_from_a_store_shows_what_it_holds_whole(self):
        made = full_size()
        assert made.reference() == ""
        assert made.missing_scan() == ""
        assert set(made.shown) == set(made.holdings.parts)
        note = made.harvest_note()
        assert note.startswith(f"Printed from the reference runs in {ROOT / 'resources/reference'}; ")
        shown = experiments_of_fig8(made.experiments)
        # Of a panel that is shown, sizes may be left out.
        left_out = [name for name, panels in PANELS_OF_FIG8.items() if re.search(rf"{re.escape(panels)}(?!:)", note)]
        assert [name for name in PANELS_OF_FIG8 if name not in left_out] == shown
        assert [name for name in drawings(Inputs(made))["fig8"].input if name in PANELS_OF_FIG8] == shown
        told = [what for part in made.holdings.parts.values() for what in part.absent]
        assert all(what.rpartition(" ")[-1] in note for what in told)

    def test_a_page_rests_on_the_runs_of_verdicts_too(self, tmp_path):
        """A loss with one seed alone is in no table, which compares losses seed by seed, but in verdicts."""
        keep_reference(tmp_path, "")
        runs = pd.read_csv(tmp_path / "runs.csv", dtype=str, keep_default_na=False)
        runs[(runs["loss"] != "mae") | (runs["seed"] == "0")].to_csv(tmp_path / "runs.csv", index=False)
        made = full_size(harvested=str(tmp_path))
        table4 = [(run["loss"], run["seed"]) for run in made.holdings.runs["table4"]]
        assert set(table4) > {(run["loss"], run["seed"]) for run in made.experiments.runs("table4")}
        page = {tuple(run.values()) for run in made.runs_of_page()}
        assert page == {tuple(run.values()) for name in made.shown for run in made.holdings.runs[name]}
        assert len(page) == len(made.runs_of_page())
        assert plan().runs_of_page() == plan().experiments.all_runs(plan().shown)

    def test_bands_of_a_store_are_of_the_seeds_that_it_has_of_all_networks_shown(self, tmp_path):
        """The store has ten seeds of Table I, and bands of three of them; of the large PtyNet neither."""
        keep_reference(tmp_path, "bands:lower_right:scene history spectra:lower_right:scene", seed=["0", "1", "2"])
        made = full_size(harvested=str(tmp_path))
        assert "fig9" in made.shown_figures
        assert "Figure 9" not in made.harvest_note()
        assert Inputs(made).bands() == ["<results>/evaluation/table1/bands.csv"]
        networks = ["ptychonn", "ptynet", "dpi", "ptychoformer"]
        found = [(run["model"], run["seed"]) for run in runs_of_fig9(made.experiments)]
        assert found == [(model, seed) for model in networks for seed in (0, 1, 2)]
        assert len(made.experiments.runs("table1", dataset="clean")) == 10 * len(networks)
        assert "with the 3 seeds" in made.listed()["fig9"].caption
        assert "Interim" in made.listed()["fig9"].caption
        keep_reference(
            tmp_path,
            "bands:lower_right:scene history spectra:lower_right:scene",
            seed=["0", "1", "2"],
            model=["ptychonn", "dpi"],
        )
        without = full_size(harvested=str(tmp_path))
        assert "fig9" not in without.shown_figures
        assert "Figure 9" in without.harvest_note()
        assert (Inputs(without).bands(), "fig9" in without.figure_notes) == ([], False)

    @pytest.mark.parametrize(
        "headline", [{"evaluation": {"block": "lower_left"}}, {"stitching": {"phase": "synchronised"}}]
    )
    def test_for_a_headline_of_whose_scenes_a_store_keeps_nothing_figures_are_left_out_and_tables_printed(
        self, tmp_path, headline
    ):
        keep_reference(tmp_path, "bands:lower_right:scene history spectra:lower_right:scene views:lower_right:scene")
        as_kept, other = full_size(harvested=str(tmp_path)), full_size(headline, harvested=str(tmp_path))
        assert {"fig4", "fig9"} <= set(as_kept.shown_figures)
        assert not {"fig4", "fig9"} & set(other.shown_figures)
        assert "Figure 4, Figure 9" in other.harvest_note()
        assert "Figure 8 (a) to (c)" in other.harvest_note()
        assert other.shown_tables == as_kept.shown_tables
        assert Inputs(other).bands() == []

    def test_a_store_without_a_whole_run_prints_nothing(self, tmp_path):
        (tmp_path / "runs.csv").write_text((ROOT / "resources/reference/runs.csv").read_text().splitlines()[0] + "\n")
        with pytest.raises(InputError, match=r"^harvested: .* holds no whole seed of any experiment"):
            plan(harvested=str(tmp_path))


class TestInputs:
    def test_a_simulated_dataset_has_a_file_a_seed_and_a_measured_one_one_for_all(self):
        inputs = Inputs(plan())
        assert inputs.datasets("clean") == [
            f"<results>/simulation/datasets/clean/seed{seed}.cxi" for seed in inputs.config["seeds"]
        ]
        assert set(inputs.datasets("measured")) == {"<results>/measurement/datasets/measured.cxi"}
        assert inputs.object("clean") == "<results>/simulation/objects/permalloy.h5"
        assert inputs.object("measured") == "<results>/measurement/objects/measured.h5"

    def test_a_run_on_another_dataset_reads_both_and_the_objects_of_both(self):
        assert Inputs(plan()).scans_of_run(job(dataset="straight", test="curved", seed=1)) == {
            "dataset": "<results>/simulation/datasets/straight/seed1.cxi",
            "object": "<results>/simulation/objects/straight.h5",
            "test": "<results>/simulation/datasets/curved/seed1.cxi",
            "object_of_test": "<results>/simulation/objects/curved.h5",
        }

    def test_of_all_seeds_leaves_other_wildcards(self):
        assert Inputs(plan(seeds=[3, 5])).of_all_seeds("{dataset}/seed{seed}") == ["{dataset}/seed3", "{dataset}/seed5"]

    def test_labels_come_from_a_reconstruction_unless_they_were_published(self):
        inputs = Inputs(plan())
        wildcards = job(dataset="measured")
        assert inputs.reconstruction_of_scan(wildcards) == "<results>/measurement/reconstructions/measured.h5"
        inputs.config["datasets"]["measured"]["labels"] = {"file": "labels.npy"}
        assert inputs.reconstruction_of_scan(wildcards) == []

    def test_an_experiment_has_the_scores_of_all_its_runs_and_references(self):
        inputs = Inputs(plan())
        found = inputs.metrics(job(experiment="table3"))
        runs = inputs.experiments.runs("table3") + inputs.experiments.references("table3")
        assert found == [f"<results>/{EVALUATION.format(**run)}/metrics.csv" for run in runs]

    def test_runs_that_share_a_file_name_it_once(self):
        runs = Inputs(plan()).experiments.runs("table1")
        assert len(files_of_runs(f"{TRAINING}/model.pt", runs * 2)) == len(runs)
        assert files_of_runs("{dataset}.cxi", runs) == ["<results>/clean.cxi", "<results>/noisy.cxi"]

    def test_a_store_is_its_tables_and_without_one_nothing(self, tmp_path):
        for name in ("runs.csv", "scores.csv.gz", "views.h5"):
            (tmp_path / name).touch()
        assert files_of_store(str(tmp_path)) == [str(tmp_path / name) for name in ("runs.csv", "scores.csv.gz")]
        assert files_of_store("") == []


class TestParameters:
    def test_a_label_changes_no_training(self):
        parameters, relabelled = Parameters(plan()), Parameters(plan())
        wildcards = job(dataset="clean", model="dpi", loss="huber")
        relabelled.config["models"]["dpi"]["label"] = relabelled.config["losses"]["huber"]["label"] = "Another"
        for part in (Parameters.network, Parameters.loss, Parameters.training, Parameters.training_code):
            assert part(parameters, wildcards) == part(relabelled, wildcards)
            assert "Another" not in str(part(relabelled, wildcards))

    def test_a_training_is_told_its_options_and_the_epochs_of_its_dataset(self):
        parameters = Parameters(plan())
        assert TrainingOptions(**parameters.training(job(dataset="clean"))).epochs == 10
        assert TrainingOptions(**parameters.training(job(dataset="measured"))).epochs == 30

    def test_another_loss_or_network_is_another_code(self):
        parameters = Parameters(plan())
        runs = [("dpi", "mse"), ("dpi", "huber"), ("ptynet", "mse")]
        assert len({parameters.training_code(job(model=model, loss=loss)) for model, loss in runs}) == 3

    def test_positions_are_refined_where_the_stage_was_jittery(self):
        parameters = Parameters(plan())
        exact = parameters.simulated_reconstruction(job(dataset="clean"))
        assert (exact["probe_from"], exact["positions_from"]) == (None, None)
        parameters.config["datasets"]["clean"]["scan"]["jitter"] = 2
        jittery = parameters.simulated_reconstruction(job(dataset="clean"))
        assert (jittery["probe_from"], jittery["positions_from"]) == (None, 3)

    def test_where_files_lie_changes_no_object_and_which_is_which_does(self, tmp_path):
        def told(folder, amplitude, phase):
            (tmp_path / folder).mkdir(exist_ok=True)
            for name in ("a.tiff", "b.tiff"):
                (tmp_path / folder / name).write_text(name)
            entry = dict(kind="tiff", shape=[128, 128], amplitude=dict(file=amplitude), phase=dict(file=phase))
            made = plan(data_dir=str(tmp_path / folder), objects=dict(mine=entry))
            return Parameters(made).object(job(object="mine"))

        assert told("here", "a.tiff", "b.tiff") == told("there", "a.tiff", "b.tiff")
        assert told("here", "a.tiff", "b.tiff") != told("here", "b.tiff", "a.tiff")

    def test_scan_and_labels_of_a_measured_dataset_are_told_apart(self, tmp_path):
        def told(scan, labels):
            for name in ("a.npy", "b.npy"):
                (tmp_path / name).write_text(name)
            measured = dict(scan=dict(file=scan), labels=dict(file=labels), format="nanoprobe")
            source = dict(url=None, sha256=None)
            made = plan(data_dir=str(tmp_path), datasets=dict(measured=measured | dict(scan=dict(file=scan) | source)))
            return Parameters(made).files_of_scan(job(dataset="measured"))

        assert told("a.npy", "b.npy") != told("b.npy", "a.npy")

    def test_patterns_are_as_wide_as_the_probe_or_as_crop_and_bin_leave_them(self):
        parameters = Parameters(plan())
        patterns = parameters.config["datasets"]["measured"]["patterns"]
        assert parameters.window("clean") == [parameters.config["probes"]["zone_plate"]["size"]] * 2
        assert parameters.window("measured") == [patterns["crop"] // patterns["bin"]] * 2


class TestMeaning:
    @pytest.mark.parametrize(
        ("one", "other"),
        [
            (dict(epochs=1, rate=0.5), dict(rate=0.5, epochs=1)),
            (dict(a=dict(x=1, y=2)), dict(a=dict(y=2.0, x=1.0))),
            ([1, (2, 3)], [1.0, [2, 3]]),
            (5e4, 50000),
        ],
    )
    def test_order_of_keys_and_a_point_are_no_meaning(self, one, other):
        assert meaning(repr(one)) == meaning(repr(other))

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ([1, 2], [2, 1]),
            (1, True),
            (1, "1"),
            (0.1, 0.2),
            (dict(a=None), {}),
            (dict(a=1, b=2), dict(a=2, b=1)),
            ("0.50", "0.5"),
            ("code a", "code b"),
        ],
    )
    def test_all_else_is(self, one, other):
        assert meaning(repr(one)) != meaning(repr(other))

    def test_what_is_no_literal_is_as_it_is_written(self):
        assert meaning("<object at 1>") == "<object at 1>"
        assert meaning(repr(float("inf"))) == "inf"


class TestFigures:
    def test_every_figure_of_the_paper_is_drawn_of_files_of_results_or_the_papers_own(self):
        made = plan()
        found = drawings(Inputs(made))
        assert list(found) == list(made.contents.figures) == [figure.__name__ for figure in FIGURES]
        for drawing in found.values():
            files = [file for part in drawing.input.values() for file in ([part] if isinstance(part, str) else part)]
            assert files
            assert all(file.startswith(("<results>/", made.published(""))) for file in files)

    def test_a_figure_that_only_one_of_both_lists_has_is_named(self):
        made = plan()
        made.contents.figures["fig99"] = made.contents.figures["fig1"]
        with pytest.raises(InputError, match=r"^Figure fig99 must stand in resources/published/contents\.yaml and in "):
            drawings(Inputs(made))

    def test_a_figure_shows_as_many_scenes_as_networks(self):
        inputs = Inputs(plan())
        found = drawings(inputs)
        assert len(found["fig4"].input["scenes"]) == len(inputs.experiments.networks("table1")) + 1  # and ePIE
        assert len(found["fig8"].input["scenes"]) == 2 * len(inputs.experiments.networks("sizes"))
        assert "views" not in found["fig4"].input
