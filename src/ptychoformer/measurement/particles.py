"""Wavelength and energy of what illuminates a sample: photons, or particles with a mass."""

import math

from scipy import constants

MUON_MASS = constants.physical_constants["muon mass"][0]
MASSES = {
    "photon": 0.0,
    "electron": constants.m_e,
    "neutron": constants.m_n,
    "proton": constants.m_p,
    "muon": MUON_MASS,
}


def wavelength_of(energy: float, particle: str = "photon") -> float:
    """Compute the wavelength, metres, of a particle with the kinetic ``energy``, joules: h c /
    sqrt(E^2 + 2 E m c^2), relativistic as de Broglie's is.
    """
    rest = MASSES[particle] * constants.c**2
    return constants.h * constants.c / (math.sqrt(energy) * math.sqrt(energy + 2 * rest))


def energy_of(wavelength: float, particle: str = "photon") -> float:
    """Return a particle's kinetic energy, joules, at a ``wavelength``, metres."""
    rest, pc = MASSES[particle] * constants.c**2, constants.h * constants.c / wavelength
    return pc * (pc / (math.hypot(pc, rest) + rest))  # the difference of the two, without cancellation
