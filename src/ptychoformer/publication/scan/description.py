"""A measured scan in words: one line for every fact of `measurement.summary`."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ptychoformer.measurement.frames import ranges
from ptychoformer.publication.figures.parts.lengths import with_prefix


def described(facts: Mapping[str, Any]) -> str:
    """Lines of text for ``facts``, which `measurement.summary.as_mapping` returned."""
    lines = [facts["file"], *(f"  {name:<15} {text}" for name, text in _facts(facts))]
    return "\n".join([*lines, *(f"  {'warning':<15} {warning}" for warning in facts["warnings"])])


def _facts(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
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
        (
            "object pixel",
            with_prefix(facts["pixel_size"]) if facts["pixel_size"] else "not known, lengths are in pixels",
        ),
        ("scan", _both(facts, "extent")),
        ("step", f"{_both(facts, 'step')} to the nearest neighbour (median)"),
        ("probe", _probe(facts)),
        ("overlap", _overlap(facts)),
    ]


def _left_out(numbers: Mapping[str, list[int]]) -> str:
    found = [f"{len(those)} {reason} ({ranges(np.array(those))})" for reason, those in numbers.items() if those]
    return ", ".join(found) or "none"


def _bad_pixels(facts: Mapping[str, Any]) -> str:
    kinds = ", ".join(f"{count} {kind}" for kind, count in facts["bad_pixels_of_frame"].items() if count)
    return f"{facts['bad_pixels']} of {facts['window'][0] * facts['window'][1]}" + (
        f"; of the whole frame {kinds}" if kinds else ""
    )


def _by(sides: list[int]) -> str:
    return " x ".join(map(str, sides))


def _geometry(facts: Mapping[str, Any]) -> str:
    names = {"wavelength": "wavelength", "distance": "distance", "detector_pixel": "detector pixel"}
    known = [f"{name} {with_prefix(facts[key])}" for key, name in names.items() if facts[key]]
    if facts["energy_kev"]:
        known[0] += f" ({facts['energy_kev']:.4g} keV)"
    missing = [f"--{key.replace('_', '-')}" for key in names if not facts[key]]
    return ", ".join(known + ([f"not recorded: {', '.join(missing)}"] if missing else []))


def _both(facts: Mapping[str, Any], name: str) -> str:
    """A length, or two, in pixels of the object and in metres, as far as they are known."""
    pixels, metres = (facts[f"{name}_{unit}"] for unit in ("pixels", "metres"))
    texts = []
    if pixels is not None:
        texts.append(f"{' x '.join(f'{side:.4g}' for side in _listed(pixels))} pixels")
    if metres is not None:
        texts.append(" x ".join(with_prefix(side) for side in _listed(metres)))
    return ", ".join(texts)


def _listed(length: float | list[float]) -> list[float]:
    return length if isinstance(length, list) else [length]


def _probe(facts: Mapping[str, Any]) -> str:
    diameter = facts["probe_diameter_pixels"]
    return "not recorded" if diameter is None else f"recorded, {diameter:.3g} pixels across"


def _overlap(facts: Mapping[str, Any]) -> str:
    windows, probes = facts["overlap_of_windows"], facts["overlap_of_probes"]
    if windows is None:
        return "not known without the geometry"
    return f"{windows:.0%} of the window's side" + ("" if probes is None else f", {probes:.0%} of the probe's diameter")
