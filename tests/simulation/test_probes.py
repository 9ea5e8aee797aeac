"""Probes against Fourier optics."""

import h5py
import numpy as np
import pytest
from scipy.special import j1

from ptychoformer.errors import InputError
from ptychoformer.measurement.cxi import Optics
from ptychoformer.simulation.probes import aperture, make_probe, zone_plate

OPTICS = Optics(wavelength=2.508e-12, pixel_size=5e-9, distance=1.0)
ZONE_PLATE = {"kind": "zone_plate", "size": 32, "outer": 0.3, "stop": 0.012, "defocus": 6.3e-3}
APERTURE = {"kind": "aperture", "size": 32, "radius": 10.0, "defocus": 2e-4}
NPY = {"kind": "npy", "size": 8, "bin": 4}


def made(tmp_path, options, files=None):
    make_probe(options, OPTICS, files or {}, tmp_path / "probe.h5")
    with h5py.File(tmp_path / "probe.h5") as file:
        assert dict(file["probe"].attrs) == {"kind": options["kind"], "pixel_size": 5e-9}
        assert dict(file["probe/wavefield"].attrs) == {"units": "", "axes": "y,x"}
        return file["probe/wavefield"][:]


def radius_from_centre(size):
    return np.hypot(*(np.indices((size, size)) - size // 2))


@pytest.mark.parametrize(
    "options", [ZONE_PLATE, APERTURE, ZONE_PLATE | {"size": 33}, ZONE_PLATE | {"defocus": 0.0, "stop": 0.0}]
)
def test_a_probe_holds_one_photon_and_is_centred(tmp_path, options):
    probe = made(tmp_path, options)
    assert probe.shape == (options["size"],) * 2
    assert probe.dtype == np.complex64
    assert np.sum(np.abs(probe) ** 2) == pytest.approx(1, rel=1e-5)
    unpaired = 1 - len(probe) % 2  # the first line of an even grid has no mirror image
    odd = probe[unpaired:, unpaired:]
    np.testing.assert_allclose(np.abs(odd), np.abs(odd[::-1, ::-1]), atol=1e-6)
    np.testing.assert_allclose(probe, probe.T, atol=1e-6)


def test_the_default_probe_fills_its_window(tmp_path):
    amplitude = np.abs(made(tmp_path, ZONE_PLATE))
    assert amplitude.min() > 0.25 * amplitude.max()


@pytest.mark.parametrize("outer", [0.25, 0.5])
def test_in_focus_an_open_pupil_gives_the_airy_wave(outer):
    wave = zone_plate(48, outer, 0.0, 0.0, OPTICS).real
    x = np.pi * outer * radius_from_centre(48) + 1e-9
    np.testing.assert_allclose(wave / wave.max(), 2 * j1(x) / x, atol=0.01)


def test_in_focus_a_central_stop_subtracts_its_own_airy_wave():
    x = np.pi * radius_from_centre(48) + 1e-9
    annulus = (0.5 * j1(0.5 * x) - 0.25 * j1(0.25 * x)) / x
    wave = zone_plate(48, 0.5, 0.25, 0.0, OPTICS).real
    np.testing.assert_allclose(wave / wave.max(), annulus / annulus.max(), atol=0.02)


@pytest.mark.parametrize("defocus", [1e-3, -1e-3])
def test_out_of_focus_the_beam_is_the_shadow_of_the_pupil(defocus):
    intensity = np.abs(zone_plate(128, 0.8, 0.4, defocus, OPTICS)) ** 2
    shadow = OPTICS.wavelength * abs(defocus) * 0.8 / (2 * OPTICS.pixel_size**2)
    r = radius_from_centre(128) / shadow
    ring = (r > 0.4) & (r < 1.1)
    assert intensity[ring].sum() > 0.92 * intensity.sum()
    assert intensity[r < 0.4].mean() < 0.1 * intensity[(r > 0.6) & (r < 0.9)].mean()


@pytest.mark.parametrize("defocus", [1e-3, -1e-3])
def test_behind_its_focus_a_beam_spreads(defocus):
    """Its phase is that of a spherical wave, pi r^2 / (lambda defocus), so that it rises outwards behind the focus and
    falls before it: waves run as exp(+ikz), as they do where metal raises the phase of electrons.
    """
    beam = zone_plate(128, 0.8, 0.0, defocus, OPTICS)
    rays = np.unwrap(np.angle(beam[64, 64:92]))
    r = np.arange(28) * OPTICS.pixel_size
    slope = np.polyfit(r**2, rays, 1)[0]
    assert slope == pytest.approx(np.pi / (OPTICS.wavelength * defocus), rel=0.02)


def test_an_aperture_is_a_disc_with_a_soft_edge():
    disc = aperture(48, 10.0, 0.0, OPTICS)
    r = radius_from_centre(48)
    np.testing.assert_allclose(disc[r < 7], 1, atol=1e-3)
    np.testing.assert_allclose(disc[r > 13], 0, atol=1e-3)
    np.testing.assert_allclose(disc[24, [14, 34]], 0.5, atol=1e-6)


def test_free_space_keeps_the_light_of_an_aperture():
    energy = [np.sum(np.abs(aperture(96, 10.0, defocus, OPTICS)) ** 2) for defocus in (0.0, 5e-4)]
    assert energy[1] == pytest.approx(energy[0], rel=0.01)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (ZONE_PLATE | {"stop": 0.3}, "must be smaller than its outer radius, found stop 0.3, outer 0.3"),
        (
            ZONE_PLATE | {"defocus": 1.0},
            r"defocus: at 1 m the probe is too wide for a window of 32 pixels; it must be within 0\.0085",
        ),
        (APERTURE | {"defocus": -1.0}, "defocus: at -1 m the probe is too wide"),
        (APERTURE | {"kind": "laser"}, "no kind 'laser'"),
    ],
)
def test_options_that_make_no_probe_are_named(tmp_path, options, reason):
    with pytest.raises(InputError, match=reason):
        make_probe(options, OPTICS, {}, tmp_path / "probe.h5")
    assert not (tmp_path / "probe.h5").exists()


def test_a_stored_probe_is_averaged_over_blocks(tmp_path):
    rng = np.random.default_rng(0)
    stored = rng.normal(size=(32, 32)) + 1j * rng.normal(size=(32, 32))
    np.save(tmp_path / "probe.npy", stored)
    probe = made(tmp_path, NPY, {"probe": tmp_path / "probe.npy"})
    by_hand = np.array([[stored[4 * y : 4 * y + 4, 4 * x : 4 * x + 4].mean() for x in range(8)] for y in range(8)])
    np.testing.assert_allclose(probe, by_hand / np.linalg.norm(by_hand), rtol=1e-5)


@pytest.mark.parametrize(
    ("stored", "reason"),
    [
        (np.ones((2, 32, 32)), r"must hold one 2-D array of real or complex numbers, found shape \(2, 32, 32\)"),
        (np.full((32, 32), "light"), "real or complex numbers, found shape"),
        (np.full((32, 32), None), "cannot be read as an array saved by NumPy"),
        (np.full((32, 32), np.nan + 0j), "holds NaN or infinity"),
        (np.ones((33, 33)), r"has the shape \(33, 33\), which bin 4 does not reduce to size 8"),
        (np.ones((64, 64)), r"has the shape \(64, 64\), which bin 4 does not reduce to size 8"),
        (np.zeros((32, 32)), "zero everywhere"),
    ],
)
def test_a_stored_array_that_is_no_probe_is_named(tmp_path, stored, reason):
    np.save(tmp_path / "probe.npy", stored)
    with pytest.raises(InputError, match=reason):
        make_probe(NPY, OPTICS, {"probe": tmp_path / "probe.npy"}, tmp_path / "probe.h5")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "does not exist"),
        (b"", "cannot be read"),
        (b"an HTML page, say", "cannot be read"),
        (b"\x93NUMPY", "cannot be read"),
    ],
)
def test_a_file_that_is_no_array_is_named(tmp_path, content, reason):
    if content is not None:
        (tmp_path / "probe.npy").write_bytes(content)
    with pytest.raises(InputError, match=rf"probe\.npy {reason}"):
        make_probe(NPY, OPTICS, {"probe": tmp_path / "probe.npy"}, tmp_path / "probe.h5")


def test_an_archive_is_no_probe(tmp_path):
    np.savez(tmp_path / "probe.npz", np.ones((32, 32)))
    with pytest.raises(InputError, match="found an archive"):
        make_probe(NPY, OPTICS, {"probe": tmp_path / "probe.npz"}, tmp_path / "probe.h5")
