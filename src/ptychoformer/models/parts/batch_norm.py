"""How batch norms keep the averages that they predict with, the same choice for all networks.

In training a batch norm takes mean and variance from its batch; in prediction it takes running
averages of them, which start at 0 and 1. How fast these forget their start decides what a network
predicts after few steps, though it changes no weight of them.
"""

from torch import nn

_LAYERS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


def keras(network: nn.Module) -> None:
    """Give batch norms the defaults of Keras: averages that keep 0.99 of themselves at a step, for
    torch a momentum of 0.01 (its own default is 0.1), and 1e-3 beside the variance (torch: 1e-5).

    Averaged is the variance with n - 1 in place of n values, as in torch and, of images, in Keras
    2, the one of the baselines' releases; Keras 3 averages that with n, which is less by 1/n, n
    being patterns of the batch times pixels.
    """
    for layer in network.modules():
        if isinstance(layer, _LAYERS):
            layer.momentum, layer.eps = 0.01, 1e-3


def networks_own(network: nn.Module) -> None:
    """Leave batch norms as the network has them, of those of the package with torch's defaults."""


BATCH_NORMS = {"torch": networks_own, "keras": keras}
