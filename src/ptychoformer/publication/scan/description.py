"""A measured scan in words: one line for every fact of `measurement.summary`, and one for the
resolution of its reconstruction.
"""

from typing import TYPE_CHECKING

import numpy as np
from scipy import constants

from ptychoformer.measurement.frames import ranges
from ptychoformer.measurement.particles import energy_of
from ptychoformer.measurement.summary import Facts
from ptychoformer.publication.figures.parts.lengths import with_prefix

if TYPE_CHECKING:  # pandas takes a quarter of a second to import
    from ptychoformer.evaluation.reproducibility import Agreement

ELECTRONVOLTS = ((1e6, "MeV"), (1e3, "keV"), (1.0, "eV"), (1e-3, "meV"))


def described(facts: Facts) -> str:
    """Write lines of text for ``facts``, which `measurement.summary.as_mapping` returned."""
    lines = [facts["file"], *(f"  {name:<15} {text}" for name, text in _facts(facts))]
    return "\n".join([*lines, *(f"  {'warning':<15} {warning}" for warning in facts["warnings"])])


def resolution(found: "Agreement", pixel_size: float | None) -> str:
    """Say in one line how fine two halves of a scan reproduce the object.

    Args:
        pixel_size: metres; None if it is not known.
    """
    if found.resolved == 0:
        return "FRC of two halves: nothing is above half-bit, the object is not reproduced"
    half_period = 1 / (2 * found.resolved)
    length = f"{half_period:.3g} pixels" + (f", {with_prefix(half_period * pixel_size)}" if pixel_size else "")
    at = f"{found.resolved:.3g} cycles/pixel"
    if not found.crossed:
        return f"FRC of two halves: half-bit is not crossed within the band, {at}; half-period {length} or less"
    return f"FRC of two halves: half-bit at {at}, half-period {length}"


def _facts(facts: Facts) -> list[tuple[str, str]]:
    photons, window = facts["photons"], _by(facts["window"])
    grid = f", {facts['grid'][0]} rows of {facts['grid'][1]}" if facts["grid"] else ""
    return [
        ("format", facts["format"]),
        ("patterns", f"{facts['patterns']}{grid}, frames of {_by(facts['frame'])} pixels"),
        ("left out", _left_out(facts["left_out"])),
        (
            "window",
            (
                f"{window} pixels: crop {facts['crop']}, bin {facts['bin']}, around detector pixel"
                f" {tuple(facts['centre'])}"
            ),
        ),
        ("bad pixels", _bad_pixels(facts)),
        ("photons", f"{photons['mean']:.4g} a pattern, {photons['min']:.4g} to {photons['max']:.4g}"),
        ("brightest pixel", f"{facts['brightest_pixel']:.4g} photons"),
        ("geometry", _geometry(facts)),
        ("object pixel", _pixel(facts)),
        ("scan", _both(facts, "extent")),
        ("axes", _axes(facts)),
        ("step", f"{_both(facts, 'step')} to the nearest neighbour (median)"),
        ("probe", _probe(facts)),
        ("overlap", _overlap(facts)),
    ]


def _left_out(numbers: dict[str, list[int]]) -> str:
    found = [f"{len(those)} {reason} ({ranges(np.array(those))})" for reason, those in numbers.items() if those]
    return ", ".join(found) or "none"


def _bad_pixels(facts: Facts) -> str:
    kinds = ", ".join(f"{count} {kind}" for kind, count in facts["bad_pixels_of_frame"].items() if count)
    return f"{facts['bad_pixels']} of {facts['window'][0] * facts['window'][1]}" + (
        f"; of the whole frame {kinds}" if kinds else ""
    )


def _by(sides: list[int]) -> str:
    return " x ".join(map(str, sides))


def _geometry(facts: Facts) -> str:
    names = {"wavelength": "wavelength", "distance": "distance", "detector_pixel": "detector pixel"}
    known = [f"{name} {with_prefix(facts[key])}" for key, name in names.items() if facts[key]]
    if facts["wavelength"]:
        known[0] += f" ({_energy(facts['wavelength'], facts['particle'])})"
    missing = [f"--{key.replace('_', '-')}" for key in names if not facts[key]]
    return ", ".join(known + ([f"not recorded: {', '.join(missing)}"] if missing else []))


def _energy(wavelength: float, particle: str | None) -> str:
    """Put the kinetic energy in words; without a particle, of the two most usual ones."""
    if particle is None:
        return " or ".join(_energy(wavelength, usual) for usual in ("photon", "electron"))
    energy = energy_of(wavelength, particle) / constants.eV
    factor, unit = next(((factor, unit) for factor, unit in ELECTRONVOLTS if energy >= factor), ELECTRONVOLTS[-1])
    return f"{particle}s of {energy / factor:.4g} {unit}"


def _pixel(facts: Facts) -> str:
    if facts["pixel_size"]:
        return with_prefix(facts["pixel_size"])
    return "not known, lengths are in " + ("pixels" if facts["extent_metres"] is None else "metres")


def _both(facts: Facts, name: str) -> str:
    """Put a length, or two, in words: in pixels of the object and in metres, as far as known."""
    pixels, metres = (facts[f"{name}_{unit}"] for unit in ("pixels", "metres"))
    texts = []
    if pixels is not None:
        texts.append(f"{' x '.join(f'{side:.4g}' for side in _listed(pixels))} pixels")
    if metres is not None:
        texts.append(" x ".join(with_prefix(side) for side in _listed(metres)))
    return ", ".join(texts)


def _listed(length: float | list[float]) -> list[float]:
    return length if isinstance(length, list) else [length]


def _axes(facts: Facts) -> str:
    """Say what the numbers of a position were taken to be, and what the patterns say of it."""
    told, axes = facts["axes_told"], facts["positions_axes"]
    read = axes + (f" with a turn of {facts['positions_turn']:g} degrees" if facts["positions_turn"] else "")
    if not told:
        return f"{read}; the patterns do not tell"
    found = " or ".join(
        f"{each['axes']} with a turn of {each['turn']:.0f} ± {each['error']:.0f} degrees" for each in told
    )
    return f"{read}; the patterns say {found}"


def _probe(facts: Facts) -> str:
    diameter = facts["probe_diameter_pixels"]
    if diameter is None:
        return "made from the patterns" if facts["probe_given"] else "not recorded"
    return f"{'given' if facts['probe_given'] else 'recorded'}, {diameter:.3g} pixels across"


def _overlap(facts: Facts) -> str:
    windows, probes = facts["overlap_of_windows"], facts["overlap_of_probes"]
    if windows is None:
        return "not known without the geometry"
    return f"{windows:.0%} of the window's side" + ("" if probes is None else f", {probes:.0%} of the probe's diameter")
