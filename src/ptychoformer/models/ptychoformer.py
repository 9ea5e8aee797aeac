"""Ptychoformer: a ViT branch for local and a polar-attention branch for non-local structure, fused
and decoded (Sec. III-B).

Sizes are those of the authors' release for 32 x 32 patterns (1.60 M parameters). For larger
patterns the grid on which the branches meet grows with the pattern up to 8 x 8, since the dense
layer grows with the fourth power of its side.

Blocks and what follows the branches are as the paper's text has them, or as the release has them
(`docs/readings.md`): there ReLUs follow the local branch's dense layer, the non-local branch's
widening and the fusion. Without them dense layer, fusion and the first transposed convolution are
one linear map.
"""

import math
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from ptychoformer.errors import InputError
from ptychoformer.models.parts.attention import Reading, ReleaseBlock, SelfAttention, TransformerBlock, pixel_attention
from ptychoformer.models.parts.outputs import constrain, require_multiple

SIDE_MULTIPLE_OF = 32
WIDTH = 32
HEADS = 2
RELEASE_DEPTH = 32  # of a head of the local branch in the release
BLOCKS = 2
FEATURES = 128
DECODER_WIDTHS = (128, 64, 32)
DENSE_WIDTH = 512


class LocalDependenciesBranch(nn.Module):
    """A ViT on patches of the pattern, then a dense layer to ``FEATURES`` channels on a square
    grid of ``grid`` patches a side.
    """

    def __init__(self, window: tuple[int, int], grid: int, release: bool):
        super().__init__()
        self.grid = grid
        patch = (window[0] // grid, window[1] // grid)
        self.embed = nn.Conv2d(1, WIDTH, patch, stride=patch)
        self.position = nn.Parameter(0.02 * torch.randn(grid * grid, WIDTH))
        self.blocks = nn.Sequential(*(self._block(release) for _ in range(BLOCKS)))
        self.norm = nn.LayerNorm(WIDTH) if release else nn.Identity()
        self.dense = nn.Linear(grid * grid * WIDTH, grid * grid * FEATURES)
        self.activate = nn.ReLU() if release else nn.Identity()

    @staticmethod
    def _block(release: bool) -> nn.Module:
        if release:
            return ReleaseBlock(SelfAttention(WIDTH, HEADS, RELEASE_DEPTH), WIDTH, shortcuts=True)
        return TransformerBlock(SelfAttention(WIDTH, HEADS), WIDTH)

    def forward(self, patterns: Tensor) -> Tensor:
        """Turn patterns (batch, 1, h, w) into features (batch, FEATURES, grid, grid)."""
        tokens = self.embed(patterns).flatten(2).transpose(1, 2) + self.position
        features = self.activate(self.dense(self.norm(self.blocks(tokens)).flatten(1)))
        return features.unflatten(1, (FEATURES, self.grid, self.grid))


class NonLocalCoherenceBranch(nn.Module):
    """Attention among all pixels at full resolution, without position embedding, pooled to the
    grid of the local branch.
    """

    def __init__(self, window: tuple[int, int], grid: int, attention: Reading, release: bool):
        super().__init__()
        self.window, self.grid, self.release = window, grid, release
        self.embed = nn.Linear(1, WIDTH)
        layers = (pixel_attention(attention, WIDTH, HEADS, window) for _ in range(BLOCKS))
        blocks = (
            ReleaseBlock(layer, WIDTH, shortcuts=False) if release else TransformerBlock(layer, WIDTH)
            for layer in layers
        )
        self.blocks = nn.Sequential(*blocks)
        self.widen = nn.Conv2d(WIDTH, FEATURES, 1)

    def forward(self, patterns: Tensor) -> Tensor:
        """Turn patterns (batch, 1, h, w) into features (batch, FEATURES, grid, grid)."""
        tokens = self.blocks(self.embed(patterns.flatten(2).transpose(1, 2)))
        features = tokens.transpose(1, 2).unflatten(2, self.window)
        if self.release:
            return adaptive_avg_pool2d(self.widen(features).relu(), self.grid)
        # Without a ReLU between them a 1 x 1 convolution and a mean commute: the same, for a 64th
        # of the work.
        return self.widen(adaptive_avg_pool2d(features, self.grid))


def convolutional_decoder(stages: int) -> nn.Sequential:
    """Double the resolution ``stages`` times by transposed convolutions; end in one channel."""
    widths = (FEATURES,) * (stages - len(DECODER_WIDTHS) + 1) + DECODER_WIDTHS[-stages:]
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        up = nn.ConvTranspose2d(before, after, 3, stride=2, padding=1, output_padding=1)
        layers += [up, nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 3, padding=1))


def dense_decoder(window: tuple[int, int], grid: int) -> nn.Sequential:
    """Make fully connected layers from fused features to all pixels: the decoder's ablation."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(grid * grid * FEATURES, DENSE_WIDTH),
        nn.ReLU(),
        nn.Linear(DENSE_WIDTH, math.prod(window)),
        nn.Unflatten(1, (1, *window)),
    )


class Ptychoformer(nn.Module):
    """Both branches, their fusion (Eq. 12), a decoder for each output and the output constraints
    (Eq. 13).

    Args:
        window: (h, w) of a pattern: a square whose side is a power of two of at least 32 pixels.
        attention: reading of the non-local branch's attention; ``none`` leaves the branch out.
        release: blocks and ReLUs of the authors' release in place of the paper's.
        dense: fully connected decoders in place of the convolutional ones.
        constrained: sigmoid amplitude and pi * tanh phase, or the decoders' plain outputs.
    """

    def __init__(
        self,
        window: tuple[int, int],
        attention: Reading | Literal["none"],
        *,
        release: bool,
        dense: bool,
        constrained: bool,
    ):
        super().__init__()
        side = window[0]
        grid = min(side // 8, 8)
        self.local = LocalDependenciesBranch(window, grid, release)
        self.nonlocal_ = None if attention == "none" else NonLocalCoherenceBranch(window, grid, attention, release)
        self.fuse = nn.Conv2d(FEATURES if attention == "none" else 2 * FEATURES, FEATURES, 1)
        self.activate = nn.ReLU() if release else nn.Identity()
        stages = int(math.log2(side // grid))
        self.amplitude, self.phase = (
            dense_decoder(window, grid) if dense else convolutional_decoder(stages) for _ in range(2)
        )
        self.constrained = constrained

    def forward(self, patterns: Tensor) -> Tensor:
        """Turn prepared patterns (batch, 1, h, w) into amplitude and phase, (batch, 2, h, w)."""
        features = self.local(patterns)
        if self.nonlocal_ is not None:
            features = torch.cat([features, self.nonlocal_(patterns)], dim=1)
        fused = self.activate(self.fuse(features))
        raw = torch.cat([self.amplitude(fused), self.phase(fused)], dim=1)
        return constrain(raw) if self.constrained else raw


def build(
    window: tuple[int, int],
    *,
    attention: Literal["paper", "release", "mhsa", "none"] = "paper",
    blocks: Literal["paper", "release"] = "paper",
    decoder: Literal["convolutional", "dense"] = "convolutional",
    constraints: Literal["physical", "none"] = "physical",
) -> Ptychoformer:
    """Build Ptychoformer for patterns of ``window`` pixels; see `docs/readings.md`.

    Raises:
        InputError: the window is not a square whose side is a power of two of at least 32.
    """
    require_multiple(window, SIDE_MULTIPLE_OF, "ptychoformer")
    if window[0] != window[1] or not math.log2(window[0]).is_integer():
        raise InputError(
            f"ptychoformer needs square patterns whose side is a power of two, found {window[0]} x {window[1]}."
        )
    choices = {"release": blocks == "release", "dense": decoder == "dense", "constrained": constraints == "physical"}
    return Ptychoformer(window, attention, **choices)
