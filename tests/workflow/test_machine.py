"""What the workflow is told of the machine before it works: its clock, its folders, its other
processes, its code.
"""

import fcntl
import os
import re
import signal
import subprocess
import time

import pytest
import torch

from ptychoformer.training.checkpoint import load_checkpoint

from .conftest import Project

SMOKE = ("--configfile", "config/smoke.yaml")
RUN = "results/smoke/training/clean/ptychonn/mse/n24/seed0"
CHECKPOINT = f"{RUN}/model.pt"
DATASET = "results/smoke/simulation/datasets/clean/seed0.cxi"
IN_2030 = 1893456000


@pytest.fixture
def trained(project):
    """A project with one trained network."""
    finished = project.snakemake(CHECKPOINT, *SMOKE)
    assert finished.returncode == 0, finished.stdout
    return project


@pytest.mark.slow
def test_a_clock_that_runs_ahead_costs_no_finished_training(trained, tried):
    whole, dataset = (trained.folder / CHECKPOINT).read_bytes(), trained.folder / DATASET
    os.utime(dataset, (IN_2030, IN_2030))
    for arguments in ((), ("--touch",), ("--forcerun", "train")):
        with tried("a dataset dated 2030 beside a finished training: nothing of it is lost"):
            finished = trained.snakemake(CHECKPOINT, *arguments, *SMOKE)
            assert finished.returncode != 0
            assert f"{DATASET} is dated 20" in finished.stdout
            assert "Traceback" not in finished.stdout
            assert (trained.folder / CHECKPOINT).read_bytes() == whole
    os.utime(dataset)  # as the sentence says
    finished = trained.snakemake(CHECKPOINT, "--touch", *SMOKE)
    assert finished.returncode == 0, finished.stdout
    assert (trained.folder / CHECKPOINT).read_bytes() == whole
    assert trained.planned(CHECKPOINT, *SMOKE) == {}
    # A clock that is put right while the work is on: without the look beforehand.
    os.utime(dataset, (IN_2030, IN_2030))
    with tried("a dataset dated 2030 beside a finished training: nothing of it is lost"):
        finished = trained.snakemake(CHECKPOINT, "--no-hooks", *SMOKE)
        assert finished.returncode == 0, finished.stdout
        assert (trained.folder / CHECKPOINT).read_bytes() == whole
        assert trained.planned(CHECKPOINT, *SMOKE) == {}


SCORES = "results/smoke/evaluation/clean/ptychonn/mse/n24/seed0/on_clean/metrics.csv"


def put_back(project, seconds):
    """Put the clock back: all that was made until now lies in the future."""
    for path in (project.folder / "results").rglob("*"):
        if path.is_file():
            os.utime(path, (path.stat().st_mtime + seconds,) * 2)


@pytest.mark.slow
def test_a_clock_that_is_put_back_between_two_runs_costs_no_finished_training(trained, tried):
    whole = (trained.folder / CHECKPOINT).read_bytes()
    with tried("a clock that is put back by seconds between two runs: the second goes on"):
        put_back(trained, 30)
        finished = trained.snakemake(SCORES, *SMOKE)
        assert finished.returncode == 0, finished.stdout
        assert "rule train:" not in finished.stdout
        assert trained.planned(SCORES, *SMOKE) == {}
    (trained.folder / SCORES).unlink()
    with tried("a clock that is put back by an hour between two runs: one sentence, whose commands lose nothing"):
        put_back(trained, 3600)
        finished = trained.snakemake(SCORES, *SMOKE)
        assert finished.returncode != 0
        command = re.search(r"more\) is dated 20.* else run (find .*?), and after it", finished.stdout)[1]
        subprocess.run(command, shell=True, check=True, cwd=trained.folder)
        finished = trained.snakemake(CHECKPOINT, "--touch", *SMOKE)
        assert finished.returncode == 0, finished.stdout
        finished = trained.snakemake(SCORES, *SMOKE)
        assert finished.returncode == 0, finished.stdout
        assert "rule train:" not in finished.stdout
    assert (trained.folder / CHECKPOINT).read_bytes() == whole


LONG_TRAINING = (CHECKPOINT, "--config", "training={epochs: 60}", *SMOKE)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The weights of the long training, which nobody interrupts."""
    project = Project.fresh(tmp_path_factory.mktemp("undisturbed"))
    finished = project.snakemake(*LONG_TRAINING)
    assert finished.returncode == 0, finished.stdout
    return load_checkpoint(project.folder / CHECKPOINT).weights


INTERRUPTS = {
    "SIGINT, as Ctrl-C sends it": lambda process: os.killpg(process.pid, signal.SIGINT),
    "SIGTERM of all its processes": lambda process: os.killpg(process.pid, signal.SIGTERM),
    "SIGINT of Snakemake alone": lambda process: process.send_signal(signal.SIGINT),
    "SIGTERM of Snakemake alone": lambda process: process.terminate(),
}


@pytest.mark.slow
@pytest.mark.parametrize("how", INTERRUPTS)
def test_a_workflow_that_is_interrupted_in_mid_training_ends_with_the_same_weights(project, undisturbed, how, tried):
    def heed_interrupts():  # which a shell has what it starts in the background ignore
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    everything = dict(cwd=project.folder, env=project.environment(), start_new_session=True, preexec_fn=heed_interrupts)
    process = subprocess.Popen(
        project.command(*LONG_TRAINING), **everything, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    while not (project.folder / RUN / "state.pt").exists():
        assert process.poll() is None
        time.sleep(0.02)
    with tried(f"{how} in mid-training: nothing of it is lost, the same weights"):
        INTERRUPTS[how](process)
        said, _ = process.communicate(timeout=120)
        assert process.returncode != 0
        assert "Traceback" not in said
        descriptor = os.open(project.folder / RUN, os.O_RDONLY)
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # once the training has ended, if it went on alone
        os.close(descriptor)
        finished = project.snakemake(*LONG_TRAINING)
        assert finished.returncode == 0, finished.stdout
        waited = how.endswith("alone")  # Snakemake, for the training
        assert ("Going on after epoch" in (project.folder / RUN / "train.log").read_text()) != waited
        weights = load_checkpoint(project.folder / CHECKPOINT).weights
        assert all(torch.equal(part, undisturbed[name]) for name, part in weights.items())
        assert not (project.folder / RUN / "state.pt").exists()


@pytest.mark.slow
def test_a_training_that_outlived_its_workflow_is_not_joined_by_a_second_one(trained, tried):
    (trained.folder / CHECKPOINT).unlink()
    descriptor = os.open(trained.folder / RUN, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        for look in ((), ("--no-hooks",)):  # before the work; and the job itself
            with tried("a second training in the folder of one that still runs: refused"):
                finished = trained.snakemake(CHECKPOINT, *look, *SMOKE)
                assert finished.returncode != 0
                assert f"{RUN} is being written into by another process" in finished.stdout
                assert "Traceback" not in finished.stdout
    finally:
        os.close(descriptor)
    finished = trained.snakemake(CHECKPOINT, *SMOKE)
    assert finished.returncode == 0, finished.stdout


@pytest.fixture
def locking(project):
    """Snakemake at the moment at which it has taken its lock, before anything else of its work."""

    def heed_interrupts():  # which a shell has what it starts in the background ignore
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    everything = dict(cwd=project.folder, env=project.environment(), start_new_session=True, preexec_fn=heed_interrupts)
    process = subprocess.Popen(
        project.command(DATASET, *SMOKE), **everything, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    while not locks_of(project):
        assert process.poll() is None
        time.sleep(0.002)
    with process:
        yield process
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def locks_of(project):
    return sorted((project.folder / ".snakemake/locks").glob("*"))


def names_of(project):
    return list((project.folder / ".snakemake/lock-owners").glob("*"))


def test_a_workflow_that_is_stopped_keeps_its_lock_whatever_is_started_beside_it(project, locking, tried):
    os.killpg(locking.pid, signal.SIGSTOP)
    held, names = locks_of(project), names_of(project)
    for beside in (("--dry-run",), (), ("--no-hooks",)):
        with tried("a workflow that is stopped, not killed, and another one beside it: it keeps its lock"):
            finished = project.snakemake(DATASET, *beside, *SMOKE)
            assert (finished.returncode == 0) is (beside == ("--dry-run",))
            assert "cannot be locked" in finished.stdout
            assert (locks_of(project), names_of(project)) == (held, names)
    os.killpg(locking.pid, signal.SIGCONT)
    said, _ = locking.communicate()
    assert locking.returncode == 0, said
    assert not names_of(project)


def test_a_workflow_that_was_killed_is_gone_on_with(project, locking, tried):
    """As soon as it has its lock."""
    os.killpg(locking.pid, signal.SIGKILL)
    locking.wait()
    with tried("SIGKILL of Snakemake and its jobs: its lock is released by the next run"):
        assert locks_of(project)
        assert project.planned(DATASET, *SMOKE)
        assert locks_of(project)  # a dry run changes nothing
        finished = project.snakemake(DATASET, *SMOKE)
        assert finished.returncode == 0, finished.stdout
        assert "its lock was released and its work goes on" in finished.stdout
        assert not locks_of(project)
        assert not names_of(project)


@pytest.mark.slow
def test_of_two_that_start_at_once_after_a_kill_one_works_and_the_other_is_told(project, locking, tried):
    os.killpg(locking.pid, signal.SIGKILL)
    locking.wait()
    with tried("the same command twice at once after a SIGKILL: one works, the other is refused or finds all made"):
        everything = dict(cwd=project.folder, env=project.environment(), text=True)
        both = [
            subprocess.Popen(
                project.command(DATASET, *SMOKE), **everything, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
            for _ in range(2)
        ]
        said = [process.communicate()[0] for process in both]
        assert 0 in [process.returncode for process in both], said
        assert sum("rule dataset:" in text for text in said) <= 1
        for process, text in zip(both, said, strict=True):
            assert process.returncode == 0 or "cannot be locked" in text
        assert not names_of(project)
        assert project.planned(DATASET, *SMOKE) == {}


def test_memory_that_does_not_suffice_is_one_sentence_and_the_next_run_goes_on(project, tried):
    module, first = "src/ptychoformer/simulation/dataset.py", "    with create_dataset("
    project.edit(module, first, f"    np.empty(2**45)\n{first}")
    with tried("memory that does not suffice: one sentence"):
        finished = project.snakemake(DATASET, *SMOKE)
        assert finished.returncode != 0
        assert "Error in dataset: the memory does not suffice; run fewer jobs at once (--cores)" in finished.stdout
        assert "Traceback" not in finished.stdout
        project.edit(module, "    np.empty(2**45)\n", "")
        assert project.snakemake(DATASET, *SMOKE).returncode == 0


def test_code_that_changes_while_it_runs_makes_nothing_before_the_next_run(project, locking, tried):
    module = project.folder / "src/ptychoformer/simulation/dataset.py"
    module.write_text(module.read_text() + "\nEDITED = True\n")
    with tried("code edited while it runs: jobs that wait are refused, the next run makes them"):
        said, _ = locking.communicate()
        assert locking.returncode != 0
        assert (
            "Error in dataset: src/ptychoformer/simulation/dataset.py changed since this run was planned; the" in said
        )
        assert "src/ptychoformer/simulation/dataset.py changed while this ran; the same command again" in said
        assert project.snakemake(DATASET, *SMOKE).returncode == 0


NET = """from pathlib import Path
from torch import nn

WIDTH = 4
EDITS = True  # this file, as somebody would while it is used

def build(window):
    if EDITS:
        Path(__file__).write_text(Path(__file__).read_text().replace("WIDTH = 4", "WIDTH = 5"))
    return nn.Conv2d(1, 2, 3, padding=1)
"""


def test_a_network_that_is_edited_is_no_other_network_and_loses_nothing(project, tried):
    (project.folder / "net.py").write_text(NET)
    (project.folder / "mine.yaml").write_text("models: {mine: {kind: net.py, experiments: [table1]}}\n")
    runs = [f"results/smoke/training/clean/mine/mse/n24/seed{seed}/model.pt" for seed in (0, 1)]
    how = (*runs, *SMOKE, "mine.yaml", "--cores", "1")
    with tried("a network edited between two jobs, and the edit taken back: no seed of it is another network's"):
        finished = project.snakemake(*how)
        assert finished.returncode != 0
        assert "Error in train: net.py changed since this run was planned; the same command" in finished.stdout
        (project.folder / "net.py").write_text(NET)
        assert project.planned(*how).get("train") == 1
        assert sum((project.folder / run).exists() for run in runs) == 1
    (project.folder / "net.py").write_text(NET.replace("EDITS = True", "EDITS = False"))
    finished = project.snakemake(*how)
    assert finished.returncode == 0, finished.stdout
    trained = [(project.folder / run).read_bytes() for run in runs]
    with tried("a network that can no longer be trained: one sentence, and what it had been trained to is left"):
        (project.folder / "net.py").write_text("print('hello')\n" + NET.replace("Conv2d(1, 2", "Conv2d(1, 1"))
        finished = project.snakemake(*how)
        assert finished.returncode != 0
        sentence = "The network 'net.py' returns a tensor of 2 x 1 x 32 x 32"
        assert finished.stdout.count(sentence) == 1
        assert "finished trainings are as they were." in finished.stdout
        assert [(project.folder / run).read_bytes() for run in runs] == trained


@pytest.mark.slow
def test_what_a_training_made_that_outlived_its_workflow_is_not_trained_again(project, tried):
    arguments = (CHECKPOINT, "--config", "training={epochs: 6}", *SMOKE)

    def heed_interrupts():  # which a shell has what it starts in the background ignore
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    everything = dict(cwd=project.folder, env=project.environment(), start_new_session=True, preexec_fn=heed_interrupts)
    process = subprocess.Popen(
        project.command(*arguments), **everything, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while not (project.folder / RUN / "state.pt").exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()  # it alone
    process.wait()
    descriptor = os.open(project.folder / RUN, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)  # once it has ended
    os.close(descriptor)
    with tried("SIGKILL of Snakemake alone, whose training lives on: its result is taken over by the next run"):
        finished = project.snakemake(*arguments)
        assert finished.returncode == 0, finished.stdout
        assert "Going on after epoch 6." in (project.folder / RUN / "train.log").read_text()
        assert not (project.folder / RUN / "state.pt").exists()
