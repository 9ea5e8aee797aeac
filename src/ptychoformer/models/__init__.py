"""Networks that map one pattern to a patch of amplitude and phase.

Every module here is one network, known to the config by the module's name. It holds ``build(window,
**options)``, which returns an ``nn.Module`` that maps a pattern as `training.inputs` prepares it,
(batch, 1, h, w), to amplitude and phase, (batch, 2, h, w), on the labels' scale. Nothing else has
to change for a new one: its keyword options, with their annotations, are what the config accepts.
Two constants may stand beside it: ``SIDE_MULTIPLE_OF`` says which sizes of patterns it can read, so
that the config can be checked before any job, and ``INITIALISATION``, one of ``INITIALISATIONS``,
how it starts where the config does not say; torch's own without it. Such a module may also lie
outside the package (`outside`); `training.contract` tries a network before it is trained.
"""

from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from ptychoformer import outside
from ptychoformer.errors import InputError, PtychoformerError
from ptychoformer.models.parts.batch_norm import BATCH_NORMS
from ptychoformer.models.parts.initial import INITIALISATIONS
from ptychoformer.plugins import network_source


def module_of(kind: str) -> ModuleType:
    """Import the module of a network.

    Raises:
        InputError: of one outside the package, there is none or it cannot be imported.
    """
    return outside.load(kind) if outside.is_outside(kind) else import_module(f"{__name__}.{kind}")


def build(
    kind: str,
    window: tuple[int, int],
    options: Mapping[str, Any],
    initialisation: str | None = None,
    batch_norm: str = "torch",
) -> nn.Module:
    """Build the network of a kind for patterns of ``window`` (h, w) pixels.

    Args:
        options: of the network.
        initialisation: one of ``INITIALISATIONS``; None is the network's own.
        batch_norm: one of ``BATCH_NORMS``.

    Raises:
        InputError: the network cannot be built for this window, or not at all.
    """
    module = module_of(kind)
    try:
        with outside.noting(kind):
            network = module.build(window, **options)
        if not isinstance(network, nn.Module):
            raise InputError(
                f"'build' of the network '{kind}' returns {type(network).__name__}; expected is a torch.nn.Module."
            )
        INITIALISATIONS[initialisation or own_initialisation(kind)](network)
        BATCH_NORMS[batch_norm](network)
    except (PtychoformerError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        raise InputError(
            f"The network '{kind}' cannot be built: {outside.told(error, network_source(kind))}."
        ) from error
    _make_contiguous(network)
    return network


def _make_contiguous(network: nn.Module) -> None:
    """Give parameters and buffers that are views of larger or smaller tensors, such as the real
    part of a complex one, memory of their own: Adam's kernel walks through it from end to end.
    """
    for part in (*network.parameters(), *network.buffers()):
        if not is_lazy(part) and part.layout == torch.strided and not part.is_contiguous():
            part.data = part.data.contiguous()


def moved(network: nn.Module, device: torch.device) -> nn.Module:
    """Move a network to a device, with the channels of convolutions last, as their kernels are
    faster.
    """
    network = network.to(device)
    for part in (*network.parameters(), *network.buffers()):
        if part.dim() == 4:
            # Of kernels of one pixel, `contiguous` would leave the strides as they are, by which
            # convolutions choose how they compute.
            part.data = part.data.to(memory_format=torch.channels_last)
    return network


def own_initialisation(kind: str) -> str:
    """Say how a network starts where nobody says otherwise.

    Raises:
        InputError: its ``INITIALISATION`` is unknown.
    """
    own = getattr(module_of(kind), "INITIALISATION", "torch")
    if own not in INITIALISATIONS:
        raise InputError(
            f"INITIALISATION of the network '{kind}' is {own!r}; it must be one of {', '.join(INITIALISATIONS)}."
        )
    return own


def parameter_count(model: nn.Module) -> int:
    """Count the numbers that training adjusts, of which a complex one is two."""
    adjusted = (parameter for parameter in model.parameters() if parameter.requires_grad)
    return sum(parameter.numel() * (2 if parameter.is_complex() else 1) for parameter in adjusted)
