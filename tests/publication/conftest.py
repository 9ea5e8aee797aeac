"""A small experiment as files, by the contracts of the other rooms: scans of bars, networks that blur, metrics and their statistics."""

from dataclasses import fields, replace
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from scipy.ndimage import gaussian_filter

from ptychoformer.contents import read_contents
from ptychoformer.evaluation import SCORED
from ptychoformer.evaluation.patches import create_patches
from ptychoformer.evaluation.statistics import analyse
from ptychoformer.evaluation.stitch import stitch
from ptychoformer.measurement.cxi import Optics, create_dataset, read_scan
from ptychoformer.measurement.windows import windows
from ptychoformer.provenance import write_provenance
from ptychoformer.publication.report.printed import Printed
from ptychoformer.publication.store import files as store
from ptychoformer.publication.tables.layout import Layout, parts_of
from ptychoformer.storage import create_hdf5, write
from ptychoformer.tables import read_text, write_csv
from ptychoformer.training.normalisation import Normalisation
from ptychoformer.training.split import Split, split_of

PUBLISHED = Path(__file__).parents[2] / "resources" / "published"
CONTENTS = read_contents(PUBLISHED / "contents.yaml")
HERE = dict(block="lower_right", level="scene")  # the headline
CONDITIONS = {"clean": "Noise-free", "noisy": "Noisy"}
MODELS = {"ptychonn": "PtychoNN", "ptynet": "PtyNet", "dpi": "DPI", "ptychoformer": "Ptychoformer"}
# Mean over seeds of each network and reference; in MSE a lower number is better.
MEANS = {
    "mse": {"ptychonn": 0.044, "ptynet": 0.043, "dpi": 0.0425, "ptychoformer": 0.037, "floor": 0.25, "ceiling": 0.0},
    "psnr": {"ptychonn": 13.5, "ptynet": 13.7, "dpi": 13.8, "ptychoformer": 14.4, "floor": 5.93, "ceiling": np.inf},
    "ssim": {"ptychonn": 0.831, "ptynet": 0.833, "dpi": 0.835, "ptychoformer": 0.869, "floor": 0.12, "ceiling": 1.0},
}


ABLATIONS = {
    "without_nlb": "Ours w/o NLB",
    "with_mhsa": "Ours w/ MHSA",
    "without_decoder": "Ours w/o D",
    "without_constraints": "Ours w/o OC",
    "release_attention": "Ours, release’s attention",
    "ptychoformer": "Ours",
}
LOSSES = {
    "mse": "MSE",
    "mae": "MAE",
    "huber": "Huber",
    "npcc": "NPCC",
    "nssim": "NSSIM",
    "weighted_80": "α = 0.8",
    "weighted_90": "α = 0.9",
}
VARIANTS = {"transunet": "TransUNet", "segformer": "SegFormer", "ptychoformer": "Ptychoformer"}


OVERLAPS = {"overlap_50": "50 % overlap", "overlap_25": "25 % overlap", "overlap_0": "No overlap"}
LABELS = {
    "datasets": CONDITIONS | {"straight": "Straight features", "curved": "Curved features"} | OVERLAPS,
    "networks": MODELS | ABLATIONS | VARIANTS | MODELS,  # the order of the first, the words of the last
    "losses": LOSSES,
}


def paper_table(name, title, conditions, methods, factor="model") -> SimpleNamespace:
    """A table of the paper: its layout, the same as ``words``, which rules carry, and the paper's own numbers."""
    table = replace(CONTENTS.tables[name], title=title)
    block = "scan" if table.number == "II" else "lower_right"
    layout = Layout(name, table, factor, conditions, methods, block, level="scene")
    words = vars(layout) | {"table": vars(table)}
    parts = vars(table) | vars(layout) | {"published": PUBLISHED / f"{name}.csv"}
    return SimpleNamespace(layout=layout, words=words, **parts)


TABLES = {
    table.number: table
    for table in (
        paper_table("table1", "Networks without and with noise", CONDITIONS, MODELS),
        paper_table("table2", "Out of distribution", {"straight": "Straight to curved"}, MODELS),
        paper_table("table3", "Ablations", {"clean": "Noise-free"}, ABLATIONS),
        paper_table("table4", "Losses", {"ptychoformer": "Ptychoformer"}, LOSSES, factor="loss"),
        paper_table("table5", "Hybrids of CNN and transformer", {"clean": "Noise-free"}, VARIANTS),
    )
}


def make_metrics(
    seeds: int = 3, conditions: tuple[str, ...] = ("clean", "noisy"), regions: tuple[str, ...] = ("whole", "unseen")
) -> pd.DataFrame:
    """The rows of the experiment of Table I: ``MEANS`` and a spread of 1 % over seeds that differs for every value."""
    rows = [
        (
            dataset,
            dataset,
            model,
            "none" if model in ("floor", "ceiling") else "mse",
            700,
            seed,
            *part,
            channel,
            metric,
            mean,
        )
        for dataset in conditions
        for part in TABLES["I"].layout.parts
        if part.region in regions
        for channel in SCORED
        for metric, means in MEANS.items()
        for model, mean in means.items()
        for seed in range(seeds)
    ]
    return _spread(rows)


def metrics_of(table: SimpleNamespace, seeds: int = 3) -> pd.DataFrame:
    """The rows of the experiment of any table: each method is 5 % better than the one before it."""
    parts = parts_of(table.further_parts, table.block, table.level)
    runs = [
        (condition, method, "mse", rank) if table.factor == "model" else ("clean", condition, method, rank)
        for condition in table.conditions
        for rank, method in enumerate(table.methods)
    ]
    datasets = dict.fromkeys(dataset for dataset, *_ in runs)
    runs += [
        (dataset, reference, "none", rank)
        for dataset in datasets
        for rank, reference in ((-10, "floor"), (10, "ceiling"))
    ]
    rows = [
        (
            dataset,
            "curved" if table.number == "II" else dataset,
            model,
            loss,
            700,
            seed,
            *part,
            channel,
            metric,
            best * 1.05**rank,
        )
        for dataset, model, loss, rank in runs
        for part in parts
        for channel in SCORED
        for metric, best in (("mse", 0.04), ("psnr", 13.5), ("ssim", 0.6))
        for seed in range(seeds)
    ]
    frame = _spread(rows)
    frame.loc[frame["metric"] == "mse", "value"] = 0.04**2 / frame["value"]
    return frame


def _spread(rows: list[tuple]) -> pd.DataFrame:
    names = [
        "dataset",
        "test",
        "model",
        "loss",
        "n_train",
        "seed",
        "block",
        "region",
        "level",
        "channel",
        "metric",
        "value",
    ]
    frame = pd.DataFrame(rows, columns=names)
    networks = frame["loss"] != "none"
    frame.loc[networks, "value"] *= 1 + 0.01 * np.random.default_rng(1).standard_normal(networks.sum())
    return frame


def write_overlaps(folder: Path, seeds: int = 3) -> Path:
    """The metrics of the experiment on scans of other overlap, which has no table."""
    write_csv(make_metrics(seeds, ("clean", *OVERLAPS)), folder / "overlaps.csv")
    return folder / "overlaps.csv"


def write_metrics(folder: Path, frame: pd.DataFrame, factor: str = "model") -> SimpleNamespace:
    """The metrics and what `evaluation.statistics` makes of them, as files."""
    files = SimpleNamespace(
        metrics=folder / "metrics.csv", anova=folder / "anova.csv", pairwise=folder / "pairwise.csv"
    )
    write_csv(frame, files.metrics)
    analyse(files.metrics, files.anova, files.pairwise, factor)
    return files


def bars(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Amplitude in [0.5, 1] and phase in radians of an object of bars that grow finer to the right, both (H, W)."""
    y, x = np.indices(shape) / shape[0]
    mask = np.sin(2 * np.pi * (6 * x + 14 * x**2)) * np.sin(2 * np.pi * 4 * y) > 0
    soft = gaussian_filter(mask.astype(np.float32), 0.7)
    return 1 - 0.5 * soft, (-1.2 * soft - 0.5 * np.sin(5 * x) * np.cos(4 * y)).astype(np.float32)


def write_dataset(folder: Path, rows: int = 20, step: int = 8, window: int = 16, photons: float = 5e4) -> Path:
    """A scan of ``bars``, with true diffraction patterns."""
    size = (rows - 1) * step + window
    amplitude, phase = bars((size, size))
    with create_hdf5(folder / "object.h5") as file:
        write(file, "object/amplitude", amplitude, "", "y,x")
        write(file, "object/phase", phase, "rad", "y,x")
    corners = np.indices((rows, rows)).reshape(2, -1).T * step
    y, x = np.indices((window, window)) - window / 2 + 0.5
    probe = np.exp(-(x**2 + y**2) / (2 * (window / 5) ** 2)) * np.sqrt(photons) / window
    exits = windows(amplitude * np.exp(1j * phase), corners, (window, window)) * probe
    patterns = np.abs(np.fft.fftshift(np.fft.fft2(exits, norm="ortho"), axes=(1, 2))) ** 2
    geometry = dict(positions=corners, true_positions=corners, grid=(rows, rows))
    contents = dict(window=probe.shape, probe=probe, object_file=folder / "object.h5")
    optics = Optics(wavelength=2.5e-12, pixel_size=5e-9, distance=1.0)
    with create_dataset(folder / "seed0.cxi", **geometry, **contents, optics=optics, condition={"seed": 0}) as data:
        data[:] = patterns
    return folder / "seed0.cxi"


def write_run(
    folder: Path,
    dataset: Path,
    model: str,
    blur: float,
    *,
    normalisation: Normalisation | None = None,
    split: Split | None = None,
    shift: float = 0.0,
) -> tuple[Path, Path]:
    """Patches and scenes of a network that blurs the truth by ``blur`` pixels and adds ``shift`` radians to its phase.

    They are stored on the scale of the object unless another is given, and are of the scan's own split.
    """
    scan = read_scan(dataset)
    split = split or split_of(scan)
    normalisation = normalisation or Normalisation.of(scan.amplitude, scan.phase)
    patches, scene = folder / model / "patches.h5", folder / model / "scene.h5"
    labels = (
        normalisation.normalised("amplitude", scan.amplitude),
        normalisation.normalised("phase", scan.phase + shift),
    )
    with create_patches(patches, split, normalisation) as arrays:
        for array, truth in zip(arrays, labels, strict=True):
            array[:] = gaussian_filter(windows(truth, scan.true_positions[split.test], scan.window), (0, blur, blur))
    stitch(patches, "radial", scene)
    return patches, scene


def write_training(folder: Path, seeds: int = 3, epochs: int = 12) -> tuple[list[Path], list[Path]]:
    """``history.csv`` and ``model.pt`` with its sidecar of every run; the weights themselves are empty."""
    histories, checkpoints = [], []
    for dataset in CONDITIONS:
        for place, model in enumerate(MODELS):
            for seed in range(seeds):
                run = folder / "training" / dataset / model / "mse" / "n700" / f"seed{seed}"
                epoch = np.arange(1, epochs + 1)
                loss = 0.02 + (0.1 + 0.002 * seed) * np.exp(-epoch * (0.2 + 0.05 * place)) + 0.003 * (3 - place)
                history = {
                    "epoch": epoch,
                    "learning_rate": 1e-3,
                    "train_loss": 0.9 * loss,
                    "validation_loss": loss,
                    "seconds": 1.0,
                }
                write_csv(pd.DataFrame(history), run / "history.csv")
                (run / "model.pt").touch()
                facts = {
                    "package": "0.1.0",
                    "configuration_digest": f"{place}{seed}ab34cd56ef",
                    "device": "cpu",
                    "machine": "Linux x86_64",
                }
                facts |= {
                    "parameters": 2734466,
                    "seconds": 70.0 + place,
                    "training_seconds": 61.5 + place,
                    "libraries": {"python": "3.11.9", "torch": "2.8.0"},
                }
                write_provenance(facts, run / "model.pt")
                histories.append(run / "history.csv")
                checkpoints.append(run / "model.pt")
    return histories, checkpoints


def told(inputs):
    """Arguments of `make_report` or `make_paper`, of which a `Printed` is made of those that it holds."""
    alike = {field.name for field in fields(Printed)} & inputs.keys()
    printed = Printed(**{name: inputs[name] for name in alike})
    return {name: value for name, value in inputs.items() if name not in alike} | {"printed": printed}


def keep_reference(folder: Path, scores: pd.DataFrame, bands: pd.DataFrame | None = None) -> Path:
    """A store of reference runs: metrics, and energies by band, whose rows hold facts of training besides; what they lack is empty."""
    tables = {}
    for name, frame in ((store.SCORES, scores), (store.BANDS, bands)):
        if frame is not None:
            write_csv(frame.reindex(columns=[*store.TABLES[name], *store.FACTS]), folder / "long.csv")
            tables[name] = read_text(folder / "long.csv")
    (folder / "long.csv").unlink()
    facts = pd.concat([table[[*store.RUN, *store.FACTS]] for table in tables.values()]).drop_duplicates()
    store.write(folder, facts, {store.SCORES: scores.iloc[:0], **tables})
    return folder


def illegible(figure: Figure) -> list[str]:
    """What a reader of the printed page could not read: words under 7 points, off the page, or over each other.

    Boxes of words reach a little beyond the ink, so that half a point of overlap is none.
    """
    drawn: list[tuple[str, float, Bbox]] = []
    draw = Text.draw

    def record(text: Text, renderer: object) -> None:
        draw(text, renderer)
        if text.get_visible() and text.get_text().strip():
            drawn.append((text.get_text(), text.get_fontsize(), text.get_window_extent(renderer)))

    with patch.object(Text, "draw", record):  # ticks beyond an axis' limits are never drawn
        figure.draw_without_rendering()
    point = figure.dpi / 72
    page = figure.bbox.padded(0.1 * point)
    faults = [f"{words!r} has {size:g} points" for words, size, _ in drawn if size < 7]
    faults += [
        f"{words!r} leaves the page"
        for words, _, box in drawn
        if not page.containsx(box.x0)
        or not page.containsx(box.x1)
        or not page.containsy(box.y0)
        or not page.containsy(box.y1)
    ]
    boxes = [(words, box.padded(-0.5 * point)) for words, _, box in drawn]
    faults += [
        f"{one!r} lies over {other!r}"
        for (one, first), (other, second) in combinations(boxes, 2)
        if first.overlaps(second)
    ]
    return faults


@pytest.fixture(scope="session")
def experiment() -> SimpleNamespace:
    """The names and makers of this module, for tests."""
    made = (
        make_metrics,
        metrics_of,
        write_metrics,
        write_overlaps,
        write_run,
        write_training,
        keep_reference,
        illegible,
    )
    return SimpleNamespace(
        TABLES=TABLES,
        CONTENTS=CONTENTS,
        CONDITIONS=CONDITIONS,
        MODELS=MODELS,
        LABELS=LABELS,
        **{function.__name__: function for function in made},
    )


@pytest.fixture
def dataset(tmp_path) -> Path:
    """A scan of 20 x 20 positions: 4 x 20 patterns are tested, blocks of them are 4 x 4, and their last 3 rows are unseen."""
    return write_dataset(tmp_path)


@pytest.fixture
def run_files(tmp_path, dataset) -> dict[str, tuple[Path, Path]]:
    """Patches and scenes of two networks."""
    return {
        model: write_run(tmp_path, dataset, model, blur) for model, blur in (("ptychonn", 2.0), ("ptychoformer", 1.0))
    }
