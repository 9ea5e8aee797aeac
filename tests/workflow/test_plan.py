"""What Snakemake would do, without doing it."""

import re
import subprocess
import sys

import pytest

SEEDS = 3
COMPARED, ABLATIONS, HYBRIDS = 4, 5, 2
TABLES = [f"table{number}" for number in range(1, 6)]
FIGURES = [f"fig{number}" for number in (1, 2, 3, 4, 6, 7, 8, 9, 10)]


def trainings(table1, table2, table3, table4, table5, sizes, overlaps):
    """Networks of one seed, each counted in the first experiment that needs it."""
    return table1 + table2 + table3 + table4 + table5 + sizes + overlaps


def test_the_default_trains_every_run_once(project):
    jobs = project.planned()
    counted = trainings(
        table1=2 * COMPARED,
        table2=COMPARED,
        table3=ABLATIONS + 1,  # Ptychoformer on 160 patterns, shared by Tables III to V and Figure 8
        table4=8,
        table5=HYBRIDS,
        sizes=COMPARED + (COMPARED - 1),  # 50 patterns; 160 but for Ptychoformer; 512 are Table I's
        overlaps=2 * COMPARED,
    )
    assert jobs["train"] == jobs["predict"] == counted * SEEDS
    assert {"claims", "report", *TABLES, *FIGURES} <= set(jobs)


def test_paper_scale_trains_every_run_once(project):
    counted = trainings(
        table1=2 * COMPARED, table2=COMPARED, table3=ABLATIONS, table4=13, table5=HYBRIDS, sizes=6 * COMPARED, overlaps=3 * COMPARED
    )
    assert counted * 10 == 680  # as config/paper.yaml says
    assert project.planned("--configfile", "config/paper.yaml")["train"] == counted * 10


def test_paper_scale_trains_on_2928_patterns(project):
    finished = project.snakemake("--dry-run", "--configfile", "config/paper.yaml")
    assert "Training ptychoformer on 2928 patterns of clean (mse), seed 9" in finished.stdout


def test_the_headline_of_one_seed_is_table_i_without_print(project):
    only = ("seeds=[4]", "experiments={table1: {datasets: [clean]}}")
    jobs = project.planned("headline", "--configfile", "config/paper.yaml", "--config", *only)
    assert jobs["train"] == COMPARED
    assert jobs["reference"] == 2
    assert not {"table1", "fig4", "claims"} & set(jobs)


@pytest.mark.parametrize("target", [*TABLES, *FIGURES, "claims", "report"])
def test_named_targets(project, target):
    jobs = project.planned(target)
    assert jobs[target] == 1
    others = set(jobs) & {*TABLES, *FIGURES, "claims"} - {target}
    assert target == "report" or not others


@pytest.mark.parametrize(
    ("figure", "networks"), [("fig1", 0), ("fig2", 0), ("fig3", 1), ("fig4", COMPARED), ("fig6", COMPARED), ("fig7", 0)]
)
def test_a_figure_needs_no_more_networks_than_it_shows(project, figure, networks):
    assert project.planned(figure).get("train", 0) == networks


def test_a_single_figure_by_its_path(project):
    jobs = project.planned("results/publication/figures/fig4.pdf")
    assert jobs["fig4"] == 1
    assert jobs["train"] == COMPARED  # of one condition and one seed


def test_slurm_profile(project):
    assert project.planned("--profile", "profiles/slurm") == project.planned()


def test_retries_of_the_slurm_profile_are_not_undone_by_the_default_one(project):
    program = "from snakemake.cli import parse_args; print(parse_args(['--profile', 'profiles/slurm', '-n'])[1].retries)"
    finished = subprocess.run([sys.executable, "-c", program], cwd=project.folder, text=True, capture_output=True, check=True)
    assert finished.stdout.split()[-1] == "2"


def test_planning_needs_nothing_that_snakemake_does_not_bring(project):
    """So that --use-conda works from an environment that holds Snakemake alone."""
    blocked = ("numpy", "scipy", "h5py", "pandas", "torch", "tqdm", "matplotlib", "pooch")
    modules = re.findall(r"from (ptychoformer[\w.]*) import", (project.folder / "workflow/rules/common.smk").read_text())
    assert modules
    program = f"import sys; sys.modules.update(dict.fromkeys({blocked!r})); import {', '.join(modules)}"
    environment = project.environment() | {"PYTHONPATH": str(project.folder / "src")}
    finished = subprocess.run([sys.executable, "-c", program], env=environment, text=True, capture_output=True)
    assert finished.returncode == 0, finished.stderr


def test_a_new_model_is_one_module_and_one_entry_and_takes_part_in_every_experiment(project):
    before = project.planned()["train"]
    (project.folder / "src/ptychoformer/models/toy.py").write_text("def build(window, *, width: int = 4):\n    ...\n")
    project.edit("config.yaml", "  ptychonn: {label", "  toy: {kind: toy, options: {width: 8}}\n  ptychonn: {label")
    conditions, straight, small, losses, least, overlaps = 2, 1, 1, 8, 1, 2
    assert project.planned()["train"] == before + SEEDS * (conditions + straight + small + losses + least + overlaps)


def test_a_syntax_error_in_a_new_model_is_one_sentence(project):
    (project.folder / "src/ptychoformer/models/toy.py").write_text("def build(window:\n")
    project.edit("config.yaml", "  ptychonn: {label", "  toy: {kind: toy}\n  ptychonn: {label")
    finished = project.snakemake()
    assert finished.returncode != 0
    assert "config: models/toy.py, line 1: " in finished.stdout
    assert "Traceback" not in finished.stdout


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("epochs: 10", "epoch: 10", "training.epoch is not a key of the config; did you mean 'epochs'?"),
        ("epochs: 10", "epochs: ten", "training.epochs: 'ten' is not allowed; it must be an integer, at least 1 and at most 10000."),
        ("object: permalloy", "object: gold", "datasets.clean.object: 'gold' is not defined under objects"),
        ("experiments: [table1,", "experiments: [table7,", "models.ptychonn.experiments: 'table7' is not defined under experiments"),
        (
            "n_train: [512]",
            "n_train: [4000]",
            "experiments.table1.n_train: 4000 is not allowed; dataset 'clean' has 2928 training patterns.",
        ),
        (
            "n_train: [512]",
            "n_train: [64, 512]",
            "experiments.table1.n_train: [64, 512] is not allowed; a table needs one number of patterns.",
        ),
        ("shape: [512, 512]", "shape: [32, 512]", "objects.permalloy.shape[0]: 32 is not allowed; it must be an integer, at least 64"),
    ],
)
def test_a_wrong_config_is_one_sentence_before_any_job(project, old, new, sentence):
    project.edit("config.yaml", old, new)
    finished = project.snakemake()
    assert finished.returncode != 0
    assert sentence in finished.stdout
    assert "Traceback" not in finished.stdout
    assert not (project.folder / "results").exists()
