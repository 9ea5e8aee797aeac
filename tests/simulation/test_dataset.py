"""A simulated dataset: Eq. 2 end to end, the same for the same seed, in the same memory for any scan."""

import shutil
import tracemalloc

import h5py
import numpy as np
import pytest

from ptychoformer.errors import InputError
from ptychoformer.measurement.cxi import PATTERNS, Optics, read_patterns, read_scan
from ptychoformer.simulation import dataset
from ptychoformer.simulation.dataset import simulate_dataset
from ptychoformer.storage import create_hdf5, write

OPTICS = Optics(wavelength=2.508e-12, pixel_size=5e-9, distance=1.0)
SCAN = {"overlap": 0.5, "jitter": 2}
IDEAL = {"photons": 1e4, "efficiency": 1.0, "coherence": 1.0, "poisson": False, "read_noise": 0.0}
NOISY = IDEAL | {"poisson": True, "read_noise": 1.0}


@pytest.fixture
def simulate(tmp_path):
    """Simulate a scan of a random object with a flat probe; returns the path of the dataset."""

    def run(name="scan", scan=SCAN, detector=NOISY, seed=0, threads=1, shape=(64, 72), window=16):
        rng = np.random.default_rng(7)
        object_file, probe_file, output = (
            tmp_path / "objects" / "o.h5",
            tmp_path / "probes" / "p.h5",
            tmp_path / "datasets" / f"{name}.cxi",
        )
        with create_hdf5(object_file) as file:
            write(file, "object/amplitude", rng.uniform(0.5, 1, shape).astype(np.float32), "", "y,x")
            write(file, "object/phase", rng.normal(size=shape).astype(np.float32), "rad", "y,x")
        with create_hdf5(probe_file) as file:
            write(file, "probe/wavefield", np.full((window, window), 1 / window, np.complex64), "", "y,x")
        simulate_dataset(object_file, probe_file, scan, detector, OPTICS, seed, output, threads)
        return output

    return run


def patterns_of(path):
    with h5py.File(path) as file:
        return file[PATTERNS][:]


def test_patterns_are_equation_2_of_what_the_file_holds(simulate):
    path = simulate(detector=IDEAL | {"efficiency": 0.8, "coherence": 0.6})
    scan = read_scan(path)
    assert scan.grid == (7, 8)
    assert np.sum(np.abs(scan.probe) ** 2) == pytest.approx(1e4, rel=1e-5)
    transmission = scan.amplitude * np.exp(1j * scan.phase)
    for index in (0, 13, 55):
        y, x = scan.true_positions[index]
        part = transmission[y : y + 16, x : x + 16]
        wave = scan.probe[0] * (0.6 * part + 0.4 * part.mean())
        expected = 0.8 * np.abs(np.fft.fftshift(np.fft.fft2(wave, norm="ortho"))) ** 2
        np.testing.assert_allclose(read_patterns(path, np.array([index]))[0], expected, rtol=1e-3, atol=1e-2)


def test_recorded_positions_are_the_raster_and_true_ones_deviate(simulate):
    scan = read_scan(simulate())
    np.testing.assert_array_equal(scan.positions, 8 * np.indices((7, 8)).reshape(2, -1).T)
    assert 0 < np.abs(scan.true_positions - scan.positions).max() <= 2


@pytest.mark.parametrize("chunk", [1, 7, 56, 1000])
def test_chunks_and_threads_do_not_change_the_patterns(simulate, monkeypatch, chunk):
    reference = patterns_of(simulate("reference"))
    monkeypatch.setattr(dataset, "CHUNK", chunk)
    np.testing.assert_array_equal(patterns_of(simulate("chunked", threads=2)), reference)


def test_the_seed_decides_noise_and_jitter(simulate):
    first, again, other = (simulate(name, seed=seed) for name, seed in [("first", 1), ("again", 1), ("other", 2)])
    assert patterns_of(first).tobytes() == patterns_of(again).tobytes()
    assert (patterns_of(first) != patterns_of(other)).mean() > 0.5
    assert (read_scan(first).true_positions != read_scan(other).true_positions).any()


def test_noise_and_jitter_are_drawn_apart(simulate):
    clean, noisy = simulate("clean", detector=IDEAL), simulate("noisy", detector=NOISY)
    np.testing.assert_array_equal(read_scan(clean).true_positions, read_scan(noisy).true_positions)
    residual = patterns_of(noisy) - patterns_of(clean)
    assert residual.var() == pytest.approx(patterns_of(clean).mean() + 1, rel=0.15)


def test_the_condition_is_recorded(simulate):
    with h5py.File(simulate(seed=3)) as file:
        attributes = dict(file["ptychography"].attrs)
    assert {name: attributes[name] for name in (*SCAN, *NOISY)} == SCAN | NOISY
    assert attributes["seed"] == 3


def test_the_link_to_the_object_survives_a_move_of_the_whole_folder(simulate, tmp_path, tmp_path_factory):
    path = simulate()
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "results"
    shutil.copytree(tmp_path, elsewhere)
    before = read_scan(path).amplitude
    shutil.rmtree(tmp_path / "objects")
    np.testing.assert_array_equal(read_scan(elsewhere / "datasets" / "scan.cxi").amplitude, before)
    with pytest.raises(InputError, match=r"links to the object file '\.\./objects/o\.h5', which cannot be read"):
        read_scan(path)


def test_an_object_smaller_than_the_probe_is_refused_and_nothing_written(simulate, tmp_path):
    with pytest.raises(InputError, match="An object of 12 x 72 pixels is too small for a probe of 16 x 16"):
        simulate(shape=(12, 72))
    assert not (tmp_path / "datasets").exists()


def test_memory_does_not_grow_with_the_scan(simulate):
    def peak(shape):
        tracemalloc.start()
        simulate(detector=NOISY, scan={"overlap": 0.95, "jitter": 0}, shape=shape)
        try:
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    small, large = peak((60, 60)), peak((157, 157))  # 2,025 and 20,164 patterns, the latter 20.6 MB
    assert large - small < 5e6
