"""What a reconstruction's file holds belongs together, and to the scan that it was made of."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
from scipy.fft import fft2, fftshift

from ptychoformer.measurement.gauge import CLEAR, lit_pixels
from ptychoformer.measurement.halves import halves
from ptychoformer.measurement.modes import read_modes
from ptychoformer.measurement.options import Reading, ReconstructionOptions
from ptychoformer.measurement.preparation import open_prepared
from ptychoformer.measurement.reconstruct import reconstruct
from ptychoformer.measurement.windows import windows

AS_IT_SAYS = Reading()


@pytest.fixture
def path(write, put):
    """A scan with a probe, and with bad pixels that would show wherever else they were looked for."""
    bad = np.zeros((32, 32), bool)
    bad[:3] = bad[14:18, 20] = True
    return put(write("ptychodus"), bad_pixels=bad)


@pytest.fixture
def made(path, tmp_path):
    """Reconstruct the scan into a file."""

    def made(options, reading=AS_IT_SAYS, **how):
        files = dict(output=tmp_path / "object.h5", convergence=tmp_path / "object.csv")
        reconstruct(path, reading, options, **files, **how)
        return files["output"]

    return made


@pytest.mark.parametrize("how", [dict(probe_from=None), dict(), dict(probe_modes=2)], ids=str)
def test_object_and_probe_explain_the_patterns_as_well_as_the_file_says(path, made, how):
    options = ReconstructionOptions(iterations=6, averaged=3, positions_from=None, **how)
    with h5py.File(made(options)) as file, open_prepared(path, Reading(), options) as scan:
        thing = file["object/amplitude"][:] * np.exp(1j * file["object/phase"][:])
        modes, r_factor = read_modes(file, "probe/wavefield", "probe/modes"), file.attrs["r_factor"]
        corners = np.rint(file["positions"][:]).astype(int)
        patterns = np.concatenate(list(scan.frames(100)))
    waves = modes[:, None] * windows(thing, corners, scan.window)
    expected = (np.abs(fftshift(fft2(waves, norm="ortho"), axes=(-2, -1))) ** 2).sum(axis=0)
    recorded, found = (np.sqrt(each[:, ~scan.mask]) for each in (patterns, expected))
    assert np.abs(found - recorded).sum() / recorded.sum() == pytest.approx(r_factor, rel=1e-3)


def test_a_known_probe_stays_as_it_is_and_beside_a_found_one_what_is_clear_is_one(measured, made):
    known = ReconstructionOptions(iterations=3, averaged=1, positions_from=None, probe_from=None)
    with h5py.File(made(known)) as file:
        np.testing.assert_allclose(np.abs(file["probe/wavefield"]), np.abs(measured.probe), rtol=1e-5, atol=1e-3)
    with h5py.File(made(replace(known, probe_from=1))) as file:
        lit = lit_pixels(file["object/light"][:])
        assert np.quantile(file["object/amplitude"][:][lit], CLEAR) == pytest.approx(1, abs=1e-4)


def test_a_first_guess_of_a_probe_may_be_of_any_brightness(path, made, measured, put):
    options, found = ReconstructionOptions(iterations=3, averaged=1, positions_from=None), []
    for factor in (1, 2**10):  # a power of two, which rounds nothing
        put(path.with_name("star_product.h5"), probe=factor * measured.probe)
        with h5py.File(made(options)) as file:
            found.append((file["object/amplitude"][:], file["probe/wavefield"][:]))
    for dim, bright in zip(*found, strict=True):
        np.testing.assert_array_equal(bright, dim)


def test_the_centre_and_the_crop_are_those_of_the_patterns(made):
    options = ReconstructionOptions(iterations=1, averaged=1, positions_from=None, crop=24, bin=2)
    with h5py.File(made(options, Reading(centre=(17, 15)))) as file:
        assert file.attrs["centre"].tolist() == [17, 15]
        assert (file.attrs["crop"], file.attrs["bin"]) == (24, 2)
        assert file["probe/wavefield"].shape == (12, 12)


def test_the_seed_draws_the_halves_and_the_order_of_patterns(path, made):
    options, orders = ReconstructionOptions(iterations=1, averaged=1, positions_from=None), []
    with open_prepared(path, Reading(), options) as scan:
        second = {seed: halves(scan.positions, seed) for seed in (0, 2)}
    assert (second[0] != second[2]).any()
    for seed, which in second.items():
        with h5py.File(made(options, seed=seed, half=1)) as file:
            np.testing.assert_array_equal(file["numbers"], np.flatnonzero(which))
        with h5py.File(made(options, seed=seed)) as file:
            orders.append(file["object/phase"][:])
    assert (orders[0] != orders[1]).any()


def test_positions_are_those_that_were_found_beside_those_that_were_recorded(path, made):
    seen = []
    options = ReconstructionOptions(iterations=3, averaged=1, positions_from=1)
    with h5py.File(made(options, watch=lambda run, _: seen.append(run.positions.copy()))) as file:
        np.testing.assert_array_equal(file["positions"], seen[-1])
        recorded = file["recorded_positions"][:]
    with open_prepared(path, Reading(), options) as scan:
        np.testing.assert_array_equal(recorded, scan.positions)
    assert np.abs(seen[-1] - recorded).max() > 1e-3
