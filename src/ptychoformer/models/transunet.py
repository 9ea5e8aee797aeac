"""The TransUNet variant of Table V: a CNN encoder, a transformer on its features, a cascaded
decoder with skip connections.

After Chen et al., arXiv:2102.04306 (2021), at a size like Ptychoformer's; the paper gives none.
Three levels in place of four, since patterns are 32 pixels wide and not 224.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from ptychoformer.models.parts.attention import SelfAttention, TransformerBlock
from ptychoformer.models.parts.outputs import constrain, require_multiple

SIDE_MULTIPLE_OF = 16
WIDTHS = (32, 64, 128)
HEADS = 4
BLOCKS = 4


def convolutions(before: int, after: int) -> nn.Sequential:
    """Stack two 3 x 3 convolutions with batch normalisation and ReLU."""
    layers: list[nn.Module] = []
    for width in (before, after):
        layers += [nn.Conv2d(width, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers)


class PixelTransformer(nn.Module):
    """A ViT whose tokens are the pixels of a feature map of ``shape``, with learned position
    embeddings.
    """

    def __init__(self, width: int, shape: tuple[int, int]):
        super().__init__()
        self.position = nn.Parameter(0.02 * torch.randn(shape[0] * shape[1], width))
        self.blocks = nn.Sequential(
            *(TransformerBlock(SelfAttention(width, HEADS), width, expansion=4) for _ in range(BLOCKS))
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, features: Tensor) -> Tensor:
        """Transform features (batch, width, h, w), same shape."""
        tokens = features.flatten(2).transpose(1, 2) + self.position
        return self.norm(self.blocks(tokens)).transpose(1, 2).unflatten(2, features.shape[2:])


class TransUNet(nn.Module):
    """A U-Net with a transformer on its encoder's features, at an eighth of the pattern's
    resolution.
    """

    def __init__(self, window: tuple[int, int]):
        super().__init__()
        self.encode = nn.ModuleList(convolutions(before, after) for before, after in pairwise((1, *WIDTHS)))
        self.transform = PixelTransformer(WIDTHS[-1], (window[0] // 8, window[1] // 8))
        self.decode = nn.ModuleList(
            convolutions(below + beside, beside) for below, beside in pairwise((WIDTHS[-1], *WIDTHS[::-1]))
        )
        self.last = nn.Conv2d(WIDTHS[0], 2, 1)
        self.downsample = nn.MaxPool2d(2)
        self.upsample = nn.Upsample(scale_factor=2, mode="bilinear")

    def forward(self, patterns: Tensor) -> Tensor:
        """Turn prepared patterns (batch, 1, h, w) into amplitude and phase, (batch, 2, h, w)."""
        features, levels = patterns, []
        for block in self.encode:
            levels.append(block(features))
            features = self.downsample(levels[-1])
        features = self.transform(features)
        for block in self.decode:
            features = block(torch.cat([self.upsample(features), levels.pop()], dim=1))
        return constrain(self.last(features))


def build(window: tuple[int, int]) -> TransUNet:
    """Build TransUNet for patterns whose sides are multiples of 16."""
    require_multiple(window, SIDE_MULTIPLE_OF, "transunet")
    return TransUNet(window)
