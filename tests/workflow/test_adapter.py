"""What surrounds every script of a rule keeps the log and the provenance of the job that they are of."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ptychoformer.owners import WORKFLOWS, own_system

SCRIPTS = Path(__file__).resolve().parents[2] / "workflow" / "scripts"
# A job of the rule `train` whose work is to say a line, wait until it is told to end, and write its output.
JOB = """
import sys
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, sys.argv[1])
from adapter import job

name, folder, how = sys.argv[2], Path(sys.argv[3]), sys.argv[4]
output = [str(folder / name) for name in ("model.pt", "history.csv")]
params = {"model": {"kind": "dpi", "options": {"size": "small"}}, "code": "0012345678e9"}
wildcards = {"model": "ours", "n_train": "24"}
snakemake = SimpleNamespace(
    rule="train", log=[str(folder / "train.log")], output=output, input=[], params=params, wildcards=wildcards
)


def tidy():
    Path(f"{name}.tidied").write_text(" ".join(sorted(path.name for path in folder.iterdir())))


with job(snakemake, alone=() if how == "beside others" else output, afterwards=tidy) as facts:
    print(f"{name} began", flush=how != "says all at its end")
    Path(f"{name}.began").touch()
    sys.stdin.readline()
    if name == "failing":
        from ptychoformer.errors import InputError
        raise InputError("the dataset is damaged.")
    if name == "without room":
        import resource
        resource.setrlimit(resource.RLIMIT_AS, (500_000_000,) * 2)
        import torch
    for file in output:
        Path(file).touch()
    facts["by"] = name
    if name == "of all seeds":
        facts |= {file: {"wildcards": {"seed": str(seed)}, "of": seed} for seed, file in enumerate(output)}
    print(f"{name} ended")
"""


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Start a job beside the test; it goes on when a line is written to it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    (tmp_path / "run").mkdir()
    started = []

    def begun(name, how="alone"):
        command = [sys.executable, "-c", JOB, SCRIPTS, name, "run", how]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        started.append(subprocess.Popen(command, text=True, **pipes))
        return started[-1]

    yield begun
    for job in started:
        job.kill()
        job.communicate()


def at_work(job, name):
    while not Path(f"{name}.began").exists():
        assert job.poll() is None
    return job


def test_a_job_that_is_refused_leaves_log_and_provenance_to_the_one_at_work(start):
    Path("run/model.pt.provenance.json").write_text("of the first")
    first = at_work(start("first"), "first")
    Path("run/model.pt.provenance.json").write_text("of the first")
    before = Path("run/train.log").read_text()
    refused = start("second")
    _, said = refused.communicate("\n")
    assert refused.returncode == 1
    assert said.startswith("Error in train: run is being written into by another process;")
    assert said.count("\n") == 1
    assert Path("run/train.log").read_text() == before == "first began\n"
    assert Path("run/model.pt.provenance.json").read_text() == "of the first"
    assert first.communicate("\n") == ("", "")
    assert Path("run/train.log").read_text() == "first began\nfirst ended\n"
    assert json.loads(Path("run/model.pt.provenance.json").read_text())["by"] == "first"


@pytest.mark.parametrize("name", ["first", "failing"])
@pytest.mark.parametrize("of_another", ["", "of another\n"])
def test_a_log_that_snakemake_deleted_for_a_job_that_was_refused_comes_back(start, name, of_another):
    first = at_work(start(name), name)
    Path("run/train.log").unlink()
    if of_another:
        Path("run/train.log").write_text(of_another)
    first.communicate("\n")
    ended = {"first": "first ended", "failing": "Error: the dataset is damaged."}[name]
    assert Path("run/train.log").read_text() == f"{of_another}{name} began\n{ended}\n"


AT_END = "says all at its end"
FULL = "a full disk under the log of a job: one sentence, or what the job made is whole"


def test_a_disk_that_has_no_room_for_the_log_takes_neither_the_sentence_nor_what_was_made(start, tried):
    Path("run/train.log").symlink_to("/dev/full")
    with tried(FULL):
        failing = start("failing", AT_END)
        assert failing.communicate("\n") == ("", "Error in train: the dataset is damaged.\n")
        assert failing.returncode == 1
    with tried(FULL):
        first = start("first", AT_END)
        assert first.communicate("\n") == ("", "")
        assert first.returncode == 0
        assert json.loads(Path("run/model.pt.provenance.json").read_text())["by"] == "first"
    with tried(FULL):
        at_once = start("first")
        _, said = at_once.communicate("\n")
        assert said.startswith("Error in train: the disk is full ([Errno 28] No space left on device); free some space")
        assert said.count("\n") == 1
        assert at_once.returncode == 1


def test_a_folder_that_went_away_with_its_log_is_no_second_error(start):
    first = at_work(start("failing", "beside others"), "failing")
    Path("run/train.log").unlink()
    Path("run").rmdir()
    _, said = first.communicate("\n")
    assert said == "Error in train: the dataset is damaged.\n"


def test_what_an_interrupted_job_goes_on_from_is_deleted_when_the_provenance_of_all_outputs_is_written(start):
    start("first").communicate("\n")
    made = ("history.csv", "history.csv.provenance.json", "model.pt", "model.pt.provenance.json", "train.log")
    assert Path("first.tidied").read_text() == " ".join(made)


def test_it_is_kept_by_a_job_that_fails_and_by_one_whose_workflow_has_ended(start, tmp_path):
    start("failing").communicate("\n")
    owner = tmp_path / WORKFLOWS / "ended.json"
    owner.parent.mkdir(parents=True)
    owner.write_text(json.dumps(own_system()))  # which nobody holds a lock on
    assert start("first").communicate("\n") == ("", "")
    assert Path("run/model.pt.provenance.json").exists()
    assert not list(tmp_path.glob("*.tidied"))


def test_the_next_job_appends_to_the_log_of_the_one_before(start):
    for name in ("first", "second"):
        start(name).communicate("\n")
    assert Path("run/train.log").read_text() == "first began\nfirst ended\nsecond began\nsecond ended\n"


def test_jobs_that_need_no_folder_for_themselves_run_beside_each_other(start):
    first = at_work(start("first"), "first")
    second = start("second", "beside others")
    assert second.communicate("\n") == ("", "")
    first.communicate("\n")
    assert {"first ended", "second ended"} <= set(Path("run/train.log").read_text().splitlines())


def provenance(artefact):
    return json.loads(Path(f"{artefact}.provenance.json").read_text())


def test_provenance_keeps_the_options_of_a_network_and_the_name_that_its_path_has(start):
    assert start("first").communicate("\n") == ("", "")
    for artefact in ("run/model.pt", "run/history.csv"):
        assert provenance(artefact)["configuration"] == {
            "model": {"kind": "dpi", "options": {"size": "small"}},
            "code": "0012345678e9",
            "wildcards": {"model": "ours", "n_train": "24"},
        }


def test_each_seed_of_a_job_of_all_seeds_has_its_own_in_its_provenance(start):
    assert start("of all seeds").communicate("\n") == ("", "")
    for seed, artefact in enumerate(("run/model.pt", "run/history.csv")):
        found = provenance(artefact)
        assert found["configuration"]["wildcards"] == {"model": "ours", "n_train": "24", "seed": str(seed)}
        assert found["configuration"]["model"]["options"] == {"size": "small"}
        assert (found["by"], found["of"]) == ("of all seeds", seed)


def test_a_job_without_room_for_pytorch_says_so(start):
    job = start("without room")
    _, said = job.communicate("\n")
    assert job.returncode == 1
    assert said.startswith("Error in train: PyTorch needs 0.8 GB of address space at least, and this process may take")
    assert said.count("\n") == 1
    assert "Error: PyTorch needs" in Path("run/train.log").read_text()
