"""Perfect patches stitch to the exact scene, wherever they lie."""

import tempfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ptychoformer.errors import InputError
from ptychoformer.evaluation import patches as contract
from ptychoformer.evaluation.band import add_patches
from ptychoformer.evaluation.patches import create_patches
from ptychoformer.evaluation.stitch import CORNER_WEIGHT, WEIGHTINGS, read_scene, stitch, window_weights
from ptychoformer.evaluation.synchronise import PHASES, TIE
from ptychoformer.measurement.windows import windows
from ptychoformer.simulation.scan import GRID_BLOCKS
from ptychoformer.training.normalisation import Normalisation

NORMALISATION = Normalisation(0.5, 1.0, -3.0, 1.0)


@pytest.fixture
def stitched(make_split):
    """The scene of patches (m, h, w) at positions (m, 2)."""

    def make(positions, amplitude, phase, weighting="radial", level="scene", block="scan", **how):
        split = make_split(
            positions,
            amplitude.shape[1:],
            blocks=how.pop("blocks", None),
            true_positions=how.pop("true_positions", None),
        )
        with tempfile.TemporaryDirectory() as folder:
            file, scene = Path(folder, "patches.h5"), Path(folder, "scene.h5")
            with create_patches(file, split, NORMALISATION) as arrays:
                arrays[0][:], arrays[1][:] = amplitude, phase
            stitch(file, weighting, scene, **how)
            return read_scene(scene, block, level)

    return make


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    corners=st.lists(st.tuples(st.integers(0, 25), st.integers(0, 23)), min_size=1, max_size=40),
    window=st.tuples(st.integers(1, 6), st.integers(1, 8)),
    weighting=st.sampled_from(["radial", "uniform"]),
)
def test_perfect_patches_give_back_the_exact_scene(corners, window, weighting, stitched):
    positions = np.array(corners)
    images = np.random.default_rng(0).random((2, 31, 31), dtype=np.float32)
    patches = [windows(image, positions, window) for image in images]
    scene, synchronised = (stitched(positions, *patches, weighting, level) for level in ("scene", "synchronised"))

    covered = np.zeros((31, 31), bool)
    for y, x in corners:
        covered[y : y + window[0], x : x + window[1]] = True
    (top, left), (bottom, right) = positions.min(0), positions.max(0) + window
    assert scene.origin == (top, left)
    for found, image in zip((scene.amplitude, scene.phase), images, strict=True):
        np.testing.assert_allclose(found, np.where(covered, image, np.nan)[top:bottom, left:right], atol=1e-6)
    # Patches that agree already have nothing to tell each other.
    np.testing.assert_allclose(synchronised.phase, scene.phase, atol=1e-6)
    np.testing.assert_array_equal(synchronised.amplitude, scene.amplitude)


def test_chunks_do_not_change_the_scene(monkeypatch, stitched):
    rng = np.random.default_rng(1)
    positions, values = rng.integers(0, 30, (50, 2)), rng.random((2, 50, 8, 8), dtype=np.float32)
    whole = stitched(positions, *values)
    monkeypatch.setattr(contract, "PIXELS_PER_CHUNK", 7 * 64)
    np.testing.assert_allclose(stitched(positions, *values).phase, whole.phase, atol=1e-6)


def test_overlapping_patches_are_averaged_by_their_weights(stitched):
    positions = np.array([[0, 0], [0, 2]])
    amplitude = np.stack([np.zeros((4, 4)), np.ones((4, 4))])
    scene = stitched(positions, amplitude, 1 - amplitude)
    weights = window_weights((4, 4), "radial")
    expected = weights[:, :2] / (weights[:, :2] + weights[:, 2:])
    np.testing.assert_allclose(scene.amplitude[:, 2:4], expected, atol=1e-6)
    np.testing.assert_allclose(scene.amplitude + scene.phase, 1, atol=1e-6)


def test_radial_weight_falls_linearly_from_the_centre_to_the_corners():
    weights = window_weights((9, 9), "radial")
    assert weights[4, 4] == 1
    assert np.allclose(weights[[0, 0, -1, -1], [0, -1, 0, -1]], CORNER_WEIGHT)
    np.testing.assert_allclose(np.diff(weights[4, 4:], 2), 0, atol=1e-12)
    assert (np.diff(weights[4, 4:]) < 0).all()


def test_synchronised_stitching_undoes_whatever_constants_patches_have(stitched):
    rng = np.random.default_rng(2)
    positions = np.stack(np.mgrid[:9, :12], -1).reshape(-1, 2) * 2
    images = rng.random((2, 31, 31), dtype=np.float32)
    amplitude, phase = (windows(image, positions, (6, 8)) for image in images)
    shifted = phase + rng.normal(size=(len(phase), 1, 1)).astype(np.float32)
    exact = stitched(positions, amplitude, phase)
    plain, synchronised = (
        stitched(positions, amplitude, shifted, level=level, tie=0.0) for level in ("scene", "synchronised")
    )
    error = synchronised.phase - exact.phase
    np.testing.assert_allclose(error, error.mean(), atol=2e-6)
    assert np.std(plain.phase - exact.phase) > 0.1


def test_every_block_is_stitched_from_its_own_patches_alone(stitched):
    rng = np.random.default_rng(4)
    positions, values = rng.integers(0, 30, (40, 2)), rng.random((2, 40, 8, 8), dtype=np.float32)
    blocks = {"first": np.arange(15), "last": np.arange(15, 40)}
    for name, places in blocks.items():
        part, alone = (
            stitched(positions, *values, blocks=blocks, block=name),
            stitched(positions[places], *values[:, places]),
        )
        assert part.origin == alone.origin
        np.testing.assert_array_equal(part.phase, alone.phase)


def test_patches_stitched_where_they_really_were_show_the_object_and_elsewhere_do_not(stitched):
    rng = np.random.default_rng(6)
    recorded = np.stack(np.mgrid[:8, :8], -1).reshape(-1, 2) * 4 + 5
    true = recorded + rng.integers(-2, 3, recorded.shape)
    images = rng.random((2, 50, 50), dtype=np.float32)
    patches = [windows(image, true, (12, 12)) for image in images]
    scenes = {at: stitched(recorded, *patches, true_positions=true, at=at) for at in ("recorded", "true")}
    frame = np.s_[5 : 33 + 12, 5 : 33 + 12]
    assert (
        scenes["true"].rectangle == scenes["recorded"].rectangle == frame
    )  # whichever way, scenes of a block lie on the same pixels
    covered = np.isfinite(scenes["true"].amplitude)
    assert covered.mean() > 0.95
    np.testing.assert_allclose(scenes["true"].amplitude[covered], images[0][frame][covered], atol=1e-6)
    assert np.abs(scenes["recorded"].amplitude - images[0][frame])[covered].mean() > 0.1


def test_scene_carries_the_normalisation_and_describes_itself(tmp_path, make_split):
    with create_patches(tmp_path / "patches.h5", make_split([[3, 5]], (2, 2)), NORMALISATION) as arrays:
        arrays[0][:] = arrays[1][:] = 0.5
    stitch(tmp_path / "patches.h5", "uniform", tmp_path / "scene.h5")
    assert read_scene(tmp_path / "scene.h5", "scan").normalisation == NORMALISATION
    with h5py.File(tmp_path / "scene.h5") as file:
        assert all({"units", "axes"} <= set(array.attrs) for array in file["scan"].values())
    with pytest.raises(InputError, match="no scene of the block 'strip', it holds scan"):
        read_scene(tmp_path / "scene.h5", "strip")
    with pytest.raises(InputError, match="no scenes of the level 'pattern', only of scene and synchronised"):
        read_scene(tmp_path / "scene.h5", "scan", "pattern")
    with pytest.raises(InputError, match="positions 'nominal' are unknown, allowed are recorded and true"):
        stitch(tmp_path / "patches.h5", "uniform", tmp_path / "scene.h5", at="nominal")


def test_sums_are_those_of_patch_by_patch_to_the_bit():
    rng = np.random.default_rng(7)
    corners, channels = rng.integers(0, 12, (60, 2)), rng.normal(size=(2, 60, 5, 7))
    sums, expected = np.zeros((2, 2, 16, 18))
    add_patches(sums, corners, channels)
    for (y, x), patch in zip(corners, channels.swapaxes(0, 1), strict=True):
        expected[:, y : y + 5, x : x + 7] += patch
    np.testing.assert_array_equal(sums, expected)


def test_sums_that_a_reshaped_copy_would_lose_are_refused():
    with pytest.raises(ValueError, match="must be contiguous"):
        add_patches(np.zeros((1, 16, 18))[:, 2:, 3:], np.zeros((1, 2), int), np.ones((1, 1, 5, 7)))


def test_unknown_weighting_is_refused():
    with pytest.raises(InputError, match="'cosine' is unknown, allowed are radial and uniform"):
        window_weights((4, 4), "cosine")


def test_a_scene_without_its_place_is_refused(tmp_path):
    with h5py.File(tmp_path / "scene.h5", "w") as file:
        file["scan/amplitude"] = file["scan/phase"] = np.zeros((3, 3))
    with pytest.raises(InputError, match="needs an 'origin'"):
        read_scene(tmp_path / "scene.h5", "scan")


def test_the_tie_and_the_choices_are_those_of_the_config():
    schema = yaml.safe_load((Path(__file__).parents[2] / "workflow/schemas/config.schema.yaml").read_text())
    stitching = schema["properties"]["stitching"]["properties"]
    assert stitching["tie"]["default"] == TIE
    assert tuple(stitching["phase"]["enum"]) == PHASES
    assert tuple(stitching["weighting"]["enum"]) == WEIGHTINGS
    assert schema["properties"]["evaluation"]["properties"]["block"]["enum"] == list(GRID_BLOCKS)
