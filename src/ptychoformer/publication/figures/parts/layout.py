"""Where the panels of Fig. 4 stand: two scan points side by side, the stitched scene below,
columns for the truth and the networks.
"""

from dataclasses import dataclass

from ptychoformer.publication.figures.parts.pictures import FOR_BARS, FOR_PSNR, GAP, LEFT, MARGIN, WIDEST
from ptychoformer.publication.figures.parts.style import DOUBLE_COLUMN, Box

ROWS = 4  # image and error of amplitude and of phase
TOP, ABOVE_SCENE = 0.46, 0.9  # inches, above the scan points, and between them and the scene
BETWEEN_POINTS, WIDEST_POINT = 0.16, 0.9
LEAST_ROW, LEAST_POINT_ROW = 0.6, 0.53  # from row to row


@dataclass(frozen=True)
class Layout:
    """Where panels stand, inches from the upper left corner of the page.

    Args:
        columns: truth and networks.
        scene_shape: (height, width) of the scene, pixels.
    """

    columns: int
    scene_shape: tuple[int, int]

    @property
    def point(self) -> float:
        """Side of a scan point's panel."""
        free = DOUBLE_COLUMN - LEFT - MARGIN - BETWEEN_POINTS - 2 * (self.columns - 1) * GAP
        return min(free / (2 * self.columns), WIDEST_POINT)

    @property
    def scene(self) -> tuple[float, float]:
        """Width and height of a scene's panel."""
        free = DOUBLE_COLUMN - LEFT - FOR_BARS - (self.columns - 1) * GAP
        width = min(free / self.columns, WIDEST)
        return width, width * self.scene_shape[0] / self.scene_shape[1]

    @property
    def scene_top(self) -> float:
        """Upper edge of the first row of scenes."""
        return TOP + ROWS * self._point_step + ABOVE_SCENE

    @property
    def height(self) -> float:
        """The height of the whole figure."""
        return self._scene_row(ROWS) + MARGIN

    def point_box(self, place: int, row: int, column: int) -> Box:
        """Find left, top, width and height of a panel of scan point ``place``."""
        step = self.point + GAP
        start = LEFT + place * (self.columns * step - GAP + BETWEEN_POINTS)
        return start + column * step, TOP + row * self._point_step, self.point, self.point

    def scene_box(self, row: int, column: int) -> Box:
        """Find left, top, width and height of a panel of the scene."""
        width, height = self.scene
        return LEFT + column * (width + GAP), self._scene_row(row), width, height

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
        return max(self.point + GAP, LEAST_POINT_ROW)

    def _scene_row(self, row: int) -> float:
        # Below each image row, before its error row, stands a line of PSNRs. The rows of a strip
        # stand further apart than they are high, so that the labels beside them do not meet.
        step = max(self.scene[1] + GAP, LEAST_ROW)
        return self.scene_top + row * step + (row + 1) // 2 * FOR_PSNR
