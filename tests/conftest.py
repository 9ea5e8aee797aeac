"""Datasets small enough to train on in a second."""

import os
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from ptychoformer.measurement.cxi import Optics, create_dataset
from ptychoformer.randomness import generator
from ptychoformer.storage import create_hdf5, write

OPTICS = Optics(wavelength=2.5e-12, pixel_size=5e-9, distance=1.0)
SOURCE = Path(__file__).resolve().parents[1] / "src"
MARKS = "<!-- reliability: begin, made by `make reliability` -->", "<!-- reliability: end -->"
COLUMNS = {"fault": ("survived", "lost"), "flipped bits in": ("found", "nothing changed", "lost")}


def pytest_addoption(parser):
    parser.addoption(
        "--reliability", metavar="PAGE", help="run the tests that count tries of faults, and write their table there"
    )


def pytest_collection_modifyitems(config, items):
    """Put what takes longest first, so that no worker idles at the end: the smoke run, the workflow."""
    items.sort(key=lambda item: ("finished_project" not in item.fixturenames, "workflow" not in item.path.parts))
    if config.getoption("reliability"):
        others = [item for item in items if "counted" not in item.fixturenames]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if "counted" in item.fixturenames]


@pytest.fixture
def counted(record_property):
    """Count the outcome of one try of a fault in a table of docs/reliability.md (`COLUMNS`)."""

    def count(fault, outcome, table="fault"):
        assert outcome in COLUMNS[table]
        record_property(table, (fault, outcome))

    return count


@pytest.fixture
def tried(counted):
    """``with tried(fault):`` is one try: survived if all within holds, else lost."""

    @contextmanager
    def count(fault):
        outcome = "lost"
        try:
            yield
            outcome = "survived"
        finally:
            counted(fault, outcome)

    return count


def pytest_terminal_summary(terminalreporter, exitstatus, config):
    """Write the page once every test has run, whatever came of it."""
    page = config.getoption("reliability")
    ran = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) and not terminalreporter.getreports("error")
    if page and ran:
        from ptychoformer.publication.report.readme import write_block

        reports = [report for key in ("passed", "failed") for report in terminalreporter.getreports(key)]
        write_block(page, tables_of(reports), MARKS)
        terminalreporter.write_line(f"The tables of {page} are those of this run.")


def tables_of(reports):
    """Tries and outcomes of each fault as Markdown, a row each in alphabetical order."""
    tries = [(table, *told) for report in reports if report.when == "call" for table, told in report.user_properties]
    found, blocks = Counter(tries), []
    for table, outcomes in COLUMNS.items():
        lines = [(table, "tries", *outcomes), ("---",) * (2 + len(outcomes))]
        for fault in sorted({fault for name, fault, _ in tries if name == table}):
            counts = [found[table, fault, outcome] for outcome in outcomes]
            lines.append((fault, sum(counts), *counts))
        blocks.append("".join(f"| {' | '.join(map(str, line))} |\n" for line in lines))
    return "\n".join(blocks)


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
