"""DPI: a U-Net of pre-activation residual blocks (Chang et al., Phys. Rev. Lett. 130, 016101,
2023), here with two outputs.

The large one has the layers of its release: two residual blocks a level, residual blocks of
transposed convolutions upwards, dropout between levels. The small one has one block a level, plain
transposed convolutions and dropout within its blocks.
"""

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from ptychoformer.models.parts.outputs import require_multiple

SIDE_MULTIPLE_OF = 16
WIDTHS = (16, 32, 64, 128, 256)
UP_WIDTHS = (256, 128, 64, 32)  # of the large network, coarse to fine
OUTPUTS = 2
DROPOUT = 0.2


class ResidualBlock(nn.Module):
    """BN, ReLU, 3 x 3 convolution, twice, plus a 3 x 3 convolution as shortcut; a stride halves
    the resolution.
    """

    def __init__(self, before: int, after: int, stride: int = 1, dropout: float = 0.0):
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm2d(before),
            nn.ReLU(),
            nn.Conv2d(before, after, 3, stride=stride, padding=1),
            nn.BatchNorm2d(after),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Conv2d(after, after, 3, padding=1),
        )
        self.shortcut = nn.Conv2d(before, after, 3, stride=stride, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        """Turn features (batch, before, h, w) into (batch, after, h / stride, w / stride)."""
        return self.body(features) + self.shortcut(features)


class ResidualUp(nn.Module):
    """The same of transposed convolutions, the first of which doubles the resolution, and so
    does the shortcut.
    """

    def __init__(self, before: int, after: int):
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm2d(before),
            nn.ReLU(),
            self._doubling(before, after),
            nn.BatchNorm2d(after),
            nn.ReLU(),
            nn.ConvTranspose2d(after, after, 3, padding=1),
        )
        self.shortcut = self._doubling(before, after)

    @staticmethod
    def _doubling(before: int, after: int) -> nn.ConvTranspose2d:
        return nn.ConvTranspose2d(before, after, 3, stride=2, padding=1, output_padding=1)

    def forward(self, features: Tensor) -> Tensor:
        """Turn features (batch, before, h, w) into (batch, after, 2 h, 2 w)."""
        return self.body(features) + self.shortcut(features)


class DPI(nn.Module):
    """U-Net with linear outputs for amplitude and phase, as large as its release's."""

    def __init__(self):
        super().__init__()
        self.first = ResidualBlock(1, WIDTHS[0])
        self.down = nn.ModuleList(
            nn.Sequential(ResidualBlock(a, b, stride=2), ResidualBlock(b, b)) for a, b in pairwise(WIDTHS)
        )
        skipped = WIDTHS[-2::-1]
        before = (WIDTHS[-1], *(up + beside for up, beside in zip(UP_WIDTHS, skipped, strict=True)))
        self.up = nn.ModuleList(
            nn.Sequential(ResidualUp(a, b), ResidualBlock(b, b)) for a, b in zip(before, UP_WIDTHS, strict=False)
        )
        self.last = nn.Sequential(ResidualBlock(before[-1], UP_WIDTHS[-1]), ResidualBlock(UP_WIDTHS[-1], OUTPUTS))
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, patterns: Tensor) -> Tensor:
        """Turn prepared patterns (batch, 1, h, w) into amplitude and phase, (batch, 2, h, w)."""
        features, levels = self.first(patterns), []
        for block in self.down:
            # What goes down and what goes across lose different features.
            levels.append(self.dropout(features))
            features = block(self.dropout(features))
        features = self.dropout(features)
        for block in self.up:
            features = torch.cat([self.dropout(block(features)), levels.pop()], dim=1)
        return self.last(features)


class SmallUp(nn.Module):
    """Transposed convolution of stride 2, concatenation with the encoder's features, and a
    residual block.
    """

    def __init__(self, before: int, after: int):
        super().__init__()
        self.up = nn.ConvTranspose2d(before, after, 2, stride=2)
        self.block = ResidualBlock(2 * after, after, dropout=DROPOUT)

    def forward(self, features: Tensor, skipped: Tensor) -> Tensor:
        """Bring features (batch, before, h, w) and skipped ones (batch, after, 2 h, 2 w) to the
        latter's shape.
        """
        return self.block(torch.cat([self.up(features), skipped], dim=1))


class SmallDPI(nn.Module):
    """U-Net with linear outputs for amplitude and phase, one block a level."""

    def __init__(self):
        super().__init__()
        self.first = ResidualBlock(1, WIDTHS[0], dropout=DROPOUT)
        self.down = nn.ModuleList(ResidualBlock(a, b, stride=2, dropout=DROPOUT) for a, b in pairwise(WIDTHS))
        self.up = nn.ModuleList(SmallUp(b, a) for a, b in zip(WIDTHS[-2::-1], WIDTHS[:0:-1], strict=True))
        self.last = nn.Conv2d(WIDTHS[0], OUTPUTS, 1)

    def forward(self, patterns: Tensor) -> Tensor:
        """Turn prepared patterns (batch, 1, h, w) into amplitude and phase, (batch, 2, h, w)."""
        levels = [self.first(patterns)]
        for block in self.down:
            levels.append(block(levels[-1]))
        features = levels.pop()
        for block in self.up:
            features = block(features, levels.pop())
        return self.last(features)


def build(window: tuple[int, int], *, size: Literal["large", "small"] = "large") -> DPI | SmallDPI:
    """Build DPI for patterns whose sides are multiples of 16."""
    require_multiple(window, SIDE_MULTIPLE_OF, "dpi")
    return DPI() if size == "large" else SmallDPI()
