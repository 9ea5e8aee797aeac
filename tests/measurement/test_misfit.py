"""What an R factor is held against: counting noise, and an object without structure."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from ptychoformer.measurement.cxi import create_dataset
from ptychoformer.measurement.misfit import counting_noise, misfit_of_mean
from ptychoformer.measurement.options import Reading, ReconstructionOptions
from ptychoformer.measurement.reconstruct import reconstruct
from ptychoformer.measurement.windows import windows

SIDE, EVERYWHERE = 16, torch.ones(16, 16, dtype=torch.bool)


def roots(patterns):
    return torch.from_numpy(np.sqrt(patterns).astype(np.float32))


@pytest.mark.parametrize("photons", [0.01, 0.3, 2.0, 30.0, 1e4])
def test_counting_noise_alone_leaves_the_r_factor_that_is_computed(photons):
    random = np.random.default_rng(0)
    expected = photons * random.uniform(0.2, 1.8, (SIDE, SIDE))
    counts = random.poisson(expected, (4000, SIDE, SIDE))
    r_factor = np.abs(np.sqrt(counts) - np.sqrt(expected)).sum() / np.sqrt(counts).sum()
    assert counting_noise(roots(counts), EVERYWHERE) == pytest.approx(r_factor, rel=0.02)


def test_of_much_light_noise_is_a_half_of_the_mean_modulus_of_a_normal_number():
    amplitudes = torch.full((3, SIDE, SIDE), 1000.0)
    assert counting_noise(amplitudes, EVERYWHERE) == pytest.approx(np.sqrt(2 / np.pi) / 2 / 1000, rel=2e-3)


def test_the_mean_explains_patterns_that_are_alike_and_half_of_those_that_are_dark_in_turn():
    assert misfit_of_mean(torch.full((4, SIDE, SIDE), 3.0), EVERYWHERE) == pytest.approx(0, abs=1e-6)
    turns = torch.zeros(4, SIDE, SIDE)
    turns[::2] = 2.0
    # The mean has sqrt(2), which is 2 - sqrt(2) and sqrt(2) away from what was recorded.
    assert misfit_of_mean(turns, EVERYWHERE) == pytest.approx(1.0)


def test_bad_pixels_count_in_neither():
    random, good = np.random.default_rng(1), EVERYWHERE.clone()
    good[:4] = False
    amplitudes = roots(random.poisson(5.0, (50, SIDE, SIDE)))
    dirty = amplitudes.clone()
    dirty[:, :4] = roots(random.poisson(5e4, (50, 4, SIDE)))
    for r_factor in (counting_noise, misfit_of_mean):
        assert r_factor(dirty, good) == r_factor(amplitudes, good)


@pytest.fixture
def said(tmp_path, capsys):
    """Reconstruct a scan of photons a pattern; positions may be of other patterns. Returns what was said."""

    def said(photons, in_order=True, scattering=0.6):
        random = np.random.default_rng(2)
        corners = np.indices((9, 9)).reshape(2, -1).T * 3 + random.integers(0, 2, (81, 2))
        y, x = np.indices((SIDE, SIDE)) - SIDE // 2
        probe = np.exp(-(y**2 + x**2) / 30 + 0.02j * (y**2 + x**2))
        probe = (probe * np.sqrt(photons / np.sum(np.abs(probe) ** 2))).astype(np.complex64)
        phase = gaussian_filter(random.normal(size=(48, 48)), 1.5)
        waves = probe * windows(np.exp(1j * scattering * phase / phase.std()), corners, (SIDE, SIDE))
        intensity = np.abs(np.fft.fftshift(np.fft.fft2(waves, norm="ortho"), axes=(1, 2))) ** 2
        told = corners.astype(float) if in_order else random.permutation(corners).astype(float)
        with create_dataset(tmp_path / "scan.cxi", window=(SIDE, SIDE), positions=told, probe=probe) as data:
            data[:] = random.poisson(intensity)
        options = ReconstructionOptions(iterations=20, averaged=10, positions_from=None)
        where = {"output": tmp_path / "object.h5", "convergence": tmp_path / "object.csv"}
        facts = reconstruct(tmp_path / "scan.cxi", Reading(), options, **where)
        return capsys.readouterr().err, facts["r_factor"]

    return said


@pytest.mark.parametrize("photons", [1e5, 3e3])
def test_of_an_object_that_explains_the_patterns_nothing_is_told(said, photons):
    assert "explains less than half" not in said(photons)[0]


@pytest.mark.parametrize("photons", [1e5, 1e4])
def test_an_object_that_hardly_explains_the_patterns_is_told(said, photons):
    told, r_factor = said(photons, in_order=False)
    assert r_factor < 1
    assert "the object explains less than half of how patterns differ from their mean, beyond counting noise" in told
