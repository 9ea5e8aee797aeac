"""What a store of reference runs suffices for: the largest complete part of every experiment, and what is left out told."""

import csv
from pathlib import Path

import pytest

from ptychoformer.configuration import load
from ptychoformer.errors import InputError
from ptychoformer.experiments import models_of, sizes_of
from ptychoformer.publication.store.files import FACTS, KEPT, RUN
from ptychoformer.publication.store.holdings import INDEX, RETRAINED, SEEDS_FIXED, Holdings

ROOT = Path(__file__).parents[2]
TRAINED = {"epochs": "25", "batch_size": "32"}


@pytest.fixture(scope="module")
def config():
    return load([ROOT / "config.yaml", ROOT / "config/paper.yaml"], ROOT)


def runs_of(config, experiment, seeds=range(SEEDS_FIXED)):
    """Rows of ``runs.csv``: every run of an experiment, and its floors and ceilings."""
    entry = config["experiments"][experiment]
    methods = [(model, loss) for model in models_of(config, experiment) for loss in entry["losses"]]
    return [
        {
            "dataset": dataset,
            "test": entry["test"] or dataset,
            "model": model,
            "loss": loss,
            "n_train": str(size),
            "seed": str(seed),
        }
        | {"blocks": "scan" if entry["test"] else "lower_left lower_right strip"}
        | ({} if loss == "none" else TRAINED)
        for dataset in entry["datasets"]
        for size in sizes_of(config, experiment, dataset)
        for model, loss in [*methods, ("floor", "none"), ("ceiling", "none")]
        for seed in seeds
    ]


def holdings(folder, config, rows):
    with open(folder / INDEX, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, (*RUN, *KEPT, *FACTS), restval="")
        writer.writeheader()
        writer.writerows(rows)
    return Holdings(folder, config)


def without(rows, **what):
    """The rows but for those that have all these values; a value may be several."""
    return [
        row
        for row in rows
        if not all(row[key] in ([value] if isinstance(value, str) else value) for key, value in what.items())
    ]


def test_everything_is_whole_and_leaves_the_config_as_it_is(tmp_path, config):
    names = [name for name in config["experiments"] if name != "measured"]
    found = holdings(tmp_path, config, [row for name in names for row in runs_of(config, name)])
    assert set(found.parts) == set(names)
    assert not any(part.interim or part.absent for part in found.parts.values())
    narrowed = found.narrowed(config)
    for name in names:
        assert models_of(narrowed, name) == models_of(config, name)
        assert narrowed["experiments"][name]["datasets"] == config["experiments"][name]["datasets"]
        for dataset in config["experiments"][name]["datasets"]:
            assert sizes_of(narrowed, name, dataset) == sizes_of(config, name, dataset)


def test_of_what_was_trained_again_nothing_but_bands_and_spectra_is_held(tmp_path, config):
    row, *others = [row | {"parts": ""} for row in runs_of(config, "table1")]
    again = tmp_path / RETRAINED
    again.mkdir()
    kept = {"blocks": "elsewhere", "parts": "bands:lower_right:scene history spectra:lower_right:scene"}
    kept |= {"device": "cpu"}
    holdings(again, config, [row | kept, others[0] | kept | {"seed": "99"}])
    found = holdings(tmp_path, config, [row, *others])
    cell = (row["dataset"], row["test"], (row["model"], row["loss"]), int(row["n_train"]))
    assert {part: found.seeds(*cell, part) for part in ("bands", "spectra", "history", "elsewhere")} == {
        "bands": {int(row["seed"])},
        "spectra": {int(row["seed"])},
        "history": set(),
        "elsewhere": set(),
    }
    run = row | {"n_train": int(row["n_train"]), "seed": int(row["seed"])}
    assert [found.has(run, part) for part in ("bands", "history", "lower_right")] == [True, False, True]
    assert not found.has(run | {"seed": 99}, "bands")
    assert found.retrained_on(run) == "cpu"
    assert found.retrained_on(run | {"seed": 99}) is None
    assert holdings(tmp_path, config, [row | {"parts": kept["parts"]}, *others]).retrained_on(run) is None
    assert 99 not in found.seeds(*cell, "lower_right")


def test_a_store_of_other_training_or_of_another_block_holds_nothing(tmp_path, config):
    rows = runs_of(config, "table1")
    for change in ({"epochs": "12"}, {"batch_size": "8"}, {"blocks": "lower_left"}, {"n_train": "50"}):
        assert not holdings(tmp_path, config, [row | change for row in rows]).parts


def devices_of(folder, config, experiment, **cpu):
    """What is told of devices where these runs were trained on a CPU, and all others on an H100."""
    rows = [
        row | {"device": "cpu" if all(row[key] in values for key, values in cpu.items()) else "H100"}
        for row in runs_of(config, experiment)
    ]
    return holdings(folder, config, rows).parts[experiment].devices


def test_what_was_trained_on_which_device_is_told_by_loss_or_network_or_place(tmp_path, config):
    losses = devices_of(tmp_path, config, "table4", loss={"mae", "weighted_90"})
    assert losses["cpu"] == ("MAE", "Weighted, α = 0.9")
    assert "MSE" in losses["H100"]
    assert devices_of(tmp_path, config, "table1", model={"dpi"})["cpu"] == ("DPI",)
    assert devices_of(tmp_path, config, "overlaps", dataset={"overlap_0"}) == {
        "H100": ("Noise-free", "50 % overlap", "25 % overlap"),
        "cpu": ("No overlap",),
    }
    both = devices_of(tmp_path, config, "table1", model={"dpi"}, dataset={"noisy"})
    assert both["cpu"] == ("DPI (Noisy)",)
    assert "DPI (Noise-free)" in both["H100"]


@pytest.mark.parametrize("cpu", [dict(seed="01234"), dict(dataset={"noisy"})])
def test_devices_are_not_told_where_all_that_is_compared_was_trained_on_one(tmp_path, config, cpu):
    assert devices_of(tmp_path, config, "table1", **cpu) == {}


def test_only_seeds_that_every_network_has_count_and_are_interim(tmp_path, config):
    rows = without(runs_of(config, "table1"), model="dpi", dataset="noisy", seed=["1", "7"])
    part = holdings(tmp_path, config, rows).parts["table1"]
    assert part.seeds["clean", 2928] == tuple(range(10))
    assert part.seeds["noisy", 2928] == (0, 2, 3, 4, 5, 6, 8, 9)
    assert part.interim
    assert part.absent == ()


def test_a_straggler_takes_no_seeds_away(tmp_path, config):
    rows = without(runs_of(config, "table1"), model="ptynet_large", seed=[str(seed) for seed in range(1, 10)])
    found = holdings(tmp_path, config, rows)
    assert found.parts["table1"].absent == ("PtyNet, large",)
    assert len(found.parts["table1"].seeds["clean", 2928]) == 10
    assert models_of(found.narrowed(config), "table1") == ["ptychonn", "ptynet", "dpi", "ptychoformer"]


def test_runs_of_seeds_that_not_every_network_has_are_held_for_verdicts(tmp_path, config):
    rows = without(runs_of(config, "table1", range(12)), model="dpi", dataset="noisy", seed=["1", "7"])
    found = holdings(tmp_path, config, rows)
    held = {tuple(run.values()) for run in found.runs["table1"]}
    assert held == {
        (row["dataset"], row["test"], row["model"], row["loss"], 2928, int(row["seed"]))
        for row in rows
        if row["loss"] == "mse" and int(row["seed"]) < SEEDS_FIXED
    }
    assert ("noisy", "noisy", "ptychonn", "mse", 2928, 7) in held
    assert 7 not in found.parts["table1"].seeds["noisy", 2928]


def test_a_condition_that_lacks_networks_is_left_out(tmp_path, config):
    rows = without(runs_of(config, "overlaps"), dataset="overlap_25", model=["dpi", "ptychoformer", "ptynet"])
    found = holdings(tmp_path, config, rows)
    assert found.parts["overlaps"].absent == ("25 % overlap",)
    assert found.narrowed(config)["experiments"]["overlaps"]["datasets"] == ["clean", "overlap_50", "overlap_0"]


def test_sizes_and_losses_that_are_missing_are_named(tmp_path, config):
    rows = without(runs_of(config, "sizes"), n_train=["500", "2000"]) + without(
        runs_of(config, "table4"), loss="weighted_30"
    )
    found = holdings(tmp_path, config, rows)
    narrowed = found.narrowed(config)
    assert found.parts["sizes"].absent == ("500 patterns", "2,000 patterns")
    assert narrowed["experiments"]["sizes"]["n_train"] == [50, 100, 200, 1000, 2928]
    assert found.parts["table4"].absent == ("Weighted, α = 0.3",)
    assert "weighted_30" not in narrowed["experiments"]["table4"]["losses"]


@pytest.mark.parametrize("seeds", [1, 2, 4])
def test_many_runs_of_one_loss_are_no_reason_to_show_none(tmp_path, config, seeds):
    rows = without(runs_of(config, "table4"), model="ptychoformer")
    every = [row for row in runs_of(config, "table4") if row["loss"] == "mse"]
    few = [row for row in runs_of(config, "table4", range(seeds)) if row["loss"] == "mae"]
    part = holdings(tmp_path, config, [*rows, *every, *few]).parts["table4"]
    assert part.methods == (("ptychoformer", "mse"), ("ptychoformer", "mae"))
    assert set(part.seeds.values()) == {tuple(range(seeds))}


def test_figure_8_needs_two_sizes_and_a_table_its_floor(tmp_path, config):
    assert not holdings(tmp_path, config, [row for row in runs_of(config, "sizes") if row["n_train"] == "50"]).parts
    assert "table5" not in holdings(tmp_path, config, without(runs_of(config, "table5"), model="floor")).parts


def test_seeds_with_another_part(tmp_path, config):
    rows = [
        row | ({"parts": "bands:lower_right:scene views:lower_right:scene"} if row["seed"] == "3" else {})
        for row in runs_of(config, "table1")
    ]
    found = holdings(tmp_path, config, rows)
    assert found.seeds("clean", None, ("dpi", "mse"), 2928, "views") == {3}
    assert found.seeds("clean", "curved", ("dpi", "mse"), 2928, "views") == set()


@pytest.mark.parametrize(
    ("parts", "place", "held"),
    [
        ("bands:lower_right:scene spectra:lower_right:scene views:lower_right:scene", ("lower_right", False), True),
        ("bands:lower_right:scene spectra:lower_right:scene views:lower_right:scene", ("lower_left", False), False),
        (
            "bands:lower_right:scene spectra:lower_right:scene views:lower_right:scene",
            ("lower_right", "synchronised"),
            False,
        ),
        ("bands:lower_left:scene spectra:lower_left:scene views:lower_left:scene", ("lower_left", False), True),
        ("bands:lower_left:scene spectra:lower_left:scene views:lower_left:scene", ("lower_right", False), False),
        (
            "bands:strip:synchronised spectra:strip:synchronised views:strip:synchronised",
            ("strip", "synchronised"),
            True,
        ),
    ],
)
def test_other_parts_count_where_they_are_of_the_headlines_scenes(tmp_path, config, parts, place, held):
    block, phase = place
    config = config | {
        "evaluation": config["evaluation"] | {"block": block},
        "stitching": config["stitching"] | ({"phase": phase} if phase else {}),
    }
    found = holdings(tmp_path, config, [row | {"parts": f"{parts} history"} for row in runs_of(config, "table1")])
    assert found.parts["table1"].seeds["clean", 2928] == tuple(range(10))
    assert found.seeds("clean", None, ("dpi", "mse"), 2928, block) == set(range(10))
    for part in ("bands", "spectra", "views"):
        assert found.seeds("clean", None, ("dpi", "mse"), 2928, part) == (set(range(10)) if held else set())


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda text: "", "has no column dataset"),
        (lambda text: text.replace("batch_size", "batch"), "has no column batch_size"),
        (lambda text: text.rsplit(",", 12)[0], "line 3 of .* is no run"),
        (lambda text: text.rstrip() + ",,\n", "line 3 of .* is no run"),
        (lambda text: text.replace(",2928,", ",many,"), "line 2 of .* is no run"),
        (lambda text: text.replace(",2928,", ",,"), "line 2 of .* is no run"),
        (lambda text: text + "\x00", "line 4 of .* is no run"),
        (lambda text: text + '"', "cannot be read as a table"),
        (lambda text: text.replace("clean", "\udcff"), "cannot be read as a table"),
    ],
)
def test_a_damaged_store_is_one_sentence(tmp_path, config, change, complaint):
    holdings(tmp_path, config, runs_of(config, "table1")[:2])
    text = (tmp_path / INDEX).read_text(encoding="utf-8")
    (tmp_path / INDEX).write_text(change(text), encoding="utf-8", errors="surrogateescape", newline="")
    with pytest.raises(InputError, match=complaint) as caught:
        Holdings(tmp_path, config)
    assert str(caught.value).startswith("harvested: ")


def test_no_store_is_one_sentence(tmp_path, config):
    with pytest.raises(InputError, match=r"harvested: .* holds no reference runs .*runs\.csv"):
        Holdings(tmp_path, config)
