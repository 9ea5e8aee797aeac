"""A scan without a probe: how far out of focus its beam is, the patterns tell."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.ndimage import gaussian_filter

from ptychoformer.measurement import first_probe as module
from ptychoformer.measurement.cxi import create_dataset
from ptychoformer.measurement.first_probe import first_probe, in_focus, out_of_focus
from ptychoformer.measurement.options import Patterns, Reading, ReconstructionOptions
from ptychoformer.measurement.plausibility import probe_diameter
from ptychoformer.measurement.preparation import open_prepared
from ptychoformer.measurement.reconstruct import reconstruct
from ptychoformer.measurement.windows import windows
from ptychoformer.simulation.diffraction import diffraction
from ptychoformer.storage import open_hdf5

STAR = Path(os.environ.get("PTYCHOFORMER_DATA", "data"), "aps_siemens_star/siemens-star-small.npz.bz2")
CPU, SIDE = torch.device("cpu"), 64


def beam(curvature, photons=1e5):
    """A probe (64, 64) of a round aperture, out of focus by ``curvature``."""
    y, x = np.indices((SIDE, SIDE)) - SIDE // 2
    aperture = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(np.hypot(y, x) < SIDE / 5)))
    probe = out_of_focus(aperture, curvature)
    return probe * np.sqrt(photons / np.sum(np.abs(probe) ** 2))


def scan(probe, step=4.0, rows=12):
    """Patterns (n, h, w) with noise, positions (n, 2), and the object that they are of."""
    random = np.random.default_rng(0)
    corners = (np.indices((rows, rows)).reshape(2, -1).T + random.uniform(-0.3, 0.3, (rows**2, 2))) * step
    corners = np.rint(corners - corners.min(axis=0)).astype(int)
    absorbed, phase = (gaussian_filter(random.normal(size=corners.max(axis=0) + SIDE), 2) for _ in range(2))
    thing = (0.8 + 0.1 * absorbed / absorbed.std()) * np.exp(0.6j * phase / phase.std())
    return random.poisson(diffraction(probe * windows(thing, corners, (SIDE, SIDE)))).astype(np.float32), corners, thing


def amplitudes_of(patterns):
    return torch.from_numpy(np.sqrt(np.fft.ifftshift(patterns, axes=(1, 2))))


def found(patterns, corners):
    good = torch.ones(patterns.shape[1:], dtype=torch.bool)
    return first_probe(amplitudes_of(patterns), good, corners.astype(float), ReconstructionOptions(), CPU)


def likeness(one, other):
    """The largest modulus of the correlation of two probes, whatever their phase and place: 1 for the same."""
    spectra = np.fft.fft2(one) * np.fft.fft2(other).conj()
    return np.abs(np.fft.ifft2(spectra)).max() / (np.linalg.norm(one) * np.linalg.norm(other))


@pytest.mark.parametrize("curvature", [0.0, 150.0, -150.0])
def test_a_probe_out_of_focus_has_the_same_amplitude_on_the_detector(curvature):
    probe = beam(0)
    moved = out_of_focus(probe, curvature)
    assert_allclose(
        np.abs(np.fft.fft2(moved)), np.abs(np.fft.fft2(probe)), atol=1e-3 * np.abs(np.fft.fft2(probe)).max()
    )
    assert likeness(out_of_focus(moved, -curvature), probe) == pytest.approx(1, abs=1e-5)


def test_a_probe_in_focus_has_the_amplitude_of_the_patterns():
    probe = beam(0)
    patterns = diffraction(np.repeat(probe[None], 3, axis=0))
    assert likeness(in_focus(amplitudes_of(patterns)), probe) > 0.999


def test_no_bright_pattern_alone_decides_the_shape_of_a_probe_in_focus():
    random = np.random.default_rng(2)
    patterns = random.random((5, SIDE, SIDE))
    patterns *= 100 / patterns.sum(axis=(1, 2), keepdims=True)
    uneven = patterns * np.array([1, 1, 1, 0.01, 1e4])[:, None, None]
    probe = in_focus(amplitudes_of(uneven))
    assert_allclose(probe, in_focus(amplitudes_of(patterns)), atol=1e-4)
    assert np.sum(np.abs(probe) ** 2) == pytest.approx(100, rel=1e-4)


def test_low_frequencies_of_a_scan_see_wider_pixels_and_the_same_phase(monkeypatch):
    """Of a window twice as wide as what is looked at."""
    random, seen = np.random.default_rng(3), []
    amplitudes = torch.from_numpy(random.random((9, 2 * SIDE, 2 * SIDE), np.float32))
    corners = np.indices((3, 3)).reshape(2, -1).T * 10.0 + 4
    monkeypatch.setattr(module, "_misfit", lambda *scan: seen.append(scan) or 1.0)
    first_probe(amplitudes, torch.ones(2 * SIDE, 2 * SIDE, dtype=torch.bool), corners, ReconstructionOptions(), CPU)
    low = np.fft.fftfreq(SIDE, 1 / SIDE).astype(int)
    for (few, _, positions, curvature, *_), whole in zip(seen, module._curvatures(in_focus(amplitudes)), strict=True):
        np.testing.assert_array_equal(few, amplitudes[:, low][:, :, low])
        assert_allclose(positions, (corners - 4) / 2)
        wide = np.zeros((2 * SIDE, 2 * SIDE), complex)
        wide[0, 0] = 1.0  # of an even spectrum
        spectrum = np.fft.fft2(out_of_focus(wide, whole))[np.ix_(low, low)]
        assert_allclose(np.fft.fft2(out_of_focus(wide[:SIDE, :SIDE], curvature)), spectrum, atol=1e-4)


@pytest.mark.parametrize(
    "curvature", [150.0, -450.0, *(pytest.param(more, marks=pytest.mark.slow) for more in (-150.0, 300.0))]
)
def test_what_is_out_of_focus_is_found_with_its_sign(curvature):
    probe = beam(curvature)
    patterns, corners, _ = scan(probe)
    first = found(patterns, corners)
    assert likeness(first, probe) > 0.6
    assert likeness(first, beam(-curvature)) < 0.6


def test_what_is_in_focus_stays_so():
    patterns, corners, _ = scan(beam(0), step=1.5)
    assert likeness(found(patterns, corners), beam(0)) > 0.9


def test_a_beam_stop_over_all_low_frequencies_leaves_the_beam_in_focus():
    random = np.random.default_rng(0)
    amplitudes = torch.from_numpy(random.random((9, 96, 96), np.float32))
    good = torch.zeros(96, 96, dtype=torch.bool)
    good[48] = True  # beyond what is looked at
    corners = np.indices((3, 3)).reshape(2, -1).T * 5.0
    first = first_probe(amplitudes, good, corners, ReconstructionOptions(), CPU)
    np.testing.assert_array_equal(first, in_focus(amplitudes))


def written(path, patterns, corners, probe=None, mask=None):
    with create_dataset(path, window=(SIDE, SIDE), positions=corners, probe=probe, mask=mask) as data:
        data[:] = patterns
    return path


def reconstructed(path, tmp_path, **options):
    settings = replace(ReconstructionOptions(iterations=25, averaged=10, positions_from=None), **options)
    where = {"output": tmp_path / "object.h5", "convergence": tmp_path / "object.csv"}
    facts = reconstruct(path, Reading(), settings, **where)
    with open_hdf5(where["output"]) as file:
        return facts["r_factor"], file["probe/wavefield"][:]


def test_without_a_probe_the_object_is_found_as_with_one(tmp_path):
    probe = beam(-300.0)
    patterns, corners, _ = scan(probe)
    with_one, _ = reconstructed(written(tmp_path / "one.cxi", patterns, corners, probe), tmp_path)
    without, refined = reconstructed(written(tmp_path / "none.cxi", patterns, corners), tmp_path)
    assert without < 1.1 * with_one
    assert likeness(refined, probe) > 0.9


def test_masked_pixels_tell_nothing_of_the_probe(tmp_path):
    probe = beam(-300.0)
    patterns, corners, _ = scan(probe)
    mask = np.zeros((SIDE, SIDE), bool)
    mask[5:9, 5:9] = True
    patterns[:, mask] = 1e6 * np.random.default_rng(1).random((len(patterns), mask.sum()))
    _, refined = reconstructed(written(tmp_path / "scan.cxi", patterns, corners, mask=mask), tmp_path)
    assert likeness(refined, probe) > 0.9


def test_a_probe_narrower_than_the_step_is_told(tmp_path, capsys):
    patterns, corners, _ = scan(beam(0), step=12.0, rows=6)
    reconstructed(written(tmp_path / "scan.cxi", patterns, corners, beam(0).astype(np.complex64)), tmp_path)
    assert "pixels across, narrower than the step of" in capsys.readouterr().err


@pytest.mark.skipif(not STAR.exists(), reason="no data")
def test_a_measured_scan_needs_no_probe():
    with open_prepared(STAR, Reading(), Patterns(crop=64)) as star:
        patterns, corners, recorded = np.concatenate([*star.frames(1024)]), star.positions, star.probe
    first = found(patterns, corners)
    assert likeness(first, recorded) > 2 * likeness(in_focus(amplitudes_of(patterns)), recorded)
    assert probe_diameter(first) == pytest.approx(probe_diameter(recorded), rel=0.4)
