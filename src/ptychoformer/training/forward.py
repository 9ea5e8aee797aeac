"""From a prediction to the diffraction pattern that it stands for."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ptychoformer.measurement.cxi import Scan
from ptychoformer.training.normalisation import Normalisation


@dataclass(frozen=True)
class Forward:
    """Eq. 2 without noise and jitter, differentiable, as `simulation.diffraction` computes it.

    Args:
        probe: (modes, h, w) complex, square root of photons; intensities of modes add up.
        coherence: mu.
        efficiency: eta, of the detector.
        normalisation: of the labels.
        peak: the greatest log(1 + photons) of the training patterns.
    """

    probe: Tensor
    coherence: float
    efficiency: float
    normalisation: Normalisation
    peak: float

    @classmethod
    def of(cls, scan: Scan, normalisation: Normalisation, patterns: Tensor) -> "Forward":
        """Make the forward model of a dataset, on the device of its training ``patterns``, log(1 +
        photons), (n, 1, h, w).
        """
        probe = torch.from_numpy(scan.probe).to(patterns.device)
        return cls(probe, scan.coherence, scan.efficiency, normalisation, patterns.max().item())

    def log_intensity(self, prediction: Tensor) -> Tensor:
        """Compute log(1 + photons) (batch, 1, h, w), zero frequency at the centre, expected of
        predicted amplitude and phase (batch, 2, h, w).
        """
        amplitude, phase = (
            self.normalisation.restored(channel, prediction[:, place : place + 1])
            for place, channel in enumerate(("amplitude", "phase"))
        )
        objects = torch.polar(amplitude, phase)
        mean = objects.mean(dim=(-2, -1), keepdim=True)
        spectrum = torch.fft.fft2(self.probe * (self.coherence * objects + (1 - self.coherence) * mean), norm="ortho")
        spectrum = torch.fft.fftshift(spectrum, dim=(-2, -1))
        intensity = (spectrum.real.square() + spectrum.imag.square()).sum(dim=1, keepdim=True)
        return torch.log1p(self.efficiency * intensity)
