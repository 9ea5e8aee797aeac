"""The factored attentions are the formulas they stand for, and cost no N x N matrix."""

import subprocess
import sys

import pytest
import torch

from ptychoformer.models.parts.attention import (
    ReleaseBlock,
    SelfAttention,
    TransformerBlock,
    pixel_attention,
    polar_coordinates,
    release_coordinates,
)

SHAPES = [(4, 4), (8, 8), (6, 10)]


def paper_logits(q, k, shape):
    """Eqs. 8-9: S * R + S * Theta, with the N x N matrices R and Theta, every row of which holds the keys' coordinates."""
    radius, angle = (c.to(q).expand(len(c), -1) for c in polar_coordinates(*shape))
    logits = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    return logits * radius + logits * angle


def release_logits(q, k, shape):
    """S * w(r_key) * cos(theta_query - theta_key), written out."""
    weight, angle = (c.to(q) for c in release_coordinates(*shape))
    return q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5 * weight * torch.cos(angle[:, None] - angle)


def plain_logits(q, k, shape):
    return q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5


LOGITS = {"paper": paper_logits, "release": release_logits, "mhsa": plain_logits}


def dense_reference(layer, tokens, logits, shape):
    q, k, v = layer.qkv(tokens).unflatten(-1, (3, layer.heads, -1)).permute(2, 0, 3, 1, 4)
    heads = torch.softmax(logits(q, k, shape), dim=-1) @ v
    return layer.project(heads.transpose(1, 2).flatten(2))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("reading", LOGITS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-7), (torch.float32, 1e-5)])
def test_factored_attention_equals_the_dense_formula_and_its_gradients(reading, shape, dtype, tolerance):
    torch.manual_seed(0)
    layer = pixel_attention(reading, dim=8, heads=2, shape=shape).to(dtype)
    tokens = torch.randn(3, shape[0] * shape[1], 8, dtype=dtype, requires_grad=True)
    results = layer(tokens), dense_reference(layer, tokens, LOGITS[reading], shape)
    torch.testing.assert_close(*results, rtol=tolerance, atol=tolerance)
    cotangent = torch.randn_like(results[0])
    inputs = (tokens, *layer.parameters())
    for factored, dense in zip(
        *(torch.autograd.grad((result * cotangent).sum(), inputs) for result in results), strict=True
    ):
        torch.testing.assert_close(factored, dense, rtol=10 * tolerance, atol=10 * tolerance)


def test_radius_is_one_in_the_far_corner_and_angle_spans_the_circle():
    radius, angle = polar_coordinates(32, 32)
    assert radius.max() == 1
    assert radius.min() == 0
    assert angle.max() == 1
    assert angle.min() > -1


def test_weights_as_printed_are_negative_for_about_a_fifth_of_the_keys():
    radius, angle = polar_coordinates(32, 32)
    assert 0.15 < (radius + angle < 0).float().mean() < 0.25


def test_release_weight_falls_with_the_radius_outside_the_central_pixel():
    weight, _ = release_coordinates(32, 32)
    row = weight.unflatten(0, (32, 32))[16, 17:]
    assert row[0] == pytest.approx(1, abs=1e-5)
    assert (row.diff() < 0).all()
    assert weight.min() < 0  # the central pixel: log(1e-6) outweighs log r_max


def test_self_attention_knows_nothing_of_places():
    torch.manual_seed(0)
    layer = SelfAttention(dim=8, heads=2)
    tokens, order = torch.randn(2, 16, 8), torch.randperm(16)
    torch.testing.assert_close(layer(tokens)[:, order], layer(tokens[:, order]))


@pytest.mark.parametrize("shortcuts", [True, False])
def test_a_block_of_the_release_knows_its_tokens_normalised_alone(shortcuts):
    """Its shortcuts begin behind its norms, so that neither scale nor offset of a token matters."""
    torch.manual_seed(0)
    block = ReleaseBlock(SelfAttention(dim=8, heads=2), 8, shortcuts)
    tokens = torch.randn(2, 16, 8)
    torch.testing.assert_close(block(5 * tokens + 3), block(tokens), rtol=1e-3, atol=1e-4)


def test_a_standard_block_whose_parts_add_nothing_hands_on_its_tokens():
    torch.manual_seed(0)
    block, tokens = TransformerBlock(SelfAttention(dim=8, heads=2), 8), torch.randn(2, 16, 8)
    for last in (block.attention.project, block.feed_forward[-1]):
        torch.nn.init.zeros_(last.weight)
        torch.nn.init.zeros_(last.bias)
    torch.testing.assert_close(block(tokens), tokens)


def test_heads_must_divide_channels():
    with pytest.raises(ValueError, match="divisible"):
        SelfAttention(dim=9, heads=2)


@pytest.mark.parametrize("reading", LOGITS)
def test_16384_tokens_forward_and_backward_in_under_two_gigabytes(reading):
    program = f"""
import resource, torch
from ptychoformer.models.parts.attention import pixel_attention
torch.set_num_threads(1)
resource.setrlimit(resource.RLIMIT_DATA, (2_000_000_000,) * 2)
layer = pixel_attention({reading!r}, dim=8, heads=2, shape=(128, 128))
tokens = torch.randn(1, 16384, 8, requires_grad=True)
layer(tokens).square().sum().backward()
assert tokens.grad.isfinite().all()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    assert int(finished.stdout) < 2_000_000_000
