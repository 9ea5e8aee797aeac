"""The SegFormer variant of Table V: stages of falling resolution, spatial-reduction attention,
feed-forward networks that convolve.

After Xie et al., NeurIPS 34, 12077 (2021), at a size like the other networks'; the paper gives
none. Three stages in place of four, the first at half the pattern's resolution, since patterns are
32 pixels wide; the first linear layer of each feed-forward network is a 3 x 3 convolution, as the
paper says.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ptychoformer.models.parts.attention import fused_attention
from ptychoformer.models.parts.outputs import constrain, require_multiple

SIDE_MULTIPLE_OF = 32
WIDTHS = (32, 64, 128)
HEADS = (1, 2, 4)
REDUCTIONS = (4, 2, 1)
BLOCKS = 2
EXPANSION = 4
DECODER_WIDTH = 128


class SpatialReductionAttention(nn.Module):
    """Self-attention whose keys and values lie on a grid that is ``reduction`` times coarser."""

    def __init__(self, dim: int, heads: int, reduction: int):
        super().__init__()
        self.heads = heads
        self.in_bfloat16 = False  # see `fused_attention`
        self.query = nn.Linear(dim, dim)
        self.reduce = nn.Conv2d(dim, dim, reduction, stride=reduction)
        self.norm = nn.LayerNorm(dim)
        self.key_value = nn.Linear(dim, 2 * dim)
        self.project = nn.Linear(dim, dim)

    def forward(self, tokens: Tensor, shape: tuple[int, int]) -> Tensor:
        """Attend among tokens (batch, h * w, dim) of a map of ``shape`` (h, w), same shape."""
        coarse = self.norm(self.reduce(tokens.transpose(1, 2).unflatten(2, shape)).flatten(2).transpose(1, 2))
        q = self.query(tokens).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        k, v = self.key_value(coarse).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return self.project(fused_attention(q, k, v, self.in_bfloat16).transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Attention, then a feed-forward network whose first layer is a 3 x 3 convolution; it
    stands for position embeddings.
    """

    def __init__(self, dim: int, heads: int, reduction: int):
        super().__init__()
        self.norm_attention = nn.LayerNorm(dim)
        self.attention = SpatialReductionAttention(dim, heads, reduction)
        self.norm_feed_forward = nn.LayerNorm(dim)
        self.convolve = nn.Conv2d(dim, EXPANSION * dim, 3, padding=1)
        self.linear = nn.Linear(EXPANSION * dim, dim)

    def forward(self, features: Tensor) -> Tensor:
        """Transform features (batch, dim, h, w), same shape."""
        shape = features.shape[2:]
        tokens = features.flatten(2).transpose(1, 2)
        tokens = tokens + self.attention(self.norm_attention(tokens), shape)
        hidden = self.convolve(self.norm_feed_forward(tokens).transpose(1, 2).unflatten(2, shape))
        tokens = tokens + self.linear(nn.functional.gelu(hidden).flatten(2).transpose(1, 2))
        return tokens.transpose(1, 2).unflatten(2, shape)


def stage(before: int, after: int, heads: int, reduction: int) -> nn.Sequential:
    """Stack overlapping patches of stride 2 and blocks at half the resolution."""
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride=2, padding=1), *(Block(after, heads, reduction) for _ in range(BLOCKS))
    )


class SegFormer(nn.Module):
    """Hierarchical transformer encoder; a decoder that mixes all stages pixel by pixel and
    brings them to the pattern's resolution.
    """

    def __init__(self):
        super().__init__()
        sizes = zip((1, *WIDTHS), WIDTHS, HEADS, REDUCTIONS, strict=False)
        self.stages = nn.ModuleList(stage(*size) for size in sizes)
        self.unify = nn.ModuleList(nn.Conv2d(width, DECODER_WIDTH, 1) for width in WIDTHS)
        self.fuse = nn.Sequential(
            nn.Conv2d(len(WIDTHS) * DECODER_WIDTH, DECODER_WIDTH, 1, bias=False),
            nn.BatchNorm2d(DECODER_WIDTH),
            nn.ReLU(),
        )
        self.last = nn.Conv2d(DECODER_WIDTH, 2, 1)

    def forward(self, patterns: Tensor) -> Tensor:
        """Turn prepared patterns (batch, 1, h, w) into amplitude and phase, (batch, 2, h, w)."""
        features, levels = patterns, []
        for block, unify in zip(self.stages, self.unify, strict=True):
            features = block(features)
            levels.append(unify(features))
        finest = levels[0].shape[2:]
        fused = self.fuse(torch.cat([interpolate(level, size=finest, mode="bilinear") for level in levels], dim=1))
        return constrain(interpolate(self.last(fused), size=patterns.shape[2:], mode="bilinear"))


def build(window: tuple[int, int]) -> SegFormer:
    """Build SegFormer for patterns whose sides are multiples of 32."""
    require_multiple(window, SIDE_MULTIPLE_OF, "segformer")
    return SegFormer()
