"""Training labels fill the range from 0 to 1, and nothing but training labels decides on it."""

import h5py
import numpy as np

from ptychoformer.measurement.windows import windows
from ptychoformer.training.normalisation import Normalisation


def labels():
    rng = np.random.default_rng(0)
    return rng.uniform(0.6, 0.7, (5, 8, 8)).astype(np.float32), rng.uniform(2, 7, (5, 8, 8)).astype(np.float32)


def test_training_labels_fill_the_range_from_0_to_1():
    amplitude, phase = labels()
    normalisation = Normalisation.of(amplitude, phase)
    for scaled in (normalisation.amplitude(amplitude), normalisation.phase(phase)):
        assert scaled.min() == 0
        assert scaled.max() == 1
        assert scaled.dtype == np.float32


def test_the_map_is_linear_and_goes_on_beyond_the_training_labels():
    normalisation = Normalisation(0.5, 1.0, -3.0, 1.0)
    np.testing.assert_allclose(normalisation.amplitude(np.array([0.25, 0.75, 1.5])), [-0.5, 0.5, 2.0])
    np.testing.assert_allclose(normalisation.phase(np.array([-3.0, -1.0, 3.0])), [0.0, 0.5, 1.5])


def test_a_channel_without_contrast_is_zero():
    normalisation = Normalisation.of(np.ones((2, 4, 4)), labels()[1])
    np.testing.assert_array_equal(normalisation.amplitude(np.ones((4, 4))), 0)


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
