"""What the workflow is told of the machine before it works: its clock, its folders, its other
processes, its code.
"""

import fcntl
import os
import signal
import subprocess
import time

import pytest

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
def test_a_clock_that_runs_ahead_costs_no_finished_training(trained):
    whole, dataset = (trained.folder / CHECKPOINT).read_bytes(), trained.folder / DATASET
    os.utime(dataset, (IN_2030, IN_2030))
    for arguments in ((), ("--touch",), ("--forcerun", "train")):
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
    finished = trained.snakemake(CHECKPOINT, "--no-hooks", *SMOKE)
    assert finished.returncode == 0, finished.stdout
    assert (trained.folder / CHECKPOINT).read_bytes() == whole
    assert trained.planned(CHECKPOINT, *SMOKE) == {}


@pytest.mark.slow
def test_a_training_that_outlived_its_workflow_is_not_joined_by_a_second_one(trained):
    (trained.folder / CHECKPOINT).unlink()
    descriptor = os.open(trained.folder / RUN, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        for look in ((), ("--no-hooks",)):  # before the work; and the job itself
            finished = trained.snakemake(CHECKPOINT, *look, *SMOKE)
            assert finished.returncode != 0
            assert f"{RUN} is being written into by another process" in finished.stdout
            assert "Traceback" not in finished.stdout
    finally:
        os.close(descriptor)
    finished = trained.snakemake(CHECKPOINT, *SMOKE)
    assert finished.returncode == 0, finished.stdout


def test_a_workflow_that_was_killed_is_gone_on_with_and_a_live_one_keeps_its_lock(project):
    process = subprocess.Popen(
        project.command(DATASET, *SMOKE),
        cwd=project.folder,
        env=project.environment(),
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    locks = project.folder / ".snakemake/locks"
    while not list(project.folder.glob(".snakemake/lock-owners/*.json")):
        assert process.poll() is None
        time.sleep(0.02)
    held = sorted(locks.iterdir())
    assert held
    os.killpg(process.pid, signal.SIGSTOP)
    assert project.snakemake(DATASET, "--dry-run", *SMOKE).returncode in (0, 1)
    assert sorted(locks.iterdir()) == held
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    finished = project.snakemake(DATASET, *SMOKE)
    assert finished.returncode == 0, finished.stdout
    assert "its lock was released and its work goes on" in finished.stdout
    assert not list(locks.glob("*"))
    assert not list((project.folder / ".snakemake/lock-owners").iterdir())


def test_memory_that_does_not_suffice_is_one_sentence_and_the_next_run_goes_on(project):
    module, first = "src/ptychoformer/simulation/dataset.py", "    with create_dataset(output"
    project.edit(module, first, f"    np.empty(2**45)\n{first}")
    finished = project.snakemake(DATASET, *SMOKE)
    assert finished.returncode != 0
    assert "Error in dataset: the memory does not suffice; run fewer jobs at once (--cores)" in finished.stdout
    assert "Traceback" not in finished.stdout
    project.edit(module, "    np.empty(2**45)\n", "")
    assert project.snakemake(DATASET, *SMOKE).returncode == 0


def test_code_that_changes_while_it_runs_is_told_and_made_anew_by_the_next_run(project):
    module = project.folder / "src/ptychoformer/simulation/dataset.py"
    process = subprocess.Popen(
        project.command(DATASET, *SMOKE),
        cwd=project.folder,
        env=project.environment(),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    while not list(project.folder.glob(".snakemake/lock-owners/*.json")):
        assert process.poll() is None
        time.sleep(0.02)
    module.write_text(module.read_text() + "\nEDITED = True\n")
    said, _ = process.communicate()
    assert process.returncode == 0, said
    assert "src/ptychoformer/simulation/dataset.py changed while this ran; the same command again" in said
    assert project.planned(DATASET, *SMOKE) == {"dataset": 1}


@pytest.mark.slow
def test_what_a_training_made_that_outlived_its_workflow_is_not_trained_again(project):
    arguments = (CHECKPOINT, "--config", "training={epochs: 6}", *SMOKE)
    everything = dict(cwd=project.folder, env=project.environment(), start_new_session=True)
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
    finished = project.snakemake(*arguments)
    assert finished.returncode == 0, finished.stdout
    assert "Going on after epoch 6." in (project.folder / RUN / "train.log").read_text()
    assert not (project.folder / RUN / "state.pt").exists()
