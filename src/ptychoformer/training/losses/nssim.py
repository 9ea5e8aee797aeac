"""Negative structural similarity of images."""

from torch import Tensor

from ptychoformer.training.forward import Forward
from ptychoformer.training.losses import Loss
from ptychoformer.training.losses.parts.similarity import ssim


def build(_forward: Forward) -> Loss:
    """Make the loss: minus the SSIM of amplitude and of phase with their labels, mean over pixels
    and batch; -2 at best.
    """
    return negative_similarity


def negative_similarity(prediction: Tensor, labels: Tensor, _patterns: Tensor) -> Tensor:
    """Sum -SSIM over the channels of images (batch, 2, h, w)."""
    return -2 * ssim(prediction, labels)
