"""Where the panels of Fig. 4 stand: two scan points side by side, the stitched scene below,
columns for the truth and the networks.
"""

from dataclasses import dataclass

from ptychoformer.publication.figures.parts.style import DOUBLE_COLUMN, Box

ROWS = 4  # image and error of amplitude and of phase


@dataclass(frozen=True)
class Layout:
    """Where panels stand, inches from the upper left corner of the page.

    Args:
        columns: truth and networks.
        scene_shape: (height, width) of the scene, pixels.
    """

    columns: int
    scene_shape: tuple[int, int]
    left: float = 0.36
    top: float = 0.46
    gap: float = 0.03
    between_points: float = 0.16
    between_blocks: float = 0.9
    least_row: float = 0.6
    least_point_row: float = 0.53
    for_psnr: float = 0.16
    for_bars: float = 0.62
    margin: float = 0.06

    @property
    def point(self) -> float:
        """Side of a scan point's panel."""
        free = DOUBLE_COLUMN - self.left - self.margin - self.between_points - 2 * (self.columns - 1) * self.gap
        return min(free / (2 * self.columns), 0.9)

    @property
    def scene(self) -> tuple[float, float]:
        """Width and height of a scene's panel."""
        free = DOUBLE_COLUMN - self.left - self.for_bars - (self.columns - 1) * self.gap
        width = min(free / self.columns, 1.6)
        return width, width * self.scene_shape[0] / self.scene_shape[1]

    @property
    def scene_top(self) -> float:
        """Upper edge of the first row of scenes."""
        return self.top + ROWS * self._point_step + self.between_blocks

    @property
    def height(self) -> float:
        """The height of the whole figure."""
        return self._scene_row(ROWS) + self.margin

    def point_box(self, place: int, row: int, column: int) -> Box:
        """Find left, top, width and height of a panel of scan point ``place``."""
        step = self.point + self.gap
        start = self.left + place * (self.columns * step - self.gap + self.between_points)
        return start + column * step, self.top + row * self._point_step, self.point, self.point

    def scene_box(self, row: int, column: int) -> Box:
        """Find left, top, width and height of a panel of the scene."""
        width, height = self.scene
        return self.left + column * (width + self.gap), self._scene_row(row), width, height

    def pattern_bar_box(self, place: int) -> Box:
        """Find left, top, width and height of the colour bar below the pattern of a scan point."""
        left, top, side, _ = self.point_box(place, ROWS - 1, 0)
        return left, top + side + 0.06, side, 0.06

    def bar_box(self, row: int) -> Box:
        """Find left, top, width and height of the colour bar right of a row of scenes."""
        left, top, width, height = self.scene_box(row, self.columns - 1)
        # Shorter than its row, so that the end labels of two bars do not meet.
        return left + width + 0.06, top + 0.05, 0.07, height - 0.1

    @property
    def _point_step(self) -> float:
        # Panels beside many others stand further apart than they are high, as scenes of strips do.
        return max(self.point + self.gap, self.least_point_row)

    def _scene_row(self, row: int) -> float:
        # Below each image row, before its error row, stands a line of PSNRs. The rows of a strip
        # stand further apart than they are high, so that the labels beside them do not meet.
        step = max(self.scene[1] + self.gap, self.least_row)
        return self.scene_top + row * step + (row + 1) // 2 * self.for_psnr
