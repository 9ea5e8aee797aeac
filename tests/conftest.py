"""Datasets small enough to train on in a second."""

import gc
import os
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from ptychoformer.errors import PtychoformerError
from ptychoformer.measurement.cxi import Optics, create_dataset
from ptychoformer.memory import collect_seldom
from ptychoformer.randomness import generator
from ptychoformer.storage import create_hdf5, write

OPTICS = Optics(wavelength=2.5e-12, pixel_size=5e-9, distance=1.0)
SOURCE = Path(__file__).resolve().parents[1] / "src"
WITH_ACCOUNTING, WITHOUT = (f"fault on Slurm, {how} accounting" for how in ("with", "without"))
# Tables of docs/reliability.md and their outcomes, by the target of make that fills their block.
TABLES = {
    "reliability": {"fault": ("survived", "lost"), "flipped bits in": ("found", "nothing changed", "lost")},
    "test-slurm": {WITH_ACCOUNTING: ("survived", "lost"), WITHOUT: ("survived", "lost")},
}


def pytest_addoption(parser):
    what = "run the tests that count tries of faults, and write their tables there if all of them ran"
    parser.addoption("--reliability", metavar="PAGE", help=what)
    of = dict(choices=[*TABLES], default="reliability", help="target of make whose tables are meant [%(default)s]")
    parser.addoption("--reliability-of", **of)


def pytest_configure(config):
    """Refuse at once a page that cannot get the tables; with xdist, one process of all writes them."""
    page, target = config.getoption("reliability"), config.getoption("reliability_of")
    if page and not hasattr(config, "workerinput"):
        from .reliability import Page

        try:
            config.pluginmanager.register(Page(page, target))
        except PtychoformerError as error:
            raise pytest.UsageError(f"--reliability: {error}") from None


def target_of(item):
    """The target of make whose block a test counts for; None if it counts nothing."""
    if "counted" not in item.fixturenames:
        return None
    return "test-slurm" if "slurm" in item.fixturenames else "reliability"


def pytest_collection_modifyitems(config, items):
    """Put what takes longest first, so that no worker idles at the end: the smoke run, the workflow."""
    items.sort(key=lambda item: ("finished_project" not in item.fixturenames, "workflow" not in item.path.parts))
    if config.getoption("reliability"):
        target = config.getoption("reliability_of")
        config.hook.pytest_deselected(items=[item for item in items if target_of(item) != target])
        items[:] = [item for item in items if target_of(item) == target]


def pytest_collection_finish():
    """Look for garbage seldom, and not among what was imported and collected: that takes a tenth of the time."""
    gc.freeze()
    collect_seldom()


@pytest.fixture
def counted(record_property, request):
    """Count the outcome of one try of a fault in a table of docs/reliability.md (`TABLES`)."""
    tables = TABLES[target_of(request.node)]

    def count(fault, outcome, table="fault"):
        assert outcome in tables[table]
        record_property(table, (fault, outcome))

    return count


@pytest.fixture
def tried(counted):
    """``with tried(fault):`` is one try: survived if all within holds, else lost."""

    @contextmanager
    def count(fault, table="fault"):
        outcome = "lost"
        try:
            yield
            outcome = "survived"
        finally:
            counted(fault, outcome, table)

    return count


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
