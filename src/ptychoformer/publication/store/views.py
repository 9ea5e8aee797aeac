"""What Figures 4 and 8 show of finished runs, kept for when the dataset and the predictions are
gone: one compressed HDF5 file.

    {dataset}/n{n_train}/seed{seed}                   attributes block, level, indices, pixel_size
        (metres), unseen_from (-1: no such row), and the ends of the metrics' scale, amplitude and
        phase
    .../patterns                                      (2, h, w) float32, photons
    .../{place}/truth/{channel}                       (h, w) int32, in steps of STEP of the
        channel's unit; place: scene, a, b
    .../{place}/answers/{network}/{channel}           the same, MISSING where nothing was stitched
    .../{place}                                       attribute corner (y, x) on the object, pixels

A group is a `panels.Views` of one seed and training set.
"""

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ptychoformer.drawn import runs_of_fig4, runs_of_fig8
from ptychoformer.errors import InputError, first_line
from ptychoformer.evaluation import CHANNELS, REFERENCES
from ptychoformer.evaluation.columns import IDENTITY
from ptychoformer.experiments import Experiments
from ptychoformer.paths import EVALUATION, SIMULATED_DATASET
from ptychoformer.publication.figures.parts.panels import View, Views, load_views
from ptychoformer.storage import create_hdf5, describe, open_hdf5, read

STEP = 1e-5  # so that a PSNR up to 90 dB is right to its printed digit
MISSING = -(2**31)
_POINTS = ("a", "b")
_PLACES = ("scene", *_POINTS)
_COMPRESSED = {"compression": "gzip", "compression_opts": 9, "shuffle": True, "fletcher32": True}


@dataclass(frozen=True)
class Shown:
    """What a figure shows: networks and references side by side.

    Args:
        dataset: that they were trained and tested on.
        n_train, seed: of all of them.
        models: networks trained with the loss MSE, and references.
        block, level: of the scenes.
    """

    dataset: str
    n_train: int
    seed: int
    models: tuple[str, ...]
    block: str
    level: str

    @property
    def group(self) -> str:
        """Its place in the file."""
        return f"{self.dataset}/n{self.n_train}/seed{self.seed}"

    def run(self, model: str) -> tuple[str, ...]:
        """Name one of the runs: dataset, test, model, loss, n_train and seed as text."""
        return (
            self.dataset,
            self.dataset,
            model,
            "none" if model in REFERENCES else "mse",
            str(self.n_train),
            str(self.seed),
        )


def shown_by(config: Mapping[str, Any]) -> list[Shown]:
    """Find what Figures 4 and 8 show of a whole run of a config."""
    experiments = Experiments(config)
    found: dict[tuple[str, int], dict[str, None]] = {}
    for run in (*runs_of_fig4(experiments), *runs_of_fig8(experiments)):
        found.setdefault((run["dataset"], run["n_train"]), {})[run["model"]] = None
    headline = experiments.headline("table1")
    return [
        Shown(dataset, size, config["seeds"][0], tuple(models), **headline) for (dataset, size), models in found.items()
    ]


def keep_views(
    path: str | os.PathLike,
    results: Path,
    shown: Iterable[Shown],
    finished: Collection[tuple],
    remade: Collection[tuple] = (),
) -> tuple[list[tuple[str, ...]], list[str]]:
    """Add what is shown of the finished runs of a results folder to the file, in which all others
    stay, but for those of a seed where a lower one has as much: figures show one.

    Args:
        finished: runs that may be taken.
        remade: runs of which nothing earlier may stay.

    Returns:
        The runs that the file has now, each with block and level, and what was skipped, with the
        reason.

    Raises:
        InputError: the file there is damaged.
    """
    kept = {shown.group: (shown, views) for shown, views in _read_all(path, remade)}
    skipped = []
    for wanted in shown:
        files = {model: _files(results, wanted, model) for model in wanted.models if wanted.run(model) in finished}
        if not files:
            continue
        try:
            dataset = results / SIMULATED_DATASET.format(dataset=wanted.dataset, seed=wanted.seed)
            fresh = load_views(dataset, files, block=wanted.block, level=wanted.level)
        except InputError as error:
            skipped.append(f"views of {wanted.group}: {error}")
            continue
        kept[wanted.group] = _joined(replace(wanted, models=tuple(files)), fresh, kept.get(wanted.group))
    kept = {name: (about, views) for name, (about, views) in kept.items() if not _is_superfluous(about, kept.values())}
    if kept:
        with create_hdf5(path) as file:
            for name, (about, views) in sorted(kept.items()):
                _write(file.create_group(name), about, views)
    else:  # what the file shows is of runs that have been replaced
        Path(path).unlink(missing_ok=True)
    viewed = [(*about.run(model), about.block, about.level) for about, _ in kept.values() for model in about.models]
    return viewed, skipped


def _is_superfluous(about: Shown, kept: Iterable[tuple[Shown, Views]]) -> bool:
    """Say whether a lower seed has views of all that one has."""
    return any(
        other.seed < about.seed
        and set(about.models) <= set(other.models)
        and replace(about, seed=other.seed, models=other.models) == other
        for other, _ in kept
    )


def _files(results: Path, shown: Shown, model: str) -> tuple[Path, Path]:
    folder = results / EVALUATION.format(**dict(zip(IDENTITY, shown.run(model), strict=True)))
    return folder / "patches.h5", folder / "scene.h5"


def _joined(about: Shown, fresh: Views, earlier: tuple[Shown, Views] | None) -> tuple[Shown, Views]:
    """Join fresh views with the answers of earlier ones of the same part of the same object."""
    if (
        earlier is None
        or not _same_truth(fresh, earlier[1])
        or (about.block, about.level) != (earlier[0].block, earlier[0].level)
    ):
        return about, fresh
    both = tuple(dict.fromkeys([*earlier[0].models, *about.models]))
    views = [
        replace(new, answers={**old.answers, **new.answers})
        for new, old in zip(_views(fresh), _views(earlier[1]), strict=True)
    ]
    return replace(about, models=both), replace(fresh, scene=views[0], points=tuple(views[1:]))


def _views(views: Views) -> tuple[View, ...]:
    return views.scene, *views.points


def _same_truth(one: Views, other: Views) -> bool:
    pairs = list(zip(_views(one), _views(other), strict=True))
    same_places = all(a.corner == b.corner for a, b in pairs)
    return same_places and all(
        np.array_equal(_steps(a.truth[name]), _steps(b.truth[name])) for a, b in pairs for name in CHANNELS
    )


def _steps(image: np.ndarray) -> np.ndarray:
    limit = -MISSING - 1
    steps = np.clip(np.round(np.asarray(image, float) / STEP), -limit, limit)
    return np.where(np.isnan(steps), MISSING, steps).astype(np.int32)


def _image(steps: np.ndarray) -> np.ndarray:
    return np.where(steps == MISSING, np.nan, steps * STEP)


def _write(group: h5py.Group, about: Shown, views: Views) -> None:
    group.attrs.update(
        {"block": about.block, "level": about.level, "indices": views.indices, "pixel_size": views.pixel_size}
    )
    group.attrs["unseen_from"] = -1 if views.unseen_from is None else views.unseen_from
    group.attrs.update({channel: views.ranges[channel] for channel in CHANNELS})
    patterns = group.create_dataset("patterns", data=views.patterns.astype(np.float32), **_COMPRESSED)
    describe(patterns, "photons", "point,y,x")
    for name, view in zip(_PLACES, _views(views), strict=True):
        group.create_group(name).attrs["corner"] = view.corner
        images = {"truth": view.truth, **{f"answers/{model}": view.answers[model] for model in sorted(view.answers)}}
        for what, channels in images.items():
            for channel in CHANNELS:
                describe(
                    group.create_dataset(f"{name}/{what}/{channel}", data=_steps(channels[channel]), **_COMPRESSED),
                    str(STEP),
                    "y,x",
                )


@contextmanager
def _opened(path: str | os.PathLike) -> Iterator[h5py.File]:
    """Open the file to read from.

    Raises:
        InputError: it is damaged, or is not as the module says.
    """
    try:
        with open_hdf5(path) as file:
            yield file
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{path} cannot be read as views of finished runs ({first_line(error)}).") from error


def _read_all(path: str | os.PathLike, without: Collection[tuple]) -> list[tuple[Shown, Views]]:
    """Read every group of the file but for the answers of some runs; none if there is no file."""
    if not Path(path).is_file():
        return []
    found = []
    with _opened(path) as file:
        for dataset, sizes in file.items():
            for size, seeds in sizes.items():
                for seed, group in seeds.items():
                    where = dataset, int(size.removeprefix("n")), int(seed.removeprefix("seed"))
                    shown = Shown(
                        *where, tuple(group["scene/answers"]), str(group.attrs["block"]), str(group.attrs["level"])
                    )
                    models = tuple(model for model in shown.models if shown.run(model) not in without)
                    if models:
                        found.append((replace(shown, models=models), _read(group, models)))
    return found


def read_views(path: str | os.PathLike, shown: Shown) -> Views:
    """Read what a figure shows.

    Raises:
        InputError: the file is damaged, or does not hold it.
    """
    with _opened(path) as file:
        group = file.get(shown.group)
        if group is None or (group.attrs["block"], group.attrs["level"]) != (shown.block, shown.level):
            raise InputError(
                f"{path} holds no views of {shown.group} on the block '{shown.block}' at level '{shown.level}'."
            )
        if missing := [model for model in shown.models if model not in group["scene/answers"]]:
            raise InputError(f"{path} holds no view of {missing[0]} in {shown.group}.")
        return _read(group, shown.models)


def _read(group: h5py.Group, models: Iterable[str]) -> Views:
    places = [
        View(
            tuple(int(side) for side in group[name].attrs["corner"]),
            _channels(group, f"{name}/truth"),
            {model: _channels(group, f"{name}/answers/{model}") for model in models},
        )
        for name in _PLACES
    ]
    unseen_from = int(group.attrs["unseen_from"])
    return Views(
        points=tuple(places[1:]),
        patterns=group["patterns"][:],
        indices=tuple(int(index) for index in group.attrs["indices"]),
        scene=places[0],
        unseen_from=None if unseen_from < 0 else unseen_from,
        pixel_size=float(group.attrs["pixel_size"]),
        ranges={channel: tuple(float(end) for end in group.attrs[channel]) for channel in CHANNELS},
    )


def _channels(group: h5py.Group, name: str) -> dict[str, np.ndarray]:
    return {channel: _image(read(group, f"{name}/{channel}", 2)[:]) for channel in CHANNELS}
