"""Scans in CXI files (Maia, Nat. Methods 9, 854, 2012), NeXus NXcxi_ptycho among them, and in this project's own.

Every quantity is looked for in all places that the two formats and their writers use; the first one that is there counts. Translations are
the motion of the *sample*, x, y[, z]. Negated they are the motion of the window, whose rows and columns run along the detector's
``basis_vectors``. A file without those, like this project's own, has its rows along y and its columns along x.

A file with the group ``ptychography`` (see `measurement.cxi`) says more, and more exactly: positions in pixels, the probe, and that the
zero frequency is at the centre.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
from scipy import constants

from ptychoformer.errors import InputError
from ptychoformer.measurement.cxi import PATTERNS
from ptychoformer.measurement.readers.guard import rehearse
from ptychoformer.measurement.readers.hdf5 import Source, open_source
from ptychoformer.measurement.readers.scan import LENGTHS, RawScan, check_frames, check_positions, counted, saturation, sound

DATA = (PATTERNS, "entry_1/instrument_1/detector_1/data")
TRANSLATION = tuple(f"entry_1/{group}/translation" for group in ("data_1", "sample_1/geometry_1", "instrument_1/detector_1"))
DETECTOR = "entry_1/instrument_1/detector_1"
WAVELENGTH = tuple(f"entry_1/instrument_1/{name}" for name in ("source_1/wavelength", "beam_1/incident_wavelength"))
# NeXus calls the electrons' energy that of the source, so the beam's comes first.
ENERGY = tuple(
    f"entry_1/instrument_1/{name}" for name in ("beam_1/incident_beam_energy", "beam_1/incident_energy", "beam_1/energy", "source_1/energy")
)
WAVELENGTHS = (1e-14, 1e-5)  # metres; out of reach of the 3 GeV of a storage ring, and of electronvolts taken for joules

LENGTH_UNITS = {"m": 1.0, "meter": 1.0, "meters": 1.0, "metre": 1.0, "metres": 1.0, "mm": 1e-3, "um": 1e-6, "µm": 1e-6, "μm": 1e-6}
LENGTH_UNITS |= {"nm": 1e-9, "angstrom": constants.angstrom, "å": constants.angstrom, "pm": 1e-12}
ENERGY_UNITS = {"j": 1.0, "joule": 1.0, "joules": 1.0, "ev": constants.eV, "kev": 1e3 * constants.eV}
HAS_SIGNAL = 0x1000  # the one flag in a CXI mask that speaks for a pixel


@contextmanager
def open_cxi(path: Path) -> Iterator[RawScan]:
    """The scan in a CXI file.

    Raises:
        InputError: the file is damaged, lacks patterns or translations, or its parts do not fit each other.
    """

    def glance() -> None:
        with open_source(path) as source:
            next(_read(source).frames(1))

    rehearse(path, glance)
    with open_source(path) as source:
        yield _read(source)


def _read(source: Source) -> RawScan:
    data = _first(source, DATA)
    if data is None:
        raise InputError(f"{source.path} holds no patterns, neither at {' nor at '.join(DATA)}.")
    check_frames(f"{source.path}: '{data.name}'", data.shape)
    count, frame = math.prod(data.shape[:-2]), data.shape[-2:]
    own = source.small("ptychography/positions")
    axes = _axes(source)
    positions, warnings = _translations(source, count, axes) if own is None else (_pixels(source.path, own), ())
    check_positions(str(source.path), positions, count)
    wavelength, beam_warnings = _wavelength(source)
    return RawScan(
        path=source.path,
        format="cxi",
        frame=frame,
        positions=positions,
        unit="metres" if own is None else "frame pixels",
        frames=lambda size: counted(f"{source.path}: '{data.name}'", _blocks(data, size)),
        grid=None if own is None else _grid(source, count),
        wavelength=wavelength,
        distance=_quantity(source, f"{DETECTOR}/distance", LENGTH_UNITS),
        detector_pixel=_detector_pixel(source, axes),
        mask=_mask(source, frame),
        saturation=saturation(data.dtype),
        centred=own is not None,
        probe=None if own is None else _probe(source, frame),
        warnings=warnings + beam_warnings,
    )


def _first(source: Source, names: tuple[str, ...]) -> h5py.Dataset | None:
    return next((found for name in names if (found := source.array(name)) is not None), None)


def _blocks(data: h5py.Dataset, size: int) -> Iterator[np.ndarray]:
    """At most ``size`` patterns at a time; of a raster, never more than what is left of a row."""
    *rows, columns = data.shape[:-2]
    for row in np.ndindex(*rows):
        for start in range(0, columns, size):
            yield data[(*row, slice(start, start + size))]


def _pixels(path: Path, positions: np.ndarray) -> np.ndarray:
    if positions.ndim != 2 or positions.shape[1] != 2:
        raise InputError(f"{path}: 'ptychography/positions' must have the shape (n, 2), found {positions.shape}.")
    return positions.astype(np.float64)


def _translations(source: Source, count: int, axes: np.ndarray | None) -> tuple[np.ndarray, tuple[str, ...]]:
    """Positions (n, 2) of the window, y and x, metres, and warnings about them."""
    name = next((name for name in TRANSLATION if source.array(name) is not None), None)
    if name is None:
        raise InputError(f"{source.path} holds no translations, neither at {' nor at '.join(TRANSLATION)}.")
    motion = source.small(name)
    if motion.ndim == 3:
        motion = motion.reshape(math.prod(motion.shape[:2]), motion.shape[2])  # of a raster
    if motion.ndim == 2 and motion.shape[0] in (2, 3) and motion.shape[1] == count != len(motion):
        motion = motion.T  # as PyNX writes them
    if motion.ndim != 2 or motion.shape[1] not in (2, 3):
        raise InputError(f"{source.path}: '{name}' must have the shape (n, 3) or (n, 2), found {motion.shape}.")
    window = -motion.astype(np.float64) * _scale(source, name, LENGTH_UNITS)
    if axes is None:
        warning = f"{source.path} records no basis_vectors: rows are taken to run along y of the stage, columns along x."
        return window[:, 1::-1], (warning,)
    directions = axes / np.linalg.norm(axes, axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):  # of positions that are infinite, which are named later
        return window @ directions[:, : window.shape[1]].T, ()


def _axes(source: Source) -> np.ndarray | None:
    """Steps (2, 3) in x, y, z from one row, and from one column, of the detector to the next, metres; None if not recorded."""
    name = f"{DETECTOR}/basis_vectors"
    axes = source.small(name)
    if axes is None:
        return None
    axes = axes.T if axes.shape == (3, 2) else axes
    if axes.shape != (2, 3) or not (sound(axes).all() and (np.linalg.norm(axes[:, :2], axis=1) >= LENGTHS[0]).all()):
        raise InputError(f"{source.path}: '{name}' must be a vector for rows and one for columns, (2, 3), found {axes.tolist()}.")
    return axes.astype(np.float64)


def _detector_pixel(source: Source, axes: np.ndarray | None) -> tuple[float, float] | None:
    """Sides (y, x) of a detector pixel, metres; one that is not recorded is as long as the other."""
    y, x = (_quantity(source, f"{DETECTOR}/{axis}_pixel_size", LENGTH_UNITS) for axis in "yx")
    if y is None and x is None and axes is not None:
        y, x = np.linalg.norm(axes, axis=1).tolist()
    return (y or x, x or y) if y or x else None


def _wavelength(source: Source) -> tuple[float | None, tuple[str, ...]]:
    """Metres, and warnings about what cannot be the wavelength or energy of a beam."""
    warnings = []
    for name in WAVELENGTH + ENERGY:
        energy = name in ENERGY
        value = _quantity(source, name, ENERGY_UNITS if energy else LENGTH_UNITS)
        if value is None:
            continue
        wavelength = constants.h * constants.c / value if energy else value
        if WAVELENGTHS[0] <= wavelength <= WAVELENGTHS[1]:
            return wavelength, ()
        warnings.append(f"{source.path}: '{name}' is {value:g} {'J' if energy else 'm'}, which is not that of a beam, and is ignored.")
    return None, tuple(warnings)


def _quantity(source: Source, name: str, units: dict[str, float]) -> float | None:
    """A positive number in SI units; None if it is missing.

    Raises:
        InputError: it is not one positive number, or in a unit that is not in ``units``.
    """
    found = source.small(name, "iuf")
    if found is None:
        return None
    positive = found.size and ((found > 0) & (found < np.inf)).all()
    if not positive or np.ptp(found) > 1e-6 * found.max():
        shown = found.tolist() if found.size <= 4 else f"shape {found.shape}"
        raise InputError(f"{source.path}: '{name}' must be one number greater than 0, found {shown}.")
    value = float(found.flat[0]) * _scale(source, name, units)
    if not value > 0:  # in SI units it is too small for a number
        raise InputError(f"{source.path}: '{name}' must be a number greater than 0, found {found.flat[0]:g}.")
    if units is LENGTH_UNITS and not LENGTHS[0] <= value <= LENGTHS[1]:
        raise InputError(f"{source.path}: '{name}' must be {LENGTHS[0]:g} to {LENGTHS[1]:g} metres, found {value:g}.")
    return value


def _scale(source: Source, name: str, units: dict[str, float]) -> float:
    """The SI value of the unit of ``name``; without an attribute that says otherwise it is in SI units, as CXI demands."""
    unit = source.attribute(name, "units")
    unit = unit.decode(errors="replace") if isinstance(unit, bytes) else unit
    if not isinstance(unit, str) or not unit:
        return 1.0
    if unit.lower() not in units:
        raise InputError(f"{source.path}: '{name}' is in '{unit}', which is none of {', '.join(units)}.")
    return units[unit.lower()]


def _mask(source: Source, frame: tuple[int, int]) -> np.ndarray | None:
    """(h, w) bool, True where the file's flags speak against a pixel."""
    name = f"{DETECTOR}/mask"
    mask = source.small(name)
    if mask is None:
        return None
    if mask.shape not in (frame, (1, *frame)):
        raise InputError(f"{source.path}: '{name}' must have the patterns' shape {frame}, found {mask.shape}.")
    bad = (mask.reshape(frame) != 0) & (mask.reshape(frame) != HAS_SIGNAL)
    if bad.all():
        raise InputError(f"{source.path}: '{name}' leaves no pixel; a CXI mask is 0 where the detector is good.")
    return bad


def _probe(source: Source, frame: tuple[int, int]) -> np.ndarray | None:
    """(h, w), square root of photons that the detector counts; the file's are those that fall on it."""
    probe = source.small("ptychography/probe", "biufc")
    if probe is None:
        return None
    if probe.shape != frame or not sound(probe).all():
        raise InputError(f"{source.path}: 'ptychography/probe' must be finite and have the shape {frame}, found shape {probe.shape}.")
    return (probe * math.sqrt(_efficiency(source))).astype(np.complex64)


def _efficiency(source: Source) -> float:
    found = source.attribute("ptychography", "efficiency")
    if found is None:
        return 1.0
    if not (isinstance(found, (int, float, np.integer, np.floating)) and 0 < found <= 1):
        raise InputError(f"{source.path}: the efficiency of a detector must be greater than 0 and at most 1, found {found}.")
    return float(found)


def _grid(source: Source, count: int) -> tuple[int, int] | None:
    found = source.attribute("ptychography", "grid")
    if found is None:
        return None
    grid = np.asarray(found)
    if grid.shape != (2,) or grid.dtype.kind not in "iu" or math.prod(grid.tolist()) != count:
        raise InputError(f"{source.path}: {count} patterns do not fit a grid of {found} rows and columns.")
    return tuple(grid.tolist())
