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

from ptychoformer.measurement.readers.axes import AS_THEY_ARE, FAMILIES, in_another_way

NEIGHBOURS = 18  # of a place, from which the slopes of the centres of mass are fitted
FEWEST, MOST = 100, 10_000  # places that tell, and of which as many are looked at
FLATTEST = 0.1  # of the width of a place's neighbours, along the axis along which they are narrowest
# One way to lie is less likely than another if it leaves so many times the mean square of the curl,
# and the logarithm of this ratio is so many times its standard error.
RATIO, SURE = 2.5, 3.0
LARGEST_ERROR = 10.0  # degrees, of a turn that is told
# What a turn is at least that is warned of, degrees and standard errors: encoders are mounted as
# well, and what an object absorbs bends the estimate by a few degrees.
TURN, SURE_OF_TURN = 5.0, 5.0
BLOCKS = 5  # along each axis, into which places are grouped for standard errors
TINY = np.finfo(float).tiny


@dataclass(frozen=True)
class Bearing:
    """A way in which positions may lie.

    Args:
        way: of `axes.WAYS`, to the nearest right angle.
        turn: degrees from there, as `axes.turned` takes them, -45 to 45.
        error: its standard error.
    """

    way: str
    turn: float
    error: float

    @property
    def is_turned(self) -> bool:
        """Whether positions run beside the detector's axes for certain."""
        return abs(self.turn) >= max(TURN, SURE_OF_TURN * self.error)

    def cure(self, axes: str, turn: float) -> tuple[str, float]:
        """What ``axes`` and ``turn``, as positions were read, should be."""
        # A mirror makes of a turn the opposite one.
        before = -turn if self.way in FAMILIES[1] else turn
        return in_another_way(axes, self.way), float(_within(before + self.turn, 360))


def about_bearings(path: object, axes: str, turn: float, lie: tuple[Bearing, ...]) -> tuple[str, ...]:
    """Warn of positions that lie otherwise against the detector than patterns say.

    Args:
        axes, turn: as they were read, see `readers.axes`.
        lie: what `bearings` found.
    """
    move = f"{path}: the centres of mass of the patterns move as if"
    if lie and all(bearing.way != AS_THEY_ARE for bearing in lie):
        cures = [bearing.cure(axes, turn)[0] for bearing in lie]
        return (
            f"{move} positions were {' or '.join(cures)} rather than {axes}: x and y may be swapped, or one run the"
            f" other way. Look whether --positions-axes={cures[0]} (positions_axes in a config) makes a lower R factor;"
            " a beam that is far from round can mislead.",
        )
    if len(lie) == 1 and lie[0].is_turned:
        angle = lie[0].cure(axes, turn)[1]
        return (
            f"{move} the scan were turned by {-lie[0].turn:.0f} degrees against the detector. Look whether"
            f" --positions-turn={angle:.1f} (positions_turn in a config), which turns it back, makes a lower R factor.",
        )
    return ()


def bearings(positions: np.ndarray, centres: np.ndarray) -> tuple[Bearing, ...]:
    """Return the ways in which positions may lie against the detector: one, or two where the
    patterns do not tell whether they are mirrored; none if they tell nothing.

    Args:
        positions: (n, 2) y, x of the window on the object, of any length.
        centres: (n, 2) y, x of the patterns' centres of mass, of any length.
    """
    places, at = np.unique(positions, axis=0, return_inverse=True)
    if len(places) < FEWEST:
        return ()
    means = np.stack([np.bincount(at, along) for along in centres.T], axis=1) / np.bincount(at)[:, None]
    around, slopes = _slopes(places, means)
    if len(around) < FEWEST:
        return ()
    # An even slope is the beam's own motion with the scan.
    return _told(_by_block(around, slopes - slopes.mean(axis=0)))


def _slopes(places: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Some of the ``places`` (n, 2), (m, 2), and the slopes (m, 2, 2) of ``values`` (n, 2) there,
    those of y first, along y and x, by least squares.
    """
    chosen = np.linspace(0, len(places) - 1, min(len(places), MOST)).astype(int)
    near = KDTree(places).query(places[chosen], 1 + NEIGHBOURS)[1]
    offsets, changes = (part[near] - part[near].mean(axis=1, keepdims=True) for part in (places, values))
    spread = offsets.mT @ offsets
    narrowest, widest = np.linalg.eigvalsh(spread).T
    wide = narrowest > FLATTEST**2 * widest
    return places[chosen[wide]], changes[wide].mT @ offsets[wide] @ np.linalg.inv(spread[wide])


def _by_block(places: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    """Sums (blocks, 2, 2, 2) over neighbouring ``places`` (m, 2): of what ``slopes`` (m, 2, 2) make
    of the curl, for positions as they are and for mirrored ones, a matrix whose quadratic form of
    cosine and sine is the square of the curl after a turn by that angle.
    """
    (yy, yx), (xy, xx) = np.moveaxis(slopes, 0, 2)
    # After a turn by t the curl is cos(t) (yx - xy) - sin(t) (yy + xx); with x mirrored, yx and xx
    # have the other sign.
    parts = np.stack([np.stack([yx - xy, -yy - xx], axis=1), np.stack([-yx - xy, xx - yy], axis=1)], axis=1)
    products = parts[..., None] * parts[..., None, :]
    block = _blocks(places)
    return np.stack([products[block == number].sum(axis=0) for number in range(block.max() + 1)])


def _told(blocks: np.ndarray) -> tuple[Bearing, ...]:
    """What the sums (blocks, 2, 2, 2) of `_by_block` tell."""
    whole = blocks.sum(axis=0)
    least, most, turns = _least_curl(whole)
    parts = [_least_curl(whole - block) for block in blocks]
    error = _error(np.array([np.log(some[1] / some[0]) for some, _, _ in parts]))
    larger = np.log(least[1] / least[0])
    found = []
    for family, less_likely in enumerate((-larger, larger)):
        if less_likely >= max(np.log(RATIO), SURE * error):
            continue
        error_of_turn = _error(_within(np.array([some[family] for _, _, some in parts]) - turns[family], 180))
        if most[family] < RATIO * least[family] or error_of_turn > LARGEST_ERROR:
            return ()
        rest = _within(turns[family], 90)
        right_angle = int(abs(_within(turns[family], 180) - rest) > 1)
        found.append(Bearing(FAMILIES[family][right_angle], float(rest), float(error_of_turn)))
    return tuple(found)


def _least_curl(matrices: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The least and the largest mean square of the curl after any turn, up to a factor, and the
    turn of the least, degrees, each (2,) for positions as they are and mirrored.
    """
    values, vectors = np.linalg.eigh(matrices)
    cosine, sine = vectors[..., 0].T
    return np.maximum(values[:, 0], TINY), np.maximum(values[:, 1], TINY), np.degrees(np.arctan2(sine, cosine))


def _error(values: np.ndarray) -> float:
    """Standard error of what has these ``values`` (n,) without each block (jackknife)."""
    return float(np.sqrt((len(values) - 1) * np.var(values)))


def _within(angles: np.ndarray, period: float) -> np.ndarray:
    """``angles``, degrees, as far from zero as the nearest multiple of ``period`` is."""
    return (angles + period / 2) % period - period / 2


def _blocks(places: np.ndarray) -> np.ndarray:
    """Which of `BLOCKS` x `BLOCKS` equally large groups of neighbours each of ``places`` (m, 2)
    belongs to, (m,).
    """
    rows = _ranked(places[:, 0], np.zeros(len(places), int))
    return BLOCKS * rows + _ranked(places[:, 1], rows)


def _ranked(values: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Which part of its ``group`` (m,) each of ``values`` (m,) is in, of `BLOCKS` in ascending
    order.
    """
    order, sizes = np.lexsort((values, group)), np.bincount(group)
    ranks = np.empty(len(values), int)
    ranks[order] = np.arange(len(values)) - (np.cumsum(sizes) - sizes)[group[order]]
    return ranks * BLOCKS // sizes[group]
