"""Readers: what a file holds is what is read, whichever way it is laid out; and what a file pretends is one sentence."""

import bz2
import errno
import io
import os
import pickle
import signal
import subprocess
import sys
import tracemalloc
import zipfile
from collections import deque
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from scipy import constants

from ptychoformer.errors import InputError
from ptychoformer.measurement.cxi import create_dataset
from ptychoformer.measurement.preparation import Preparation, prepare
from ptychoformer.measurement.readers import guard, hdf5, merge_labels, open_scan
from ptychoformer.measurement.windows import windows

DETECTOR = "entry_1/instrument_1/detector_1"
SOURCE = "entry_1/instrument_1/source_1"
TRANSLATION = "entry_1/sample_1/geometry_1/translation"
DATA = Path(os.environ.get("PTYCHOFORMER_DATA", "data"))
SIEMENS_STAR = DATA / "aps_siemens_star/siemens-star-small.npz.bz2"
NANOPROBE = DATA / "aps_26id/20191008_39_diff_sample.npy"


def contents(path, size=5, **options):
    """A scan and all its frames."""
    with open_scan(path, **options) as raw:
        return raw, np.concatenate(list(raw.frames(size)))


def refused(path, match, **options):
    with pytest.raises(InputError, match=match) as caught:
        contents(path, **options)
    assert len(str(caught.value).splitlines()) == 1


def from_origin(positions):
    return positions - positions.min(axis=0)


@pytest.mark.parametrize("format", ["cxi", "nxcxi", "velociprobe", "nanoprobe"])
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


@pytest.mark.parametrize("format", ["cxi", "nxcxi", "velociprobe", "nanoprobe"])
def test_frames_start_anew_at_every_call(write, format):
    with open_scan(write(format)) as raw:
        first, again = raw.frames(4), raw.frames(4)
        next(first)
        np.testing.assert_array_equal(next(first), list(again)[1])
        assert all(len(block) <= 4 for block in raw.frames(4))


@pytest.mark.parametrize("format", ["cxi", "nxcxi"])
def test_geometry_is_that_of_the_experiment(write, measured, format):
    raw, _ = contents(write(format))
    pixel = measured.optics.detector_pixel_size(32)
    assert (raw.wavelength, raw.distance) == (pytest.approx(1.4e-10), pytest.approx(2.0))
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


# CXI


def changed(path, change):
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def replaced(path, name, value, **options):
    def replace(file):
        if name in file:
            del file[name]
        file.create_dataset(name, data=value, **options)

    return changed(path, replace)


@pytest.mark.parametrize("efficiency", [0, 1.5, np.nan, "half", [0.5, 0.5]])
def test_an_efficiency_that_no_detector_has_is_refused(tmp_path, measured, efficiency):
    made = dict(window=(32, 32), positions=measured.corners, probe=measured.probe, condition={"efficiency": efficiency})
    with create_dataset(tmp_path / "own.cxi", **made) as patterns:
        patterns[:] = measured.patterns
    refused(tmp_path / "own.cxi", "the efficiency of a detector must be greater than 0 and at most 1, found")


@pytest.mark.parametrize("place", ["entry_1/data_1", "entry_1/sample_1/geometry_1", DETECTOR])
@pytest.mark.parametrize("columns", [2, 3])
def test_translations_are_found_in_each_of_three_places(write, measured, place, columns):
    path = write("cxi")
    with h5py.File(path, "r+") as file:
        motion = file[TRANSLATION][:, :columns]
        for group in ("entry_1/data_1", DETECTOR, "entry_1/sample_1/geometry_1"):
            del file[f"{group}/translation"]
        file[f"{place}/translation"] = motion
    raw, _ = contents(path)
    np.testing.assert_allclose(from_origin(raw.positions) / measured.optics.pixel_size, measured.corners, atol=1e-6)


def test_translations_may_be_stored_along_the_other_axis(write, measured):
    path = write("cxi")
    with h5py.File(path) as file:
        motion = file[TRANSLATION][:]
    raw, _ = contents(replaced(path, TRANSLATION, motion.T))
    np.testing.assert_allclose(from_origin(raw.positions) / measured.optics.pixel_size, measured.corners, atol=1e-6)


def test_the_window_moves_against_the_sample_along_the_axes_of_the_detector(write, measured):
    """The same patterns, with the detector read out from either end, need opposite motions of the sample."""
    for axes in (-1, 1):
        raw, _ = contents(write("cxi", axes=axes))
        np.testing.assert_allclose(from_origin(raw.positions) / measured.optics.pixel_size, measured.corners, atol=1e-6)


def test_a_raster_with_four_axes_is_one_scan(write, measured):
    _, frames = contents(write("cxi", raster=True), size=3)
    np.testing.assert_array_equal(frames, measured.patterns)


@pytest.mark.parametrize("name", [f"{SOURCE}/wavelength", f"{SOURCE}/energy"])
def test_a_wavelength_follows_from_either(write, name):
    raw, _ = contents(changed(write("cxi"), lambda file: file.__delitem__(name)))
    assert raw.wavelength == pytest.approx(1.4e-10)


def test_an_energy_may_be_in_electronvolts_if_it_says_so(write):
    path = changed(write("cxi"), lambda file: file.__delitem__(f"{SOURCE}/wavelength"))
    replaced(path, f"{SOURCE}/energy", [constants.h * constants.c / 1.4e-10 / constants.eV])
    raw, _ = contents(path)
    assert raw.wavelength is None
    assert "energy' is 8856.01 J, which is not that of a beam, and is ignored" in raw.warnings[0]
    changed(path, lambda file: file[f"{SOURCE}/energy"].attrs.update({"units": b"eV"}))
    assert contents(path)[0].wavelength == pytest.approx(1.4e-10)
    changed(path, lambda file: file[f"{SOURCE}/energy"].attrs.update({"units": "parsec"}))
    refused(path, "energy' is in 'parsec', which is none of j, joule")


def test_the_energy_of_a_storage_ring_is_not_that_of_its_light(write):
    raw, _ = contents(changed(write("nxcxi"), lambda file: file.__delitem__("entry_1/instrument_1/beam_1")))
    assert raw.wavelength is None
    assert "not that of a beam" in raw.warnings[0]


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf, [1.0, 2.0], np.zeros((0,))])
def test_a_length_must_be_one_positive_number(write, value):
    refused(replaced(write("cxi"), f"{DETECTOR}/distance", value), "distance' must be one number greater than 0, found")


def test_one_side_of_a_detector_pixel_is_enough(write, measured):
    path = changed(write("cxi"), lambda file: file.__delitem__(f"{DETECTOR}/x_pixel_size"))
    pixel = pytest.approx(measured.optics.detector_pixel_size(32))
    assert contents(path)[0].detector_pixel == (pixel, pixel)
    changed(path, lambda file: file.__delitem__(f"{DETECTOR}/y_pixel_size"))
    assert contents(path)[0].detector_pixel == (pixel, pixel)


def test_a_mask_is_zero_where_the_detector_is_good(write):
    flags = np.zeros((32, 32), np.uint32)
    flags[3, 4], flags[5, 6], flags[7, 8] = 1, 0x1000, 0x1001  # 0x1000 is a pixel with signal
    raw, _ = contents(replaced(write("cxi"), f"{DETECTOR}/mask", flags))
    assert np.argwhere(raw.mask).tolist() == [[3, 4], [7, 8]]
    refused(
        replaced(write("cxi"), f"{DETECTOR}/mask", np.ones((32, 32))), "mask' leaves no pixel; a CXI mask is 0 where"
    )
    refused(
        replaced(write("cxi"), f"{DETECTOR}/mask", np.ones((31, 32))),
        r"must have the patterns' shape \(32, 32\), found \(31, 32\)",
    )


def test_a_dataset_of_this_project_is_read_exactly(tmp_path, measured):
    mask = np.zeros((32, 32), bool)
    mask[1, 2] = True
    corners = measured.corners + 0.25
    parts = dict(probe=measured.probe, optics=measured.optics, mask=mask, grid=(3, 4))
    with create_dataset(tmp_path / "own.cxi", window=(32, 32), positions=corners, **parts) as patterns:
        patterns[:] = measured.patterns
    raw, frames = contents(tmp_path / "own.cxi")
    np.testing.assert_array_equal(frames, measured.patterns)
    np.testing.assert_array_equal(raw.positions, corners)
    np.testing.assert_array_equal(raw.probe, measured.probe)
    np.testing.assert_array_equal(raw.mask, mask)
    assert (raw.unit, raw.centred, raw.grid) == ("frame pixels", True, (3, 4))
    assert raw.wavelength * raw.distance / (32 * raw.detector_pixel[0]) == pytest.approx(measured.optics.pixel_size)
    # Other programs see the same positions in its CXI part.
    raw, _ = contents(changed(tmp_path / "own.cxi", lambda file: file.__delitem__("ptychography")))
    np.testing.assert_allclose(raw.positions / measured.optics.pixel_size, corners)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("entry_1/data_1/data", np.zeros((0, 32, 32)), "must hold 2 to 4000000 patterns, found 0"),
        ("entry_1/data_1/data", np.ones((1, 32, 32)), "must hold 2 to 4000000 patterns, found 1"),
        ("entry_1/data_1/data", np.ones((11, 32, 32)), "11 patterns do not fit 12 positions"),
        (
            "entry_1/data_1/data",
            np.ones((12, 4, 32)),
            "must hold patterns of 8 x 8 to 4096 x 4096 pixels, found 4 x 32",
        ),
        (
            "entry_1/data_1/data",
            np.ones((12, 32)),
            r"must have the axes \(n, h, w\) or \(rows, columns, h, w\), found shape \(12, 32\)",
        ),
        ("entry_1/data_1/data", 3.0, r"must have the axes .* found shape \(\)"),
        ("entry_1/data_1/data", h5py.Empty("f4"), "is empty"),
        ("entry_1/data_1/data", "text", "must hold numbers, found object"),
        ("entry_1/data_1/data", np.ones((12, 32, 32), np.complex64), "must hold numbers, found complex64"),
        ("entry_1/data_1/data", np.zeros((12, 32, 32), [("a", "f4"), ("b", "i2")]), "must hold numbers, found"),
        ("entry_1/data_1/translation", np.zeros((12, 4)), r"must have the shape \(n, 3\) or \(n, 2\), found \(12, 4\)"),
        ("entry_1/data_1/translation", np.zeros((12, 3)), "all 12 positions are the same"),
        (
            "entry_1/data_1/translation",
            np.zeros((3, 4, 0)),
            r"must have the shape \(n, 3\) or \(n, 2\), found \(12, 0\)",
        ),
        (
            "entry_1/data_1/translation",
            np.pad([[np.nan] * 3], ((7, 4), (0, 0))),
            "1 positions are NaN or infinite, the first is that of pattern 7",
        ),
        (f"{DETECTOR}/basis_vectors", np.zeros((2, 3)), "must be a vector for rows and one for columns"),
    ],
)
def test_parts_that_cannot_be_are_named(write, name, value, sentence):
    path = write("cxi")
    dtype = {"dtype": h5py.string_dtype()} if isinstance(value, str) else {}
    refused(replaced(path, name, value, **dtype), sentence)


def test_a_group_in_place_of_a_dataset_is_named(write):
    def group(file):
        del file["entry_1/data_1/data"]
        file.create_group("entry_1/data_1/data")

    refused(changed(write("cxi"), group), "'entry_1/data_1/data' must be a dataset, found a group")


@pytest.mark.parametrize("gone", ["entry_1", "entry_1/data_1", "entry_1/instrument_1", "entry_1/sample_1"])
def test_missing_groups_are_named(write, gone):
    path = changed(write("cxi"), lambda file: file.__delitem__(gone))
    match gone:
        case "entry_1":
            refused(
                path, "holds no patterns, neither at entry_1/data_1/data nor at entry_1/instrument_1/detector_1/data"
            )
        case "entry_1/data_1":  # what it links to is still there
            contents(path)
        case "entry_1/instrument_1":
            refused(path, "holds no patterns")
        case "entry_1/sample_1":
            refused(path, "holds no translations")


@pytest.mark.parametrize("format", ["cxi", "velociprobe"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_read_as_none(write, arrays, measured, tmp_path, format, bad):
    patterns = measured.patterns.copy()
    patterns[7, 3, 4] = patterns[9] = bad
    if format == "cxi":
        path = write("cxi", patterns=patterns)
    else:
        path = tmp_path / "scan.npz"
        np.savez(path, **arrays | {"data": patterns[None]})
    _, frames = contents(path)
    frames = frames if format == "cxi" else np.fft.ifftshift(frames, axes=(1, 2))
    np.testing.assert_array_equal(frames, np.where(np.isfinite(patterns), patterns, np.nan))


def test_a_dataset_that_declares_more_than_is_stored_is_refused_before_it_is_read(write):
    huge = dict(shape=(1000, 4096, 4096), dtype="f8", chunks=(1, 64, 64))

    def declare(file):
        del file[f"{DETECTOR}/data"]
        file.create_dataset(f"{DETECTOR}/data", **huge)[:2, :64, :64] = 1

    refused(
        changed(write("cxi"), declare),
        r"claims the shape \(1000, 4096, 4096\) of float64, of which 65536 bytes are stored",
    )


def test_a_huge_chunk_is_refused(write):
    def declare(file):
        del file[f"{DETECTOR}/data"]
        file.create_dataset(f"{DETECTOR}/data", (12, 4096, 4096), "f8", chunks=(3, 4096, 4096), compression="gzip")

    refused(changed(write("cxi"), declare), "is stored in chunks of shape .* which are larger than")


def link_to(write, target, name=f"{DETECTOR}/data"):
    def link(file):
        del file["entry_1/data_1/data"], file[f"{DETECTOR}/data"]
        file["entry_1/data_1/data"] = h5py.ExternalLink(str(target), name)

    return changed(write("cxi"), link)


def test_patterns_may_be_in_files_beside_the_scan(tmp_path, write, measured):
    (tmp_path / "raw").mkdir()
    write("cxi", name="raw/frames.h5")
    _, frames = contents(link_to(write, "raw/frames.h5"))
    np.testing.assert_array_equal(frames, measured.patterns)


def test_links_out_of_the_folder_are_not_followed(tmp_path, write, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "here").mkdir()
    (tmp_path / "here/loop").symlink_to("loop")

    def written(format):
        return write(format, name="here/scan.cxi")

    write("cxi", name="elsewhere.cxi")
    refused(
        link_to(written, "../elsewhere.cxi"),
        r"is in the file '\.\./elsewhere\.cxi', which is not in the folder of this one; copy it there",
    )
    for blocking in (tmp_path / "pipe", "/dev/zero", "/dev/stdin", "missing.h5", "loop", "."):
        refused(link_to(written, blocking), "is in the file '.*', which is missing or no regular file|cannot be read")


def test_links_in_a_circle_end(write):
    def circle(file):
        del file["entry_1/data_1/data"]
        file["entry_1/data_1/data"] = h5py.SoftLink("/entry_1/data_1/other")
        file["entry_1/data_1/other"] = h5py.SoftLink("data")

    refused(changed(write("cxi"), circle), "is behind links that lead in a circle")
    refused(link_to(write, "scan.cxi", "entry_1/data_1/data"), "is behind links that lead in a circle")


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        ("/dev/zero", "which is missing or no regular file"),
        ("gone.h5", "which is missing or no regular file"),
        ("scan.nxs", "which does not hold it"),
    ],
)
def test_views_of_what_is_not_there_are_not_zeros(write, file, sentence):
    def view(opened):
        del opened["entry_1/data_1/data"]
        layout = h5py.VirtualLayout((12, 32, 32), "f4")
        layout[:] = h5py.VirtualSource(file, "nowhere", (12, 32, 32))
        opened["entry_1/data_1"].create_virtual_dataset("data", layout)

    refused(changed(write("nxcxi"), view), sentence)


def test_a_view_of_other_axes_than_its_source_is_refused(write):
    def view(opened):
        values = opened["entry_1/instrument_1/detector_1/data"]
        opened["flat"] = values[()].reshape(-1, *values.shape[-2:])
        del opened["entry_1/data_1/data"]
        layout = h5py.VirtualLayout(values.shape, "f4")
        layout[0, 0] = h5py.VirtualSource(".", "flat", values.shape)[0, 0]
        opened["entry_1/data_1"].create_virtual_dataset("data", layout)

    refused(changed(write("nxcxi"), view), "'entry_1/data_1/data' is a view of 'flat' with 4 axes, found shape")


def test_a_view_of_all_of_its_source_is_read(write):
    def view(opened):
        values = opened["entry_1/instrument_1/detector_1/data"]
        opened["whole"] = values[()]
        del opened["entry_1/data_1/data"]
        layout = h5py.VirtualLayout((12, 32, 32), values.dtype)
        layout[:] = h5py.VirtualSource(".", "whole", (12, 32, 32))
        opened["entry_1/data_1"].create_virtual_dataset("data", layout)

    _, expected = contents(write("nxcxi"))
    _, found = contents(changed(write("nxcxi"), view))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("grief", "told"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGSEGV), "Segmentation fault"),
        (lambda: deque(count()), "CPU time limit exceeded"),
    ],
)
def test_a_file_that_crashes_hdf5_or_keeps_it_for_ever_is_refused(write, monkeypatch, grief, told):
    """The child reads what this process would read, and comes to grief in its place."""
    this, small = os.getpid(), hdf5.Source.small

    def fatal(source, name, *kinds):
        if os.getpid() != this and name.endswith("distance"):
            grief()
        return small(source, name, *kinds)

    monkeypatch.setattr(guard, "MOST_SECONDS", 1)
    monkeypatch.setattr(hdf5.Source, "small", fatal)
    path = write("cxi")
    refused(path, rf"{path.name} cannot be read, it may be damaged or truncated \(HDF5 tried and ended: {told}")


def test_what_the_rehearsal_cannot_do_is_not_the_files_fault(write, monkeypatch):
    path = write("cxi")
    _, expected = contents(path)

    def no_room():
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fork", no_room)
        np.testing.assert_array_equal(contents(path)[1], expected)
    handler = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        np.testing.assert_array_equal(contents(path)[1], expected)
    finally:
        signal.signal(signal.SIGCHLD, handler)


def test_an_interruption_is_for_the_parent_alone(write, monkeypatch, tmp_path):
    """A terminal's Ctrl-C reaches the child too, which must not run the handlers of its caller."""
    fork, witness = os.fork, tmp_path / "child"

    def interrupted():
        child = fork()
        if child == 0:
            os.kill(os.getpid(), signal.SIGINT)
        return child

    this = os.getpid()
    monkeypatch.setattr(os, "fork", interrupted)
    try:
        contents(write("cxi"))
    finally:
        if os.getpid() != this:
            witness.write_text("here")
            os._exit(1)
    assert not witness.exists()


def test_a_view_of_an_endless_view_of_a_pipe_is_refused(tmp_path, write):
    os.mkfifo(tmp_path / "pipe")

    def view(opened):
        shape = opened["entry_1/instrument_1/detector_1/data"].shape[-2:]
        endless = h5py.VirtualLayout((12, *shape), "f4", maxshape=(None, *shape))
        endless[: h5py.h5s.UNLIMITED] = h5py.VirtualSource("pipe", "data", (12, *shape), maxshape=(None, *shape))[
            : h5py.h5s.UNLIMITED
        ]
        opened.create_virtual_dataset("endless", endless)
        del opened["entry_1/data_1/data"]
        layout = h5py.VirtualLayout((12, *shape), "f4")
        layout[0:2] = h5py.VirtualSource(".", "endless", (12, *shape))[0:2]
        opened["entry_1/data_1"].create_virtual_dataset("data", layout)

    refused(changed(write("nxcxi"), view), "is in the file 'pipe', which is missing or no regular file")


def test_values_in_bare_files_are_not_read(tmp_path, write):
    def outside(file):
        del file["entry_1/data_1/data"]
        file["entry_1/data_1"].create_dataset("data", (12, 32, 32), "f4", external=[("/dev/zero", 0, 12 * 32 * 32 * 4)])

    refused(changed(write("cxi"), outside), "keeps its values in files that are not HDF5")


def test_a_missing_compression_is_named(write, monkeypatch):
    monkeypatch.setattr(h5py.h5z, "filter_avail", lambda code: False)
    monkeypatch.setitem(sys.modules, "hdf5plugin", None)
    refused(write("cxi"), r"compressed by HDF5 filter 2 \(shuffle\), which neither h5py nor hdf5plugin can undo")
    # It registers its filters when it is imported.
    monkeypatch.setitem(sys.modules, "hdf5plugin", SimpleNamespace())
    tried = []
    monkeypatch.setattr(h5py.h5z, "filter_avail", lambda code: tried.append(code) or len(tried) % 2 == 0)
    contents(write("cxi"))
    assert tried


@pytest.mark.parametrize("compression", [{"compression": 32008, "compression_opts": (0, 2)}, {"compression": 32004}])
def test_what_an_eiger_compresses_is_read(write, measured, compression):
    """Bitshuffle with LZ4, and LZ4 alone, as hdf5plugin writes them and registers them only where they are needed."""
    path = write("cxi")
    code = "import h5py, hdf5plugin, pickle, sys\npath, name, values, options = pickle.load(sys.stdin.buffer)\n"
    code += "with h5py.File(path, 'r+') as file:\n    del file[name]\n    file.create_dataset(name, data=values, chunks=(1, 32, 32), **options)\n"
    given = pickle.dumps((str(path), f"{DETECTOR}/data", measured.patterns.astype(np.uint32), compression))
    subprocess.run([sys.executable, "-c", code], input=given, check=True)
    with h5py.File(path) as file:
        filters = file[f"{DETECTOR}/data"].id.get_create_plist()
        assert filters.get_filter(0)[0] == compression["compression"]
    np.testing.assert_array_equal(contents(path)[1], measured.patterns)


def test_nothing_imports_a_compression_that_no_scan_needs(write):
    code = "import sys\nfrom ptychoformer.measurement.readers import open_scan\nwith open_scan(sys.argv[1]) as raw: next(raw.frames(1))\n"
    code += "sys.exit('hdf5plugin' in sys.modules)"
    assert (
        subprocess.run(
            [sys.executable, "-c", code, write("cxi")], env=os.environ | {"PYTHONPATH": ":".join(sys.path)}
        ).returncode
        == 0
    )


def test_a_damaged_chunk_is_named(write):
    path = write("cxi")
    with h5py.File(path) as file:
        chunk = file[f"{DETECTOR}/data"].id.get_chunk_info(0)
    with path.open("r+b") as file:
        file.seek(chunk.byte_offset + chunk.size // 2)
        file.write(bytes(chunk.size // 2))
    refused(path, r"cannot be read, it may be damaged or truncated")


# Archives


def test_an_archive_need_not_be_packed_twice(write, measured):
    twice, once = contents(write("velociprobe")), contents(write("velociprobe", name="scan.npz"))
    np.testing.assert_array_equal(twice[1], once[1])
    np.testing.assert_array_equal(once[0].probe, measured.probe)
    assert once[0].centred


def test_frames_may_be_a_bare_array(write, measured):
    raw, frames = contents(write("nanoprobe", name="scan.npy"), step=2.5)
    np.testing.assert_array_equal(frames, measured.patterns)
    np.testing.assert_array_equal(raw.positions[[1, 4]], [[0, 2.5], [2.5, 0]])


def test_one_mode_of_a_probe_is_kept(tmp_path, arrays, measured):
    modes = np.concatenate([arrays["probe"], arrays["probe"] / 2], axis=3)
    np.savez(tmp_path / "scan.npz", **arrays | {"probe": modes})
    raw, _ = contents(tmp_path / "scan.npz")
    np.testing.assert_array_equal(raw.probe, measured.probe)
    assert "the first of 2 modes of the probe is kept" in raw.warnings[0]


def test_small_arrays_may_be_stored_column_by_column(tmp_path, arrays, measured):
    np.savez(tmp_path / "scan.npz", **arrays | {"scan": np.asfortranarray(arrays["scan"])})
    np.testing.assert_array_equal(from_origin(contents(tmp_path / "scan.npz")[0].positions), measured.corners)
    np.savez(tmp_path / "scan.npz", **arrays | {"data": np.asfortranarray(arrays["data"])})
    refused(tmp_path / "scan.npz", "'data' is stored in Fortran order")


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("data", None, "'data' is not in the archive"),
        ("scan", None, "'scan' is not in the archive"),
        (
            "data",
            np.ones((2, 12, 32, 32)),
            r"'data' must be one view, a 1 and 3 more axes, found shape \(2, 12, 32, 32\)",
        ),
        ("data", np.ones((1, 11, 32, 32)), "11 patterns do not fit 12 positions"),
        ("data", np.ones((1, 12, 32, 32), complex), "must hold numbers .*, found complex128"),
        ("data", np.array(5.0), r"must be one view, a 1 and 3 more axes, found shape \(\)"),
        ("scan", np.ones((1, 12, 3)), r"must hold y and x of each position, found shape \(1, 12, 3\)"),
        ("scan", np.full((1, 12, 2), np.nan), "12 positions are NaN or infinite, the first is that of pattern 0"),
        (
            "probe",
            np.ones((1, 1, 1, 1, 16, 16)),
            r"a probe of shape \(1, 1, 1, 1, 16, 16\) does not fit patterns of 32 x 32 pixels",
        ),
        ("probe", np.full((1, 32, 32), np.nan), "'probe' holds NaN or infinity"),
        ("scan", np.array([[None, None]] * 12, object), "must hold numbers .*, found object"),
    ],
)
def test_arrays_that_cannot_be_are_named(tmp_path, arrays, name, value, sentence):
    arrays = {key: array for key, array in (arrays | {name: value}).items() if array is not None}
    np.savez(tmp_path / "scan.npz", **arrays)
    refused(tmp_path / "scan.npz", sentence)


def test_a_bomb_does_not_fill_the_disk(tmp_path):
    path = tmp_path / "scan.npz.bz2"
    path.write_bytes(bz2.compress(bytes(10**7)))
    refused(path, "unpacks to more than 1000 times its size, as no measured scan does")


def member(path, name, header, content=b"", compression=zipfile.ZIP_STORED):
    """An archive with one array whose header may lie."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_2_0(buffer, header)
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr(f"{name}.npy", buffer.getvalue() + content)
    return path


def test_an_array_that_is_not_as_large_as_it_says_is_refused(tmp_path):
    header = {"descr": "<u2", "fortran_order": False, "shape": (161, 161, 256, 256)}
    refused(
        member(tmp_path / "scan.npz", "arr_0", header, bytes(1000)),
        r"says that it holds uint16 of shape \(161, 161, 256, 256\)",
    )
    header["shape"] = (10**4000, 10**4000)
    refused(member(tmp_path / "scan.npz", "arr_0", header), "cannot be read|says that it holds")
    header = {"descr": "|O", "fortran_order": False, "shape": (2, 2, 8, 8)}
    refused(member(tmp_path / "scan.npz", "arr_0", header, pickle.dumps([1])), "must hold numbers .*, found object")
    header = {"descr": "<u2", "fortran_order": False, "shape": (2, 2, 8, 8)}
    refused(
        member(tmp_path / "scan.npz", "arr_0", header, bytes(512), zipfile.ZIP_LZMA),
        "in a way that numpy.savez_compressed does not use",
    )


def test_streamed_frames_are_never_held(tmp_path):
    """210 MB of frames, like a corner of the published scan, in less than a tenth of that."""
    path = tmp_path / "scan.npz"
    header = {"descr": "<u2", "fortran_order": False, "shape": (40, 40, 256, 256)}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("arr_0.npy", "w") as stream:
        np.lib.format.write_array_header_1_0(stream, header)
        for row in range(40):
            stream.write(np.full((40, 256, 256), row, np.uint16).tobytes())
    tracemalloc.start()
    try:
        with open_scan(path) as raw:
            sums = [block.mean() for block in raw.frames(16)]
        assert tracemalloc.get_traced_memory()[1] < 2e7
    finally:
        tracemalloc.stop()
    assert np.mean(sums) == pytest.approx(19.5)


@pytest.mark.parametrize("format", ["velociprobe", "nanoprobe"])
def test_a_truncated_archive_is_named(write, format):
    path = write(format)
    os.truncate(path, path.stat().st_size // 2)
    refused(path, "cannot be read, it may be damaged or truncated|is neither HDF5")


def test_a_truncated_array_is_named(write):
    path = write("nanoprobe", name="scan.npy")
    os.truncate(path, path.stat().st_size // 2)
    refused(path, r"says that it holds uint16 of shape \(3, 4, 32, 32\), 24704 bytes, but it has 12352")


# Labels


@pytest.mark.parametrize("step", [3, 2.5, 7])
def test_windows_of_an_object_merge_to_the_object(tmp_path, simulate, step):
    whole = simulate(grid=(5, 6)).object.astype(np.complex64)
    corners = np.rint(step * np.indices((5, 6)).reshape(2, -1).T).astype(int)
    whole = whole[: corners[-1, 0] + 16, : corners[-1, 1] + 16]
    np.save(tmp_path / "labels.npy", windows(whole, corners, (16, 16)).reshape(5, 6, 16, 16))
    np.testing.assert_allclose(merge_labels(tmp_path / "labels.npy", step), whole, atol=1e-6)


def test_overlapping_patches_are_averaged(tmp_path):
    np.save(tmp_path / "labels.npy", np.arange(6).reshape(2, 3, 1, 1) * np.ones((4, 4), np.complex64))
    merged = merge_labels(tmp_path / "labels.npy", 2)
    assert merged.shape == (6, 8)
    np.testing.assert_allclose(merged[0], [0, 0, 0.5, 0.5, 1.5, 1.5, 2, 2])
    np.testing.assert_allclose(merged[2:4, 2:4], np.mean([0, 1, 3, 4]))


@pytest.mark.parametrize(
    ("patches", "step", "sentence"),
    [
        (np.ones((2, 2, 4, 4)), 3, "must hold numbers .complex., found float64"),
        (np.ones((2, 2, 4, 5), complex), 3, r"must have the axes \(rows, columns, p, p\), found shape \(2, 2, 4, 5\)"),
        (np.ones((2, 2, 4, 4), complex), 5, "step must be 1 to 4 pixels, the side of a patch, found 5"),
        (np.ones((0, 2, 4, 4), complex), 3, "0 x 2 patches make no object"),
        (np.full((2, 2, 4, 4), np.nan + 0j), 3, "holds NaN or infinity in the row of patches whose top is at pixel 0"),
    ],
)
def test_labels_that_cannot_be_are_named(tmp_path, patches, step, sentence):
    np.save(tmp_path / "labels.npy", patches)
    with pytest.raises(InputError, match=sentence):
        merge_labels(tmp_path / "labels.npy", step)


# Recognition


def test_formats_are_recognised_by_what_a_file_holds(tmp_path, write):
    for format, name in (("cxi", "a.npz"), ("velociprobe", "b.bz2"), ("velociprobe", "c.cxi"), ("nanoprobe", "d.npz")):
        path = write(format, name=name)
        assert contents(path.rename(tmp_path / "scan.dat"))[0].format == format
    (tmp_path / "text").write_text("a table")
    refused(
        tmp_path / "text",
        r"is neither HDF5 \(cxi, ptychodus, ptychi\), .npz.bz2 \(velociprobe\), .npz nor .npy \(nanoprobe\)",
    )
    (tmp_path / "empty").touch()
    refused(tmp_path / "empty", "empty is empty")
    refused(tmp_path / "gone", "does not exist")
    refused(tmp_path, "is no regular file")
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe", "is no regular file")


def test_a_format_may_be_named(write):
    refused(write("nanoprobe"), "'data' is not in the archive", format="velociprobe")
    refused(write("nanoprobe"), "cannot be read", format="cxi")
    refused(
        write("nanoprobe"),
        "There is no format 'spec' of scans; it must be one of cxi, ptychodus, ptychi, velociprobe, nanoprobe, hdf5",
        format="spec",
    )
    refused(write("nanoprobe"), "step must be a number of pixels greater than 0, found 0", step=0)


# Published files


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
