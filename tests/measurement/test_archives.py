"""NumPy's files and archives: what they hold is read as it streams, and what they pretend is one sentence."""

import bz2
import io
import os
import pickle
import tracemalloc
import zipfile

import numpy as np
import pytest

from ptychoformer.errors import InputError
from ptychoformer.measurement.readers import merge_labels, open_scan
from ptychoformer.measurement.windows import windows

from .conftest import contents, from_origin, refused


def test_an_archive_need_not_be_packed_twice(write, measured):
    twice, once = contents(write("velociprobe")), contents(write("velociprobe", name="scan.npz"))
    np.testing.assert_array_equal(twice[1], once[1])
    np.testing.assert_array_equal(once[0].probe, measured.probe)
    assert once[0].centred
    assert once[0].corner_first


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
        ("probe", np.full((1, 32, 32), np.nan), "the probe holds NaN or infinity"),
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
