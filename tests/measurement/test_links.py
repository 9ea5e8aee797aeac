"""Links lead where HDF5 follows them, a file that is being written is called that, and nothing out of reach is opened."""

import os
import resource
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest

from ptychoformer.measurement.readers import guard

from .conftest import DETECTOR

DATA = "entry_1/data_1/data"


@pytest.fixture
def linked(write, measured):
    """A scan whose patterns are a link, or what is written in place of them."""

    def written(name, link):
        path = write("cxi", name=name)
        with h5py.File(path, "r+") as file:
            del file[DATA], file[f"{DETECTOR}/data"]
            if callable(link):
                link(file)
            else:
                file[DATA] = link
        return path

    return written


def frames_in(path, patterns, name="data"):
    path.parent.mkdir(exist_ok=True)
    with h5py.File(path, "w") as file:
        file[name] = patterns
    return path


def view_of(name, shape):
    def view(file):
        layout = h5py.VirtualLayout(shape, "f4")
        layout[:] = h5py.VirtualSource(name, "data", shape)
        file.create_virtual_dataset(DATA, layout)

    return view


@pytest.fixture(params=["link", "view"])
def to(request, measured):
    """A link to the dataset ``data`` of another file, of either kind."""
    return lambda name: (
        h5py.ExternalLink(name, "/data") if request.param == "link" else view_of(name, measured.patterns.shape)
    )


# Symbolic links


def test_a_symbolic_link_to_a_scan_finds_what_lies_beside_the_scan(tmp_path, linked, to, read, measured):
    (tmp_path / "raw").mkdir()
    (tmp_path / "work").mkdir()
    frames_in(tmp_path / "raw/frames.h5", measured.patterns)
    linked("raw/scan.cxi", to("frames.h5"))
    (tmp_path / "work/scan.cxi").symlink_to("../raw/scan.cxi")
    np.testing.assert_array_equal(read(tmp_path / "work/scan.cxi")[1], measured.patterns)


def test_what_lies_beside_the_symbolic_link_comes_first_as_for_hdf5(tmp_path, linked, to, read, measured):
    (tmp_path / "work").mkdir()
    frames_in(tmp_path / "raw/frames.h5", np.zeros_like(measured.patterns))
    frames_in(tmp_path / "work/frames.h5", measured.patterns)
    linked("raw/scan.cxi", to("frames.h5"))
    (tmp_path / "work/scan.cxi").symlink_to("../raw/scan.cxi")
    with h5py.File(tmp_path / "work/scan.cxi") as file:
        np.testing.assert_array_equal(file[DATA][:], measured.patterns)
    np.testing.assert_array_equal(read(tmp_path / "work/scan.cxi")[1], measured.patterns)


def test_a_symbolic_link_beside_the_scan_may_lead_anywhere(tmp_path, linked, to, read, measured):
    (tmp_path / "work").mkdir()
    frames_in(tmp_path / "disk/frames.h5", measured.patterns)
    (tmp_path / "work/frames.h5").symlink_to("../disk/frames.h5")
    np.testing.assert_array_equal(read(linked("work/scan.cxi", to("frames.h5")))[1], measured.patterns)
    (tmp_path / "work/raw").symlink_to("../disk")
    np.testing.assert_array_equal(read(linked("work/scan.cxi", to("raw/frames.h5")))[1], measured.patterns)


def test_a_path_that_is_no_longer_there_is_looked_for_beside_the_scan_as_for_hdf5(tmp_path, linked, to, read, measured):
    frames_in(tmp_path / "frames.h5", measured.patterns)
    path = linked("scan.cxi", to("/beamline/2019/frames.h5"))
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file[DATA][:], measured.patterns)
    np.testing.assert_array_equal(read(path)[1], measured.patterns)


def test_a_link_in_a_file_that_is_linked_to_starts_there(tmp_path, linked, read, measured):
    frames_in(tmp_path / "raw/frames.h5", measured.patterns)
    with h5py.File(tmp_path / "raw/master.h5", "w") as file:
        file["data"] = h5py.ExternalLink("frames.h5", "data")
    np.testing.assert_array_equal(
        read(linked("scan.cxi", h5py.ExternalLink("raw/master.h5", "/data")))[1], measured.patterns
    )


@pytest.mark.parametrize("target", ["/entry_1/here", "../here", "here"])
def test_soft_links_start_in_their_group(linked, read, refused, measured, target):
    def link(file):
        file["entry_1/here"], file["entry_1/data_1/here"] = measured.patterns, measured.patterns
        file[DATA] = h5py.SoftLink(target)

    path = linked("scan.cxi", link)
    if target.startswith(".."):  # which is no parent in HDF5, but a name
        refused(path, "holds no patterns")
    else:
        np.testing.assert_array_equal(read(path)[1], measured.patterns)


# What stays out of reach


@pytest.mark.parametrize("name", ["../secret.h5", "sub/../../secret.h5", "{}/secret.h5", "out/../secret.h5"])
def test_files_that_nobody_put_beside_the_scan_are_not_opened(tmp_path, linked, to, refused, measured, name):
    for folder in ("work", "work/sub", "elsewhere", "elsewhere/deep"):
        (tmp_path / folder).mkdir()
    frames_in(tmp_path / "secret.h5", measured.patterns)
    frames_in(tmp_path / "elsewhere/secret.h5", measured.patterns)
    (tmp_path / "work/out").symlink_to(tmp_path / "elsewhere/deep")  # whose parent is another folder than that of `out`
    path = linked("work/scan.cxi", to(name.format(tmp_path)))
    refused(path, r"is in the file '.*secret\.h5', which is not in the folder of this one; copy it there")


def test_a_file_that_hdf5_finds_where_one_happens_to_work_is_not_opened(
    tmp_path, linked, to, refused, measured, monkeypatch
):
    (tmp_path / "work").mkdir()
    frames_in(tmp_path / "here/frames.h5", measured.patterns)
    monkeypatch.chdir(tmp_path / "here")
    refused(
        linked("work/scan.cxi", to("frames.h5")),
        r"is in the file 'frames\.h5' \(.*here/frames\.h5\), which is not in the folder",
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda path: os.mkfifo(path),
        lambda path: path.symlink_to("/dev/zero"),
        lambda path: path.symlink_to(path),
        lambda path: path.mkdir(),
    ],
)
def test_what_is_no_file_is_not_opened(tmp_path, linked, to, refused, make):
    make(tmp_path / "frames.h5")
    refused(linked("scan.cxi", to("frames.h5")), r"is in the file 'frames\.h5', which is missing or no regular file")


def test_views_in_a_circle_end(tmp_path, linked, refused, measured):
    path = linked("scan.cxi", view_of("other.h5", measured.patterns.shape))
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["data"] = h5py.ExternalLink("scan.cxi", DATA)
    refused(path, "is a view of views of views|cannot be read")


# Numbered files


@pytest.fixture
def numbered(linked, measured):
    """A view of files, or datasets, whose names hold the number of a block of three patterns."""

    def written(name="frames_%b.h5", dataset="data"):
        def view(file):
            shape = measured.patterns.shape[1:]
            whole = h5py.h5s.create_simple((12, *shape), (h5py.h5s.UNLIMITED, *shape))
            whole.select_hyperslab((0, 0, 0), (h5py.h5s.UNLIMITED, 1, 1), (3, 1, 1), (3, *shape))
            properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            properties.set_virtual(whole, name.encode(), dataset.encode(), h5py.h5s.create_simple((3, *shape)))
            h5py.h5d.create(file.require_group("entry_1/data_1").id, b"data", h5py.h5t.NATIVE_FLOAT, whole, properties)

        return linked("scan.cxi", view)

    return written


def test_a_view_of_numbered_files_is_read(tmp_path, numbered, read, refused, measured):
    path = numbered()
    for block in range(4):
        frames_in(tmp_path / f"frames_{block}.h5", measured.patterns[3 * block : 3 * block + 3])
    np.testing.assert_array_equal(read(path)[1], measured.patterns)
    (tmp_path / "frames_2.h5").unlink()  # HDF5 ends the view there
    refused(path, "6 patterns do not fit 12 positions")
    (tmp_path / "frames_0.h5").unlink()
    refused(path, r"is in the file 'frames_0\.h5', which is missing")


def test_a_view_of_numbered_datasets_is_read(tmp_path, numbered, read, measured):
    with h5py.File(tmp_path / "100%.h5", "w") as file:
        for block in range(4):
            file[f"block{block}"] = measured.patterns[3 * block : 3 * block + 3]
    np.testing.assert_array_equal(read(numbered("100%%.h5", "block%b"))[1], measured.patterns)


def test_numbered_files_are_in_reach_one_by_one(tmp_path, numbered, refused, measured, monkeypatch):
    path = numbered()
    for block in range(4):
        frames_in(tmp_path / f"frames_{block}.h5", measured.patterns[3 * block : 3 * block + 3])
    (tmp_path / "frames_3.h5").unlink()
    os.mkfifo(tmp_path / "frames_3.h5")
    refused(path, r"is in the file 'frames_3\.h5', which is missing or no regular file")
    (tmp_path / "frames_3.h5").unlink()
    monkeypatch.setattr(guard, "MOST_SOURCES", 3)
    refused(path, "is a view of more than 3 numbered sources")


# Many files


@pytest.fixture
def many(linked, measured, tmp_path):
    """A scan whose patterns are each in a file of its own, and how many of them may be open beside what is open now."""
    shape, before = measured.patterns.shape[1:], resource.getrlimit(resource.RLIMIT_NOFILE)
    for number, pattern in enumerate(measured.patterns):
        frames_in(tmp_path / f"frames_{number}.h5", pattern[None])

    def view(file):
        layout = h5py.VirtualLayout(measured.patterns.shape, "f4")
        for number in range(len(measured.patterns)):
            layout[number] = h5py.VirtualSource(f"frames_{number}.h5", "data", (1, *shape))[0]
        file.require_group("entry_1/data_1").create_virtual_dataset("data", layout)

    path = linked("scan.cxi", view)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/dev/fd")) + len(measured.patterns) // 2, before[1]))
    yield path
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_scan_of_more_files_than_may_be_open_raises_that_limit(many, read, measured):
    np.testing.assert_array_equal(read(many)[1], measured.patterns)  # HDF5 shows zeros in place of the last


def test_a_scan_of_more_files_than_that_limit_can_be_is_refused(many, refused, monkeypatch):
    def fixed(which, limits):
        if which == resource.RLIMIT_NOFILE:
            raise ValueError("current limit exceeds maximum limit")

    with monkeypatch.context() as patched:
        patched.setattr(guard.resource, "setrlimit", fixed)
        refused(many, r"scan\.cxi consists of more files than this process may have open, .*ulimit -n")


def test_a_file_for_which_there_is_no_room_is_not_called_damaged(many, refused, monkeypatch):
    monkeypatch.setattr(guard, "_may_open", lambda count: True)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    refused(many, "scan.cxi cannot be opened, as too many files are; raise that limit .ulimit -n.", format="cxi")


def test_a_scan_of_many_files_may_take_longer(many, read, refused, monkeypatch):
    this, opened = os.getpid(), guard.Reach.open

    def slow(reach, path, where=""):
        until = time.process_time() + 0.1
        while os.getpid() != this and time.process_time() < until:
            pass
        return opened(reach, path, where)

    monkeypatch.setattr(guard.Reach, "open", slow)
    monkeypatch.setattr(guard, "MOST_SECONDS", 1)
    refused(many, "took longer than 1 s for what is no pattern")
    monkeypatch.setattr(guard, "SECONDS_A_FILE", 1)
    read(many)


# Files that are being written


WRITING = """
import h5py, os, sys
file = h5py.File(sys.argv[1], 'r+', libver=sys.argv[2] or None)
if sys.argv[2]:
    file.swmr_mode = True
print('ready', flush=True)
sys.stdin.read()
os._exit(0)  # as a crash leaves it
"""


@pytest.fixture
def writer():
    """Keep a file open for writing in another process until the test ends."""
    started = []

    def start(path, swmr):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITING, str(path), "latest" if swmr else ""],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        started.append(process)
        assert process.stdout.readline() == b"ready\n"
        return process

    yield start
    for process in started:
        process.communicate()


def as_latest(path):
    """The same file in the version of HDF5's format that knows about writers."""
    with h5py.File(path) as old, h5py.File(path.with_suffix(".new"), "w", libver="latest") as new:
        for name in old:
            old.copy(name, new)
    return path.with_suffix(".new").rename(path)


def test_a_file_that_a_program_writes_is_not_called_damaged(write, writer, refused, read):
    path = write("cxi")
    process = writer(path, swmr=False)
    refused(path, r"scan\.cxi is open in a program that writes it; wait until that has closed it")
    process.communicate()
    read(path)


def test_a_file_that_a_detector_writes_or_left_open_is_not_called_damaged(write, writer, refused):
    path = as_latest(write("cxi"))
    process = writer(path, swmr=True)
    sentence = r"scan\.cxi is still open for writing, or was when its writer crashed; wait until it is closed, or repair it with h5clear -s"
    refused(path, sentence)
    process.communicate()
    refused(path, sentence)


@pytest.mark.parametrize("swmr", [False, True])
def test_frames_that_are_still_being_written_are_named(tmp_path, linked, to, writer, refused, measured, swmr):
    frames = as_latest(frames_in(tmp_path / "frames.h5", measured.patterns))
    path = linked("scan.cxi", to("frames.h5"))
    writer(frames, swmr)
    refused(
        path,
        rf"'{DATA}' is in the file '.*frames\.h5', which is (still open for writing|open in a program that writes it)",
    )


def test_a_file_that_is_shorter_than_it_says_is_still_on_its_way(write, refused):
    path = write("cxi")
    size = path.stat().st_size
    os.truncate(path, size - 100)
    refused(
        path,
        rf"has {size - 100} of the {size} bytes that it should have: it is still being written or copied, or was truncated",
    )
