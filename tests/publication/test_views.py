"""What figures show, kept and read again: the same pictures, however they were added."""

import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from ptychoformer.errors import InputError
from ptychoformer.publication.figures.parts.panels import load_views
from ptychoformer.publication.store.views import STEP, Shown, keep_views, read_views
from ptychoformer.storage import create_hdf5

MODELS = ("ptychonn", "ptychoformer", "epie")
SHOWN = Shown("bars", 700, 0, MODELS, "lower_right", "scene")
CHANNELS = ("amplitude", "phase")
STORED = Path(__file__).parents[2] / "resources/reference/views.h5"
GROUP = "clean/n2928/seed0"


@pytest.fixture
def results(tmp_path, dataset, experiment):
    """A results folder with a dataset, and the patches and scenes of two networks and a reference; and these files by name."""
    place = tmp_path / "results/simulation/datasets/bars/seed0.cxi"
    place.parent.mkdir(parents=True)
    place.symlink_to(dataset)
    files = {}
    for model, blur in zip(MODELS, (2.0, 1.0, 0.5), strict=True):
        made = experiment.write_run(tmp_path / "made", dataset, model, blur)
        loss = "none" if model == "epie" else "mse"
        folder = tmp_path / f"results/evaluation/bars/{model}/{loss}/n700/seed0/on_bars"
        folder.mkdir(parents=True)
        for file in made:
            (folder / file.name).symlink_to(file)
        files[model] = made
    return tmp_path / "results", files


def finished(*models):
    return {SHOWN.run(model) for model in models}


def viewed_of(*models):
    return {(*run, "lower_right", "scene") for run in finished(*models)}


def same(one, other):
    """Whether two views show the same to a step."""
    for a, b in zip((one.scene, *one.points), (other.scene, *other.points), strict=True):
        assert a.corner == b.corner
        for images, others in [(a.truth, b.truth), *((a.answers[model], b.answers[model]) for model in b.answers)]:
            for channel in CHANNELS:
                np.testing.assert_allclose(images[channel], others[channel], atol=0.51 * STEP)
    np.testing.assert_array_equal(one.patterns, other.patterns)
    assert (one.indices, one.unseen_from, one.pixel_size) == (other.indices, other.unseen_from, other.pixel_size)
    for channel in CHANNELS:
        assert one.ranges[channel] == pytest.approx(other.ranges[channel], abs=0)
    return True


def test_what_is_kept_is_what_is_shown(tmp_path, results, dataset):
    folder, files = results
    viewed, skipped = keep_views(tmp_path / "views.h5", folder, [SHOWN], finished(*MODELS))
    assert (set(viewed), skipped) == (viewed_of(*MODELS), [])
    kept = read_views(tmp_path / "views.h5", SHOWN)
    assert list(kept.scene.answers) == list(MODELS)
    assert same(kept, load_views(dataset, files, block="lower_right", level="scene"))


def test_pixels_where_nothing_was_stitched_stay_empty(tmp_path, results):
    folder, files = results
    with h5py.File(files["ptychonn"][1], "r+") as scene:
        scene["lower_right/phase"][0, 0] = np.nan
    keep_views(tmp_path / "views.h5", folder, [SHOWN], finished(*MODELS))
    empty = np.isnan(read_views(tmp_path / "views.h5", SHOWN).scene.answers["ptychonn"]["phase"])
    assert (empty[0, 0], empty.sum()) == (True, 1)


def test_networks_add_up_in_any_order(tmp_path, results):
    folder, _ = results
    for name, order in (("one.h5", MODELS), ("two.h5", MODELS[::-1])):
        for model in order:
            keep_views(tmp_path / name, folder, [SHOWN], finished(model))
    keep_views(tmp_path / "all.h5", folder, [SHOWN], finished(*MODELS))
    assert (
        (tmp_path / "one.h5").read_bytes() == (tmp_path / "two.h5").read_bytes() == (tmp_path / "all.h5").read_bytes()
    )


@pytest.mark.parametrize("seeds", [(0, 1), (1, 0)])
@pytest.mark.parametrize(("lower", "stay"), [(MODELS, {0}), (MODELS[:2], {0, 1})])
def test_a_seed_stays_until_a_lower_one_has_as_much(tmp_path, results, seeds, lower, stay):
    """In either order: figures show the lowest that has every network."""
    folder, _ = results
    (folder / "simulation/datasets/bars/seed1.cxi").symlink_to(folder / "simulation/datasets/bars/seed0.cxi")
    for run in list(folder.glob("evaluation/bars/*/*/n700/seed0")):
        run.with_name("seed1").symlink_to(run)
    for seed in seeds:
        shown = replace(SHOWN, seed=seed)
        runs = {shown.run(model) for model in (MODELS if seed else lower)}
        viewed, skipped = keep_views(tmp_path / "views.h5", folder, [shown], runs)
    assert skipped == []
    assert {int(run[5]) for run in viewed} == stay
    for seed in stay:
        assert read_views(tmp_path / "views.h5", replace(SHOWN, seed=seed, models=lower)).indices
    if 1 not in stay:
        with pytest.raises(InputError, match="no views of bars/n700/seed1"):
            read_views(tmp_path / "views.h5", replace(SHOWN, seed=1))


def test_of_a_run_that_was_trained_anew_nothing_stays(tmp_path, results):
    folder, _ = results
    keep_views(tmp_path / "views.h5", folder, [SHOWN], finished(*MODELS))
    viewed, _ = keep_views(tmp_path / "views.h5", folder, [], finished("ptychonn"), remade=finished("ptychonn"))
    assert set(viewed) == viewed_of("ptychoformer", "epie")


def test_unfinished_runs_and_missing_files_are_no_views(tmp_path, results):
    folder, _ = results
    assert keep_views(tmp_path / "views.h5", folder, [SHOWN], set()) == ([], [])
    (folder / "simulation/datasets/bars/seed0.cxi").unlink()
    viewed, (reason,) = keep_views(tmp_path / "views.h5", folder, [SHOWN], finished("ptychonn"))
    assert viewed == []
    assert reason.startswith("views of bars/n700/seed0: ")
    assert not (tmp_path / "views.h5").exists()


def test_what_is_not_kept_is_named(tmp_path, results):
    folder, _ = results
    keep_views(tmp_path / "views.h5", folder, [SHOWN], finished("ptychonn"))
    with pytest.raises(InputError, match="no view of ptychoformer in bars/n700/seed0"):
        read_views(tmp_path / "views.h5", SHOWN)
    with pytest.raises(InputError, match="no views of bars/n700/seed0 on the block 'strip'"):
        read_views(tmp_path / "views.h5", Shown("bars", 700, 0, MODELS, "strip", "scene"))
    with create_hdf5(tmp_path / "empty.h5"):
        pass
    with pytest.raises(InputError, match="no views of bars"):
        read_views(tmp_path / "empty.h5", SHOWN)


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.pop(f"{GROUP}/scene/answers"),
        lambda file: file.pop(f"{GROUP}/patterns"),
        lambda file: file.pop(f"{GROUP}/b"),
        lambda file: file[f"{GROUP}/a"].attrs.pop("corner"),
        lambda file: file[GROUP].attrs.pop("block"),
        lambda file: file[GROUP].attrs.pop("amplitude"),
        lambda file: file[GROUP].attrs.update(unseen_from="nowhere"),
        lambda file: (file.pop(GROUP), file.create_dataset(GROUP, data=[1])),
    ],
)
def test_a_file_that_lacks_something_is_one_sentence(tmp_path, damage):
    path = tmp_path / "views.h5"
    shutil.copy(STORED, path)
    with h5py.File(path, "a") as file:
        damage(file)
    shown = Shown("clean", 2928, 0, ("ptychonn",), "lower_right", "scene")
    with pytest.raises(InputError, match=r"views\.h5 "):
        read_views(path, shown)
    with pytest.raises(InputError, match=r"views\.h5 cannot be read as views of finished runs"):
        keep_views(path, tmp_path, [], set())
