"""A scan that is copied alone is read if it is whole; else what was left behind is named, with what to do."""

import re
from pathlib import Path

import h5py
import numpy as np
import pytest

from ptychoformer.errors import InputError
from ptychoformer.simulation.fetch import keep, provide

from .conftest import DETECTOR

ROOT = Path(__file__).resolve().parents[2]
DATA = "entry_1/data_1/data"
ADVICE = "or, for the workflow, which copies one file alone, write all into one"


@pytest.fixture
def copied(tmp_path):
    """A scan as the workflow copies it, in either way."""

    def copied(path):
        provide(path.name, dict(url=None, sha256=None), path.parent, {}, tmp_path / "provided" / path.name)
        keep(path, "", tmp_path / "kept" / path.name)
        assert (tmp_path / "provided" / path.name).read_bytes() == (tmp_path / "kept" / path.name).read_bytes()
        return tmp_path / "kept" / path.name

    return copied


def moved(path, name, link):
    """Move a scan's patterns into another file, to which ``link`` leads."""
    with h5py.File(path, "r+") as file, h5py.File(path.with_name(name), "w") as other:
        other["data"] = file[DATA][:]
        del file[DATA], file[f"{DETECTOR}/data"]
        link(file, f"{DETECTOR}/data", name, other["data"].shape)
        if file.get(DATA, getlink=True) is None:
            file[DATA] = h5py.SoftLink(f"/{DETECTOR}/data")


def linked(file, where, name, shape):
    file[where] = h5py.ExternalLink(name, "data")


def linked_by_full_path(file, where, name, shape):
    file[where] = h5py.ExternalLink(str(Path(file.filename).with_name(name)), "data")


def viewed(file, where, name, shape):
    layout = h5py.VirtualLayout(shape, "f4")
    layout[:] = h5py.VirtualSource(name, "data", shape)
    file.create_virtual_dataset(where, layout).attrs["said"] = "of the view"


def viewed_under_two_names(file, where, name, shape):
    viewed(file, where, name, shape)
    file[DATA] = file[where]


@pytest.mark.parametrize("link", [linked, linked_by_full_path, viewed])
def test_patterns_that_a_copy_leaves_behind_are_named_with_what_to_do(write, read, measured, copied, link):
    path = write("cxi")
    moved(path, "frames.h5", link)
    np.testing.assert_array_equal(read(path)[1], measured.patterns)
    with pytest.raises(InputError, match=rf"is in the file '.*frames\.h5', which is .*, {re.escape(ADVICE)}"):
        read(copied(path))


@pytest.mark.parametrize(("format", "name"), [("ptychodus", "s_diffraction.h5"), ("ptychi", "s_dp.h5")])
def test_a_product_that_a_copy_leaves_behind_is_named_with_what_to_do(write, copied, read, format, name):
    with pytest.raises(InputError, match=rf"holds no positions, 's_.*', which .*, {re.escape(ADVICE)}"):
        read(copied(write(format, name=name)))


def test_a_scan_is_not_refused_for_links_that_nothing_of_it_needs(tmp_path, write, read, measured, copied):
    path = write("cxi")
    with h5py.File(path, "r+") as file, h5py.File(tmp_path / "camera.h5", "w") as camera:
        camera["data"] = np.zeros((2, 8, 8))
        linked(file, "entry_1/camera", "camera.h5", None)
        viewed(file, "entry_1/view", "camera.h5", (2, 8, 8))
    np.testing.assert_array_equal(read(copied(path))[1], measured.patterns)


@pytest.mark.parametrize("link", [linked, viewed, viewed_under_two_names])
def test_a_scan_is_written_into_one_file_as_the_page_says(tmp_path, write, read, measured, copied, monkeypatch, link):
    monkeypatch.chdir(tmp_path)
    path = write("cxi", name="scan.cxi")
    moved(path, "frames.h5", link)
    with h5py.File(path, "r+") as file:
        file.attrs["default"] = "entry_1"
    page = (ROOT / "docs/own-scan.md").read_text()
    lines = page[page.index("    import h5py\n") :].split("\n\nOf a product")[0]
    exec("\n".join(line.removeprefix("    ") for line in lines.splitlines()))
    (tmp_path / "frames.h5").unlink()
    np.testing.assert_array_equal(read(copied(tmp_path / "one.cxi"))[1], measured.patterns)
    with h5py.File("one.cxi") as one:
        assert one.attrs["default"] == "entry_1"
        assert one[DATA].attrs.get("said") == (None if link is linked else "of the view")
