"""Scans in CXI files (Maia, Nat. Methods 9, 854, 2012), NeXus NXcxi_ptycho among them, and in this
project's own.

Every quantity is looked for in all places that the two formats and their writers use;
docs/formats.md goes through the specifications entry by entry. Translations are the motion of the
*sample*, x, y[, z]. Negated they are the motion of the window, whose rows and columns run along
those of the detector.

A file with the group ``ptychography`` (see `measurement.cxi`) says more, and more exactly:
positions in pixels, the probe, and that the zero frequency is at the centre.
"""

import math
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ptychoformer.errors import InputError
from ptychoformer.measurement.cxi import PATTERNS
from ptychoformer.measurement.readers.beam import particle_of, wavelength
from ptychoformer.measurement.readers.detector import DETECTOR, correction, geometry, mask
from ptychoformer.measurement.readers.hdf5 import Source, blocks, open_scan_of
from ptychoformer.measurement.readers.quantities import LENGTH_UNITS, scale, unit_of, unless_replaced
from ptychoformer.measurement.readers.scan import (
    ANOTHER_PROBE,
    LENGTHS,
    RawScan,
    check_frames,
    check_positions,
    counted,
    first_kept,
    in_order,
    orders,
    sound,
)
from ptychoformer.measurement.readers.suggested import suggested

ROUNDED_ANGLE = 1e-9  # of a direction, the part of its length that computing an angle leaves
DATA = (PATTERNS, f"{DETECTOR}/data")
IMAGE = "entry_1/image_1"
MONITORS = "entry_1/data_1/monitor", "entry_1/instrument_1/monitor/data"
TRANSLATION = tuple(
    f"entry_1/{group}/translation" for group in ("data_1", "sample_1/geometry_1", "instrument_1/detector_1")
)


def open_cxi(path: Path, replaced: Mapping[str, Any]) -> AbstractContextManager[RawScan]:
    """Open the scan in a CXI file.

    Args:
        replaced: as in `readers.open_scan`.

    Raises:
        InputError: the file is damaged, lacks patterns or translations, or its parts do not fit
            each other.
    """
    return open_scan_of(path, lambda source: _read(source, replaced))


def _read(source: Source, replaced: Mapping[str, Any]) -> RawScan:
    name, data = next(((name, found) for name in DATA if (found := source.array(name)) is not None), (None, None))
    if data is None:
        raise InputError(
            f"{source.path} holds no patterns, neither at {' nor at '.join(DATA)}; if it is no CXI file, name its"
            f" datasets with --data and --positions (in a config data and positions){suggested(source)}."
        )
    where = f"{source.path}: '{name}'"
    _check_meaning(source, name, data)
    check_frames(where, data.shape)
    count, frame = math.prod(data.shape[:-2]), data.shape[-2:]
    named = particle_of(source)
    particle = named or "photon"
    metres, energetic, warnings = unless_replaced(
        lambda: wavelength(source, particle), (None, False, ()), "wavelength" in replaced
    )
    detector = geometry(source, frame, replaced)
    correct, full, corrected = correction(source, data, replaced.get("wavelength", metres), particle)
    own = source.small("ptychography/positions")
    positions, positions_in = (
        _translations(source, data.shape[:-2], detector.directions)
        if own is None
        else (_pixels(source.path, own), None)
    )
    check_positions(str(source.path), positions, count)
    probe, about = None, detector.warnings
    if own is not None:
        probe, about = (None, ()) if "probe" in replaced else (_probe(source, frame), _modes(source))
    return RawScan(
        path=source.path,
        format="cxi",
        frame=frame,
        positions=positions,
        unit="metres" if own is None else "frame pixels",
        positions_in=positions_in,
        frames=lambda size: counted(where, map(correct, blocks(data, size))),
        grid=None if own is None else _grid(source, count),
        wavelength=metres,
        distance=detector.distance,
        detector_pixel=detector.pixel,
        object_pixel=None if own is None else _object_pixel(source),
        mask=mask(source, frame),
        monitor=_monitor(source, data.shape[:-2]),
        saturation=full,
        centred=own is not None,
        centre=detector.centre if own is None else None,
        particle=particle if named or energetic else None,
        particle_named=named is not None,
        probe=probe,
        simulated=own is not None and source.attribute("ptychography", "photons") is not None,
        warnings=about + warnings + corrected + _others(source),
    )


def _check_meaning(source: Source, name: str, data: h5py.Dataset) -> None:
    """Check that the axes and the values of the patterns, found as ``name``, are those of
    diffraction patterns.

    Raises:
        InputError: the file says that they are something else.
    """
    source.check_rows(name)
    where, names = f"{source.path}: '{name}'", source.axes(name)
    if "module_identifier" in names:
        raise InputError(f"{where} holds the modules of a detector one by one; assemble them to frames.")
    if len(names) == data.ndim and {"y", "x"} & set(names) and names[-2:] != ["y", "x"]:
        raise InputError(f"{where} must have y and x as its last axes, found '{':'.join(names)}'.")
    # Of a group, as newer NeXus has it; the first of a raster's may be the scan's own y and x.
    names = source.axes(name.rpartition("/")[0])
    if len(names) == data.ndim and names[-2:] == ["x", "y"]:
        raise InputError(f"{where} must have y and x as its last axes, found '{':'.join(names)}' of its group.")
    if not source.leads_to(f"{IMAGE}/data", data) or source.leads_to(f"{DETECTOR}/data", data):
        return
    for entry, allowed in (("data_type", "intensity"), ("data_space", "diffraction")):
        if (found := source.text(f"{IMAGE}/{entry}")) not in (None, allowed):
            raise InputError(f"{source.path}: '{IMAGE}/{entry}' must be '{allowed}', found '{found}'.")
    if (shifted := source.small(f"{IMAGE}/is_fft_shifted")) is not None and shifted.any():
        raise InputError(
            f"{source.path}: '{IMAGE}/is_fft_shifted' must be 0, found 1; put the zero frequency into the middle."
        )


def _others(source: Source) -> tuple[str, ...]:
    return (f"{source.path} holds more than one entry: entry_1 is read.",) if source.holds("entry_2") else ()


def _pixels(path: Path, positions: np.ndarray) -> np.ndarray:
    if positions.ndim != 2 or positions.shape[1] != 2:
        raise InputError(f"{path}: 'ptychography/positions' must have the shape (n, 2), found {positions.shape}.")
    return positions.astype(np.float64)


def _translations(source: Source, raster: tuple[int, ...], directions: np.ndarray) -> tuple[np.ndarray, str]:
    """Read the positions (n, 2) of the window along rows and columns of the detector, metres, and
    the unit that they were in.

    Args:
        raster: the axes of the patterns, (n,) or (rows, columns).
    """
    name = next((name for name in TRANSLATION if source.array(name) is not None), None)
    if name is None:
        raise InputError(f"{source.path} holds no translations, neither at {' nor at '.join(TRANSLATION)}.")
    motion = source.small(name)
    by_pattern, by_axis = orders(motion.shape, raster)
    if by_pattern and by_axis and motion.ndim == 3:
        raise InputError(
            f"{source.path}: '{name}' of shape {motion.shape} may be stored by pattern or by axis; store it with the"
            f" shape ({math.prod(raster)}, 3)."
        )
    if by_axis and not by_pattern:
        motion = motion.reshape(len(motion), -1).T  # as PyNX writes them
    elif by_pattern:
        motion = motion.reshape(-1, motion.shape[-1])
    elif motion.ndim != 2 or motion.shape[1] not in (2, 3):
        found = f"found {motion.shape} for {' x '.join(map(str, raster))} patterns"
        raise InputError(f"{source.path}: '{name}' must have the shape (n, 3) or (n, 2), {found}.")
    window = -motion.astype(np.float64) * scale(source, name, LENGTH_UNITS)
    seen = directions[:, : window.shape[1]]
    # What moves along neither rows nor columns, but for the rounding of angles, may be NaN, as z is
    # where nobody measured it.
    window[:, ~(np.abs(seen) > ROUNDED_ANGLE).any(axis=0)] = 0
    with np.errstate(invalid="ignore", over="ignore"):  # of positions that are infinite, which are named later
        return window @ seen.T, unit_of(source, name) or "m"


def _monitor(source: Source, raster: tuple[int, ...]) -> np.ndarray | None:
    """Read the numbers (n,) of the beam's monitor; None if there are none, or not one for each
    pattern.

    Args:
        raster: the axes of the patterns, (n,) or (rows, columns).
    """
    for name in MONITORS:
        with suppress(InputError):  # it is something else, of which nothing is needed
            found = source.small(name)
            if found is not None and in_order(found.shape, raster):
                return found.ravel().astype(np.float64)
    return None


def _probe(source: Source, frame: tuple[int, int]) -> np.ndarray | None:
    """Read the probe (h, w), square root of photons that the detector counts; the file's are those
    that fall on it.
    """
    probe = source.small("ptychography/probe", "biufc")
    if probe is None:
        return None
    if probe.shape != frame or not sound(probe).all():
        raise InputError(
            f"{source.path}: 'ptychography/probe' must be finite and have the shape {frame}, found shape {probe.shape};"
            f" {ANOTHER_PROBE}."
        )
    return (probe * math.sqrt(_efficiency(source))).astype(np.complex64)


def _modes(source: Source) -> tuple[str, ...]:
    """Warn if there are more modes of the probe than the one that is kept."""
    modes = source.small("ptychography/probe_modes", "biufc")
    return first_kept(source.path, modes.shape[0]) if modes is not None and modes.ndim == 3 else ()


def _object_pixel(source: Source) -> tuple[float, float] | None:
    found = source.attribute("ptychography", "pixel_size")
    if found is None:
        return None
    if not (isinstance(found, (int, float, np.integer, np.floating)) and LENGTHS[0] <= found <= LENGTHS[1]):
        raise InputError(
            f"{source.path}: the attribute 'pixel_size' of 'ptychography' must be {LENGTHS[0]:g} to {LENGTHS[1]:g}"
            f" metres, found {found!s:.60}."
        )
    return float(found), float(found)


def _efficiency(source: Source) -> float:
    found = source.attribute("ptychography", "efficiency")
    if found is None:
        return 1.0
    if not (isinstance(found, (int, float, np.integer, np.floating)) and 0 < found <= 1):
        raise InputError(
            f"{source.path}: the efficiency of a detector must be greater than 0 and at most 1, found {found}."
        )
    return float(found)


def _grid(source: Source, count: int) -> tuple[int, int] | None:
    found = source.attribute("ptychography", "grid")
    if found is None:
        return None
    grid = np.asarray(found)
    if grid.shape != (2,) or grid.dtype.kind not in "iu" or (grid < 1).any() or math.prod(grid.tolist()) != count:
        raise InputError(f"{source.path}: {count} patterns do not fit a grid of {found} rows and columns.")
    return tuple(grid.tolist())
