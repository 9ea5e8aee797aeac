"""A dataset as a CXI file: one scan of one object under one condition.

The CXI groups (Maia, Nat. Methods 9, 854, 2012) hold what other programs need, in metres and joules; CXI translations are the
motion of the *sample*, so they are the negated positions of the window on the object. The group ``ptychography`` holds what this
project needs besides: the probe, positions in pixels, and a link to the object.

    entry_1/data_1/data                        patterns (n, h, w), photons, zero frequency at (h // 2, w // 2)
    entry_1/data_1/translation                 (n, 3) sample translation x, y, z, metres, as recorded by the stage
    entry_1/instrument_1/source_1/energy       joules (h c / wavelength);  .../wavelength  metres
    entry_1/instrument_1/detector_1            distance, x_pixel_size, y_pixel_size, metres;  data (link)
    entry_1/sample_1/geometry_1/translation    (link)
    ptychography/probe                         (h, w) complex64, square root of photons
    ptychography/positions                     (n, 2) int64, y and x of the window's upper left corner as recorded (nominal)
    ptychography/true_positions                (n, 2) int64, where the window really was
    ptychography/object                        external link to the group ``object`` of the object's file

Attributes of ``ptychography``: ``grid`` (rows, columns), ``pixel_size`` (metres) and the condition: ``photons`` in the probe per
exposure, detector ``efficiency`` (0 to 1), ``coherence`` (0 to 1), whether photon noise is drawn (``poisson``), ``read_noise`` (photons,
which can leave counts below zero), ``overlap`` (0 to 0.95), ``jitter`` (pixels) and ``seed``. Which patterns train and which are tested
follows from the grid (`training.split`).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from ptychoformer.errors import InputError
from ptychoformer.storage import create_hdf5, describe, open_hdf5, read, write

PATTERNS = "entry_1/data_1/data"


@dataclass(frozen=True)
class Optics:
    """Geometry of the far-field experiment.

    Args:
        wavelength: metres.
        pixel_size: of object and probe, metres.
        distance: from object to detector, metres.
    """

    wavelength: float
    pixel_size: float
    distance: float

    def detector_pixel_size(self, pixels: int) -> float:
        """Metres; a detector of ``pixels`` of this size samples the object at ``pixel_size``."""
        return self.wavelength * self.distance / (pixels * self.pixel_size)


@dataclass(frozen=True)
class Scan:
    """A dataset without its patterns.

    Args:
        positions: (n, 2) recorded (nominal) corners y, x, in pixels of the object.
        true_positions: (n, 2) corners where the window really was.
        grid: (rows, columns) of the scan; positions run row by row.
        window: (h, w) of a pattern and of the probe, pixels.
        probe: (h, w) complex64, square root of photons.
        amplitude: (H, W) float32, the object's true amplitude.
        phase: (H, W) float32, the object's true phase, radians.
        pixel_size: metres.
        efficiency: of the detector, eta of Eq. 2.
        coherence: mu of Eq. 2.
    """

    positions: np.ndarray
    true_positions: np.ndarray
    grid: tuple[int, int]
    window: tuple[int, int]
    probe: np.ndarray
    amplitude: np.ndarray
    phase: np.ndarray
    pixel_size: float
    efficiency: float = 1.0
    coherence: float = 1.0


@contextmanager
def create_dataset(
    path: str | os.PathLike,
    *,
    positions: np.ndarray,
    true_positions: np.ndarray,
    grid: tuple[int, int],
    probe: np.ndarray,
    object_file: str | os.PathLike,
    optics: Optics,
    condition: dict[str, float | int | bool],
) -> Iterator[h5py.Dataset]:
    """Everything of a dataset but its patterns; yields the empty pattern array (n, h, w) to be filled chunk by chunk.

    ``condition`` (detector, jitter, seed) is stored as attributes of the group ``ptychography``.
    """
    from scipy.constants import Planck, speed_of_light  # takes a tenth of a second, which only a writer should pay

    height, width = probe.shape
    with create_hdf5(path) as file:
        file["cxi_version"] = 160
        detector = file.create_group("entry_1/instrument_1/detector_1")
        patterns = file.create_dataset(PATTERNS, (len(positions), height, width), np.float32, chunks=(1, height, width))
        yield describe(patterns, "photons", "pattern,q_y,q_x")
        detector["data"] = h5py.SoftLink(f"/{PATTERNS}")
        write(detector, "distance", optics.distance, "m", "")
        write(detector, "x_pixel_size", optics.detector_pixel_size(width), "m", "")
        write(detector, "y_pixel_size", optics.detector_pixel_size(height), "m", "")
        source = file.create_group("entry_1/instrument_1/source_1")
        write(source, "wavelength", optics.wavelength, "m", "")
        write(source, "energy", Planck * speed_of_light / optics.wavelength, "J", "")
        translation = np.zeros((len(positions), 3))
        translation[:, :2] = -positions[:, ::-1] * optics.pixel_size
        write(file["entry_1/data_1"], "translation", translation, "m", "pattern,xyz")
        file["entry_1/sample_1/geometry_1/translation"] = h5py.SoftLink("/entry_1/data_1/translation")
        _write_own_group(file, path, positions, true_positions, grid, probe, object_file, optics, condition)


def _write_own_group(file, path, positions, true_positions, grid, probe, object_file, optics, condition) -> None:
    own = file.create_group("ptychography")
    own.attrs.update({"grid": grid, "pixel_size": optics.pixel_size, **condition})
    write(own, "probe", probe.astype(np.complex64), "sqrt(photons)", "y,x")
    write(own, "positions", np.asarray(positions, np.int64), "pixels", "pattern,yx")
    write(own, "true_positions", np.asarray(true_positions, np.int64), "pixels", "pattern,yx")
    # HDF5 looks for a relative external link beside the file that holds it.
    own["object"] = h5py.ExternalLink(os.path.relpath(object_file, Path(path).parent), "object")


def read_scan(path: str | os.PathLike) -> Scan:
    """Positions, probe and true object of a dataset; its patterns stay on disk.

    Raises:
        InputError: the file is damaged, something is missing, or its parts do not fit each other.
    """
    with open_hdf5(path) as file:
        patterns = read(file, PATTERNS, 3)
        positions = read(file, "ptychography/positions", 2)[:]
        true_positions = read(file, "ptychography/true_positions", 2)[:]
        attributes = file["ptychography"].attrs
        if missing := {"grid", "pixel_size"} - set(attributes):
            raise InputError(f"{path}: the group 'ptychography' lacks the attribute '{min(missing)}'.")
        scan = Scan(
            positions=positions,
            true_positions=true_positions,
            grid=tuple(int(n) for n in attributes["grid"]),
            window=patterns.shape[1:],
            probe=read(file, "ptychography/probe", 2)[:],
            amplitude=_read_object(file, path, "amplitude"),
            phase=_read_object(file, path, "phase"),
            pixel_size=float(attributes["pixel_size"]),
            efficiency=float(attributes.get("efficiency", 1.0)),
            coherence=float(attributes.get("coherence", 1.0)),
        )
        if not len(patterns) == len(positions) == len(true_positions) == scan.grid[0] * scan.grid[1]:
            raise InputError(f"{path}: {len(patterns)} patterns do not fit {len(positions)} positions on a {scan.grid} grid.")
        last = np.subtract(scan.amplitude.shape, scan.window)
        for name, corners in (("positions", positions), ("true_positions", true_positions)):
            if ((corners < 0) | (corners > last)).any():
                raise InputError(f"{path}: ptychography/{name} has windows beyond the object of {scan.amplitude.shape} pixels.")
        return scan


def _read_object(file: h5py.File, path: str | os.PathLike, name: str) -> np.ndarray:
    try:
        file["ptychography/object"]
    except (KeyError, OSError) as error:
        link = file["ptychography"].get("object", getlink=True)
        raise InputError(f"{path} links to the object file '{getattr(link, 'filename', '?')}', which cannot be read.") from error
    return read(file, f"ptychography/object/{name}", 2)[:]


def read_patterns(path: str | os.PathLike, indices: np.ndarray) -> np.ndarray:
    """The patterns with increasing ``indices``, (m, h, w) float32, photons.

    Raises:
        InputError: the file is damaged or a pattern holds NaN or infinity.
    """
    with open_hdf5(path) as file:
        data = read(file, PATTERNS, 3)
        patterns = np.empty((len(indices), *data.shape[1:]), np.float32)
        for start, stop in _runs(indices):
            data.read_direct(patterns, np.s_[indices[start] : indices[stop - 1] + 1], np.s_[start:stop])
    bad = ~np.isfinite(patterns).all(axis=(1, 2))
    if bad.any():
        raise InputError(f"{path}: {bad.sum()} patterns hold NaN or infinity, the first is pattern {indices[bad][0]}; mask or repair them.")
    return patterns


def _runs(indices: np.ndarray) -> Iterator[tuple[int, int]]:
    """Bounds of runs of consecutive indices: HDF5 reads a slice many times faster than a list."""
    cuts = np.flatnonzero(np.diff(indices) != 1) + 1
    yield from zip([0, *cuts], [*cuts, len(indices)], strict=True)
