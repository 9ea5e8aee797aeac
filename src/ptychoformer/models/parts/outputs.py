"""The physical range of an output, and the sizes a network can work on."""

import math

import torch
from torch import Tensor

from ptychoformer.errors import InputError


def constrain(raw: Tensor) -> Tensor:
    """Constrain outputs by Eq. 13 with A_max = 1: sigmoid amplitude and pi * tanh phase, (batch, 2,
    h, w).
    """
    amplitude, phase = raw.chunk(2, dim=1)
    return torch.cat([torch.sigmoid(amplitude), math.pi * torch.tanh(phase)], dim=1)


def require_multiple(window: tuple[int, int], factor: int, network: str) -> None:
    """Check that a network that halves its resolution several times can work on ``window``.

    Raises:
        InputError: a side of the window is not a multiple of ``factor``.
    """
    if any(side < factor or side % factor for side in window):
        raise InputError(
            f"{network} needs patterns whose sides are multiples of {factor} pixels, found {window[0]} x {window[1]}."
        )
