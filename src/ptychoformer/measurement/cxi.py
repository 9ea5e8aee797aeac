"""A dataset as a CXI file: one scan of one object under one condition, simulated or measured.

The CXI groups (Maia, Nat. Methods 9, 854, 2012) hold what other programs need, in metres and
joules; CXI translations are the motion of the *sample*, so they are the negated positions of the
window on the object. The group ``ptychography`` holds what this project needs besides: the probe,
positions in pixels, and a link to the object. Of a measured scan whose geometry nobody recorded,
the CXI groups hold the patterns and the mask alone.

    entry_1/data_1/data                        patterns (n, h, w), photons, zero frequency
                                               at (h // 2, w // 2)
    entry_1/data_1/translation                 (n, 3) sample translation x, y, z, metres, as
                                               recorded by the stage
    entry_1/instrument_1/source_1/wavelength   metres;  .../energy  joules, of one particle, if
                                               somebody says which;  .../probe  which one, if no
                                               photon
    entry_1/instrument_1/detector_1            distance, x_pixel_size, y_pixel_size, metres;  data
                                               (link);  mask (h, w), 0 where good;  basis_vectors
                                               (2, 3), x, y, z of a step along q_y and along q_x,
                                               metres
    entry_1/sample_1/geometry_1/translation    (link)
    ptychography/probe                         (h, w) complex64, square root of photons, of several
                                               modes the brightest; absent if nobody knows it
    ptychography/probe_modes                   (modes, h, w) likewise, the brightest first; absent
                                               if there is one
    ptychography/positions                     (n, 2) y and x of the window's upper left corner as
                                               recorded (nominal); int64 pixels of an object,
                                               float64 as long as there is none
    ptychography/true_positions                (n, 2) int64, where the window really was; absent if
                                               nobody knows it
    ptychography/numbers                       (n,) int64, of these patterns in the measured scan's
                                               file, some of which may be left out; absent of a
                                               simulated scan
    ptychography/object                        external link to the group ``object`` of the object's
                                               file, if there is one

Attributes of ``ptychography``: ``pixel_size`` (metres), ``grid`` (rows, columns) of a scan on one,
and of a simulated scan the condition: ``photons`` in the probe per exposure, detector
``efficiency`` (0 to 1), ``coherence`` (0 to 1), whether photon noise is drawn (``poisson``),
``read_noise`` (photons, which can leave counts below zero), ``overlap`` (0 to 0.95), ``jitter``
(pixels) and ``seed``. Which patterns train and which are tested follows from the grid or the
positions (`training.split`).
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from ptychoformer.errors import InputError
from ptychoformer.measurement.modes import read_modes
from ptychoformer.storage import allocate, create_hdf5, describe, open_hdf5, read, read_whole, store, write

PATTERNS = "entry_1/data_1/data"


@dataclass(frozen=True)
class Optics:
    """Geometry of the far-field experiment.

    Args:
        wavelength: metres; None if nobody says, of a measured scan that names its pixel alone.
        pixel_size: of object and probe, metres.
        distance: from object to detector, metres, likewise.
        particle: that makes the patterns, a key of `particles.MASSES`; None if nobody says.
    """

    wavelength: float | None
    pixel_size: float
    distance: float | None
    particle: str | None = "photon"

    def detector_pixel_size(self, pixels: int) -> float:
        """Compute the pixel size, metres, with which a detector of ``pixels`` along a side samples
        the object at ``pixel_size``.
        """
        return self.wavelength * self.distance / (pixels * self.pixel_size)


@dataclass(frozen=True)
class Scan:
    """A dataset without its patterns.

    Args:
        positions: (n, 2) recorded (nominal) corners y, x, in pixels of the object.
        true_positions: (n, 2) corners where the window really was, as far as anybody knows.
        grid: (rows, columns) of the scan, whose positions run row by row; None if it is not on a
            grid.
        window: (h, w) of a pattern and of the probe, pixels.
        probe: (modes, h, w) complex64, square root of photons.
        amplitude: (H, W) float32, the object's true amplitude.
        phase: (H, W) float32, the object's true phase, radians.
        pixel_size: metres; None if nobody recorded the geometry.
        efficiency: of the detector, eta of Eq. 2.
        coherence: mu of Eq. 2.
    """

    positions: np.ndarray
    true_positions: np.ndarray
    grid: tuple[int, int] | None
    window: tuple[int, int]
    probe: np.ndarray
    amplitude: np.ndarray
    phase: np.ndarray
    pixel_size: float | None
    efficiency: float = 1.0
    coherence: float = 1.0


@contextmanager
def create_dataset(
    path: str | os.PathLike,
    *,
    window: tuple[int, int],
    positions: np.ndarray,
    probe: np.ndarray | None = None,
    optics: Optics | None = None,
    mask: np.ndarray | None = None,
    true_positions: np.ndarray | None = None,
    numbers: np.ndarray | None = None,
    grid: tuple[int, int] | None = None,
    object_file: str | os.PathLike | None = None,
    condition: Mapping[str, float | int | bool | str] | None = None,
    dtype: np.typing.DTypeLike = np.float32,
) -> Iterator[h5py.Dataset]:
    """Write everything of a dataset but its patterns; yields the empty pattern array (n, h, w) to
    be filled chunk by chunk.

    Args:
        window: (h, w) of the patterns.
        positions: (n, 2), whole pixels if they are integers.
        probe: (..., h, w), of several modes the brightest first.
        mask: (h, w) bool, True where the detector is not to be trusted.
        numbers: (n,) of the patterns in the file that they come from.
        condition: (detector, jitter, seed) is stored as attributes of the group ``ptychography``.
        dtype: of the patterns; an integer has a largest count, which readers take for overexposed
            or blind.
    """
    with create_hdf5(path) as file:
        store(file, "cxi_version", 160)
        detector = file.create_group("entry_1/instrument_1/detector_1")
        patterns = allocate(file, PATTERNS, (len(positions), *window), dtype, chunks=(1, *window))
        yield describe(patterns, "photons", "pattern,q_y,q_x")
        detector["data"] = h5py.SoftLink(f"/{PATTERNS}")
        if mask is not None:
            write(detector, "mask", mask.astype(np.uint32), "", "q_y,q_x")
        if optics is not None and optics.wavelength and optics.distance:
            _write_geometry(file, detector, positions, window, optics)
        own = file.create_group("ptychography")
        own.attrs.update({"grid": grid} if grid else {})
        own.attrs.update({"pixel_size": optics.pixel_size} if optics else {})
        own.attrs.update(condition or {})
        write(own, "positions", positions, "pixels", "pattern,yx")
        if true_positions is not None:
            write(own, "true_positions", true_positions, "pixels", "pattern,yx")
        if numbers is not None:
            write(own, "numbers", numbers, "", "pattern")
        if probe is not None:
            modes = probe.reshape(-1, *window).astype(np.complex64)
            write(own, "probe", modes[0], "sqrt(photons)", "y,x")
            if len(modes) > 1:
                write(own, "probe_modes", modes, "sqrt(photons)", "mode,y,x")
        if object_file is not None:
            # HDF5 looks for a relative external link beside the file that holds it.
            own["object"] = h5py.ExternalLink(os.path.relpath(object_file, Path(path).parent), "object")


def _write_geometry(
    file: h5py.File, detector: h5py.Group, positions: np.ndarray, window: tuple[int, int], optics: Optics
) -> None:
    # scipy's constants take a tenth of a second, which only a writer should pay
    from ptychoformer.measurement.particles import energy_of

    write(detector, "distance", optics.distance, "m", "")
    y, x = (optics.detector_pixel_size(pixels) for pixels in window)
    write(detector, "y_pixel_size", y, "m", "")
    write(detector, "x_pixel_size", x, "m", "")
    # Without these CXI has rows and columns run against y and x, and a reader finds the conjugate
    # object upside down.
    write(detector, "basis_vectors", np.array([[0, y, 0], [x, 0, 0]]), "m", "q_y_q_x,xyz")
    source = file.create_group("entry_1/instrument_1/source_1")
    write(source, "wavelength", optics.wavelength, "m", "")
    if optics.particle:
        write(source, "energy", energy_of(optics.wavelength, optics.particle), "J", "")
    if optics.particle not in (None, "photon"):
        store(source, "probe", optics.particle.encode())
    translation = np.zeros((len(positions), 3))
    translation[:, :2] = -positions[:, ::-1] * optics.pixel_size
    write(file["entry_1/data_1"], "translation", translation, "m", "pattern,xyz")
    sample = file.require_group("entry_1").create_group("sample_1").create_group("geometry_1")
    sample["translation"] = h5py.SoftLink("/entry_1/data_1/translation")


def read_scan(path: str | os.PathLike) -> Scan:
    """Read positions, probe and true object of a dataset; its patterns stay on disk.

    Raises:
        InputError: the file is damaged, something is missing, or its parts do not fit each other.
    """
    with open_hdf5(path) as file:
        patterns = read(file, PATTERNS, 3)
        positions = read_whole(file, "ptychography/positions", 2)
        true_positions = (
            read_whole(file, "ptychography/true_positions", 2) if "ptychography/true_positions" in file else positions
        )
        attributes = file["ptychography"].attrs
        scan = Scan(
            positions=positions,
            true_positions=true_positions,
            grid=tuple(int(n) for n in attributes["grid"]) if "grid" in attributes else None,
            window=patterns.shape[1:],
            probe=read_modes(file, "ptychography/probe", "ptychography/probe_modes"),
            amplitude=_read_object(file, path, "amplitude"),
            phase=_read_object(file, path, "phase"),
            pixel_size=float(attributes["pixel_size"]) if "pixel_size" in attributes else None,
            efficiency=float(attributes.get("efficiency", 1.0)),
            coherence=float(attributes.get("coherence", 1.0)),
        )
        _check_that_parts_fit(path, scan, len(patterns))
        return scan


def _check_that_parts_fit(path: str | os.PathLike, scan: Scan, count: int) -> None:
    if not count == len(scan.positions) == len(scan.true_positions):
        raise InputError(f"{path}: {count} patterns do not fit {len(scan.positions)} positions.")
    if scan.grid and scan.grid[0] * scan.grid[1] != count:
        raise InputError(f"{path}: {count} patterns do not fit {len(scan.positions)} positions on a {scan.grid} grid.")
    if scan.amplitude.shape != scan.phase.shape:
        raise InputError(
            f"{path}: amplitude {scan.amplitude.shape} and phase {scan.phase.shape} of the object must have the same"
            " shape."
        )
    last = np.subtract(scan.amplitude.shape, scan.window)
    for name, corners in (("positions", scan.positions), ("true_positions", scan.true_positions)):
        if corners.dtype.kind != "i":
            raise InputError(f"{path}: ptychography/{name} must be whole pixels of the object, found {corners.dtype}.")
        if ((corners < 0) | (corners > last)).any():
            raise InputError(
                f"{path}: ptychography/{name} has windows beyond the object of {scan.amplitude.shape} pixels."
            )


def _read_object(file: h5py.File, path: str | os.PathLike, name: str) -> np.ndarray:
    link = file["ptychography"].get("object", getlink=True)
    object_file = Path(path).parent / getattr(link, "filename", "")
    unread = f"{path} links to the object file '{getattr(link, 'filename', '?')}', which"
    if object_file.exists() and not (object_file.is_file() or object_file.is_dir()):
        raise InputError(f"{unread} is no regular file.")  # HDF5 would wait for a pipe for ever
    try:
        linked = file["ptychography/object"]
    except (KeyError, OSError) as error:
        raise InputError(f"{unread} cannot be read.") from error
    with open_hdf5(linked.file.filename) as other:
        return read_whole(other, f"{linked.name}/{name}", 2)


def read_transmission(path: str | os.PathLike) -> np.ndarray:
    """Read the complex transmission (H, W), complex64, from ``object/amplitude`` and ``phase``.

    Raises:
        InputError: the file cannot be read, or its parts do not fit each other.
    """
    with open_hdf5(path) as file:
        amplitude, phase = (read_whole(file, f"object/{name}", 2) for name in ("amplitude", "phase"))
    if amplitude.shape != phase.shape:
        raise InputError(
            f"{path}: amplitude {amplitude.shape} and phase {phase.shape} of an object must have the same shape."
        )
    return (amplitude * np.exp(1j * phase)).astype(np.complex64)


def read_patterns(path: str | os.PathLike, indices: np.ndarray) -> np.ndarray:
    """Read the patterns with increasing ``indices``, (m, h, w) float32, photons.

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
        raise InputError(
            f"{path}: {bad.sum()} patterns hold NaN or infinity, the first is pattern {indices[bad][0]}; mask or repair"
            " them."
        )
    return patterns


def read_numbers(path: str | os.PathLike) -> np.ndarray:
    """Read the numbers (n,) that the patterns have in the measured scan's file; those of rows if
    there are none.

    Raises:
        InputError: the file is damaged, or the numbers are not those of its patterns.
    """
    with open_hdf5(path) as file:
        count = len(read(file, PATTERNS, 3))
        if "ptychography/numbers" not in file:
            return np.arange(count)
        numbers = read_whole(file, "ptychography/numbers", 1)
    if len(numbers) != count:
        raise InputError(f"{path}: {count} patterns do not fit {len(numbers)} numbers.")
    return numbers


def _runs(indices: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield the bounds of runs of consecutive indices: HDF5 reads a slice many times faster than a
    list.
    """
    cuts = np.flatnonzero(np.diff(indices) != 1) + 1
    yield from zip([0, *cuts], [*cuts, len(indices)], strict=True)
