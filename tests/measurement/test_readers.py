"""Readers: what a file holds is what is read, whichever format it has, and the format is told by that."""

import os
from pathlib import Path

import numpy as np
import pytest

from ptychoformer.measurement.preparation import Preparation, prepare
from ptychoformer.measurement.readers import FORMATS, open_scan

from .conftest import contents, from_origin, refused

DATA = Path(os.environ.get("PTYCHOFORMER_DATA", "data"))
SIEMENS_STAR = DATA / "aps_siemens_star/siemens-star-small.npz.bz2"
NANOPROBE = DATA / "aps_26id/20191008_39_diff_sample.npy"


@pytest.mark.parametrize("format", ["cxi", "nxcxi", "ptyd", "velociprobe", "nanoprobe"])
@pytest.mark.parametrize("size", [1, 5, 100])
def test_a_scan_is_what_was_measured(write, measured, format, size):
    raw, frames = contents(write(format), size)
    np.testing.assert_array_equal(frames, measured.patterns)
    assert frames.dtype == np.float32
    assert raw.frame == (32, 32)
    if format == "nanoprobe":
        np.testing.assert_array_equal(raw.positions, 4 * np.indices((3, 4)).reshape(2, -1).T)
        assert (raw.unit, raw.grid) == ("frame pixels", (3, 4))
    else:
        unit, scale = ("frame pixels", 1) if format == "velociprobe" else ("metres", measured.optics.pixel_size)
        assert raw.unit == unit
        np.testing.assert_allclose(from_origin(raw.positions) / scale, measured.corners, atol=1e-6)


@pytest.mark.parametrize("format", ["cxi", "nxcxi", "ptyd", "velociprobe", "nanoprobe"])
def test_frames_start_anew_at_every_call(write, format):
    with open_scan(write(format)) as raw:
        first, again = raw.frames(4), raw.frames(4)
        next(first)
        np.testing.assert_array_equal(next(first), list(again)[1])
        assert all(len(block) <= 4 for block in raw.frames(4))


@pytest.mark.parametrize("side", [16, 17])
def test_the_zero_frequency_of_the_velociprobe_comes_to_the_middle(tmp_path, side):
    """That of patterns with an odd number of pixels, too."""
    data = np.zeros((1, 4, side, side), np.float32)
    data[..., 0, 0] = 7
    np.savez(tmp_path / "scan.npz", data=data, scan=4.0 * np.indices((2, 2)).reshape(2, -1).T[None])
    _, frames = contents(tmp_path / "scan.npz")
    assert (frames[:, side // 2, side // 2] == 7).all()


@pytest.mark.parametrize("format", ["cxi", "nxcxi", "ptyd"])
def test_geometry_is_that_of_the_experiment(write, measured, format):
    raw, _ = contents(write(format))
    pixel = measured.optics.detector_pixel_size(32)
    assert (raw.wavelength, raw.distance) == (pytest.approx(1.4e-10, rel=1e-6, abs=0), pytest.approx(2.0))
    assert raw.detector_pixel == (pytest.approx(pixel), pytest.approx(pixel))
    assert not raw.centred
    assert raw.warnings == ()


@pytest.mark.parametrize("format", ["velociprobe", "nanoprobe"])
def test_a_format_without_geometry_says_that_lengths_are_in_pixels(write, format):
    with open_scan(write(format)) as raw:
        assert raw.wavelength is raw.distance is raw.detector_pixel is None
        scan = prepare(raw)
        assert (
            scan.warnings[-1] == f"{raw.path} records no wavelength, distance, detector pixel: lengths are in pixels."
        )
        assert scan.optics is None
        known = prepare(raw, Preparation(wavelength=1e-10, distance=1.0, detector_pixel=1e-4))
        assert not any("lengths" in warning for warning in known.warnings)


def test_formats_are_recognised_by_what_a_file_holds(tmp_path, write):
    for format, name in (
        ("cxi", "a.npz"),
        ("velociprobe", "b.bz2"),
        ("velociprobe", "c.cxi"),
        ("ptyd", "e.h5"),
        ("nanoprobe", "d.npz"),
    ):
        path = write(format, name=name)
        assert contents(path.rename(tmp_path / "scan.dat"))[0].format == format
    (tmp_path / "text").write_text("a table")
    refused(
        tmp_path / "text",
        r"is neither HDF5 \(cxi, ptychodus, ptychi, ptyd\), .npz.bz2 \(velociprobe\), .npz nor .npy \(nanoprobe\)",
    )
    (tmp_path / "empty").touch()
    refused(tmp_path / "empty", "empty is empty")
    refused(tmp_path / "gone", "does not exist")
    refused(tmp_path, "is no regular file")
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe", "is no regular file")


def test_a_format_may_be_named(write):
    refused(write("nanoprobe"), "'data' is not in the archive", format="velociprobe")
    refused(write("nanoprobe"), "scan.npz is .npz, and not of the format cxi, which is HDF5", format="cxi")
    refused(
        write("nanoprobe"),
        "There is no format 'spec' of scans; it must be one of cxi, ptychodus, ptychi, ptyd, velociprobe, nanoprobe, hdf5",
        format="spec",
    )
    refused(write("nanoprobe"), "step must be a number greater than 0, found 0", step=0)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("stored", ["cxi", "velociprobe", "nanoprobe"])
@pytest.mark.parametrize("bare", [False, True])
def test_a_sound_file_of_another_kind_is_not_called_damaged(write, format, stored, bare):
    """The first bytes tell the kind: HDF5, .npy, .npz, or what bzip2 packed."""
    name = {"velociprobe": "scan.npz", "nanoprobe": "scan.npy"}.get(stored) if bare else None
    kind = {"cxi": "HDF5", "velociprobe": ".npz" if bare else "bzip2", "nanoprobe": ".npy" if bare else ".npz"}[stored]
    kinds = {"velociprobe": (".npz", "bzip2"), "nanoprobe": (".npz", ".npy")}.get(format, ("HDF5",))
    if kind not in kinds:
        told = f"is {kind}, and not of the format {format}, which is {' or '.join(kinds)}"
        refused(write(stored, name=name), told, format=format)
    elif stored == format:
        contents(write(stored, name=name), format=format)


def test_an_archive_of_other_arrays_is_told_what_it_holds(tmp_path):
    np.savez(tmp_path / "diffraction.npz", patterns=np.ones((12, 16, 16)), indexes=np.arange(12))
    for format in (None, "velociprobe", "nanoprobe"):
        refused(
            tmp_path / "diffraction.npz",
            r"is not in the archive, whose arrays are patterns, indexes; .* by open_scan\(patterns, positions\)",
            format=format,
        )


@pytest.mark.skipif(not SIEMENS_STAR.is_file(), reason="PTYCHOFORMER_DATA does not point to it")
def test_the_siemens_star_is_what_its_description_says():
    raw, frames = contents(SIEMENS_STAR, 100)
    assert (raw.format, raw.frame, len(raw.positions)) == ("velociprobe", (128, 128), 516)
    assert raw.probe.shape == (128, 128)
    assert frames.max() == 963
    # The shadow of the central stop lies around the zero frequency, in a bright ring.
    mean = frames.mean(axis=0)
    assert mean[60:69, 60:69].mean() < 0.7 * mean[64, [48, 80]].mean()
    distances = np.linalg.norm(raw.positions[:, None] - raw.positions, axis=2) + 1e9 * np.eye(516)
    assert 5 < np.median(distances.min(axis=1)) < 12


@pytest.mark.skipif(not NANOPROBE.is_file(), reason="PTYCHOFORMER_DATA does not point to it")
def test_the_nanoprobe_sample_is_what_its_description_says():
    raw, frames = contents(NANOPROBE)
    assert (raw.format, raw.frame, raw.grid) == ("nanoprobe", (256, 256), (2, 2))
    np.testing.assert_array_equal(frames, np.load(NANOPROBE).reshape(4, 256, 256))
