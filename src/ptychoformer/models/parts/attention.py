"""Attention over the pixels of a pattern: Polar Coordinate Attention (PCA) in two readings, and
plain self-attention.

Neither reading needs an N x N matrix, because both weights factor exactly (`docs/readings.md`):

- ``paper``: the logits are S * R + S * Theta with S = Q K^T / sqrt(d) (Eqs. 7-9). R and Theta
  depend on the key alone, so the sum is Q (diag(r + theta) K)^T / sqrt(d), ordinary attention on
  rescaled keys.
- ``release``: the logits are S * w(r_key) * cos(theta_query - theta_key). As cos(a - b) = cos a cos
  b + sin a sin b, this is [Q cos, Q sin] [w K cos, w K sin]^T / sqrt(d), attention with heads of
  double width.
- ``mhsa``: multi-head self-attention, the ablation.
"""

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, scaled_dot_product_attention

Reading = Literal["paper", "release", "mhsa"]


def fused_attention(q: Tensor, k: Tensor, v: Tensor, bfloat16: bool, scale: float | None = None) -> Tensor:
    """Compute softmax(q k^T scale) v for (batch, heads, N, d); ``scale`` is 1 / sqrt(d) if left
    out.

    ``bfloat16`` rounds queries, keys and values, for which GPUs have kernels an order of magnitude
    faster; sums stay in float32.
    """
    given = q.dtype
    if bfloat16:
        q, k, v = q.bfloat16(), k.bfloat16(), v.bfloat16()
    return scaled_dot_product_attention(q, k, v, scale=scale).to(given)


def polar_coordinates(height: int, width: int) -> tuple[Tensor, Tensor]:
    """Compute the normalised radius and angle of every pixel, row by row (Eqs. 10-11).

    Indices count from 1 and the centre lies at (height / 2, width / 2), both as printed.

    Returns:
        radius: (height * width,), from 0 at the centre to 1 in the far corner.
        angle: (height * width,), in units of pi, in (-1, 1].
    """
    y = torch.arange(1, height + 1) - height / 2
    x = torch.arange(1, width + 1) - width / 2
    y, x = torch.meshgrid(y, x, indexing="ij")
    radius = torch.hypot(x, y) / math.hypot(width / 2, height / 2)
    angle = torch.atan2(y, x) / math.pi
    return radius.flatten(), angle.flatten()


def release_coordinates(height: int, width: int) -> tuple[Tensor, Tensor]:
    """Compute radial weight and angle of every pixel as in the authors' release.

    Returns:
        weight: (height * width,), 1 / (log r / log r_max + 1) with r in pixels from the centre,
            plus 1e-6.
        angle: (height * width,), radians.
    """
    y = torch.arange(height) - height / 2
    x = torch.arange(width) - width / 2
    y, x = torch.meshgrid(y, x, indexing="ij")
    radius = torch.hypot(x, y) + 1e-6
    weight = 1 / (radius.log() / radius.max().log() + 1)
    return weight.flatten(), torch.atan2(y, x).flatten()


class SelfAttention(nn.Module):
    """Multi-head self-attention; its subclasses change what queries and keys know of their place.

    Args:
        dim: channels in and out, divisible by ``heads``.
        heads: attention heads.
        depth: channels of a head; ``dim / heads`` if left out.
    """

    def __init__(self, dim: int, heads: int, depth: int | None = None):
        super().__init__()
        if dim % heads:
            raise ValueError(f"dim must be divisible by heads, got dim={dim}, heads={heads}")
        self.heads, self.depth = heads, depth or dim // heads
        self.in_bfloat16 = False  # see `fused_attention`
        self.qkv = nn.Linear(dim, 3 * heads * self.depth)
        self.project = nn.Linear(heads * self.depth, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """Attend among tokens (batch, N, dim); the result has the same shape."""
        q, k, v = self.qkv(tokens).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return self.project(self.attend(q, k, v).transpose(1, 2).flatten(2))

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Let queries attend to keys and values, all (batch, heads, N, d); the result has the same
        shape.
        """
        return fused_attention(q, k, v, self.in_bfloat16)


class PolarCoordinateAttention(SelfAttention):
    """PCA as the paper prints it, over the N = height * width pixels of ``shape``."""

    def __init__(self, dim: int, heads: int, shape: tuple[int, int]):
        super().__init__(dim, heads)
        radius, angle = polar_coordinates(*shape)
        self.register_buffer("key_weight", (radius + angle)[:, None], persistent=False)

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return fused_attention(q, k * self.key_weight, v, self.in_bfloat16)


class ReleasePolarAttention(SelfAttention):
    """PCA as the authors' release computes it, over the N = height * width pixels of ``shape``."""

    def __init__(self, dim: int, heads: int, shape: tuple[int, int]):
        super().__init__(dim, heads)
        weight, angle = release_coordinates(*shape)
        direction = torch.stack([angle.cos(), angle.sin()], dim=-1)
        self.register_buffer("query_direction", direction, persistent=False)
        self.register_buffer("key_direction", weight[:, None] * direction, persistent=False)

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        d = q.shape[-1]
        q = (q[..., None, :] * self.query_direction[..., None]).flatten(-2)
        k = (k[..., None, :] * self.key_direction[..., None]).flatten(-2)
        # The fused kernels, without which N x N logits are held in memory, want values as wide as
        # keys.
        return fused_attention(q, k, pad(v, (0, d)), self.in_bfloat16, scale=d**-0.5)[..., :d]


def pixel_attention(reading: Reading, dim: int, heads: int, shape: tuple[int, int]) -> SelfAttention:
    """Make the attention among all pixels of ``shape`` in the given reading."""
    if reading == "mhsa":
        return SelfAttention(dim, heads)
    return {"paper": PolarCoordinateAttention, "release": ReleasePolarAttention}[reading](dim, heads, shape)


class TransformerBlock(nn.Module):
    """A standard pre-norm ViT block around a given attention (Dosovitskiy et al. 2021).

    Eq. 4 as printed leaves the attended tokens out of the last sum; the text says "standard ViT
    blocks", and so does this.

    Args:
        attention: maps (batch, N, dim) to the same shape.
        dim: channels.
        expansion: width of the feed-forward network relative to ``dim``.
    """

    def __init__(self, attention: nn.Module, dim: int, expansion: int = 2):
        super().__init__()
        self.norm_attention = nn.LayerNorm(dim)
        self.attention = attention
        self.norm_feed_forward = nn.LayerNorm(dim)
        self.feed_forward = nn.Sequential(nn.Linear(dim, expansion * dim), nn.GELU(), nn.Linear(expansion * dim, dim))

    def forward(self, tokens: Tensor) -> Tensor:
        """Transform tokens (batch, N, dim), same shape."""
        tokens = tokens + self.attention(self.norm_attention(tokens))
        return tokens + self.feed_forward(self.norm_feed_forward(tokens))


class ReleaseBlock(nn.Module):
    """A block of the authors' release: norm, attention, norm, one linear layer with ReLU.

    Args:
        attention: maps (batch, N, dim) to the same shape.
        dim: channels.
        shortcuts: whether attention and linear layer are each added to what they were given, which
            is normalised already.
    """

    def __init__(self, attention: nn.Module, dim: int, shortcuts: bool):
        super().__init__()
        self.norm_attention = nn.LayerNorm(dim)
        self.attention = attention
        self.norm_feed_forward = nn.LayerNorm(dim)
        self.feed_forward = nn.Sequential(nn.Linear(dim, dim), nn.ReLU())
        self.shortcuts = shortcuts

    def forward(self, tokens: Tensor) -> Tensor:
        """Transform tokens (batch, N, dim), same shape."""
        normed = self.norm_attention(tokens)
        attended = self.attention(normed)
        normed = self.norm_feed_forward(attended + normed if self.shortcuts else attended)
        forwarded = self.feed_forward(normed)
        return forwarded + normed if self.shortcuts else forwarded
