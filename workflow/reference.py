"""Work through the paper at its full size for as long as there is time, and keep what is finished.

On a CPU it is Table I, seed by seed. A seed is a subject of the statistics only when every network has it, so that all networks of one seed
come before the next seed, and the first condition before the second. A seed that the harvest holds is not run again. Of the first condition
the bands of Figure 9 are kept too, measured seed by seed.

    python workflow/reference.py --hours 2 --data folder

On a GPU, with so many trainings side by side on it, it is the whole paper with all seeds together, one experiment after the other:

    python workflow/reference.py --hours 0.2 --gpu 3 --data folder

An unfinished training goes on where it was. The seeds are those of the config, fixed beforehand: on fewer of them a result is interim.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from ptychoformer.configuration import load, models_of, training_patterns
from ptychoformer.errors import PtychoformerError
from ptychoformer.evaluation import REFERENCES
from ptychoformer.files import write_text
from ptychoformer.publication.harvest import SCHEMA, harvest
from ptychoformer.publication.holdings import INDEX, Holdings
from ptychoformer.publication.views import shown_by

CONFIG = "config/paper.yaml"
STORE = "resources/reference"
GRACE = 120.0
# On a GPU: what settles most claims comes first, and what is asked for together overlaps in time.
ORDER = (("table1", "table3"), ("overlaps", "table5", "table2", "sizes"), ("table4",))
GPU_OVERLAY = "config/gpu.yaml"


def main() -> int:
    """Exit status 0 if the time ran out or nothing is left to do, Snakemake's own if it failed."""
    arguments = _parser().parse_args()
    os.chdir(ROOT)
    deadline = time.monotonic() + 3600 * arguments.hours
    config = configured(CONFIG)
    results = config["pathvars"]["results"]
    for title, command in _together(config, arguments) if arguments.gpu else _seed_by_seed(config, arguments):
        print(f"Reference: {title}", flush=True)
        status = run_until(deadline, command)
        if Path(results, "evaluation").is_dir():
            print(harvest(results, STORE, shown_by(config)), flush=True)
        if status is None:
            print("The time is up; the next run goes on from here.")
            return 0
        if status:
            return status
    print("Nothing is left to do.")
    return 0


def _seed_by_seed(config: dict, arguments: argparse.Namespace) -> Iterator[tuple[str, list[str]]]:
    """What is left of Table I, with the commands that make it."""
    for condition, seed in remaining(config, STORE):
        overlays = (CONFIG, one_seed(config, seed))
        yield f"{condition}, seed {seed}", snakemake_command(targets(config, condition, seed), overlays, arguments.data, arguments.cores)


def _together(config: dict, arguments: argparse.Namespace) -> Iterator[tuple[str, list[str]]]:
    """Every experiment but the measured one, with the commands that make several at once."""
    for experiments in ORDER:
        wanted = list(dict.fromkeys(path for experiment in experiments for path in metrics_of(config, experiment)))
        if "table1" in experiments:
            wanted.append(f"{config['pathvars']['results']}/evaluation/table1/bands.csv")
        yield ", ".join(experiments), snakemake_command(wanted, (CONFIG,), arguments.data, arguments.cores, arguments.gpu)


def metrics_of(config: dict, experiment: str) -> list[str]:
    """The metrics of every run of an experiment, and of its references but for the iterative reconstruction, which takes CPUs long."""
    entry = config["experiments"][experiment]
    networks = [(model, loss) for model in models_of(config, experiment) for loss in entry["losses"]]
    networks += [(reference, "none") for reference in REFERENCES if reference != "epie"]
    evaluation, wanted = f"{config['pathvars']['results']}/evaluation", []
    for dataset in entry["datasets"]:
        sizes = {training_patterns(config, dataset) if size == "all" else size for size in entry["n_train"]}
        runs = [f"n{size}/seed{seed}/on_{entry['test'] or dataset}" for size in sorted(sizes) for seed in config["seeds"]]
        wanted += [f"{evaluation}/{dataset}/{model}/{loss}/{run}/metrics.csv" for model, loss in networks for run in runs]
    return wanted


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=2.0, help="how long to work (default 2)")
    parser.add_argument("--data", help="folder with the paper's object and probe; without it they are downloaded")
    parser.add_argument("--cores", default="all", help="for Snakemake (default all)")
    parser.add_argument("--gpu", type=int, help="the whole paper on this machine's GPUs, with so many trainings side by side")
    return parser


def configured(*overlays: str | os.PathLike) -> dict:
    """The whole config with overlays, as the workflow sees it."""
    return load(("config.yaml", *overlays), SCHEMA)


def remaining(config: dict, folder: str | os.PathLike) -> Iterator[tuple[str, int]]:
    """Condition and seed of everything that the store does not hold of the headline's block, in the order in which it is wanted."""
    holdings = Holdings(folder, config) if Path(folder, INDEX).is_file() else None
    for condition in config["experiments"]["table1"]["datasets"]:
        size = training_patterns(config, condition)
        parts = [config["evaluation"]["block"], *(["bands"] if _has_bands(config, condition) else [])]
        held = [
            holdings.seeds(condition, None, (model, "mse"), size, part) if holdings else set()
            for model in models_of(config, "table1")
            for part in parts
        ]
        yield from ((condition, seed) for seed in config["seeds"] if seed not in set.intersection(*held))


def _has_bands(config: dict, condition: str) -> bool:
    """Whether the bands of a condition's scenes are measured, which are those of Table I's first condition."""
    return condition == config["experiments"]["table1"]["datasets"][0]


def targets(config: dict, condition: str, seed: int) -> list[str]:
    """The metrics of every network of Table I, and of the references, and the bands of the first condition."""
    networks = [(model, "mse") for model in models_of(config, "table1")] + [(reference, "none") for reference in REFERENCES]
    evaluation = f"{config['pathvars']['results']}/evaluation"
    run = f"n{training_patterns(config, condition)}/seed{seed}/on_{condition}/metrics.csv"
    bands = [f"{evaluation}/table1/bands.csv"] if _has_bands(config, condition) else []
    return [*(f"{evaluation}/{condition}/{model}/{loss}/{run}" for model, loss in networks), *bands]


def one_seed(config: dict, seed: int) -> str:
    """An overlay of the config that has this seed only: the bands are measured of all its seeds at once."""
    path = f"{config['pathvars']['results']}/reference.yaml"
    write_text(yaml.safe_dump({"seeds": [seed]}), path)
    return path


def snakemake_command(
    wanted: Iterable[str], overlays: Iterable[str], data: str | None, cores: str = "all", gpu: int | None = None
) -> list[str]:
    """The command that makes these files with overlays of the config.

    Args:
        data: folder with copies of others' files, or None.
        cores: for Snakemake.
        gpu: how many jobs, each with all seeds, may use this machine's GPUs at once; None without one.
    """
    together = [GPU_OVERLAY] if gpu else []
    command = [sys.executable, "-m", "snakemake", *wanted, "--cores", cores, "--rerun-incomplete", "--configfile", *overlays, *together]
    command += ["--config", f"data_dir={data}"] if data else []
    return [*command, "--resources", f"gpu={gpu}"] if gpu else command


def run_until(deadline: float, command: list[str]) -> int | None:
    """Exit status of the command; None if it had to be stopped, as by Ctrl-C, since the time was up.

    Raises:
        KeyboardInterrupt: the user stopped this program, and it the command.
    """
    # A shell that runs this in the background makes it deaf to SIGINT, which the command must not inherit.
    process = subprocess.Popen(command, start_new_session=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    try:
        return process.wait(timeout=max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return None
    finally:
        _stop(process)


def _stop(process: subprocess.Popen) -> None:
    """End a process group that may still be running: as by Ctrl-C, and by force if that takes too long or the user insists."""
    if process.poll() is not None:
        return
    os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(timeout=GRACE)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except PtychoformerError as error:
        sys.exit(f"Error: {error}")
    except KeyboardInterrupt:
        print("Stopped; the next run goes on from here.")
        sys.exit(130)
