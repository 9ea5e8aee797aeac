"""Light that is not fully coherent: its modes are those of textbooks, its updates the published ones, and
perfect patterns give object and modes back.
"""

import os
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import eval_hermite

from ptychoformer.errors import InputError, TrainingError
from ptychoformer.evaluation.reproducibility import agreement as ring_agreement
from ptychoformer.evaluation.reproducibility import without_holes
from ptychoformer.measurement import batches
from ptychoformer.measurement.batches import disjoint_batches
from ptychoformer.measurement.cxi import read_scan
from ptychoformer.measurement.gauge import fix_gauge
from ptychoformer.measurement.halves import half_of
from ptychoformer.measurement.iterative import MARGIN, Reconstruction
from ptychoformer.measurement.labelled import make_labelled
from ptychoformer.measurement.modes import (
    FIRST_SHARE,
    first_modes,
    orthogonal,
    photons,
    read_modes,
    root_of_light,
    shares,
)
from ptychoformer.measurement.options import Patterns, Reading, ReconstructionOptions
from ptychoformer.measurement.preparation import open_prepared
from ptychoformer.measurement.reconstruct import _amplitudes, _begun, reconstruct
from ptychoformer.measurement.windows import windows

from .test_iterative import GRID, WINDOW, agreement, finish, make_object, make_probe

STAR = Path(os.environ.get("PTYCHOFORMER_DATA", "data"), "aps_siemens_star/siemens-star-small.npz.bz2")
SHARES = (0.7, 0.3)
OPTIONS = ReconstructionOptions(iterations=200, averaged=20, regularisation=0.3, positions_from=None, probe_modes=2)


def mutual_intensity(modes):
    """J(x, y) = sum over m of P_m(x) conj(P_m(y)), which says all of the light that patterns see."""
    flat = np.asarray(modes, complex).reshape(len(modes), -1)
    return flat.T @ flat.conj()


def true_modes():
    """A beam that is not round, and a second one with two lobes, orthogonal."""
    x = np.arange(WINDOW) - WINDOW / 2
    modes = np.stack([make_probe(), make_probe() * x], dtype=np.complex128)
    modes[1] -= modes[0] * np.vdot(modes[0], modes[1]) / np.vdot(modes[0], modes[0])
    lengths = np.linalg.norm(modes, axis=(1, 2))
    return (modes * (100 * np.sqrt(SHARES) / lengths)[:, None, None]).astype(np.complex64)


def patterns_of(modes, transmission, corners=GRID):
    waves = modes[:, None] * windows(transmission, corners.astype(int), (WINDOW, WINDOW))
    return (np.abs(np.fft.fft2(waves, norm="ortho")) ** 2).sum(axis=0)


def begun(modes, corners=GRID, **options):
    """A reconstruction of `make_object` from perfect patterns of `true_modes`."""
    amplitudes = torch.from_numpy(np.sqrt(patterns_of(true_modes(), make_object(), corners)).astype(np.float32))
    good = torch.ones(WINDOW, WINDOW, dtype=torch.bool)
    return Reconstruction(amplitudes, good, corners, torch.from_numpy(modes), replace(OPTIONS, **options))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 6), st.integers(0, 99))
def test_orthogonal_modes_make_the_same_light_the_brightest_first(count, seed):
    random = np.random.default_rng(seed)
    modes = (random.normal(size=(2, count, 5, 7)) * 3).astype(np.float32)
    found = orthogonal(modes[0] + 1j * modes[1])
    np.testing.assert_allclose(
        mutual_intensity(found), mutual_intensity(modes[0] + 1j * modes[1]), atol=2e-4 * count * 9
    )
    products = found.reshape(count, -1).conj() @ found.reshape(count, -1).T
    assert np.abs(products - np.diag(np.diag(products))).max() < 1e-4 * products.real.max()
    assert (np.diff(shares(found)) <= 1e-6).all()
    assert shares(found).sum() == pytest.approx(1)
    np.testing.assert_allclose(
        root_of_light(found), np.sqrt(mutual_intensity(found).diagonal().real.reshape(5, 7)), rtol=1e-4
    )


def test_modes_that_are_orthogonal_stay_as_they_are():
    np.testing.assert_allclose(
        orthogonal(true_modes() * np.complex64(0.6 + 0.8j)), true_modes() * (0.6 + 0.8j), atol=1e-3
    )


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)])
def test_modes_that_are_orthogonal_are_the_same_in_whatever_order_they_are_given(order):
    modes = np.eye(3, 12, dtype=np.complex64).reshape(3, 3, 4) * np.array([3j, -2, 1]).reshape(3, 1, 1)
    np.testing.assert_allclose(orthogonal(modes[list(order)].astype(np.complex64)), modes, atol=1e-6)


@pytest.mark.parametrize("count", [2, 3, 6, 20])
def test_first_modes_are_orthogonal_and_as_bright_together_as_the_probe(count):
    modes = first_modes(make_probe(), count)
    products = modes.reshape(count, -1).conj() @ modes.reshape(count, -1).T
    assert np.abs(products - np.diag(np.diag(products))).max() < 1e-4 * products.real.max()
    np.testing.assert_allclose(np.diag(products).real[1:], FIRST_SHARE * 1e4, rtol=1e-4)
    assert np.diag(products).real.sum() == pytest.approx(1e4, rel=1e-4)
    np.testing.assert_allclose(modes[0], make_probe() * np.sqrt(1 - FIRST_SHARE * (count - 1)), rtol=1e-5)


def test_the_light_of_a_probe_is_that_of_all_its_pixels_and_modes():
    assert photons(make_probe()) == pytest.approx(1e4, rel=1e-5)
    assert photons(true_modes()) == pytest.approx(1e4, rel=1e-5)


def test_a_single_mode_is_the_probe_to_the_last_bit():
    probe = make_probe()
    assert first_modes(probe, 1).tobytes() == orthogonal(probe[None]).tobytes() == probe.tobytes()


def test_first_modes_of_a_gaussian_are_those_of_hermite_and_gauss():
    y, x = (np.arange(32) - 15.5) / 4, (np.arange(32) - 15.5) / 3
    gaussian = np.exp(-(y[:, None] ** 2 + x**2) / 2)
    orders = [(0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2)]
    for mode, (along_y, along_x) in zip(first_modes(gaussian, 6), orders, strict=True):
        expected = gaussian * eval_hermite(along_y, y)[:, None] * eval_hermite(along_x, x)
        overlap = abs(np.vdot(mode, expected)) / np.linalg.norm(mode) / np.linalg.norm(expected)
        assert overlap == pytest.approx(1, abs=1e-5), (along_y, along_x)


@pytest.mark.parametrize(("engine", "weight"), [("epie", 1.0), ("rpie", 0.3)])
def test_a_batch_is_the_published_update_of_all_modes(engine, weight):
    corners = np.array([[0.0, 0], [0, 40]])
    run = begun(first_modes(make_probe(), 2), corners, engine=engine, averaged=1, iterations=1000, probe_from=1)
    assert len(list(run._divided())) == 1
    modes, expected = run.probe.numpy().astype(complex), np.ones_like(run.finished_object(), complex)
    numerators, exposed = np.zeros_like(modes), np.zeros((WINDOW, WINDOW))
    run.run_iteration()
    for (y, x), amplitude in zip(corners.astype(int), run.amplitudes.numpy(), strict=True):
        here = np.s_[y : y + WINDOW, x : x + WINDOW]
        spectra = [np.fft.fft2(mode * expected[here], norm="ortho") for mode in modes]
        modulus = np.sqrt(sum(abs(spectrum) ** 2 for spectrum in spectra))
        changes = [np.fft.ifft2(spectrum * (amplitude / modulus - 1), norm="ortho") for spectrum in spectra]
        light, before = sum(abs(mode) ** 2 for mode in modes), expected[here].copy()
        step = sum(mode.conj() * change for mode, change in zip(modes, changes, strict=True))
        expected[here] += step / ((1 - weight) * light + weight * light.max())
        numerators += [before.conj() * change for change in changes]
        exposed += abs(before) ** 2
    np.testing.assert_allclose(run.finished_object(), expected, atol=2e-5)
    modes += numerators / ((1 - weight) * exposed + weight * exposed.max())
    np.testing.assert_allclose(run.probe, modes, atol=2e-4 * abs(modes).max())


@pytest.mark.parametrize("seed", [0, 1])
def test_perfect_patterns_of_two_modes_give_the_object_and_both_modes_back(seed):
    # A raster would leave more than the gauge open.
    corners = GRID + np.random.default_rng(seed).integers(0, 3, GRID.shape) * (GRID < 40)
    coherent, mixed = (begun(first_modes(make_probe(), count), corners) for count in (1, 2))
    r_factors = [finish(run, OPTIONS.iterations) for run in (coherent, mixed)]
    assert r_factors[1] < 0.1 * r_factors[0]
    light = mixed.light()
    truth, true = fix_gauge(make_object()[: len(light), : len(light)], true_modes(), light, probe_known=False)
    (worse, _), (found, modes) = (
        fix_gauge(run.finished_object(), run.probe.numpy(), light, probe_known=False) for run in (coherent, mixed)
    )
    assert agreement(found, truth) > 45 > 25 > agreement(worse, truth)
    seen, expected = mutual_intensity(modes), mutual_intensity(true)
    assert abs(np.vdot(seen, expected)) > 0.999 * np.linalg.norm(seen) * np.linalg.norm(expected)
    np.testing.assert_allclose(shares(modes), SHARES, atol=0.003)


def test_known_modes_give_the_object_back():
    run = begun(true_modes(), probe_from=None)
    assert finish(run, OPTIONS.iterations) < 0.003
    assert agreement(run.finished_object(), make_object()) > 50


def test_light_is_that_of_all_modes_together():
    run = begun(true_modes(), GRID[:1])
    np.testing.assert_allclose(run.light(), (np.abs(true_modes()) ** 2).sum(axis=0).astype(float), rtol=1e-5, atol=1e-6)


@pytest.fixture
def scan(write, simulate):
    return write("velociprobe", scan=simulate())


@pytest.fixture
def made(tmp_path, scan):
    """Reconstruct the scan with some modes into ``object.h5``."""

    def made(**options):
        files = dict(output=tmp_path / "object.h5", convergence=tmp_path / "object.csv")
        facts = reconstruct(scan, Reading(), replace(OPTIONS, iterations=8, averaged=2, **options), **files)
        return files["output"], facts

    return made


def test_a_file_holds_all_modes_and_the_brightest_where_one_is_looked_for(made, capsys):
    path, _ = made(probe_modes=3)
    with h5py.File(path) as file:
        modes = file["probe/modes"]
        assert modes.shape == (3, *file["probe/wavefield"].shape)
        assert modes.attrs["axes"] == "mode,y,x"
        np.testing.assert_array_equal(modes[0], file["probe/wavefield"])
        parts = shares(modes[:])
    assert (np.diff(parts) <= 0).all()
    percent = [f"{100 * part:.1f}" for part in parts]
    assert f"The modes of the probe hold {percent[0]}, {percent[1]} and {percent[2]} % of its light." in (
        capsys.readouterr().err
    )
    path, _ = made(probe_modes=1)
    with h5py.File(path) as file:
        assert list(file["probe"]) == ["wavefield"]
    assert "modes of the probe" not in capsys.readouterr().err


@pytest.mark.parametrize("count", [1, 3])
def test_the_light_in_a_file_is_that_of_its_probe(made, count):
    path, _ = made(probe_modes=count)
    with h5py.File(path) as file:
        probe = read_modes(file, "probe/wavefield", "probe/modes")
        fallen = len(file["positions"]) * np.sum(np.abs(probe).astype(float) ** 2)
        assert np.sum(file["object/light"], dtype=float) == pytest.approx(fallen, rel=1e-4)


def test_there_are_no_more_modes_than_pixels(made):
    assert made(probe_modes=16, crop=4)
    with pytest.raises(InputError, match=r"--probe-modes: 17 is not allowed of a probe of 4 x 4 pixels; .* 16 or less"):
        made(probe_modes=17, crop=4)


def test_a_dataset_keeps_the_modes_that_its_object_was_found_with(made, scan, tmp_path):
    path, _ = made(probe_modes=2)
    files = dict(output=tmp_path / "data.cxi", object_output=tmp_path / "data.h5")
    make_labelled(scan, Reading(), Patterns(), labels=None, reconstruction=path, **files)
    with h5py.File(path) as file:
        np.testing.assert_allclose(read_scan(files["output"]).probe, file["probe/modes"], atol=1e-4)
    with h5py.File(files["output"]) as file:
        np.testing.assert_array_equal(file["ptychography/probe"], file["ptychography/probe_modes"][0])


@pytest.mark.parametrize("options", [dict(probe_from=None), dict(probe_from=9)])
def test_a_probe_that_is_not_refined_has_one_mode(made, options):
    with pytest.raises(InputError, match="--probe-modes: 2 is not allowed where the probe is not refined"):
        made(probe_modes=2, **options)


def test_modes_that_a_smaller_window_makes_alike_are_orthogonal_in_a_dataset(made, scan, tmp_path):
    path, _ = made(probe_modes=3)
    files = dict(output=tmp_path / "data.cxi", object_output=tmp_path / "data.h5")
    make_labelled(scan, Reading(), Patterns(bin=2), labels=None, reconstruction=path, **files)
    modes = read_scan(files["output"]).probe.reshape(3, -1)
    products = np.abs(modes.conj() @ modes.T)
    assert (products - np.diag(np.diag(products))).max() < 1e-3 * products.max()
    assert (np.diff(np.diag(products)) <= 0).all()


def test_a_dataset_with_modes_that_is_read_as_a_scan_says_that_one_is_kept(made, scan, tmp_path):
    path, _ = made(probe_modes=3)
    files = dict(output=tmp_path / "data.cxi", object_output=tmp_path / "data.h5")
    make_labelled(scan, Reading(), Patterns(), labels=None, reconstruction=path, **files)
    with open_prepared(files["output"], Reading(), Patterns()) as prepared:
        assert any("the first of 3 modes of the probe is kept" in warning for warning in prepared.warnings)


@pytest.mark.parametrize(
    ("shape", "words"), [((0, 32, 32), "'probe/modes' holds no mode"), ((2, 16, 16), r"a probe of \(16, 16\) pixels")]
)
def test_modes_that_are_damaged_are_named(made, scan, tmp_path, shape, words):
    path, _ = made(probe_modes=2)
    with h5py.File(path, "a") as file:
        del file["probe/modes"]
        file["probe/modes"] = np.ones(shape, np.complex64)
    files = dict(output=tmp_path / "data.cxi", object_output=tmp_path / "data.h5")
    with pytest.raises(InputError, match=words):
        make_labelled(scan, Reading(), Patterns(), labels=None, reconstruction=path, **files)


@pytest.mark.parametrize("count", [1, 2])
def test_windows_move_towards_where_they_were(count):
    random = np.random.default_rng(4)
    modes, wrong = true_modes()[:count], random.uniform(-0.3, 0.3, GRID.shape)
    amplitudes = torch.from_numpy(np.sqrt(patterns_of(modes, make_object())).astype(np.float32))
    inside = (GRID > 5) & (GRID < 40)
    options = replace(OPTIONS, probe_from=None, positions_from=1, iterations=1, averaged=1)
    good = torch.ones(WINDOW, WINDOW, dtype=torch.bool)
    run = Reconstruction(amplitudes, good, GRID + wrong * inside, torch.from_numpy(modes), options)
    run.object[MARGIN : MARGIN + 60, MARGIN : MARGIN + 60] = torch.from_numpy(make_object())[
        : run.object.shape[0] - MARGIN, : run.object.shape[1] - MARGIN
    ]
    run.run_iteration()
    moved = (run.positions - run.recorded)[inside]
    assert np.corrcoef(moved, -wrong[inside])[0, 1] > 0.7


def test_no_more_exit_waves_are_held_at_once_for_more_modes(monkeypatch):
    corners = np.indices((40, 40)).reshape(2, -1).T * 8
    monkeypatch.setattr(batches, "PIXELS_PER_BATCH", 12 * WINDOW**2)
    for modes in (1, 3, 20):
        parts = disjoint_batches(corners, (WINDOW, WINDOW), np.random.default_rng(0), modes)
        assert max(map(len, parts)) == max(1, 12 // modes)
        assert sorted(np.concatenate(parts)) == list(range(len(corners)))


def test_a_last_update_that_is_too_large_is_a_divergence(monkeypatch):
    run = begun(first_modes(make_probe(), 2), iterations=1, averaged=1)
    run.run_iteration()
    run.probe_sum[:] = np.inf
    with pytest.raises(TrainingError, match="diverged in iteration 1"):
        run.finish()


@pytest.mark.slow
@pytest.mark.skipif(not STAR.is_file(), reason="needs the measured Siemens star")
def test_modes_make_a_measured_object_finer_and_come_out_the_same_of_either_half():
    """What one mode more explains is no noise: two halves of the patterns that share none agree better about the object,
    and about how much light is in each mode."""
    resolved = []
    for count in (1, 3):
        options = ReconstructionOptions(crop=64, probe_modes=count)
        with open_prepared(STAR, Reading(), options) as whole:
            runs = [_reconstructed(part, options) for part in (whole, half_of(whole, 0, 0), half_of(whole, 1, 0))]
        lit = without_holes(runs[0].light())
        resolved.append(ring_agreement(*(run.finished_object() for run in runs[1:]), lit).resolved)
    assert resolved[1] > 1.07 * resolved[0]
    first, second = (shares(run.probe.numpy()) for run in runs[1:])
    np.testing.assert_allclose(first, second, atol=0.03)
    assert first[0] < 0.75


def _reconstructed(scan, options):
    amplitudes = torch.from_numpy(_amplitudes(scan.frames(1024), len(scan.positions), scan.window))
    run = _begun(STAR, scan, amplitudes, options, 0, torch.device("cpu"))
    for _ in range(options.iterations):
        run.run_iteration()
    run.finish()
    return run
