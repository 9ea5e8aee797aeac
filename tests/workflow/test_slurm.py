"""The shipped profiles on a real Slurm of one node, with a pretend GPU: `make test-slurm`.

Without the Debian packages that loopback.sh names, or as another user than root, all is skipped.
"""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from ptychoformer.training.checkpoint import load_checkpoint

from ..conftest import WITH_ACCOUNTING, WITHOUT
from .conftest import Project

LOOPBACK = Path(__file__).with_name("loopback.sh")
SMOKE = ("--configfile", "config/smoke.yaml")
TABLE = "table2"  # simulates, reconstructs, trains, predicts, scores, and prints
DATASET = "results/smoke/simulation/datasets/clean/seed0.cxi"
RUN = "results/smoke/training/clean/ptychonn/mse/n24/seed0"
REFUSAL = f"{RUN} is being written into by another process"
LONG_TRAINING = (f"{RUN}/model.pt", "--config", "training={epochs: 20}")
LOOKS = ("--slurm-init-seconds-before-status-checks", "5")
AS_LOCAL = "tables as of a local run"
WRONG = "a cluster that the profile does not fit: `make check-slurm` says what is wrong in one sentence"
NOT_HERE = 3  # what loopback.sh says of a machine that it leaves alone
PROFILE = "profiles/slurm/config.yaml"
PATIENCE = 1800  # seconds in which a job has to start

pytestmark = pytest.mark.slow


class Slurm:
    """A Slurm that loopback.sh started."""

    def __init__(self, accounting: bool, **settings: str):
        command = ["bash", str(LOOPBACK), "up", *(["accounting"] if accounting else [])]
        # Its daemons stay, so that nothing may wait for the end of their output.
        with open("/dev/null", "wb") as nothing:
            started = subprocess.run(
                command, env=os.environ | settings, stdout=nothing, stderr=subprocess.PIPE, text=True
            )
        if started.returncode == NOT_HERE:
            pytest.skip(started.stderr.strip())
        assert started.returncode == 0, started.stderr

    def jobs(self, state: str = "RUNNING") -> dict[str, str]:
        """Comments of jobs, which name their rule or group, by their number."""
        command = ["squeue", "--noheader", f"--states={state}", "--format=%i|%k"]
        listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return dict(line.split("|") for line in listed.splitlines())

    def running(self, kind: str) -> str:
        """The number of a job of a kind, once its work has begun."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            for number, comment in self.jobs().items():
                if kind in comment and len(self.processes(number)) > 3:
                    return number
            time.sleep(0.5)
        raise AssertionError(f"no job of {kind} ran")

    def processes(self, number: str) -> list[int]:
        """Processes of a job, in the order in which they started."""
        listed = subprocess.run(["scontrol", "listpids", number], capture_output=True, text=True).stdout
        return sorted(int(line.split()[0]) for line in listed.splitlines()[1:])

    def signal(self, number: str, sent: signal.Signals) -> None:
        """Send a signal to every process of a job, parents first, so that none starts another."""
        for process in self.processes(number):
            with suppress(ProcessLookupError):
                os.kill(process, sent)

    def recorded(self, number: str) -> str:
        """How a job ended, by the accounting database."""
        command = ["sacct", "-X", "--noheader", "--parsable2", "--format=State", f"--jobs={number}"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def ended(self, number: str) -> None:
        end = time.monotonic() + PATIENCE
        while number in self.jobs("RUNNING,COMPLETING") and time.monotonic() < end:
            time.sleep(0.5)


@pytest.fixture
def slurm():
    """Starts a Slurm, and stops it afterwards."""
    started = []

    def start(accounting: bool = False, **settings: str) -> Slurm:
        started.append(Slurm(accounting, **settings))
        return started[0]

    yield start
    if started:
        subprocess.run(["bash", str(LOOPBACK), "down"], check=True)


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """The table as a local run makes it."""
    project = Project.fresh(tmp_path_factory.mktemp("local") / "project")
    finished = project.snakemake(TABLE, *SMOKE)
    assert finished.returncode == 0, finished.stdout
    return project


def tables(project: Project) -> dict[str, bytes]:
    """Every CSV of results, to the byte but for the seconds that an epoch or an iteration took."""
    found = {}
    for path in sorted((project.folder / "results").rglob("*.csv")):
        lines = path.read_bytes().splitlines()
        timed = lines[0].endswith(b",seconds")
        found[str(path.relative_to(project.folder))] = b"\n".join(
            line.rpartition(b",")[0] if timed else line for line in lines
        )
    return found


def submitting(project: Project, profile: str, *asked: str) -> subprocess.Popen:
    """Snakemake at work on the table, or on what is asked, through a shipped profile."""
    command = [sys.executable, "-m", "snakemake", *(asked or [TABLE]), "--profile", profile, *SMOKE]
    log = open(project.folder / "snakemake.log", "ab")  # noqa: SIM115, closed with the process
    return subprocess.Popen(
        command, cwd=project.folder, env=project.environment(), stdout=log, stderr=log, start_new_session=True
    )


def finished(project: Project, at_work: subprocess.Popen) -> None:
    assert at_work.wait() == 0, (project.folder / "snakemake.log").read_text()[-5000:]


def checked(project: Project, profile: str, *more: str) -> subprocess.CompletedProcess:
    """What `make check-slurm` does."""
    command = [sys.executable, "workflow/check_slurm.py", "--profile", profile, *more]
    return subprocess.run(command, cwd=project.folder, text=True, capture_output=True)


def test_without_accounting_a_table_is_that_of_a_local_run(slurm, local, tmp_path, tried):
    with tried("nothing: every CSV is that of a local run", WITHOUT):
        slurm(accounting=False)
        project = Project.fresh(tmp_path / "project")
        found = checked(project, "profiles/slurm")
        assert (found.returncode, found.stderr) == (0, "")
        assert "A job with a GPU ran" in found.stdout
        finished(project, submitting(project, "profiles/slurm"))
        assert tables(project) == tables(local)


def test_with_accounting_a_table_is_that_of_a_local_run_whatever_is_killed(slurm, local, tmp_path, tried):
    """One job is cancelled, one killed, one runs out of time, and then Snakemake itself is killed."""
    with (
        tried(f"scancel of a job: {AS_LOCAL}", WITH_ACCOUNTING),
        tried(f"SIGKILL of a job: {AS_LOCAL}", WITH_ACCOUNTING),
        tried(f"a job that runs out of time: {AS_LOCAL}", WITH_ACCOUNTING),
        tried(f"SIGKILL of Snakemake while a job lives: {AS_LOCAL}", WITH_ACCOUNTING),
    ):
        cluster = slurm(accounting=True, GPUS="0")
        project = Project.fresh(tmp_path / "project")
        ended = ended_by_force(cluster, project)
        finished(project, submitting(project, "profiles/slurm-cpu"))

        assert [cluster.recorded(number).partition(" by ")[0] for number in ended] == ["CANCELLED", "FAILED", "TIMEOUT"]
        assert tables(project) == tables(local)


def ended_by_force(cluster: Slurm, project: Project) -> tuple[str, str, str]:
    """Numbers of the jobs that were cancelled, killed and out of time, before Snakemake was killed."""
    assert checked(project, "profiles/slurm-cpu").returncode == 0
    at_work = submitting(project, "profiles/slurm-cpu")

    cancelled = cluster.running("scans")
    subprocess.run(["scancel", cancelled], check=True)

    killed = cluster.running("reconstructions")
    cluster.signal(killed, signal.SIGKILL)

    late = cluster.running("trainings")
    cluster.signal(late, signal.SIGSTOP)  # so that it is at work when its time is over
    subprocess.run(["scontrol", "update", f"JobId={late}", "TimeLimit=00:00:01"], check=True)
    cluster.ended(late)

    orphaned = cluster.running("predictions")
    os.killpg(at_work.pid, signal.SIGKILL)
    at_work.wait()
    cluster.ended(orphaned)
    return cancelled, killed, late


def said(project: Project) -> str:
    """All that Snakemake and its jobs said."""
    logs = [project.folder / "snakemake.log", *(project.folder / ".snakemake/slurm_logs").rglob("*.log")]
    return "\n".join(path.read_text() for path in logs)


def test_a_training_that_outlives_its_snakemake_has_no_second_writer_and_is_not_lost(
    slurm, project, tmp_path_factory, tried
):
    """The training is stopped while others are tried beside it."""
    orphan = "SIGKILL of Snakemake while a training lives"
    with (
        tried(f"{orphan}: another beside it is refused before the work, and by its job where submitted", WITHOUT),
        tried(f"{orphan}: what it makes is taken over, the same weights", WITHOUT),
    ):
        cluster, asked = slurm(), ("profiles/slurm-cpu", *LONG_TRAINING, *LOOKS)
        assert project.snakemake(DATASET, *SMOKE).returncode == 0
        undisturbed = project.copy(tmp_path_factory.mktemp("undisturbed") / "project")
        number = orphaned(cluster, project, asked)
        training = cluster.processes(number)[-1]

        for how in ((), ("--no-hooks", "--retries", "0")):  # before the work, and by the job
            told = said(project).count(REFUSAL)
            assert submitting(project, *asked, *how).wait() != 0
            assert said(project).count(REFUSAL) > told
        assert list(cluster.jobs()) == [number]
        os.kill(training, signal.SIGCONT)
        cluster.ended(number)

        finished(project, submitting(project, *asked))
        assert undisturbed.snakemake(*LONG_TRAINING, *SMOKE).returncode == 0
        assert tables(project) == tables(undisturbed)
        weights = (load_checkpoint(each.folder / RUN / "model.pt").weights for each in (project, undisturbed))
        assert all(torch.equal(*both) for both in zip(*(found.values() for found in weights), strict=True))


def orphaned(cluster: Slurm, project: Project, asked: tuple[str, ...]) -> str:
    """The number of a training that is stopped after its first epoch, and whose Snakemake is killed."""
    first = submitting(project, *asked)
    number = cluster.running("trainings")
    while not (project.folder / RUN / "state.pt").exists():
        assert first.poll() is None
        time.sleep(0.05)
    os.kill(cluster.processes(number)[-1], signal.SIGSTOP)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    return number


@pytest.mark.parametrize(
    ("settings", "old", "new", "sentence"),
    [
        ({"GPUS": "0"}, "", "", "No node of partition '(default)' has a GPU"),
        ({"MIN_JOB_AGE": "60"}, "", "", "forgets a job 60 s after its end (MinJobAge)"),
        ({}, '# slurm_partition: "my-partition"', "slurm_partition: fast", "Slurm knows no partition 'fast'"),
        ({}, '# slurm_partition: "my-gpu-partition"', "slurm_partition: a100", "to one of main."),
        ({}, "status-command: squeue", "status-command: sacct", "This Slurm has no accounting database"),
        ({}, "status-command: squeue", "status-command: qstat", "slurm-status-command is 'qstat'"),
    ],
)
def test_what_is_wrong_with_a_cluster_is_one_sentence(slurm, project, settings, old, new, sentence, tried):
    with tried(WRONG, WITHOUT):
        slurm(accounting=False, **settings)
        project.edit(PROFILE, old, new)
        found = checked(project, "profiles/slurm")
        assert found.returncode == 1
        assert sentence in found.stderr
        assert len(found.stderr.splitlines()) == 1


def test_with_accounting_an_account_that_is_not_ones_own_is_one_sentence(slurm, project, tried):
    with tried(WRONG, WITH_ACCOUNTING):
        slurm(accounting=True)
        project.edit(PROFILE, '# slurm_account: "my-account"', "slurm_account: chemistry")
        found = checked(project, "profiles/slurm")
        assert found.returncode == 1
        assert found.stderr.startswith("Slurm refuses the account 'chemistry': set slurm_account in ")


def test_a_job_that_never_starts_is_one_sentence(slurm, project, tried):
    with tried(WRONG, WITHOUT):
        slurm(accounting=False)
        subprocess.run(["scontrol", "update", "PartitionName=main", "State=DOWN"], check=True)
        found = checked(project, "profiles/slurm", "--wait", "5")
        assert found.returncode == 1
        assert "after 5 s is still PENDING (PartitionDown)" in found.stderr
