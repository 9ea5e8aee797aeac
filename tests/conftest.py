"""Datasets small enough to train on in a second."""

import os
from pathlib import Path

import numpy as np
import pytest

from ptychoformer.measurement.cxi import Optics, create_dataset
from ptychoformer.randomness import generator
from ptychoformer.storage import create_hdf5, write

OPTICS = Optics(wavelength=2.5e-12, pixel_size=5e-9, distance=1.0)
SOURCE = Path(__file__).resolve().parents[1] / "src"


def pytest_collection_modifyitems(items):
    """The tests of the workflow take longest: they come first, so that no worker is idle at the end."""
    items.sort(key=lambda item: "workflow" not in item.path.parts)


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    """Several workers share the cores."""
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ["PYTHONPATH"] = str(SOURCE)


@pytest.fixture
def make_scan(tmp_path):
    """Write a dataset of random patterns on a grid of ``rows`` x ``columns`` positions; returns its path."""

    def make(name="scan.cxi", rows=5, columns=6, window=32, step=16, jitter=0, seed=0, patterns=None):
        random = generator(seed, "test")
        shape = ((rows - 1) * step + window, (columns - 1) * step + window)
        object_file = tmp_path / f"{name}.object.h5"
        with create_hdf5(object_file) as file:
            write(file, "object/amplitude", random.random(shape, np.float32), "", "y,x")
            write(file, "object/phase", random.random(shape, np.float32), "rad", "y,x")
        corners = np.indices((rows, columns)).reshape(2, -1).T * step
        moved = np.clip(corners + random.integers(-jitter, jitter + 1, corners.shape), 0, np.subtract(shape, window))
        probe = np.ones((window, window), np.complex64)
        places = dict(positions=corners, true_positions=moved, grid=(rows, columns))
        arguments = dict(window=probe.shape, **places, probe=probe, object_file=object_file)
        with create_dataset(tmp_path / name, **arguments, optics=OPTICS, condition={"seed": seed}) as data:
            data[:] = random.poisson(20, (rows * columns, window, window)) if patterns is None else patterns
        return tmp_path / name

    return make
