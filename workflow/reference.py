"""Work through Table I at the paper's full size for as long as there is time, seed by seed, and keep what is finished.

A seed is a subject of the statistics only when every network has it, so that all networks of one seed come before the next seed, and the
first condition before the second. A seed that the harvest holds is not run again; an unfinished training goes on where it was. The seeds
are those of the config, fixed beforehand: on fewer of them a result is interim. Of the first condition the bands of Figure 9 are kept too,
measured seed by seed.

    python workflow/reference.py --hours 2 --data folder
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


def main() -> int:
    """Exit status 0 if the time ran out or nothing is left to do, Snakemake's own if it failed."""
    arguments = _parser().parse_args()
    os.chdir(ROOT)
    deadline = time.monotonic() + 3600 * arguments.hours
    config = _paper_config()
    results = config["pathvars"]["results"]
    for condition, seed in remaining(config, STORE):
        print(f"Reference: {condition}, seed {seed}", flush=True)
        wanted = targets(config, condition, seed)
        status = run_until(deadline, snakemake_command(wanted, (CONFIG, one_seed(config, seed)), arguments.data, arguments.cores))
        if Path(results, "evaluation").is_dir():
            print(harvest(results, STORE, shown_by(config)), flush=True)
        if status is None:
            print("The time is up; the next run goes on from here.")
            return 0
        if status:
            return status
    print("Nothing is left to do.")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=2.0, help="how long to work (default 2)")
    parser.add_argument("--data", help="folder with the paper's object and probe; without it they are downloaded")
    parser.add_argument("--cores", default="all", help="for Snakemake (default all)")
    return parser


def _paper_config() -> dict:
    return load(("config.yaml", CONFIG), SCHEMA)


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


def snakemake_command(wanted: Iterable[str], overlays: Iterable[str], data: str | None, cores: str = "all") -> list[str]:
    """The command that makes these files with overlays of the config; ``data`` is a folder with copies of others' files, or None."""
    command = [sys.executable, "-m", "snakemake", *wanted, "--cores", cores, "--rerun-incomplete", "--configfile", *overlays]
    return [*command, "--config", f"data_dir={data}"] if data else command


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
