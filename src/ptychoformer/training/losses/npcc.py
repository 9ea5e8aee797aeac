"""Negative Pearson correlation coefficient."""

from torch import Tensor

from ptychoformer.training.forward import Forward
from ptychoformer.training.losses import Loss

# A patch of one value has no correlation; with this under the root it counts as none. (A label of
# one value has no gradient either; a prediction of one value has a large one, along the label.)
LEAST_NORM = 1e-12


def build(_forward: Forward) -> Loss:
    """Make the loss: minus the correlation of each patch with its label, mean over the batch,
    summed over the channels; -2 at best. It is blind to a patch's mean and contrast.
    """

    def loss(prediction: Tensor, labels: Tensor, _patterns: Tensor) -> Tensor:
        x = prediction - prediction.mean(dim=(-2, -1), keepdim=True)
        y = labels - labels.mean(dim=(-2, -1), keepdim=True)
        norms = (x.square().sum(dim=(-2, -1)) * y.square().sum(dim=(-2, -1))).clamp_min(LEAST_NORM).sqrt()
        return -2 * ((x * y).sum(dim=(-2, -1)) / norms).mean()

    return loss
