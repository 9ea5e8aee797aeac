"""Losses between a prediction and its labels, both (batch, 2, h, w), by the names that the config uses."""

from collections.abc import Callable

from torch import Tensor
from torch.nn.functional import mse_loss

Loss = Callable[[Tensor, Tensor], Tensor]


def mean_squared_error(prediction: Tensor, labels: Tensor) -> Tensor:
    """Eq. 14: squared error of the amplitude plus that of the phase, each averaged over batch and pixels."""
    return 2 * mse_loss(prediction, labels)


LOSSES: dict[str, Loss] = {"mse": mean_squared_error}
