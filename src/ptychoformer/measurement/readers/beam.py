"""The beam of a CXI or NXcxi_ptycho file: which particles, and their wavelength.

A file may state the wavelength, or the energy of a particle, in several places; all that can be
those of a beam must agree. NeXus calls the energy of a storage ring's electrons that of the source,
and no beam has it.
"""

from ptychoformer.errors import InputError
from ptychoformer.measurement.particles import wavelength_of
from ptychoformer.measurement.readers.hdf5 import Source
from ptychoformer.measurement.readers.quantities import AGREEING, ENERGY_UNITS, LENGTH_UNITS, quantity

INSTRUMENT = "entry_1/instrument_1"
PROBE = f"{INSTRUMENT}/source_1/probe"
WAVELENGTH = tuple(f"{INSTRUMENT}/{name}" for name in ("source_1/wavelength", "beam_1/incident_wavelength"))
RING = f"{INSTRUMENT}/source_1/energy"
BEAM = ("incident_beam_energy", "incident_energy", "energy")
ENERGY = (
    *(f"{INSTRUMENT}/beam_1/{name}" for name in BEAM),
    f"{INSTRUMENT}/monochromator_1/energy",
    RING,
)
# metres; out of reach of the 3 GeV of a storage ring, and of electronvolts taken for joules
WAVELENGTHS = (1e-14, 1e-5)

# The names that NeXus gives to probes, and how else they are spelled.
PARTICLES = dict.fromkeys(
    ("photon", "x-ray", "xray", "x ray", "synchrotron x-ray", "light", "visible light", "ultraviolet"), "photon"
)
PARTICLES |= {"electron": "electron", "positron": "electron", "neutron": "neutron", "proton": "proton", "muon": "muon"}


def particle_of(source: Source) -> str | None:
    """Read what the beam is made of, a key of `particles.MASSES`; None where the file does not say.

    Raises:
        InputError: the file says something else.
    """
    found = source.text(PROBE)
    if not found:
        return None
    particle = PARTICLES.get(found.lower()) or PARTICLES.get(found.lower().removesuffix("s"))
    if particle is None:
        raise InputError(f"{source.path}: '{PROBE}' is '{found}', which is none of {', '.join(PARTICLES)}.")
    return particle


def wavelength(source: Source, particle: str) -> tuple[float | None, bool, tuple[str, ...]]:
    """Read the wavelength, metres; tell whether the file states the energy of a ``particle`` of the
    beam; and warn of what cannot be the wavelength or energy of one.

    Raises:
        InputError: a number has an unknown unit, or two contradict each other.
    """
    stated, warnings = {}, {}
    for name in WAVELENGTH + ENERGY:
        energy = name in ENERGY
        value = quantity(source, name, ENERGY_UNITS if energy else LENGTH_UNITS)
        if value is None:
            continue
        metres = wavelength_of(value, particle) if energy else value
        if WAVELENGTHS[0] <= metres <= WAVELENGTHS[1]:
            stated[name] = metres
        else:
            warnings[name] = (
                f"{source.path}: '{name}' is {value:g} {'J' if energy else 'm'}, which is not that of a beam, and is"
                " ignored."
            )
    if not stated:
        return None, False, tuple(warnings.values())
    (first, metres), *others = stated.items()
    for name, other in others:
        if abs(other / metres - 1) > AGREEING:
            two = f"'{first}' of {metres:.4g} m and '{name}' of {other:.4g} m"
            raise InputError(f"{source.path} states two wavelengths of its {particle}s, {two}; correct or delete one.")
    warnings.pop(RING, None)  # as NeXus has it, where something else states the beam
    return metres, not stated.keys().isdisjoint(ENERGY), tuple(warnings.values())
