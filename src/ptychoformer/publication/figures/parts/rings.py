"""What diffraction patterns hold by radius and along rings, as arrays: Fig. 1's numbers."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import map_coordinates

from ptychoformer.errors import InputError
from ptychoformer.measurement.cxi import read_patterns, read_scan
from ptychoformer.randomness import generator

MOST_PATTERNS = 512
SMALLEST_SIDE = 16
PAIR_STEPS = 9
PAIR_ANGLES = 64
# Shares of patterns below the lower edge of a band, its middle and its upper edge.
BAND = (0.1, 0.5, 0.9)
DIRECTIONS = ("along", "across")


@dataclass(frozen=True)
class Rings:
    """Everything the figure shows of one dataset.

    Args:
        typical: (h, w) photons, the pattern nearest to the median in its share of photons beyond a
            third of the largest radius.
        index: its number in the dataset.
        mean: (h, w) photons, mean of the patterns that were looked at.
        count: how many these are.
        total: how many the dataset has.
        decay: (3, radii) photons, ``BAND`` over patterns of the azimuthal mean at radii of 0, 1,
            ... pixels.
        distances: (m,) pixels, of the pairs below.
        alike: ``log``, log(1 + photons), and ``deviation``, the same less each pixel's mean over
            patterns, to direction (``DIRECTIONS``) to (3, m), ``BAND`` over patterns of the
            `intraclass_correlation` of two pixels.
        pair_radii: smallest and largest distance of a pair's middle from the centre, pixels.
        pixel_size: of the object, metres.
    """

    typical: np.ndarray
    index: int
    mean: np.ndarray
    count: int
    total: int
    decay: np.ndarray
    distances: np.ndarray
    alike: Mapping[str, Mapping[str, np.ndarray]]
    pair_radii: tuple[float, float]
    pixel_size: float

    @property
    def side(self) -> int:
        """Side of a pattern, pixels; a radius divided by it is a spatial frequency in cycles
        per pixel.
        """
        return len(self.typical)


def load_rings(dataset: str | os.PathLike) -> Rings:
    """Look at a dataset's patterns, at ``MOST_PATTERNS`` of them at most, drawn by chance that is
    the same every time.

    Raises:
        InputError: the dataset is damaged, or its patterns are no squares of at least
            ``SMALLEST_SIDE`` pixels.
    """
    scan = read_scan(dataset)
    height, width = scan.window
    if height != width or height < SMALLEST_SIDE:
        raise InputError(
            f"{dataset}: Fig. 1 needs square patterns of at least {SMALLEST_SIDE} pixels a side, found {height} x"
            f" {width}."
        )
    total = len(scan.positions)
    index = np.sort(generator(0, "fig1").permutation(total)[:MOST_PATTERNS])
    patterns = read_patterns(dataset, index)
    # As the networks see it. Read-out noise can leave fewer than no photons; only here, where it
    # must, does it count as none.
    logs = np.log1p(np.maximum(patterns, 0))
    deviations = logs - logs.mean(axis=0, dtype=np.float64).astype(np.float32)
    # A pair reaches half its distance to either side of its middle; all distances share the middles
    # for which the longest has room.
    distances = np.unique(np.linspace(0, height // 4, PAIR_STEPS).round())
    middles = np.linspace(distances[-1] / 2 + 1, height / 2 - distances[-1] / 2, PAIR_STEPS)
    place = _typical(patterns)
    return Rings(
        typical=patterns[place],
        index=int(index[place]),
        mean=patterns.mean(axis=0, dtype=np.float64),
        count=len(index),
        total=total,
        decay=np.quantile(azimuthal_means(patterns), BAND, axis=0),
        distances=distances,
        alike={
            what: {
                way: np.quantile(intraclass_correlation(images, middles, distances, way), BAND, axis=0)
                for way in DIRECTIONS
            }
            for what, images in (("log", logs), ("deviation", deviations))
        },
        pair_radii=(float(middles[0]), float(middles[-1])),
        pixel_size=scan.pixel_size,
    )


def radii(side: int) -> np.ndarray:
    """Measure how far every pixel lies from the zero frequency, (side, side), pixels."""
    y, x = np.indices((side, side)) - side // 2
    return np.hypot(y, x)


def azimuthal_means(patterns: np.ndarray) -> np.ndarray:
    """Average patterns (n, h, h) over rings of one pixel, radii 0 to h // 2: (n, h // 2 + 1)."""
    side = patterns.shape[-1]
    ring = np.rint(radii(side)).astype(int).ravel()
    inside = ring <= side // 2
    member = (ring[inside] == np.arange(side // 2 + 1)[:, None]) / np.bincount(ring[inside])[:, None]
    return patterns.reshape(len(patterns), -1)[:, inside] @ member.T


def to_polar(image: np.ndarray, angles: int) -> np.ndarray:
    """Resample an image (h, h) linearly: rows are radii of 0 to h // 2 in half pixels, columns
    ``angles`` from -pi to pi.

    The angle is counted from the x axis towards growing y.
    """
    radius = np.arange(0, len(image) // 2 + 0.25, 0.5)[:, None]
    angle = (np.arange(angles) + 0.5)[None] * (2 * np.pi / angles) - np.pi
    return _sample(image[None], radius, angle)[0]


def intraclass_correlation(images: np.ndarray, radius: np.ndarray, distances: np.ndarray, way: str) -> np.ndarray:
    """Find how alike two pixels of an image are at a distance ``along`` the ring or ``across``
    rings, (n, len(distances)).

    Both ways take pairs around the same middles, on rings of ``radius`` at ``PAIR_ANGLES`` angles,
    and interpolate alike. It is the intraclass correlation 1 - <(p - q)^2> / <(p - m)^2 + (q -
    m)^2>, m being the mean of both: 1 for equal values, 0 for unrelated ones, and, unlike
    Pearson's, lowered by a systematic difference such as the decay with radius (Fisher 1925).

    Args:
        images: (n, h, h).
        radius: of the middles, at least half the largest distance, pixels.
        distances: pixels.
        way: one of ``DIRECTIONS``.
    """
    angle = np.arange(PAIR_ANGLES)[None] * (2 * np.pi / PAIR_ANGLES)
    found = [_intraclass(*_pairs(images, radius[:, None], angle, distance / 2, way)) for distance in distances]
    return np.stack(found, axis=-1)


def _pairs(
    images: np.ndarray, radius: np.ndarray, angle: np.ndarray, half: float, way: str
) -> tuple[np.ndarray, np.ndarray]:
    if way == "across":
        return _sample(images, radius - half, angle), _sample(images, radius + half, angle)
    turn = np.arcsin(half / radius)  # the chord, not the arc, has the pair's distance
    return _sample(images, radius, angle - turn), _sample(images, radius, angle + turn)


def _sample(images: np.ndarray, radius: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Sample images (n, h, h) at polar coordinates that broadcast to (rows, columns): (n, rows,
    columns), by linear interpolation.
    """
    centre = images.shape[-1] // 2
    where = np.stack(np.broadcast_arrays(centre + radius * np.sin(angle), centre + radius * np.cos(angle)))
    # A pattern of even side ends half a pixel short of its highest frequency; beyond it the last
    # pixel counts.
    return np.stack([map_coordinates(image, where, order=1, mode="nearest") for image in images])


def _intraclass(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    mean = (first.mean(axis=(1, 2), keepdims=True) + second.mean(axis=(1, 2), keepdims=True)) / 2
    spread = ((first - mean) ** 2 + (second - mean) ** 2).mean(axis=(1, 2))
    # In an image without any contrast all pixels are alike.
    return 1 - ((first - second) ** 2).mean(axis=(1, 2)) / np.where(spread > 0, spread, 1)


def _typical(patterns: np.ndarray) -> int:
    outer = radii(patterns.shape[-1]) > patterns.shape[-1] / 6
    total, beyond = patterns.sum(axis=(1, 2), dtype=float), patterns[:, outer].sum(axis=1, dtype=float)
    # Read-out noise can leave a pattern without photons; it has no share.
    share = np.divide(beyond, total, out=np.zeros_like(total), where=total > 0)
    return int(np.abs(share - np.median(share)).argmin())
