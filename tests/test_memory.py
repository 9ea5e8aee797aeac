"""What a file says of its size is looked at before memory is asked for."""

import io
import os
import resource
import struct
import subprocess
import sys
import tracemalloc
import zipfile
from contextlib import contextmanager

import h5py
import numpy as np
import pytest
import tifffile
from PIL import Image

from ptychoformer import memory
from ptychoformer.contents import Figure
from ptychoformer.errors import InputError
from ptychoformer.measurement.cxi import read_transmission
from ptychoformer.measurement.readers import open_scan
from ptychoformer.memory import check_memory
from ptychoformer.publication.report import figures as report_figures
from ptychoformer.simulation.objects import read_tiff
from ptychoformer.simulation.probes import read_npy
from ptychoformer.storage import open_hdf5, read_whole

MEGABYTE = 2**20


@contextmanager
def little_memory(most=20 * MEGABYTE):
    """Fail if what runs within asks for more memory, though it may never be touched."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < most


def refused(reading, reason):
    with little_memory(), pytest.raises(InputError, match=reason):
        reading()


def tiff_that_says(path, width, length, **options):
    """A small TIFF whose header was changed afterwards."""
    tifffile.imwrite(path, np.zeros((64, 64), np.float32), **options)
    with tifffile.TiffFile(path, mode="r+b") as file:
        tags = file.pages[0].tags
        for name, value in {"ImageWidth": width, "ImageLength": length}.items():
            tags[name].overwrite(value)
    return path


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"tile": (16, 16)}])
def test_a_small_tiff_of_an_enormous_image_is_refused(tmp_path, options):
    path = tiff_that_says(tmp_path / "a.tiff", 60_000, 60_000, **options)
    assert path.stat().st_size < 60_000
    refused(lambda: read_tiff(path, (64, 64)), r"a\.tiff has the shape \(60000, 60000\), but the config declares")
    refused(
        lambda: read_tiff(path, (60_000, 60_000)), r"claims the shape \(60000, 60000\) of float32, of which \d+ bytes"
    )


@pytest.mark.parametrize("pages", [3, 200])
def test_a_stack_of_images_is_no_image(tmp_path, pages):
    tifffile.imwrite(tmp_path / "a.tiff", np.zeros((pages, 64, 64), np.uint8), photometric="minisblack")
    refused(lambda: read_tiff(tmp_path / "a.tiff", (64, 64)), rf"found shape \({pages}, 64, 64\) of uint8")


def test_an_image_that_memory_cannot_hold_is_refused(tmp_path, monkeypatch):
    tifffile.imwrite(tmp_path / "a.tiff", np.zeros((64, 64), np.float32))
    assert read_tiff(tmp_path / "a.tiff", (64, 64)).shape == (64, 64)
    monkeypatch.setattr(memory, "memory", lambda: 64 * 64 * 12 - 1.0)
    refused(lambda: read_tiff(tmp_path / "a.tiff", (64, 64)), r"a\.tiff: what it says that it holds takes 4\.92e-05 GB")


def npy_that_says(path, header):
    """An array saved by NumPy whose header says something else."""
    text = header.encode("latin-1").ljust(117) + b"\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(100))
    return path


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        ((96_600, 96_600), "<c16"),  # 149 GB
        ((2**40, 2**40), "<f8"),
        ((2**62, 8), "<f8"),
        ((32, 32, 10**9), "|u1"),
        ((32, -32), "<f8"),
        ((10**30, 1), "<f8"),
    ],
)
def test_an_array_of_a_few_bytes_that_claims_more_is_no_probe(tmp_path, shape, dtype):
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}"
    path = npy_that_says(tmp_path / "probe.npy", header)
    refused(
        lambda: read_npy(path, 1, 32), r"probe\.npy (cannot be read as an array saved by NumPy|has the shape|must hold)"
    )


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '|O', 'fortran_order': False, 'shape': (32, 32), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': 32, }",
        "{'descr': '<f8', 'fortran_order': False}",
        "__import__('os')",
        "{'descr': '<f999999999', 'fortran_order': False, 'shape': (1, 1), }",
        "(" * 100,
    ],
)
def test_a_header_that_is_none_is_no_probe(tmp_path, header):
    path = npy_that_says(tmp_path / "probe.npy", header)
    refused(lambda: read_npy(path, 1, 32), r"probe\.npy cannot be read as an array saved by NumPy")


def test_a_probe_that_fits_is_read_and_one_of_another_shape_is_not(tmp_path):
    np.save(tmp_path / "probe.npy", np.ones((3000, 3000)))
    assert np.array_equal(read_npy(tmp_path / "probe.npy", 100, 30), np.ones((30, 30)))
    refused(lambda: read_npy(tmp_path / "probe.npy", 1, 32), r"has the shape \(3000, 3000\)")


def test_a_scan_in_an_archive_that_claims_to_unpack_to_more_is_refused(tmp_path):
    path = tmp_path / "scan.npz"
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f4", "fortran_order": False, "shape": (10, 10, 64, 64)})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("arr_0.npy", stream.getvalue())

    def reading():
        with open_scan(path, format="nanoprobe"):
            pass

    refused(reading, r"says that it holds float32 of shape \(10, 10, 64, 64\), 1638528 bytes, but it has 128")


@pytest.fixture
def holey(tmp_path):
    """Makes an HDF5 file that claims images of which next to nothing is stored."""

    def make(shape, **options):
        path = tmp_path / "object.h5"
        with h5py.File(path, "w") as file:
            for name in ("amplitude", "phase"):
                file.create_dataset(f"object/{name}", shape, np.float32, **options)
        return path

    return make


@pytest.mark.parametrize(
    "options",
    [
        {"chunks": (64, 64), "fillvalue": 1.0},
        {"chunks": (64, 64), "compression": "gzip", "fillvalue": np.nan},
        {"chunks": (1, 1)},
        {},
    ],
)
@pytest.mark.parametrize("side", [5_000, 200_000])
def test_an_object_of_fill_values_is_refused(holey, options, side):
    path = holey((side, side), **options)
    assert path.stat().st_size < 20_000
    refused(
        lambda: read_transmission(path),
        rf"'object/amplitude' claims the shape \({side}, {side}\) of float32, of which 0",
    )


def test_an_object_of_a_few_written_chunks_is_refused(holey):
    path = holey((40_000, 40_000), chunks=(64, 64))
    with h5py.File(path, "r+") as file:
        file["object/amplitude"][:64, :64] = 1
    refused(lambda: read_transmission(path), "of which 16384 bytes are stored")


def test_a_view_of_nothing_is_refused(tmp_path):
    layout = h5py.VirtualLayout((200_000, 200_000), np.float32)
    with h5py.File(tmp_path / "object.h5", "w") as file:
        file.create_virtual_dataset("object/amplitude", layout, fillvalue=1)
    refused(lambda: read_transmission(tmp_path / "object.h5"), "of which 0 bytes are stored")


def test_what_is_stored_is_read_if_memory_can_hold_it(tmp_path, monkeypatch):
    values = np.arange(12.0).reshape(3, 4)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["values"], file["none"] = values, np.zeros((0, 4))
        file.create_dataset("packed", data=values, chunks=(3, 4), compression="gzip")
    with open_hdf5(tmp_path / "a.h5") as file:
        assert np.array_equal(read_whole(file, "values", 2), values)
        assert np.array_equal(read_whole(file, "packed", 2), values)
        assert read_whole(file, "none", 2).shape == (0, 4)
        monkeypatch.setattr(memory, "memory", lambda: values.nbytes - 1.0)
        with pytest.raises(InputError, match=r"'values': what it says that it holds takes"):
            read_whole(file, "values", 2)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_picture_of_more_pixels_than_any_figure_is_refused(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)  # a bomb is what has twice as many
    figures = {"fig1": (tmp_path / "fig1.pdf", tmp_path / "fig1.png")}
    figures["fig1"][0].write_bytes(b"%PDF")
    Image.new("L", (50, 50)).save(figures["fig1"][1], kind)
    refused(
        lambda: report_figures.pictures(
            figures, {"fig1": Figure("A figure", "Its caption.")}, tmp_path / "report.html"
        ),
        r"fig1\.png cannot be read as a picture",
    )


def test_a_limit_of_the_process_counts(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (10**9, 10**9))
    with pytest.raises(InputError, match=r"A scene takes 2 GB of memory, and there are 1 GB; take 45% of it\."):
        check_memory("A scene", 2e9, lambda part: f"take {part:.0%} of it")


LIMITED = """
import resource, sys
from ptychoformer.cli import main
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]),) * 2)
sys.exit(main(sys.argv[2:]))
"""


def limited(limit, *arguments):
    command = [sys.executable, "-c", LIMITED, str(int(limit)), *map(str, arguments)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=environment)


@pytest.mark.skipif(sys.platform != "linux", reason="others count memory otherwise")
@pytest.mark.parametrize("limit", [0.35e9, 0.5e9, 0.6e9, 0.7e9, 0.79e9])
def test_pytorch_without_room_is_one_sentence_and_no_aborted_process(make_scan, limit):
    scan = make_scan()
    done = limited(limit, "reconstruct", scan, "-o", scan.with_name("object.h5"), "--threads", 1)
    assert done.returncode == 1
    assert done.stderr == (
        f"Error: PyTorch needs 0.8 GB of address space at least, and this process may take {limit / 1e9:.2g} GB;"
        " raise that limit (ulimit -v).\n"
    )
    assert not scan.with_name("object.h5").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="others count memory otherwise")
def test_what_needs_no_pytorch_needs_no_room_for_it(make_scan):
    assert limited(0.5e9, "inspect", make_scan()).returncode == 0
    assert limited(0.5e9, "--version").returncode == 0


@pytest.mark.parametrize(("first", "looked"), [("pass", True), ("memory.collect_seldom()", False)])
def test_a_program_that_ends_does_not_look_for_garbage_unless_nothing_is_said(first, looked):
    """An object that refers to itself is what Python has to look for."""
    program = f"""
from ptychoformer import memory
{first}
class Garbage:
    def __del__(self):
        print("found")
garbage = Garbage()
garbage.itself = garbage
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == ("found\n" if looked else "")


def test_garbage_is_still_looked_for_while_a_program_works():
    program = """
import gc, weakref
from ptychoformer.memory import collect_seldom
collect_seldom()
class Garbage: pass
def circle():
    garbage = Garbage()
    garbage.itself = garbage
    return weakref.ref(garbage)
circles = [circle() for _ in range(50_000)]
print(sum(circle() is not None for circle in circles) < 25_000)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
