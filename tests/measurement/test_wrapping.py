"""A phase of more than 2 pi: its jumps are told, and taken out when asked for, down to the labels of a network."""

from dataclasses import replace

import h5py
import numpy as np
import pytest

from ptychoformer.measurement.cxi import Optics, create_dataset, read_scan
from ptychoformer.measurement.labelled import make_labelled
from ptychoformer.measurement.options import Patterns, Reading, ReconstructionOptions
from ptychoformer.measurement.reconstruct import reconstruct
from ptychoformer.measurement.windows import windows
from ptychoformer.measurement.wrapping import at_pixels, told_phase, unwrapped, with_turns_of, wrapped_phase
from ptychoformer.simulation.diffraction import diffraction

OPTIONS = ReconstructionOptions(
    engine="rpie", regularisation=0.3, iterations=40, momentum=0.0, averaged=5, probe_from=None, positions_from=None
)
Y, X = np.indices((60, 70), float)
HILL = 9 * np.exp(-((Y - 30) ** 2 + (X - 32) ** 2) / 300)
EVERYWHERE = np.ones(HILL.shape, bool)


def wrapped(phase):
    return np.angle(np.exp(1j * phase))


def test_what_lets_no_light_through_beside_the_rest_of_what_is_lit_tells_no_phase():
    """However bright the object was made where no light tells anything of it."""
    amplitude, light = np.full(HILL.shape, 100.0), np.zeros(HILL.shape)
    light[:, :20], amplitude[:, :20] = 1, 1
    amplitude[30, 5], amplitude[30, 9] = 0.05, 0.2
    expected = light > 0
    expected[30, 5] = False
    np.testing.assert_array_equal(told_phase(amplitude, light), expected)


@pytest.mark.parametrize(
    "phase", [HILL, -HILL, 0.3 * X + 0.2 * Y, 40 + HILL], ids=["hill", "valley", "wedge", "offset"]
)
def test_a_smooth_phase_is_found_but_for_a_constant(phase):
    found = unwrapped(wrapped(phase), EVERYWHERE)
    turns = (found - phase) / (2 * np.pi)
    np.testing.assert_allclose(turns, np.rint(turns[0, 0]), atol=1e-6)
    assert abs(found.mean()) <= np.pi
    assert wrapped_phase(wrapped(phase), EVERYWHERE)
    assert not wrapped_phase(found, EVERYWHERE)


def test_the_mean_of_what_is_told_is_nearest_to_zero_however_little_that_is():
    told, wedge = X < 10, 2.5 * X
    found = unwrapped(wrapped(wedge), told)
    assert np.ptp(found[told]) == pytest.approx(22.5)
    assert abs(found[told].mean()) <= np.pi


def test_what_does_not_wrap_stays_as_it_is():
    phase = HILL / 4
    np.testing.assert_allclose(unwrapped(phase, EVERYWHERE), phase, atol=1e-6)
    assert wrapped_phase(phase, EVERYWHERE) == ""


def test_jumps_are_told_with_their_place():
    phase = np.zeros((20, 30))
    phase[5:9, 10:14] = 4.0
    assert wrapped_phase(phase, np.ones(phase.shape, bool)).endswith("at 15 pixels in rows 4 to 8, columns 9 to 13")


def test_noise_in_the_dark_neither_wraps_nor_is_unwrapped():
    amplitude, light = np.ones(HILL.shape), np.ones(HILL.shape)
    amplitude[:, :10], light[:10] = 0.01, 0.01
    told, noise = told_phase(amplitude, light), np.random.default_rng(0).uniform(-np.pi, np.pi, HILL.shape)
    np.testing.assert_array_equal(told, (Y >= 10) & (X >= 10))
    phase = np.where(told, wrapped(HILL), noise)
    found = unwrapped(phase, told)
    assert wrapped_phase(phase, told)
    assert not wrapped_phase(found, told)
    np.testing.assert_array_equal(found[~told], noise[~told].astype(np.float32))


def test_turns_are_those_of_the_same_places_at_other_pixels():
    coarse_y, coarse_x = np.indices((30, 35)) / 0.5
    coarse = 9 * np.exp(-((coarse_y - 30) ** 2 + (coarse_x - 32) ** 2) / 300)
    np.testing.assert_allclose(with_turns_of(wrapped(coarse), HILL, 0.5), coarse, atol=1e-9)


def test_an_image_at_finer_pixels_is_linear_between_its_own_and_goes_on_beyond_them():
    found = at_pixels(2 * X + Y, (120, 140), 2.0)
    y, x = np.indices((120, 140)) / 2
    np.testing.assert_allclose(found, 2 * np.minimum(x, 69) + np.minimum(y, 59))


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    """A scan of a hill of 9 radians with a known probe."""
    corners = np.indices((8, 10)).reshape(2, -1).T * 4
    y, x = np.indices((32, 32)) - 16
    probe = (50 * np.exp(-(y**2 + x**2) / 60 + 0.02j * (y**2 + x**2))).astype(np.complex64)
    path = tmp_path_factory.mktemp("wrapped") / "scan.cxi"
    optics = Optics(wavelength=1e-10, pixel_size=1e-8, distance=2.0)
    with create_dataset(path, window=(32, 32), positions=corners.astype(float), probe=probe, optics=optics) as patterns:
        patterns[:] = diffraction(probe * windows(np.exp(1j * HILL), corners, (32, 32)))
    return path


@pytest.mark.parametrize("unwrap", [False, True])
@pytest.mark.parametrize("crop", [32, 24])
def test_labels_of_an_unwrapped_object_do_not_jump(scan, tmp_path, capsys, unwrap, crop):
    made = dict(output=tmp_path / "object.h5", convergence=tmp_path / "object.csv")
    reconstruct(scan, Reading(), replace(OPTIONS, unwrap=unwrap), **made)
    said = capsys.readouterr().err
    assert ("object.h5: its phase jumps by more than pi between neighbouring pixels" in said) == (not unwrap)
    with h5py.File(made["output"]) as file:
        assert file.attrs["unwrapped"] == unwrap
        lit = file["object/light"][:] > 0.3 * file["object/light"][:].max()
        phase = file["object/phase"][:]
    assert (np.ptp(phase[lit]) > 2 * np.pi) == unwrap
    labels = dict(output=tmp_path / "dataset.cxi", object_output=tmp_path / "labels.h5")
    make_labelled(scan, Reading(), Patterns(crop), labels=None, reconstruction=made["output"], **labels)
    assert ("The labels of" in capsys.readouterr().err) == (not unwrap)
    if unwrap:
        found, factor = read_scan(labels["output"]), crop / 32
        middle = found.phase[int(24 * factor) : int(38 * factor), int(24 * factor) : int(40 * factor)]
        y, x = (int(24 * factor) + np.indices(middle.shape)) / factor
        truth = 9 * np.exp(-((y - 30) ** 2 + (x - 32) ** 2) / 300)
        difference = middle - truth
        np.testing.assert_allclose(difference, difference.mean(), atol=0.3)
