"""Choose how strongly synchronised stitching ties constants, on training patterns of the paper's
object that networks were not trained on.

What the networks named by --models gain in decibels over plain stitching is written to
resources/reference/ties.csv and printed as a table.

    python workflow/ties.py --data folder --models ptynet ptychonn
"""

import math
import os
import sys
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))
sys.path.insert(0, str(ROOT / "workflow"))

from reference import configured, run_program, run_until, snakemake_command
from trials import histories

from ptychoformer.evaluation.ties import score_ties
from ptychoformer.parsing import Parser, command_parser
from ptychoformer.paths import SIMULATED_DATASET
from ptychoformer.tables import write_csv

OVERLAY = "config/ties.yaml"
OUTPUT = "resources/reference/ties.csv"
TIES = (0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)


def main() -> int:
    """Score the ties; exit status 0 if all is done, Snakemake's own if it failed."""
    arguments = _parser().parse_args()
    os.chdir(ROOT)
    config = configured(OVERLAY)
    runs = {Path(path).with_name("model.pt"): run for path, run in histories(config, arguments.models).items()}
    command = snakemake_command(map(str, runs), [OVERLAY], arguments.data)
    if status := run_until(math.inf, command):
        return status
    rows = pd.concat([_scored(config, path, *run) for path, run in runs.items()], ignore_index=True)
    write_csv(rows, OUTPUT)
    print(table(rows))
    return 0


def _parser() -> Parser:
    parser = command_parser("python workflow/ties.py", __doc__)
    parser.add_argument("--data", help="folder with the paper's object and probe; without it they are downloaded")
    parser.add_argument(
        "--models", nargs="+", default=["ptynet", "ptychonn", "dpi", "ptychoformer"], help="default %(default)s"
    )
    return parser


def _scored(config: dict, checkpoint: Path, model: str, seed: int) -> pd.DataFrame:
    scale = config["experiments"]["table1"]
    dataset = Path(config["pathvars"]["results"], SIMULATED_DATASET.format(dataset=scale["datasets"][0], seed=seed))
    how = {
        "n_train": scale["n_train"][0],
        "subset": config["training"]["subset"],
        "weighting": config["stitching"]["weighting"],
    }
    return score_ties(dataset, checkpoint, TIES, seed=seed, **how).assign(model=model, seed=seed)


def table(rows: pd.DataFrame) -> str:
    """Set the gain over plain stitching by tie and network in Markdown: means over seeds, then over
    networks.
    """
    keys = ["model", "seed"]
    plain = rows[rows["tie"] == math.inf].set_index(keys)[["phase", "relative_phase"]]
    gains = rows[rows["tie"] < math.inf].set_index([*keys, "tie"])[["phase", "relative_phase"]].sub(plain)
    means = gains.groupby(["tie", "model"], sort=False).mean().unstack("model")
    models = list(dict.fromkeys(rows["model"]))
    counts = rows.groupby("model")["seed"].nunique()
    lines = [
        f"| tie | {' | '.join(f'{model} ({counts[model]})' for model in models)} | mean |",
        f"|---|{'---|' * (len(models) + 1)}",
    ]
    for tie, found in means.iterrows():
        cells = [f"{found['phase', model]:+.2f} / {found['relative_phase', model]:+.2f}" for model in models]
        lines.append(
            f"| {tie:g} | {' | '.join(cells)} | {found['phase'].mean():+.2f} / {found['relative_phase'].mean():+.2f} |"
        )
    return "\n".join(
        [
            *lines,
            "",
            "Gain in PSNR of phase / relative phase over plain stitching, dB; the number of seeds in brackets.",
        ]
    )


if __name__ == "__main__":
    run_program(main)
