"""Two halves of a scan: what they share is found again, what they do not share is not."""

import numpy as np
import pytest
from scipy.ndimage import fourier_shift

from ptychoformer.errors import InputError
from ptychoformer.evaluation.reproducibility import agreement, lit_rectangle, without_holes

SIDE = 128
LIT = np.ones((SIDE, SIDE), bool)


def noise(random, shape=(SIDE, SIDE)):
    return random.standard_normal(shape) + 1j * random.standard_normal(shape)


def low_passed(image, cut_off):
    radius = np.hypot(np.fft.fftfreq(image.shape[0])[:, None], np.fft.fftfreq(image.shape[1]))
    return np.fft.ifft2(np.fft.fft2(image) * (radius <= cut_off))


def gauged(image, shift=(3.37, -1.72), slopes=(0.021, -0.013), factor=0.7 - 0.4j):
    """The same object to all patterns: another phase, phase ramp, place and brightness."""
    y, x = np.indices(image.shape)
    moved = np.fft.ifft2(fourier_shift(np.fft.fft2(image), shift))
    return factor * moved * np.exp(1j * (slopes[0] * y + slopes[1] * x))


def test_white_noise_resolves_nothing():
    random = np.random.default_rng(0)
    found = [agreement(1 + noise(random), 1 + noise(random), LIT) for _ in range(20)]
    resolved = np.array([each.resolved for each in found])
    assert all(each.crossed for each in found)
    assert resolved.max() <= 4 / SIDE  # within the first rings, which hold a dozen coefficients
    assert np.mean(resolved == 0) >= 0.7


@pytest.mark.parametrize("cut_off", [0.1, 0.25, 0.4])
@pytest.mark.parametrize("change", [lambda image: image, gauged], ids=["as it is", "in another gauge"])
def test_a_band_limited_object_is_resolved_up_to_its_limit(cut_off, change):
    random = np.random.default_rng(1)
    truth = 3 + low_passed(noise(random), cut_off)
    first, second = (truth + 0.05 * noise(random) for _ in range(2))
    found = agreement(first, change(second), LIT)
    assert found.crossed
    # The window spreads a coefficient over its neighbour, and a ring is one coefficient wide.
    assert found.resolved == pytest.approx(cut_off, abs=2 / SIDE)


@pytest.mark.parametrize("shape", [(128, 128), (97, 140)])
def test_a_copy_is_not_crossed_within_the_band(shape):
    random = np.random.default_rng(2)
    thing = 3 + noise(random, shape)
    found = agreement(thing, 2j * thing, np.ones(shape, bool))
    assert not found.crossed
    assert found.resolved == found.frequency[-1]
    np.testing.assert_allclose(found.correlation, 1)


def test_the_shift_between_two_halves_is_found():
    thing = 3 + low_passed(noise(np.random.default_rng(3)), 0.3)
    assert agreement(thing, gauged(thing, shift=(2.4, -3.1)), LIT).shift == pytest.approx((-2.4, 3.1), abs=0.02)


def smooth(random, side):
    """An object of phase alone, whose power falls as those of cells and soft matter do."""
    radius = np.maximum(np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side)), 1 / side)
    phase = np.fft.ifft2(np.fft.fft2(random.standard_normal((side, side))) / radius**1.8).real
    return np.exp(0.5j * (phase - phase.mean()) / phase.std())


@pytest.mark.parametrize("shift", [(0, 0), (0.4, -0.3), (3.4, 2.2), (-9.4, 7.2)])
@pytest.mark.parametrize(("level", "accuracy"), [(0.02, 0.2), (0.1, None)])
def test_a_smooth_object_is_resolved_as_well_wherever_the_halves_lie(shift, level, accuracy):
    random = np.random.default_rng(8)
    there, place = smooth(random, 3 * SIDE), np.s_[SIDE : 2 * SIDE, SIDE : 2 * SIDE]
    first, second = (there[place] + level * noise(random) for _ in range(2))
    moved = gauged(there, shift, slopes=(0, 0), factor=1)[place] + second - there[place]
    brought_back = gauged(moved, np.negative(shift), slopes=(0, 0), factor=1)
    found = agreement(first, gauged(moved, shift=(0, 0)), LIT)
    assert found.resolved == pytest.approx(agreement(first, brought_back, LIT).resolved, abs=0.5 / SIDE)
    if accuracy and shift != (0, 0):
        assert found.shift == pytest.approx(np.negative(shift), abs=accuracy)


def test_different_smooth_objects_are_seldom_taken_for_one():
    """A way more to bring them together would find a likeness in most pairs."""
    random = np.random.default_rng(9)
    resolved = [agreement(smooth(random, SIDE), smooth(random, SIDE), LIT).resolved for _ in range(40)]
    assert np.mean(np.equal(resolved, 0)) >= 0.35
    assert np.mean(resolved) <= 2 / SIDE


def test_less_noise_resolves_more():
    """Of an object whose power falls with the frequency, as most do."""
    random = np.random.default_rng(4)
    radius = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.fftfreq(SIDE))
    truth = 3 + np.fft.ifft2(np.fft.fft2(noise(random)) / (1 + (radius / 0.05) ** 2))
    resolved = [
        agreement(*(truth + level * noise(random) for _ in range(2)), LIT).resolved for level in (0.3, 0.1, 0.03)
    ]
    assert resolved == sorted(resolved)
    assert np.diff(resolved).min() > 0.03


def test_noise_around_what_is_lit_is_not_compared():
    random = np.random.default_rng(5)
    truth, y, x = 3 + low_passed(noise(random), 0.25), *np.indices((SIDE, SIDE))
    lit = np.hypot(y - 64, x - 64) < 60
    halves = [np.where(lit, truth + 0.05 * noise(random), noise(random)) for _ in range(2)]
    found = agreement(*halves, lit)
    assert found.resolved == pytest.approx(0.25, abs=3 / min(found.rectangle))


def test_halves_whose_traces_of_the_raster_agree_half_a_step_away_are_compared_in_place():
    random = np.random.default_rng(6)
    truth, traces = 3 + low_passed(noise(random), 0.1), 0.5 * np.cos(2 * np.pi * 18 / SIDE * np.arange(SIDE))
    found = agreement(*(truth + sign * traces + 0.05 * noise(random) for sign in (1, -1)), LIT)
    assert found.resolved == pytest.approx(0.1, abs=2 / SIDE)
    assert found.shift == (0, 0)


def test_what_is_dim_amid_light_is_compared_and_what_is_dark_is_not():
    light = np.ones((60, 60))
    light[20:24, 20:24], light[40:44, 40:44], light[:, :5] = 0.05, 0.01, 0.05
    expected = np.ones((60, 60), bool)
    expected[40:44, 40:44] = expected[:, :5] = False
    np.testing.assert_array_equal(without_holes(light), expected)


@pytest.mark.parametrize(
    ("rows", "columns"), [(slice(0, 50), slice(0, 60)), (slice(10, 21), slice(3, 60)), (slice(5, 45), slice(30, 41))]
)
def test_the_lit_rectangle_of_a_rectangle_is_itself(rows, columns):
    lit = np.zeros((50, 60), bool)
    lit[rows, columns] = True
    assert lit_rectangle(lit) == (rows, columns)


def test_the_lit_rectangle_of_a_disc_is_a_square_within():
    y, x = np.indices((101, 101)) - 50
    disc = np.hypot(y, x) <= 45
    place = lit_rectangle(disc)
    assert disc[place].all()
    assert disc[place].shape == pytest.approx((64, 64), abs=3)


def test_halves_of_a_scan_that_lights_too_little_are_refused():
    lit = np.zeros((64, 64), bool)
    lit[10:17, 10:50] = True
    with pytest.raises(InputError, match="lights no part of the object of 8 x 8 pixels throughout"):
        agreement(np.ones((64, 64)), np.ones((64, 64)), lit)
