"""PtychoNN: one convolutional encoder and a decoder each for amplitude and phase (Cherukara et
al., Appl. Phys. Lett. 117, 2020).
"""

import torch
from torch import Tensor, nn

from ptychoformer.models.parts.outputs import constrain, require_multiple

SIDE_MULTIPLE_OF = 8
# A plain stack of ReLU layers without normalisation: from torch's own weights the signal fades from
# layer to layer, and a short training never leaves its first plateau (`docs/readings.md`).
INITIALISATION = "glorot"
WIDTH = 32


def double_convolution(before: int, after: int) -> list[nn.Module]:
    """Stack two 3 x 3 convolutions, each with ReLU."""
    return [nn.Conv2d(before, after, 3, padding=1), nn.ReLU(), nn.Conv2d(after, after, 3, padding=1), nn.ReLU()]


def encoder() -> nn.Sequential:
    """Stack three stages that double the channels and halve the resolution."""
    layers: list[nn.Module] = []
    for before, after in ((1, WIDTH), (WIDTH, 2 * WIDTH), (2 * WIDTH, 4 * WIDTH)):
        layers += [*double_convolution(before, after), nn.MaxPool2d(2)]
    return nn.Sequential(*layers)


def decoder() -> nn.Sequential:
    """Stack three stages that double the resolution, then one channel."""
    layers: list[nn.Module] = []
    for before, after in ((4 * WIDTH, 4 * WIDTH), (4 * WIDTH, 2 * WIDTH), (2 * WIDTH, 2 * WIDTH)):
        layers += [*double_convolution(before, after), nn.Upsample(scale_factor=2, mode="bilinear")]
    return nn.Sequential(*layers, nn.Conv2d(2 * WIDTH, 1, 3, padding=1))


class PtychoNN(nn.Module):
    """Encoder and two decoders with sigmoid amplitude and pi * tanh phase."""

    def __init__(self):
        super().__init__()
        self.encoder, self.amplitude, self.phase = encoder(), decoder(), decoder()

    def forward(self, patterns: Tensor) -> Tensor:
        """Turn prepared patterns (batch, 1, h, w) into amplitude and phase, (batch, 2, h, w)."""
        code = self.encoder(patterns)
        return constrain(torch.cat([self.amplitude(code), self.phase(code)], dim=1))


def build(window: tuple[int, int]) -> PtychoNN:
    """Build PtychoNN for patterns whose sides are multiples of 8."""
    require_multiple(window, SIDE_MULTIPLE_OF, "ptychonn")
    return PtychoNN()
