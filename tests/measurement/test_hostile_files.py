"""What an HDF5 file pretends, hides, or damages is one sentence, and harms neither memory nor process."""

import errno
import os
import pickle
import signal
import subprocess
import sys
from collections import deque
from itertools import count
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from ptychoformer.measurement.readers import guard, hdf5

from .conftest import DETECTOR, changed, contents, refused


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
        (
            lambda: os.kill(os.getpid(), signal.SIGSEGV),
            r", it may be damaged or truncated \(HDF5 tried and ended: Segmentation fault\)",
        ),
        (lambda: deque(count()), ": HDF5 took longer than 1 s for what is no pattern, and was stopped"),
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
    refused(path, f"{path.name} cannot be read{told}")


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
