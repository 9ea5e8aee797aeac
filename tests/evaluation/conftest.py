"""Tiny data sets as files, with the geometry that a test asks for."""

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from ptychoformer.measurement.cxi import Optics, Scan, create_dataset
from ptychoformer.training.split import Split


@pytest.fixture
def make_split() -> Callable[..., Split]:
    """A split of windows at given corners on an empty object: all of them tested, in one block, unless told otherwise."""

    def make(positions, window, test=None, blocks=None, true_positions=None) -> Split:
        positions = np.asarray(positions)
        blank, probe = np.zeros((80, 80), np.float32), np.ones(window, np.complex64)
        true_positions = positions if true_positions is None else np.asarray(true_positions)
        scan = Scan(positions, true_positions, None, tuple(window), probe, blank, blank, 1e-9)
        test = np.arange(len(positions)) if test is None else test
        return Split(scan, test[:0], test, blocks or {"scan": np.arange(len(test))})

    return make


@pytest.fixture
def make_dataset(tmp_path) -> Callable[..., Path]:
    """A CXI file of a random object: ``make_dataset(rows=20, step=4, window=12, jitter=0, seed=0)``; its patterns stay zero."""

    def make(rows: int = 20, step: int = 4, window: int = 12, jitter: int = 0, seed: int = 0) -> Path:
        rng = np.random.default_rng(seed)
        size = (rows - 1) * step + window
        name = f"{rows}-{step}-{window}-{jitter}-{seed}"
        with h5py.File(tmp_path / f"object-{name}.h5", "w") as file:
            file["object/amplitude"] = rng.uniform(0.5, 1, (size, size)).astype(np.float32)
            file["object/phase"] = rng.uniform(-3, 1, (size, size)).astype(np.float32)
        y, x = np.mgrid[:rows, :rows] * step
        positions = np.stack([y.ravel(), x.ravel()], axis=1)
        true_positions = np.clip(positions + rng.integers(-jitter, jitter + 1, positions.shape), 0, size - window)
        path = tmp_path / f"dataset-{name}.cxi"
        with create_dataset(
            path,
            window=(window, window),
            positions=positions,
            true_positions=true_positions,
            grid=(rows, rows),
            probe=np.ones((window, window), np.complex64),
            object_file=tmp_path / f"object-{name}.h5",
            optics=Optics(wavelength=2e-12, pixel_size=5e-9, distance=1.0),
            condition={"jitter": jitter, "seed": seed},
        ):
            return path

    return make
