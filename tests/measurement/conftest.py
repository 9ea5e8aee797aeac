"""A scan as physics has it, and the files that facilities would write of it."""

import bz2
import io
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import product

import h5py
import numpy as np
import pytest
from scipy import constants
from scipy.fft import ifftshift

from ptychoformer.errors import InputError
from ptychoformer.measurement.cxi import Optics
from ptychoformer.measurement.readers import open_scan
from ptychoformer.measurement.windows import windows
from ptychoformer.randomness import generator
from ptychoformer.simulation.diffraction import diffraction

DETECTOR = "entry_1/instrument_1/detector_1"


@dataclass(frozen=True)
class Measured:
    """``n`` patterns (n, h, w) of ``object`` (H, W) in windows whose upper left ``corners`` (n, 2) are near a raster ``grid``."""

    grid: tuple[int, int]
    corners: np.ndarray
    object: np.ndarray
    probe: np.ndarray
    patterns: np.ndarray
    optics: Optics


@pytest.fixture(scope="session")
def measured():
    return simulated()


@pytest.fixture(scope="session")
def simulate():
    return simulated


def simulated(grid=(3, 4), window=32, step=7, radius=5.0, photons=2e5):
    random = generator(0, "measured")
    corners = np.indices(grid).reshape(2, -1).T * step + random.integers(0, 4, (grid[0] * grid[1], 2))
    corners -= corners.min(axis=0)
    shape = corners.max(axis=0) + window
    thing = (0.6 + 0.4 * random.random(shape)) * np.exp(1j * random.random(shape))
    y, x = np.indices((window, window)) - window // 2
    probe = np.exp(-(y**2 + x**2) / (2 * radius**2)) * np.exp(0.02j * (y**2 + x**2))
    probe *= np.sqrt(photons / np.sum(np.abs(probe) ** 2))
    patterns = np.rint(diffraction(probe * windows(thing, corners, (window, window)))).astype(np.float32)
    return Measured(
        grid,
        corners,
        thing,
        probe.astype(np.complex64),
        patterns,
        Optics(wavelength=1.4e-10, pixel_size=8e-9, distance=2.0),
    )


def write_cxi(path, measured, patterns=None, axes=-1, raster=False):
    """As cdtools and PyNX lay it out: ``axes`` -1 is a detector whose rows run down and whose columns run to the right, seen from the source."""
    patterns = measured.patterns if patterns is None else patterns
    pixel = measured.optics.detector_pixel_size(patterns.shape[-1])
    motion = np.zeros((len(measured.corners), 3))
    motion[:, :2] = -axes * measured.corners[:, ::-1] * measured.optics.pixel_size + [3e-5, -7e-5]
    with h5py.File(path, "w") as file:
        file["cxi_version"] = 160
        detector, source = (
            file.create_group("entry_1/instrument_1/detector_1"),
            file.create_group("entry_1/instrument_1/source_1"),
        )
        shape = (*measured.grid, *patterns.shape[1:]) if raster else patterns.shape
        detector.create_dataset("data", data=patterns.reshape(shape), compression="gzip", shuffle=True)
        detector["basis_vectors"] = axes * np.array([[0, pixel, 0], [pixel, 0, 0]])
        detector["distance"] = measured.optics.distance
        detector["x_pixel_size"] = detector["y_pixel_size"] = pixel
        detector["mask"] = np.zeros(patterns.shape[1:], np.uint32)
        source["wavelength"] = measured.optics.wavelength
        source["energy"] = constants.h * constants.c / measured.optics.wavelength
        file["entry_1/sample_1/geometry_1/translation"] = motion
        file["entry_1/data_1/data"] = h5py.SoftLink("/entry_1/instrument_1/detector_1/data")
        for group in ("data_1", "instrument_1/detector_1"):
            file[f"entry_1/{group}/translation"] = h5py.SoftLink("/entry_1/sample_1/geometry_1/translation")
    return path


def write_nxcxi(path, measured):
    """NXcxi_ptycho of a raster: four axes on the detector, a virtual dataset of three for CXI, and units that are not SI."""
    rows, columns = measured.grid
    shape = measured.patterns.shape[1:]
    pixel = measured.optics.detector_pixel_size(shape[0])
    with h5py.File(path, "w") as file:
        instrument = file.create_group("entry_1/instrument_1")
        name = "entry_1/instrument_1/detector_1/data"
        file.create_dataset(
            name, data=measured.patterns.reshape(rows, columns, *shape).astype(np.uint32), chunks=(1, 2, *shape)
        )
        whole = h5py.VirtualSource(".", name, (rows, columns, *shape), np.uint32)
        layout = h5py.VirtualLayout((rows * columns, *shape), np.uint32)
        for i, (row, column) in enumerate(product(range(rows), range(columns))):
            layout[i] = whole[row, column]
        file.create_group("entry_1/data_1").create_virtual_dataset("data", layout)
        electronvolts = constants.h * constants.c / measured.optics.wavelength / constants.eV
        motion = measured.corners[:, ::-1] * measured.optics.pixel_size * 1e6
        quantities = {
            "source_1/energy": (3e9, "eV"),
            "beam_1/incident_beam_energy": (electronvolts / 1e3, "keV"),
            "detector_1/distance": (measured.optics.distance * 1e3, "mm"),
            "detector_1/x_pixel_size": (pixel * 1e6, "um"),
            "detector_1/y_pixel_size": (pixel * 1e6, "um"),
            "detector_1/basis_vectors": ([[0, -pixel, 0], [-pixel, 0, 0]], "m"),
            "detector_1/translation": (np.pad(motion, ((0, 0), (0, 1))), "um"),
        }
        for key, (value, units) in quantities.items():
            instrument[key] = value
            instrument[key].attrs["units"] = units
        file["entry_1/data_1/translation"] = h5py.SoftLink("/entry_1/instrument_1/detector_1/translation")
    return path


def velociprobe_arrays(measured):
    return {
        "data": ifftshift(measured.patterns, axes=(1, 2))[None],
        "scan": (measured.corners[None] - 40).astype(np.float32),
        "probe": measured.probe[None, None, None, None],
    }


def write_velociprobe(path, measured):
    buffer = io.BytesIO()
    np.savez(buffer, **velociprobe_arrays(measured))
    path.write_bytes(bz2.compress(buffer.getvalue()) if path.suffix == ".bz2" else buffer.getvalue())
    return path


def write_nanoprobe(path, measured):
    frames = measured.patterns.reshape(*measured.grid, *measured.patterns.shape[1:]).astype(np.uint16)
    if path.suffix == ".npy":
        np.save(path, frames)
    else:
        np.savez_compressed(path, frames)
    return path


def write_product(file, measured):
    """What ptychodus says beside patterns; its positions are in another order than they."""
    order = np.arange(len(measured.corners))[::-1]
    motion = (measured.corners[order] - 30.5) * measured.optics.pixel_size
    file["probe_position_y_m"], file["probe_position_x_m"] = motion.T
    file["probe_position_indexes"] = order + 5
    file["probe"] = measured.probe[None, None]
    file["object"] = measured.object[None]
    for name in ("object", "probe"):
        file[name].attrs["pixel_height_m"] = file[name].attrs["pixel_width_m"] = measured.optics.pixel_size
    file.attrs["photon_energy_eV"] = constants.h * constants.c / measured.optics.wavelength / constants.eV
    file.attrs["detector_object_distance_m"] = measured.optics.distance
    file.attrs["far_field"] = True


def write_ptychodus(path, measured, apart=True):
    """As ptychodus writes its diffraction.h5 and product.h5, or both in one file."""
    pixel = measured.optics.detector_pixel_size(measured.patterns.shape[-1])
    with h5py.File(path, "w") as file:
        patterns = file.create_dataset("patterns", data=measured.patterns.astype(np.uint32), compression="lzf")
        patterns.attrs["detector_pixel_height_m"] = patterns.attrs["detector_pixel_width_m"] = pixel
        file["indexes"] = np.arange(len(measured.patterns)) + 5
        file["bad_pixels"] = np.zeros(measured.patterns.shape[1:], bool)
        if not apart:
            write_product(file, measured)
    if apart:
        with h5py.File(path.with_name(path.name.replace("diffraction", "product")), "w") as file:
            write_product(file, measured)
    return path


def write_ptychi(path, measured, apart=True):
    """As pty-chi's examples keep them: positions in the order of the patterns."""
    with h5py.File(path, "w") as file:
        file.create_dataset("dp", data=measured.patterns, compression="lzf")
    with h5py.File(path.with_name(path.name.replace("_dp", "_para")) if apart else path, "w" if apart else "a") as file:
        write_product(file, measured)
        for name in ("probe_position_y_m", "probe_position_x_m"):
            file[name][:] = file[name][:][::-1]
        file["probe_position_indexes"][:] = np.arange(len(measured.patterns))
    return path


def write_ptyd(path, measured, size=5, weights=None, linked=False):
    """As PtyPy saves what it has prepared, in chunks of ``size`` patterns, in the file or beside it; None is an array of this type.

    Args:
        weights: (n, h, w) of the patterns, which older versions left out where they had none.
    """
    count, *frame = measured.patterns.shape
    positions = measured.corners * measured.optics.pixel_size - 2e-6
    meta = {
        "version": 0.1,
        "num_frames": count,
        "label": None,
        "shape": frame,
        "psize": [measured.optics.detector_pixel_size(frame[0])] * 2,
        "energy": constants.h * constants.c / measured.optics.wavelength / constants.eV / 1e3,
        "center": [frame[0] / 2, frame[1] / 2],
        "distance": measured.optics.distance,
    }
    with h5py.File(path, "w") as file:
        for name, value in meta.items():
            file[f"meta/{name}"] = np.zeros(1) if value is None else value
            file[f"meta/{name}"].attrs["type"] = "None" if value is None else "array" if np.ndim(value) else "scalar"
        file["info/positions_scan"] = positions
        chunks = file.create_group("chunks")
        for number, start in enumerate(range(0, count, size)):
            part = slice(start, start + size)
            entries = {
                "data": measured.patterns[part],
                "positions": positions[part],
                "indices": np.arange(count)[part],
                "weights": np.zeros(0) if weights is None else weights[part],
            }
            beside = path.with_name(f"{path.name}.part{number:03d}")
            with h5py.File(beside, "w") if linked else nullcontext(chunks.create_group(str(number))) as group:
                for name, value in entries.items():
                    group.create_dataset(name, data=value, compression="gzip", shuffle=True)
            if linked:  # by an absolute path, of where the file was when it was written
                chunks[str(number)] = h5py.ExternalLink(f"/data/ptypy/{beside.name}", "/")
    return path


WRITERS = {
    "cxi": ("scan.cxi", write_cxi),
    "nxcxi": ("scan.nxs", write_nxcxi),
    "ptychodus": ("star_diffraction.h5", write_ptychodus),
    "ptychi": ("star_dp.hdf5", write_ptychi),
    "ptyd": ("scan.ptyd", write_ptyd),
    "velociprobe": ("scan.npz.bz2", write_velociprobe),
    "nanoprobe": ("scan.npz", write_nanoprobe),
}


@pytest.fixture
def write(tmp_path, measured):
    """Write the file of a format, by default of `measured`; returns its path."""

    def written(format, name=None, scan=None, **options):
        default, writer = WRITERS[format]
        return writer(tmp_path / (name or default), scan or measured, **options)

    return written


@pytest.fixture
def arrays(measured):
    """The arrays of a Velociprobe file."""
    return velociprobe_arrays(measured)


def contents(path, size=5, **options):
    """A scan and all its frames."""
    with open_scan(path, **options) as raw:
        return raw, np.concatenate(list(raw.frames(size)))


def refused(path, match, **options):
    """Check that a scan is refused in one sentence."""
    with pytest.raises(InputError, match=match) as caught:
        contents(path, **options)
    assert len(str(caught.value).splitlines()) == 1


def from_origin(positions):
    return positions - positions.min(axis=0)


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


@pytest.fixture(name="read")
def _read():
    return contents


@pytest.fixture(name="refused")
def _refused():
    return refused


@pytest.fixture
def put():
    """Change entries of an HDF5 file: each a value, a value and its unit, or None for none."""

    def changed(path, **entries):
        with h5py.File(path, "r+") as file:
            for name, value in entries.items():
                if name in file:
                    del file[name]
                value, units = value if isinstance(value, tuple) else (value, None)
                if value is not None:
                    file[name] = value
                if units is not None:
                    file[name].attrs["units"] = units
        return path

    return changed
