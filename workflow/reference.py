"""Work through the paper at its full size for as long as there is time, and keep what is finished.

On a CPU it is one experiment, Table I unless another is named, training set by training set and
seed by seed. A seed is a subject of the statistics only when every network has it, so that all
networks of one seed come before the next seed, and the first condition before the second. What the
store holds is not run again. Of what is trained of Table I's first condition the bands of Figure 9
are kept too. They are measured on scenes, which the store has not, so that networks whose scores it
holds without them are trained again by ``--experiment bands`` alone, into a folder and a store of
their own: compared are runs that were trained alike, of which these may not be.

    python workflow/reference.py --hours 2 --data folder
    python workflow/reference.py --hours 2 --data folder --experiment sizes

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

from ptychoformer import paths
from ptychoformer.configuration import CONFIG, FULL_SIZE, GPU, load
from ptychoformer.errors import InputError, PtychoformerError
from ptychoformer.experiments import Experiments, Run, models_of
from ptychoformer.files import write_text
from ptychoformer.parsing import Parser, command_parser
from ptychoformer.publication.harvest import harvest
from ptychoformer.publication.store.holdings import INDEX, RETRAINED, Holdings
from ptychoformer.publication.store.views import shown_by

STORE = "resources/reference"
# Figure 9, as an experiment of its own beside those of the config.
BANDS = "bands"
GRACE = 120.0
# On a GPU: what settles most claims for its time.
FIRST = ("table3", "overlaps", "table5", "table2", "sizes")


def main() -> int:
    """Work until the time is up; exit status 0 then or if nothing is left to do, Snakemake's own if
    it failed.
    """
    arguments = _parser().parse_args()
    os.chdir(ROOT)
    deadline = time.monotonic() + 3600 * arguments.hours
    config, store = configured(FULL_SIZE), STORE
    if arguments.experiment == BANDS and not arguments.gpu:
        config["pathvars"]["results"] += f"-{RETRAINED}"
        store = f"{STORE}/{RETRAINED}"
    results = config["pathvars"]["results"]
    failed = 0
    for title, command in _together(config, arguments) if arguments.gpu else _seed_by_seed(config, arguments):
        print(f"Reference: {title}", flush=True)
        status = run_until(deadline, command)
        if Path(results, "evaluation").is_dir():
            print(harvest(results, store, shown_by(config) if store == STORE else ()), flush=True)
        if status is None:
            print("The time is up; the next run goes on from here.")
            return failed
        # One network that diverges is no reason to leave the others.
        failed = failed or status
    print("Nothing is left to do." if not failed else "Some jobs failed; the same command tries them again.")
    return failed


def simulated(config: dict) -> list[str]:
    """List the experiments whose data are no file of others."""
    return [name for name in config["experiments"] if name != "measured"]


def _seed_by_seed(config: dict, arguments: argparse.Namespace) -> Iterator[tuple[str, list[str]]]:
    """Yield what is left of an experiment, with the commands that make it."""
    there_are = [*simulated(config), BANDS]
    if arguments.experiment not in there_are:
        raise InputError(f"--experiment: {arguments.experiment} is not allowed; there are {', '.join(there_are)}.")
    experiment = "table1" if arguments.experiment == BANDS else arguments.experiment
    for runs in without_bands(config, STORE) if arguments.experiment == BANDS else remaining(config, STORE, experiment):
        overlays = (FULL_SIZE, only(config, experiment, runs))
        yield (
            title_of(runs, Experiments(config).factor(experiment)),
            snakemake_command(targets(config, experiment, runs), overlays, arguments.data, arguments.cores),
        )


def title_of(runs: Sequence[Run], factor: str) -> str:
    """Put one seed of a training set in words, with the networks, losses or references to make."""
    names = [run["model"] if run["loss"] == "none" else run[factor] for run in runs]
    return "{dataset}, {n_train} patterns, seed {seed}: ".format(**runs[0]) + ", ".join(names)


def _together(config: dict, arguments: argparse.Namespace) -> Iterator[tuple[str, list[str]]]:
    """Yield what is left of every experiment but the measured one, with the command that makes all
    of it: a GPU waits for none to be planned.
    """
    left = {name: left_of(config, STORE, name) for name in simulated(config)}
    wanted = [path for paths in left.values() for path in paths]
    if _lacking_bands(config, STORE):
        wanted.append(_bands(config))
    if wanted:
        first = [path for name in FIRST for path in left[name]]
        yield (
            "the whole paper",
            snakemake_command(wanted, (FULL_SIZE,), arguments.data, arguments.cores, arguments.gpu, first),
        )


def left_of(config: dict, folder: str | os.PathLike, experiment: str) -> list[str]:
    """List the metrics of every run of an experiment that the store does not hold, with its bands
    where they are measured, and of its references but for the iterative reconstruction, which takes
    CPUs long.
    """
    left = _left(config, folder, experiment, with_bands=True)
    return [_metrics(config, run) for run in left if run["model"] != "epie"]


def remaining(config: dict, folder: str | os.PathLike, experiment: str = "table1") -> list[list[Run]]:
    """List the runs of an experiment of which the store does not hold the headline's block, those
    of one seed of a training set together, in the order in which they are wanted.

    The iterative reconstruction is the same for every training set, and wanted with Table I alone.
    """
    left = _left(config, folder, experiment)
    return _by_seed(config, experiment, [run for run in left if run["model"] != "epie" or experiment == "table1"])


def without_bands(config: dict, folder: str | os.PathLike) -> list[list[Run]]:
    """List the networks of Table I's first condition of which the store holds scores but no bands,
    those of one seed together, with Ptychoformer, and first the seeds of which most networks are
    left.
    """
    experiments = Experiments(config)
    networks, ours = experiments.runs_of_spectra(), experiments.our_network()
    without_scores = _left(config, folder, "table1")
    left = [run for run in _lacking_bands(config, folder) if run not in without_scores]
    seeds = {run["seed"] for run in left}
    wanted = [run for run in networks if run in left or (run["seed"] in seeds and run["model"] == ours)]
    return sorted(_by_seed(config, "table1", wanted), key=len, reverse=True)


def _lacking_bands(config: dict, folder: str | os.PathLike) -> list[Run]:
    left = _left(config, folder, "table1", with_bands=True)
    return [run for run in Experiments(config).runs_of_spectra() if run in left]


def _by_seed(config: dict, experiment: str, runs: Iterable[Run]) -> list[list[Run]]:
    cells: dict[tuple, list[Run]] = {}
    for run in runs:
        cells.setdefault((run["dataset"], run["n_train"], run["seed"]), []).append(run)
    datasets = Experiments(config).datasets(experiment)
    return [cells[cell] for cell in sorted(cells, key=lambda cell: (datasets.index(cell[0]), *cell[1:]))]


def _left(config: dict, folder: str | os.PathLike, experiment: str, with_bands: bool = False) -> list[Run]:
    """List the runs and references of an experiment of which the store does not hold the headline's
    block, and the bands if they are asked for and measured.
    """
    experiments, holdings = Experiments(config), _holdings(folder, config)
    block = experiments.headline(experiment)["block"]

    def is_held(run: Run) -> bool:
        measured = with_bands and run["loss"] != "none" and _has_bands(config, experiment, run["dataset"])
        return all(holdings.has(run, part) for part in ([block, "bands"] if measured else [block]))

    wanted = experiments.runs(experiment) + experiments.references(experiment)
    return [run for run in wanted if not (holdings and is_held(run))]


def _metrics(config: dict, run: Run) -> str:
    return f"{config['pathvars']['results']}/{paths.EVALUATION}/metrics.csv".format(**run)


def _bands(config: dict) -> str:
    return f"{config['pathvars']['results']}/{paths.BANDS}"


def _holdings(folder: str | os.PathLike, config: dict) -> Holdings | None:
    return Holdings(folder, config) if Path(folder, INDEX).is_file() else None


def _parser() -> Parser:
    parser = command_parser("python workflow/reference.py", __doc__)
    parser.add_argument("--hours", type=float, default=2.0, help="how long to work (default 2)")
    parser.add_argument(
        "--data",
        type=os.path.abspath,
        help="folder with the paper's object and probe; without it they are downloaded",
    )
    parser.add_argument("--cores", default="all", help="for Snakemake (default all)")
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--experiment", default="table1", help="on CPUs, which one of the config, or bands (default table1)"
    )
    what.add_argument(
        "--gpu", type=int, help="the whole paper on this machine's GPUs, with so many trainings side by side"
    )
    return parser


def configured(*overlays: str | os.PathLike) -> dict:
    """Load the whole config with overlays, as the workflow sees it."""
    return load((CONFIG, *overlays))


def _has_bands(config: dict, experiment: str, dataset: str) -> bool:
    """Say whether the bands of a dataset's scenes are measured, which are those of Table I's first
    condition.
    """
    return experiment == "table1" and dataset == Experiments(config).first_dataset("table1")


def _measures_bands(config: dict, experiment: str, runs: Sequence[Run]) -> bool:
    """Say whether the bands of these runs are measured. A config must have Ptychoformer in Table I,
    so that there are none without it.
    """
    networks = [run["model"] for run in runs if run["loss"] != "none"]
    return _has_bands(config, experiment, runs[0]["dataset"]) and Experiments(config).our_network() in networks


def targets(config: dict, experiment: str, runs: Sequence[Run]) -> list[str]:
    """List the metrics of runs of one seed of a training set, and their bands if measured."""
    measured = _measures_bands(config, experiment, runs)
    return [*(_metrics(config, run) for run in runs), *([_bands(config)] if measured else [])]


def only(config: dict, experiment: str, runs: Sequence[Run]) -> str:
    """Make an overlay of the config that has its folder of results, the seed of these runs only
    and, where bands are measured, their networks only in Table I: they are measured of all its
    seeds and networks at once.
    """
    left_out = set(models_of(config, experiment)) - {run["model"] for run in runs}
    overlay = {"pathvars": config["pathvars"], "seeds": [runs[0]["seed"]]}
    if _measures_bands(config, experiment, runs):
        overlay["models"] = {model: {"experiments": _elsewhere(config, model, experiment)} for model in left_out}
    path = f"{config['pathvars']['results']}/reference.yaml"
    write_text(yaml.safe_dump(overlay), path)
    return path


def _elsewhere(config: dict, model: str, experiment: str) -> list[str]:
    return [name for name in config["experiments"] if name != experiment and model in models_of(config, name)]


def snakemake_command(
    wanted: Iterable[str],
    overlays: Iterable[str],
    data: str | None,
    cores: str = "all",
    gpu: int | None = None,
    first: Iterable[str] = (),
) -> list[str]:
    """Write the command that makes these files with overlays of the config.

    Args:
        data: folder with copies of others' files, or None.
        cores: for Snakemake.
        gpu: how many jobs, each with all seeds, may use this machine's GPUs at once; None without
            one.
        first: which of them come before the others.
    """
    options = ["--cores", cores, "--rerun-incomplete", "--configfile", *overlays, *([GPU] if gpu else [])]
    # In quotes, in which 20191008 is no number, and in blanks, since Snakemake strips quotes at the
    # ends.
    options += ["--config", f"data_dir= {json.dumps(data)} "] if data else []
    options += ["--resources", f"gpu={gpu}"] if gpu else []
    options += ["--prioritize", *dict.fromkeys(first)] if first else []
    return [sys.executable, "-m", "snakemake", *dict.fromkeys(wanted), *options]


def run_until(deadline: float, command: list[str]) -> int | None:
    """Run a command and return its exit status; None if it had to be stopped, as by Ctrl-C, since
    the time was up.

    Raises:
        KeyboardInterrupt: the user stopped this program, and it the command.
    """
    process = subprocess.Popen(command, start_new_session=True)  # no shell  # nosec B603
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
    # A program that a shell runs in the background is deaf to SIGINT, and so would be what it runs;
    # and what it runs would go on when SIGTERM or a closed terminal ends it.
    by_nohup = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    for stopping in (signal.SIGINT, signal.SIGTERM, *(() if by_nohup else (signal.SIGHUP,))):
        signal.signal(stopping, signal.default_int_handler)
    try:
        sys.exit(main())
    except PtychoformerError as error:
        sys.exit(f"Error: {error}")
    except KeyboardInterrupt:
        print("Stopped; the next run goes on from here.")
        sys.exit(130)


if __name__ == "__main__":
    run_program(main)
