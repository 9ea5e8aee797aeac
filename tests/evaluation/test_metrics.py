"""The metrics are those of the literature, and `unseen` is blind to whatever training could see."""

import subprocess
import sys
from math import inf, log10

import h5py
import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter
from skimage.metrics import structural_similarity

from ptychoformer.errors import InputError
from ptychoformer.evaluation.columns import SCORES
from ptychoformer.evaluation.metrics import collect, common_scale, measure, read_metrics, rescaled
from ptychoformer.evaluation.patches import create_patches, open_patches
from ptychoformer.evaluation.quantities import QUANTITIES
from ptychoformer.evaluation.references import reference_patches
from ptychoformer.evaluation.stitch import stitch
from ptychoformer.measurement.cxi import read_scan
from ptychoformer.measurement.windows import windows
from ptychoformer.training.normalisation import Normalisation, label_windows
from ptychoformer.training.split import grid_split

IDENTITY = {"dataset": "clean", "test": "clean", "model": "ceiling", "loss": "none", "n_train": 50, "seed": 1}
# Windows that hold an SSIM window, and an unseen part of 24 x 32 pixels.
GEOMETRY = {"rows": 30, "step": 4, "window": 12}


@pytest.fixture
def prediction(make_dataset, tmp_path):
    """Files of a reference: dataset, patches, scene."""

    def make(kind="ceiling", at="recorded", **geometry):
        dataset = make_dataset(**(GEOMETRY | geometry))
        how = {"n_train": 50, "seed": 1, "subset": "scattered", "transferred": False}
        reference_patches(kind, dataset, dataset, **how, output=tmp_path / "patches.h5")
        stitch(tmp_path / "patches.h5", "radial", tmp_path / "scene.h5", at=at)
        return dataset, tmp_path / "patches.h5", tmp_path / "scene.h5"

    return make


def measured(files, tmp_path) -> pd.Series:
    """Values by block, region, level, channel and metric."""
    measure(files[0], *files, IDENTITY, tmp_path / "metrics.csv")
    return (
        read_metrics(tmp_path / "metrics.csv")
        .set_index(["block", "region", "level", "channel", "metric"])["value"]
        .sort_index()
    )


def test_ceiling_without_jitter_is_perfect_and_with_jitter_only_its_patterns_are(prediction, tmp_path):
    values = measured(prediction(), tmp_path).drop(index="ssim", level="metric")
    assert set(values.xs("psnr", level="metric")) == {inf}
    assert set(values.xs("mse", level="metric")) == {0}
    values = measured(prediction(jitter=2), tmp_path)
    assert np.isfinite(values.xs("scene", level="level")).all()
    for level in ("pattern", "released"):
        assert set(values.xs((level, "psnr"), level=("level", "metric"))) == {inf}
    values = measured(prediction(jitter=2, at="true"), tmp_path).drop(index="ssim", level="metric")
    assert set(values.xs("psnr", level="metric")) == {inf}


def test_one_exact_pattern_does_not_make_a_mean_infinite(prediction, tmp_path):
    """It counts as the least error that is told, 130 dB, beside what the others give."""
    dataset, patches, scene = prediction("floor")
    scan = read_scan(dataset)
    split = grid_split(scan)
    before = measured((dataset, patches, scene), tmp_path)["strip", "whole", "pattern", "amplitude"]
    place = split.blocks["strip"][0]
    with open_patches(patches) as read:
        own = read.normalisation
        estimate = rescaled(read.amplitude[place], "amplitude", own, common_scale(dataset))
    cut = windows(scan.amplitude, scan.true_positions[split.test[[place]]], scan.window)[0]
    with h5py.File(patches, "r+") as file:
        file["patches/amplitude"][place] = own.normalised("amplitude", cut)
    after = measured((dataset, patches, scene), tmp_path)["strip", "whole", "pattern", "amplitude"]
    error = ((estimate - common_scale(dataset).normalised("amplitude", cut)) ** 2).mean(dtype=float)
    gained = (130 + 10 * log10(error)) / len(split.blocks["strip"])
    assert after["psnr"] - before["psnr"] == pytest.approx(gained, rel=1e-4)
    assert before["mse"] - after["mse"] == pytest.approx(error / len(split.blocks["strip"]), rel=1e-4)


def test_perfect_labels_are_perfect_at_every_block_and_level(prediction, tmp_path):
    values = measured(prediction(), tmp_path)
    assert set(values.index.get_level_values("block")) == {"lower_right", "lower_left", "strip"}
    assert set(values.index.get_level_values("level")) == {"scene", "synchronised", "pattern", "released"}
    assert set(values.xs("psnr", level="metric")) == {inf}
    np.testing.assert_allclose(values.xs("ssim", level="metric").dropna(), 1)
    # Single patterns of 12 x 12 pixels hold four windows of SSIM, so that none is without a value.
    assert values.notna().all()


def test_rows_are_tidy_and_complete(prediction, tmp_path):
    files = prediction("floor")
    measure(files[0], *files, IDENTITY, tmp_path / "metrics.csv")
    frame = read_metrics(tmp_path / "metrics.csv")
    assert list(frame.columns) == list(SCORES)
    # Blocks; scene, synchronised and pattern by region, channel and metric; the release's metrics of amplitude and phase.
    released = sum(quantity.released for quantity in QUANTITIES.values())
    assert len(frame) == 3 * (3 * 2 * 3 * len(QUANTITIES) + 2 * released)
    assert not frame.duplicated(subset=["block", "region", "level", "channel", "metric"]).any()
    assert (frame[list(IDENTITY)].drop_duplicates().to_dict("records")) == [IDENTITY]


def test_another_dataset_is_measured_as_a_whole(make_dataset, tmp_path):
    dataset, other = make_dataset(**GEOMETRY), make_dataset(**(GEOMETRY | {"rows": 20, "seed": 7}))
    how = {"n_train": 50, "seed": 1, "subset": "scattered", "transferred": True}
    reference_patches("floor", dataset, other, **how, output=tmp_path / "patches.h5")
    stitch(tmp_path / "patches.h5", "radial", tmp_path / "scene.h5")
    measure(
        dataset,
        other,
        tmp_path / "patches.h5",
        tmp_path / "scene.h5",
        IDENTITY | {"test": "other"},
        tmp_path / "metrics.csv",
    )
    frame = read_metrics(tmp_path / "metrics.csv")
    assert set(zip(frame["block"], frame["region"], strict=True)) == {("scan", "whole")}
    assert len(frame) == (3 * 3 + 2) * 3  # levels and channels, the release's score; metrics
    with open_patches(tmp_path / "patches.h5") as patches:
        constant = patches.normalisation.restored("amplitude", patches.amplitude[0, 0, 0])
    scales = common_scale(dataset)
    error = (
        (scales.normalised("amplitude", read_scan(other).amplitude) - scales.normalised("amplitude", constant)) ** 2
    ).mean(dtype=float)
    found = frame.set_index(["level", "channel", "metric"])["value"]
    assert found["scene", "amplitude", "mse"] == pytest.approx(error, rel=1e-4)
    with pytest.raises(InputError, match="is not a prediction of the test patterns"):
        measure(dataset, other, tmp_path / "patches.h5", tmp_path / "scene.h5", IDENTITY, tmp_path / "metrics.csv")


def test_the_common_scale_is_that_of_what_may_be_trained_on(make_dataset):
    """What only test patterns light is not known to any network, and sets no ruler."""
    dataset = make_dataset(**GEOMETRY, jitter=2)
    scan = read_scan(dataset)
    split = grid_split(scan)
    with h5py.File(dataset, "r+") as file:
        amplitude = file["ptychography/object/amplitude"]
        amplitude[:] = np.where(split.unseen_pixels, 9, amplitude[:])
    assert common_scale(dataset) == Normalisation.of(*label_windows(scan, split.train))


def test_a_scene_scores_alike_on_whatever_scale_its_network_was_trained(make_dataset, tmp_path):
    """The same blurred truth, as predicted by networks whose training sets had another range of labels."""
    dataset = make_dataset(**GEOMETRY)
    scan, found = read_scan(dataset), []
    test = grid_split(scan).test
    for scale in (common_scale(dataset), Normalisation(0.4, 0.7, -0.5, 1.0)):
        with create_patches(tmp_path / "patches.h5", grid_split(scan), scale) as arrays:
            for array, channel in zip(arrays, ("amplitude", "phase"), strict=True):
                blurred = gaussian_filter(getattr(scan, channel), 1.0)
                array[:] = windows(scale.normalised(channel, blurred), scan.true_positions[test], scan.window)
        stitch(tmp_path / "patches.h5", "radial", tmp_path / "scene.h5")
        found.append(measured((dataset, tmp_path / "patches.h5", tmp_path / "scene.h5"), tmp_path))
    np.testing.assert_allclose(*found, rtol=1e-4)


def test_synchronising_leaves_the_amplitude_of_a_scene_as_it_is(prediction, tmp_path):
    dataset, patches, scene = prediction("floor")
    with h5py.File(patches, "r+") as file:
        file["patches/phase"][:] += (
            np.random.default_rng(4).normal(0, 0.3, (len(file["patches/phase"]), 1, 1)).astype(np.float32)
        )
    stitch(patches, "radial", scene)
    plain, synchronised = (
        measured((dataset, patches, scene), tmp_path).xs(level, level="level") for level in ("scene", "synchronised")
    )
    same = plain.index.get_level_values("channel") == "amplitude"
    pd.testing.assert_series_equal(synchronised[same], plain[same])
    assert (synchronised[~same].dropna() != plain[~same].dropna()).all()


def test_a_run_is_scored_without_pandas_which_takes_longer_to_import(prediction, tmp_path):
    files = [str(file) for file in prediction("floor")]
    program = (
        "import sys; sys.modules['pandas'] = None\n"
        "from ptychoformer.evaluation.metrics import measure\n"
        f"measure({files[0]!r}, *{files}, {IDENTITY}, {str(tmp_path / 'alone.csv')!r})"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    measured(files, tmp_path)
    assert (tmp_path / "alone.csv").read_bytes() == (tmp_path / "metrics.csv").read_bytes()


def test_the_scene_is_measured_against_the_object_under_it(prediction, tmp_path):
    dataset, patches, scene = prediction("floor")
    scan = read_scan(dataset)
    with h5py.File(scene) as file:
        estimates = {name: file[name]["phase"][:] for name in file}
        low, high = (file["strip"].attrs[name] for name in ("phase_min", "phase_max"))
    labels, found = label_windows(scan, grid_split(scan).train)[1], measured((dataset, patches, scene), tmp_path)
    for block, estimate in estimates.items():
        error = low + (high - low) * estimate - scan.phase[grid_split(scan).rectangle(block)]
        mse = (error**2).mean() / (labels.max() - labels.min()) ** 2
        scored = found[block, "whole", "scene"]
        assert scored["phase", "mse"] == pytest.approx(mse, rel=1e-5)
        assert scored["phase", "psnr"] == pytest.approx(-10 * log10(mse), rel=1e-5)
        spread = error.var() / (labels.max() - labels.min()) ** 2
        assert scored["relative_phase", "mse"] == pytest.approx(spread, rel=1e-5)


@pytest.mark.parametrize("level", ["scene", "synchronised"])
def test_a_constant_phase_changes_no_score_of_the_relative_phase(prediction, tmp_path, level):
    """Relative phase has the constant of each patch taken off, which nobody can know, and that of a scene as a whole."""
    files = prediction("floor", jitter=1)
    before = measured(files, tmp_path)
    with h5py.File(files[1], "r+") as patches, h5py.File(files[2], "r+") as scenes:
        constants = np.random.default_rng(3).normal(size=len(patches["patches/phase"]))
        patches["patches/phase"][:] += constants[:, None, None]
        for scene in scenes.values():
            scene[{"scene": "phase", "synchronised": "synchronised_phase"}[level]][:] += 0.7
    after = measured(files, tmp_path)
    relative = before.index.get_level_values("channel") == "relative_phase"
    np.testing.assert_allclose(after[relative], before[relative], atol=1e-5)
    changed = before.index[~relative & (before.index.get_level_values("channel") == "phase")]
    assert (after[changed].xs("pattern", level="level") != before[changed].xs("pattern", level="level")).all()
    assert (after[changed].xs(level, level="level") != before[changed].xs(level, level="level")).all()


def test_constants_of_patches_change_no_score_of_scenes_synchronised_without_a_tie(prediction, tmp_path):
    """From patches with arbitrary constants to the scores of every block."""
    dataset, patches, scene = prediction()
    with h5py.File(patches, "r+") as file:
        file["patches/phase"][:] += (
            np.random.default_rng(4).normal(0, 0.3, (len(file["patches/phase"]), 1, 1)).astype(np.float32)
        )
    stitch(patches, "radial", scene, tie=0.0)
    found = measured((dataset, patches, scene), tmp_path).xs(("relative_phase", "psnr"), level=("channel", "metric"))
    assert (found.xs("synchronised", level="level") > 120).all()  # single precision
    assert (found.xs("pattern", level="level") > 120).all()
    assert (found.xs("scene", level="level") < 40).all()


def test_the_release_pools_its_errors_and_flattens_its_patches(prediction, tmp_path, monkeypatch):
    dataset, patches_file, scene = prediction("floor", jitter=1)
    rng = np.random.default_rng(5)
    with h5py.File(patches_file, "r+") as file:
        for channel in ("amplitude", "phase"):
            file[f"patches/{channel}"][:] += 0.2 * rng.normal(size=file[f"patches/{channel}"].shape)
    scan, scale = read_scan(dataset), common_scale(dataset)
    monkeypatch.setattr(
        "ptychoformer.evaluation.patches.PIXELS_PER_CHUNK", 7 * 144
    )  # chunks meet within an SSIM window
    found = measured((dataset, patches_file, scene), tmp_path)
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0}
    with open_patches(patches_file) as patches:
        for block in patches.blocks:
            own = patches.block(block)
            estimate = own.normalisation.restored("phase", own.read("phase", slice(None)).astype(float))
            rows = [
                scale.normalised("phase", part).reshape(len(own.index), -1)
                for part in (estimate, windows(scan.phase, own.true_positions, own.window))
            ]
            scored = found[block, "whole", "released", "phase"]
            assert scored["psnr"] == pytest.approx(-10 * log10(((rows[0] - rows[1]) ** 2).mean(dtype=float)), rel=1e-5)
            assert scored["ssim"] == pytest.approx(structural_similarity(*rows, **settings), abs=1e-5)


def test_unseen_is_blind_to_pixels_and_patterns_that_training_could_see(prediction, tmp_path):
    files = prediction("floor", jitter=1)
    before = measured(files, tmp_path)
    split = grid_split(read_scan(files[0]))
    with h5py.File(files[1], "r+") as patches, h5py.File(files[2], "r+") as scenes:
        for channel in ("amplitude", "phase"):
            values = patches[f"patches/{channel}"][:]
            values[~split.unseen_test] = 7
            patches[f"patches/{channel}"][:] = values
        for block, scene in scenes.items():
            for image in scene.values():
                image[:] = np.where(split.unseen_pixels[split.rectangle(block)], image[:], 7)
    after = measured(files, tmp_path)
    unseen, whole = (before.index.get_level_values("region") == region for region in ("unseen", "whole"))
    assert np.isfinite(before[unseen]).all()
    pd.testing.assert_series_equal(after[unseen], before[unseen])
    # A constant patch has no error of its relative phase.
    assert (
        after[whole].drop(index="relative_phase", level="channel")
        != before[whole].drop(index="relative_phase", level="channel")
    ).all()


def test_where_no_window_is_unseen_the_rows_are_there_but_empty(prediction, tmp_path):
    values = measured(prediction(rows=10, step=1, window=20), tmp_path)
    assert len(values) == 180
    assert values["strip", "whole"].notna().all()
    for block in ("lower_right", "lower_left", "strip"):
        assert values[block, "unseen", "pattern"].isna().all()
        assert values[block, "unseen", "scene"].xs("ssim", level="metric").isna().all()


def test_pixels_that_no_patch_covers_do_not_count(prediction, tmp_path):
    values = measured(prediction(step=12, window=9), tmp_path).drop(index="ssim", level="metric")
    assert set(values.xs("mse", level="metric")) == {0}


def test_files_that_do_not_belong_together_are_refused(prediction, make_dataset, tmp_path):
    dataset, patches, scene = prediction()
    with pytest.raises(InputError, match="is not a prediction of the test patterns"):
        measure(dataset, make_dataset(rows=10), patches, scene, IDENTITY, tmp_path / "metrics.csv")
    with h5py.File(scene, "r+") as file:
        file["lower_left"].attrs["origin"] = (0, 0)
    with pytest.raises(InputError, match="is not stitched from"):
        measure(dataset, dataset, patches, scene, IDENTITY, tmp_path / "metrics.csv")


def rows(**changes) -> pd.DataFrame:
    row = (
        IDENTITY
        | {"block": "strip", "region": "whole", "level": "scene", "channel": "phase", "metric": "psnr", "value": 20.5}
        | changes
    )
    return pd.DataFrame([row])[list(SCORES)]


def written(tmp_path, *frames):
    paths = [tmp_path / f"{number}.csv" for number in range(len(frames))]
    for frame, path in zip(frames, paths, strict=True):
        frame.to_csv(path, index=False)
    return paths


def test_collect_keeps_order_names_infinities_and_gaps(tmp_path):
    frames = [rows(seed=3, value=inf), rows(seed=1, value=np.nan), rows(seed=2, dataset="NA", model="075")]
    collect(written(tmp_path, *frames), tmp_path / "all.csv")
    pd.testing.assert_frame_equal(
        read_metrics(tmp_path / "all.csv"), pd.concat(frames, ignore_index=True), check_dtype=False
    )


@pytest.mark.parametrize(
    ("frames", "complaint"),
    [
        ([], "no metrics to collect"),
        ([rows().iloc[:0]], "holds no metrics"),
        ([rows().drop(columns="level")], "the columns must be"),
        ([rows(), rows()], "clean/ceiling/none/50/1 were given twice"),
        ([rows(value="good")], "cannot be read as metrics"),
        ([pd.DataFrame()], "cannot be read as metrics"),
    ],
)
def test_collect_refuses_what_is_not_metrics(frames, complaint, tmp_path):
    with pytest.raises(InputError, match=complaint):
        collect(written(tmp_path, *frames), tmp_path / "all.csv")
    assert not (tmp_path / "all.csv").exists()


def test_missing_and_truncated_metrics_are_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_metrics(tmp_path / "nowhere.csv")
    (path,) = written(tmp_path, rows())
    path.write_text(path.read_text().split("strip")[0].rstrip(","))
    with pytest.raises(InputError, match="breaks off"):
        read_metrics(path)
