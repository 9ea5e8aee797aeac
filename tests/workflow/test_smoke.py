"""The whole workflow, run once; then what a user does next."""

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from ptychoformer.evaluation import REFERENCES
from ptychoformer.evaluation.quantities import QUANTITIES
from ptychoformer.measurement.cxi import create_dataset
from ptychoformer.measurement.windows import windows
from ptychoformer.training.checkpoint import load_checkpoint

from .conftest import jobs_in

ROOT = Path(__file__).resolve().parents[2]
SMOKE = ("--configfile", "config/smoke.yaml")
HOWS = ("smoke", "together")
TABLES = [f"table{number}" for number in range(1, 6)]
FIGURES = [f"fig{number}" for number in (1, 2, 3, 4, 6, 7, 8, 9, 10)]
MEASURED = """
data_dir: data
datasets:
  measured:
    label: Mine
    scan: {file: mine.cxi, url: null, sha256: null}
    patterns: {crop: 32, bin: 1}
    reconstruction: {iterations: 12, averaged: 3, positions_from: null}
"""


class Page(HTMLParser):
    """Text, images and links of a page."""

    def __init__(self):
        super().__init__()
        self.text, self.images, self.addresses = [], [], []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.images += [attrs["src"]] if tag == "img" else []
        self.addresses += [attrs[name] for name in ("src", "href") if attrs.get(name)]

    def handle_data(self, data):
        self.text.append(data)


def test_every_output_exists(finished_project):
    results = finished_project.folder / "results/smoke"
    tables = [f"publication/tables/{table}.{suffix}" for table in TABLES for suffix in ("csv", "md", "tex")]
    figures = [f"publication/figures/{figure}.{suffix}" for figure in FIGURES for suffix in ("pdf", "png")]
    for name in [*tables, *figures, "publication/claims.csv", "report.html", "reproduction.pdf", "reproduction.typ"]:
        assert (results / name).stat().st_size, name


@pytest.mark.slow
def test_snakemakes_own_report_shows_tables_figures_and_claims_with_our_captions(finished_project):
    finished = finished_project.snakemake(*SMOKE, "--report", "own.html")
    assert finished.returncode == 0, finished.stdout
    page = (finished_project.folder / "own.html").read_text()
    contents = yaml.safe_load((finished_project.folder / "resources/published/contents.yaml").read_text())
    for figure in FIGURES:
        assert f"figures/{figure}.png" in page
        assert json.dumps(contents["figures"][figure]["title"]) in page
    assert all(f"tables/{table}.csv" in page for table in TABLES)
    assert "<strong>a</strong>, One simulated pattern and the mean over many" in page  # a caption, as HTML
    assert "Its numbers mean nothing" in page
    assert not re.search(r'(?:src|href)="https?:', page)


@pytest.mark.parametrize("table", TABLES)
def test_tables_hold_finite_numbers_of_every_network(finished_project, table):
    frame = pd.read_csv(finished_project.folder / f"results/smoke/publication/tables/{table}.csv")
    networks = frame[~frame.method.isin(REFERENCES)]
    assert networks.ours_mean.map(lambda value: abs(value) < float("inf")).all()
    assert networks.published_mean.notna().any()
    assert (networks.n_seeds == 2).all()


def test_every_claim_has_a_verdict_and_two_seeds_of_one_epoch_prove_little(finished_project):
    claims = pd.read_csv(finished_project.folder / "results/smoke/publication/claims.csv")
    local = claims[claims.source == "local"]
    assert len(local) == len(
        yaml.safe_load((finished_project.folder / "resources/published/claims.yaml").read_text())["claims"]
    )
    assert set(claims.verdict) <= {"holds", "does not hold", "undecided"}
    assert (local.verdict == "undecided").mean() > 0.5
    judged = local[local.n_seeds == 2]
    assert judged.scale.str.contains("24 patterns").all()
    assert len(judged) >= 35


def test_metrics_are_complete_and_finite(finished_project):
    results = finished_project.folder / "results/smoke"
    metrics = pd.read_csv(results / "evaluation/table1/metrics.csv")
    networks = sum(path.is_dir() for path in (results / "training/noisy").iterdir())  # which Table I alone trains on
    keys = ["dataset", "model", "seed", "block", "region", "level", "channel", "metric"]
    # Conditions, networks and references, seeds; blocks; scene, synchronised and pattern by region, channel and metric; the
    # release's metrics of amplitude and phase.
    released = sum(quantity.released for quantity in QUANTITIES.values())
    of_one = 3 * (3 * 2 * 3 * len(QUANTITIES) + 2 * released)
    assert len(metrics) == 2 * (networks + len(REFERENCES)) * 2 * of_one
    assert not metrics.duplicated(keys).any()
    assert metrics[~metrics.model.isin(REFERENCES)].value.map(lambda value: abs(value) < float("inf")).all()


def test_the_report_opens_and_is_self_contained(finished_project):
    page = Page()
    page.feed((finished_project.folder / "results/smoke/report.html").read_text())
    text = " ".join(page.text)
    for word in (
        "Ptychoformer",
        "PtychoNN",
        "PtyNet",
        "DPI",
        "floor",
        "ceiling",
        "ePIE",
        "14.42",
        "Skipped: the measured scan",
    ):
        assert word in text
    assert page.images
    for image in page.images:
        kind, data = re.fullmatch(r"data:image/(png|svg\+xml);base64,(.+)", image, re.DOTALL).groups()
        content = base64.b64decode(data)
        assert (
            matplotlib.image.imread(BytesIO(content)).size
            if kind == "png"
            else ElementTree.fromstring(content).tag.endswith("svg")
        )
    assert not [address for address in page.addresses if address.startswith(("http", "//"))]


@pytest.fixture
def printed(finished_project, project):
    """A function that prints targets in a fresh project from what the smoke run's own results keep; returns the new results and
    what Snakemake said."""
    harvest = [
        sys.executable,
        "-m",
        "ptychoformer.publication.harvest",
        finished_project.folder / "results/smoke",
        "kept",
    ]
    environment = os.environ | {"PYTHONPATH": "src"}
    overlays = ("--config", "config.yaml", "config/smoke.yaml")
    subprocess.run([*harvest, *overlays], cwd=project.folder, env=environment, check=True)
    (project.folder / "kept.yaml").write_text("pathvars: {results: results/kept}\nharvested: kept\n")

    def make(*targets):
        finished = project.snakemake(*targets, "--configfile", "config/smoke.yaml", "kept.yaml", cold=True)
        assert finished.returncode == 0, finished.stdout
        assert not (project.folder / "results/kept/training").exists()
        return project.folder / "results/kept", finished.stdout

    return make


def test_what_was_harvested_prints_the_same_table_without_training(finished_project, printed):
    results, _ = printed("table1")
    table = Path("publication/tables/table1.csv")
    assert (results / table).read_bytes() == (finished_project.folder / "results/smoke" / table).read_bytes()
    assert "Interim" in (results / table).with_suffix(".md").read_text()


@pytest.mark.slow
def test_what_was_harvested_prints_the_same_tables_without_training(finished_project, printed):
    results, said = printed()
    assert re.search(r"The report is results/kept/report\.html; it took \d+ min \d+ s\.", said)
    assert "Reason:" not in said
    made = finished_project.folder / "results/smoke"
    for name in TABLES:
        table = Path("publication/tables", f"{name}.csv")
        assert (results / table).read_bytes() == (made / table).read_bytes()
        assert "Interim" in (results / table).with_suffix(".md").read_text()
    figure = Path("publication/figures/fig9.png")
    assert (results / figure).read_bytes() == (made / figure).read_bytes()
    assert not (results / "publication/figures/fig10.png").exists()  # of one weight between the ends, which is no curve
    for name in ("fig4", "fig8"):
        first, second = (
            matplotlib.image.imread(folder / f"publication/figures/{name}.png") for folder in (results, made)
        )
        assert np.abs(first - second).mean() < 1e-3
    # Training curves of Table I alone, though a store keeps those of other losses and sizes too.
    pages = ((folder / "report.html").read_text() for folder in (results, made))
    ours, theirs = (re.search(r'<img src="([^"]+)"[^>]+alt="Validation loss', page)[1] for page in pages)
    assert ours == theirs
    ours, theirs = (
        pd.read_csv(folder / "publication/claims.csv").query("source == 'local'") for folder in (results, made)
    )
    assert ours["verdict"].tolist() == theirs["verdict"].tolist()
    assert ours.loc[ours["n_seeds"] > 0, "interim"].all()
    assert "nothing was trained here" in (results / "report.html").read_text()
    assert "nothing was trained here" in (results / "reproduction.typ").read_text()


def test_every_artefact_has_its_provenance(finished_project):
    results = finished_project.folder / "results/smoke"
    artefacts = [
        path
        for path in results.rglob("*")
        if path.suffix in {".h5", ".cxi", ".pt", ".csv", ".pdf", ".png", ".html", ".md", ".tex", ".typ"}
    ]
    assert len(artefacts) > 100
    without = [str(path) for path in artefacts if not path.with_name(f"{path.name}.provenance.json").exists()]
    assert not without


def test_nothing_is_left_half_written(finished_project):
    results = finished_project.folder / "results/smoke"
    assert not list(results.rglob(".*"))
    assert not list(results.rglob("state.pt"))


def test_a_second_run_has_nothing_to_do(finished_project):
    assert finished_project.planned(*SMOKE) == {}


def test_a_figure_alone_is_drawn_again_when_its_module_changes(finished_project, tmp_path):
    project = finished_project.copy(tmp_path / "copy")
    module = project.folder / "src/ptychoformer/publication/figures/fig4.py"
    module.write_text(module.read_text() + "\n\nUNUSED = 1\n")
    assert project.planned("fig4", *SMOKE) == {"fig4": 1}
    assert project.planned(*SMOKE) == {"fig4": 1, "report": 1, "reproduction": 1, "all": 1}  # these show the figure


@pytest.fixture
def another_headline(finished_project, tmp_path):
    """The finished project, and the arguments that make another block's other scenes its headline."""
    project = finished_project.copy(tmp_path / "copy")
    (project.folder / "config/other.yaml").write_text("evaluation: {block: strip}\nstitching: {phase: synchronised}\n")
    return project, (*SMOKE, "config/other.yaml")


def test_another_headline_prints_other_parts_of_the_same_numbers(another_headline):
    project, other = another_headline
    jobs = project.planned(*other)
    assert not {"train", "predict", "reference", "score", "collect", "statistics"} & set(jobs)
    assert {"table1", "fig4", "fig7", "fig8", "fig10", "spectra", "claims", "report"} <= set(jobs)
    finished = project.snakemake("table1", *other)
    assert finished.returncode == 0, finished.stdout
    table = pd.read_csv(project.folder / "results/smoke/publication/tables/table1.csv")
    assert tuple(table.loc[0, ["block", "region", "level"]]) == ("strip", "whole", "synchronised")
    # The paper's values stand beside plain scenes of its own block, of which this table has none.
    assert table["published_mean"].isna().all()


@pytest.mark.slow
def test_figures_and_claims_of_another_headline_are_made(another_headline):
    project, other = another_headline
    finished = project.snakemake("fig4", "fig7", "fig8", "claims", *other)
    assert finished.returncode == 0, finished.stdout


def test_patches_stitched_where_they_really_were_are_stitched_anew_and_not_trained(finished_project, tmp_path):
    project = finished_project.copy(tmp_path / "copy")
    (project.folder / "config/other.yaml").write_text("stitching: {positions: true}\n")
    jobs = project.planned(*SMOKE, "config/other.yaml")
    assert "train" not in jobs
    assert jobs["score"] > 80
    run = "results/smoke/evaluation/noisy/ceiling/none/n24/seed0/on_noisy/metrics.csv"
    finished = project.snakemake(run, *SMOKE, "config/other.yaml", cold=True)
    assert finished.returncode == 0, finished.stdout
    scores = pd.read_csv(project.folder / run).query("metric == 'mse' and level == 'scene'")
    assert (scores["value"] < 1e-9).all()  # true labels where they belong


def test_another_way_to_score_trains_and_predicts_nothing(finished_project, tmp_path):
    project = finished_project.copy(tmp_path / "copy")
    module = project.folder / "src/ptychoformer/evaluation/scores.py"
    module.write_text(module.read_text() + "\n\nUNUSED = 1\n")
    jobs = project.planned(*SMOKE)
    assert jobs["score"] > 80
    assert not {"train", "predict", "reference", "many_pattern_reference", "dataset", "object"} & set(jobs)


@pytest.mark.slow
def test_figures_that_were_deleted_are_drawn_again_without_torch(finished_project, tmp_path):
    project = finished_project.copy(tmp_path / "copy")
    for figure in FIGURES:
        (project.folder / f"results/smoke/publication/figures/{figure}.pdf").unlink()
    assert project.planned(*FIGURES, *SMOKE) == dict.fromkeys(FIGURES, 1)
    blocker = tmp_path / "blocker/torch"
    blocker.mkdir(parents=True)
    (blocker / "__init__.py").write_text("raise ImportError('no figure needs torch')\n")
    environment = project.environment() | {"PYTHONPATH": str(blocker.parent)}
    command = project.command(*FIGURES, *SMOKE)
    finished = subprocess.run(
        command, cwd=project.folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert finished.returncode == 0, finished.stdout
    for figure in FIGURES:
        name = f"results/smoke/publication/figures/{figure}.pdf"
        assert (project.folder / name).read_bytes() == (finished_project.folder / name).read_bytes(), figure


def follow(recipe, project):
    """Do in a project what docs/extending.md says under a heading; returns the files that are new and those that were edited."""
    section = (ROOT / "docs/extending.md").read_text().split(f"\n## {recipe}\n")[1].split("\n## ")[0]
    new, edited, path = [], [], None
    for named, kind, block in re.findall(r"^`([\w/.]+)`$|^```(\w+)\n(.*?)^```$", section, re.MULTILINE | re.DOTALL):
        path = named or path
        if kind == "python":
            assert not (project.folder / path).exists()
            (project.folder / path).write_text(block)
            new.append(path)
        elif kind == "diff":
            old, fresh = (
                "".join(line[1:] for line in block.splitlines(keepends=True) if line[0] in signs)
                for signs in (" -", " +")
            )
            project.edit(path, old, fresh)
            edited.append(path)
    return new, edited


def test_a_figure_is_two_files_and_two_entries_and_nothing_else_is_made_anew(finished_project, tmp_path):
    project = finished_project.copy(tmp_path / "copy")
    new, edited = follow("A figure", project)
    assert new == ["src/ptychoformer/publication/figures/fig11.py", "workflow/scripts/fig11.py"]
    assert edited == ["src/ptychoformer/planning/figures.py", "resources/published/contents.yaml"]
    assert project.planned(*SMOKE) == {"all": 1, "fig11": 1, "report": 1, "reproduction": 1}
    project.edit("workflow/scripts/fig2.py", "with job(snakemake):", "number = 2\nwith job(snakemake):")
    assert project.planned("fig1", "fig2", *SMOKE) == {"fig2": 1}
    project.edit("resources/published/contents.yaml", "  fig11:\n", "  fig12:\n")
    assert (
        "Figure fig11 must stand in resources/published/contents.yaml and in FIGURES"
        in project.snakemake("-n", *SMOKE).stdout
    )


def add_one_of_each(project):
    """Add what docs/extending.md does beside a network: a loss, a table and a figure."""
    new, edited = follow("A loss", project)
    assert new == ["src/ptychoformer/training/losses/charbonnier.py"]
    assert set(edited) == {"config.yaml", "config/smoke.yaml"}
    new, edited = follow("A table", project)
    assert new == []
    assert set(edited) == {"resources/published/contents.yaml", "config.yaml", "config/smoke.yaml", "config/paper.yaml"}
    follow("A figure", project)


def test_a_network_a_loss_a_figure_and_a_table_more_train_what_they_lack_and_no_more(finished_project, tmp_path):
    project = finished_project.copy(tmp_path / "copy")
    assert follow("A network", project) == (["src/ptychoformer/models/toy.py"], ["config.yaml"])
    conditions, straight, losses = 2, 1, 2  # Tables III and V share their run with I, and so does the first loss
    assert project.planned(*TABLES, *SMOKE)["train"] == 2 * (conditions + straight + losses)
    add_one_of_each(project)
    told = project.told(*SMOKE)
    assert {"table4", "table6", "fig11"} <= set(jobs_in(told))
    trainings = re.findall(r"Training (\w+) on 24 patterns of (\w+) \((\w+)\), seed 1", told)
    assert {run for run in trainings if "toy" not in run and "charbonnier" not in run} == {
        ("without_nlb", "noisy", "mse")  # Table VI's alone
    }
    assert {("toy", "noisy", "mse"), ("toy", "clean", "charbonnier")} < set(trainings)
    finished = project.snakemake("table6", "--config", "seeds=[0]", *SMOKE)
    assert finished.returncode == 0, finished.stdout
    frame = pd.read_csv(project.folder / "results/smoke/publication/tables/table6.csv")
    assert frame[frame.method == "toy"].ours_mean.notna().all()
    assert {"without_nlb", "ptychoformer", "toy", "floor", "ceiling"} <= set(frame.method)
    assert frame.published_mean.isna().all()
    project.edit("config.yaml", "kind: charbonnier}", "kind: charbonnier, epsilon: 0}")
    assert (
        "losses.charbonnier.epsilon: 0 is not allowed; it must be a number, greater than 0."
        in project.snakemake("-n", *SMOKE).stdout
    )


@pytest.mark.slow
def test_a_network_a_loss_a_figure_and_a_table_more_are_in_all_that_is_printed(finished_project, tmp_path):
    project = finished_project.copy(tmp_path / "copy")
    follow("A network", project)
    add_one_of_each(project)
    finished = project.snakemake(*SMOKE)
    assert finished.returncode == 0, finished.stdout
    tables = project.folder / "results/smoke/publication/tables"
    frames = {name: pd.read_csv(tables / f"{name}.csv") for name in (*TABLES, "table6")}
    for name, frame in frames.items():
        assert "Toy" in (tables / f"{name}.md").read_text(), name
        rows = frame[(frame.condition if name == "table4" else frame.method) == "toy"]
        assert rows.ours_mean.notna().all()
        assert len(rows)
    assert frames["table4"][frames["table4"].method == "charbonnier"].ours_mean.notna().all()
    assert {"without_nlb", "ptychoformer", "toy", "floor", "ceiling"} <= set(frames["table6"].method)
    assert frames["table6"].published_mean.isna().all()
    page = (project.folder / "results/smoke/report.html").read_text()
    assert "Table VI: The ablation under noise" in page
    assert "a point for every run of Table I" in page


@pytest.mark.slow
def test_a_metric_is_two_files_and_an_entry_and_nothing_is_trained_for_it(finished_project, tmp_path):
    project = finished_project.copy(tmp_path / "copy")
    new, edited = follow("A metric", project)
    assert new == []
    assert [path for path in edited if path.startswith("src/")] == [
        f"src/ptychoformer/evaluation/{name}.py" for name in ("scores", "quantities")
    ]
    planned = project.planned("table1", *SMOKE)
    assert not {"train", "predict", "reference", "dataset"} & set(planned)
    finished = project.snakemake("table1", *SMOKE)
    assert finished.returncode == 0, finished.stdout
    frame = pd.read_csv(project.folder / "results/smoke/publication/tables/table1.csv")
    shown = frame[frame.metric == "mae"]
    assert set(shown.channel) == {"amplitude", "phase", "relative_phase"}
    assert "released" not in set(shown.level)
    networks = shown[shown.method.isin(["dpi", "ptychonn"])]
    roots = frame[(frame.metric == "mse") & frame.method.isin(networks.method) & (frame.level != "released")]
    assert (
        networks[networks.channel != "relative_phase"].ours_mean.to_numpy()
        <= np.sqrt(roots.ours_mean.to_numpy()) + 1e-9
    ).all()


def test_seeds_in_one_job_have_the_weights_and_metrics_of_seeds_in_jobs_of_their_own(finished_project, tmp_path):
    project = finished_project.copy(tmp_path / "copy")
    (project.folder / "together.yaml").write_text(
        "pathvars: {results: results/together}\ntraining: {seeds_together: true}\n"
    )
    run = "clean/dpi/mse/n24/seed{seed}"
    metrics = [f"results/together/evaluation/{run}/on_clean/metrics.csv".format(seed=seed) for seed in (0, 1)]
    finished = project.snakemake(*metrics, *SMOKE, "together.yaml", cold=True)
    assert finished.returncode == 0, finished.stdout
    for seed, path in enumerate(metrics):
        apart = project.folder / path.replace("together", "smoke")
        assert (project.folder / path).read_bytes() == apart.read_bytes()
        weights = [
            load_checkpoint(project.folder / f"results/{how}/training" / run.format(seed=seed) / "model.pt").weights
            for how in HOWS
        ]
        assert all(torch.equal(one, weights[1][name]) for name, one in weights[0].items())
        provenance = [
            json.loads(
                (
                    project.folder / f"results/{how}/training" / run.format(seed=seed) / "model.pt.provenance.json"
                ).read_text()
            )
            for how in HOWS
        ]
        assert provenance[0]["configuration_digest"] == provenance[1]["configuration_digest"]
    assert not list((project.folder / "results/together").rglob("state.pt"))


def test_a_measured_scan_is_reconstructed_trained_on_and_drawn(finished_project, tmp_path):
    project = finished_project.copy(tmp_path / "copy")
    write_measured_scan(project.folder / "data/mine.cxi")
    (project.folder / "mine.yaml").write_text(MEASURED)
    finished = project.snakemake("fig5", "measured", "--configfile", "config/smoke.yaml", "mine.yaml")
    assert finished.returncode == 0, finished.stdout
    results = project.folder / "results/smoke"
    for suffix in ("pdf", "png"):
        assert (results / f"publication/figures/fig5.{suffix}").stat().st_size
    table = pd.read_csv(results / "publication/tables/measured.csv")
    assert {"ptychonn", "ptychoformer", "floor", "ceiling", "one_pattern"} == set(table.method)
    assert (
        table[~table.method.isin(["ceiling", "one_pattern"])]
        .ours_mean.map(lambda value: abs(value) < float("inf"))
        .all()
    )
    convergence = pd.read_csv(results / "measurement/reconstructions/measured.csv")
    assert convergence.r_factor.iloc[-1] < 0.6 * convergence.r_factor.iloc[0]
    assert "train" not in project.planned(
        "report", "--configfile", "config/smoke.yaml", "mine.yaml"
    )  # its runs are there already


def write_measured_scan(path):
    """A scan of bars off the grid, with the probe, as a beamline would leave it."""
    random = np.random.default_rng(0)
    positions = random.uniform(0, 150, (260, 2)).round()
    y, x = np.indices((200, 200))
    transmission = 1 - 0.4 * ((x // 9 + y // 23) % 2) * np.exp(0.3j)
    y, x = np.indices((32, 32)) - 16
    probe = 40 * np.exp(-(x**2 + y**2) / 60 + 0.03j * (x**2 + y**2))
    waves = probe * windows(transmission, positions.astype(int), (32, 32))
    path.parent.mkdir()
    with create_dataset(path, window=(32, 32), positions=positions, probe=probe) as patterns:
        patterns[:] = random.poisson(np.abs(np.fft.fftshift(np.fft.fft2(waves, norm="ortho"), axes=(1, 2))) ** 2)


def test_a_comment_changes_nothing(finished_project, tmp_path):
    project = finished_project.copy(tmp_path / "copy")
    for module in ("publication/figures/fig4.py", "simulation/diffraction.py", "training/fit.py"):
        path = project.folder / "src/ptychoformer" / module
        path.write_text(path.read_text() + "\n# A remark.\n")
    assert project.planned(*SMOKE) == {}


def test_a_label_concerns_tables_and_figures_alone(finished_project, tmp_path):
    project = finished_project.copy(tmp_path / "copy")
    project.edit("config.yaml", "label: PtychoNN", "label: Cherukara 2020")
    assert project.planned(*SMOKE) == dict.fromkeys(
        ("table1", "table2", "fig4", "fig6", "fig8", "fig9", "report", "reproduction", "all"), 1
    )


def test_the_noise_of_one_dataset_concerns_that_dataset_alone(finished_project, tmp_path):
    project = finished_project.copy(tmp_path / "copy")
    project.edit("config.yaml", "read_noise: 1.0", "read_noise: 2.0")
    told = project.told(*SMOKE)
    jobs = jobs_in(told)
    assert jobs["dataset"] == 2
    assert jobs["train"] == 4 * 2
    assert "patterns of noisy" in told
    assert "patterns of clean" not in told
    assert "fig4" not in jobs


def test_other_words_for_the_same_config_make_no_result_anew(finished_project):
    words = (
        "training={patience: 2, epochs: 1.0}",
        "optics={distance: 1}",
        "iterative={averaged: 1, iterations: 3}",
        "datasets={noisy: {detector: {photons: 50000}, scan: {jitter: 3, overlap: 0.75}}}",
    )
    # The report lists what its numbers depend on as the config does.
    assert set(finished_project.planned(*SMOKE, "--config", *words)) <= {"report", "reproduction", "all"}


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        ("dataset", r"Error in train: .*seed0.cxi cannot be read as HDF5, it may be truncated"),
        (
            "checkpoint",
            r"Error in predict: .*model.pt is not as it was written: it is damaged, was edited, or is another one; delete",
        ),
    ],
)
def test_a_damaged_file_is_one_sentence_and_the_next_run_goes_on(finished_project, tmp_path, damage, sentence):
    project = finished_project.copy(tmp_path / "copy")
    results = project.folder / "results/smoke"
    dataset, tested, forced = ("clean", "clean", "train") if damage == "dataset" else ("straight", "curved", "predict")
    run = f"{dataset}/ptychonn/mse/n24/seed0"
    if damage == "dataset":
        victim = results / "simulation/datasets/clean/seed0.cxi"
        intact = victim.read_bytes()
        os.truncate(victim, victim.stat().st_size // 2)
    else:
        victim = results / f"training/{run}/model.pt"
        intact = victim.read_bytes()
        shutil.copyfile(results / "training/straight/ptychoformer/mse/n24/seed0/model.pt", victim)
    target = f"results/smoke/evaluation/{run}/on_{tested}/metrics.csv"
    before = (project.folder / target).read_bytes()
    finished = project.snakemake(target, "--forcerun", forced, *SMOKE)
    assert finished.returncode != 0
    assert re.search(sentence, finished.stdout), finished.stdout
    assert "Traceback" not in finished.stdout
    lost = results / (f"training/{run}/model.pt" if damage == "dataset" else f"evaluation/{run}/on_{tested}/patches.h5")
    assert not lost.exists()
    victim.write_bytes(intact)
    finished = project.snakemake(target, "--rerun-triggers", "input", "params", *SMOKE)
    assert finished.returncode == 0, finished.stdout
    assert (project.folder / target).read_bytes() == before


def test_a_prediction_that_failed_does_not_train_again(finished_project, tmp_path):
    project = finished_project.copy(tmp_path / "copy")
    run = "clean/ptychonn/mse/n24/seed0"
    target, log = (
        f"results/smoke/{part}" for part in (f"evaluation/{run}/on_clean/patches.h5", f"training/{run}/train.log")
    )
    (project.folder / target).unlink()
    module, first = "src/ptychoformer/evaluation/predict.py", "    network = TrainedNetwork(checkpoint, threads)\n"
    failure = '    raise InputError("the prediction failed")\n'
    project.edit(module, first, failure + first)
    finished = project.snakemake(target, *SMOKE)
    assert finished.returncode != 0
    assert "Error in train: the prediction failed" in finished.stdout
    assert "Going on" not in (project.folder / log).read_text()
    project.edit(module, failure, "")
    finished = project.snakemake(target, *SMOKE)
    assert finished.returncode == 0, finished.stdout
    assert "Going on after epoch 1." in (project.folder / log).read_text()
    assert (project.folder / target).read_bytes() == (finished_project.folder / target).read_bytes()


def metric_files(project):
    """All tables but those that say how long an epoch or an iteration took."""
    results = project.folder / "results/smoke"
    return {
        path.relative_to(results): path.read_bytes()
        for path in results.rglob("*.csv")
        if not {"training", "reconstructions"} & set(path.parts)
    }


@pytest.mark.slow
def test_the_same_config_gives_the_same_bytes(finished_project, project):
    finished = project.snakemake(*SMOKE, cold=True)
    assert finished.returncode == 0, finished.stdout
    files = metric_files(project)
    assert len(files) > 20
    assert files == metric_files(finished_project)


@pytest.mark.slow
def test_kill_9_of_everything_in_the_middle_of_an_epoch_and_the_same_command_again(finished_project, project):
    command = project.command(*SMOKE)
    process = subprocess.Popen(
        command,
        cwd=project.folder,
        env=project.environment(),
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not list(project.folder.glob("results/smoke/training/*/ptychoformer/*/*/*/state.pt")):
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    finished = project.snakemake(*SMOKE)
    assert finished.returncode == 0, finished.stdout
    assert metric_files(project) == metric_files(finished_project)
