"""DPI: a U-Net of pre-activation residual blocks (Chang et al., Phys. Rev. Lett. 130, 016101, 2023), here with two outputs."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from ptychoformer.models.parts.outputs import require_multiple

SIDE_MULTIPLE_OF = 16
WIDTHS = (16, 32, 64, 128, 256)
DROPOUT = 0.2


class ResidualBlock(nn.Module):
    """BN, ReLU, 3 x 3 convolution, twice, plus a 3 x 3 convolution as shortcut; a stride halves the resolution."""

    def __init__(self, before: int, after: int, stride: int = 1):
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm2d(before),
            nn.ReLU(),
            nn.Conv2d(before, after, 3, stride=stride, padding=1),
            nn.BatchNorm2d(after),
            nn.ReLU(),
            nn.Dropout(DROPOUT),
            nn.Conv2d(after, after, 3, padding=1),
        )
        self.shortcut = nn.Conv2d(before, after, 3, stride=stride, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        """Features (batch, before, h, w) to (batch, after, h / stride, w / stride)."""
        return self.body(features) + self.shortcut(features)


class UpBlock(nn.Module):
    """Transposed convolution of stride 2, concatenation with the encoder's features, and a residual block."""

    def __init__(self, before: int, after: int):
        super().__init__()
        self.up = nn.ConvTranspose2d(before, after, 2, stride=2)
        self.block = ResidualBlock(2 * after, after)

    def forward(self, features: Tensor, skipped: Tensor) -> Tensor:
        """Features (batch, before, h, w) and skipped ones (batch, after, 2 h, 2 w) to the latter's shape."""
        return self.block(torch.cat([self.up(features), skipped], dim=1))


class DPI(nn.Module):
    """U-Net with linear outputs for amplitude and phase."""

    def __init__(self):
        super().__init__()
        self.first = ResidualBlock(1, WIDTHS[0])
        self.down = nn.ModuleList(ResidualBlock(a, b, stride=2) for a, b in pairwise(WIDTHS))
        self.up = nn.ModuleList(UpBlock(b, a) for a, b in zip(WIDTHS[-2::-1], WIDTHS[:0:-1], strict=True))
        self.last = nn.Conv2d(WIDTHS[0], 2, 1)

    def forward(self, patterns: Tensor) -> Tensor:
        """log(1 + photons), (batch, 1, h, w), to amplitude and phase, (batch, 2, h, w)."""
        levels = [self.first(patterns)]
        for block in self.down:
            levels.append(block(levels[-1]))
        features = levels.pop()
        for block in self.up:
            features = block(features, levels.pop())
        return self.last(features)


def build(window: tuple[int, int]) -> DPI:
    """DPI for patterns whose sides are multiples of 16."""
    require_multiple(window, SIDE_MULTIPLE_OF, "dpi")
    return DPI()
