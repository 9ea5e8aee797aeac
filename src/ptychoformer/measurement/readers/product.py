"""Products of ptychodus: where a scan's probe was, its geometry and its probe, in an HDF5 file
beside that of the patterns.

    probe_position_x_m, probe_position_y_m    (m,) metres, of the probe on the object, x along
        columns and y along rows
    probe_position_indexes                    (m,) numbers of the positions; may be absent
    probe                                     (..., h, w) complex, its modes; may be absent
    object                                    its attributes pixel_height_m and pixel_width_m, of
        a pixel that the whole frame samples
    attributes of the file                    photon_energy_eV (once probe_energy_eV),
        detector_object_distance_m and far_field; 0 is said of what nobody knows
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from scipy import constants

from ptychoformer.errors import InputError
from ptychoformer.measurement.particles import wavelength_of
from ptychoformer.measurement.readers.guard import ONE_FILE, rehearse
from ptychoformer.measurement.readers.hdf5 import Source, open_source
from ptychoformer.measurement.readers.quantities import AGREEING, unless_replaced
from ptychoformer.measurement.readers.scan import LENGTHS, RawScan, check_frames, first_mode
from ptychoformer.measurement.readers.suggested import suggested

POSITIONS = ("probe_position_y_m", "probe_position_x_m")
NUMBERS = "probe_position_indexes"
ENERGY = ("photon_energy_eV", "probe_energy_eV")
ENERGIES = (1e-3, 1e9)  # electronvolts
Sides = tuple[float, float]  # (y, x) metres


@dataclass(frozen=True)
class Product:
    """What the product of a scan says.

    Args:
        positions: (m, 2) float64, y and x, metres.
        numbers: (m,) of the positions.
        pixel: of the object; None if the product does not say.
        wavelength: metres, likewise.
        distance: from object to detector, metres, likewise.
        probe: (h, w) complex64, likewise.
        warnings: full sentences for people.
    """

    positions: np.ndarray
    numbers: np.ndarray | None
    pixel: Sides | None
    wavelength: float | None
    distance: float | None
    probe: np.ndarray | None
    warnings: tuple[str, ...]


@contextmanager
def open_with_product(
    path: Path,
    names: tuple[str, str],
    read: Callable[[Source, Source, Mapping[str, Any]], RawScan],
    replaced: Mapping[str, Any],
) -> Iterator[RawScan]:
    """Open the scan that ``read`` makes of a file with patterns and of its product, which may be
    the same file.

    Args:
        names: what the name of a file of patterns holds last, and what that of its product has in
            its place.
        replaced: as in `readers.open_scan`, which ``read`` is told.

    Raises:
        InputError: there is no product, or one of the files cannot be used.
    """

    def glance() -> None:
        with _opened(path, names) as (patterns, product):
            next(read(patterns, product, replaced).frames(1))

    rehearse(path, glance)
    with _opened(path, names) as (patterns, product):
        yield read(patterns, product, replaced)


@contextmanager
def _opened(path: Path, names: tuple[str, str]) -> Iterator[tuple[Source, Source]]:
    with ExitStack() as opened:
        patterns = opened.enter_context(open_source(path))
        if patterns.holds(POSITIONS[0]) or patterns.holds(POSITIONS[1]):
            yield patterns, patterns
            return
        yield patterns, opened.enter_context(open_source(_product_beside(patterns, *names)))


def _product_beside(source: Source, name: str, other: str) -> Path:
    """Find the product beside a file, or beside that which it is a symbolic link to."""
    wanted, path = [], source.path
    for place in dict.fromkeys((path, path.resolve())):
        before, found, after = place.name.rpartition(name)
        if found:
            wanted.append(place.with_name(f"{before}{other}{after}"))
    product = next(filter(Path.is_file, wanted), None)
    if product is None:
        where = (
            f"'{wanted[0].name}', which should hold them, is not beside it; put it there, {ONE_FILE}"
            if wanted
            else f"and without '{name}' in its name no other file can hold them"
        )
        raise InputError(
            f"{path} holds no positions, {where}; if it is of no format, name its datasets with --data and --positions"
            f" (in a config data and positions){suggested(source)}."
        )
    return product


def read_product(source: Source, frame: tuple[int, int], replaced: Mapping[str, Any]) -> Product:
    """Read the product in ``source`` of a scan with patterns of ``frame`` (h, w) pixels.

    Args:
        replaced: as in `readers.open_scan`.

    Raises:
        InputError: it lacks positions, or something in it is impossible or of another scan.
    """
    if (far := source.attribute("/", "far_field")) is not None and not _is_true(far):
        raise InputError(
            f"{source.path}: the attribute 'far_field' must be true, patterns of the near field are not read."
        )
    energy = unless_replaced(lambda: _energy(source), None, "wavelength" in replaced)
    probe, warnings = (None, ()) if "probe" in replaced else _probe(source, frame)
    return Product(
        positions=_positions(source),
        numbers=numbers_of(source, NUMBERS),
        pixel=_pixel(source),
        wavelength=wavelength_of(energy * constants.eV) if energy else None,
        distance=unless_replaced(
            lambda: _stated(source, "/", "detector_object_distance_m", LENGTHS), None, "distance" in replaced
        ),
        probe=probe,
        warnings=warnings,
    )


def _energy(source: Source) -> float | None:
    """Read the energy of a photon, electronvolts; None if the product does not say."""
    energies = {name: found for name in ENERGY if (found := _stated(source, "/", name, ENERGIES)) is not None}
    if len(energies) == 2 and _differ(*energies.values()):
        two = " and ".join(f"'{name}' of {value:g}" for name, value in energies.items())
        raise InputError(f"{source.path} states two energies, {two}; correct or delete one.")
    return next(iter(energies.values()), None)


def numbers_of(source: Source, name: str) -> np.ndarray | None:
    """Read the whole numbers (n,) int64 of patterns or positions, if there are any.

    Raises:
        InputError: they are no list of whole numbers.
    """
    found = source.small(name, "iu")
    if found is None:
        return None
    if found.ndim != 1:
        raise InputError(f"{source.path}: '{name}' must have one axis, found shape {found.shape}.")
    return found.astype(np.int64)


def stated_pixel(source: Source, name: str, prefix: str = "") -> Sides | None:
    """Read height and width of a pixel, metres, from the attributes of the dataset ``name``; None
    if it has neither.

    Raises:
        InputError: there is one without the other, or one is no length.
    """
    keys = [f"{prefix}pixel_{side}_m" for side in ("height", "width")]
    sides = [_stated(source, name, key, LENGTHS) for key in keys]
    if None not in sides:
        return tuple(sides)
    if sides != [None, None]:
        raise InputError(f"{source.path}: '{name}' has only one of the attributes {' and '.join(keys)}.")
    return None


def conjugate_pixel(frame: tuple[int, int], pixel: Sides, wavelength: float, distance: float) -> Sides:
    """Compute the pixel of the detector that belongs to one of the object, or that of the object
    that belongs to one of the detector: lambda z / (N pixel).
    """
    return tuple(wavelength * distance / (side * length) for side, length in zip(frame, pixel, strict=True))


def check_pixel(source: Source, product: Product, expected: Sides, reason: str) -> None:
    """Check that the object's pixels are those of the scan, if the product names any.

    Raises:
        InputError: they are not.
    """
    if product.pixel and any(_differ(*sides) for sides in zip(product.pixel, expected, strict=True)):
        shown = [" x ".join(f"{side:.4g}" for side in sides) for sides in (product.pixel, expected)]
        raise InputError(
            f"{source.path} says that a pixel of the object is {shown[0]} m, but {reason} make it {shown[1]} m; they"
            " are of different scans or crops."
        )


def _stated(source: Source, name: str, key: str, bounds: tuple[float, float]) -> float | None:
    """Read a number within ``bounds`` that is an attribute; None if it is missing or 0."""
    found = source.attribute(name, key)
    if found is None:
        return None
    number = np.asarray(found)
    if number.size == 1 and number.dtype.kind in "iuf" and (number == 0 or bounds[0] <= number <= bounds[1]):
        return float(number.item()) or None
    low, high = bounds
    raise InputError(
        f"{source.path}: the attribute '{key}' must be a number from {low:g} to {high:g}, found {found!s:.60}."
    )


def _is_true(found: object) -> bool:
    flag = np.asarray(found)
    return flag.size == 1 and flag.dtype.kind in "biu" and bool(flag.item())


def _differ(one: float, other: float) -> bool:
    return abs(one / other - 1) > AGREEING


def _positions(source: Source) -> np.ndarray:
    axes = [source.small(name, "iuf") for name in POSITIONS]
    for name, axis in zip(POSITIONS, axes, strict=True):
        if axis is None:
            raise InputError(f"{source.path} holds no positions, '{name}' is missing.")
    if axes[0].ndim != 1 or axes[0].shape != axes[1].shape:
        found = f"{axes[0].shape} and {axes[1].shape}"
        raise InputError(
            f"{source.path}: {' and '.join(POSITIONS)} must have one axis of the same length, found {found}."
        )
    return np.stack(axes, axis=1).astype(np.float64)


def _pixel(source: Source) -> Sides | None:
    """Read the object's pixel; the probe's must be the same, if the product names them."""
    pixel, of_probe = stated_pixel(source, "object"), stated_pixel(source, "probe")
    if pixel and of_probe and any(_differ(*sides) for sides in zip(pixel, of_probe, strict=True)):
        raise InputError(
            f"{source.path} gives the pixels of object and probe different sizes, {pixel} and {of_probe} m."
        )
    return pixel or of_probe


def _probe(source: Source, frame: tuple[int, int]) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Read the first mode of the probe, and warn if there are more."""
    modes = source.small("probe", "biufc")
    if modes is None or not modes.size:
        return None, ()
    return first_mode(source.path, modes, frame)


def patterns_of(source: Source, name: str) -> h5py.Dataset:
    """Find the patterns (n, h, w) of a file, counts, which stay on disk.

    Raises:
        InputError: they are missing, or have other axes, or in another order, or no size that
            frames have.
    """
    patterns, where = source.array(name), f"{source.path}: '{name}'"
    if patterns is None:
        raise InputError(f"{where} is not in the file.")
    check_frames(where, patterns.shape)
    if patterns.ndim != 3:
        raise InputError(f"{where} must have the axes (n, h, w), found shape {patterns.shape}.")
    source.check_rows(name)
    return patterns
