"""`make check-slurm` with commands that answer as Slurm's do."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]

HEALTHY = {
    "scontrol": "echo 'AccountingStorageType   = accounting_storage/slurmdbd'; echo 'MinJobAge   = 300 sec'",
    "sbatch": "echo 7; for word; do case $word in --output=*) echo 'Python runs' > ${word#--output=};; esac; done",
    "squeue": "echo '7|COMPLETED'",
    "sinfo": "echo main; echo long",
    "sacct": "echo '7|COMPLETED'",
    "scancel": "true",
    "sacctmgr": "true",
}


@pytest.fixture
def check(tmp_path):
    """Runs the script with commands that answer so; with None there is no such command."""

    def run(profile="profiles/slurm", **commands):
        folder = tmp_path / "bin"
        folder.mkdir()
        for name, script in (HEALTHY | commands).items():
            if script is not None:
                (folder / name).write_text(f"#!/bin/bash\n{script}\n")
                (folder / name).chmod(0o755)
        command = [sys.executable, str(ROOT / "workflow/check_slurm.py"), "--profile", str(profile), "--wait", "2"]
        # Nothing else that may be installed; the scripts need a shell alone.
        environment = {**os.environ, "PATH": str(folder)}
        return subprocess.run(command, cwd=ROOT, env=environment, text=True, capture_output=True)

    return run


def edited(tmp_path, old, new):
    text = (ROOT / "profiles/slurm/config.yaml").read_text()
    assert old in text
    (tmp_path / "config.yaml").write_text(text.replace(old, new))
    return tmp_path


@pytest.mark.parametrize(("profile", "jobs"), [("profiles/slurm", 2), ("profiles/slurm-cpu", 1)])
def test_a_cluster_that_works_ran_a_job_and_one_with_a_gpu_where_the_profile_asks_for_it(check, profile, jobs):
    found = check(profile)
    assert found.returncode == 0, found.stderr
    assert found.stdout.count(" ran in ") == jobs
    assert found.stdout.endswith(f"{profile} works here.\n")


@pytest.mark.parametrize(
    ("profile", "rules", "partitions"),
    [
        ("slurm", {}, [("main", 0), ("main", 1)]),
        ("slurm", {"train": "a100"}, [("main", 0), ("main", 1), ("a100", 1)]),
        ("slurm", {"predict": "v100", "train": "a100"}, [("main", 0), ("main", 1), ("a100", 1), ("v100", 1)]),
        (
            "slurm",
            {"reconstruction": "long", "simulated_reconstruction": "long"},
            [("main", 0), ("main", 1), ("long", 1)],
        ),
        ("slurm", {"score": "long"}, [("main", 0), ("long", 0), ("main", 1)]),
        ("slurm-cpu", {"train": "long", "score": "short"}, [("main", 0), ("long", 0), ("short", 0)]),
        ("slurm-cpu", {"train": "main"}, [("main", 0)]),
    ],
)
def test_every_partition_that_the_profile_names_is_tried(check, tmp_path, profile, rules, partitions):
    content = yaml.safe_load((ROOT / f"profiles/{profile}/config.yaml").read_text())
    content["default-resources"]["slurm_partition"] = "main"
    for rule, partition in rules.items():
        content["set-resources"].setdefault(rule, {})["slurm_partition"] = partition
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(content))
    asked = tmp_path / "asked"
    found = check(tmp_path, sbatch=f"echo $* >> {asked}\n{HEALTHY['sbatch']}")
    assert found.returncode == 0, found.stderr
    lines = asked.read_text().splitlines()
    tried = [(line.split("--partition=")[1].split()[0], line.count("--gpus=1")) for line in lines]
    assert sorted(tried) == sorted(partitions)
    assert found.stdout.count(" ran in ") == len(partitions)


def test_the_rules_with_a_gpu_are_those_to_which_the_other_profile_gives_none():
    spec = importlib.util.spec_from_file_location("check_slurm", ROOT / "workflow/check_slurm.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    rules = yaml.safe_load((ROOT / "profiles/slurm-cpu/config.yaml").read_text())["set-resources"]
    assert {name for name, asked in rules.items() if asked.get("gpu") == 0} == set(module.WITH_GPU)
    # And those that say so, or are made of one that does.
    text = "\n".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    blocks = re.split(r"^ *(?:use )?rule (?=\w)", text, flags=re.MULTILINE)[1:]
    asking = {re.match(r"\w+", block)[0] for block in blocks if re.search(r"^ +gpu=1,", block, re.MULTILINE)}
    heirs = re.findall(r"^ *use rule (\w+) as (\w+)", text, re.MULTILINE)
    assert asking | {heir for rule, heir in heirs if rule in asking} == set(module.WITH_GPU)


def test_a_partition_of_one_rule_that_is_wrong_is_one_sentence(check, tmp_path):
    profile = edited(tmp_path, "  reconstruction:\n", "  reconstruction:\n    slurm_partition: lnog\n")
    wrong = (
        "for word; do case $word in --partition=lnog) echo 'invalid partition specified: lnog' >&2; exit 1; esac; done"
    )
    found = check(profile, sbatch=f"{wrong}\n{HEALTHY['sbatch']}")
    assert found.returncode == 1
    assert found.stderr.startswith("Slurm knows no partition 'lnog': set slurm_partition in ")


def refused(sentence):
    return f"echo 'sbatch: error: {sentence}' >&2; exit 1"


@pytest.mark.parametrize(
    ("commands", "sentence"),
    [
        ({"sbatch": None}, "There is no sbatch on this machine: run this on a login node"),
        ({"sacct": None}, "There is no sacct on this machine: run this on a login node"),
        (
            {"scontrol": "echo 'slurm_load_ctl_conf error: Unable to contact' >&2; exit 1"},
            "Slurm does not answer: scontrol",
        ),
        (
            {"scontrol": "echo MinJobAge = 2 sec"},
            "forgets a job 2 s after its end (MinJobAge), and squeue has to know it",
        ),
        ({"sbatch": refused("invalid partition specified: gpu")}, "Slurm knows no partition '(default)'"),
        (
            {"sbatch": refused("Batch job submission failed: No partition specified or system default partition")},
            "one of main, long.",
        ),
        (
            {"sbatch": refused("Invalid account or account/partition combination specified")},
            "Slurm refuses a job without an account: set slurm_account in profiles/slurm",
        ),
        ({"sbatch": refused("Invalid generic resource (gres) specification")}, "has a GPU that Slurm knows of"),
        (
            {"sbatch": refused("Requested time limit is invalid (missing or exceeds some limit)")},
            "does not allow --time=5",
        ),
        ({"sbatch": refused("Memory is full of bees")}, "Slurm refuses a job: sbatch: error: Memory is full of bees"),
        ({"squeue": "echo '7|PENDING'"}, "which after 2 s is still PENDING"),
        ({"squeue": "true"}, "which after 2 s is still PENDING"),
        ({"squeue": "echo 'slurm_load_jobs error' >&2; exit 1"}, "Slurm does not answer: squeue says"),
        ({"squeue": "echo '7|FAILED'"}, "which ended as FAILED: Python runs"),
        ({"squeue": "echo '7|FAILED'", "sbatch": "echo 7"}, "left no log: does the node see this folder?"),
        ({"sbatch": "echo 7"}, "node and login node share no folder"),
    ],
)
def test_what_is_wrong_is_one_sentence(check, commands, sentence):
    found = check(**commands)
    assert found.returncode == 1
    assert sentence in found.stderr
    assert len(found.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("executor: slurm", "executor: local", "does not say 'executor: slurm'"),
        ("executor: slurm", "executor: [slurm", "is no YAML"),
        (
            "status-command: squeue",
            "status-command: qstat",
            "slurm-status-command is 'qstat', and may be squeue or sacct.",
        ),
        ("before-status-checks: 20", "before-status-checks: 200", "squeue has to know it for 600 s"),
    ],
)
def test_what_is_wrong_with_a_profile_is_one_sentence(check, tmp_path, old, new, sentence):
    found = check(edited(tmp_path, old, new))
    assert found.returncode == 1
    assert sentence in found.stderr
    assert len(found.stderr.splitlines()) == 1


def test_a_profile_that_is_not_there_is_one_sentence(check, tmp_path):
    assert check(tmp_path / "none").stderr.endswith("profiles/slurm and profiles/slurm-cpu are shipped.\n")


def test_sacct_without_a_database_is_one_sentence(check, tmp_path):
    profile = edited(tmp_path, "status-command: squeue", "status-command: sacct")
    nothing = "echo 'AccountingStorageType = accounting_storage/none'; echo 'MinJobAge = 300 sec'"
    assert "no accounting database" in check(profile, scontrol=nothing).stderr
