"""A streamed scene is the stitched one, in memory that the number of patterns does not change."""

import gc
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile

from ptychoformer.errors import InputError, OutputError
from ptychoformer.evaluation import band, stream, tiff
from ptychoformer.evaluation.band import Band, band_axis
from ptychoformer.evaluation.patches import create_patches
from ptychoformer.evaluation.stitch import read_scene, stitch, window_weights
from ptychoformer.evaluation.stream import predict_scene
from ptychoformer.evaluation.synchronise import corrections, pushed
from ptychoformer.evaluation.tiff import tiff_names, write_tiffs
from ptychoformer.measurement.cxi import Optics
from ptychoformer.measurement.preparation import PreparedScan
from ptychoformer.measurement.windows import windows
from ptychoformer.training.normalisation import Normalisation

NORMALISATION = Normalisation(0.2, 0.9, -2.0, 1.0)
UNITY = Normalisation(0.0, 1.0, 0.0, 1.0)
WINDOW = (12, 12)


def raster(rows, columns, step):
    return np.indices((rows, columns)).reshape(2, -1).T * step


def snake(rows, columns, step):
    corners = raster(rows, columns, step).reshape(rows, columns, 2)
    corners[1::2] = corners[1::2, ::-1].copy()
    return corners.reshape(-1, 2)


ORDERS = {
    "raster": raster(40, 7, 5),
    "snake": snake(40, 7, 5),
    "columns": raster(7, 60, 5).reshape(7, 60, 2).swapaxes(0, 1).reshape(-1, 2),
    "upwards": raster(40, 7, 5)[::-1],
    "jittered": raster(40, 7, 5) + np.random.default_rng(3).integers(-2, 3, (280, 2)),
    "random": np.random.default_rng(0).permutation(raster(40, 7, 5)),
    "gaps": raster(20, 4, 15),
    "one": np.array([[3, 4]]),
}


def prepared(positions, frames, window=WINDOW, optics=None, block=50):
    """A scan whose patterns are ``frames`` (n, h, w), which come ``block`` at a time at most."""
    positions = np.asarray(positions, float)

    def blocks(size):
        for start in range(0, len(positions), min(size, block)):
            yield frames[start : start + min(size, block)]

    parts = dict(
        numbers=np.arange(len(positions)),
        optics=optics,
        mask=np.zeros(window, bool),
        probe=None,
        centre=(0, 0),
        crop=window[0],
        warnings=(),
    )
    shapes = dict(counts=(), part_counts=(4, 4), centres=(2,))
    counts = {name: np.zeros((len(positions), *shape)) for name, shape in shapes.items()}
    return PreparedScan(positions=positions, window=window, frames=blocks, **counts, **parts)


class Network:
    """A function of a batch of patterns in place of a network."""

    def __init__(self, function, batch=64):
        self.function, self.batch = function, batch

    def stream(self, batches):
        return map(self.function, batches)


def answer(patterns):
    """A network that makes patches of patterns, and forgets nothing of them."""
    return np.stack([patterns, patterns[:, ::-1] ** 2], axis=1)


@pytest.fixture
def random_frames():
    return lambda count: np.random.default_rng(1).random((count, *WINDOW), np.float32)


@pytest.mark.parametrize("weighting", ["radial", "uniform"])
@pytest.mark.parametrize("order", ORDERS)
def test_a_streamed_scene_is_the_stitched_one(tmp_path, random_frames, order, weighting, monkeypatch, make_split):
    monkeypatch.setattr(band, "TILE", 8)
    corners = ORDERS[order] + 2  # off the origin
    frames = random_frames(len(corners))
    predict_scene(
        prepared(corners + 0.4, frames), Network(answer), NORMALISATION, tmp_path / "scene.h5", weighting=weighting
    )
    with create_patches(tmp_path / "patches.h5", make_split(corners, WINDOW), NORMALISATION) as arrays:
        for array, values in zip(arrays, np.moveaxis(answer(frames), 1, 0), strict=True):
            array[:] = values
    stitch(tmp_path / "patches.h5", weighting, tmp_path / "stitched.h5")
    expected = read_scene(tmp_path / "stitched.h5", "scan")
    with h5py.File(tmp_path / "scene.h5") as file:
        for channel in ("amplitude", "phase"):
            restored = NORMALISATION.restored(channel, getattr(expected, channel))
            np.testing.assert_allclose(file["scene"][channel][:], restored, atol=1e-6)
        assert tuple(file["scene"].attrs["origin"]) == expected.origin
        assert file["scene"].attrs["weighting"] == weighting
        assert Normalisation.from_attributes(file["scene"].attrs) == NORMALISATION
        np.testing.assert_array_equal(file["positions"][:], corners + 0.4)
        assert file["positions"].attrs["units"] == "pixels"
        assert file["scene/phase"].attrs["units"] == "rad"


@pytest.mark.parametrize("lengths", [(), (3,), (8,), (8, 8, 8), (5, 5, 5, 5), (1,) * 20, (8, 3, 8, 8, 2)])
def test_batches_are_whole_whatever_comes_in(lengths):
    patterns = np.arange(sum(lengths))
    batches = list(stream._batches(np.split(patterns, np.cumsum(lengths)[:-1]), 8))
    np.testing.assert_array_equal(np.concatenate([[], *batches]), patterns)
    assert all(len(batch) == 8 for batch in batches[:-1])
    assert all(0 < len(batch) <= 8 for batch in batches)


@pytest.mark.parametrize("order", ORDERS)
def test_perfect_patches_make_the_exact_scene(tmp_path, order):
    corners = ORDERS[order] - ORDERS[order].min(axis=0)
    thing = np.random.default_rng(2).random(corners.max(axis=0) + WINDOW, np.float32)
    predict_scene(
        prepared(corners, windows(thing, corners, WINDOW)), Network(answer_both), UNITY, tmp_path / "scene.h5"
    )
    covered = np.zeros(thing.shape, bool)
    for y, x in corners:
        covered[y : y + WINDOW[0], x : x + WINDOW[1]] = True
    with h5py.File(tmp_path / "scene.h5") as file:
        for channel in ("amplitude", "phase"):
            found = file["scene"][channel][:]
            np.testing.assert_allclose(found[covered], thing[covered], atol=1e-6)
            assert np.isnan(found[~covered]).all()


def answer_both(patterns):
    return np.stack([patterns, patterns], axis=1)


def in_memory(corners, frames, weighting, tie):
    """Phase (H, W) in radians of the patches that `answer` makes, synchronised where all of them are at hand."""
    corners, weights, phase = corners - corners.min(axis=0), window_weights(WINDOW, weighting), answer(frames)[:, 1]
    weighted, total = np.zeros((2, *(corners.max(axis=0) + WINDOW)))
    for (y, x), patch in zip(corners, phase, strict=True):
        weighted[y : y + WINDOW[0], x : x + WINDOW[1]] += weights * patch
        total[y : y + WINDOW[0], x : x + WINDOW[1]] += weights
    constants = corrections([(slice(None), phase)], corners, weights, weighted, total, tie)
    covered = np.where(total > 0, total, np.nan)
    return NORMALISATION.restored("phase", (weighted + pushed(constants, corners, weights, total.shape)) / covered)


@pytest.mark.parametrize(("weighting", "tie"), [("radial", 0.0), ("uniform", 0.05)])
@pytest.mark.parametrize("order", ORDERS)
def test_a_streamed_synchronised_scene_is_that_of_memory(tmp_path, random_frames, order, weighting, tie, monkeypatch):
    monkeypatch.setattr(band, "TILE", 8)
    corners = ORDERS[order] + 2
    scan, frames = prepared(corners + 0.4, random_frames(len(corners))), random_frames(len(corners))
    predict_scene(scan, Network(answer), NORMALISATION, tmp_path / "plain.h5", weighting=weighting)
    predict_scene(
        scan, Network(answer), NORMALISATION, tmp_path / "scene.h5", weighting=weighting, phase="synchronised", tie=tie
    )
    with h5py.File(tmp_path / "scene.h5") as file, h5py.File(tmp_path / "plain.h5") as plain:
        np.testing.assert_allclose(file["scene/phase"][:], in_memory(corners, frames, weighting, tie), atol=2e-6)
        np.testing.assert_array_equal(file["scene/plain_phase"][:], plain["scene/phase"][:])
        np.testing.assert_array_equal(file["scene/amplitude"][:], plain["scene/amplitude"][:])
        assert file["scene"].attrs["phase"] == "synchronised"
        assert file["scene"].attrs["tie"] == tie
        assert plain["scene"].attrs["phase"] == "plain"
        assert "tie" not in plain["scene"].attrs
        assert "plain_phase" not in plain["scene"]
        assert (
            dict(file["scene/plain_phase"].attrs) == dict(file["scene/phase"].attrs) == {"units": "rad", "axes": "y,x"}
        )


@pytest.mark.parametrize("order", sorted(set(ORDERS) - {"gaps"}))
def test_patches_with_arbitrary_constants_make_the_exact_scene(tmp_path, order):
    corners = ORDERS[order] - ORDERS[order].min(axis=0)
    thing = np.random.default_rng(2).random(corners.max(axis=0) + WINDOW)
    constants = np.random.default_rng(3).normal(0, 0.5, (len(corners), 1, 1))
    scan = prepared(corners, windows(thing, corners, WINDOW) + constants)
    predict_scene(scan, Network(answer_both), UNITY, tmp_path / "scene.h5", phase="synchronised", tie=0.0)
    with h5py.File(tmp_path / "scene.h5") as file:
        error = file["scene/phase"][:] - thing
        np.testing.assert_allclose(error[np.isfinite(error)], constants.mean(), atol=1e-6)
        np.testing.assert_array_equal(np.isnan(error), np.isnan(file["scene/plain_phase"][:]))


def test_patches_that_do_not_overlap_stay_as_they_are(tmp_path, random_frames, capsys):
    predict_scene(
        prepared(ORDERS["gaps"], random_frames(80)),
        Network(answer),
        NORMALISATION,
        tmp_path / "scene.h5",
        phase="synchronised",
    )
    assert "No two patches overlap: there is nothing to synchronise" in capsys.readouterr().err
    with h5py.File(tmp_path / "scene.h5") as file:
        np.testing.assert_array_equal(file["scene/phase"][:], file["scene/plain_phase"][:])


def test_another_stitching_of_phase_is_refused(tmp_path, random_frames):
    with pytest.raises(InputError, match="'unwrapped' is unknown, allowed are plain and synchronised"):
        predict_scene(
            prepared(ORDERS["gaps"], random_frames(80)),
            Network(answer),
            NORMALISATION,
            tmp_path / "scene.h5",
            phase="unwrapped",
        )


def test_rows_are_final_when_they_are_passed_on():
    corners = snake(50, 9, 5)
    passed, held = [], []
    sums = Band(corners, np.ones(WINDOW), 2, lambda start, _, total: passed.append((start, len(total))))
    for start in range(0, len(corners), 9):
        sums.add(np.ones((9, 2, *WINDOW), np.float32))
        held.append(sums._rows.sums.shape[1])
        assert all(top + rows <= corners[start + 9 :, 0].min(initial=10**6) for top, rows in passed)
    assert [top for top, _ in passed] == list(np.cumsum([0, *(rows for _, rows in passed)])[:-1])
    assert sum(rows for _, rows in passed) == 49 * 5 + 12
    assert max(held) <= 2 * stream.TILE + 12
    assert held[-1] == 0


@pytest.mark.parametrize(("order", "axis"), [("raster", 0), ("snake", 0), ("upwards", 0), ("columns", 1), ("one", 0)])
def test_the_band_runs_along_the_slow_axis(order, axis):
    assert band_axis(ORDERS[order], WINDOW) == axis


def test_pixel_size_is_kept_and_the_rate_is_told(tmp_path, random_frames):
    scan = prepared(ORDERS["snake"], random_frames(280), optics=Optics(1e-10, 2e-8, 1.0))
    facts = predict_scene(scan, Network(answer), NORMALISATION, tmp_path / "scene.h5")
    with h5py.File(tmp_path / "scene.h5") as file:
        assert file["scene"].attrs["pixel_size"] == 2e-8
    assert facts["patterns"] == 280
    assert facts["patterns_per_second"] == pytest.approx(280 / facts["prediction_seconds"], rel=0.2)


@pytest.mark.parametrize("order", ["snake", "columns"])
def test_tiffs_are_what_imagej_reads(tmp_path, random_frames, order, monkeypatch):
    monkeypatch.setattr(stream, "TILE", 16)
    scan = prepared(ORDERS[order], random_frames(len(ORDERS[order])), optics=Optics(1e-10, 2e-8, 1.0))
    predict_scene(scan, Network(answer), NORMALISATION, tmp_path / "scene.h5")
    with h5py.File(tmp_path / "scene.h5") as file:
        write_tiffs(file["scene"], tmp_path / "made" / "scene")
        images = [file["scene"][channel][:] for channel in ("amplitude", "phase")]
    names = tiff_names(tmp_path / "made" / "scene")
    assert names == [str(tmp_path / "made" / f"scene_{channel}.tif") for channel in ("amplitude", "phase")]
    for name, image in zip(names, images, strict=True):
        with tifffile.TiffFile(name) as file:
            assert file.is_imagej
            assert file.imagej_metadata["unit"] == "um"
            above, below = file.pages[0].tags["XResolution"].value
            assert above / below == pytest.approx(50)  # pixels of 20 nm
        np.testing.assert_array_equal(tifffile.imread(name), image)


def test_tiffs_without_a_pixel_size_have_no_unit(tmp_path, random_frames):
    predict_scene(prepared(ORDERS["gaps"], random_frames(80)), Network(answer), NORMALISATION, tmp_path / "scene.h5")
    with h5py.File(tmp_path / "scene.h5") as file:
        write_tiffs(file["scene"], tmp_path / "scene")
    with tifffile.TiffFile(tmp_path / "scene_amplitude.tif") as file:
        assert "unit" not in file.imagej_metadata
        assert np.isnan(file.asarray()).any()


def test_too_large_a_tiff_is_refused(tmp_path, random_frames, monkeypatch):
    monkeypatch.setattr(tiff, "LARGEST_TIFF", 1000)
    predict_scene(prepared(ORDERS["snake"], random_frames(280)), Network(answer), NORMALISATION, tmp_path / "scene.h5")
    with h5py.File(tmp_path / "scene.h5") as file, pytest.raises(OutputError, match="ImageJ reads TIFFs of up to 4 GB"):
        write_tiffs(file["scene"], tmp_path / "scene")
    assert not list(tmp_path.glob("*.tif"))


def test_nan_is_refused_and_nothing_is_left(tmp_path, random_frames):
    def broken(patterns):
        patches = answer(patterns)
        if broken.calls == 3:
            patches[5, 1, 2, 3] = np.nan
        broken.calls += 1
        return patches

    broken.calls = 0
    (tmp_path / "scene.h5").write_text("of an earlier prediction")
    # The number that the pattern has in its file, of which the first 7 patterns are left out.
    scan = replace(prepared(ORDERS["snake"], random_frames(280)), numbers=np.arange(280) + 7)
    with pytest.raises(InputError, match=f"answers pattern {7 + 3 * 64 + 5} with NaN"):
        predict_scene(scan, Network(broken), NORMALISATION, tmp_path / "scene.h5")
    assert [path.name for path in tmp_path.iterdir()] == ["scene.h5"]
    assert (tmp_path / "scene.h5").read_text() == "of an earlier prediction"


def long_scan(rows, columns=100, window=WINDOW):
    """A scan of ``rows`` x ``columns`` patterns that are made as they are asked for; windows move by a third of their side."""
    scan = prepared(snake(rows, columns, window[0] // 3), None, window)

    def blocks(size):
        for start in range(0, rows * columns, size):
            yield np.ones((min(size, rows * columns - start), *window), np.float32)

    return PreparedScan(**vars(scan) | {"frames": blocks})


def peak(scan, path, **how):
    """Bytes that Python and NumPy hold at most while a scan is predicted."""
    gc.collect()
    tracemalloc.start()
    predict_scene(scan, Network(answer_both), UNITY, path, **how)
    held = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return held


def test_memory_does_not_grow_with_the_number_of_patterns(tmp_path):
    few, many = (peak(long_scan(rows, columns=20), tmp_path / f"{rows}.h5") for rows in (100, 1000))
    positions = 20_000 * 2 * 8
    assert many < few + 6 * positions  # rounded, from the scene's origin, and what finds the axis of the band
    # Sums for the whole of the longer scene, and its patterns, would be far more.
    assert few + 6 * positions < 0.5 * 3 * 8 * (1000 * 4) * (20 * 4) < 20_000 * 12 * 12 * 4


def test_synchronising_takes_numbers_of_each_pattern_and_no_patches(tmp_path):
    how, window = {"phase": "synchronised"}, (48, 48)
    few, many = (
        peak(long_scan(rows, columns=5, window=window), tmp_path / f"{rows}.h5", **how) for rows in (100, 2000)
    )
    overlaps = 24  # of each pattern with others
    assert many < few + 10_000 * (24 * overlaps + 250) < few + 0.1 * 10_000 * 48 * 48 * 4


SCRIPT = """
import resource, sys
from test_stream import Network, long_scan, predict_scene, answer_both, UNITY
rows, path, phase = int(sys.argv[1]), sys.argv[2], sys.argv[3]
facts = predict_scene(long_scan(rows), Network(answer_both), UNITY, path, phase=phase)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, facts["patterns_per_second"])
"""


@pytest.mark.slow
@pytest.mark.parametrize(("phase", "allowed"), [("plain", 60), ("synchronised", 150)])
def test_a_hundred_thousand_patterns(tmp_path, phase, allowed):
    found = {}
    for rows in (20, 1000):
        command = [sys.executable, "-c", SCRIPT, str(rows), str(tmp_path / f"{rows}.h5"), phase]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parent)
        found[rows] = [float(word) for word in done.stdout.split()]
    (few, _), (many, rate) = found[20], found[1000]
    print(
        f"{phase}: peak {few / 1024:.0f} MB for 2,000 patterns, {many / 1024:.0f} MB for 100,000 at {rate:.0f} patterns per second"
    )
    assert many < few + allowed * 1024  # kilobytes; 100,000 positions take 1.6 MB
