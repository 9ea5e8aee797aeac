"""PtyNet: strided convolutions down, grouped ones up, so that amplitude and phase share an encoder (Pan et al., iScience 26, 2023)."""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from ptychoformer.models.parts.initial import glorot
from ptychoformer.models.parts.outputs import require_multiple

SIDE_MULTIPLE_OF = 8
SLOPE = 0.2
# Channels before and after, and stride, of the encoder's convolutions.
ENCODER = ((1, 16, 1), (16, 16, 2), (16, 16, 1), (16, 32, 2), (32, 64, 1), (64, 128, 2))
# Channels before and after each of the decoder's three stages, which double the resolution.
DECODER = ((128, 64, 64), (64, 64, 64), (64, 16, 2))


def encoder() -> nn.Sequential:
    """Six 3 x 3 convolutions, three of them of stride 2."""
    layers: list[nn.Module] = []
    for before, after, stride in ENCODER:
        layers += [nn.Conv2d(before, after, 3, stride=stride, padding=1), nn.LeakyReLU(SLOPE)]
    return nn.Sequential(*layers)


def decoder() -> nn.Sequential:
    """Three stages of a convolution, a grouped convolution and a grouped transposed convolution; one group for each output."""
    layers: list[nn.Module] = []
    for before, middle, after in DECODER:
        layers += [nn.Conv2d(before, middle, 3, padding=1), nn.LeakyReLU(SLOPE)]
        layers += [nn.Conv2d(middle, after, 3, padding=1, groups=2), nn.LeakyReLU(SLOPE)]
        layers += [nn.ConvTranspose2d(after, after, 4, stride=2, padding=1, groups=2), nn.LeakyReLU(SLOPE)]
    return nn.Sequential(*layers[:-1], nn.Hardtanh(-1, 1))


class PtyNet(nn.Module):
    """Encoder and grouped decoder; amplitude in [-1, 1], phase in [-pi, pi]."""

    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = encoder(), decoder()
        self.register_buffer("scale", torch.tensor([1.0, math.pi])[:, None, None], persistent=False)

    def forward(self, patterns: Tensor) -> Tensor:
        """log(1 + photons), (batch, 1, h, w), to amplitude and phase, (batch, 2, h, w)."""
        return self.scale * self.decoder(self.encoder(patterns))


def build(window: tuple[int, int], *, initialisation: Literal["glorot", "torch"] = "glorot") -> PtyNet:
    """PtyNet for patterns whose sides are multiples of 8; for its initial weights see `docs/readings.md`."""
    require_multiple(window, SIDE_MULTIPLE_OF, "ptynet")
    return glorot(PtyNet()) if initialisation == "glorot" else PtyNet()
