"""Perfect patches stitch to the exact scene, wherever they lie."""

import tempfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptychoformer.errors import InputError
from ptychoformer.evaluation import patches as contract
from ptychoformer.evaluation.patches import create_patches
from ptychoformer.evaluation.stitch import CORNER_WEIGHT, read_scene, stitch, window_weights
from ptychoformer.measurement.windows import windows
from ptychoformer.training.normalisation import Normalisation

NORMALISATION = Normalisation(0.5, 1.0, -3.0, 1.0)


def stitched(positions, amplitude, phase, weighting="radial"):
    """The scene of patches (m, h, w) at positions (m, 2)."""
    with tempfile.TemporaryDirectory() as folder:
        file, scene = Path(folder, "patches.h5"), Path(folder, "scene.h5")
        with create_patches(file, np.arange(len(positions)), positions, amplitude.shape[1:], NORMALISATION) as arrays:
            arrays[0][:], arrays[1][:] = amplitude, phase
        stitch(file, weighting, scene)
        return read_scene(scene)


@settings(max_examples=25, deadline=None)
@given(
    corners=st.lists(st.tuples(st.integers(0, 25), st.integers(0, 23)), min_size=1, max_size=40),
    window=st.tuples(st.integers(1, 6), st.integers(1, 8)),
    weighting=st.sampled_from(["radial", "uniform"]),
)
def test_perfect_patches_give_back_the_exact_scene(corners, window, weighting):
    positions = np.array(corners)
    images = np.random.default_rng(0).random((2, 31, 31), dtype=np.float32)
    scene = stitched(positions, *(windows(image, positions, window) for image in images), weighting)

    covered = np.zeros((31, 31), bool)
    for y, x in corners:
        covered[y : y + window[0], x : x + window[1]] = True
    (top, left), (bottom, right) = positions.min(0), positions.max(0) + window
    assert scene.origin == (top, left)
    for found, image in zip((scene.amplitude, scene.phase), images, strict=True):
        np.testing.assert_allclose(found, np.where(covered, image, np.nan)[top:bottom, left:right], atol=1e-6)


def test_chunks_do_not_change_the_scene(monkeypatch):
    rng = np.random.default_rng(1)
    positions, values = rng.integers(0, 30, (50, 2)), rng.random((2, 50, 8, 8), dtype=np.float32)
    whole = stitched(positions, *values)
    monkeypatch.setattr(contract, "PIXELS_PER_CHUNK", 7 * 64)
    np.testing.assert_allclose(stitched(positions, *values).phase, whole.phase, atol=1e-6)


def test_overlapping_patches_are_averaged_by_their_weights():
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


def test_scene_carries_the_normalisation_and_describes_itself(tmp_path):
    with create_patches(tmp_path / "patches.h5", [0], [[3, 5]], (2, 2), NORMALISATION) as arrays:
        arrays[0][:] = arrays[1][:] = 0.5
    stitch(tmp_path / "patches.h5", "uniform", tmp_path / "scene.h5")
    assert read_scene(tmp_path / "scene.h5").normalisation == NORMALISATION
    with h5py.File(tmp_path / "scene.h5") as file:
        assert all({"units", "axes"} <= set(array.attrs) for array in file["scene"].values())


def test_unknown_weighting_is_refused():
    with pytest.raises(InputError, match="'cosine' is unknown, allowed are radial and uniform"):
        window_weights((4, 4), "cosine")


def test_a_scene_without_its_place_is_refused(tmp_path):
    with h5py.File(tmp_path / "scene.h5", "w") as file:
        file["scene/amplitude"] = file["scene/phase"] = np.zeros((3, 3))
    with pytest.raises(InputError, match="needs an 'origin'"):
        read_scene(tmp_path / "scene.h5")
