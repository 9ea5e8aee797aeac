"""Absolute error."""

from torch import Tensor
from torch.nn.functional import l1_loss

from ptychoformer.training.forward import Forward
from ptychoformer.training.losses import Loss


def build(_forward: Forward) -> Loss:
    """Make Eq. 14's loss with |x| in place of x^2."""

    def loss(prediction: Tensor, labels: Tensor, _patterns: Tensor) -> Tensor:
        return 2 * l1_loss(prediction, labels)

    return loss
