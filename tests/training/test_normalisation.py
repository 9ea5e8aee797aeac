"""Training labels fill the range from 0 to 1, and nothing but training labels decides on it."""

import tracemalloc

import h5py
import numpy as np
import pytest

from ptychoformer.measurement.cxi import Scan
from ptychoformer.measurement.windows import windows
from ptychoformer.training.normalisation import (
    Normalisation,
    label_statistics,
    label_windows,
    training_normalisation,
)


def labels():
    rng = np.random.default_rng(0)
    return rng.uniform(0.6, 0.7, (5, 8, 8)).astype(np.float32), rng.uniform(2, 7, (5, 8, 8)).astype(np.float32)


def test_training_labels_fill_the_range_from_0_to_1():
    amplitude, phase = labels()
    normalisation = Normalisation.of(amplitude, phase)
    for scaled in (normalisation.normalised("amplitude", amplitude), normalisation.normalised("phase", phase)):
        assert scaled.min() == 0
        assert scaled.max() == 1
        assert scaled.dtype == np.float32


def test_the_map_is_linear_and_goes_on_beyond_the_training_labels():
    normalisation = Normalisation(0.5, 1.0, -3.0, 1.0)
    np.testing.assert_allclose(normalisation.normalised("amplitude", np.array([0.25, 0.75, 1.5])), [-0.5, 0.5, 2.0])
    np.testing.assert_allclose(normalisation.normalised("phase", np.array([-3.0, -1.0, 3.0])), [0.0, 0.5, 1.5])


def test_a_channel_without_contrast_is_zero():
    normalisation = Normalisation.of(np.ones((2, 4, 4)), labels()[1])
    np.testing.assert_array_equal(normalisation.normalised("amplitude", np.ones((4, 4))), 0)


def test_constants_survive_a_file(tmp_path):
    normalisation = Normalisation.of(*labels())
    with h5py.File(tmp_path / "file.h5", "w") as file:
        file.attrs.update(normalisation.as_attributes())
        assert Normalisation.from_attributes(file.attrs) == normalisation


def test_windows_are_cut_where_their_corners_are():
    image = np.arange(30).reshape(5, 6)
    corners = np.array([[0, 0], [3, 2], [1, 3]])
    expected = [image[y : y + 2, x : x + 3] for y, x in corners]
    np.testing.assert_array_equal(windows(image, corners, (2, 3)), expected)


@pytest.fixture
def scan():
    """Forty by forty windows of 32 pixels, one pixel and a jitter apart: a hundred times the labels
    that the object has pixels.
    """
    rng = np.random.default_rng(2)
    corners = np.indices((40, 40)).reshape(2, -1).T + rng.integers(0, 3, (1600, 2))
    images = rng.normal(size=(2, 80, 80)).astype(np.float32)
    return Scan(corners, corners, (40, 40), (32, 32), np.ones((32, 32), np.complex64), *images, 1e-9)


@pytest.mark.parametrize("indices", [np.arange(3, 1600, 7), np.array([5, 9])])
def test_constants_and_statistics_are_those_of_the_windows(scan, indices):
    labels = label_windows(scan, indices)
    scale = training_normalisation(scan, indices)
    assert scale == Normalisation.of(*labels)
    labels = scale.normalised("amplitude", labels[0]), scale.normalised("phase", labels[1])
    means, deviations = label_statistics(scan, indices, scale)
    np.testing.assert_allclose(means, [part.mean(dtype=float) for part in labels], rtol=1e-12)
    np.testing.assert_allclose(deviations, [part.std(dtype=float) for part in labels], rtol=1e-12)


def test_what_labels_have_in_common_is_found_in_the_memory_of_the_object(scan):
    scale = Normalisation(0.0, 1.0, 0.0, 1.0)
    for found in (training_normalisation, lambda *which: label_statistics(*which, scale)):
        tracemalloc.start()
        found(scan, np.arange(1600))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 10 * (scan.amplitude.nbytes + scan.phase.nbytes)
