"""Measure training and predicting on the device at hand, and print what it finds as Markdown.

Each network is trained at the paper's full size for a few epochs: launched kernel by kernel in
float32 with deterministic kernels, as captured steps, in the shortened precision, on a GPU with
fused kernels, and with several seeds side by side. Then it predicts a scan: patterns a second of
the network alone, and read from a file, predicted and stitched as ``ptychoformer predict`` does it.
The datasets of the seeds are made first:

    python workflow/speed.py results/paper/simulation/datasets/clean/seed*.cxi
"""

import sys
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))
sys.path.insert(0, str(ROOT / "workflow"))

import torch
from reference import configured

from ptychoformer.configuration import FULL_SIZE
from ptychoformer.device import device_name, lookup_device
from ptychoformer.evaluation.network import TrainedNetwork
from ptychoformer.evaluation.stream import predict_scene
from ptychoformer.measurement.cxi import read_scan
from ptychoformer.measurement.options import Patterns, Reading
from ptychoformer.measurement.preparation import open_prepared
from ptychoformer.models import build
from ptychoformer.parsing import Parser, command_parser
from ptychoformer.training.checkpoint import Checkpoint, save_checkpoint
from ptychoformer.training.entries import NetworkEntry
from ptychoformer.training.examples import Examples, load_examples
from ptychoformer.training.losses.mse import mean_squared_error
from ptychoformer.training.normalisation import Normalisation, training_normalisation
from ptychoformer.training.options import TrainingOptions
from ptychoformer.training.precision import set_precision
from ptychoformer.training.run import Training, run_epoch
from ptychoformer.training.split import split_of, validation_part

NETWORKS = {
    "Ptychoformer": ("ptychoformer", {}),
    "Ptychoformer, release's attention": ("ptychoformer", {"attention": "release"}),
    "Ptychoformer, self-attention": ("ptychoformer", {"attention": "mhsa"}),
    "DPI": ("dpi", {}),
    "PtychoNN": ("ptychonn", {}),
    "PtyNet": ("ptynet", {}),
    "PtyNet, large": ("ptynet", {"size": "large"}),
    "TransUNet": ("transunet", {}),
    "SegFormer": ("segformer", {}),
}
# How steps are captured.
WAYS = {
    "float32": {"precision": "float32", "compile": False},
    "mixed": {"precision": "mixed", "compile": False},
    "mixed, compiled": {"precision": "mixed", "compile": True},
}
LARGE_BATCH = 2048
UNITY = Normalisation(0.0, 1.0, 0.0, 1.0)


def main() -> None:
    """Print a table, row by row."""
    arguments = _parser().parse_args()
    torch.set_num_threads(1)
    device = lookup_device()
    chosen = configured(FULL_SIZE)["training"]
    training = TrainingOptions(**{field.name: chosen[field.name] for field in fields(TrainingOptions)})
    data = [loaded(path, seed, training, arguments.patterns, device) for seed, path in enumerate(arguments.datasets)]
    print(
        f"{device_name(device)}, torch {torch.__version__}, {len(data[0][0])} patterns, batches of"
        f" {training.batch_size}\n"
    )
    several = f"{len(data)} seeds"
    ways = {way: options for way, options in WAYS.items() if device.type == "cuda" or not options["compile"]}
    columns = ("kernel by kernel, float32, deterministic", *ways, *(f"{way}, {several}" for way in ways))
    print(f"| ms a step | {' | '.join(columns)} |")
    print("|---" * (1 + len(columns)) + "|", flush=True)
    for name in arguments.networks or NETWORKS:
        steps = [
            step(name, data[:1], replace(training, **WAYS["float32"]), captured=False, deterministic=True),
            *(step(name, seeds, replace(training, **way)) for seeds in (data[:1], data) for way in ways.values()),
        ]
        print(f"| {name} | {' | '.join(f'{1e3 * seconds:.2f}' for seconds in steps)} |", flush=True)
    batch = min(LARGE_BATCH, len(data[0][0]))
    print(
        f"\n| us a sample, forward and backward, in a batch of {batch} | {' | '.join(ways)}"
        f" |\n{'|---' * (1 + len(ways))}|"
    )
    for name in arguments.networks or NETWORKS:
        times = [sample(name, data[0][0], replace(training, **way)) for way in ways.values()]
        print(f"| {name} | {' | '.join(f'{1e6 * seconds:.1f}' for seconds in times)} |", flush=True)
    print("\n| patterns predicted a second | network alone | with reading and stitching |\n|---|---|---|")
    for name in arguments.networks or NETWORKS:
        print(
            f"| {name} | {' | '.join(f'{rate:,.0f}' for rate in prediction(name, arguments.datasets[0]))} |", flush=True
        )


def _parser() -> Parser:
    parser = command_parser("python workflow/speed.py", __doc__)
    parser.add_argument("datasets", nargs="+", help="CXI files of the workflow's, one a seed")
    parser.add_argument("--patterns", type=int, help="how many are trained on (default: all there are for it)")
    parser.add_argument("--networks", nargs="+", choices=list(NETWORKS), help="which are measured (default: all)")
    return parser


def loaded(
    path: str, seed: int, training: TrainingOptions, patterns: int | None, device: torch.device
) -> tuple[Examples, Examples]:
    """Load examples and validation part of a dataset, on the device."""
    scan = read_scan(path)
    subset = split_of(scan).train[:patterns]
    normalisation = training_normalisation(scan, subset)
    parts = validation_part(subset, training.validation_fraction, training.validation, seed)
    examples, validation = (load_examples(path, scan, part, normalisation, "log").to(device) for part in parts)
    return examples, validation


def made(name: str, seed: int, data: tuple[Examples, Examples], training: TrainingOptions) -> Training:
    """Build a training of one of ``NETWORKS`` that has not begun."""
    examples, validation = data
    kind, options = NETWORKS[name]
    torch.manual_seed(seed)
    network = build(kind, tuple(examples.inputs.shape[-2:]), options).to(
        examples.inputs.device, memory_format=torch.channels_last
    )
    set_precision(network, training.precision, examples.inputs.device)
    return Training(network, mean_squared_error, training, seed, examples, validation)


def step(
    name: str,
    data: Sequence[tuple[Examples, Examples]],
    training: TrainingOptions,
    captured: bool = True,
    deterministic: bool = False,
) -> float:
    """Time a step of one seed in seconds, in an epoch of as many seeds as there are data; its
    validation counts.
    """
    torch.use_deterministic_algorithms(deterministic, warn_only=True)
    runs = [made(name, seed, own, training) for seed, own in enumerate(data)]
    for run in runs if captured else []:
        if training.compile:
            run.compile()
        run.capture()
    for _ in range(2):  # the first is not counted
        run_epoch(runs)
    return runs[0].history[-1]["seconds"] / runs[0].batches


def sample(name: str, examples: Examples, training: TrainingOptions) -> float:
    """Time a sample in seconds, forward and backward, in a batch that fills the device."""
    torch.use_deterministic_algorithms(False)
    network, examples = made(name, 0, (examples, examples), training).model.train(), examples.part(slice(LARGE_BATCH))
    network = torch.compile(network, dynamic=False) if training.compile else network
    for number in range(6):
        if number == 3:  # those before are not counted
            _wait(examples)
            began = time.perf_counter()
        network.zero_grad()
        mean_squared_error(network(examples.inputs), examples.labels, examples.patterns).backward()
    _wait(examples)
    return (time.perf_counter() - began) / 3 / len(examples)


def prediction(name: str, dataset: str) -> tuple[float, float]:
    """Count the patterns a second that an untrained network predicts, alone and with all that
    `predict` does, of a scan of a few thousand.
    """
    kind, options = NETWORKS[name]
    with tempfile.TemporaryDirectory() as folder, open_prepared(dataset, Reading(), Patterns()) as scan:
        weights = build(kind, scan.window, options).state_dict()
        untrained = Checkpoint(NetworkEntry(kind, options), scan.window, UNITY, weights)
        save_checkpoint(untrained, Path(folder) / "model.pt")
        network = TrainedNetwork(Path(folder) / "model.pt", threads=1)
        batch = next(scan.frames(network.batch))
        deque(network.stream([batch] * 3), maxlen=0)  # these are not counted
        began = time.perf_counter()
        deque(network.stream([batch] * 10), maxlen=0)
        alone = 10 * len(batch) / (time.perf_counter() - began)
        facts = [predict_scene(scan, network, network.normalisation, Path(folder) / "scene.h5") for _ in range(2)]
    return alone, facts[-1]["patterns_per_second"]


def _wait(examples: Examples) -> None:
    if examples.inputs.device.type == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
