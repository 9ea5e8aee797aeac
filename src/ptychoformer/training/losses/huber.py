"""Huber's loss (Sec. V-B)."""

from typing import Annotated

from torch import Tensor
from torch.nn.functional import huber_loss

from ptychoformer.training.forward import Forward
from ptychoformer.training.losses import Loss


def build(_forward: Forward, *, delta: Annotated[float, {"exclusiveMinimum": 0, "maximum": 100}] = 1) -> Loss:
    """Take x^2 / 2 up to ``delta`` and delta (|x| - delta / 2) beyond, not Eq. 14's x^2."""

    def loss(prediction: Tensor, labels: Tensor, _patterns: Tensor) -> Tensor:
        return 2 * huber_loss(prediction, labels, delta=delta)

    return loss
