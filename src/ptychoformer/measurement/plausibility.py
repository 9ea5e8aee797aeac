"""Whether a scan, its window and its lengths go together: a length in another unit than metres
shows in the step and the extent.
"""

from collections.abc import Mapping

import numpy as np
from scipy.ndimage import label, maximum_filter
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from ptychoformer.measurement.frames import ranges
from ptychoformer.measurement.groups import means_of_groups
from ptychoformer.measurement.options import Reading, choices_of
from ptychoformer.measurement.readers.quantities import LENGTH_UNITS, value_of

# Lengths of instruments, metres, from electron microscopes to visible light.
EXTENT = "extent of the scan"
INSTRUMENTS = {
    "wavelength": (1e-13, 2e-6),
    "distance": (1e-3, 100.0),
    "detector pixel": (1e-6, 1e-3),
    EXTENT: (1e-10, 0.1),
    "pixel of the object": (1e-13, 1e-4),
}
POSITION_UNITS = tuple(unit for unit in choices_of(Reading, "positions_unit") if unit in LENGTH_UNITS)
OF_ELECTRONS, ELECTRONS = ("angstrom",), 1e-11  # units of positions, of wavelengths up to so many metres only
UNITS = {1e-3: "millimetres", 1e-6: "micrometres", 1e-9: "nanometres"}
STEPS = (0.01, 1.0)  # of the window
MOST_WINDOWS = 1000  # along a side of a scan
NOISE = 0.1  # of the distance to the next place, that exposures in place lie from their mean
IN_PLACE = 0.01  # of the window, between exposures that were repeated in place
CELLS = 8  # along a window, an even number, for the question whether windows overlap


def nearest_step(positions: np.ndarray, apart: float = 0.0) -> float:
    """Find the median distance from a position (n, 2) to its nearest neighbour elsewhere; exposures
    that were repeated in place do not count.

    Args:
        apart: how far positions of one place lie from each other at most, by an encoder's noise.
    """
    places = np.unique(positions, axis=0)
    means, group = places, np.arange(len(places))
    distance, nearest = _neighbours(means)
    while (close := distance <= apart).any():
        links = coo_array((close[close], (np.flatnonzero(close), nearest[close])), shape=(len(means), len(means)))
        group = connected_components(links, directed=False)[1][group]
        means = means_of_groups(places, group)
        distance, nearest = _neighbours(means)
    # Short steps of a dense scan were put together too, but what they make lies as close.
    reach = np.zeros(len(means))
    np.maximum.at(reach, group, np.hypot(*(places - means[group]).T))
    dense = reach > NOISE * distance
    if dense.any() or len(means) == 1:
        distance = _neighbours(np.concatenate([means[~dense], places[dense[group]]]) if len(means) > 1 else places)[0]
    return float(np.median(distance))


def _neighbours(places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the nearest other place: its distance (n,), infinity without one, and its number."""
    distance, nearest = KDTree(places).query(places, k=2)
    return distance[:, 1], nearest[:, 1]


def falls_apart(path: object, positions: np.ndarray, window: int, numbers: np.ndarray) -> tuple[str, ...]:
    """Warn of a scan of several parts, between which no windows overlap: what patterns tell of one
    tells nothing of another.

    Args:
        positions: (n, 2) pixels of the object.
        window: its side, pixels.
        numbers: (n,) of the patterns in the file.
    """
    if _odd(*_extent_and_step(positions, window), window):  # which `doubts` tells
        return ()
    # Pairs of windows would be too many; so parts are those of a picture of the places, in which
    # each is grown by half of a window. It is too coarse for gaps of less than a quarter of one.
    cells = np.rint((positions - positions.min(axis=0)) * CELLS / window).astype(int)
    places = np.zeros(cells.max(axis=0) + 1, bool)
    places[tuple(cells.T)] = True
    parts, count = label(maximum_filter(places, CELLS + 1, mode="constant"), np.ones((3, 3)))
    if count == 1:
        return ()
    part = parts[tuple(cells.T)]
    smallest = numbers[part == 1 + np.bincount(part)[1:].argmin()]
    return (
        f"{path}: the scan falls into {count} parts that do not overlap, a window of {window} pixels or more apart; the"
        f" smallest: {'pattern' if len(smallest) == 1 else 'patterns'} {ranges(smallest)}.",
    )


def effective_area(intensity: np.ndarray) -> float:
    """Compute (sum I)^2 / sum I^2, pixels, of an ``intensity`` I (h, w): the area of an even disc,
    and of a Gaussian that of a disc with a diameter of four sigma.
    """
    return intensity.sum() ** 2 / max(np.sum(intensity**2), np.finfo(float).tiny)


def probe_diameter(probe: np.ndarray) -> float:
    """Compute the diameter, pixels, of the disc that has the `effective_area` of a probe (h, w)."""
    return float(2 * np.sqrt(effective_area(np.abs(probe).astype(np.float64) ** 2) / np.pi))


def overlap(step: float, size: float) -> float:
    """Compute the linear overlap, 0 to 1, of neighbours of ``size`` that lie ``step`` apart."""
    return max(0.0, 1 - step / size) if size > 0 else 0.0


def doubts(
    path: object,
    positions: np.ndarray,
    window: int,
    probe: np.ndarray | None,
    lengths: Mapping[str, float],
    positions_in: str | None = "m",
) -> tuple[str, ...]:
    """Warn of what no instrument records, a sentence each.

    Args:
        positions: (n, 2) pixels of the object, not all the same.
        window: its side, pixels.
        probe: (h, w), if it is known.
        lengths: in metres, of those in `INSTRUMENTS` that are known.
        positions_in: their unit, as the file or the user says; None if they have two.
    """
    extent, step = _extent_and_step(positions, window)
    found = [f"{path}: {odd}{likely_unit(step / window, lengths, positions_in)}." for odd in _odd(extent, step, window)]
    found = found or [*strange_lengths(path, lengths), *_line(path, positions)]
    if probe is not None and not found and step >= (size := probe_diameter(probe)):
        found.append(
            f"{path}: the step of {step:.4g} pixels is no shorter than the probe's diameter, {size:.4g}: an overlap of"
            " 0 %."
        )
    return tuple(found)


def strange_lengths(path: object, lengths: Mapping[str, float]) -> tuple[str, ...]:
    """Warn of lengths, as those of `doubts`, that no instrument has."""
    strange = [name for name, value in lengths.items() if not _fits(name, value)]
    if not strange:
        return ()
    shown = " and ".join(f"{name} of {lengths[name]:.4g} m" for name in strange)
    return (f"{path}: no instrument has {'an' if shown[0] in 'aeiou' else 'a'} {shown}; lengths must be in metres.",)


def _line(path: object, positions: np.ndarray) -> list[str]:
    """Warn of a scan (n, 2) that is no wider than a pixel along one axis, unless it goes along the
    other in one pass, as a line does.
    """
    extents = np.ptp(positions, axis=0)
    passed = np.diff(positions[:, extents.argmax()])
    if extents.min() >= 1 or (passed > 0).all() or (passed < 0).all():
        return []
    axis = ("y (rows)", "x (columns)")[extents.argmin()]
    return [
        f"{path}: the scan is {extents.min():.3g} pixels wide along {axis}. If it is no repeated line, its motion along"
        " this axis is missing from the positions; another column or dataset may hold it."
    ]


def _extent_and_step(positions: np.ndarray, window: int) -> tuple[float, float]:
    return float(np.ptp(positions, axis=0).max()), nearest_step(positions, IN_PLACE * window)


def _odd(extent: float, step: float, window: int) -> list[str]:
    """Put in words the first thing that is odd about the scan."""
    if extent < 1:
        return [f"the whole scan lies within {extent:.3g} of a pixel of the object"]
    if extent > MOST_WINDOWS * window:
        return [f"the scan is {extent:.4g} pixels wide, more than {MOST_WINDOWS} windows of {window}"]
    if step >= window:
        return [f"the step of {step:.4g} pixels is no shorter than the window, {window}: an overlap of 0 %"]
    return []


def likely_unit(step: float, lengths: Mapping[str, float], positions_in: str | None) -> str:
    """Say which length may be in which unit, if a unit would make ``step``, a part of the window,
    that of a scan; empty if none would.

    Args:
        positions_in: the positions' unit, as the file or the user says; None if they have two.
    """
    if EXTENT not in lengths:  # the positions are in pixels, which no length makes
        return ""
    told = [
        (EXTENT, f"the positions may be in {unit} rather than {positions_in}")
        for unit in _other_units(step, lengths, positions_in)
    ]
    for unit, name in UNITS.items():
        # The step in pixels goes with the detector's pixel, and against wavelength and distance.
        shrinks = STEPS[0] <= step * unit < STEPS[1]
        grows = STEPS[0] <= step / unit < STEPS[1]
        suspects = ["detector pixel"] if shrinks else ["distance", "wavelength"] if grows else []
        told += [
            (suspect, f"the {suspect} ({lengths[suspect]:.4g} m) may be in {name}")
            for suspect in suspects
            if suspect in lengths and _fits(suspect, lengths[suspect] * unit)
        ]
    sure = [words for suspect, words in told if not _fits(suspect, lengths[suspect])]
    words = sure or [words for _, words in told]
    otherwise = "a length is in metres unless its attribute 'units' or an option says otherwise"
    return f"; {' or '.join(words)}: {otherwise}" if words else ""


def _other_units(step: float, lengths: Mapping[str, float], positions_in: str | None) -> list[str]:
    """Find the units of positions that would make ``step`` that of a scan, which it is not now."""
    if positions_in is None:
        return []
    own = value_of("the scan", positions_in, LENGTH_UNITS)
    factors = {unit: LENGTH_UNITS[unit] / own for unit in POSITION_UNITS if LENGTH_UNITS[unit] != own}
    return [
        unit
        for unit, factor in factors.items()
        if (unit not in OF_ELECTRONS or lengths.get("wavelength", ELECTRONS) < ELECTRONS)
        and STEPS[0] <= step * factor < STEPS[1]
        and _fits(EXTENT, lengths[EXTENT] * factor)
    ]


def _fits(name: str, length: float) -> bool:
    return INSTRUMENTS[name][0] <= length <= INSTRUMENTS[name][1]
