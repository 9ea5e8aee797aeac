"""Try what networks start from, and Ptychoformer's blocks, on the paper's object: every network of
the overlay with every seed.

What counts is the validation loss of a block of training patterns; test patterns are scored
nowhere. The losses of all epochs are kept in resources/reference/trials.csv, beside those of other
trials; those of the last epoch are printed as a table. An unfinished training goes on where it was.

    python workflow/trials.py --data folder
"""

import math
import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))
sys.path.insert(0, str(ROOT / "workflow"))

from reference import configured, run_program, run_until, snakemake_command

from ptychoformer.evaluation.columns import read_table
from ptychoformer.experiments import ALL, training_patterns
from ptychoformer.parsing import Parser, command_parser
from ptychoformer.paths import TRAINING
from ptychoformer.tables import read_csv, write_csv

OVERLAY = "config/trials.yaml"
OUTPUT = "resources/reference/trials.csv"
LOSSES = ["epoch", "validation_loss"]
SCALE = ["n_train", "epochs", "batch_size"]
COLUMNS = [*SCALE, "model", "blocks", "initialisation", "seed", "epoch", "validation_loss"]
TYPES = dict.fromkeys((*SCALE, "seed", "epoch"), int) | dict.fromkeys(("model", "blocks", "initialisation"), str)


def main() -> int:
    """Train what is to be tried; exit status 0 if the time ran out or all is done, Snakemake's own
    if it failed.
    """
    arguments = _parser().parse_args()
    os.chdir(ROOT)
    config, tried = configured(*arguments.overlay), networks(arguments.overlay)
    deadline = time.monotonic() + 3600 * arguments.hours
    wanted = histories(config, tried)
    status = run_until(
        deadline, snakemake_command(wanted, arguments.overlay, arguments.data, arguments.cores, arguments.gpu)
    )
    losses = collect(config, tried)
    if len(losses):
        write_csv(merged(losses), OUTPUT)
        print(table(config, losses))
    if status is None:
        print("The time is up; the next run goes on from here.")
    return status or 0


def _parser() -> Parser:
    parser = command_parser("python workflow/trials.py", __doc__)
    parser.add_argument("--hours", type=float, default=math.inf, help="how long to work (default: until all is done)")
    parser.add_argument("--data", help="folder with the paper's object and probe; without it they are downloaded")
    parser.add_argument("--cores", default="all", help="for Snakemake (default all)")
    parser.add_argument(
        "--gpu", type=int, help="with all seeds together on this machine's GPUs, so many networks side by side"
    )
    parser.add_argument(
        "--overlay", nargs="+", default=[OVERLAY], help=f"which networks, and how they are trained (default {OVERLAY})"
    )
    return parser


def networks(overlays: Iterable[str | os.PathLike]) -> list[str]:
    """List the networks that are tried: those that the overlays themselves name."""
    changes = [yaml.safe_load(Path(overlay).read_text(encoding="utf-8")) for overlay in overlays]
    return list(dict.fromkeys(model for change in changes for model in change.get("models", ())))


def scale(config: dict) -> dict[str, int]:
    """Take what ``SCALE`` names from a config."""
    experiment = config["experiments"]["table1"]
    asked = experiment["n_train"][0]
    n_train = training_patterns(config, experiment["datasets"][0]) if asked == ALL else asked
    return {"n_train": n_train, **{name: config["training"][name] for name in SCALE[1:]}}


def merged(fresh: pd.DataFrame) -> pd.DataFrame:
    """Join the losses of trainings that were kept before, but for those that are fresh, with these,
    in order.
    """
    trained = [*SCALE, "model", "blocks", "initialisation", "seed"]
    earlier = read_csv(OUTPUT, TYPES, COLUMNS, "a table of trials") if Path(OUTPUT).is_file() else fresh.iloc[:0]
    known = set(fresh[trained].itertuples(index=False, name=None))
    earlier = earlier[[row not in known for row in earlier[trained].itertuples(index=False, name=None)]]
    return pd.concat([earlier, fresh], ignore_index=True).sort_values([*trained, "epoch"], ignore_index=True)


def histories(config: dict, tried: list[str]) -> dict[str, tuple[str, int]]:
    """Map the files in which losses are written to their network and seed."""
    experiment = config["experiments"]["table1"]
    history = f"{config['pathvars']['results']}/{TRAINING}/history.csv"
    run = {"dataset": experiment["datasets"][0], "loss": experiment["losses"][0], "n_train": scale(config)["n_train"]}
    return {history.format(**run, model=model, seed=seed): (model, seed) for seed in config["seeds"] for model in tried}


def collect(config: dict, tried: list[str]) -> pd.DataFrame:
    """Read the validation losses of all finished trainings, one epoch a row, with ``COLUMNS``."""
    found = [pd.DataFrame(columns=COLUMNS)]
    for path, (model, seed) in histories(config, tried).items():
        if Path(path).is_file():
            entry = config["models"][model]
            about = {"model": entry["label"] or model, "blocks": entry["options"].get("blocks", "")}
            about |= {"initialisation": entry["initialisation"] or "own", "seed": seed} | scale(config)
            found.append(read_table(path, LOSSES)[LOSSES].assign(**about)[COLUMNS])
    return pd.concat(found[1:] or found, ignore_index=True)


def table(config: dict, losses: pd.DataFrame) -> str:
    """Set the last epoch's losses in Markdown: mean and sample standard deviation over seeds, the
    lowest of a network in bold.
    """
    last = losses[losses.epoch == losses.epoch.max()]
    scores = last.groupby(["model", "blocks", "initialisation"], sort=False).validation_loss.agg(
        ["mean", "std", "count"]
    )
    starts = list(dict.fromkeys(last.initialisation))
    lines = [f"| validation loss | {' | '.join(starts)} |", f"|---|{'---|' * len(starts)}"]
    for name, variants in scores.groupby("model", sort=False):
        best = variants["mean"].idxmin()
        for blocks, rows in variants.groupby("blocks", sort=False):
            words = f"{name}, blocks: {blocks}" if blocks else name
            cells = [_cell(rows, (name, blocks, start), best) for start in starts]
            lines.append(f"| {words} | {' | '.join(cells)} |")
    training = config["training"]
    return "\n".join(
        [
            *lines,
            "",
            (
                f"Mean ± sample standard deviation over seeds, their number in brackets; {scale(config)['n_train']}"
                f" patterns of '{config['experiments']['table1']['datasets'][0]}', of which"
                f" {training['validation_fraction']:.0%} validate ({training['validation']}), {training['epochs']}"
                f" epochs, batches of {training['batch_size']}."
            ),
        ]
    )


def _cell(rows: pd.DataFrame, key: tuple[str, str, str], best: tuple[str, str, str]) -> str:
    if key not in rows.index:
        return ""
    mean, deviation, count = rows.loc[key]
    words = f"{mean:.4f} ± {deviation:.4f} ({count:.0f})" if count > 1 else f"{mean:.4f} (1)"
    return f"**{words}**" if key == best else words


if __name__ == "__main__":
    run_program(main)
