"""Losses between a prediction and its labels.

Every module here is one loss, known to the config by the module's name. It holds ``build(forward,
**options)``, which returns a function of the prediction and the labels, (batch, 2, h, w), and of
the patterns, (batch, 1, h, w) log(1 + photons). Annotations of the options say what the config
allows (`plugins`).

As Eq. 14 adds the error of the amplitude and that of the phase, every loss of images is a sum over
the two channels of a mean over batch and pixels. Losses of patterns have one channel.
"""

from collections.abc import Callable
from importlib import import_module

from torch import Tensor

from ptychoformer.training.entries import LossEntry
from ptychoformer.training.forward import Forward

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


def make_loss(entry: LossEntry, forward: Forward) -> Loss:
    """Make the loss of a catalogue entry.

    Args:
        forward: from a prediction to its pattern, for losses at the detector.
    """
    return import_module(f"{__name__}.{entry.kind}").build(forward, **entry.options)
