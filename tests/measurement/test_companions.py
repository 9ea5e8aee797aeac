"""A scan that is copied alone is whole, or what it would leave behind is named."""

import re
from pathlib import Path

import h5py
import numpy as np
import pytest

from ptychoformer.errors import InputError
from ptychoformer.measurement.readers.companions import check_whole
from ptychoformer.simulation.fetch import keep, provide

ROOT = Path(__file__).resolve().parents[2]
VALUES = np.arange(24.0).reshape(2, 3, 4)


@pytest.fixture
def folder(tmp_path):
    for name in ("frames.h5", "below/frames_0.h5", "below/frames_1.h5", "../elsewhere.h5"):
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(tmp_path / "data" / name, "w") as file:
            file["data"] = VALUES
    return tmp_path / "data"


def view(file, source, name="data"):
    """A virtual dataset of the first pattern of a source."""
    layout = h5py.VirtualLayout((1, 3, 4), float)
    layout[:] = h5py.VirtualSource(source, name, VALUES.shape)[:1]
    file.create_virtual_dataset("entry/view", layout)


def numbered_view(file):
    """A view of files whose names hold the number of a block of two patterns."""
    whole = h5py.h5s.create_simple((4, 3, 4), (h5py.h5s.UNLIMITED, 3, 4))
    whole.select_hyperslab((0, 0, 0), (h5py.h5s.UNLIMITED, 1, 1), (2, 1, 1), VALUES.shape)
    made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    made.set_virtual(whole, b"below/frames_%b.h5", b"data", h5py.h5s.create_simple(VALUES.shape))
    h5py.h5d.create(file.id, b"data", h5py.h5t.NATIVE_DOUBLE, whole, made)


def link(file, name):
    file["entry/linked"] = h5py.ExternalLink(name, "data")


NOT_WHOLE = {
    "a link to a file beside it": (lambda file, _: link(file, "frames.h5"), "frames.h5"),
    "a link by a full path": (lambda file, folder: link(file, str(folder / "frames.h5")), "frames.h5"),
    "a link to a folder below": (lambda file, _: link(file, "below/frames_0.h5"), "below/frames_0.h5"),
    "a view of a file beside it": (lambda file, _: view(file, "frames.h5"), "frames.h5"),
    "a view of numbered files": (lambda file, _: numbered_view(file), "below/frames_0.h5"),
}
WHOLE = {
    "links within": (lambda file, _: file.update({"entry/a": VALUES, "entry/b": h5py.SoftLink("/entry/a")})),
    "a view of itself": (lambda file, _: (file.update({"data": VALUES}), view(file, "."))),
    "a link to itself": (lambda file, _: link(file, "scan.h5")),
    "a link to what is nowhere": (lambda file, _: link(file, "nowhere.h5")),
    "a link that no reader follows": (lambda file, _: link(file, "../elsewhere.h5")),
    "a product that holds its patterns": (
        lambda file, folder: (
            (folder / "product.h5").touch(),
            file.update({"patterns": VALUES, "probe_position_x_m": VALUES[0]}),
        )
    ),
}


@pytest.mark.parametrize("how", NOT_WHOLE)
def test_a_file_that_a_copy_would_leave_behind_is_named_and_nothing_is_copied(folder, tmp_path, how):
    write, name = NOT_WHOLE[how]
    with h5py.File(folder / "scan.h5", "w") as file:
        write(file, folder)
    (tmp_path / "link.h5").symlink_to(folder / "scan.h5")
    for scan in (folder / "scan.h5", tmp_path / "link.h5"):
        with pytest.raises(InputError, match=rf"{scan.name} is not whole without '.*{re.escape(name)}' beside it"):
            keep(scan, "", tmp_path / "kept/scan.h5")
        with pytest.raises(InputError, match="is not whole without"):
            provide(scan.name, dict(url=None, sha256="0"), scan.parent, {}, tmp_path / "kept/scan.h5")
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize(
    ("patterns", "name", "other"), [("patterns", "diffraction", "product"), ("dp", "a_dp", "a_para")]
)
def test_a_product_beside_its_patterns_is_named(folder, patterns, name, other):
    with h5py.File(folder / f"{name}.h5", "w") as file:
        file[patterns] = VALUES
    check_whole(folder / f"{name}.h5")
    (folder / f"{other}.h5").touch()
    with pytest.raises(InputError, match=rf"is not whole without '{other}\.h5'"):
        check_whole(folder / f"{name}.h5")


@pytest.mark.parametrize("how", WHOLE)
def test_a_scan_of_one_file_is_whole(folder, how):
    with h5py.File(folder / "scan.h5", "w") as file:
        WHOLE[how](file, folder)
    check_whole(folder / "scan.h5")


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"\x89HDF\r\n\x1a\n" + bytes(100)])
def test_what_is_no_hdf5_or_damaged_is_left_to_who_reads_it(tmp_path, content):
    (tmp_path / "scan").write_bytes(content)
    check_whole(tmp_path / "scan")
    check_whole(tmp_path / "nowhere")


def test_a_scan_is_written_into_one_file_as_the_page_says(folder, monkeypatch):
    monkeypatch.chdir(folder)
    with h5py.File("scan.cxi", "w") as file:
        link(file, "frames.h5")
        view(file, "frames.h5")
        file["entry_1/data_1"] = h5py.SoftLink("/entry")
        file["entry"].move("view", "data")
        file.attrs["default"] = "entry"
    page = (ROOT / "docs/own-scan.md").read_text()
    lines = page[page.index("    import h5py\n") :].split("\n\nOf a product")[0]
    exec("\n".join(line.removeprefix("    ") for line in lines.splitlines()))
    check_whole("one.cxi")
    for name in Path().glob("**/frames*"):
        name.unlink()
    with h5py.File("one.cxi") as one:
        assert np.array_equal(one["entry/linked"], VALUES)
        assert np.array_equal(one["entry_1/data_1/data"], VALUES[:1])
        assert one.attrs["default"] == "entry"
