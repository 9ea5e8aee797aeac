"""`make reference`: what is left to do, and a clean stop when the time is up."""

import csv
import importlib.util
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from ptychoformer.errors import InputError
from ptychoformer.evaluation import REFERENCES
from ptychoformer.publication.store.files import FACTS, KEPT, RUN, RUNS
from ptychoformer.publication.store.holdings import SEEDS_FIXED

ROOT = Path(__file__).resolve().parents[2]

PAPER = {"epochs": "25", "batch_size": "32"}
MEASURED = "bands:lower_right:scene spectra:lower_right:scene"
NETWORKS = ("ptychonn", "ptynet", "dpi", "ptychoformer", "ptynet_large")


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
    return reference.configured(reference.FULL_SIZE)


def harvested(folder, runs, bands=True, **changes):
    """A store that holds ``(model, seed)`` runs of the paper's scale, with their bands."""
    common = {
        "dataset": "clean",
        "test": "clean",
        "loss": "mse",
        "n_train": "2928",
        "blocks": "lower_right strip",
    } | PAPER
    common |= {"parts": MEASURED} if bands else {}
    with open(folder / RUNS, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, (*RUN, *KEPT, *FACTS), restval="")
        writer.writeheader()
        for model, seed in runs:
            loss = {"loss": "none"} if model in REFERENCES else {}
            writer.writerow(common | loss | {"model": model, "seed": str(seed)} | changes)
    return folder


def models(runs):
    return [run["model"] for run in runs]


def test_without_a_harvest_everything_is_left_clean_first_and_seed_by_seed(reference, config, tmp_path):
    left = reference.remaining(config, tmp_path)
    cells = [{(run["dataset"], run["n_train"], run["seed"]) for run in runs} for runs in left]
    assert cells == [{(condition, 2928, seed)} for condition in ("clean", "noisy") for seed in range(10)]
    assert all(models(runs) == [*NETWORKS, *REFERENCES] for runs in left)


def test_a_seed_is_done_when_every_network_has_it(reference, config, tmp_path):
    whole = [(model, seed) for model in (*NETWORKS, *REFERENCES) for seed in (0, 2)]
    left = reference.remaining(config, harvested(tmp_path, [*whole, ("ptychonn", 1)]))
    assert [runs[0]["seed"] for runs in left if runs[0]["dataset"] == "clean"] == [1, 3, 4, 5, 6, 7, 8, 9]
    assert len([runs for runs in left if runs[0]["dataset"] == "noisy"]) == 10
    assert models(left[0]) == [*NETWORKS[1:], *REFERENCES]  # what there is of a seed is not trained again


def test_networks_that_the_store_has_are_not_trained_again_for_the_sake_of_bands(reference, config, tmp_path):
    held = [(model, seed) for model in (*NETWORKS[:-1], *REFERENCES) for seed in range(10)]
    runs = reference.remaining(config, harvested(tmp_path, held, bands=False))[0]
    assert models(runs) == [NETWORKS[-1]]
    assert reference.targets(config, "table1", runs) == [
        f"results/paper/evaluation/clean/{NETWORKS[-1]}/mse/n2928/seed0/on_clean/metrics.csv"
    ]


def test_bands_are_wanted_of_every_network_of_the_first_condition(reference, config, tmp_path):
    held = [(model, seed) for model in NETWORKS for seed in range(10)]
    for held_with_bands, left in ((True, []), (False, list(range(10)))):
        cells = reference.without_bands(config, harvested(tmp_path, held, bands=held_with_bands))
        assert [runs[0]["seed"] for runs in cells] == left
        assert all(runs[0]["dataset"] == "clean" and models(runs) == [*NETWORKS] for runs in cells)


def test_networks_without_scores_are_not_trained_for_the_sake_of_bands(reference, config, tmp_path):
    held = [(model, seed) for model in NETWORKS[:-1] for seed in (0, 1)]
    cells = reference.without_bands(config, harvested(tmp_path, held, bands=False))
    assert [(runs[0]["seed"], models(runs)) for runs in cells] == [(seed, [*NETWORKS[:-1]]) for seed in (0, 1)]


def test_what_is_trained_again_for_bands_takes_no_place_of_what_is_compared(
    reference, config, tmp_path, monkeypatch, capsys
):
    """It has a folder of results and a store of its own, which then says that nothing is lacking."""
    held = [(model, 0) for model in NETWORKS]
    folder = harvested(tmp_path, held, bands=False)
    (folder / "retrained").mkdir()
    for name, value in {"ROOT": tmp_path, "STORE": str(folder), "configured": lambda *_: config}.items():
        monkeypatch.setattr(reference, name, value)
    made = []

    def run(_deadline, command):
        results = Path(config["pathvars"]["results"])
        made.append((results, yaml.safe_load((results / "reference.yaml").read_text())["pathvars"]["results"]))
        (results / "evaluation").mkdir()
        return 0

    def harvest(results, store, shown):
        assert (Path(results), store, shown) == (made[-1][0], f"{folder}/retrained", ())
        harvested(Path(store), held)

    monkeypatch.setattr(reference, "run_until", run)
    monkeypatch.setattr(reference, "harvest", harvest)
    monkeypatch.setattr(sys, "argv", ["reference.py", "--experiment", "bands"])
    assert reference.main() == 0
    assert made == [(Path("results/paper-retrained"), "results/paper-retrained")]
    assert reference.without_bands(config, folder) == []


def test_a_network_that_alone_lacks_bands_comes_last_and_with_ptychoformer(reference, config, tmp_path):
    path = harvested(tmp_path, [(model, seed) for model in NETWORKS for seed in range(4)])
    rows = (path / RUNS).read_text().splitlines(keepends=True)
    lacking = [row.replace(MEASURED, "") if "ptynet_large" in row or ",2," in row else row for row in rows]
    (path / RUNS).write_text("".join(lacking))
    cells = reference.without_bands(config, path)
    assert [runs[0]["seed"] for runs in cells] == [2, 0, 1, 3]
    assert models(cells[-1]) == ["ptychoformer", "ptynet_large"]
    assert reference.targets(config, "table1", cells[-1])[-1].endswith("/bands.csv")


def test_sizes_come_smallest_first_without_the_iterative_reconstruction(reference, config, tmp_path):
    held = [(model, 0) for model in NETWORKS[:2]]
    left = reference.remaining(config, harvested(tmp_path, held, n_train="50"), "sizes")
    assert [(runs[0]["n_train"], runs[0]["seed"]) for runs in left] == [
        (size, seed) for size in (50, 100, 200, 500, 1000, 2000, 2928) for seed in range(10)
    ]
    assert models(left[0]) == ["dpi", "ptychoformer", *REFERENCES[:3]]
    assert not any("bands" in path for path in reference.targets(config, "sizes", left[-1]))


def test_losses_are_what_table_iv_is_made_of(reference, config, tmp_path):
    runs = reference.remaining(config, tmp_path, "table4")[0]
    title = reference.title_of(runs, "loss")
    assert title.startswith("clean, 2928 patterns, seed 0: mse, mae, huber, ")
    assert title.endswith(", weighted_90, floor, ceiling, one_pattern")


@pytest.mark.parametrize("name", ["measured", "table9"])
def test_another_experiment_than_there_are_is_refused_before_anything_runs(reference, config, monkeypatch, name):
    monkeypatch.setattr(sys, "argv", ["reference.py", "--experiment", name])
    with pytest.raises(
        InputError, match=f"^--experiment: {name} is not allowed; there are table1, .*, overlaps, bands.$"
    ):
        reference.main()


def test_on_a_gpu_what_the_store_holds_with_its_bands_is_left_out(reference, config, tmp_path):
    everything = reference.left_of(config, tmp_path, "table1")
    networks = [path for path in everything if "/mse/" in path]
    assert len(networks) == 2 * 10 * len(NETWORKS)
    held = [(model, seed) for model in NETWORKS for seed in range(10)]
    for bands, left in ((True, 0), (False, len(held))):
        path = harvested(tmp_path, held, bands=bands)
        clean = [path for path in reference.left_of(config, path, "table1") if "/clean/" in path and "/mse/" in path]
        assert len(clean) == left


@pytest.mark.parametrize("bands", [True, False])
def test_on_a_gpu_bands_are_made_anew_only_where_the_store_lacks_some(reference, config, tmp_path, monkeypatch, bands):
    held = [(model, seed) for model in NETWORKS for seed in range(10)]
    monkeypatch.setattr(reference, "STORE", str(harvested(tmp_path, held, bands=bands)))  # the noisy condition is left
    ((_, command),) = reference._together(config, SimpleNamespace(data=None, cores="all", gpu=3))
    assert ("results/paper/evaluation/table1/bands.csv" in command) != bands


def test_as_many_seeds_as_were_fixed_beforehand(config):
    assert len(config["seeds"]) == SEEDS_FIXED


@pytest.mark.parametrize(
    "other",
    [
        {"n_train": "50"},
        {"epochs": "10"},
        {"batch_size": "8"},
        {"loss": "mae"},
        {"test": "curved"},
        {"blocks": "lower_left"},
    ],
)
def test_runs_of_another_scale_or_block_do_not_count(reference, config, tmp_path, other):
    path = harvested(tmp_path, [(model, 0) for model in NETWORKS], **other)
    assert models(reference.remaining(config, path)[0]) == [*NETWORKS, *REFERENCES]


@pytest.mark.parametrize(
    ("held", "jobs"),
    [
        # Besides the networks, the floor, the ceiling, what one pattern can tell, and the many-pattern reconstruction.
        ((), (5, 9, 1, 1)),
        (("ptychonn", *REFERENCES), (4, 4, 1, 1)),
        ((*NETWORKS[:-1], *REFERENCES), (1, 1, 1, 0)),
        (NETWORKS, (0, 4, 1, 0)),
    ],
)
def test_its_targets_are_what_is_left_of_table_i_of_one_seed(reference, config, project, tmp_path, held, jobs):
    path = harvested(tmp_path, [(model, 4) for model in held], bands=False)
    runs = next(runs for runs in reference.remaining(config, path) if runs[0]["seed"] == 4)
    config |= {"pathvars": {"results": str(tmp_path / "results/own")}}
    overlay = reference.only(config, "table1", runs)
    planned = project.planned(*reference.targets(config, "table1", runs), "--configfile", "config/paper.yaml", overlay)
    assert tuple(planned.get(rule, 0) for rule in ("train", "score", "dataset", "spectra")) == jobs


def test_a_command_that_ends_in_time_gives_its_status(reference):
    deadline = time.monotonic() + 60
    assert reference.run_until(deadline, [sys.executable, "-c", "raise SystemExit(3)"]) == 3


# Says that it runs by one file, and that it was stopped as by Ctrl-C by another.
PROGRAM = (
    "import sys, time, pathlib\n"
    "try:\n    pathlib.Path(sys.argv[1] + '.started').touch(); time.sleep(60)\n"
    "except KeyboardInterrupt:\n    pathlib.Path(sys.argv[1]).touch()\n"
)


def in_the_background():
    """Ignore what a program does that a shell starts with &, and no more: pytest itself may have
    been started so.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture
def heeding():
    """Have this process, and what it starts, heed Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeding")
def test_a_command_that_does_not_is_stopped_as_by_ctrl_c(reference, tmp_path):
    mark = tmp_path / "stopped"
    began = time.monotonic()
    assert reference.run_until(began + 2, [sys.executable, "-c", PROGRAM, str(mark)]) is None
    assert time.monotonic() - began < 30
    assert mark.exists()


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda sent: sent.name)
def test_who_stops_it_in_the_background_stops_what_it_runs_too(tmp_path, sent):
    mark = tmp_path / "stopped"
    program = (
        "import sys, time\n"
        "from reference import run_program, run_until\n"
        "run_program(lambda: run_until(time.monotonic() + 60, [sys.executable, '-c', *sys.argv[1:]]))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, PROGRAM, str(mark)],
        cwd=ROOT / "workflow",
        text=True,
        stdout=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=in_the_background,
    )
    while not Path(f"{mark}.started").exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(sent)
    said, _ = process.communicate(timeout=30)
    assert (process.returncode, said) == (130, "Stopped; the next run goes on from here.\n")
    assert mark.exists()


@pytest.mark.parametrize(
    ("came_of_it", "status"),
    [
        (None, None),
        (3, 3),
        (InputError("the store is damaged."), "Error: the store is damaged."),
        (KeyboardInterrupt(), 130),
    ],
)
def test_a_program_ends_with_a_sentence_and_its_status(reference, monkeypatch, capsys, came_of_it, status):
    monkeypatch.setattr(signal, "signal", lambda *handler: None)  # those of pytest stay

    def main():
        if isinstance(came_of_it, BaseException):
            raise came_of_it
        return came_of_it

    with pytest.raises(SystemExit) as ended:
        reference.run_program(main)
    assert ended.value.code == status
    assert capsys.readouterr().out == ("Stopped; the next run goes on from here.\n" if status == 130 else "")
