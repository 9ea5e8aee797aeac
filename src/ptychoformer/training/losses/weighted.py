"""The paper's weighted loss (Sec. V-B)."""

from typing import Annotated

from torch import Tensor

from ptychoformer.training.forward import Forward
from ptychoformer.training.losses import Loss
from ptychoformer.training.losses.mse import mean_squared_error
from ptychoformer.training.losses.nssim import negative_similarity


def build(_forward: Forward, *, alpha: Annotated[float, {"minimum": 0, "maximum": 1}]) -> Loss:
    """Make the loss alpha MSE + (1 - alpha) NSSIM, both of images."""

    def loss(*images: Tensor) -> Tensor:
        return alpha * mean_squared_error(*images) + (1 - alpha) * negative_similarity(*images)

    return loss
