"""Detector pixels: which are not to be trusted, what stands in for them, and where the beam
falls.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.fft import fftshift, ifftshift
from scipy.ndimage import (
    binary_dilation,
    binary_fill_holes,
    distance_transform_edt,
    find_objects,
    grey_dilation,
    label,
    maximum,
    median,
    median_filter,
    rank_filter,
)
from scipy.sparse import csr_array

from ptychoformer.errors import InputError

# A hot pixel is this many times brighter than what surrounds it, as no fringe is of a beam that
# leaves half of its window dark.
HOT = 10.0
# A dead pixel counts nothing where its neighbours count this many photons in the whole scan, which
# chance does in one of 20,000.
ALIVE = 10.0
# A gap between modules is whole lines, at most so many, that count nothing between lines that count
# this many in the scan.
WIDEST_GAP, BESIDE_A_GAP = 40, 1000.0
# A shadow is a region where no pixel counts anything, within light that counts as much: light that
# an object scatters into the hole of a beam leaves it less dark.
BESIDE_A_SHADOW = 1000.0
FEW = 0.1  # of the pixels that count may be lower than what darkness is
# How probable it may be that a pixel which counts photons counts the same in every pattern.
CHANCE = 1e-9
# Of the beam's peak; what is fainter is scattered by the object, and need not lie around the beam.
BEAM = 0.1
# Counts that were divided by a number are multiples of the smallest: so many different ones, none
# farther from a multiple than that, by which chance would not have it. What is larger tells nothing
# in single precision.
MULTIPLES, ROUNDED, TOLD = 8, 0.01, 1e4
UNDONE = 1e3  # the same of counts whose logarithm was taken
# A counter that is full stands at its largest count again and again, which chance does not let
# large counts do.
OFTEN, LARGE = 10, 100
# What detectors and their software write where a counter overflowed, also into wider types. It is
# no count if no other number comes near: one in reach is where a counter is full.
MARKERS, NEAR = (2.0**16 - 1, 2.0**31 - 1, 2.0**32 - 1), 0.5
NEIGHBOURS = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], bool)
SURROUNDINGS = np.pad(NEIGHBOURS, 1, constant_values=True)
_OFFSETS = np.argwhere(NEIGHBOURS) - 1
PARTS = 4  # of a frame along each side, for which counts are told apart


@dataclass(frozen=True)
class Survey:
    """What a detector (h, w) recorded in a scan of n patterns. Pixels are those of the ``count``
    patterns that are used.

    Args:
        total: (n,) counts of each pattern on the pixels that are trusted.
        parts: (n, 4, 4) float32, the same of each part of the frame.
        centres: (n, 2) y, x of the centre of mass of these counts, pixels from the frame's middle.
        digest: (n, 2) uint64, the same for patterns that are the same bit for bit.
        whole: whether all counts are whole numbers.
        count: patterns that are used.
        mean: (h, w) float64, 0 where there is no number.
        lowest: (h, w) float32, inf where there is no number.
        highest: (h, w) float32, -inf where there is no number.
        peaks: (h, w) how often a pixel stood at its highest count.
        broken: (h, w) the first pattern in which a pixel holds no number; -1 if it always does.
        brightest: (h, w) float32, the pattern with most counts, 0 where there is no number.
        photon: what a photon counts as: 1, unless counts are multiples of another number.
        limit: the largest number of all, if it is the largest that the file can hold, or one of
            `MARKERS`; else None.
        marked: (n,) how many pixels of each pattern are at the limit, where that is no count.
    """

    total: np.ndarray
    parts: np.ndarray
    centres: np.ndarray
    digest: np.ndarray
    whole: bool
    count: int
    mean: np.ndarray
    lowest: np.ndarray
    highest: np.ndarray
    peaks: np.ndarray
    broken: np.ndarray
    brightest: np.ndarray
    photon: float
    limit: float | None
    marked: np.ndarray

    def photons(self, mean: np.ndarray) -> np.ndarray:
        """Count the photons that make a ``mean`` pattern (h, w) in the whole scan."""
        return self.count * mean / self.photon

    @property
    def constant(self) -> np.ndarray:
        """(h, w) bool: the same number in every pattern, or none in any."""
        return (self.lowest == self.highest) | (self.highest == -np.inf)


class _Patterns(NamedTuple):
    """What m patterns hold, each of them: see `Survey`, and `_tops`.

    Args:
        moments: (m, 2) sums of counts times their distance below and right of the frame's middle.
    """

    digest: np.ndarray
    total: np.ndarray
    parts: np.ndarray
    moments: np.ndarray
    top: np.ndarray
    times: np.ndarray
    beneath: np.ndarray


class _Pixels:
    """What the pixels of a ``frame`` (h, w) recorded in all patterns that were added: see `Survey`.
    ``least`` is the smallest count, ``greatest`` the counts of the brightest pattern.
    """

    def __init__(self, frame: tuple[int, int]):
        self.whole, self.least, self.greatest = True, np.inf, 0.0
        self.summed, self.brightest = np.zeros(frame), np.zeros(frame, np.float32)
        self.lowest, self.highest = np.full(frame, np.inf, np.float32), np.full(frame, -np.inf, np.float32)
        self.peaks, self.broken = np.zeros(frame, np.int64), np.full(frame, -1)

    def add(self, numbers: np.ndarray, block: np.ndarray, holes: np.ndarray, total: np.ndarray) -> None:
        """Take in the patterns ``numbers`` (m,): a ``block`` (m, h, w) with 0 in its ``holes``,
        bool of the same shape, and the ``total`` counts (m,).
        """
        if holes.any():
            new = holes.any(axis=0) & (self.broken < 0)
            self.broken[new] = numbers[holes.argmax(axis=0)[new]]
        if (most := total.max()) > self.greatest:
            self.brightest, self.greatest = block[total.argmax()].copy(), most
        self.whole = self.whole and bool((block == np.rint(block)).all())
        if not (self.whole and self.least == 1):
            self.least = min(self.least, block.min(where=block > 0, initial=np.inf))
        self.summed += block.sum(axis=0, dtype=np.float64)
        np.minimum(self.lowest, block.min(axis=0, where=~holes, initial=np.inf), out=self.lowest)
        top = block.max(axis=0, where=~holes, initial=-np.inf)
        again = np.where(top >= self.highest, (block == top).sum(axis=0), 0)
        self.peaks = np.where(top > self.highest, 0, self.peaks) + again
        np.maximum(self.highest, top, out=self.highest)


def survey(
    blocks: Iterable[np.ndarray], used: np.ndarray, trusted: np.ndarray, saturation: float | None = None
) -> Survey:
    """Look at all patterns once, ``blocks`` of (m, h, w) at a time, NaN where there is no number.

    Args:
        used: (n,) bool, patterns that tell of pixels.
        trusted: (h, w) bool, pixels that tell of patterns.
        saturation: largest count that the file can hold, if there is one.
    """
    limits = (*MARKERS, *(() if saturation is None else (saturation,)))
    keys = np.random.default_rng(0).integers(0, 2**64, (trusted.size, 2), np.uint64)
    from_middle = _from_middle(trusted)
    found, pixels, start = [], _Pixels(trusted.shape), 0
    for block in blocks:
        digest = np.ascontiguousarray(block).reshape(len(block), -1).view(np.uint32).astype(np.uint64) @ keys
        holes = np.isnan(block)
        block = np.where(holes, np.float32(0), block) if holes.any() else block
        total = np.sum(block, axis=(1, 2), dtype=np.float64, where=trusted)
        moments = block.reshape(len(block), -1) @ from_middle
        found.append(_Patterns(digest, total, part_counts(block, trusted), moments, *_tops(block, limits)))
        part = used[start : start + len(block)]
        if part.any():
            tell = (block, holes, total) if part.all() else (block[part], holes[part], total[part])
            pixels.add(start + np.flatnonzero(part), *tell)
        start += len(block)
    patterns, count = _Patterns(*map(np.concatenate, zip(*found, strict=True))), int(used.sum())
    limit, marked = _marked(patterns, limits)
    return Survey(
        total=patterns.total,
        parts=patterns.parts,
        centres=patterns.moments / np.where(patterns.total > 0, patterns.total, 1)[:, None],
        digest=patterns.digest,
        whole=pixels.whole,
        count=count,
        mean=pixels.summed / max(count, 1),
        lowest=pixels.lowest,
        highest=pixels.highest,
        peaks=pixels.peaks,
        broken=pixels.broken,
        brightest=pixels.brightest,
        photon=_photon(pixels.least, pixels.lowest, pixels.highest),
        limit=limit,
        marked=marked,
    )


def _marked(patterns: _Patterns, limits: tuple[float, ...]) -> tuple[float | None, np.ndarray]:
    """Find the one of ``limits`` that the largest number of all is, or None; and count the pixels
    of each pattern that are at it, (n,), 0 where it is a count.
    """
    top = patterns.top
    largest = top.max()
    limit = next((each for each in limits if largest == np.float32(each)), None)
    counted = np.where(top == largest, patterns.beneath, top).max()
    return limit, np.where((top == largest) & (counted < NEAR * top), patterns.times, 0)


def _from_middle(trusted: np.ndarray) -> np.ndarray:
    """Measure how far below and right of the frame's middle each pixel lies, (h w, 2) float32; 0
    where it is not ``trusted`` (h, w).
    """
    y, x = (np.arange(side, dtype=np.float32) - side // 2 for side in trusted.shape)
    return np.stack([np.where(trusted, y[:, None], 0), np.where(trusted, x, 0)], axis=-1).reshape(-1, 2)


def _tops(block: np.ndarray, limits: tuple[float, ...]) -> np.ndarray:
    """Find the largest number of each pattern of (m, h, w); and if it is one of ``limits``, how
    many of its pixels have it, and the largest number of the others, else 0: (3, m).
    """
    found = np.zeros((3, len(block)))
    found[0] = block.max(axis=(1, 2))
    if (limited := np.isin(found[0], np.float32(limits))).any():
        patterns = block[limited]
        here = patterns == found[0, limited, None, None]
        found[1, limited] = here.sum(axis=(1, 2))
        found[2, limited] = patterns.max(axis=(1, 2), where=~here, initial=0)
    return found


def part_counts(block: np.ndarray, trusted: np.ndarray) -> np.ndarray:
    """Sum ``trusted`` pixels (h, w) of patterns (m, h, w) in each part of the frame, (m, 4, 4)."""
    found = np.empty((len(block), PARTS, PARTS), np.float32)
    rows, columns = (np.linspace(0, side, PARTS + 1).astype(int) for side in trusted.shape)
    for row, column in np.ndindex(PARTS, PARTS):
        here = np.s_[rows[row] : rows[row + 1], columns[column] : columns[column + 1]]
        found[:, row, column] = np.sum(block[:, *here], axis=(1, 2), dtype=np.float64, where=trusted[here])
    return found


def _photon(least: float, lowest: np.ndarray, highest: np.ndarray) -> float:
    """Return the smallest count, ``least``, if the extremes (h, w) of all pixels are multiples of
    it, as those of photons are that somebody divided or multiplied by a number; else 1.
    """
    extremes = np.unique([lowest, highest]).astype(np.float64)
    multiples = extremes[(extremes > 0) & (extremes < TOLD * least)] / least
    return float(least) if len(multiples) > MULTIPLES and _whole(multiples) else 1.0


def made_of_counts(seen: Survey, good: np.ndarray) -> str | None:
    """Name what the numbers of ``good`` pixels (h, w) are, if they are not counts but a function of
    counts, up to a factor: square roots or logarithms of them, or of counts plus one. The counts
    may have been divided by another number in each pattern, and a threshold subtracted.
    """
    if seen.whole:
        return None
    return _function_of_extremes(seen, good) or _function_of_steps(seen.brightest[good])


def _function_of_extremes(seen: Survey, good: np.ndarray) -> str | None:
    """Name what all patterns are, by the extremes of their ``good`` pixels (h, w)."""
    extremes = np.unique([seen.lowest[good], seen.highest[good]]).astype(np.float64)
    extremes = extremes[(extremes > 0) & np.isfinite(extremes)]
    if not len(extremes):
        return None
    # The smallest number is that of one count, or of two where a logarithm leaves zero of one.
    multiples = extremes / extremes[0]
    with np.errstate(over="ignore"):
        undone = {
            "square roots": (extremes**2, multiples**2),
            "logarithms": (2**multiples, 2**extremes, np.exp(extremes), 10**extremes),
        }
    return next(
        (name for name, each in undone.items() if any(_all_whole(counts, extremes, multiples) for counts in each)), None
    )


def _function_of_steps(pattern: np.ndarray) -> str | None:
    """Name what the pixels of one ``pattern`` (m,) are, by the differences between their numbers:
    those of counts are multiples of the smallest, whatever all were divided by and what was
    subtracted.
    """
    numbers = np.unique(pattern[pattern > 0]).astype(np.float64)
    if len(numbers) <= MULTIPLES:
        return None
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        undone = {
            "square roots": (numbers**2,),
            # Less one, which is too much beside numbers that are tiny.
            "logarithms": tuple(np.expm1(np.log(base) * numbers) for base in (2, np.e, 10)),
        }
        before = _steps(numbers)
        return next(
            (name for name, each in undone.items() if any(_all_whole(_steps(counts), before) for counts in each)), None
        )


def _steps(numbers: np.ndarray) -> np.ndarray:
    """Measure how far increasing ``numbers`` (n,) are above the first, in units of the smallest
    difference among the first few: those of large numbers are rounded.
    """
    return (numbers - numbers[0]) / np.diff(numbers[: MULTIPLES + 1]).min()


def _all_whole(counts: np.ndarray, *before: np.ndarray) -> bool:
    """Say whether those of ``counts`` (n,) that single precision can tell are whole numbers, so
    many different ones that it is not by chance, while none of ``before`` (n,) has whole numbers
    there.
    """
    told = counts < UNDONE
    enough = len(np.unique(np.rint(counts[told]))) > MULTIPLES
    return enough and _whole(counts[told]) and not any(_whole(those[told]) for those in before)


def _whole(numbers: np.ndarray) -> bool:
    return bool((np.abs(numbers - np.rint(numbers)) < ROUNDED).all())


class Filling:
    """Bad pixels (h, w) bool take the mean of their good neighbours; those without one, the value
    of the nearest good pixel.

    Raises:
        InputError: no pixel is good.
    """

    def __init__(self, bad: np.ndarray):
        if bad.all():
            raise InputError("No pixel of the detector is good.")
        beside = bad & binary_dilation(~bad, np.ones((3, 3)))
        neighbours = np.argwhere(beside)[:, None] + _OFFSETS
        good = ~np.pad(bad, 1, constant_values=True)[tuple(np.moveaxis(neighbours + 1, 2, 0))]
        sources, rows = np.ravel_multi_index(tuple(neighbours[good].T), bad.shape), np.nonzero(good)[0]
        shares = (1 / good.sum(axis=1))[rows]
        self._targets = np.flatnonzero(beside)
        if (inside := bad & ~beside).any():
            nearest = distance_transform_edt(bad, return_distances=False, return_indices=True)[:, inside]
            sources = np.concatenate([sources, np.ravel_multi_index(tuple(nearest), bad.shape)])
            rows = np.concatenate([rows, len(self._targets) + np.arange(nearest.shape[1])])
            shares = np.concatenate([shares, np.ones(nearest.shape[1])])
            self._targets = np.concatenate([self._targets, np.flatnonzero(inside)])
        self._sources, columns = np.unique(sources, return_inverse=True)
        shape = len(self._sources), len(self._targets)
        self._weights = csr_array((shares.astype(np.float32), (columns, rows)), shape=shape)

    def __call__(self, patterns: np.ndarray) -> np.ndarray:
        """Fill ``patterns`` (m, h, w) in place, and return them."""
        if len(self._targets):
            flat = patterns.reshape(len(patterns), -1)
            flat[:, self._targets] = flat[:, self._sources] @ self._weights
        return patterns


def overexposed_pixels(seen: Survey) -> np.ndarray:
    """Find the pixels, (h, w) bool, that a marker stands in for, in one pattern at least."""
    return (seen.highest == np.float32(seen.limit)) if seen.marked.any() else np.zeros(seen.highest.shape, bool)


def blind_pixels(seen: Survey) -> np.ndarray:
    """Find the pixels, (h, w) bool, that count nothing, by what detectors and their software mark
    gaps and defects with: no number, the limit of the detector, or any other that never changes, as
    light does.
    """
    # Darkness of which too much was subtracted is below zero too, but changes with the noise; where
    # there is none, pixels that count return to it, or every pixel has its own number.
    changing = ~seen.constant
    darkness = np.quantile(seen.lowest[changing], FEW, method="lower") if changing.any() else 0.0
    blind = seen.constant & (seen.highest < 0) & (seen.highest != darkness)
    values, times = np.unique(seen.highest[blind], return_counts=True)
    blind &= np.isin(seen.highest, values[times > 1]) | (seen.highest == -np.inf)
    if seen.limit is not None:
        blind |= seen.lowest == np.float32(seen.limit)
    steady = seen.constant & (seen.highest > 0)
    if (changing & (seen.highest > 0)).any():  # else nothing in the scan changes, and that tells nothing
        # A Poisson variate of mean v is most often v, with a probability of (2 pi v)^(-1/2).
        chance = -seen.count / 2 * np.log(2 * np.pi * np.where(steady, seen.highest / seen.photon, 1.0))
        blind |= steady & (chance < np.log(CHANCE))
    return blind


def defects(seen: Survey, mean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find hot and dead pixels, each (h, w) bool.

    A hot pixel outshines the 24 around it but for three, a dead one counts less than its eight
    neighbours but for one: they may be bad too, as two by two hot ones often are. Compared with the
    median of its neighbours, the fringes and sharp edges of a beam would be defects. The direct
    beam, with the brightest neighbours of all, is never hot: behind an object that scatters little
    it can be as narrow as a pixel, or as two by two around a corner of pixels. Gaps between the
    modules of a detector, which may count nothing, are dead too; where no light falls beside them
    they cannot be told, and do not matter.

    Args:
        mean: (h, w) pattern in which the pixels already known to be bad are filled.
    """
    # Nothing is beyond the frame: mirrored there, a pixel would be among its own neighbours.
    brightest = rank_filter(mean, -4, footprint=SURROUNDINGS, mode="constant", cval=-np.inf)
    darkest = rank_filter(mean, 1, footprint=NEIGHBOURS, mode="mirror")
    # In the dark, where nothing around it counts, a hot pixel is one brighter than the detector is
    # on average.
    hot = mean > HOT * np.maximum(brightest, 0) + max(mean.mean(), 0)
    around = median_filter(mean, footprint=NEIGHBOURS, mode="mirror")
    hot &= ~_touching(hot, np.unravel_index((around if around.any() else mean).argmax(), hot.shape))
    never, counts = seen.highest <= 0, seen.photons(mean)
    # A few photons, alone in the dark, are light like any other.
    return hot & (counts >= ALIVE), never & ((seen.photons(darkest) >= ALIVE) | _gaps(counts, never))


def _touching(those: np.ndarray, place: tuple[int, int]) -> np.ndarray:
    """Find the connected part (h, w) of ``those``, bool, that has the pixel at ``place`` (y, x)."""
    parts = label(those, np.ones((3, 3)))[0]
    return those & (parts == parts[place])


def beam_in_corners(seen: Survey, mean: np.ndarray) -> bool:
    """Say whether the corners of the frame hold the beam, as they do where a transform was not
    shifted: each of them outshines the frame's middle, which is four times as large, and together
    they hold most of the light. A beam beside the middle reaches the middle before the corner
    opposite to it.

    Args:
        mean: (h, w) pattern in which the pixels already known to be bad are filled.
    """
    swapped = fftshift(mean)  # where a beam that was cut into four is whole, and no pixel of it hot
    light = light_of(Filling(defects(seen, swapped)[0])(swapped[None])[0])
    (height, width), total = light.shape, light.sum()
    rows, columns = slice(height // 4, height - height // 4), slice(width // 4, width - width // 4)
    middle = ifftshift(light)[rows, columns].sum()
    corners = [part.sum() for half in np.array_split(light[rows, columns], 2) for part in np.array_split(half, 2, 1)]
    return min(corners) > middle and sum(corners) > total / 2


def light_of(mean: np.ndarray) -> np.ndarray:
    """Subtract its background, the median, from a mean pattern (h, w); nothing falls below zero."""
    return np.maximum(mean - np.median(mean), 0)


def shadows(seen: Survey, mean: np.ndarray, good: np.ndarray) -> np.ndarray:
    """Find pixels (h, w) bool in the shadow of a beam stop, or on a dead part of the detector:
    regions amid light where nothing ever counts.

    Args:
        mean: (h, w) pattern in which the pixels already known to be bad are filled.
        good: (h, w) bool, all others.
    """
    counts = seen.photons(mean)
    dark = counts < ALIVE
    amid = dark & binary_fill_holes(~dark)
    regions, found = label(amid)
    if not found:
        return amid
    borders = np.where(amid, 0, grey_dilation(regions, size=(3, 3)))
    numbers = np.arange(1, found + 1)
    light = np.nan_to_num(median(counts, borders, numbers))
    empty = maximum(np.where(good, seen.highest, 0), regions, numbers) <= 0
    return np.isin(regions, numbers[empty & (light >= BESIDE_A_SHADOW)])


def _gaps(counts: np.ndarray, never: np.ndarray) -> np.ndarray:
    """Find whole rows and columns, (h, w) bool, that ``never`` count between others that do, as
    gaps between the modules of a detector are. (A dark region that light surrounds may be the hole
    of a beam, and is none.)
    """
    gaps = np.zeros_like(never)
    for axis in (0, 1):
        lines = never.all(axis=axis)
        groups, found = label(lines)
        for place in find_objects(groups, found):
            first, last = place[0].start, place[0].stop
            if first > 0 and last < len(lines) and last - first <= WIDEST_GAP:
                beside = min(counts.take(at, axis=1 - axis).sum() for at in (first - 1, last))
                gaps |= np.expand_dims((groups == groups[first]) & (beside >= BESIDE_A_GAP), axis)
    return gaps


def full_pixels(seen: Survey, good: np.ndarray) -> tuple[float, int]:
    """Find the largest count of ``good`` pixels (h, w), and how many of them reach it with a
    counter that is full there.
    """
    largest = float(seen.highest[good].max())
    full = good & (seen.highest == np.float32(largest))
    known = seen.limit is not None and largest == np.float32(seen.limit)
    clipped = largest >= LARGE * seen.photon and seen.peaks[full].sum() >= OFTEN and not seen.constant[good].all()
    return largest, int(full.sum()) if known or clipped else 0


def beam_centre(mean: np.ndarray) -> tuple[int, int]:
    """Find the pixel (y, x) at the centre of mass of what is bright in a mean pattern (h, w) whose
    bad pixels are filled.
    """
    smooth = median_filter(mean, 3, mode="mirror")
    background, peak = np.median(smooth), smooth.max()
    weight = np.clip(smooth - background - BEAM * (peak - background), 0, None)
    if not weight.any():
        return mean.shape[0] // 2, mean.shape[1] // 2
    rows, columns = weight.sum(axis=1), weight.sum(axis=0)
    return tuple(round(np.average(np.arange(len(part)), weights=part)) for part in (rows, columns))
