"""CXI files: other programs find what the format promises, and damage is named."""

import os

import h5py
import numpy as np
import pytest
from scipy import constants

from ptychoformer.errors import InputError
from ptychoformer.measurement.cxi import PATTERNS, Optics, create_dataset, read_patterns, read_scan


def test_source_and_detector_obey_their_relations(make_scan):
    with h5py.File(make_scan(window=32)) as file:
        source, detector = file["entry_1/instrument_1/source_1"], file["entry_1/instrument_1/detector_1"]
        wavelength = source["wavelength"][()]
        assert source["energy"][()] * wavelength == pytest.approx(constants.h * constants.c, rel=1e-6, abs=0)
        # A far field sampled at x_pixel_size belongs to an object sampled at wavelength * distance / (pixels * x_pixel_size).
        for axis in ("x", "y"):
            step = wavelength * detector["distance"][()] / (32 * detector[f"{axis}_pixel_size"][()])
            assert step == pytest.approx(file["ptychography"].attrs["pixel_size"])
        assert detector["data"] == file[PATTERNS]


def test_translations_move_the_sample_against_the_window(make_scan):
    with h5py.File(make_scan(step=16)) as file:
        translation, positions = file["entry_1/data_1/translation"][:], file["ptychography/positions"][:]
        pixel_size = file["ptychography"].attrs["pixel_size"]
        assert file["entry_1/sample_1/geometry_1/translation"] == file["entry_1/data_1/translation"]
    np.testing.assert_allclose(translation[:, 0], -positions[:, 1] * pixel_size)
    np.testing.assert_allclose(translation[:, 1], -positions[:, 0] * pixel_size)
    assert not translation[:, 2].any()


def test_more_pixels_on_the_same_angle_are_smaller():
    optics = Optics(wavelength=1e-10, pixel_size=1e-8, distance=2.0)
    assert optics.detector_pixel_size(64) == pytest.approx(2 * optics.detector_pixel_size(128))


def test_a_side_with_more_pixels_has_smaller_ones(tmp_path):
    """Of patterns that are no square, whose object's pixels are."""
    optics = Optics(wavelength=1e-10, pixel_size=1e-8, distance=2.0)
    with create_dataset(tmp_path / "scan.cxi", window=(8, 16), positions=np.zeros((2, 2), int), optics=optics):
        pass
    with h5py.File(tmp_path / "scan.cxi") as file:
        sides = [file[f"entry_1/instrument_1/detector_1/{axis}_pixel_size"][()] for axis in "yx"]
    assert sides == pytest.approx([1e-10 * 2 / (8 * 1e-8), 1e-10 * 2 / (16 * 1e-8)])


def test_every_array_says_what_it_is(make_scan):
    described = {}

    def look(name, item):
        if isinstance(item, h5py.Dataset):
            described[name] = {"units", "axes"} <= set(item.attrs)

    with h5py.File(make_scan()) as file:
        for group in ("entry_1", "ptychography"):
            file[group].visititems(look)
    assert len(described) >= 9
    assert all(described.values())


def test_what_is_written_is_read(make_scan):
    patterns = np.random.default_rng(0).poisson(9, (30, 32, 32)).astype(np.float32)
    path = make_scan(rows=5, columns=6, jitter=2, patterns=patterns)
    scan = read_scan(path)
    assert (scan.grid, scan.window, scan.pixel_size) == ((5, 6), (32, 32), 5e-9)
    assert scan.amplitude.shape == scan.phase.shape == (96, 112)
    assert np.abs(scan.true_positions - scan.positions).max() == 2
    for indices in ([0], [29], [0, 1, 2], [3, 4, 9, 11, 12, 29], range(30)):
        np.testing.assert_array_equal(read_patterns(path, np.array(indices)), patterns[list(indices)])


def test_a_truncated_file_is_named(make_scan):
    path = make_scan()
    os.truncate(path, path.stat().st_size // 2)
    for read in (read_scan, lambda path: read_patterns(path, np.arange(3))):
        with pytest.raises(InputError, match=r"scan\.cxi cannot be read as HDF5, it may be truncated"):
            read(path)


@pytest.mark.parametrize("name", [PATTERNS, "ptychography/probe", "ptychography/positions"])
def test_a_missing_dataset_is_named(make_scan, name):
    path = make_scan()
    with h5py.File(path, "r+") as file:
        del file[name]
    with pytest.raises(InputError, match=f"holds no dataset '{name}'"):
        read_scan(path)


def test_what_nobody_recorded_of_a_measured_scan_is_none(tmp_path, make_scan):
    corners = np.array([[0, 3], [17, 5], [40, 31]])
    places = dict(window=(32, 32), positions=corners, probe=np.ones((32, 32)), object_file=f"{make_scan()}.object.h5")
    with create_dataset(tmp_path / "measured.cxi", **places) as patterns:
        patterns[:] = 1
    scan = read_scan(tmp_path / "measured.cxi")
    assert (scan.grid, scan.pixel_size) == (None, None)
    np.testing.assert_array_equal(scan.true_positions, corners)
    with h5py.File(tmp_path / "measured.cxi") as file:
        assert "translation" not in file["entry_1/data_1"]
        assert "distance" not in file["entry_1/instrument_1/detector_1"]


def test_labels_are_cut_at_whole_pixels(tmp_path, make_scan):
    places = dict(
        window=(32, 32),
        positions=np.array([[0.0, 3.4]]),
        probe=np.ones((32, 32)),
        object_file=f"{make_scan()}.object.h5",
    )
    with create_dataset(tmp_path / "measured.cxi", **places) as patterns:
        patterns[:] = 1
    with pytest.raises(InputError, match="positions must be whole pixels of the object, found float64"):
        read_scan(tmp_path / "measured.cxi")


def test_parts_that_do_not_fit_are_named(make_scan):
    path = make_scan()
    with h5py.File(path, "r+") as file:
        file["ptychography"].attrs["grid"] = (5, 7)
    with pytest.raises(InputError, match=r"30 patterns do not fit 30 positions on a \(5, 7\) grid"):
        read_scan(path)


@pytest.mark.parametrize("shape", [(96, 111), (96, 113)])
def test_an_object_whose_phase_has_another_shape_is_refused(make_scan, shape):
    path = make_scan()
    with h5py.File(path.with_name("scan.cxi.object.h5"), "r+") as file:
        del file["object/phase"]
        file["object/phase"] = np.zeros(shape, np.float32)
    with pytest.raises(
        InputError, match=rf"scan\.cxi: amplitude \(96, 112\) and phase \(96, {shape[1]}\) of the object"
    ):
        read_scan(path)


def test_a_missing_object_file_is_named(make_scan):
    path = make_scan()
    path.with_name("scan.cxi.object.h5").unlink()
    with pytest.raises(InputError, match=r"links to the object file 'scan\.cxi\.object\.h5', which cannot be read"):
        read_scan(path)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_patterns_that_are_not_finite_are_named_by_their_index(make_scan, bad):
    patterns = np.ones((30, 32, 32), np.float32)
    patterns[[7, 21], 3, 4] = bad
    path = make_scan(patterns=patterns)
    with pytest.raises(InputError, match="2 patterns hold NaN or infinity, the first is pattern 7"):
        read_patterns(path, np.arange(5, 30))
    assert len(read_patterns(path, np.arange(7))) == 7


def test_an_interrupted_dataset_leaves_no_file(tmp_path):
    arguments = dict(window=(8, 8), positions=np.zeros((4, 2), int), grid=(2, 2), probe=np.ones((8, 8)))
    optics = Optics(wavelength=1e-10, pixel_size=1e-8, distance=2.0)

    def interrupted():
        with create_dataset(
            tmp_path / "scan.cxi", **arguments, object_file="o.h5", optics=optics, condition={}
        ) as patterns:
            patterns[0] = 1
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not list(tmp_path.iterdir())


def test_nothing_in_a_dataset_says_when_it_was_made(make_scan):
    times = []
    with h5py.File(make_scan()) as file:
        file.visititems(lambda _, found: times.append(h5py.h5o.get_info(found.id)))
    assert len(times) > 10
    assert not any(seen.mtime or seen.ctime or seen.btime for seen in times)
