"""Say in one sentence what keeps a Slurm profile from working on this cluster, or that it works.

    python workflow/check_slurm.py --profile profiles/slurm

One job that does nothing is submitted as the profile says, from the folder of the project, and one
for every account and partition that the profile has for a rule, with a GPU where the rule asks for
one and the profile has any; each is followed by the profile's status command.
"""

import re
import shutil
import subprocess  # of Slurm's commands, as a list of words, by no shell  # nosec B404
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from ptychoformer.parsing import command_parser

# Snakemake's plugin looks at jobs every few seconds at first, and every 180 s in the end; squeue
# has to know an ended job for so long. With less than three times its first wait it turns to sacct.
LONGEST_WAIT = 180
FIRST_WAITS = 3
# What Snakemake's plugin calls; sacct to guess an account, sacctmgr to check one.
CALLED = ("sbatch", "squeue", "scontrol", "scancel", "sinfo", "sacct", "sacctmgr")
# The rules that ask for a GPU, to which profiles/slurm-cpu gives none.
WITH_GPU = ("train", "train_together", "predict", "reconstruction", "simulated_reconstruction")
POLL = 1  # seconds between two looks at a job here
# States, as squeue and sacct name them, after which a job does not run again.
ENDS = ("BOOT_FAIL", "CANCELLED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "TIMEOUT")

# What sbatch says, by a part of it, and what a user can do; the first that fits is told.
REFUSALS = {
    "invalid account": "Slurm refuses {account}: set slurm_account in {file} to one of yours.",
    "invalid partition": "Slurm knows no partition '{partition}': set slurm_partition in {file} to one of"
    " {partitions}.",
    "no partition specified": "The cluster has no default partition: set slurm_partition in {file} to one of"
    " {partitions}.",
    "(gres)": "No node of partition '{partition}' has a GPU that Slurm knows of (GresTypes, gres.conf): set"
    " slurm_partition of the rules with a GPU in {file}, or use profiles/slurm-cpu.",
    "node configuration is not available": "No node of partition '{partition}' has what the job asks for: {asked}.",
    "time limit": "Partition '{partition}' does not allow {asked}: lower runtime in {file}.",
}


class Trouble(Exception):
    """What is wrong, as one sentence."""


def main() -> None:
    """Check, and print the sentence; exit code 1 if something is wrong."""
    parser = command_parser("python workflow/check_slurm.py", __doc__)
    parser.add_argument("--profile", type=Path, default=Path("profiles/slurm"))
    parser.add_argument("--wait", type=float, default=300, help="seconds that a job may take to start and end")
    arguments = parser.parse_args()
    try:
        file = arguments.profile / "config.yaml"
        profile = read_profile(file)
        status = check_status_command(profile)
        for kind, resources in kinds_of_jobs(profile).items():
            print(f"{kind[0].upper()}{kind[1:]} ran in {try_job(resources, kind, status, file, arguments.wait):.0f} s.")
    except Trouble as trouble:
        sys.exit(str(trouble))
    print(f"{arguments.profile} works here.")


def read_profile(file: Path) -> dict[str, Any]:
    """Read the profile's settings.

    Raises:
        Trouble: there is none, or it is for another executor.
    """
    if not file.is_file():
        raise Trouble(f"There is no {file}; profiles/slurm and profiles/slurm-cpu are shipped.")
    try:
        profile = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise Trouble(f"{file} is no YAML: {' '.join(str(error).split())}.") from None
    if not isinstance(profile, dict) or profile.get("executor") != "slurm":
        raise Trouble(f"{file} does not say 'executor: slurm'.")
    return profile


def kinds_of_jobs(profile: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Find account, partition and GPU of each kind of job that the profile makes of the rules, by
    what the kind is called.
    """
    kinds = {"a job": resources_of(profile)}
    named = profile.get("set-resources") or {}
    gpus = WITH_GPU if (profile.get("resources") or {}).get("gpu") else ()
    for rule in [*gpus, *(name for name in named if name not in gpus)]:
        resources = resources_of(profile, rule)
        if rule in gpus and (named.get(rule) or {}).get("gpu") != 0:
            resources["gpu"] = 1
        if resources not in kinds.values():
            kind = "a job with a GPU" if "gpu" in resources else "a job"
            kinds[kind if kind not in kinds else f"{kind} of rule {rule}"] = resources
    return kinds


def resources_of(profile: Mapping[str, Any], rule: str | None = None) -> dict[str, Any]:
    """Find account and partition that the profile has for a rule, or for those that it does not
    name.
    """
    own = (profile.get("set-resources") or {}).get(rule) or {}
    asked = (profile.get("default-resources") or {}) | own
    return {key: asked[key] for key in ("slurm_account", "slurm_partition") if key in asked}


def answer(*command: str) -> str:
    """Run a command of Slurm and return what it prints.

    Raises:
        Trouble: it fails.
    """
    try:
        # no shell
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout  # nosec B603
    except subprocess.CalledProcessError as error:
        said = (error.stderr.strip() or f"exit code {error.returncode}").splitlines()[-1]
        raise Trouble(f"Slurm does not answer: {command[0]} says '{said}'.") from None
    except subprocess.TimeoutExpired:
        raise Trouble(f"Slurm does not answer: {command[0]} took more than a minute.") from None


def check_status_command(profile: Mapping[str, Any]) -> str:
    """Check the command by which Snakemake learns that a job has ended.

    Raises:
        Trouble: it cannot tell, so that Snakemake would wait for ever.
    """
    for program in CALLED:
        if not shutil.which(program):
            raise Trouble(f"There is no {program} on this machine: run this on a login node of the cluster.")
    configured = answer("scontrol", "show", "config")
    command = profile.get("slurm-status-command", "sacct")
    if command not in ("squeue", "sacct"):
        raise Trouble(f"slurm-status-command is '{command}', and may be squeue or sacct.")
    if command == "sacct":
        if "accounting_storage/none" in configured:
            raise Trouble(
                "This Slurm has no accounting database, so that sacct never tells the end of a job: set"
                " slurm-status-command to squeue."
            )
        answer("sacct", "-X", "--noheader")
        return command
    age = int(re.search(r"MinJobAge\s*=\s*(\d+)", configured)[1])
    first = profile.get("slurm-init-seconds-before-status-checks", 40)
    needed = max(LONGEST_WAIT + 20, FIRST_WAITS * first)
    if age < needed:
        raise Trouble(
            f"This Slurm forgets a job {age} s after its end (MinJobAge), and squeue has to know it for {needed} s:"
            " have that raised, or set slurm-status-command to sacct where there is an accounting database."
        )
    return command


def try_job(resources: Mapping[str, Any], kind: str, status: str, file: Path, wait: float) -> float:
    """Submit a job that starts this Python in this folder, and return its seconds from submission
    to end.

    Raises:
        Trouble: it is refused, waits for too long, fails, or its log does not come back.
    """
    name, log = f"check-{uuid.uuid4()}", ROOT / ".snakemake/check_slurm.log"
    log.parent.mkdir(exist_ok=True)
    log.unlink(missing_ok=True)
    began = time.monotonic()
    number = submit(resources, name, log, file)
    state = state_of(name, number, status) or "PENDING"
    while time.monotonic() - began < wait and state not in ("COMPLETED", *ENDS):
        time.sleep(POLL)
        state = state_of(name, number, status) or state
    took = time.monotonic() - began
    if state not in ("COMPLETED", *ENDS):
        reason = answer("squeue", "--noheader", "--format=%r", f"--jobs={number}").strip()
        answer("scancel", number)
        raise Trouble(f"Slurm accepts {kind}, which after {wait:.0f} s is still {state} ({reason}).")
    said = log.read_text(encoding="utf-8", errors="replace").strip() if log.is_file() else ""
    if state != "COMPLETED":
        told = f": {said.splitlines()[-1]}" if said else ", and left no log: does the node see this folder?"
        raise Trouble(f"Slurm ran {kind}, which ended as {state}{told}")
    if "Python runs" not in said:
        raise Trouble(f"Slurm ran {kind}, but its log {log} is not seen here: node and login node share no folder.")
    return took


def submit(resources: Mapping[str, Any], name: str, log: Path, file: Path) -> str:
    """Submit the job and return its number.

    Raises:
        Trouble: Slurm refuses it.
    """
    options = {"slurm_account": "--account", "slurm_partition": "--partition", "gpu": "--gpus"}
    asked = [f"{options[key]}={value}" for key, value in resources.items()]
    program = f"{sys.executable!r} -c 'import snakemake; print(\"Python runs\")'"
    fixed = ["--parsable", f"--job-name={name}", f"--output={log}", "--time=5", "--mem=500", f"--chdir={ROOT}"]
    command = ["sbatch", *fixed, *asked, f"--wrap={program}"]
    finished = subprocess.run(command, capture_output=True, text=True)  # no shell  # nosec B603
    if finished.returncode == 0:
        return finished.stdout.strip().split(";")[0]
    account = resources.get("slurm_account")
    facts = {
        "account": f"the account '{account}'" if account else "a job without an account",
        "partition": resources.get("slurm_partition", "(default)"),
        "partitions": ", ".join(answer("sinfo", "--noheader", "--format=%R").split()),
        "asked": " ".join([*fixed[3:5], *asked]),
        "file": file,
    }
    for part, sentence in REFUSALS.items():
        if part in finished.stderr.lower():
            raise Trouble(sentence.format(**facts))
    raise Trouble(f"Slurm refuses {' '.join(asked) or 'a job'}: {finished.stderr.strip().splitlines()[-1]}")


def state_of(name: str, number: str, status: str) -> str:
    """Ask the status command for the state of a job; empty if it does not know it (yet)."""
    commands: dict[str, Sequence[str]] = {
        "squeue": ("squeue", "--noheader", "--states=all", "--format=%i|%T", f"--name={name}"),
        "sacct": ("sacct", "-X", "--noheader", "--parsable2", "--format=JobIdRaw,State", f"--name={name}"),
    }
    found = dict(line.split("|")[:2] for line in answer(*commands[status]).splitlines())
    return found.get(number, "").split(" ")[0]


if __name__ == "__main__":
    main()
