"""Networks that map one pattern to a patch of amplitude and phase.

Every module here is one network, known to the config by the module's name. It holds ``build(window, **options)``, which returns an
``nn.Module`` that maps log(1 + photons), (batch, 1, h, w), to amplitude and phase, (batch, 2, h, w), on the labels' scale. Nothing
else has to change for a new one: its keyword options, with their annotations, are what the config accepts. A constant
``SIDE_MULTIPLE_OF``, if there is one, says which sizes of patterns it can read, so that the config can be checked before any job.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from torch import nn


def build(kind: str, window: tuple[int, int], options: Mapping[str, Any]) -> nn.Module:
    """The network in the module ``kind`` for patterns of ``window`` (h, w) pixels.

    Raises:
        InputError: the network cannot be built for this window.
    """
    return import_module(f"{__name__}.{kind}").build(window, **options)


def parameter_count(model: nn.Module) -> int:
    """How many numbers training adjusts."""
    return sum(parameter.numel() for parameter in model.parameters())
