"""`make reference`: what is left to do, and a clean stop when the time is up."""

import csv
import importlib.util
import sys
import time
from pathlib import Path

import pytest

from ptychoformer.publication.holdings import SEEDS_FIXED
from ptychoformer.publication.store import FACTS, KEPT, RUN, RUNS

ROOT = Path(__file__).resolve().parents[2]

PAPER = {"epochs": "25", "batch_size": "32"}
NETWORKS = ("ptychonn", "ptynet", "ptynet_large", "dpi", "ptychoformer")


@pytest.fixture(scope="module")
def reference():
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("reference", ROOT / "workflow/reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def config(reference, monkeypatch):
    monkeypatch.chdir(ROOT)
    return reference.configured(reference.CONFIG)


def harvested(folder, runs, bands=True, **changes):
    """A store that holds ``(model, seed)`` runs of the paper's scale, with their bands."""
    common = {"dataset": "clean", "test": "clean", "loss": "mse", "n_train": "2928", "blocks": "lower_right strip"} | PAPER
    common |= {"parts": "bands spectra"} if bands else {}
    with open(folder / RUNS, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, (*RUN, *KEPT, *FACTS), restval="")
        writer.writeheader()
        writer.writerows(common | {"model": model, "seed": str(seed)} | changes for model, seed in runs)
    return folder


def test_without_a_harvest_everything_is_left_clean_first_and_seed_by_seed(reference, config, tmp_path):
    left = list(reference.remaining(config, tmp_path))
    assert left == [(condition, seed) for condition in ("clean", "noisy") for seed in range(10)]


def test_a_seed_is_done_when_every_network_has_it(reference, config, tmp_path):
    whole = [(model, seed) for model in NETWORKS for seed in (0, 2)]
    path = harvested(tmp_path, [*whole, ("ptychonn", 1)])
    left = list(reference.remaining(config, path))
    assert [seed for condition, seed in left if condition == "clean"] == [1, 3, 4, 5, 6, 7, 8, 9]
    assert len([seed for condition, seed in left if condition == "noisy"]) == 10


def test_without_its_bands_a_seed_is_not_done(reference, config, tmp_path):
    path = harvested(tmp_path, [(model, 0) for model in NETWORKS], bands=False)
    assert ("clean", 0) in list(reference.remaining(config, path))


def test_as_many_seeds_as_were_fixed_beforehand(config):
    assert len(config["seeds"]) == SEEDS_FIXED


@pytest.mark.parametrize(
    "other",
    [{"n_train": "50"}, {"epochs": "10"}, {"batch_size": "8"}, {"loss": "mae"}, {"test": "curved"}, {"blocks": "lower_left"}],
)
def test_runs_of_another_scale_or_block_do_not_count(reference, config, tmp_path, other):
    path = harvested(tmp_path, [(model, 0) for model in NETWORKS], **other)
    assert ("clean", 0) in list(reference.remaining(config, path))


def test_its_targets_are_table_i_of_one_seed(reference, config, project, tmp_path):
    wanted = reference.targets(config, "clean", 4)
    overlay = reference.one_seed(config | {"pathvars": {"results": str(tmp_path)}}, 4)
    jobs = project.planned(*wanted, "--configfile", "config/paper.yaml", overlay)
    # Besides the networks, the floor, the ceiling, what one pattern can tell, and the many-pattern reconstruction.
    assert (jobs["train"], jobs["score"], jobs["dataset"], jobs["spectra"]) == (5, 9, 1, 1)


def test_a_command_that_ends_in_time_gives_its_status(reference):
    deadline = time.monotonic() + 60
    assert reference.run_until(deadline, [sys.executable, "-c", "raise SystemExit(3)"]) == 3


def test_a_command_that_does_not_is_stopped_as_by_ctrl_c(reference, tmp_path):
    program = (
        "import sys, time, pathlib\n"
        "try:\n    pathlib.Path(sys.argv[1] + '.started').touch(); time.sleep(60)\n"
        "except KeyboardInterrupt:\n    pathlib.Path(sys.argv[1]).touch()\n"
    )
    mark = tmp_path / "stopped"
    began = time.monotonic()
    assert reference.run_until(began + 2, [sys.executable, "-c", program, str(mark)]) is None
    assert time.monotonic() - began < 30
    assert mark.exists()
