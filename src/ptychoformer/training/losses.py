"""Losses between a prediction and its labels, by the kinds that the config uses.

All but one compare images on the labels' scale. As Eq. 14 adds the error of the amplitude and that of the phase, every loss is a sum over
the two channels of a mean over batch and pixels, so that their weights against each other mean what the paper's do.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import conv2d, huber_loss, l1_loss, mse_loss

from ptychoformer.errors import InputError
from ptychoformer.training.normalisation import Normalisation

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
CHANNELS = 2
# Wang et al., IEEE Trans. Image Process. 13, 600 (2004), as `evaluation.metrics`: an 11 x 11 Gaussian window, constants for a peak of 1.
SSIM_SIGMA, SSIM_RADIUS = 1.5, 5
SSIM_C1, SSIM_C2 = 0.01**2, 0.03**2


@dataclass(frozen=True)
class Forward:
    """What brings a prediction back to its diffraction pattern.

    Args:
        probe: (h, w) complex, square root of photons.
        efficiency: of the detector.
        normalisation: of the labels.
        peak: the greatest log(1 + photons) of the training patterns.
    """

    probe: Tensor
    efficiency: float
    normalisation: Normalisation
    peak: float

    def log_intensity(self, prediction: Tensor) -> Tensor:
        """log(1 + eta |F{P O}|^2) of predicted amplitude and phase (batch, 2, h, w), (batch, 1, h, w), zero frequency at the centre."""
        scales = self.normalisation
        amplitude = scales.amplitude_min + (scales.amplitude_max - scales.amplitude_min) * prediction[:, :1]
        phase = scales.phase_min + (scales.phase_max - scales.phase_min) * prediction[:, 1:]
        exit_wave = self.probe * torch.polar(amplitude, phase)
        spectrum = torch.fft.fftshift(torch.fft.fft2(exit_wave, norm="ortho"), dim=(-2, -1))
        return torch.log1p(self.efficiency * (spectrum.real.square() + spectrum.imag.square()))


def mean_squared_error(prediction: Tensor, labels: Tensor, _inputs: Tensor) -> Tensor:
    """Eq. 14."""
    return CHANNELS * mse_loss(prediction, labels)


def mean_absolute_error(prediction: Tensor, labels: Tensor, _inputs: Tensor) -> Tensor:
    """|x| in place of Eq. 14's x^2."""
    return CHANNELS * l1_loss(prediction, labels)


def huber(prediction: Tensor, labels: Tensor, _inputs: Tensor, *, delta: float) -> Tensor:
    """x^2 / 2 up to ``delta``, linear beyond (Sec. V-B)."""
    return CHANNELS * huber_loss(prediction, labels, delta=delta)


def npcc(prediction: Tensor, labels: Tensor, _inputs: Tensor) -> Tensor:
    """Negative Pearson correlation of each patch with its label, mean over the batch; -2 at best.

    It says nothing of a patch's mean and contrast. A patch of one value has no correlation, and none is counted.
    """
    x = prediction - prediction.mean(dim=(-2, -1), keepdim=True)
    y = labels - labels.mean(dim=(-2, -1), keepdim=True)
    norms = (x.square().sum(dim=(-2, -1)) * y.square().sum(dim=(-2, -1))).clamp_min(1e-12).sqrt()
    return -CHANNELS * ((x * y).sum(dim=(-2, -1)) / norms).mean()


def nssim(prediction: Tensor, labels: Tensor, _inputs: Tensor) -> Tensor:
    """Negative SSIM of the images, mean over pixels and batch; -2 at best."""
    return -CHANNELS * ssim(prediction, labels)


def nssim_diffraction(prediction: Tensor, _labels: Tensor, inputs: Tensor, *, forward: Forward) -> Tensor:
    """-SSIM(I, |F{P O}|^2), the form that the text of Sec. V-B writes: the prediction, brought to the detector, against the pattern.

    The text writes the probe twice, F{P psi} with psi = P O already; Eq. 1 has it once, and so has this. Both patterns are taken as
    log(1 + photons) over the training patterns' peak, since on plain intensities the centre would be all that counts.
    """
    return -ssim(forward.log_intensity(prediction) / forward.peak, inputs / forward.peak)


def weighted(prediction: Tensor, labels: Tensor, inputs: Tensor, *, alpha: float) -> Tensor:
    """alpha MSE + (1 - alpha) NSSIM (Sec. V-B)."""
    return alpha * mean_squared_error(prediction, labels, inputs) + (1 - alpha) * nssim(prediction, labels, inputs)


def ssim(first: Tensor, second: Tensor) -> Tensor:
    """Mean structural similarity of images (batch, channels, h, w) with a peak of 1, as `evaluation.metrics.ssim_map` computes it."""
    both = torch.stack([first, second, first * first, second * second, first * second])
    mean_1, mean_2, square_1, square_2, product = _window_mean(both.flatten(0, 2)).unflatten(0, both.shape[:3])
    luminance = (2 * mean_1 * mean_2 + SSIM_C1) / (mean_1**2 + mean_2**2 + SSIM_C1)
    structure = (2 * (product - mean_1 * mean_2) + SSIM_C2) / (square_1 - mean_1**2 + square_2 - mean_2**2 + SSIM_C2)
    return (luminance * structure).mean()


def _window_mean(images: Tensor) -> Tensor:
    """Gaussian mean around each pixel of (n, h, w) images; borders repeat the outermost pixels in mirror image, as SciPy's ``reflect``."""
    offsets = torch.arange(-SSIM_RADIUS, SSIM_RADIUS + 1, dtype=images.dtype, device=images.device)
    weights = torch.exp(-0.5 * (offsets / SSIM_SIGMA) ** 2)
    weights = weights / weights.sum()
    for dim in (-2, -1):
        # torch mirrors about the outermost pixel, SciPy about its edge; two flips make the latter.
        head, tail = images.narrow(dim, 0, SSIM_RADIUS), images.narrow(dim, images.shape[dim] - SSIM_RADIUS, SSIM_RADIUS)
        padded = torch.cat([head.flip(dim), images, tail.flip(dim)], dim=dim)
        images = conv2d(padded[:, None], weights.view(1, 1, -1, 1) if dim == -2 else weights.view(1, 1, 1, -1))[:, 0]
    return images


_KINDS: dict[str, Callable[..., Tensor]] = {
    "mse": mean_squared_error,
    "mae": mean_absolute_error,
    "huber": huber,
    "npcc": npcc,
    "nssim": nssim,
    "nssim_diffraction": nssim_diffraction,
    "weighted": weighted,
}


def make_loss(entry: Mapping[str, Any], forward: Forward) -> Loss:
    """The loss of a catalogue entry: of a prediction and its labels, (batch, 2, h, w), and the inputs, (batch, 1, h, w) log(1 + photons).

    Args:
        entry: ``kind`` and that kind's own options: ``delta`` of huber, ``alpha`` of weighted.
        forward: of the dataset, for losses at the detector.

    Raises:
        InputError: the kind is unknown.
    """
    options = {name: value for name, value in entry.items() if name != "kind"}
    if entry["kind"] not in _KINDS:
        raise InputError(f"The loss '{entry['kind']}' is unknown, allowed are {', '.join(_KINDS)}.")
    if entry["kind"] == "nssim_diffraction":
        options["forward"] = forward
    return partial(_KINDS[entry["kind"]], **options)
