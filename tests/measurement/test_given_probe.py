"""A probe that is given for a scan, in place of its own: whose it is, what it fits, and what is none."""

import h5py
import numpy as np
import pytest

from ptychoformer.errors import InputError
from ptychoformer.measurement.cxi import create_dataset
from ptychoformer.measurement.options import Geometry, Patterns, Reading, ReconstructionOptions
from ptychoformer.measurement.preparation import open_prepared, rescaled_probe
from ptychoformer.measurement.reconstruct import reconstruct

Y, X = np.indices((32, 32)) - 16
OTHER = 50 * (np.exp(-((Y - 2) ** 2 + X**2) / 30) * np.exp(0.3j * X)).astype(np.complex64)
WITH_PROBE = "ptychodus", "ptychi", "velociprobe", "own"


@pytest.fixture
def scan_of(write, measured, tmp_path):
    """Write the file of a format, of which "own" is that of this project."""

    def written(format):
        if format != "own":
            return write(format)
        parts = {"window": (32, 32), "positions": measured.corners.astype(float), "probe": measured.probe}
        with create_dataset(tmp_path / "own.cxi", optics=measured.optics, **parts) as data:
            data[:] = measured.patterns
        return tmp_path / "own.cxi"

    return written


def prepared_probe(scan, probe, crop=None, bin=1, **reading):
    with open_prepared(scan, Reading(probe=str(probe), **reading), Patterns(crop, bin)) as prepared:
        return prepared.probe


def reconstructed(scan, output, probe, crop=32, bin=1):
    """An object in the light of a known probe, which stays as it is but for its mean phase; returns its file and the probe."""
    options = ReconstructionOptions(crop=crop, bin=bin, iterations=1, probe_from=None, positions_from=None)
    np.save(scan.parent / "known.npy", probe)
    files = {"output": output, "convergence": output.with_suffix(".csv")}
    reconstruct(scan, Reading(probe=str(scan.parent / "known.npy")), options, **files)
    with h5py.File(output) as file:
        return output, file["probe/wavefield"][:]


@pytest.mark.parametrize("format", [*WITH_PROBE, "cxi", "nxcxi", "ptyd", "nanoprobe"])
def test_a_file_of_numpy_takes_the_place_of_the_scans_own_probe(scan_of, read, tmp_path, format):
    np.save(tmp_path / "other.npy", OTHER)
    np.testing.assert_array_equal(read(scan_of(format), probe=str(tmp_path / "other.npy"))[0].probe, OTHER)


@pytest.mark.parametrize("format", WITH_PROBE)
def test_found_leaves_the_scans_own_probe_aside(scan_of, read, measured, format):
    scan = scan_of(format)
    np.testing.assert_allclose(read(scan)[0].probe, measured.probe)
    assert read(scan, probe="found")[0].probe is None


def test_a_dataset_is_found_in_files_with_and_without_a_format(write, read, put, tmp_path, measured):
    scan = put(write("cxi"), **{"guess/modes": np.stack([OTHER, 0.1 * OTHER])})
    raw = read(scan, probe="guess/modes")[0]
    np.testing.assert_array_equal(raw.probe, OTHER)
    assert any("'guess/modes': the first of 2 modes of the probe is kept" in each for each in raw.warnings)
    h5py.File(tmp_path / "plain.h5", "w").close()
    plain = put(tmp_path / "plain.h5", frames=measured.patterns, stage=measured.corners[:, ::-1] * 1.0, guess=OTHER)
    paths = {"data": "frames", "positions": "stage", "positions_unit": "pixel"}
    np.testing.assert_array_equal(read(plain, probe="guess", **paths)[0].probe, OTHER)


@pytest.mark.parametrize("format", WITH_PROBE)
def test_the_scans_own_probe_need_not_be_usable_then(scan_of, read, put, refused, format, arrays, tmp_path):
    scan = scan_of(format)
    if format == "velociprobe":
        np.savez(scan, **arrays | {"probe": np.ones((16, 16))})
        scan = scan.with_name(f"{scan.name}.npz")
    else:
        beside = {"ptychodus": "star_product.h5", "ptychi": "star_para.hdf5", "own": "own.cxi"}[format]
        name = "ptychography/probe" if format == "own" else "probe"
        put(tmp_path / beside, **{name: np.ones((16, 16), np.complex64)})
    refused(scan, "16, 16")
    assert read(scan, probe="found")[0].probe is None


@pytest.mark.parametrize(("crop", "bin"), [(32, 1), (24, 1), (32, 2), (24, 3)])
def test_that_of_another_reconstruction_is_the_same_wave_at_any_crop_and_bin(scan_of, tmp_path, measured, crop, bin):
    scan = scan_of("own")
    other, wave = reconstructed(scan, tmp_path / "object.h5", OTHER)
    np.testing.assert_allclose(abs(wave), abs(OTHER), atol=1e-4)
    at = np.arange(crop // bin) - crop // bin // 2
    ramp = (
        np.exp(-1j * np.pi * (at[:, None] + at) / crop) if bin == 2 else 1
    )  # blocks of an even side lie half a pixel off
    expected = rescaled_probe(wave, crop, crop // bin) * ramp
    np.testing.assert_allclose(prepared_probe(scan, other, crop, bin), expected, atol=1e-4)


@pytest.mark.parametrize(("crop", "bin"), [(24, 1), (32, 2), (24, 3)])
def test_what_was_found_at_a_crop_and_bin_is_used_there_as_it_was(scan_of, tmp_path, crop, bin):
    scan = scan_of("own")
    other, found = reconstructed(scan, tmp_path / "object.h5", OTHER, crop, bin)
    assert found.shape == (crop // bin, crop // bin)
    np.testing.assert_allclose(prepared_probe(scan, other, crop, bin), found, atol=1e-4)


def test_the_brightest_of_several_modes_is_taken(scan_of, tmp_path):
    scan = scan_of("own")
    options = ReconstructionOptions(iterations=3, probe_modes=2, positions_from=None)
    files = {"output": tmp_path / "object.h5", "convergence": tmp_path / "a.csv"}
    reconstruct(scan, Reading(), options, **files)
    with h5py.File(tmp_path / "object.h5") as file:
        found = file["probe/wavefield"][:]
    with open_prepared(scan, Reading(probe=str(tmp_path / "object.h5")), Patterns()) as prepared:
        np.testing.assert_allclose(prepared.probe, found, atol=1e-4 * abs(found).max())
        assert any("object.h5: the first of 2 modes of the probe is kept" in each for each in prepared.warnings)


def test_a_probe_with_its_middle_at_the_corner_is_told(write, read, tmp_path):
    scan = write("cxi")
    for name, probe, told in (("good", OTHER, False), ("bad", np.fft.ifftshift(OTHER), True)):
        np.save(tmp_path / f"{name}.npy", probe)
        raw = read(scan, probe=str(tmp_path / f"{name}.npy"))[0]
        assert any("the light lies in the corners" in each for each in raw.warnings) == told


def test_pixels_of_another_size_are_refused_and_unknown_ones_told(scan_of, tmp_path):
    scan = scan_of("own")
    other, _ = reconstructed(scan, tmp_path / "object.h5", OTHER)
    near, far = (Geometry(distance=2.0 * part) for part in (1.009, 1.02))
    prepared_probe(scan, other, geometry=near)
    with pytest.raises(InputError, match=r"window of 2\.56e-07 m, and the scan's window is one of 2\.611e-07 m"):
        prepared_probe(scan, other, geometry=far)
    with h5py.File(other, "a") as file:
        del file.attrs["pixel_size"]
    with open_prepared(scan, Reading(probe=str(other)), Patterns()) as prepared:
        assert any("given probe is taken to be of the same geometry, since it has no" in w for w in prepared.warnings)
    with h5py.File(other, "a") as file:
        file.attrs["pixel_size"] = -8e-9
    with pytest.raises(InputError, match=r"'pixel_size' must be a length in metres, found -8e-09"):
        prepared_probe(scan, other)


def test_a_probe_of_another_scan_is_told_where_this_one_has_no_geometry(scan_of, measured, tmp_path):
    other, _ = reconstructed(scan_of("own"), tmp_path / "object.h5", OTHER)
    parts = {"window": (32, 32), "positions": measured.corners.astype(float)}
    with create_dataset(tmp_path / "pixels.cxi", **parts) as data:
        data[:] = measured.patterns
    with open_prepared(tmp_path / "pixels.cxi", Reading(probe=str(other)), Patterns()) as prepared:
        assert any("same geometry, since" in each and "pixels.cxi has no" in each for each in prepared.warnings)


@pytest.mark.parametrize(("before", "after"), [(2, 1), (2, 3), (1, 2)])
def test_a_probe_that_was_found_at_one_bin_is_right_at_another(scan_of, simulate, tmp_path, before, after):
    """Without a ramp: blocks of an even side are sampled half a detector pixel beside the zero frequency."""
    measured = simulate(grid=(6, 6), window=48, step=5, radius=3.0)
    parts = {"window": (48, 48), "positions": measured.corners.astype(float), "probe": measured.probe}
    with create_dataset(tmp_path / "scan.cxi", optics=measured.optics, **parts) as data:
        data[:] = measured.patterns
    options = ReconstructionOptions(bin=before, iterations=40, positions_from=None)
    files = {"output": tmp_path / "object.h5", "convergence": tmp_path / "object.csv"}
    reconstruct(tmp_path / "scan.cxi", Reading(), options, **files)
    found = prepared_probe(tmp_path / "scan.cxi", tmp_path / "object.h5", bin=after)
    true = rescaled_probe(measured.probe, 48, 48 // after)
    turn = found * true.conj()
    slopes = [np.angle(np.vdot(turn[:-1], turn[1:])), np.angle(np.vdot(turn[:, :-1], turn[:, 1:]))]  # radians a pixel
    expected = -np.pi / 48 if after == 2 else 0
    np.testing.assert_allclose(slopes, expected, atol=0.02)


@pytest.mark.parametrize(
    ("probe", "sentence"),
    [
        (np.abs(OTHER), "must (be a probe of complex numbers|hold numbers .complex.), found float32"),
        (OTHER[:31], r"a probe of shape \(31, 32\) does not fit patterns of 32 x 32 pixels"),
        (np.where(X == 3, np.nan, OTHER), "the probe holds NaN or infinity"),
    ],
)
@pytest.mark.parametrize("name", ["guess", "guess.npy"])
def test_what_is_no_probe_is_refused(write, put, refused, tmp_path, name, probe, sentence):
    scan = put(write("cxi"), guess=probe)
    np.save(tmp_path / "guess.npy", probe)
    refused(scan, sentence, probe=str(tmp_path / name) if "." in name else name)


def test_a_probe_that_is_nowhere_is_refused_and_one_that_is_there_named(write, put, refused):
    scan = put(write("cxi"), **{"entry/wave": OTHER})
    refused(scan, "'wav' is not in the file; the probe may be .*'entry/wave'", probe="wav")
    refused(scan, "other.npy does not exist", probe="other.npy")
    refused(scan, "other.h5 does not exist", probe="other.h5")
    refused(
        write("velociprobe"), r"no HDF5 file in which 'wav' could be the probe; .* \.npy, \.h5, \.hdf5", probe="wav"
    )
    h5py.File(scan.parent / "other.h5", "w").close()
    other = put(scan.parent / "other.h5", probe=OTHER)
    refused(scan, "other.h5 is no reconstruction of this project", probe=str(other))


def test_a_better_first_guess_leads_to_a_better_object(write, simulate, tmp_path, put):
    measured = simulate(grid=(6, 6), step=5)
    scan = write("ptychodus", scan=measured)
    put(tmp_path / "star_product.h5", probe=(np.hypot(Y - 9, X + 9) < 2).astype(np.complex64))
    np.save(tmp_path / "good.npy", 1e-3 * measured.probe)  # brightness is found
    r_factors = {}
    for probe in (None, "found", str(tmp_path / "good.npy")):
        options = ReconstructionOptions(iterations=25, positions_from=None)
        files = {"output": tmp_path / "object.h5", "convergence": tmp_path / "object.csv"}
        r_factors[probe] = reconstruct(scan, Reading(probe=probe), options, **files)["r_factor"]
    recorded, found, good = r_factors.values()
    assert good < 0.5 * recorded
    assert found < recorded
