"""Diffraction and detector against what optics and statistics say."""

import numpy as np
import pytest
from scipy.special import j1

from ptychoformer.measurement.windows import windows
from ptychoformer.simulation.diffraction import detect, diffraction, exit_waves

IDEAL = {"efficiency": 1.0, "poisson": False, "read_noise": 0.0}
SHAPES = [(16, 16), (15, 17), (32, 24)]


def complex_normal(shape, seed=0, dtype=np.complex64):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(dtype)


def noise(seed=0):
    return dict(shot=np.random.default_rng(seed), readout=np.random.default_rng(seed + 1000))


def test_windows_are_the_object_at_the_corners():
    image = np.arange(80).reshape(8, 10)
    cut = windows(image, np.array([[0, 0], [5, 6], [2, 1]]), (3, 4))
    np.testing.assert_array_equal(cut, [image[0:3, 0:4], image[5:8, 6:10], image[2:5, 1:5]])


@pytest.mark.parametrize("shape", SHAPES)
def test_a_pattern_holds_the_photons_of_its_exit_wave(shape):
    waves = complex_normal((5, *shape))
    patterns = diffraction(waves)
    assert patterns.dtype == np.float32
    np.testing.assert_allclose(patterns.sum((1, 2)), (np.abs(waves) ** 2).sum((1, 2)), rtol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_zero_frequency_lies_at_the_centre(shape):
    pattern = diffraction(np.ones((1, *shape), np.complex64))[0]
    assert pattern.argmax() == np.ravel_multi_index((shape[0] // 2, shape[1] // 2), shape)
    assert pattern.max() == pytest.approx(shape[0] * shape[1])


def test_a_tilted_wave_moves_the_pattern_towards_positive_frequencies():
    tilted = np.exp(2j * np.pi * (3 * np.arange(16)[:, None] + 5 * np.arange(16)) / 16)[None]
    assert diffraction(tilted)[0].argmax() == np.ravel_multi_index((8 + 3, 8 + 5), (16, 16))


def test_a_round_aperture_gives_the_airy_pattern():
    size, radius, fine = 128, 12.0, 8
    # Pixels on the edge are grey in proportion to how much of them lies within.
    y, x = (np.indices((size * fine, size * fine)) + 0.5) / fine - size / 2
    disc = (np.hypot(y, x) < radius).reshape(size, fine, size, fine).mean((1, 3))
    pattern = diffraction(disc[None].astype(np.complex64))[0]
    q = np.hypot(*(np.indices((size, size)) - size // 2)) / size
    argument = 2 * np.pi * radius * q + 1e-9
    airy = (2 * j1(argument) / argument) ** 2
    np.testing.assert_allclose(pattern / pattern.max(), airy, atol=2e-3)
    first_ring = (argument > 4.2) & (argument < 6.2)
    np.testing.assert_allclose((pattern / pattern.max())[first_ring], airy[first_ring], rtol=0.05)


def test_full_coherence_is_the_plain_model():
    probe, objects = complex_normal((12, 12)), complex_normal((4, 12, 12), seed=1)
    np.testing.assert_array_equal(exit_waves(probe, objects, 1.0), probe * objects)


def test_no_coherence_leaves_the_probe_times_the_mean_object():
    probe, objects = complex_normal((12, 12)), complex_normal((4, 12, 12), seed=1)
    patterns = diffraction(exit_waves(probe, objects, 0.0))
    mean = np.abs(objects.mean((1, 2))) ** 2
    np.testing.assert_allclose(patterns, mean[:, None, None] * diffraction(probe[None]), rtol=2e-3, atol=1e-5)


@pytest.mark.parametrize("coherence", [0.2, 0.7])
def test_partial_coherence_is_equation_2(coherence):
    probe, objects = complex_normal((9, 9), dtype=complex), complex_normal((3, 9, 9), seed=1, dtype=complex)
    mean = objects.mean((1, 2))[:, None, None]
    wave = coherence * probe * objects + (1 - coherence) * probe * mean
    written_out = np.abs(np.fft.fftshift(np.fft.fft2(wave), axes=(1, 2))) ** 2 / 81
    np.testing.assert_allclose(diffraction(exit_waves(probe, objects, coherence)), written_out)


def test_threads_do_not_change_a_pattern():
    waves = complex_normal((40, 16, 16))
    np.testing.assert_array_equal(diffraction(waves, 1), diffraction(waves, 2))


@pytest.mark.parametrize("photons", [0.3, 4.0, 300.0])
@pytest.mark.parametrize("efficiency", [1.0, 0.6])
def test_photon_noise_has_the_mean_and_variance_of_poisson(photons, efficiency):
    counts = detect(
        np.full((40, 50, 50), photons, np.float32), IDEAL | {"poisson": True, "efficiency": efficiency}, **noise()
    )
    mean = efficiency * photons
    deviation = 5 * np.sqrt(mean / counts.size)
    assert counts.dtype == np.float32
    assert counts.mean() == pytest.approx(mean, abs=deviation)
    assert counts.var() == pytest.approx(mean, rel=0.03)
    np.testing.assert_array_equal(counts, np.round(counts))


@pytest.mark.parametrize("read_noise", [0.5, 3.0])
def test_read_noise_adds_its_variance_and_no_mean(read_noise):
    intensity = np.full((40, 50, 50), 7.0, np.float32)
    recorded = detect(intensity, IDEAL | {"read_noise": read_noise}, **noise())
    assert recorded.mean() == pytest.approx(7.0, abs=5 * read_noise / np.sqrt(recorded.size))
    assert recorded.var() == pytest.approx(read_noise**2, rel=0.03)


def test_both_noises_add_their_variances():
    recorded = detect(np.full((40, 50, 50), 9.0, np.float32), IDEAL | {"poisson": True, "read_noise": 4.0}, **noise())
    assert recorded.var() == pytest.approx(9 + 16, rel=0.03)


def test_without_noise_efficiency_scales_the_intensity():
    intensity = diffraction(complex_normal((3, 8, 8)))
    np.testing.assert_allclose(detect(intensity, IDEAL | {"efficiency": 0.4}, **noise()), 0.4 * intensity, rtol=1e-6)


def test_noise_does_not_depend_on_how_much_is_drawn_at_a_time():
    intensity = np.random.default_rng(0).uniform(0, 50, (7, 5, 5)).astype(np.float32)
    detector = IDEAL | {"poisson": True, "read_noise": 1.0}
    streams = noise()
    parts = [detect(part, detector, **streams) for part in np.split(intensity, [1, 3])]
    np.testing.assert_array_equal(np.concatenate(parts), detect(intensity, detector, **noise()))
