"""What Snakemake would do, without doing it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
TABLES = [f"table{number}" for number in range(1, 6)]
FIGURES = [f"fig{number}" for number in (1, 2, 3, 4, 6, 7, 8, 9, 10)]


def merged(config, overlay):
    """As Snakemake merges them: mappings key by key, all else replaced."""
    both = {
        key: merged(config[key], value) if isinstance(value, dict) and key in config else value
        for key, value in overlay.items()
    }
    return config | both


def runs_asked_for(project, overlay=None):
    """The set of all runs that the experiments of a config name, but for measured data, whose file is not at hand; ``all`` is what the
    grids' training rows hold."""
    config = yaml.safe_load((project.folder / "config.yaml").read_text())
    if overlay:
        config = merged(config, yaml.safe_load((project.folder / overlay).read_text()))
    everything = {"overlap_50": 744, "overlap_25": 336, "overlap_0": 192}
    return {
        (dataset, model, loss, everything.get(dataset, 2928) if size == "all" else size, seed)
        for name, experiment in config["experiments"].items()
        if name != "measured"
        for dataset in experiment["datasets"]
        for model, entry in config["models"].items()
        if name in entry.get("experiments", config["experiments"])
        for loss in experiment.get("losses", ["mse"])
        for size in experiment["n_train"]
        for seed in config["seeds"]
    }


def trainings_told(config):
    """How many trainings docs/running.md says that a scale has, and how many more on measured data."""
    row = re.search(
        rf"^\| `{config}` \|[^|]*\| (\d+)(?:, and (\d+) on measured data)?[,;]",
        (ROOT / "docs/running.md").read_text(),
        re.M,
    )
    return [int(number or 0) for number in row.groups()]


@pytest.mark.parametrize("overlay", [None, "config/smoke.yaml", "config/paper.yaml"])
def test_every_run_that_tables_and_figures_share_is_trained_once(cloned, overlay):
    jobs = cloned.planned(*(["--configfile", overlay] if overlay else []))
    runs = runs_asked_for(cloned, overlay)
    assert jobs["train"] == len(runs) == trainings_told(overlay or "config.yaml")[0]
    assert jobs["predict"] == sum(
        dataset == "straight" for dataset, *_ in runs
    )  # the others' own test block is part of their training
    assert {"claims", "report", "reproduction", *TABLES, *FIGURES} <= set(jobs)


def test_pages_agree_on_how_many_trainings_there_are():
    default, paper = trainings_told("config.yaml")[0], trainings_told("config/paper.yaml")[0]
    assert f"({paper} trainings:" in (ROOT / "docs/running.md").read_text()
    told = f"ask for {default} different trainings at the default scale and for {paper} at the paper's"
    assert told in (ROOT / "docs/architecture.md").read_text()


def test_words_of_a_config_that_mean_something_to_snakemake_are_text(project, cloned):
    (project.folder / "mine.yaml").write_text(
        "models: {dpi: {label: 'Ours $\\frac{1$ {seed} <results>'}}\n"
        "datasets: {clean: {label: '{x}'}, measured: {scan: {file: 'a{b}<c>.npz', url: 'https://example.org/a'}}}\n"
        "losses: {mae: {label: '{wildcards.seed}'}}\n"
        "caution: 'see {this}'\n"
    )
    jobs = project.planned("--configfile", "config/smoke.yaml", "mine.yaml")
    assert jobs == cloned.planned("--configfile", "config/smoke.yaml")
    asked = project.planned("fig5", "--configfile", "config/smoke.yaml", "mine.yaml")
    assert asked["provided_file"] == asked["reconstruction"] == 1


def test_a_second_block_of_one_key_is_told_before_any_job(project):
    """YAML would take the last alone, and the networks of the first would be left out without a word."""
    (project.folder / "mine.yaml").write_text("models:\n  a: {kind: dpi}\nmodels:\n  b: {kind: dpi}\n")
    finished = project.snakemake("--dry-run", "--configfile", "config/smoke.yaml", "mine.yaml", "--directory", "..")
    assert finished.returncode != 0
    assert re.search(r"config: \S*mine\.yaml, line 3: models is in line 1 too", finished.stdout)


@pytest.mark.parametrize(
    ("overlay", "sentence"),
    [
        (
            "pathvars: {results: src}",
            "config: pathvars.results: 'src' is not allowed, which is one of the project's own",
        ),
        (
            "pathvars: {results: /new}",
            "config: pathvars.results: '/new' is not allowed, which is no folder that exists",
        ),
        ('losses: {"a\\n": {kind: mse}}', "config: losses.'a\\n': the name must be letters"),
        (
            "data_dir: data",
            "config: datasets.measured.scan.file: 'mine.npz' is not allowed, a symbolic link leads it out",
        ),
    ],
)
def test_what_leads_elsewhere_is_one_sentence_before_any_job(project, overlay, sentence):
    (project.folder / "data").mkdir()
    (project.folder / "data/mine.npz").symlink_to(project.folder / "config.yaml")
    (project.folder / "mine.yaml").write_text(f"{overlay}\ndatasets: {{measured: {{scan: {{file: mine.npz}}}}}}\n")
    finished = project.snakemake("--dry-run", "--configfile", "mine.yaml")
    assert finished.returncode != 0
    assert sentence in finished.stdout
    assert "Traceback" not in finished.stdout


def test_on_a_gpu_one_job_trains_all_seeds_of_a_run_and_nothing_else_changes(cloned):
    apart = cloned.planned("--configfile", "config/paper.yaml")
    together = cloned.planned("--configfile", "config/paper.yaml", "config/gpu.yaml")
    assert together.pop("train_together") * 10 == apart.pop("train") == trainings_told("config/paper.yaml")[0]
    counts = ("all", "total")
    assert {rule: count for rule, count in together.items() if rule not in counts} == {
        rule: count for rule, count in apart.items() if rule not in counts
    }


def test_a_run_is_stitched_and_scored_by_one_job(cloned):
    jobs = cloned.planned()
    assert jobs["score"] == jobs["train"] + jobs["reference"] + jobs["many_pattern_reference"]
    assert not {"stitch", "measure"} & set(jobs)


def test_paper_scale_trains_on_2928_patterns(cloned):
    told = cloned.told("--configfile", "config/paper.yaml")
    assert "Training ptychoformer on 2928 patterns of clean (mse), seed 9" in told


FULL_SIZE = ("--configfile", "config/paper.yaml", "config/full-size.yaml")


def keep_reference(project, runs, blocks="lower_right", measured=range(10)):
    """A store whose index has these runs, and a floor and a ceiling beside each, with all that figures need; bands and spectra
    of some seeds alone, and nothing that was trained again."""
    folder = project.folder / "resources/reference"
    shutil.rmtree(folder / "retrained", ignore_errors=True)
    columns = ["dataset", "test", "model", "loss", "n_train", "seed", "blocks", "parts"]
    columns += ["epochs", "batch_size", "parameters", "device"]
    lines = [",".join(columns)]
    for dataset, model, loss, size, seed in sorted(runs):
        test, where = ("curved", "scan") if dataset == "straight" else (dataset, blocks)
        views = "views:lower_right:scene"
        parts = f"bands:lower_right:scene spectra:lower_right:scene {views}" if seed in measured else views
        lines.append(f"{dataset},{test},{model},{loss},{size},{seed},{where},{parts},25,32,1605730,cpu")
        lines += [
            f"{dataset},{test},{reference},none,{size},{seed},{where},{views},,,,"
            for reference in ("floor", "ceiling", "epie")
        ]
    (folder / "runs.csv").write_text("\n".join(lines) + "\n")
    for name in ("scores.csv.gz", "views.h5"):
        (folder / name).touch()


def test_full_size_is_printed_without_data_or_training(project):
    keep_reference(project, runs_asked_for(project, "config/paper.yaml"))
    jobs = project.planned(*FULL_SIZE)
    once = ["unpack", *TABLES, "fig4", "fig8", "fig9", "fig10", "claims", "report", "reproduction", "all"]
    assert jobs == dict.fromkeys(once, 1) | {"statistics": 5}


def test_what_the_reference_runs_lack_is_left_out_and_told(project):
    everything = runs_asked_for(project, "config/paper.yaml")
    keep_reference(
        project,
        [run for run in everything if run[1] not in ("transunet", "segformer") and run[2] == "mse" and run[3] != 50],
    )
    jobs = project.planned(*FULL_SIZE)
    assert "fig8" in jobs  # of other sizes
    assert not {"table4", "fig10"} & set(jobs)  # one loss is no comparison
    keep_reference(
        project,
        [
            run
            for run in everything
            if run[0] == "clean" and run[3] == 2928 and run[1] != "segformer" and run[2] == "mse"
        ],
    )
    jobs = project.planned(*FULL_SIZE)
    assert {"table1", "table3", "table5", "fig4", "fig9", "report", "reproduction"} <= set(jobs)
    assert not {"table2", "fig8"} & set(jobs)


def test_bands_of_fewer_seeds_are_printed_and_told(project):
    everything = runs_asked_for(project, "config/paper.yaml")
    keep_reference(project, [run for run in everything if run[1] != "ptynet_large"], measured=range(3))
    assert project.planned(*FULL_SIZE)["fig9"] == 1
    keep_reference(project, [run for run in everything if run[1] != "ptynet_large"], measured=[])
    assert "fig9" not in project.planned(*FULL_SIZE)


def test_nothing_is_trained_to_print_what_reference_runs_lack(project):
    keep_reference(project, [run for run in runs_asked_for(project, "config/paper.yaml") if run[2] == "mse"])
    finished = project.snakemake("fig10", *FULL_SIZE)
    assert finished.returncode != 0
    assert "resources/reference does not hold all runs that were asked for, and nothing is trained" in finished.stdout


def test_reference_runs_of_another_block_print_nothing(project):
    keep_reference(project, runs_asked_for(project, "config/paper.yaml"), blocks="lower_left")
    runs = (project.folder / "resources/reference/runs.csv").read_text().splitlines()
    (project.folder / "resources/reference/runs.csv").write_text(
        "\n".join(line for line in runs if "curved" not in line)
    )
    finished = project.snakemake(*FULL_SIZE, "--dry-run")
    assert finished.returncode
    assert "harvested: resources/reference holds no whole seed of any experiment" in finished.stdout


@pytest.mark.parametrize("target", [*TABLES, *FIGURES, "claims", "report", "reproduction"])
def test_named_targets(cloned, target):
    jobs = cloned.planned(target)
    assert jobs[target] == 1
    others = set(jobs) & {*TABLES, *FIGURES, "claims"} - {target}
    assert target in ("report", "reproduction") or not others


@pytest.mark.parametrize(
    ("figure", "networks"), [("fig1", 0), ("fig2", 0), ("fig3", 1), ("fig4", 4), ("fig6", 4), ("fig7", 0)]
)
def test_a_figure_needs_no_more_networks_than_it_shows(cloned, figure, networks):
    assert cloned.planned(figure).get("train", 0) == networks


def test_a_single_figure_by_its_path(cloned):
    jobs = cloned.planned("results/publication/figures/fig4.pdf")
    assert jobs["fig4"] == 1
    assert jobs["train"] == 4  # of one condition and one seed


def test_measured_data_take_part_when_their_file_is_at_hand(project, cloned):
    assert not {"fig5", "measured", "reconstruction"} & set(cloned.planned())
    data = project.folder / "data/aps_siemens_star/siemens-star-small.npz.bz2"
    data.parent.mkdir(parents=True)
    data.touch()
    jobs = project.planned("--config", "data_dir=data")
    assert (jobs["fig5"], jobs["measured"], jobs["reconstruction"], jobs["measured_dataset"]) == (1, 1, 1, 1)
    assert jobs["train"] == sum(trainings_told("config.yaml"))
    assert project.planned("fig5")["provided_file"] == 1  # who asks for it by name wants the download


def test_many_patterns_are_reconstructed_once_for_every_dataset_and_seed(cloned):
    jobs = cloned.planned()
    datasets = {"clean", "noisy", "curved", "overlap_50", "overlap_0"}
    assert jobs["simulated_reconstruction"] == 3 * len(datasets)


SLURM = ["profiles/slurm", "profiles/slurm-cpu"]


@pytest.mark.parametrize("profile", SLURM)
def test_slurm_profile(cloned, profile):
    assert cloned.planned("--profile", profile) == cloned.planned()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("profile", "more"), [("profiles/slurm", []), ("profiles/slurm", ["config/gpu.yaml"]), ("profiles/slurm-cpu", [])]
)
def test_the_paper_at_full_size_is_at_most_400_submissions(cloned, profile, more):
    finished = cloned.snakemake("--dry-run", "--profile", profile, "--configfile", "config/paper.yaml", *more)
    assert finished.returncode == 0, finished.stdout
    groups = re.findall(r"Group job (\w+) \(", finished.stdout)
    assert set(groups) >= {"scans", "predictions", "reconstructions", "scores"}
    # What belongs to a group is indented.
    jobs = re.findall(r"^( *)Job \d+: (.*)", finished.stdout, re.MULTILINE)
    total = int(re.search(r"^total +(\d+)$", finished.stdout, re.MULTILINE)[1])
    assert len(jobs) in (total, total - 1)  # with that of `all`, which does nothing, or without
    on_its_own = ("Fetching ", "Everything is made")  # where Snakemake runs
    alone = [message for indent, message in jobs if not indent and not message.startswith(on_its_own)]
    assert len(groups) + len(alone) <= 400


@pytest.mark.parametrize("profile", SLURM)
def test_a_group_of_a_slurm_profile_asks_for_four_cores_and_one_gpu_at_most(project, profile):
    """What the executor puts on the command line of sbatch: groups as they are submitted, which a dry run adds up otherwise."""
    program = (
        "import sys; from snakemake.cli import main; from snakemake.jobs import GroupJob\n"
        "from snakemake.resources import GroupResources\n"
        "finalize = GroupJob.finalize\n"
        "def told(self):\n"
        "    finalize(self)\n"
        "    asked = GroupResources.basic_layered(self.toposorted, self.global_resources, run_local=False)\n"
        "    print('asks', self.groupid, asked['_cores'], asked.get('gpu', 0), asked['mem_mb'], asked['runtime'])\n"
        "GroupJob.finalize = told\n"
        "main(sys.argv[1:])"
    )
    command = [sys.executable, "-c", program, "--profile", profile, "--dry-run", "--configfile", "config/smoke.yaml"]
    finished = subprocess.run(command, cwd=project.folder, env=project.environment(), text=True, capture_output=True)
    asked = [line.split()[1:] for line in finished.stdout.splitlines() if line.startswith("asks ")]
    assert {group for group, *_ in asked} == {"scans", "trainings", "predictions", "reconstructions", "scores"}
    on_gpus = {"trainings", "predictions", "reconstructions"} if profile == "profiles/slurm" else set()
    for group, cores, gpus, memory, minutes in asked:
        assert int(cores) == (1 if group in on_gpus else min(int(cores), 4))
        assert int(gpus) == (group in on_gpus)
        assert int(memory) <= 3000 * int(cores)
        assert int(minutes) <= 24 * 60


def test_gpu_profile(cloned):
    smoke = ["--configfile", "config/smoke.yaml"]
    assert cloned.planned("--profile", "profiles/gpu", *smoke) == cloned.planned(*smoke)


def test_a_number_of_gpus_on_the_command_line_replaces_that_of_the_gpu_profile(project):
    program = "from snakemake.cli import parse_args; print(parse_args({arguments})[1].resources['gpu'].value)"
    profile = ["--profile", "profiles/gpu", "-n"]
    for more, count in (([], "1"), (["--resources", "gpu=4"], "4")):
        command = [sys.executable, "-c", program.format(arguments=profile + more)]
        finished = subprocess.run(command, cwd=project.folder, text=True, capture_output=True, check=True)
        assert finished.stdout.split()[-1] == count


def rules_with_a_gpu(project):
    """Names of the rules whose resources hold a GPU, of their own or of the rule that they use."""
    text = "\n".join(path.read_text() for path in sorted((project.folder / "workflow/rules").glob("*.smk")))
    found = set()
    for block in re.split(r"^ *(?=rule |use rule )", text, flags=re.MULTILINE)[1:]:
        base, name = re.match(r"(?:use rule (\w+) as|rule) (\w+)", block).groups()
        if base in found or re.search(r"\bgpu=", block):
            found.add(name)
    return found


def profile_of(project, name, uncommented=False):
    text = (project.folder / name / "config.yaml").read_text()
    return yaml.safe_load(re.sub(r"# (?=slurm_\w+: )", "", text) if uncommented else text)


def test_slurm_profiles_know_every_rule_with_a_gpu(project):
    named = rules_with_a_gpu(project)
    assert named >= {"train", "train_together", "predict", "reconstruction", "simulated_reconstruction"}
    asked = profile_of(project, "profiles/slurm", uncommented=True)["set-resources"]
    assert {name for name, entry in asked.items() if entry["slurm_partition"] == "my-gpu-partition"} == named
    assert not any("gpu" in entry for entry in asked.values())  # the rules say it
    without = profile_of(project, "profiles/slurm-cpu")["set-resources"]
    assert {name: entry["gpu"] for name, entry in without.items()} == dict.fromkeys(named, 0)


def test_memory_stands_in_the_rules_and_accounts_in_comments(project):
    for name in SLURM:
        profile = profile_of(project, name)
        assert not any("mem_mb" in entry for entry in profile["set-resources"].values())
        assert "slurm_" not in str(profile).replace("slurm-", "")
        assert profile_of(project, name, uncommented=True)["default-resources"]["slurm_account"] == "my-account"


def test_slurm_profiles_differ_in_their_gpus_alone(project):
    one, other = (profile_of(project, name) for name in SLURM)
    assert set(one) - set(other) == {"resources", "set-resource-scopes"}
    assert {key for key in other if one[key] != other[key]} == {"set-resources"}


def test_downloads_run_where_snakemake_does(cloned):
    """The plan of a cluster's jobs has none of them."""
    finished = cloned.snakemake("results/simulation/objects/ad_ltem.h5", "--dry-run", "--profile", "profiles/slurm")
    assert "Fetching ad_ltem/design_amp.tiff" in finished.stdout
    text = "".join(path.read_text() for path in (cloned.folder / "workflow/rules").glob("*.smk"))
    local = re.search(r"^localrules:\n((?:    .*\n)+)", text, re.MULTILINE)[1]
    assert local.split() == ["provided_file,", "own_file,"]


def test_retries_of_the_slurm_profile_are_not_undone_by_the_default_one(project):
    program = (
        "from snakemake.cli import parse_args; print(parse_args(['--profile', 'profiles/slurm', '-n'])[1].retries)"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program], cwd=project.folder, text=True, capture_output=True, check=True
    )
    assert finished.stdout.split()[-1] == "2"


def test_planning_needs_nothing_that_snakemake_does_not_bring(project):
    """So that --use-conda works from an environment that holds Snakemake alone."""
    blocked = ("numpy", "scipy", "h5py", "pandas", "torch", "tqdm", "matplotlib")
    modules = re.findall(
        r"from (ptychoformer[\w.]*) import", (project.folder / "workflow/rules/common.smk").read_text()
    )
    assert modules
    program = f"import sys; sys.modules.update(dict.fromkeys({blocked!r})); import {', '.join(modules)}"
    environment = project.environment() | {"PYTHONPATH": str(project.folder / "src")}
    finished = subprocess.run([sys.executable, "-c", program], env=environment, text=True, capture_output=True)
    assert finished.returncode == 0, finished.stderr


def test_a_new_model_is_one_module_and_one_entry_and_takes_part_in_every_experiment(project):
    before = runs_asked_for(project)
    (project.folder / "src/ptychoformer/models/toy.py").write_text("def build(window, *, width: int = 4):\n    ...\n")
    project.edit("config.yaml", "  ptychonn: {label", "  toy: {kind: toy, options: {width: 8}}\n  ptychonn: {label")
    new = runs_asked_for(project) - before
    assert {(dataset, loss) for dataset, _, loss, *_ in new} >= {
        ("clean", "mse"),
        ("noisy", "mse"),
        ("straight", "mse"),
        ("clean", "npcc"),
    }
    assert project.planned()["train"] == len(before | new)


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
        (
            "epochs: 10",
            "epochs: ten",
            "training.epochs: 'ten' is not allowed; it must be an integer, at least 1 and at most 10000.",
        ),
        ("object: permalloy", "object: gold", "datasets.clean.object: 'gold' is not defined under objects"),
        (
            "experiments: [table1,",
            "experiments: [table7,",
            "models.ptychonn.experiments: 'table7' is not defined under experiments",
        ),
        (
            "n_train: [400]",
            "n_train: [4000]",
            "experiments.table1.n_train: 4000 is not allowed; dataset 'clean' has 2928 training patterns.",
        ),
        (
            "n_train: [400]",
            "n_train: [64, 400]",
            "experiments.table1.n_train: [64, 400] is not allowed; what it prints has room for one.",
        ),
        (
            "shape: [512, 512]",
            "shape: [32, 512]",
            "objects.permalloy.shape[0]: 32 is not allowed; it must be an integer, at least 64",
        ),
    ],
)
def test_a_wrong_config_is_one_sentence_before_any_job(project, old, new, sentence):
    project.edit("config.yaml", old, new)
    finished = project.snakemake()
    assert finished.returncode != 0
    assert sentence in finished.stdout
    assert "Traceback" not in finished.stdout
    assert not (project.folder / "results").exists()


def test_a_scan_that_is_nowhere_is_named_before_anything_runs(project):
    overlay = project.folder / "mine.yaml"
    overlay.write_text(
        "datasets: {mine: {kind: measured, label: Mine, scan: {file: nofile.cxi}, patterns: {crop: 64, bin: 2}}}\n"
    )
    overlay.write_text(overlay.read_text() + "experiments: {measured: {datasets: [mine], n_train: [300]}}\n")
    finished = project.snakemake("fig5", "--dry-run", "--configfile", "mine.yaml")
    assert finished.returncode != 0
    assert (
        "config: datasets.mine.scan.file: there is no 'nofile.cxi' in data_dir, which is not set, and no url"
        in finished.stdout
    )
    # What does not need it is planned all the same.
    assert project.snakemake("table1", "--dry-run", "--configfile", "mine.yaml").returncode == 0


def test_a_network_outside_the_repository_is_planned_like_any_other(project, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("def build(window, *, width: int = 4):\n    ...\n")
    before = runs_asked_for(project)
    project.edit(
        "config.yaml", "  ptychonn: {label", f"  mine: {{kind: {file}, options: {{width: 8}}}}\n  ptychonn: {{label"
    )
    new = runs_asked_for(project) - before
    assert {model for _, model, *_ in new} == {"mine"}
    assert project.planned()["train"] == len(before | new)


def test_a_loss_outside_the_repository_is_planned_like_any_other(project, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("def build(forward, *, gamma: float = 1.0):\n    ...\n")
    before = runs_asked_for(project)
    project.edit("config.yaml", "  mse: {label: MSE", f"  mine: {{kind: {file}, gamma: 2}}\n  mse: {{label: MSE")
    project.edit("config.yaml", "losses: [mse, mae, huber,", "losses: [mine, mse, mae, huber,")
    new = runs_asked_for(project) - before
    assert {loss for *_, loss, _, _ in new} == {"mine"}
    assert project.planned()["train"] == len(before | new)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (None, "config: models.mine.kind: there is no file '"),
        ("def build(window:\n", "mine.py, line 1: "),
        ("def built(window): ...\n", "mine.py defines no function 'build(window, **options)', so it is no network; "),
        ("def build(window): ...\n", "config: models.mine.options.width is not an option of "),
    ],
)
def test_a_network_outside_the_repository_that_is_none_is_one_sentence(project, tmp_path, source, words):
    if source:
        (tmp_path / "mine.py").write_text(source)
    entry = f"  mine: {{kind: {tmp_path / 'mine.py'}, options: {{width: 8}}}}\n"
    project.edit("config.yaml", "  ptychonn: {label", f"{entry}  ptychonn: {{label")
    finished = project.snakemake()
    assert finished.returncode != 0
    assert words in finished.stdout
    assert "Traceback" not in finished.stdout


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("fig44", "There is no target 'fig44'; did you mean fig4 or"),
        ("results/publication/tables/tabel3.tex", "did you mean results/publication/tables/table3.tex or"),
        ("everything", "there are all, table1, table2, table3, table4, table5, measured, fig1,"),
        ("results/simulation/objects/gold.h5", "There is no target 'results/simulation/objects/gold.h5'"),
        (
            "results/simulation/datasets/klean/seed0.cxi",
            "There is no target 'results/simulation/datasets/klean/seed0.cxi'",
        ),
    ],
)
def test_a_mistyped_target_names_those_that_exist(cloned, target, sentence):
    finished = cloned.snakemake("table1", target, "--dry-run")
    assert finished.returncode != 0
    assert sentence in finished.stdout
    assert "Traceback" not in finished.stdout


@pytest.mark.parametrize("folder", ["results", "./results", "elsewhere/../results", "/absolute"])
def test_a_target_in_the_folder_of_results_is_known_however_that_is_written(project, tmp_path, folder):
    """Also where the config says an absolute one, as data outside of the project ask for."""
    results = str(tmp_path / "made") if folder == "/absolute" else folder
    (tmp_path / "own.yaml").write_text(f"pathvars: {{results: {results if folder == '/absolute' else 'results'}}}\n")
    target = f"{results}/simulation/objects/permalloy.h5"
    finished = project.snakemake(target, "--configfile", str(tmp_path / "own.yaml"), "--dry-run")
    assert finished.returncode == 0, finished.stdout
    wrong = project.snakemake(f"{results}/nothing.h5", "--configfile", str(tmp_path / "own.yaml"), "--dry-run")
    assert wrong.returncode != 0
    assert f"There is no target '{results}/nothing.h5'" in wrong.stdout


def test_parts_of_a_list_on_the_command_line_are_numbers(cloned):
    assert cloned.planned("table1", "--config", "seeds=[0, 1]")["train"] * 3 == cloned.planned("table1")["train"] * 2


def test_results_may_lie_in_another_folder_than_the_project(project, cloned):
    elsewhere = project.folder / "else where"
    assert project.planned("--directory", str(elsewhere)) == cloned.planned()
    keep_reference(project, runs_asked_for(project, "config/paper.yaml"))
    assert project.planned(*FULL_SIZE, "--directory", str(elsewhere)) == project.planned(*FULL_SIZE)
    target = "results/smoke/simulation/objects/permalloy.h5"
    finished = project.snakemake(target, "--configfile", "config/smoke.yaml", "--directory", str(elsewhere))
    assert finished.returncode == 0, finished.stdout
    assert (elsewhere / target).exists()
    assert not (project.folder / "results").exists()


def test_what_runs_is_printed_and_not_why(cloned):
    finished = cloned.snakemake("--dry-run")
    assert "Simulating the scan noisy, seed 2" in finished.stdout
    assert "Reason:" not in finished.stdout
    assert "results/publication" not in finished.stdout  # no lists of files
    assert "Reason:" in cloned.told("table1")
