"""Thousands of damaged and lying files: each ends in a scan or in one sentence, soon, in little memory, and never in a crash."""

import bz2
import faulthandler
import gc
import io
import json
import os
import pickle
import resource
import struct
import warnings
import zipfile
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np
import pytest

from ptychoformer.errors import InputError
from ptychoformer.measurement.preparation import Preparation, prepare
from ptychoformer.measurement.readers import open_scan

SECONDS = 40  # for one file
MEMORY = 2**30  # bytes, beyond what Python and the libraries take
QUICK, ALL = 60, 550


# Damage to bytes, of any format


def truncated(data, random):
    return data[: random.integers(len(data))]


def flipped(data, random):
    """Bits of up to 16 bytes, of which half the times all are where formats keep what they say about themselves."""
    data = bytearray(data)
    within = min(len(data), 4096) if random.random() < 0.5 else len(data)
    for at in random.integers(within, size=random.integers(1, 17)):
        data[at] ^= 1 << random.integers(8)
    return bytes(data)


def overwritten(data, random):
    """A stretch of zeros, ones or noise."""
    at, length = random.integers(len(data)), random.integers(1, 513)
    filling = [bytes(length), b"\xff" * length, random.bytes(length)][random.integers(3)]
    return data[:at] + filling[: len(data) - at] + data[at + length :]


def displaced(data, random):
    """A stretch that is missing, or there twice."""
    start, stop = sorted(random.integers(len(data), size=2))
    return data[:start] + data[stop:] if random.random() < 0.5 else data[:stop] + data[start:]


BYTES = (truncated, flipped, overwritten, displaced)


def damaged_view(data, random):
    """Bytes where HDF5 keeps what a virtual dataset is made of: some versions crash on them, or read for ever."""
    data = bytearray(data)
    at = data.find(b"GCOL")
    start = at + random.integers(4096)
    for offset in (
        range(random.integers(1, 129)) if random.random() < 0.5 else random.integers(4096, size=random.integers(1, 9))
    ):
        data[(start + offset) % len(data)] = [0, 0xFF, random.integers(256)][random.integers(3)]
    return bytes(data)


# Lies in HDF5


def anywhere(file, random):
    """The name of a dataset."""
    names = []
    file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
    return names[random.integers(len(names))]


def removed(file, random):
    parts = anywhere(file, random).split("/")
    del file["/".join(parts[: random.integers(1, len(parts) + 1)])]


def replaced_by(make):
    def replace(file, random):
        name = anywhere(file, random)
        value = file[name]
        shape, dtype = value.shape, value.dtype
        del file[name]
        make(file, name, shape, dtype, random)

    replace.__name__ = make.__name__
    return replace


@replaced_by
def a_group(file, name, shape, dtype, random):
    file.create_group(name)


@replaced_by
def another_type(file, name, shape, dtype, random):
    types = [
        "S5",
        h5py.string_dtype(),
        h5py.ref_dtype,
        h5py.vlen_dtype(np.int32),
        [("a", "f4"), ("b", "S3")],
        "c16",
        "?",
        ">f2",
        "V7",
    ]
    file.create_dataset(name, shape, np.dtype(types[random.integers(len(types))]))


@replaced_by
def another_shape(file, name, shape, dtype, random):
    shapes = [
        (),
        (0,),
        (1,),
        shape[:-1],
        (*shape, 1),
        (*shape, 0),
        shape[::-1],
        (1, *shape),
        tuple(2 * n for n in shape),
        (shape[:1] or (3,)) * 4,
    ]
    file.create_dataset(name, data=np.ones(shapes[random.integers(len(shapes))], dtype))


@replaced_by
def emptiness(file, name, shape, dtype, random):
    file.create_dataset(name, data=h5py.Empty(dtype))


@replaced_by
def a_huge_claim(file, name, shape, dtype, random):
    sizes = [(2**40, 16, 16), (12, 2**20, 2**20), (10**6, 4000, 4000), (2**31, 2), (12, 4096, 4096)]
    shape = sizes[random.integers(len(sizes))]
    chunks = [(1, *(min(n, 64) for n in shape[1:])), tuple(min(n, 1000) for n in shape)][random.integers(2)]
    made = file.create_dataset(name, shape, "f8", chunks=chunks, compression=[None, "gzip", "lzf"][random.integers(3)])
    if np.prod(chunks) < 2**20:
        made[tuple(slice(n) for n in chunks)] = 1


@replaced_by
def odd_numbers(file, name, shape, dtype, random):
    values = random.standard_normal(shape) * 10.0 ** random.integers(-300, 300)
    odd = [np.nan, np.inf, -np.inf, -1.0, 0.0, 1e300, -1e-300]
    values = np.where(random.random(shape) < random.random(), odd[random.integers(len(odd))], values)
    file.create_dataset(name, data=values)


@replaced_by
def a_link_elsewhere(file, name, shape, dtype, random):
    folder = Path(file.filename).parent
    targets = [
        "missing.h5",
        "/dev/zero",
        "/dev/stdin",
        "pipe",
        str(folder / "pipe"),
        ".",
        "..",
        "/proc/self/mem",
        "loop",
        Path(file.filename).name,
        "base",
    ]
    names = [name, "/", "/nowhere", "/entry_1/data_1/data", "/entry_1/data_1"]
    file[name] = h5py.ExternalLink(targets[random.integers(len(targets))], names[random.integers(len(names))])


@replaced_by
def a_link_here(file, name, shape, dtype, random):
    names = [name, "/", "/nowhere", "/entry_1/data_1/data", "data", "entry_1", "."]
    file[name] = h5py.SoftLink(names[random.integers(len(names))])


@replaced_by
def a_view_elsewhere(file, name, shape, dtype, random):
    targets = ["missing.h5", "/dev/zero", "pipe", ".", "base", Path(file.filename).name, "%b.h5"]
    layout = h5py.VirtualLayout(shape, dtype)
    source = h5py.VirtualSource(
        targets[random.integers(len(targets))], [name, "nowhere", "/entry_1"][random.integers(3)], shape, dtype
    )
    layout[...] = source
    file.create_virtual_dataset(name, layout)


@replaced_by
def bare_values(file, name, shape, dtype, random):
    targets = ["/dev/zero", "/dev/null", "pipe", "missing", "base"]
    made = (targets[random.integers(len(targets))], 0, h5py.h5f.UNLIMITED)
    file.create_dataset(name, shape or (1,), dtype, external=[made])


def odd_units(file, random):
    values = ["km", b"\xff", 3.0, np.arange(5), h5py.Empty("S1"), "", "eV" * 1000, [b"m", b"m"]]
    file[anywhere(file, random)].attrs["units"] = values[random.integers(len(values))]


def odd_attributes(file, random):
    own = file.require_group("ptychography")
    values = [(3, 4), (4, 4), (0, 0), (-3, -4), 12, "12", (2**62, 4), (3.0, 4.0), np.nan]
    own.attrs["grid"] = values[random.integers(len(values))]
    if random.random() < 0.7:
        positions = random.random((12, [2, 2, 2, 3][random.integers(4)])) * 10.0 ** random.integers(-3, 12)
        own["positions"] = positions
    if random.random() < 0.5:
        own["probe"] = random.random([(16, 16), (16, 15), (0, 0), (16,)][random.integers(4)]) * 10.0 ** random.integers(
            -50, 300
        )


def odd_statements(file, random):
    """Entries that a file need not have, of any shape, size and kind."""
    names = [
        "data_dark",
        "data_white",
        "dark",
        "qe_mask",
        "corner_position",
        "counts_per_joule",
        "beam_center_x",
        "beam_center_y",
        "mask",
        "basis_vectors",
    ]
    names = [f"detector_1/{name}" for name in names] + [
        "monitor/data",
        "source_1/probe",
        "source_1/energy",
        "beam_1/incident_wavelength",
        "monochromator_1/energy",
    ]
    for name in random.choice(names, 3, replace=False):
        name = f"entry_1/instrument_1/{name}"
        if name in file:
            del file[name]
        shapes = [(), (3,), (12,), (12, 3), (2, 3), (12, 2, 3), (16, 16), (12, 16, 16), (0, 16, 16), (0,)]
        values = random.standard_normal(shapes[random.integers(len(shapes))]) * 10.0 ** random.integers(-30, 30)
        values = [
            values,
            np.abs(values),
            np.ones_like(values),
            np.full_like(values, [np.nan, np.inf, 1e300, 5e-324][random.integers(4)]),
        ]
        texts = ["electron", "x-ray", "", b"\xff", ["electron", "neutron"]]
        file[name] = texts[random.integers(len(texts))] if random.random() < 0.2 else values[random.integers(4)]
        if random.random() < 0.3:
            odd_units(file, random)
    data = file["entry_1/data_1/data"]
    data.attrs["axes"] = ["translation:y:x", "y:x:translation", b"\xff:y:x", 5, "", h5py.Empty("S1"), ["y", "x"]][
        random.integers(7)
    ]


def odd_product(file, random):
    """What ptychodus states beside patterns and positions, of any kind and size, and numbers of the wrong ones."""
    values = [
        0.0,
        -1.0,
        1e-300,
        1e300,
        np.nan,
        np.inf,
        "8 keV",
        b"\xff",
        True,
        False,
        np.arange(2.0),
        h5py.Empty("f8"),
        7,
    ]
    lengths = [f"{prefix}pixel_{side}_m" for prefix in ("", "detector_") for side in ("height", "width")]
    for _ in range(3):
        value = values[random.integers(len(values))]
        if random.random() < 0.5:
            names = ["photon_energy_eV", "probe_energy_eV", "detector_object_distance_m", "far_field"]
            file.attrs[names[random.integers(len(names))]] = value
        else:
            file[anywhere(file, random)].attrs[lengths[random.integers(len(lengths))]] = value
    if random.random() < 0.3:
        name = ["indexes", "probe_position_indexes"][random.integers(2)]
        numbers = file[name][:]
        del file[name]
        file[name] = [numbers % 3, numbers * 2**58, numbers.astype("u8") + 2**63, numbers - 9, numbers[::-1]][
            random.integers(5)
        ]


def damaged_chunk(file, random):
    """Bytes of a stored chunk, which only its decompression notices."""
    name = anywhere(file, random)
    dataset = file[name]
    if dataset.chunks is None or not dataset.id.get_num_chunks():
        return
    chunk = dataset.id.get_chunk_info(int(random.integers(dataset.id.get_num_chunks())))
    mask, data = dataset.id.read_direct_chunk(chunk.chunk_offset)
    dataset.id.write_direct_chunk(chunk.chunk_offset, BYTES[random.integers(len(BYTES))](data, random), mask)


HDF5 = (
    removed, a_group, another_type, another_shape, emptiness, a_huge_claim, odd_numbers, a_link_elsewhere, a_link_here, a_view_elsewhere,
    bare_values, odd_units, odd_attributes, odd_statements, odd_statements, damaged_chunk,
    odd_product, odd_product,
)  # fmt: skip


def lying_hdf5(data, path, random):
    path.write_bytes(data)
    with h5py.File(path, "r+") as file:
        for _ in range(random.integers(1, 3)):
            with suppress(
                OSError, ValueError, TypeError, KeyError, RuntimeError, AttributeError
            ):  # not every lie can be told about every dataset, or after another one
                HDF5[random.integers(len(HDF5))](file, random)


# Lies in arrays and archives


def lying_npy(data, random):
    """An array saved by NumPy with another header, or other values."""
    array = np.load(io.BytesIO(data))
    match random.integers(8):
        case 0:
            array = array.reshape(array.shape[::-1])
        case 1:
            array = np.asfortranarray(array)
        case 2:
            array = np.where(random.random(array.shape) < 0.01, [np.nan, np.inf, -5.0, 1e38][random.integers(4)], array)
        case 3:
            array = array.real.astype(["S3", "U2", "?", ">f8", "c8", "M8[s]", "i1"][random.integers(7)])
        case 4:
            array = array[tuple([slice(random.integers(3))] * random.integers(1, array.ndim + 1))]
        case 5:
            buffer = io.BytesIO()
            np.save(buffer, np.array([print, {}, None], dtype=object), allow_pickle=True)
            return [buffer.getvalue(), pickle.dumps(array), b"\x93NUMPY"][random.integers(3)]
        case 6 | 7:
            shapes = [
                (2**40,),
                (161, 161, 256, 256),
                (1, 4_000_000, 4096, 4096),
                (-1, 12, 16, 16),
                (),
                (10**4000,),
                "x",
                (True, 2),
                (0, 0, 0, 0),
            ]
            header = {"descr": array.dtype.str, "fortran_order": False, "shape": shapes[random.integers(len(shapes))]}
            if random.random() < 0.3:
                header["descr"] = [["|O"], "<f99", "|V8", [("a", "<f4")], "import os", "|S1000000000", ("<f4", (3,))][
                    random.integers(7)
                ]
            if random.random() < 0.2:
                header["fortran_order"] = "maybe"
            text = repr(header).encode() + b"(" * (random.integers(2) * random.integers(3000)) + b"\n"
            return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data[128:]
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def lying_zip(data, random):
    """An archive with a member that is changed, missing, or packed in a way that nobody uses; or with a directory that lies."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    name = sorted(members)[random.integers(len(members))]
    method = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA][
        random.choice(4, p=[0.4, 0.4, 0.1, 0.1])
    ]
    match random.integers(4):
        case 0 | 1:
            members[name] = lying_npy(members[name], random)
        case 2:
            del members[name]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for key, content in members.items():
            archive.writestr(key, content)
    if random.random() < 0.4:
        made = bytearray(buffer.getvalue())
        at = made.find(b"PK\x01\x02")
        while at >= 0:  # sizes, checksum, flags and offset in the central directory
            field, width = [(20, 4), (24, 4), (16, 4), (8, 2), (10, 2), (42, 4)][random.integers(6)]
            made[at + field : at + field + width] = (
                random.bytes(width) if random.random() < 0.5 else b"\xff" * (width - 1) + b"\x7f"
            )
            at = made.find(b"PK\x01\x02", at + 4) if random.random() < 0.5 else -1
        return bytes(made)
    return buffer.getvalue()


def mutate(format, base, path, random):
    """Write a damaged or lying version of the file ``base`` to ``path``."""
    if random.random() < 0.45:
        data = base
        if format == "velociprobe" and random.random() < 0.5:  # within what is packed
            data = bz2.compress(BYTES[random.integers(len(BYTES))](bz2.decompress(data), random))
        else:
            data = BYTES[random.integers(len(BYTES))](data, random)
        path.write_bytes(data)
    elif format == "nxcxi" and random.random() < 0.3:
        path.write_bytes(damaged_view(base, random))
    elif format in ("cxi", "nxcxi", "hdf5", "ptychodus", "ptychi", "ptyd"):
        lying_hdf5(base, path, random)
    elif format == "velociprobe":
        unpacked = lying_zip(bz2.decompress(base), random)
        path.write_bytes(bz2.compress(unpacked) if random.random() < 0.7 else unpacked)
    elif random.random() < 0.3:
        with zipfile.ZipFile(io.BytesIO(base)) as archive:
            path.write_bytes(lying_npy(archive.read("arr_0.npy"), random))
    else:
        path.write_bytes(lying_zip(base, random))


# The trial


def reading(format, seed):
    """What `open_scan` is told of a file: of one without a format its paths, of others sometimes the format."""
    if format == "hdf5":
        motion = "entry_1/sample_1/geometry_1/translation"
        return {"data": "entry_1/data_1/data", "positions": motion, "positions_unit": ["m", "pixel"][seed % 2]}
    return {"format": None if seed % 2 else {"nxcxi": "cxi"}.get(format, format)}


def outcome(path, format, seed):
    """``scan``, or the sentence that says why there is none."""
    preparation = [
        Preparation(),
        Preparation(crop=12, bin=2),
        Preparation(wavelength=1e-10, distance=1.0, detector_pixel=5e-5),
    ][seed % 3]
    try:
        with open_scan(path, **reading(format, seed)) as raw:
            scan = prepare(raw, preparation)
            count = 0
            for block in scan.frames(5):
                assert np.isfinite(block).all()
                count += len(block)
            assert count == len(scan.positions)
            assert np.isfinite(scan.positions).all()
    except InputError as error:
        sentence = str(error)
    else:
        sentence = "scan"
    assert sentence == "scan" or (path.name in sentence and len(sentence.splitlines()) == 1)
    return sentence


def attempt(format, base, folder, seeds, pipe):
    """In a process of its own: one line about each file, before it is tried and after."""
    gc.freeze()  # what other tests left may wait, when it is collected, for threads that were not forked
    with open("/proc/self/statm") as file:
        taken = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, taken + MEMORY))
    with os.fdopen(pipe, "w", buffering=1) as report:
        for seed in seeds:
            random = np.random.default_rng([seed, *format.encode()])
            path = folder / f"mutant{seed}.dat"
            mutate(format, base, path, random)
            report.write(f"{seed}\n")
            faulthandler.dump_traceback_later(SECONDS, exit=True)  # even if a library is what hangs
            try:
                with warnings.catch_warnings(action="error"):
                    found = outcome(path, format, seed)
            except BaseException as error:
                found = f"!{type(error).__name__}: {error}"
            faulthandler.cancel_dump_traceback_later()
            path.unlink(missing_ok=True)
            report.write(f"{seed} {json.dumps(found)}\n")


def trial(format, base, folder, seeds):
    """What became of each seed's file."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.close(read)
        code = 1
        try:
            attempt(format, base, folder, seeds, write)
            code = 0
        finally:
            os._exit(code)
    os.close(write)
    with os.fdopen(read) as report:
        lines = report.read().splitlines()
    _, status = os.waitpid(child, 0)
    results = {int(seed): json.loads(found) for seed, _, found in (line.partition(" ") for line in lines) if found}
    if status:
        ended = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"exit code {os.WEXITSTATUS(status)}"
        results[int(lines[-1].split()[0]) if lines else -1] = f"!the process ended by {ended}"
    return results


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize(
    "seeds", [range(QUICK), pytest.param(range(QUICK, ALL), marks=pytest.mark.slow)], ids=["quick", "all"]
)
@pytest.mark.parametrize("format", ["cxi", "nxcxi", "hdf5", "ptychodus", "ptychi", "ptyd", "velociprobe", "nanoprobe"])
def test_every_file_ends_in_a_scan_or_a_sentence(tmp_path, write, simulate, format, seeds):
    whole = {"apart": False} if format in ("ptychodus", "ptychi") else {}
    path = write("cxi" if format == "hdf5" else format, scan=simulate(window=16, step=4, radius=2.5), **whole)
    base = path.read_bytes()
    folder = tmp_path / "mutants"
    folder.mkdir()
    os.mkfifo(folder / "pipe")
    (folder / "loop").symlink_to("loop")
    (folder / "base").write_bytes(base)
    results = trial(format, base, folder, seeds)
    broken = {seed: found for seed, found in results.items() if found.startswith("!")}
    assert not broken
    assert set(results) == set(seeds)
    scans = sum(found == "scan" for found in results.values())
    assert 0.02 * len(seeds) < scans < 0.8 * len(seeds)
