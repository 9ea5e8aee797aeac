"""What can go wrong outside of the workflow: a missing file, an address that does not answer, a full disk."""

import inspect
import os
import resource
import subprocess

import numpy as np
import pytest
import tifffile
from snakemake.cli import get_argument_parser
from snakemake.scheduling.job_scheduler import JobScheduler
from snakemake.settings.types import MaxJobsPerTimespan

OBJECT = "results/simulation/objects/ad_ltem.h5"
DATASET = "results/smoke/simulation/datasets/clean/seed0.cxi"
SMOKE = ("--configfile", "config/smoke.yaml")


@pytest.fixture
def unreachable(project):
    """The paper's own object at an address where nobody answers."""
    config = project.folder / "config.yaml"
    config.write_text(config.read_text().replace("https://raw.githubusercontent.com", "http://127.0.0.1:9"))
    without_checksums(project)
    return project


def without_checksums(project):
    config = project.folder / "config.yaml"
    config.write_text("".join(line for line in config.read_text().splitlines(keepends=True) if "sha256" not in line))


def test_a_missing_file_that_cannot_be_downloaded_is_one_sentence_and_a_local_copy_helps(unreachable):
    finished = unreachable.snakemake(OBJECT)
    assert finished.returncode != 0
    assert "Error in provided_file: http://127.0.0.1:9/" in finished.stdout
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
        (False, "Error in object: resources/files/ad_ltem/design_amp.tiff cannot be read as TIFF"),
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


def test_a_data_dir_that_is_not_there_is_one_sentence(project):
    finished = project.snakemake(OBJECT, "--config", "data_dir=nowhere")
    assert finished.returncode != 0
    assert "data_dir: there is no folder 'nowhere'" in finished.stdout
    assert "Traceback" not in finished.stdout


def test_a_full_disk_is_one_sentence_and_the_next_run_goes_on(project):
    # A file that may not grow past 100 kB stands for a disk without room for a dataset.
    def full():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    everything = dict(cwd=project.folder, env=project.environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
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


def test_the_rate_limit_that_is_lifted_is_still_snakemakes():
    assert "self.job_rate_limiter is None" in inspect.getsource(JobScheduler)
    assert MaxJobsPerTimespan.parse_choice("100/1s").__dict__ == {"max_jobs": 100, "timespan": 1}
    default = next(action for action in get_argument_parser()._actions if action.dest == "max_jobs_per_timespan").default
    assert default == "100/1s"
