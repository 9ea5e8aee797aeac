"""What Snakemake would do, without doing it."""

import re
import subprocess
import sys

import pytest

NOISE = "datasets={clean: {detector: {read_noise: 2.5}}}"


def test_the_default_trains_four_networks_on_two_conditions_with_three_seeds(project):
    jobs = project.planned()
    assert jobs["train"] == jobs["predict"] == 4 * 2 * 3
    assert jobs["reference"] == 2 * 2 * 3
    assert jobs["dataset"] == 2 * 3


def test_paper_scale_trains_eighty_networks(project):
    assert project.planned("--configfile", "config/paper.yaml")["train"] == 4 * 2 * 10


def test_paper_scale_trains_on_2928_patterns(project):
    finished = project.snakemake("--dry-run", "--configfile", "config/paper.yaml")
    assert "Training ptychoformer on 2928 patterns of clean, seed 9" in finished.stdout


@pytest.mark.parametrize(("target", "absent"), [("table1", "fig4"), ("fig4", "table1"), ("report", None)])
def test_named_targets(project, target, absent):
    jobs = project.planned(target)
    assert target in jobs
    assert absent not in jobs


def test_a_single_figure_by_its_path(project):
    jobs = project.planned("results/publication/figures/fig4.pdf")
    assert jobs["fig4"] == 1
    assert jobs["train"] == 4  # of one condition and one seed


def test_slurm_profile(project):
    assert project.planned("--profile", "profiles/slurm")["train"] == 24


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


def test_a_new_model_is_one_module_and_one_entry(project):
    (project.folder / "src/ptychoformer/models/toy.py").write_text("def build(window, *, width: int = 4):\n    ...\n")
    project.edit("config.yaml", "  ptychonn: {label", "  toy: {kind: toy, options: {width: 8}}\n  ptychonn: {label")
    project.edit("config.yaml", "models: [ptychonn,", "models: [toy, ptychonn,")
    assert project.planned()["train"] == 5 * 2 * 3


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
        ("epochs: 12", "epoch: 12", "training.epoch is not a key of the config; did you mean 'epochs'?"),
        ("epochs: 12", "epochs: twelve", "training.epochs: 'twelve' is not allowed; it must be an integer, at least 1 and at most 10000."),
        ("object: permalloy", "object: gold", "datasets.clean.object: 'gold' is not defined under objects"),
        ("models: [ptychonn", "models: [unet", "experiments.table1.models: 'unet' is not defined under models"),
        ("n_train: 640", "n_train: 4000", "experiments.table1.n_train: 4000 is not allowed; dataset 'clean' has 2928 training patterns."),
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
