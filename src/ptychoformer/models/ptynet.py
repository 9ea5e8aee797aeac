"""PtyNet: an encoder that amplitude and phase share, and a decoder grouped by output (Pan et al.,
iScience 26, 2023).

Its release holds two networks. The small one (0.32 M parameters) fits the words "group convolution
for efficiency"; the large one (20.66 M), of residual blocks of two 5 x 5 convolutions, is what the
release trains.
"""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from ptychoformer.models.parts.outputs import require_multiple

SIDE_MULTIPLE_OF = 8
LARGE_SIDE_MULTIPLE_OF = 16
INITIALISATION = "glorot"  # as its release, but for the normal distribution there
SLOPE = 0.2
OUTPUTS = 2
# Channels before and after, and stride, of the small encoder's convolutions.
ENCODER = ((1, 16, 1), (16, 16, 2), (16, 16, 1), (16, 32, 2), (32, 64, 1), (64, 128, 2))
# Channels before and after each of the small decoder's three stages, which double the resolution.
DECODER = ((128, 64, 64), (64, 64, 64), (64, 16, OUTPUTS))
# Channels before and after each stage of the large network, and its number of residual blocks.
LARGE_ENCODER = ((1, 32, 2), (32, 64, 2), (64, 128, 4), (128, 256, 2))
LARGE_DECODER = ((256, 128, 2), (128, 64, 4), (64, 32, 2), (32, OUTPUTS, 2))


def encoder() -> nn.Sequential:
    """Stack six 3 x 3 convolutions, three of them of stride 2."""
    layers: list[nn.Module] = []
    for before, after, stride in ENCODER:
        layers += [nn.Conv2d(before, after, 3, stride=stride, padding=1), nn.LeakyReLU(SLOPE)]
    return nn.Sequential(*layers)


def decoder() -> nn.Sequential:
    """Stack three stages of a convolution, a grouped convolution and a grouped transposed
    convolution; one group for each output.
    """
    layers: list[nn.Module] = []
    for before, middle, after in DECODER:
        layers += [nn.Conv2d(before, middle, 3, padding=1), nn.LeakyReLU(SLOPE)]
        layers += [nn.Conv2d(middle, after, 3, padding=1, groups=OUTPUTS), nn.LeakyReLU(SLOPE)]
        layers += [nn.ConvTranspose2d(after, after, 4, stride=2, padding=1, groups=OUTPUTS), nn.LeakyReLU(SLOPE)]
    return nn.Sequential(*layers[:-1], nn.Hardtanh(-1, 1))


def convolution(before: int, after: int, side: int, groups: int = 1) -> nn.Conv2d:
    """Make a convolution that keeps the resolution; grouped ones have no bias."""
    return nn.Conv2d(before, after, side, padding=side // 2, groups=groups, bias=groups == 1)


class ResidualBlock(nn.Module):
    """Two 5 x 5 convolutions with batch norm and leaky ReLU, plus a 1 x 1 convolution as
    shortcut; the first is never grouped.
    """

    def __init__(self, width: int, groups: int):
        super().__init__()
        layers: list[nn.Module] = []
        for layer in (convolution(width, width, 5), convolution(width, width, 5, groups)):
            layers += [layer, nn.BatchNorm2d(width), nn.LeakyReLU(SLOPE)]
        self.body = nn.Sequential(*layers)
        self.shortcut = convolution(width, width, 1, groups)

    def forward(self, features: Tensor) -> Tensor:
        """Transform features (batch, width, h, w), same shape."""
        return self.body(features) + self.shortcut(features)


class Resampling(nn.Module):
    """A 5 x 5 and a 1 x 1 convolution with leaky ReLU, plus a 1 x 1 convolution as shortcut,
    then half or twice the resolution.
    """

    def __init__(self, before: int, after: int, groups: int, resample: nn.Module):
        super().__init__()
        layers = (convolution(before, after, 5, groups), convolution(after, after, 1, groups))
        self.body = nn.Sequential(layers[0], nn.LeakyReLU(SLOPE), layers[1], nn.LeakyReLU(SLOPE))
        self.shortcut = nn.Conv2d(before, after, 1, bias=False)
        self.resample = resample

    def forward(self, features: Tensor) -> Tensor:
        """Turn features (batch, before, h, w) into (batch, after, h', w')."""
        return self.resample(self.body(features) + self.shortcut(features))


def large_encoder() -> nn.Sequential:
    """Stack four stages that halve the resolution, each with residual blocks behind it."""
    layers: list[nn.Module] = []
    for before, after, blocks in LARGE_ENCODER:
        layers += [Resampling(before, after, 1, nn.Conv2d(after, after, 2, stride=2, bias=False))]
        layers += [ResidualBlock(after, 1) for _ in range(blocks)]
    return nn.Sequential(*layers)


def large_decoder() -> nn.Sequential:
    """Stack four stages that double the resolution, each with residual blocks in front of it; the
    outputs are not bounded.

    The release defines a last convolution and a Hardtanh that its network does not run; they are
    left out.
    """
    layers: list[nn.Module] = []
    for before, after, blocks in LARGE_DECODER:
        layers += [ResidualBlock(before, OUTPUTS) for _ in range(blocks)]
        layers += [Resampling(before, after, OUTPUTS, nn.ConvTranspose2d(after, after, 2, stride=2, bias=False))]
    return nn.Sequential(*layers)


class PtyNet(nn.Module):
    """Encode, and decode in groups: the amplitude first, then the phase, pi times its output."""

    def __init__(self, encode: nn.Sequential, decode: nn.Sequential):
        super().__init__()
        self.encoder, self.decoder = encode, decode
        self.register_buffer("scale", torch.tensor([1.0, math.pi])[:, None, None], persistent=False)

    def forward(self, patterns: Tensor) -> Tensor:
        """Turn prepared patterns (batch, 1, h, w) into amplitude and phase, (batch, 2, h, w)."""
        return self.scale * self.decoder(self.encoder(patterns))


def build(window: tuple[int, int], *, size: Literal["small", "large"] = "small") -> PtyNet:
    """Build PtyNet for patterns whose sides are multiples of 8, or of 16 for the large one.

    Raises:
        InputError: the window's sides are no such multiples.
    """
    if size == "large":
        require_multiple(window, LARGE_SIDE_MULTIPLE_OF, "ptynet of size large")
        return PtyNet(large_encoder(), large_decoder())
    require_multiple(window, SIDE_MULTIPLE_OF, "ptynet")
    return PtyNet(encoder(), decoder())
