"""The generated object against the physics of magnetic films in the electron microscope."""

import numpy as np
import pytest
from scipy import constants, ndimage

from ptychoformer.errors import InputError
from ptychoformer.measurement.cxi import Optics
from ptychoformer.simulation.permalloy import flux_closure, interaction_constant, layout, magnetic_phase, permalloy

OPTICS = Optics(wavelength=2.508e-12, pixel_size=5e-9, distance=1.0)
SLOPE = constants.e * 1.0 * 10e-9 / constants.hbar * OPTICS.pixel_size  # radians per pixel of a film of 10 nm and 1 T
SHAPES = [(64, 64), (128, 128), (192, 256), (512, 512), (700, 300)]


def kind_of(feature: np.ndarray) -> str:
    """Read off one connected feature in its bounding box."""
    height, width = feature.shape
    if not feature.all():
        return "corner"
    return "square" if height == width else "row" if width > height else "column"


@pytest.mark.parametrize(("voltage", "expected"), [(100e3, 0.00924), (200e3, 0.00729), (300e3, 0.00653)])
def test_interaction_constant_is_the_tabulated_one(voltage, expected):
    energy = constants.e * voltage
    momentum = np.sqrt(2 * constants.m_e * energy * (1 + energy / (2 * constants.m_e * constants.c**2)))
    assert interaction_constant(constants.h / momentum) * 1e-9 == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("along_x", [True, False])
def test_a_uniform_strip_has_the_phase_slope_of_its_flux(along_x):
    length, width = 768, 12
    magnetisation = np.zeros((2, length, length))
    strip = slice((length - width) // 2, (length + width) // 2)
    if along_x:
        magnetisation[1, strip] = 1
    else:
        magnetisation[0, :, strip] = 1
    phase = magnetic_phase(magnetisation, 10e-9, 1.0, OPTICS.pixel_size)
    across = phase[380:388, 384] if along_x else phase[384, 380:388]
    # The poles at the ends of a finite strip take the fraction 2/pi atan(width / length) from the flux at its centre.
    expected = SLOPE * (1 - 2 / np.pi * np.arctan(width / length))
    # The Lorentz force -e v x B deflects electrons along z towards -y for B along x, towards x for B along y.
    np.testing.assert_allclose(np.diff(across), -expected if along_x else expected, rtol=0.003)


@pytest.mark.parametrize("axis", [0, 1])
def test_a_phase_counts_from_the_vacuum_opposite_to_the_film(axis):
    """A film that is magnetised evenly looks the same turned upside down but for the sign of its flux, and so does its
    phase only if it counts from where both ends of the film are equally far.
    """
    magnetisation = np.zeros((2, 81, 121))
    magnetisation[axis] = 1
    phase = magnetic_phase(magnetisation, 10e-9, 1.0, OPTICS.pixel_size)
    np.testing.assert_allclose(phase, -phase[::-1, ::-1], atol=0.01 * np.abs(phase).max())


@pytest.mark.parametrize("chirality", [-1, 1])
def test_a_flux_closure_square_has_a_pyramid_of_phase_and_no_stray_field(chirality):
    square = np.zeros((160, 160), bool)
    square[40:101, 40:101] = True
    magnetisation = flux_closure(square, seed=0)
    magnetisation *= chirality
    phase = magnetic_phase(magnetisation, 10e-9, 1.0, OPTICS.pixel_size)
    peak = SLOPE * 61 / 2
    assert np.abs(phase[~ndimage.binary_dilation(square)]).max() < 0.01 * peak
    assert np.abs(phase).argmax() == np.ravel_multi_index((70, 70), phase.shape)
    assert np.abs(phase[70, 70]) == pytest.approx(peak, rel=0.03)


def test_flux_closure_is_a_unit_vector_field_tangential_at_the_edges():
    features = layout((128, 128), 0)
    magnetisation = flux_closure(features, 0)
    length = np.hypot(*magnetisation)
    assert not length[~features].any()
    np.testing.assert_allclose(length[features & (length > 0)], 1)
    assert (length[features] > 0).mean() > 0.75
    bar = np.zeros((30, 60), bool)
    bar[10:20, 10:50] = True
    normal = flux_closure(bar, 0)[0]
    assert not normal[10, 20:40].any()
    assert not normal[19, 20:40].any()


def test_chirality_is_drawn_for_every_feature():
    features = layout((512, 512), 0)
    labels, count = ndimage.label(features)
    phase = magnetic_phase(flux_closure(features, 0), 10e-9, 1.0, OPTICS.pixel_size)
    up = ndimage.mean(phase, labels, range(1, count + 1)) > 0
    assert 0.3 < up.mean() < 0.7


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", range(3))
def test_layout_is_even_and_shows_every_kind_above_the_test_block(shape, seed):
    features = layout(shape, seed)
    assert features.shape == shape
    assert features.mean() == pytest.approx(0.25, abs=0.06)
    test_rows, test_columns = shape[0] - shape[0] // 5, shape[1] // 5
    assert features[test_rows:, :test_columns].mean() > 0.05
    labels, _ = ndimage.label(features)
    boxes = enumerate(ndimage.find_objects(labels), start=1)
    above = [kind_of(labels[box] == label) for label, box in boxes if box[0].stop <= test_rows]
    assert set(above) == {"square", "corner", "row", "column"}


def test_feature_sizes_span_a_decade():
    labels, _ = ndimage.label(layout((512, 512), 0))
    sides = np.array([[side.stop - side.start for side in box] for box in ndimage.find_objects(labels)])
    assert sides.min() >= 6
    assert 45 <= sides.max() <= 85


def test_a_seed_is_a_layout():
    np.testing.assert_array_equal(layout((128, 128), 5), layout((128, 128), 5))
    assert (layout((128, 128), 5) != layout((128, 128), 6)).any()


def test_a_film_absorbs_and_retards_by_its_thickness():
    amplitude, phase = permalloy(
        (128, 128), 0, OPTICS, thickness=20e-9, induction=0, mean_inner_potential=25, absorption_length=50e-9
    )
    metal = layout((128, 128), 0)
    np.testing.assert_allclose(amplitude, np.where(metal, np.exp(-0.2), 1))
    np.testing.assert_allclose(phase, np.where(metal, interaction_constant(2.508e-12) * 25 * 20e-9, 0), atol=1e-12)


def test_the_phase_has_the_range_of_the_paper_s_object():
    _, phase = permalloy(
        (512, 512), 0, OPTICS, thickness=10e-9, induction=1, mean_inner_potential=26, absorption_length=100e-9
    )
    assert 3 < np.ptp(phase) < 6


def test_too_small_a_layout_is_refused():
    with pytest.raises(InputError, match="each side must have at least 64 pixels"):
        layout((63, 200), 0)
