"""Squared error, Eq. 14."""

from torch import Tensor
from torch.nn.functional import mse_loss

from ptychoformer.training.forward import Forward
from ptychoformer.training.losses import Loss


def build(_forward: Forward) -> Loss:
    """Make the loss: the mean square of the amplitude's error plus that of the phase's."""
    return mean_squared_error


def mean_squared_error(prediction: Tensor, labels: Tensor, _patterns: Tensor) -> Tensor:
    """Compute Eq. 14 for images (batch, 2, h, w)."""
    return 2 * mse_loss(prediction, labels)
