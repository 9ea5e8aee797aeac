"""What can go wrong outside of the workflow: a missing file, an address that does not answer, a full disk."""

import inspect
import json
import os
import re
import resource
import shlex
import shutil
import site
import subprocess
import venv

import h5py
import numpy as np
import pytest
import tifffile
from snakemake.cli import get_argument_parser
from snakemake.scheduling.job_scheduler import JobScheduler
from snakemake.settings.types import MaxJobsPerTimespan

from .conftest import ROOT, Project

OBJECT = "results/simulation/objects/ad_ltem.h5"
DATASET = "results/smoke/simulation/datasets/clean/seed0.cxi"
SMOKE = ("--configfile", "config/smoke.yaml")


@pytest.fixture
def unreachable(project):
    """The paper's own object at an address where nobody answers."""
    config = project.folder / "config.yaml"
    config.write_text(config.read_text().replace("https://raw.githubusercontent.com", "https://127.0.0.1:9"))
    without_checksums(project)
    return project


def without_checksums(project):
    config = project.folder / "config.yaml"
    config.write_text("".join(line for line in config.read_text().splitlines(keepends=True) if "sha256" not in line))


def test_a_missing_file_that_cannot_be_downloaded_is_one_sentence_and_a_local_copy_helps(unreachable):
    finished = unreachable.snakemake(OBJECT)
    assert finished.returncode != 0
    assert "Error in provided_file: https://127.0.0.1:9/" in finished.stdout
    assert "data_dir" in finished.stdout
    assert "Traceback" not in finished.stdout
    assert not list((unreachable.folder / "resources/files").rglob("*.tiff"))

    folder = unreachable.folder / "data/ad_ltem"
    folder.mkdir(parents=True)
    for name in ("design_amp.tiff", "design_tphi.tiff"):
        tifffile.imwrite(folder / name, np.random.default_rng(0).random((512, 512), np.float32))
    finished = unreachable.snakemake(OBJECT, "--config", "data_dir=data")
    assert finished.returncode == 0, finished.stdout
    assert (unreachable.folder / OBJECT).exists()


@pytest.mark.parametrize(
    ("checked", "sentence"),
    [
        (True, "Error in provided_file: data/ad_ltem/design_amp.tiff is another file than expected: its SHA-256 is"),
        (False, "/ad_ltem/design_amp.tiff cannot be read as TIFF"),
    ],
)
def test_a_truncated_tiff_is_one_sentence(project, checked, sentence):
    if not checked:
        without_checksums(project)
    folder = project.folder / "data/ad_ltem"
    folder.mkdir(parents=True)
    for name in ("design_amp.tiff", "design_tphi.tiff"):
        tifffile.imwrite(folder / name, np.zeros((512, 512), np.float32))
        os.truncate(folder / name, 1000)
    finished = project.snakemake(OBJECT, "--config", "data_dir=data")
    assert finished.returncode != 0
    assert sentence in finished.stdout
    assert "Traceback" not in finished.stdout
    assert not (project.folder / OBJECT).exists()


OWN = """
data_dir: {folder}
objects:
  mine: {{kind: tiff, shape: [128, 128], amplitude: {{file: a.tiff}}, phase: {{file: p.tiff}}}}
probes:
  mine: {{kind: npy, size: 32, probe: {{file: probe.npy}}}}
datasets:
  mine: {{object: mine, probe: mine, scan: {{overlap: 0.5}}}}
"""
MADE = "results/smoke/simulation/datasets/mine/seed0.cxi"


def write_own_files(folder, seed):
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    for name in ("a", "p"):
        tifffile.imwrite(folder / f"{name}.tiff", random.random((128, 128), np.float32))
    np.save(folder / "probe.npy", random.random((32, 32)) + 0j)


@pytest.mark.slow
def test_a_users_files_are_what_lies_there_now(project):
    def planned(folder):
        (project.folder / "mine.yaml").write_text(OWN.format(folder=folder))
        return project.planned(MADE, *SMOKE, "mine.yaml")

    def run():
        finished = project.snakemake(MADE, *SMOKE, "mine.yaml")
        assert finished.returncode == 0, finished.stdout

    write_own_files(project.folder / "day1", 1)
    assert planned("day1") == {"own_file": 3, "object": 1, "probe": 1, "dataset": 1}
    run()
    # The same bytes, touched and moved, without the copies.
    shutil.copytree(project.folder / "day1", project.folder / "moved", copy_function=shutil.copyfile)
    shutil.rmtree(project.folder / "resources/files")
    assert planned("moved") == {}
    # Another content in place, of the same size and with the time of before.
    probe = project.folder / "day1/probe.npy"
    before = probe.stat()
    np.save(probe, np.load(probe) + 1)
    os.utime(probe, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert planned("day1") == {"own_file": 1, "probe": 1, "dataset": 1}
    # Another day, the same names.
    write_own_files(project.folder / "day2", 2)
    assert planned("day2") == {"own_file": 3, "object": 1, "probe": 1, "dataset": 1}
    run()
    with h5py.File(project.folder / "results/smoke/simulation/objects/mine.h5") as file:
        assert np.array_equal(file["object/amplitude"], tifffile.imread(project.folder / "day2/a.tiff"))
    # The same files, each in the place of the other: no more is copied.
    swapped = OWN.format(folder="day2").replace("a.tiff", "?").replace("p.tiff", "a.tiff").replace("?", "p.tiff")
    (project.folder / "swapped.yaml").write_text(swapped)
    assert project.planned(MADE, *SMOKE, "swapped.yaml") == {"object": 1, "dataset": 1}
    made = json.loads((project.folder / "results/smoke/simulation/objects/mine.h5.provenance.json").read_text())
    kept = made["configuration"]["options"]
    assert [kept[role].split("/")[-1] for role in ("amplitude", "phase")] == ["a.tiff", "p.tiff"]


ODD = "é #1 & 5% 'a'"


@pytest.fixture
def odd_project(tmp_path):
    """In a folder with blanks and other letters, with a Python in it; next to it a folder for results."""
    project = Project.fresh(tmp_path / ODD)
    locks = ["requirements.lock", "requirements-torch.lock", "requirements-torch-cpu.lock"]
    for name in ("Makefile", *locks):
        shutil.copy2(ROOT / name, project.folder / name)
    venv.create(project.folder / ".venv", with_pip=False)
    packages = next((project.folder / ".venv/lib").glob("python*/site-packages"))
    (packages / "all.pth").write_text("\n".join(site.getsitepackages()))
    (project.folder / ".venv/installed").write_text("".join((ROOT / name).read_text() for name in locks))
    return project


def made(project, *arguments):
    """What `make` says in the project's folder."""
    environment = {key: value for key, value in project.environment().items() if key not in ("MAKEFLAGS", "MAKELEVEL")}
    everything = dict(cwd=project.folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return subprocess.run(["make", *arguments], **everything)


def test_blanks_and_other_letters_in_every_path(odd_project):
    write_own_files(odd_project.folder / f"data {{b}} {ODD}", 1)
    overlay = OWN.format(folder=f'"data {{b}} {ODD}"') + f'pathvars: {{results: "results {ODD}"}}\n'
    (odd_project.folder / "mine.yaml").write_text(overlay)
    target = f"results {ODD}/simulation/datasets/mine/seed0.cxi"
    command = [".venv/bin/python", "-m", "snakemake", "--cores", "2", target, *SMOKE, "mine.yaml"]
    finished = subprocess.run(
        command, cwd=odd_project.folder, env=odd_project.environment(), text=True, capture_output=True
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert (odd_project.folder / target).stat().st_size


@pytest.mark.parametrize("folder", ["20191008", "my data", "a: b #c", "it's", "on", '"q"'])
def test_any_folder_can_be_given_to_make(odd_project, folder):
    asked = ("smoke", f"DATA={folder}", "ARGS=-n fig1")
    assert f"data_dir: there is no folder '{folder}'" in made(odd_project, *asked).stdout


@pytest.mark.parametrize("folder", ["20191008", "my data"])
def test_make_in_a_copied_folder_installs_nothing_anew(odd_project, folder):
    (odd_project.folder / folder).mkdir()
    os.utime(odd_project.folder / ".venv/installed", (0, 0))  # older than the locks: content says what is installed
    finished = made(odd_project, "smoke", f"DATA={folder}", "ARGS=-n fig1")
    assert finished.returncode == 0, finished.stdout
    assert "pip" not in finished.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("paper", "DATA=x", "ARGS=--config seeds=[0]"), "DATA and a --config in ARGS exclude each other"),
        (
            ("smoke", "ARGS=fig1 --configfile mine.yaml"),
            "make smoke and make full-size have a --configfile of their own",
        ),
        (("paper", "ARGS=-n --config training.epochs=3"), "training.epochs=3: a --config names no key within another"),
        (("smoke", "ARGS=-n -C seeds=[0] a.b.c=3"), "a.b.c=3: a --config names no key within another by dots"),
    ],
)
def test_what_snakemake_would_silently_forget_or_crash_on_is_refused(odd_project, arguments, sentence):
    finished = made(odd_project, *arguments)
    assert finished.returncode != 0
    assert sentence in finished.stdout


def test_a_brace_in_the_projects_folder_is_one_sentence(tmp_path):
    finished = Project.fresh(tmp_path / "a{b}").snakemake("-n")
    assert finished.returncode != 0
    assert "a{b}'; Snakemake needs one without { and }, which it reads as variables." in finished.stdout
    assert "Traceback" not in finished.stdout


@pytest.mark.slow
def test_a_closed_pipe_loses_nothing(project):
    command = f"{shlex.join(project.command(DATASET, *SMOKE))} 2>&1 | head -3"
    finished = subprocess.run(
        command, shell=True, cwd=project.folder, env=project.environment(), text=True, capture_output=True
    )
    assert "Traceback" not in finished.stdout + finished.stderr
    finished = project.snakemake(DATASET, *SMOKE)
    assert finished.returncode == 0, finished.stdout


def test_a_data_dir_that_is_not_there_is_one_sentence(project):
    finished = project.snakemake(OBJECT, "--config", "data_dir=nowhere")
    assert finished.returncode != 0
    assert "data_dir: there is no folder 'nowhere'" in finished.stdout
    assert "Traceback" not in finished.stdout


@pytest.mark.slow
def test_a_full_disk_is_one_sentence_and_the_next_run_goes_on(project, tried):
    # A file that may not grow past 100 kB stands for a disk without room for a dataset.
    def full():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    everything = dict(
        cwd=project.folder, env=project.environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    with tried("a full disk: one sentence, nothing half-written, and the next run goes on"):
        finished = subprocess.run(project.command(DATASET, *SMOKE), preexec_fn=full, **everything)
        assert finished.returncode != 0
        assert (
            f"Error in object: {DATASET.replace('datasets/clean/seed0.cxi', 'objects/permalloy.h5')} cannot be written: the disk is full"
            in finished.stdout
        )
        assert "Traceback" not in finished.stdout
        assert not list((project.folder / "results").rglob("permalloy.h5"))
        assert not [path for path in (project.folder / "results").rglob(".*") if path.is_file()]
        finished = project.snakemake(DATASET, *SMOKE)
        assert finished.returncode == 0, finished.stdout


PERMALLOY = "results/smoke/simulation/objects/permalloy.h5"


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """A project with a dataset."""
    project = Project.fresh(tmp_path_factory.mktemp("simulated") / "project")
    finished = project.snakemake(DATASET, *SMOKE)
    assert finished.returncode == 0, finished.stdout
    return project


IN_THE_WAY = {
    "results": lambda path: path.write_text("a user's own"),
    "results/smoke/simulation": lambda path: path.write_text("a user's own"),
    "results/smoke/simulation/objects": lambda path: path.symlink_to("nowhere"),
    PERMALLOY.replace(".h5", ".log"): lambda path: (path.mkdir(), (path / "a user's own").touch()),
}


@pytest.mark.parametrize("place", IN_THE_WAY)
def test_what_lies_in_the_way_of_the_results_is_one_sentence_and_stays(project, place, tried):
    path = project.folder / place
    if place == "results":
        shutil.rmtree(path, ignore_errors=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    IN_THE_WAY[place](path)
    with tried("a file, a folder or a dead link in the way of the results: one sentence, and it stays"):
        finished = project.snakemake(DATASET, *SMOKE)
        assert finished.returncode != 0
        assert re.search(rf"\b{re.escape(place)} is (a|no) folder", finished.stdout), finished.stdout
        assert "Traceback" not in finished.stdout
        kept = path / "a user's own" if path.is_dir() else path
        assert os.path.lexists(kept)
        path.rename(project.folder / "moved away")
        finished = project.snakemake(DATASET, *SMOKE)
        assert finished.returncode == 0, finished.stdout


RUINED = {
    "cut off to nothing": (lambda path: os.truncate(path, 0), "permalloy.h5 is empty, so it was cut off; delete it"),
    "a pipe": (lambda path: (path.unlink(), os.mkfifo(path)), "permalloy.h5 is no regular file"),
    "a folder": (lambda path: (path.unlink(), path.mkdir()), "permalloy.h5 is no regular file but a folder"),
}


@pytest.mark.slow
def test_a_result_that_nothing_is_made_of_is_missed_when_it_was_cut_off_to_nothing(simulated, tmp_path, tried):
    project = simulated.copy(tmp_path / "project")
    os.truncate(project.folder / DATASET, 0)
    with tried("a result that was cut off to nothing, or is a pipe or a folder: one sentence, then the same bytes"):
        finished = project.snakemake(DATASET, *SMOKE)
        assert finished.returncode != 0
        assert f"{DATASET} is empty, so it was cut off; delete it" in finished.stdout, finished.stdout
        (project.folder / DATASET).unlink()
        finished = project.snakemake(DATASET, *SMOKE)
        assert finished.returncode == 0, finished.stdout
        assert (project.folder / DATASET).read_bytes() == (simulated.folder / DATASET).read_bytes()


@pytest.mark.parametrize("how", RUINED)
def test_a_result_that_was_ruined_is_one_sentence_and_made_again_with_the_same_bytes(simulated, tmp_path, how, tried):
    project = simulated.copy(tmp_path / "project")
    whole = [(project.folder / name).read_bytes() for name in (PERMALLOY, DATASET)]
    ruin, sentence = RUINED[how]
    (project.folder / DATASET).unlink()
    ruin(project.folder / PERMALLOY)
    with tried("a result that was cut off to nothing, or is a pipe or a folder: one sentence, then the same bytes"):
        finished = project.snakemake(DATASET, *SMOKE)
        assert finished.returncode != 0
        assert sentence in finished.stdout, finished.stdout
        assert "Traceback" not in finished.stdout
        (project.folder / PERMALLOY).rename(project.folder / "moved away")
        finished = project.snakemake(DATASET, *SMOKE)
        assert finished.returncode == 0, finished.stdout
        assert [(project.folder / name).read_bytes() for name in (PERMALLOY, DATASET)] == whole


@pytest.mark.slow
def test_what_snakemake_forgot_is_not_taken_for_made_as_the_config_says_now(simulated, tmp_path):
    """Also where --touch would have it so, for all time, and though no job is to run."""
    project = simulated.copy(tmp_path / "project")
    changed = ("--config", "datasets={clean: {detector: {photons: 10}}}")
    assert project.planned(DATASET, *SMOKE, *changed) == {"dataset": 1}  # remembered
    other_words = ("optics={distance: 1}", "datasets={clean: {detector: {photons: 50000, efficiency: 1.0}}}")
    assert project.planned(DATASET, *SMOKE, "--config", *other_words) == {}
    named_otherwise = ("--config", f"pathvars={{results: {project.folder}/results/./smoke/}}")
    assert project.planned(DATASET, *SMOKE, *named_otherwise) == {}
    shutil.rmtree(project.folder / ".snakemake/metadata")
    whole = (project.folder / DATASET).read_bytes()
    assert project.planned(DATASET, *SMOKE) == {}
    for how in ((), ("--dry-run",), ("--touch",), ("--touch", "--dry-run")):
        refused = project.snakemake(DATASET, *SMOKE, *how, *changed)
        assert refused.returncode != 0
        sentence = f"{DATASET} was made with detector.photons 50000.0, which is 10 by the config now"
        assert sentence in refused.stdout, refused.stdout
        assert ("leave out --touch and write --forcerun dataset" in refused.stdout) == ("--touch" in how)
        assert "write --forcerun dataset" in refused.stdout
    assert (project.folder / DATASET).read_bytes() == whole
    assert project.planned(DATASET, *SMOKE, *changed, "--until", "object") == {}  # which it does not ask for
    assert project.planned(DATASET, *SMOKE, *changed, "--forcerun", "dataset") == {"dataset": 1}
    finished = project.snakemake(DATASET, *SMOKE, "--touch")
    assert finished.returncode == 0, finished.stdout
    project.edit("src/ptychoformer/simulation/scan.py", "GREATEST_OVERLAP =", "OTHER = GREATEST_OVERLAP =")
    told = project.snakemake(DATASET, *SMOKE, "--touch").stdout
    assert "Other code" in told
    assert "to make it anew, leave out --touch and write --forcerun dataset" in told


@pytest.mark.parametrize("option", ["--forcerun", "--until", "--omit-from", "--prioritize"])
def test_a_file_is_one_and_the_same_however_an_option_names_it(simulated, option):
    asked = (DATASET, *SMOKE, "--config", f"pathvars={{results: {simulated.folder}/results/smoke}}", "--forceall")
    short, full = (simulated.planned(*asked, option, str(name)) for name in (PERMALLOY, simulated.folder / PERMALLOY))
    assert short == full
    assert ("dataset" in full) == (option in ("--forcerun", "--prioritize"))


def test_a_dead_link_in_the_place_of_a_result_is_one_sentence_and_stays(simulated, tmp_path, tried):
    project = simulated.copy(tmp_path / "project")
    link = project.folder / PERMALLOY
    whole = link.read_bytes()
    link.unlink()
    link.symlink_to("nowhere.h5")
    with tried("a dead link in the place of a result: one sentence, then the same bytes"):
        finished = project.snakemake(DATASET, *SMOKE)
        assert finished.returncode != 0
        assert f"Unable to obtain modification time of file {PERMALLOY}" in finished.stdout
        assert "Traceback" not in finished.stdout
        link.unlink()
        finished = project.snakemake(PERMALLOY, *SMOKE)
        assert finished.returncode == 0, finished.stdout
        assert link.read_bytes() == whole


def test_the_rate_limit_that_is_lifted_is_still_snakemakes():
    assert "self.job_rate_limiter is None" in inspect.getsource(JobScheduler)
    assert MaxJobsPerTimespan.parse_choice("100/1s").__dict__ == {"max_jobs": 100, "timespan": 1}
    default = next(
        action for action in get_argument_parser()._actions if action.dest == "max_jobs_per_timespan"
    ).default
    assert default == "100/1s"
