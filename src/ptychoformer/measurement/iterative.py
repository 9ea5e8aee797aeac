"""Iterative reconstruction: the object, and if need be the probe and the positions, from all
patterns of a scan together.

The ptychographic iterative engines ePIE (Maiden & Rodenburg, Ultramicroscopy 109, 1256, 2009) and
rPIE (Maiden, Johnson & Li, Optica 4, 736, 2017). With psi_j = P O_j the exit wave, and psi'_j the
same with the recorded modulus of its spectrum,

    O_j <- O_j + conj(P) (psi'_j - psi_j) / ((1 - a) |P|^2 + a max |P|^2)

and the probe likewise with the roles exchanged; a = 1 is ePIE. The patterns of a batch lie in
windows that share no pixel, so that their updates of the object are exactly those of one pattern
after the other. The probe, which all windows share, takes the least-squares step of the whole
batch: numerators and denominators are summed over it.

The denser a scan, the more often an iteration updates the probe, each time with the noise of a few
patterns. After `WHOLE_UPDATES` iterations, in which the probe is found, a part of each update is
made, so that those of an iteration add up to no more than `PROBE_UPDATES`. Otherwise the probe
takes up noise and hands it to the object, until dim dense scans diverge.

After every iteration the object moves on by a part of what it moved in the last ones (the momentum
of mPIE, also in the second paper): slow modes, such as those of a scan's corners, which ePIE alone
takes hundreds of iterations for, are gone after some dozens. Noise makes these engines wander about
the solution for ever; the result is the mean of object and probe over the last iterations.

Light that is not fully coherent is a sum of waves, the modes of the probe, whose intensities add up
on the detector (Thibault & Menzel, Nature 494, 68, 2013). Each has an exit wave of its own, all are
scaled alike to meet the recorded modulus, and all move the object:

    O_j <- O_j + sum_m conj(P_m) (psi'_jm - psi_jm) / ((1 - a) sum_m |P_m|^2 + a max sum_m |P_m|^2)

and each mode by its own exit waves, as the probe is above.

The first iterations may look at a disc of low spatial frequencies that grows to the whole detector:
the coarse object is right before the fine one begins. With all frequencies from the start, fine
structure that begins with another sign in one part of the object than in the next may stay so for
ever, at a misfit that hardly tells.

Where positions are no whole pixels the probe is shifted by the rest, in Fourier space.
"""

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.fft import fft2, fftfreq, ifft2

from ptychoformer.errors import InputError, TrainingError
from ptychoformer.measurement.batches import disjoint_batches
from ptychoformer.measurement.modes import orthogonal
from ptychoformer.measurement.options import ReconstructionOptions
from ptychoformer.measurement.windows import whole_pixels
from ptychoformer.randomness import generator

TINY = 1e-12
MARGIN = 8  # pixels around the object into which refined positions may move
LARGEST_MOVE = 0.5  # pixels in one iteration
WHOLE_UPDATES = 10  # first iterations that update the probe as the papers do
PROBE_UPDATES = 16  # in a later one, at most, in whole ones
COARSEST = 1 / 6  # of the spatial frequencies up to the detector's corner, in the first of coarse iterations
HISTORY = ("iteration", "r_factor", "seconds")  # of an iteration
_TENSORS = ("object", "probe", "velocity", "object_sum", "probe_sum")


class Batch(NamedTuple):
    """Some patterns and what the model has for them.

    Args:
        index: (b,) numbers of the patterns.
        pixels: (b, h, w) of the windows, into the flattened object.
        objects: (b, h, w) complex64.
        probes: (modes, 1, h, w) or (modes, b, h, w) complex64.
        ramp: (b, h, w), whose product shifts the spectrum of the probe; None if no position needs
            it.
    """

    index: np.ndarray
    pixels: Tensor
    objects: Tensor
    probes: Tensor
    ramp: Tensor | None


@dataclass
class Reconstruction:
    """An object in the making.

    Args:
        amplitudes: (n, h, w) float32, square roots of photons, zero frequency at [0, 0].
        good: (h, w) bool, detector pixels that are trusted, zero frequency at [0, 0].
        positions: (n, 2) float64, corners y, x of the windows, pixels of the object; none is
            negative.
        probe: (modes, h, w) complex64, square root of photons; known, or a first guess.
        options: of the engine; iterations are counted from 1.
        seed: of the order of patterns.

    Raises:
        InputError: the probe does not fit the patterns, or there is no light.
    """

    amplitudes: Tensor
    good: Tensor
    positions: np.ndarray
    probe: Tensor
    options: ReconstructionOptions
    seed: int = 0
    iteration: int = 0
    history: list[dict[str, float]] = field(default_factory=list)

    def __post_init__(self):
        if tuple(self.probe.shape[1:]) != self.window:
            raise InputError(
                f"A probe of {tuple(self.probe.shape[1:])} pixels does not fit patterns of {self.window} pixels."
            )
        if not self.probe.abs().max() > 0:
            raise InputError("The probe is zero everywhere; a reconstruction needs one that lets some light through.")
        device = self.probe.device
        self.recorded, self.positions = self.positions, self.positions.astype(float)  # a copy
        height, width = np.ceil(self.positions.max(axis=0)).astype(int) + self.window + 2 * MARGIN
        self.object = torch.ones(height, width, dtype=torch.complex64, device=device)
        self.velocity, self.object_sum, self.probe_sum = (
            torch.zeros_like(part) for part in (self.object, self.object, self.probe)
        )
        rows, columns = (torch.arange(size, device=device) for size in self.window)
        self._offsets = (rows[:, None] * width + columns).flatten()
        self._frequencies = [2j * math.pi * fftfreq(size, device=device) for size in self.window]
        # By NumPy here and below, since Apple's GPUs have no float64.
        recorded = self.amplitudes.cpu().numpy().sum(axis=0, dtype=np.float64)
        self._recorded_amplitude = float(recorded[self.good.cpu().numpy()].sum())
        if not self._recorded_amplitude > 0:
            raise InputError("The patterns hold no photons; there is nothing to reconstruct from.")

    @property
    def window(self) -> tuple[int, int]:
        """(h, w) of patterns and probe."""
        return tuple(self.amplitudes.shape[1:])

    @property
    def weight(self) -> float:
        """The constant a of rPIE; 1 for ePIE."""
        return 1.0 if self.options.engine == "epie" else self.options.regularisation

    @torch.no_grad()
    def run_iteration(self) -> None:
        """Use every pattern once, in random order.

        Raises:
            TrainingError: the reconstruction diverged.
        """
        began, before = time.perf_counter(), self.object.clone()
        self.iteration += 1
        disc, parts = self._disc(), self._divided()
        probe_step = min(1.0, PROBE_UPDATES / len(parts)) if self.iteration > WHOLE_UPDATES else 1.0
        misfits = sum(self._update(batch, disc, probe_step) for batch in self._batches(parts))
        misfit = misfits.item() / self._recorded_amplitude
        if not math.isfinite(misfit):
            raise self._diverged()
        self.velocity = self.options.momentum * self.velocity + self.object - before
        self.object = self.object + self.options.momentum * self.velocity
        if self._is_on(self.options.average_from):
            self.object_sum += self.object
            self.probe_sum += self.probe
        if self._is_on(self.options.positions_from):
            self._settle_positions()
        row = (self.iteration, misfit, time.perf_counter() - began)
        self.history.append(dict(zip(HISTORY, row, strict=True)))

    def _diverged(self) -> TrainingError:
        return TrainingError(
            f"The reconstruction diverged in iteration {self.iteration}; try less momentum or more regularisation."
        )

    def _is_on(self, first: int | None) -> bool:
        return first is not None and self.iteration >= first

    def _settle_positions(self) -> None:
        """Undo a common shift of all windows, which is a shift of the object, and keep every window
        within the margin.
        """
        moved = self.positions - (self.positions - self.recorded).mean(axis=0)
        self.positions = np.clip(moved, -MARGIN, np.array(self.object.shape) - self.window - MARGIN)

    def _disc(self) -> Tensor | None:
        """Choose the detector pixels (h, w), bool, that change the object in this iteration; None
        for all.
        """
        coarse = self.options.coarse_iterations
        if self.iteration > coarse:
            return None
        share = COARSEST + (1 - COARSEST) * (self.iteration - 1) / coarse
        y, x = (fftfreq(size, device=self.probe.device) for size in self.window)
        return torch.hypot(y[:, None], x) <= share * math.hypot(0.5, 0.5)

    def _divided(self) -> list[np.ndarray]:
        """Divide the numbers of all patterns into those of batches, each iteration in its way."""
        order = generator(self.seed, "reconstruction", self.iteration)
        return disjoint_batches(whole_pixels(self.positions), self.window, order, modes=len(self.probe))

    def _batches(self, parts: list[np.ndarray]) -> Iterator[Batch]:
        """Yield the batches of these numbers, each as object and probe are by then."""
        corners = whole_pixels(self.positions)
        for index in parts:
            starts = torch.from_numpy((corners[index] + MARGIN) @ (self.object.shape[1], 1)).to(self.probe.device)
            pixels = (starts[:, None] + self._offsets).unflatten(1, self.window)
            ramp = self._ramp(self.positions[index] - corners[index])
            probes = self.probe[:, None] if ramp is None else ifft2(fft2(self.probe)[:, None] * ramp)
            yield Batch(index, pixels, self.object.view(-1)[pixels], probes, ramp)

    def _ramp(self, shift: np.ndarray) -> Tensor | None:
        if not shift.any():
            return None
        y, x = torch.from_numpy(shift.astype(np.float32)).to(self.probe.device).unbind(1)
        along_y, along_x = (
            torch.exp(-part[:, None] * frequency) for part, frequency in zip((y, x), self._frequencies, strict=True)
        )
        return along_y[:, :, None] * along_x[:, None, :]

    def _update(self, batch: Batch, disc: Tensor | None, probe_step: float) -> Tensor:
        """Use the patterns of a batch, within a ``disc`` of the detector if there is one, making a
        part ``probe_step`` of the probe's update; returns the sum of their earlier errors in
        amplitude, on all of the detector.
        """
        spectrum, modulus, excess = self._compare(batch)
        factor = excess / modulus.clamp_min_(TINY)
        change = ifft2(spectrum.mul_(factor if disc is None else factor.mul_(disc)), norm="ortho")
        if self._is_on(self.options.positions_from):
            self.positions[batch.index] += _moves(batch, change)
        intensity = batch.probes.abs().square().sum(dim=0)
        brightest = intensity.amax(dim=(-2, -1), keepdim=True)
        step = batch.probes.conj() / ((1 - self.weight) * intensity + self.weight * brightest)
        self.object.view(-1)[batch.pixels] = batch.objects + (step * change).sum(dim=0)
        if self._is_on(self.options.probe_from):
            self._update_probe(batch, change, probe_step)
        return excess.abs_().sum()

    def _compare(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Compute the spectra of the exit waves (modes, b, h, w), the modulus of all of them
        together and by how much the recorded one exceeds it, both (b, h, w).
        """
        spectrum = fft2(batch.probes * batch.objects, norm="ortho")
        modulus = spectrum[0].abs() if len(spectrum) == 1 else spectrum.abs().square().sum(dim=0).sqrt()
        recorded = self.amplitudes[torch.from_numpy(batch.index).to(modulus.device)]
        return spectrum, modulus, (recorded - modulus).mul_(self.good)

    def _update_probe(self, batch: Batch, change: Tensor, step: float) -> None:
        numerator = batch.objects.conj() * change
        if batch.ramp is not None:
            numerator = ifft2(fft2(numerator) * batch.ramp.conj())
        intensity = batch.objects.abs().square().sum(dim=0)
        denominator = (1 - self.weight) * intensity + self.weight * intensity.max()
        self.probe = self.probe + step * numerator.sum(dim=1) / denominator

    @torch.no_grad()
    def finish(self) -> float:
        """Put the means over the last iterations in place of object and probe, whose modes are made
        orthogonal; returns their R factor, the sum of errors in amplitude over the sum of recorded
        amplitudes.

        Raises:
            TrainingError: the last update was too large.
        """
        if self._is_on(self.options.average_from):
            averaged = self.iteration - self.options.average_from + 1
            self.object, self.probe = self.object_sum / averaged, self.probe_sum / averaged
        if not torch.isfinite(self.probe.abs()).all():
            raise self._diverged()
        self.probe = torch.from_numpy(orthogonal(self.probe.cpu().numpy())).to(self.probe.device)
        misfits = sum(self._compare(batch)[2].abs_().sum() for batch in self._batches(self._divided()))
        return misfits.item() / self._recorded_amplitude

    @torch.no_grad()
    def light(self) -> np.ndarray:
        """Sum up the photons, (H, W) float64, as the detector counts them, that fell on each pixel
        of the object in the whole scan.
        """
        total = torch.zeros(self.object.numel(), device=self.probe.device)
        intensity = self.probe.abs().square().sum(dim=0)
        for batch in self._batches(self._divided()):
            total[batch.pixels] += intensity
        return _without_margin(total.view(self.object.shape)).cpu().numpy().astype(np.float64)

    def finished_object(self) -> np.ndarray:
        """Return the object (H, W) complex64, on which a window at position (0, 0) has its corner
        at [0, 0].
        """
        return _without_margin(self.object).cpu().numpy()

    def state(self) -> dict[str, Any]:
        """Return everything that the next iteration depends on."""
        plain = {"iteration": self.iteration, "history": self.history, "positions": torch.from_numpy(self.positions)}
        return plain | {name: getattr(self, name) for name in _TENSORS}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what ``state`` returned, of a run whose options may differ in
        ``average_from`` alone, as if they had not.
        """
        self.iteration, self.history, self.positions = state["iteration"], state["history"], state["positions"].numpy()
        for name in _TENSORS:
            setattr(self, name, state[name].to(self.probe.device))
        if not self._is_on(self.options.average_from):  # the other run may have begun to average
            self.object_sum, self.probe_sum = torch.zeros_like(self.object), torch.zeros_like(self.probe)


def _moves(batch: Batch, change: Tensor) -> np.ndarray:
    """Find the shifts (b, 2) of the windows, pixels, that explain most of the ``change`` of their
    exit waves, to first order.
    """
    slopes = [batch.probes * (batch.objects.roll(-1, axis) - batch.objects.roll(1, axis)) / 2 for axis in (1, 2)]
    (yy, yx), (_, xx) = ([_inner(slope, other) for other in slopes] for slope in slopes)
    y, x = (_inner(slope, change) for slope in slopes)
    # By a power of two, so that products of dim or bright light neither vanish nor overflow.
    exponent = -torch.frexp(yy + xx).exponent
    yy, yx, xx, y, x = (torch.ldexp(part, exponent) for part in (yy, yx, xx, y, x))
    moves = torch.stack([xx * y - yx * x, yy * x - yx * y], dim=1) / (yy * xx - yx * yx).clamp_min(TINY)[:, None]
    return moves.clamp(-LARGEST_MOVE, LARGEST_MOVE).cpu().numpy().astype(np.float64)


def _inner(first: Tensor, second: Tensor) -> Tensor:
    return (first.conj() * second).real.sum(dim=(0, 2, 3))


def _without_margin(image: Tensor) -> Tensor:
    return image[MARGIN:-MARGIN, MARGIN:-MARGIN]
