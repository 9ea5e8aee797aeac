"""How positions lie against the detector, as the patterns themselves tell.

The centre of mass of a pattern is the mean slope of the wave's phase behind the object (Ehrenfest's
theorem; Waddell & Chapman, Optik 54, 83, 1979; Mueller et al., Nat. Commun. 5, 5653, 2014). Over
the positions of a scan it is the gradient of a blurred phase, and so without curl: exactly, for an
object that absorbs nothing, and nearly, for others in a beam that is about as wide along one axis
as along the other. In positions that are mirrored or turned against the detector the same centres
of mass have a curl. In electron microscopy the rotation of a scan is found so (Savitzky et al.,
Microsc. Microanal. 27, 712, 2021). A half turn makes the twin of the object, which nothing tells.

An object of parallel stripes does not tell whether positions are mirrored, and one that changes no
phase, in a beam without curvature, tells nothing.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import KDTree

from ptychoformer.measurement.groups import means_of_groups
from ptychoformer.measurement.readers.axes import AS_THEY_ARE, FAMILIES, in_another_way, turned_round

NEIGHBOURS = 18  # of a place, from which the slopes of the centres of mass are fitted
FEWEST, MOST = 100, 10_000  # places that tell, and of which as many are looked at
# A cell in which exposures count as one place, as a part of the side of the square that each has of
# the scan between these quantiles of the positions.
CELL, TAILS = 0.5, (0.05, 0.95)
FLATTEST = 0.1  # of the width of a place's neighbours, along the axis along which they are narrowest
# One way to lie is less likely than another if it leaves so many times the mean square of the curl.
RATIO = 2.5
# What a turn is at least that is warned of, degrees and standard errors: encoders are mounted as
# well, and what an object absorbs bends the estimate by a few degrees.
TURN, SURE_OF_TURN = 5.0, 5.0
BLOCKS = 5  # along each axis, into which places are grouped for standard errors
TINY = np.finfo(float).tiny


@dataclass(frozen=True)
class Bearing:
    """A way in which positions may lie against the detector.

    Args:
        way: of `axes.WAYS`, to the nearest right angle.
        turn: degrees from there, as `axes.turned` takes them, -45 to 45.
        error: its standard error.
    """

    way: str
    turn: float
    error: float

    @property
    def least_turn(self) -> float:
        """Degrees that a turn must have to be one for certain."""
        return max(TURN, SURE_OF_TURN * self.error)

    @property
    def is_turned(self) -> bool:
        """Whether positions run beside the detector's axes for certain."""
        return abs(self.turn) >= self.least_turn

    def cure(self, axes: str, turn: float) -> tuple[str, float]:
        """Say what ``axes`` and ``turn``, degrees, should be of positions that were read so; the
        twin would do as well, and of both this is the one with fewer axes that are turned round.
        """
        if self.way == AS_THEY_ARE:
            return axes, float(_within(turn + self.turn, 360))
        # A mirror makes of a turn the opposite one.
        whole = self.turn - turn if self.way in FAMILIES[1] else self.turn + turn
        rest = float(_within(whole, 90))
        right = in_another_way(axes, self.way)
        if round((whole - rest) / 90) % 2:
            right = in_another_way(right, FAMILIES[0][1])
        return min(right, turned_round(right), key=lambda each: each.count("-x") + each.count("-y")), rest


def about_bearings(path: object, axes: str, turn: float, bearings: tuple[Bearing, ...]) -> tuple[str, ...]:
    """Warn of positions that lie otherwise against the detector than patterns say. Where two ways
    are left nothing is said: a beam that drifts from line to line looks like swapped axes.

    Args:
        axes, turn: as they were read, see `readers.axes`.
        bearings: what `find_bearings` found.
    """
    if len(bearings) != 1 or (bearings[0].way == AS_THEY_ARE and not bearings[0].is_turned):
        return ()
    right, angle = bearings[0].cure(axes, turn)
    angle = angle if abs(angle) >= bearings[0].least_turn else 0.0
    options = [f"--positions-axes={right}"] if right != axes else []
    options += [f"--positions-turn={angle:.1f}"] if angle != turn else []
    return (
        f"{path}: the centres of mass of the patterns do not move as they would if positions were read rightly: x and y"
        " may be swapped, one run the other way, or the scan be turned. Look whether the R factor is lower with"
        f" {' '.join(options)} (positions_axes, positions_turn in a config), or with both signs of the axes changed; a"
        " beam that drifts, or is far from round, can mislead.",
    )


def find_bearings(positions: np.ndarray, centres: np.ndarray) -> tuple[Bearing, ...]:
    """Return the ways in which positions may lie against the detector: one, or two where the
    patterns do not tell whether they are mirrored; none if they tell nothing.

    Args:
        positions: (n, 2) y, x of the window on the object, of any length.
        centres: (n, 2) y, x of the patterns' centres of mass, of any length.
    """
    places, means = _places(positions, centres)
    if len(places) < FEWEST:
        return ()
    around, slopes = _slopes(places, means)
    if len(around) < FEWEST:
        return ()
    # An even slope is the beam's own motion with the scan.
    return _told(*_by_block(around, slopes - slopes.mean(axis=0)))


def _places(positions: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Average ``positions`` and ``values`` (n, 2) over each cell of a grid that is finer than their
    mean distance, (m, 2): over exposures in place, and close ones along a line.
    """
    low, high = np.quantile(positions, TAILS, axis=0)
    cell = CELL * np.sqrt(np.prod(high - low) / len(positions))
    cells = np.floor((positions - low) / cell).astype(np.int64) if cell > 0 else positions
    at = np.unique(cells, axis=0, return_inverse=True)[1]
    return means_of_groups(positions, at), means_of_groups(values, at)


def _slopes(places: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Choose some of the ``places`` (n, 2), and fit the slopes of ``values`` (n, 2) there by least
    squares; returns the places (m, 2) and the slopes (m, 2, 2), those of y first, along y and x.
    """
    chosen = np.linspace(0, len(places) - 1, min(len(places), MOST)).astype(int)
    near = KDTree(places).query(places[chosen], 1 + NEIGHBOURS)[1]
    offsets, changes = (part[near] - part[near].mean(axis=1, keepdims=True) for part in (places, values))
    spread = offsets.mT @ offsets
    narrowest, widest = np.linalg.eigvalsh(spread).T
    wide = narrowest > FLATTEST**2 * widest
    return places[chosen[wide]], changes[wide].mT @ offsets[wide] @ np.linalg.inv(spread[wide])


def _by_block(places: np.ndarray, slopes: np.ndarray) -> tuple[np.ndarray, float]:
    """Sum up the squares of the curl over blocks of neighbouring places. The mean square of the
    curl that ``slopes`` (m, 2, 2) at ``places`` (m, 2) have after a turn by an angle t, times m, is
    (cos t, sin t) M (cos t, sin t)^T. Returns the part of M of each block, (blocks, 2, 2, 2), for
    positions as they are and mirrored; and the mean square of all slopes but the largest of the
    four, times m.
    """
    (yy, yx), (xy, xx) = np.moveaxis(slopes, 0, 2)
    # The curl is cos t (yx - xy) - sin t (yy + xx); with x mirrored, yx and xx have the other sign.
    parts = np.stack([np.stack([yx - xy, -yy - xx], axis=1), np.stack([-yx - xy, xx - yy], axis=1)], axis=1)
    products = parts[..., None] * parts[..., None, :]
    block, squares = _blocks(places), np.sum(slopes**2, axis=0)
    blocks = np.stack([products[block == number].sum(axis=0) for number in range(block.max() + 1)])
    return blocks, float(squares.sum() - squares.max())


def _told(blocks: np.ndarray, others: float) -> tuple[Bearing, ...]:
    """Find what the matrices (blocks, 2, 2, 2) of `_by_block` tell, and the ``others`` of the
    slopes: a beam that drifts from line to line makes one of the four large, and leaves these.
    """
    whole = blocks.sum(axis=0)
    least, most, turns = _least_curl(whole)
    without = np.array([_least_curl(whole - block)[2] for block in blocks])
    found = []
    for family, (straight, turned) in enumerate(FAMILIES):
        if least[family] >= RATIO * least[1 - family]:
            continue
        if not most[family] >= RATIO * least[family]:
            return ()
        rest = _within(turns[family], 90)
        way = turned if abs(_within(turns[family], 180) - rest) > 1 else straight
        found.append(Bearing(way, float(rest), _error(_within(without[:, family] - turns[family], 180))))
    return tuple(found) if len(found) == 2 or others >= RATIO * least.min() else ()


def _least_curl(matrices: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find the least and the largest mean square of the curl after any turn, up to a factor, and
    the turn of the least, degrees, each (2,) for positions as they are and mirrored.
    """
    values, vectors = np.linalg.eigh(matrices)
    cosine, sine = vectors[..., 0].T
    return np.maximum(values[:, 0], TINY), np.maximum(values[:, 1], TINY), np.degrees(np.arctan2(sine, cosine))


def _error(values: np.ndarray) -> float:
    """Estimate the standard error of a number that has these ``values`` (n,) when each of n blocks
    is left out (jackknife).
    """
    return float(np.sqrt((len(values) - 1) * np.var(values)))


def _within(angles: np.ndarray, period: float) -> np.ndarray:
    """Reduce ``angles``, degrees, by multiples of ``period``, to half of it or less on either side
    of zero.
    """
    return (angles + period / 2) % period - period / 2


def _blocks(places: np.ndarray) -> np.ndarray:
    """Divide ``places`` (m, 2) into `BLOCKS` x `BLOCKS` equally large groups of neighbours; returns
    the group of each, (m,).
    """
    rows = _ranked(places[:, 0], np.zeros(len(places), int))
    return BLOCKS * rows + _ranked(places[:, 1], rows)


def _ranked(values: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Divide each ``group`` (m,) by ascending ``values`` (m,) into `BLOCKS` equal parts; returns
    the part of each value, (m,).
    """
    order, sizes = np.lexsort((values, group)), np.bincount(group)
    ranks = np.empty(len(values), int)
    ranks[order] = np.arange(len(values)) - (np.cumsum(sizes) - sizes)[group[order]]
    return ranks * BLOCKS // sizes[group]
