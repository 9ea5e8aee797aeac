"""Losses between a prediction and its labels.

Every module here is one loss, known to the config by the module's name. It holds ``build(forward,
**options)``, which returns a function of the prediction and the labels, (batch, 2, h, w), and of
the patterns, (batch, 1, h, w) log(1 + photons). Annotations of the options say what the config
allows (`plugins`). Such a module may also lie outside the package (`outside`);
`training.contract` tries a loss before anything is trained with it.

As Eq. 14 adds the error of the amplitude and that of the phase, every loss of images is a sum over
the two channels of a mean over batch and pixels. Losses of patterns have one channel.
"""

from collections.abc import Callable
from importlib import import_module

from torch import Tensor, nn

from ptychoformer import outside
from ptychoformer.errors import InputError, PtychoformerError
from ptychoformer.plugins import loss_source
from ptychoformer.training.entries import LossEntry
from ptychoformer.training.forward import Forward
from ptychoformer.training.trial import drawing_from_torch

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


def make_loss(entry: LossEntry, forward: Forward) -> Loss:
    """Make the loss of a catalogue entry, on the device of the forward model.

    Args:
        forward: from a prediction to its pattern, for losses at the detector.

    Raises:
        InputError: of one outside the package, there is none, or it cannot be imported or built.
        TrainingError: its ``build`` draws other random numbers than torch's.
    """
    kind = entry.kind
    module = outside.load(kind) if outside.is_outside(kind) else import_module(f"{__name__}.{kind}")
    try:
        with outside.noting(kind), drawing_from_torch(f"The loss '{kind}'"):
            loss = module.build(forward, **entry.options)
    except (PtychoformerError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        raise InputError(f"The loss '{kind}' cannot be built: {outside.told(error, loss_source(kind))}.") from error
    return loss.to(forward.probe.device) if isinstance(loss, nn.Module) else loss
