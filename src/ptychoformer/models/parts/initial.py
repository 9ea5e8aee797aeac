"""Initial weights other than torch's own."""

from torch import nn


def glorot(network: nn.Module) -> nn.Module:
    """The network with Glorot-uniform weights and zero biases in every convolution (Glorot & Bengio, AISTATS 2010)."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
    return network
