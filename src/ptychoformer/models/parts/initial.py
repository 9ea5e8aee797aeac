"""Initial weights of a network, the same choice for all of them."""

from torch import nn

_LAYERS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)


def glorot(network: nn.Module) -> None:
    """Give convolutions, transposed ones and linear layers Glorot-uniform weights and zero biases,
    as Keras does by default.

    Norms and embeddings of positions keep what they have. A layer that computes several things at
    once, such as queries, keys and values, counts as one. (Glorot & Bengio, AISTATS 2010.)
    """
    for layer in network.modules():
        if isinstance(layer, _LAYERS):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def torchs_own(network: nn.Module) -> None:
    """Leave every layer what torch gave it."""


INITIALISATIONS = {"torch": torchs_own, "glorot": glorot}
