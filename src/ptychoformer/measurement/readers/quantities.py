"""Numbers with units in HDF5 files. CXI and NeXus name a dataset's unit in its attribute
``units``; without it CXI means SI units.
"""

from collections.abc import Callable
from typing import TypeVar

import h5py
import numpy as np
from scipy import constants

from ptychoformer.errors import InputError
from ptychoformer.measurement.readers.hdf5 import Source
from ptychoformer.measurement.readers.scan import LENGTHS

ALIKE = 1e-3  # largest relative difference between numbers of single patterns that an encoder's noise explains
AGREEING = 1e-2  # and between two statements of the same quantity, which may be rounded

LENGTH_UNITS = {
    "m": 1.0,
    "cm": 1e-2,
    "mm": 1e-3,
    "um": 1e-6,
    "µm": 1e-6,
    "μm": 1e-6,
    "nm": 1e-9,
    "pm": 1e-12,
    "a": constants.angstrom,
}
LENGTH_UNITS |= {
    "meter": 1.0,
    "metre": 1.0,
    "centimeter": 1e-2,
    "centimetre": 1e-2,
    "millimeter": 1e-3,
    "millimetre": 1e-3,
    "micrometer": 1e-6,
    "micrometre": 1e-6,
    "micron": 1e-6,
}
LENGTH_UNITS |= {
    "nanometer": 1e-9,
    "nanometre": 1e-9,
    "picometer": 1e-12,
    "picometre": 1e-12,
    "angstrom": constants.angstrom,
    "å": constants.angstrom,
    "ångström": constants.angstrom,
}
PIXELS = ("pixel", "pixels", "px")
# In lower case milli and mega would be one.
ENERGY_UNITS = {"j": 1.0, "joule": 1.0, "meV": 1e-3 * constants.eV, "ev": constants.eV, "electronvolt": constants.eV}
ENERGY_UNITS |= {"kev": 1e3 * constants.eV, "MeV": 1e6 * constants.eV, "gev": 1e9 * constants.eV}
ENERGY_UNITS |= {"millielectronvolt": 1e-3 * constants.eV, "kiloelectronvolt": 1e3 * constants.eV}
ENERGY_UNITS |= {"megaelectronvolt": 1e6 * constants.eV, "gigaelectronvolt": 1e9 * constants.eV}
Found = TypeVar("Found")


def unless_replaced(reading: Callable[[], Found], otherwise: Found, replaced: bool) -> Found:
    """Return what ``reading`` finds; ``otherwise`` if that cannot be used, and an option takes its
    place, as ``replaced`` says: a placeholder, such as a distance of 0, then does no harm.

    Raises:
        InputError: it cannot be used, and no option takes its place.
    """
    try:
        return reading()
    except InputError:
        if not replaced:
            raise
        return otherwise


def quantity(source: Source, name: str, units: dict[str, float] | None) -> float | None:
    """Read a positive number in SI units, or the mean of what is recorded for each pattern; None if
    it is missing.

    Args:
        units: that it may be in; None if it has none.

    Raises:
        InputError: it is not positive, not the same for all patterns within an encoder's noise, or
            in a unit that is not in ``units``.
    """
    found = source.small(name, "iuf")
    if found is None:
        return None
    if not found.size or not ((found > 0) & (found < np.inf)).all():
        shown = found.tolist() if found.size <= 4 else f"shape {found.shape}"
        raise InputError(f"{source.path}: '{name}' must be one number greater than 0, found {shown}.")
    if found.max() - found.min() > ALIKE * found.max():
        differing = f"{found.min():g} to {found.max():g} (patterns may differ by {100 * ALIKE:g}%)"
        raise InputError(f"{source.path}: '{name}' must be one number greater than 0, found {differing}.")
    value = float(found.mean(dtype=np.float64)) * (1.0 if units is None else scale(source, name, units))
    if not value > 0:  # in SI units it is too small for a number
        raise InputError(f"{source.path}: '{name}' must be a number greater than 0, found {found.flat[0]:g}.")
    if units is LENGTH_UNITS and not LENGTHS[0] <= value <= LENGTHS[1]:
        raise InputError(f"{source.path}: '{name}' must be {LENGTHS[0]:g} to {LENGTHS[1]:g} metres, found {value:g}.")
    return value


def scale(source: Source, name: str, units: dict[str, float]) -> float:
    """Find the SI value of the unit of ``name``, 1 without an attribute that names one.

    Raises:
        InputError: the unit is not in ``units``, or is no text.
    """
    unit = unit_of(source, name)
    return value_of(f"{source.path}: '{name}'", unit, units) if unit else 1.0


def value_of(where: str, unit: str, units: dict[str, float]) -> float:
    """Return what ``unit`` is in ``units``, in any case, singular or plural, found at ``where``.

    Raises:
        InputError: it is none of them.
    """
    for spelling in (unit, unit.lower(), unit.lower().removesuffix("s")):
        if spelling in units:
            return units[spelling]
    raise InputError(f"{where} is in '{unit:.40}', which is none of {', '.join(units)}.")


def unit_of(source: Source, name: str) -> str:
    """Read what the attribute ``units``, or ``unit``, of a dataset says; empty if there is none.

    Raises:
        InputError: it is no text.
    """
    found = next((found for key in ("units", "unit") if (found := source.attribute(name, key)) is not None), "")
    texts = {_text(one) for one in np.ravel(found)} if isinstance(found, np.ndarray) else {_text(found)}
    unit = texts.pop() if len(texts) == 1 else None
    if unit is None:
        raise InputError(f"{source.path}: the unit of '{name}' must be text, found {found!s:.60}.")
    return unit


def _text(found: object) -> str | None:
    if isinstance(found, h5py.Empty):
        return ""
    found = found.decode(errors="replace") if isinstance(found, bytes) else found
    return " ".join(found.split()) if isinstance(found, str) else None
