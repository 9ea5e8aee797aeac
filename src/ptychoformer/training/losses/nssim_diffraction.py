"""Negative structural similarity of diffraction patterns, the form that the text of Sec. V-B
writes.
"""

from torch import Tensor

from ptychoformer.training.forward import Forward
from ptychoformer.training.losses import Loss
from ptychoformer.training.losses.parts.similarity import ssim


def build(forward: Forward) -> Loss:
    """Make the loss -SSIM(I, |F{P O}|^2), which brings the prediction to the detector and compares
    it with the pattern; -1 at best.

    The text writes the probe twice, F{P psi} with psi = P O already; Eq. 1 has it once, and so has
    this. Both patterns are taken as log(1 + photons) over the training patterns' peak, since on
    plain intensities the centre would be all that counts.
    """

    def loss(prediction: Tensor, _labels: Tensor, patterns: Tensor) -> Tensor:
        return -ssim(forward.log_intensity(prediction) / forward.peak, patterns / forward.peak)

    return loss
