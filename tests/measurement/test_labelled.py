"""Measured scans as networks see them: labels lie where the patterns were recorded, at the networks' pixels."""

import shutil
from dataclasses import replace

import h5py
import numpy as np
import pandas as pd
import pytest

from ptychoformer.measurement.cxi import Optics, create_dataset, read_patterns, read_scan
from ptychoformer.measurement.labelled import make_labelled, resampled
from ptychoformer.measurement.options import Patterns, Reading, ReconstructionOptions
from ptychoformer.measurement.reconstruct import reconstruct
from ptychoformer.measurement.windows import windows
from ptychoformer.storage import open_hdf5

WINDOW = 32
OPTICS = Optics(wavelength=1e-10, pixel_size=1e-8, distance=2.0)
OPTIONS = ReconstructionOptions(
    engine="rpie", regularisation=0.3, iterations=60, momentum=0.0, averaged=10, probe_from=None, positions_from=None
)


def wave(y, x):
    """A transmission that is band-limited, at any point."""
    return (0.8 + 0.1 * np.cos(0.21 * y) + 0.1 * np.cos(0.17 * x)) * np.exp(0.3j * np.sin(0.13 * y + 0.19 * x))


def test_resampling_keeps_a_band_limited_object():
    y, x = np.ogrid[:90, :101]
    for factor in (0.5, 0.75, 2 / 3):
        found = resampled(wave(y, x).astype(np.complex64), factor)
        new_y, new_x = np.ogrid[: found.shape[0], : found.shape[1]]
        assert found.shape == (np.ceil(90 * factor), np.ceil(101 * factor))
        inner = np.s_[6:-6, 6:-6]
        np.testing.assert_allclose(found[inner], wave(new_y / factor, new_x / factor)[inner], atol=0.02)


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    """A measured scan with a known probe, whose positions lie between pixels on no grid."""
    random = np.random.default_rng(0)
    positions = random.uniform(0, 60, (150, 2))
    positions[:2] = [[0, 0], [60, 60]]
    y, x = np.indices((WINDOW, WINDOW)) - WINDOW / 2
    probe = 30 * np.exp(-(x**2 + y**2) / 40 + 0.03j * (x**2 + y**2))
    rows, columns = (positions[:, axis, None] + np.arange(WINDOW) for axis in (0, 1))
    waves = probe * wave(rows[:, :, None], columns[:, None, :])
    path = tmp_path_factory.mktemp("scan") / "scan.cxi"
    with create_dataset(path, window=(WINDOW, WINDOW), positions=positions, probe=probe, optics=OPTICS) as patterns:
        patterns[:] = np.abs(np.fft.fftshift(np.fft.fft2(waves, norm="ortho"), axes=(1, 2))) ** 2
    return path


@pytest.fixture(scope="module")
def reconstruction(scan):
    path = scan.with_name("object.h5")
    facts = reconstruct(scan, Reading(), OPTIONS, output=path, convergence=scan.with_name("convergence.csv"))
    assert facts["r_factor"] < 0.02
    return path


def test_a_scan_is_reconstructed_from_its_file(scan, reconstruction):
    with open_hdf5(reconstruction) as file:
        found = file["object/amplitude"][:]
        light = file["object/light"][:]
        assert file.attrs["pixel_size"] == pytest.approx(1e-8)
    y, x = np.ogrid[: found.shape[0], : found.shape[1]]
    lit = light > 0.2 * light.max()
    assert np.abs(found - np.abs(wave(y, x)))[lit].max() < 0.03
    rows = pd.read_csv(scan.with_name("convergence.csv"))
    assert list(rows["iteration"]) == list(range(1, 61))
    assert rows["r_factor"].iloc[-1] < 0.1 * rows["r_factor"].iloc[0]
    assert not list(scan.parent.glob("*.state.pt"))


@pytest.mark.parametrize(("crop", "bin"), [(32, 1), (16, 1), (32, 2), (16, 2)])
def test_labels_lie_where_the_patterns_were_recorded(scan, reconstruction, tmp_path, crop, bin):
    made = dict(output=tmp_path / "d.cxi", object_output=tmp_path / "o.h5")
    make_labelled(scan, Reading(), Patterns(crop, bin), labels=None, reconstruction=reconstruction, **made)
    dataset = read_scan(tmp_path / "d.cxi")
    side, factor = crop // bin, crop / WINDOW
    assert dataset.window == (side, side)
    assert dataset.pixel_size == pytest.approx(1e-8 / factor)
    assert dataset.grid is None
    # A label's pixel is the object around the window's centre, which no crop and no binning moves.
    with open_hdf5(scan) as file:
        centres = file["ptychography/positions"][:] + WINDOW / 2
    chosen = np.flatnonzero((centres > 28).all(axis=1) & (centres < 64).all(axis=1))
    labels = windows(dataset.amplitude, dataset.true_positions[chosen], dataset.window)
    where = dataset.true_positions[chosen] / factor
    rounding = np.abs(where + side / 2 / factor - centres[chosen])
    assert rounding.max() <= 0.5 / factor + 1e-6
    for label, corner in zip(labels, where, strict=True):
        y, x = (start + np.arange(side) / factor for start in corner)
        inner = np.s_[side // 4 : -side // 4, side // 4 : -side // 4]
        np.testing.assert_allclose(label[inner], np.abs(wave(y[:, None], x[None]))[inner], atol=0.05)


def test_a_window_that_was_moved_moves_its_labels_in_their_own_pixels(scan, reconstruction, tmp_path):
    """Half a crop makes pixels twice as wide, and a move of four of them two."""
    found = []
    for name, move in (("still", 0.0), ("moved", 1.0)):
        path = shutil.copy(reconstruction, tmp_path / f"{name}.h5")
        with h5py.File(path, "r+") as file:
            positions = file["positions"][:]
            positions[7] += move * np.array([4.0, -2.0])
            file["positions"][:] = positions
        made = dict(output=tmp_path / f"{name}.cxi", object_output=tmp_path / f"{name}.object.h5")
        make_labelled(scan, Reading(), Patterns(16, 1), labels=None, reconstruction=path, **made)
        found.append(read_scan(made["output"]).true_positions)
    expected = np.zeros_like(found[0])
    expected[7] = 2, -1
    np.testing.assert_array_equal(found[1] - found[0], expected)


def test_a_networks_patterns_are_the_scans_own(scan, reconstruction, tmp_path):
    made = dict(output=tmp_path / "d.cxi", object_output=tmp_path / "o.h5")
    make_labelled(scan, Reading(), Patterns(32), labels=None, reconstruction=reconstruction, **made)
    whole = np.arange(150)
    np.testing.assert_allclose(read_patterns(tmp_path / "d.cxi", whole), read_patterns(scan, whole), rtol=1e-5)


def test_a_detector_that_misses_half_of_the_photons_leaves_the_object_as_bright(scan, tmp_path):
    with h5py.File(scan) as file, h5py.File(tmp_path / "half.cxi", "w") as half:
        for name in file:
            file.copy(name, half)
        half["entry_1/data_1/data"][...] /= 2
        half["ptychography"].attrs["efficiency"] = 0.5
    options = replace(OPTIONS, iterations=20)
    found = []
    for name, path in {"whole": scan, "half": tmp_path / "half.cxi"}.items():
        files = dict(output=tmp_path / f"{name}.h5", convergence=tmp_path / f"{name}.csv")
        reconstruct(path, Reading(), options, **files)
        with open_hdf5(files["output"]) as file:
            found.append(file["object/amplitude"][:])
    np.testing.assert_allclose(found[1], found[0], atol=1e-3)


def test_the_result_is_the_mean_of_as_many_last_iterations(scan, tmp_path, monkeypatch):
    from ptychoformer.measurement import reconstruct as module

    seen, run_iteration = [], module.Reconstruction.run_iteration

    def watched(run):
        run_iteration(run)
        seen.append(run.object.clone())

    monkeypatch.setattr(module.Reconstruction, "run_iteration", watched)
    for averaged in (1, 2, 9):
        seen.clear()
        options = replace(OPTIONS, iterations=4, averaged=averaged)
        reconstruct(scan, Reading(), options, output=tmp_path / "o.h5", convergence=tmp_path / "o.csv")
        with open_hdf5(tmp_path / "o.h5") as file:
            found = file["object/amplitude"][:]
        mean = sum(seen[-averaged:]) / len(seen[-averaged:])
        np.testing.assert_allclose(found, mean.abs().numpy()[8:-8, 8:-8], rtol=1e-4, atol=1e-6)


def test_an_interrupted_reconstruction_goes_on(scan, tmp_path, monkeypatch, capsys):
    from ptychoformer.measurement import reconstruct as module

    options = replace(OPTIONS, iterations=8, averaged=4)
    files = [dict(output=tmp_path / f"{name}.h5", convergence=tmp_path / f"{name}.csv") for name in "ab"]
    reconstruct(scan, Reading(), options, **files[0])
    monkeypatch.setattr(module, "SECONDS_BETWEEN_STATES", 0)
    monkeypatch.setattr(module, "PART_FOR_STATES", 1e9)
    stopped, run_iteration = 3, module.Reconstruction.run_iteration

    def break_off(run):
        if run.iteration == stopped:
            raise KeyboardInterrupt
        run_iteration(run)

    monkeypatch.setattr(module.Reconstruction, "run_iteration", break_off)
    with pytest.raises(KeyboardInterrupt):
        reconstruct(scan, Reading(), options, **files[1])
    assert (tmp_path / "b.state.pt").exists()
    monkeypatch.setattr(module.Reconstruction, "run_iteration", run_iteration)
    capsys.readouterr()
    reconstruct(scan, Reading(), options, **files[1])
    assert "Going on after iteration 3." in capsys.readouterr().err
    with open_hdf5(tmp_path / "a.h5") as first, open_hdf5(tmp_path / "b.h5") as second:
        np.testing.assert_array_equal(first["object/amplitude"][:], second["object/amplitude"][:])
