"""Sums of patches over a scene, also over one of which only some rows are in memory: those that
patches still to come can touch.
"""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

# Rows are passed on so many at a time, which is also a side, in pixels, of the pieces that a
# scene's file consists of, so that it is read as fast by rows as by columns.
TILE = 128


def add_patches(sums: np.ndarray, corners: np.ndarray, channels: Sequence[np.ndarray]) -> None:
    """Add patches to the ``sums`` (c, H, W) of a scene, in their order.

    Args:
        corners: (m, 2) of the patches, whole pixels of the scene.
        channels: (m, h, w) for each sum.
    """
    if not sums.flags.c_contiguous:
        raise ValueError("The sums must be contiguous: what is added to a reshaped copy would be lost.")
    # Adding pixel by pixel takes half the time of adding patch by patch at 16 pixels a side, as
    # long at 64, and longer by half at 128.
    height, width = channels[0].shape[1:]
    offsets = np.add.outer(np.arange(height) * sums.shape[2], np.arange(width))
    pixels = np.add.outer(corners @ (sums.shape[2], 1), offsets).ravel()
    for image, values in zip(sums.reshape(len(sums), -1), channels, strict=True):
        np.add.at(image, pixels, values.ravel())


def weighted(channels: Iterable[np.ndarray], weights: np.ndarray) -> list[np.ndarray]:
    """Multiply patches (m, h, w) of each of the ``channels`` by their ``weights`` (h, w), and
    append the weights alone.
    """
    products = [values * weights for values in channels]
    return [*products, np.broadcast_to(weights, products[0].shape)]


class Rows:
    """Sums in some rows of a scene, which move down as the upper ones are taken.

    Args:
        channels: how many sums.
        shape: (H, W) of the whole scene.
    """

    def __init__(self, channels: int, shape: tuple[int, int]):
        self.top = 0
        self.sums = np.zeros((channels, 0, shape[1]))  # from row `top` on
        self._height = shape[0]

    def add(self, corners: np.ndarray, channels: Sequence[np.ndarray]) -> None:
        """Add patches, (m, h, w) of each of the ``channels``, at ``corners`` (m, 2), none above
        the rows that were taken.
        """
        self._reach(corners[:, 0].max() + channels[0].shape[1] - self.top)
        add_patches(self.sums, corners - (self.top, 0), channels)

    def _reach(self, bottom: int) -> None:
        """Hold ``bottom`` rows at least, and more than a step of a scan, since they are copied."""
        if (held := self.sums.shape[1]) < bottom:
            extra = min(max(bottom - held, TILE), self._height - self.top - held)
            self.sums = np.pad(self.sums, ((0, 0), (0, extra), (0, 0)))

    def take(self, bottom: int) -> np.ndarray:
        """Hand over the sums (c, rows, W) above row ``bottom`` of the scene, and let them go."""
        taken, self.sums = self.sums[:, : bottom - self.top], self.sums[:, bottom - self.top :].copy()
        self.top = bottom
        return taken


class Band:
    """The sums of a scene in the rows that patches still to come can touch.

    Args:
        corners: (n, 2) whole pixels, where each patch will be added, in this order; the smallest of
            each axis is 0.
        weights: (h, w) of a patch's pixels.
        channels: of a patch.
        sink: takes rows that are final, from top to bottom, each once: the number of the first, the
            sums (c, rows, W) float64 of weighted patches, and that (rows, W) of weights, 0 where no
            patch lies.
    """

    def __init__(
        self,
        corners: np.ndarray,
        weights: np.ndarray,
        channels: int,
        sink: Callable[[int, np.ndarray, np.ndarray], None],
    ):
        self._corners, self._weights, self._sink = corners, weights, sink
        height, width = corners.max(axis=0) + weights.shape
        # The smallest row that patch i or any later one touches.
        self._open_from = np.append(_least_to_come(corners[:, 0]), height)
        self._rows = Rows(channels + 1, (height, width))
        self._added = 0

    def add(self, patches: np.ndarray) -> None:
        """Add the next patches (m, c, h, w), and pass on the rows that no other will touch."""
        corners = self._corners[self._added : self._added + len(patches)]
        self._rows.add(corners, weighted(patches.swapaxes(0, 1), self._weights))
        self._added += len(patches)
        self._release()

    def _release(self) -> None:
        top, final = self._rows.top, self._open_from[self._added]
        if self._added < len(self._corners):
            final -= (final - top) % TILE
        if final > top:
            taken = self._rows.take(final)
            self._sink(top, taken[:-1], taken[-1])


def means(sums: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Divide ``sums`` (c, rows, W) by the ``total`` (rows, W) of weights: weighted means (c, rows,
    W), NaN where no patch lies.
    """
    return np.divide(sums, total, out=np.full(sums.shape, np.nan), where=total > 0)


def _least_to_come(corners: np.ndarray) -> np.ndarray:
    """Find the smallest of all ``corners`` (n,) or (n, 2) from the i-th on, same shape."""
    return np.minimum.accumulate(corners[::-1])[::-1]


def band_axis(corners: np.ndarray, window: tuple[int, int]) -> int:
    """Find the axis, 0 or 1, along which a scan has the smaller band."""
    along_rows, along_columns = _held(corners, window)
    return int(along_columns < along_rows)


def band_pixels(corners: np.ndarray, window: tuple[int, int]) -> int:
    """Count the pixels of the smaller band at its largest, if rows are taken a tile at a time."""
    sides = np.ptp(corners, axis=0) + window
    return int(
        min(
            min(held + TILE * across, sides.prod())
            for held, across in zip(_held(corners, window), sides[::-1], strict=True)
        )
    )


def _held(corners: np.ndarray, window: tuple[int, int]) -> np.ndarray:
    """Count the pixels (2,) of a scan's band along each axis, at its largest."""
    held = np.max(np.maximum.accumulate(corners) - _least_to_come(corners), axis=0) + window
    return held * (np.ptp(corners, axis=0) + window)[::-1]
