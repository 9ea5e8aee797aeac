"""In how many digits a network computes, by the name of a ``precision`` of `training.options`.

Weights, Adam's state and losses are float32 in every case.

- ``float32``: everything, on a GPU without the shortened products (TF32) that its libraries offer.
- ``mixed``: on a GPU, queries, keys and values of attention in bfloat16 and products of
  convolutions and linear layers in TF32; on a CPU the same as ``float32``.
- ``bfloat16``: torch's automatic mixed precision.
"""

import torch
from torch import nn


def set_precision(network: nn.Module, precision: str, device: torch.device) -> None:
    """Have a network, and this process's products on a GPU, compute as ``precision`` says;
    `autocast` does the rest.
    """
    if device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision != "float32"
        for layer in network.modules():
            if hasattr(layer, "in_bfloat16"):
                layer.in_bfloat16 = precision == "mixed"


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """Make the context in which a network predicts."""
    # Without a cache of rounded weights, which would outlive the step that a graph captures.
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bfloat16", cache_enabled=False)
