"""Work through the paper at its full size for as long as there is time, and keep what is finished.

On a CPU it is Table I, seed by seed. A seed is a subject of the statistics only when every network
has it, so that all networks of one seed come before the next seed, and the first condition before
the second. What the store holds is not run again. Of the first condition the bands of Figure 9 are
kept too, of seeds whose networks are all trained here: they are measured on scenes, which the store
has not.

    python workflow/reference.py --hours 2 --data folder

On a GPU, with so many trainings side by side on it, it is the whole paper with all seeds together,
the experiments that settle most claims first, but for what the store holds with its bands:

    python workflow/reference.py --hours 0.2 --gpu 3 --data folder

An unfinished training goes on where it was. The seeds are those of the config, fixed beforehand: on
fewer of them a result is interim.
"""

import argparse
import json
import os
import signal
import subprocess  # of Snakemake, as a list of words, by no shell  # nosec B404
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from ptychoformer.configuration import load
from ptychoformer.errors import PtychoformerError
from ptychoformer.evaluation import REFERENCES
from ptychoformer.experiments import Experiments, models_of, training_patterns
from ptychoformer.files import write_text
from ptychoformer.parsing import Parser, command_parser
from ptychoformer.paths import EVALUATION
from ptychoformer.publication.harvest import harvest
from ptychoformer.publication.store.holdings import INDEX, Holdings
from ptychoformer.publication.store.views import shown_by

CONFIG = "config/paper.yaml"
STORE = "resources/reference"
GRACE = 120.0
# On a GPU: what settles most claims for its time.
FIRST = ("table3", "overlaps", "table5", "table2", "sizes")
GPU_OVERLAY = "config/gpu.yaml"


def main() -> int:
    """Exit status 0 if the time ran out or nothing is left to do, Snakemake's own if it failed."""
    arguments = _parser().parse_args()
    os.chdir(ROOT)
    deadline = time.monotonic() + 3600 * arguments.hours
    config = configured(CONFIG)
    results = config["pathvars"]["results"]
    failed = 0
    for title, command in _together(config, arguments) if arguments.gpu else _seed_by_seed(config, arguments):
        print(f"Reference: {title}", flush=True)
        status = run_until(deadline, command)
        if Path(results, "evaluation").is_dir():
            print(harvest(results, STORE, shown_by(config)), flush=True)
        if status is None:
            print("The time is up; the next run goes on from here.")
            return failed
        # One network that diverges is no reason to leave the others.
        failed = failed or status
    print("Nothing is left to do." if not failed else "Some jobs failed; the same command tries them again.")
    return failed


def _seed_by_seed(config: dict, arguments: argparse.Namespace) -> Iterator[tuple[str, list[str]]]:
    """What is left of Table I, with the commands that make it."""
    for condition, seed, networks in remaining(config, STORE):
        overlays = (CONFIG, one_seed(config, seed))
        wanted = targets(config, condition, seed, networks)
        yield (
            f"{condition}, seed {seed}: {', '.join(networks)}",
            snakemake_command(wanted, overlays, arguments.data, arguments.cores),
        )


def _together(config: dict, arguments: argparse.Namespace) -> Iterator[tuple[str, list[str]]]:
    """What is left of every experiment but the measured one, with the command that makes all of
    it: a GPU waits for none to be planned.
    """
    left = {name: left_of(config, STORE, name) for name in config["experiments"] if name != "measured"}
    wanted = [path for paths in left.values() for path in paths]
    if any("/mse/" in path for path in left["table1"]):
        wanted.append(f"{config['pathvars']['results']}/evaluation/table1/bands.csv")
    if wanted:
        first = [path for name in FIRST for path in left[name]]
        yield (
            "the whole paper",
            snakemake_command(wanted, (CONFIG,), arguments.data, arguments.cores, arguments.gpu, first),
        )


def left_of(config: dict, folder: str | os.PathLike, experiment: str) -> list[str]:
    """The metrics of every run of an experiment that the store does not hold, and of its references
    but for the iterative reconstruction, which takes CPUs long.
    """
    experiments, holdings = Experiments(config), _holdings(folder, config)
    wanted = experiments.runs(experiment) + [
        run for run in experiments.references(experiment) if run["model"] != "epie"
    ]
    block, metrics = (
        experiments.headline(experiment)["block"],
        f"{config['pathvars']['results']}/{EVALUATION}/metrics.csv",
    )
    left = []
    for run in wanted:
        has_bands = experiment == "table1" and _has_bands(config, run["dataset"]) and run["loss"] == "mse"
        method = run["model"], run["loss"]
        held = _held(
            holdings, run["dataset"], run["test"], method, run["n_train"], [block, "bands"] if has_bands else [block]
        )
        left += [] if run["seed"] in held else [metrics.format(**run)]
    return left


def _holdings(folder: str | os.PathLike, config: dict) -> Holdings | None:
    return Holdings(folder, config) if Path(folder, INDEX).is_file() else None


def _held(
    holdings: Holdings | None, dataset: str, test: str | None, method: tuple[str, str], size: int, parts: Iterable[str]
) -> set[int]:
    """The seeds of which a store has all these parts."""
    return (
        set.intersection(*(holdings.seeds(dataset, test, method, size, part) for part in parts)) if holdings else set()
    )


def _parser() -> Parser:
    parser = command_parser("python workflow/reference.py", __doc__)
    parser.add_argument("--hours", type=float, default=2.0, help="how long to work (default 2)")
    parser.add_argument("--data", help="folder with the paper's object and probe; without it they are downloaded")
    parser.add_argument("--cores", default="all", help="for Snakemake (default all)")
    parser.add_argument(
        "--gpu", type=int, help="the whole paper on this machine's GPUs, with so many trainings side by side"
    )
    return parser


def configured(*overlays: str | os.PathLike) -> dict:
    """The whole config with overlays, as the workflow sees it."""
    return load(("config.yaml", *overlays))


def remaining(config: dict, folder: str | os.PathLike) -> Iterator[tuple[str, int, list[str]]]:
    """Condition, seed and networks of all that the store does not hold of the headline's block,
    in the order in which it is wanted.
    """
    holdings, networks = _holdings(folder, config), models_of(config, "table1")
    for condition in config["experiments"]["table1"]["datasets"]:
        size = training_patterns(config, condition)
        held = {
            name: _held(holdings, condition, None, (name, "mse"), size, [config["evaluation"]["block"]])
            for name in networks
        }
        for seed in config["seeds"]:
            if missing := [name for name in networks if seed not in held[name]]:
                yield condition, seed, missing


def _has_bands(config: dict, condition: str) -> bool:
    """Whether the bands of a condition's scenes are measured, which are those of Table I's
    first condition.
    """
    return condition == config["experiments"]["table1"]["datasets"][0]


def targets(config: dict, condition: str, seed: int, networks: Sequence[str]) -> list[str]:
    """The metrics of networks of Table I, and of the references, and the bands of the first
    condition if all its networks are wanted.
    """
    methods = [(model, "mse") for model in networks] + [(reference, "none") for reference in REFERENCES]
    results = config["pathvars"]["results"]
    place = {"dataset": condition, "test": condition, "n_train": training_patterns(config, condition), "seed": seed}
    metrics = [f"{results}/{EVALUATION}/metrics.csv".format(**place, model=model, loss=loss) for model, loss in methods]
    whole = _has_bands(config, condition) and list(networks) == models_of(config, "table1")
    return [*metrics, *([f"{results}/evaluation/table1/bands.csv"] if whole else [])]


def one_seed(config: dict, seed: int) -> str:
    """An overlay of the config that has this seed only: the bands are measured of all its seeds
    at once.
    """
    path = f"{config['pathvars']['results']}/reference.yaml"
    write_text(yaml.safe_dump({"seeds": [seed]}), path)
    return path


def snakemake_command(
    wanted: Iterable[str],
    overlays: Iterable[str],
    data: str | None,
    cores: str = "all",
    gpu: int | None = None,
    first: Iterable[str] = (),
) -> list[str]:
    """The command that makes these files with overlays of the config.

    Args:
        data: folder with copies of others' files, or None.
        cores: for Snakemake.
        gpu: how many jobs, each with all seeds, may use this machine's GPUs at once; None without
            one.
        first: which of them come before the others.
    """
    options = ["--cores", cores, "--rerun-incomplete", "--configfile", *overlays, *([GPU_OVERLAY] if gpu else [])]
    # In quotes, in which 20191008 is no number, and in blanks, since Snakemake strips quotes at the
    # ends.
    options += ["--config", f"data_dir= {json.dumps(data)} "] if data else []
    options += ["--resources", f"gpu={gpu}"] if gpu else []
    options += ["--prioritize", *dict.fromkeys(first)] if first else []
    return [sys.executable, "-m", "snakemake", *dict.fromkeys(wanted), *options]


def run_until(deadline: float, command: list[str]) -> int | None:
    """Exit status of the command; None if it had to be stopped, as by Ctrl-C, since the time was
    up.

    Raises:
        KeyboardInterrupt: the user stopped this program, and it the command.
    """
    # A shell that runs this in the background makes it deaf to SIGINT, which the command must not
    # inherit.
    process = subprocess.Popen(  # no shell  # nosec B603
        command, start_new_session=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    )
    try:
        return process.wait(timeout=max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return None
    finally:
        _stop(process)


def _stop(process: subprocess.Popen) -> None:
    """End a process group that may still be running: as by Ctrl-C, and by force if that takes
    too long or the user insists.
    """
    if process.poll() is not None:
        return
    os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(timeout=GRACE)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def run_program(main: Callable[[], int | None]) -> NoReturn:
    """Run ``main`` and end with its exit status; what is wrong is one sentence, Ctrl-C another."""
    try:
        sys.exit(main())
    except PtychoformerError as error:
        sys.exit(f"Error: {error}")
    except KeyboardInterrupt:
        print("Stopped; the next run goes on from here.")
        sys.exit(130)


if __name__ == "__main__":
    run_program(main)
