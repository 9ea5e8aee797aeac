"""The probe that a reconstruction begins with, from the scan's own patterns: the square roots of
all of them, (n, h, w), zero frequency at [0, 0].
"""

import math
from contextlib import suppress
from dataclasses import replace

import numpy as np
import torch

from ptychoformer.errors import InputError, TrainingError
from ptychoformer.measurement.iterative import TINY, Reconstruction
from ptychoformer.measurement.options import ReconstructionOptions

BLOCK = 1024  # patterns looked at together
# What finds out how far out of focus a probe is: so many patterns, of which no more than so many
# pixels along a side, and so many iterations.
PATTERNS, SIDE, ITERATIONS = 200, 64, 5
# Of the window, beams that are tried. One that is a quarter wider or narrower than the true one
# leads there, which one in focus does not.
DIAMETERS = 0.1 * 1.35 ** np.arange(8)
BETTER = 0.95  # R factor of a probe out of focus, as a part of that of one in focus, to be taken


def first_probe(
    amplitudes: torch.Tensor,
    good: torch.Tensor,
    positions: np.ndarray,
    options: ReconstructionOptions,
    device: torch.device,
) -> np.ndarray:
    """Guess a probe (h, w) complex64 that nobody measured: in focus, or out of focus by as much as
    explains patterns clearly better, after a few iterations with some of them.

    Args:
        good: (h, w) bool, detector pixels that are trusted, zero frequency at [0, 0].
        positions: (n, 2) corners of the windows, pixels of the object.
    """
    probe, near = in_focus(amplitudes), _nearest(positions)
    few = _low_frequencies(amplitudes[torch.from_numpy(near)])
    part = few.shape[1] / amplitudes.shape[1]
    scan = few, _low_frequencies(good[None])[0], (positions[near] - positions[near].min(axis=0)) * part
    settings = replace(options, iterations=ITERATIONS, averaged=1, positions_from=None, probe_modes=1)
    curvatures = _curvatures(probe)
    misfits = [_misfit(*scan, curvature * part**2, settings, device) for curvature in curvatures]
    best = int(np.argmin(misfits))
    return out_of_focus(probe, curvatures[best]) if misfits[best] < BETTER * misfits[0] else probe


def in_focus(amplitudes: torch.Tensor) -> np.ndarray:
    """Make a probe (h, w) complex64 that is flat in phase on the detector, with the amplitude of
    the mean of all patterns, each divided by its photons, so that no bright one alone decides its
    shape.
    """
    total, mean = _photons(amplitudes), torch.zeros(amplitudes.shape[1:], dtype=torch.float64)
    for part, photons in zip(amplitudes.split(BLOCK), total.split(BLOCK), strict=True):
        mean += (part.square() / photons.clamp_min(TINY)[:, None, None]).sum(dim=0)
    return np.fft.fftshift(np.fft.ifft2((mean / len(total) * total.median()).sqrt().numpy(), norm="ortho")).astype(
        np.complex64
    )


def out_of_focus(probe: np.ndarray, curvature: float) -> np.ndarray:
    """Give the ``probe`` (h, w) a phase of ``curvature`` / 2 times the square of the frequency, in
    parts of the detector's side, as a lens or a distance does.
    """
    return np.fft.ifft2(np.fft.fft2(probe) * np.exp(0.5j * curvature * _squared(probe.shape))).astype(np.complex64)


def _squared(shape: tuple[int, ...]) -> np.ndarray:
    """Square the frequencies (h, w), each in parts of its detector's side from -1/2 to 1/2."""
    y, x = (np.fft.fftfreq(side) for side in shape)
    return y[:, None] ** 2 + x**2


def _curvatures(probe: np.ndarray) -> np.ndarray:
    """List the curvatures to be tried, none first: of either sign, those that by geometry widen the
    beam to `DIAMETERS` of the window.
    """
    intensity, squared = np.abs(np.fft.fft2(probe)) ** 2, _squared(probe.shape)
    edge = np.sqrt(2 * np.sum(intensity * squared) / np.sum(intensity))  # of an even disc
    sizes = np.pi * DIAMETERS * len(probe) / max(edge, TINY)
    return np.concatenate([[0.0], sizes, -sizes])


def _misfit(
    amplitudes: torch.Tensor,
    good: torch.Tensor,
    positions: np.ndarray,
    curvature: float,
    options: ReconstructionOptions,
    device: torch.device,
) -> float:
    """Compute the R factor before the last iteration of a reconstruction that begins with a probe
    out of focus; infinity if it diverges, or if no pixel with light is trusted.
    """
    probe = as_bright_as(out_of_focus(in_focus(amplitudes), curvature), amplitudes)
    tensors = amplitudes.to(device), good.to(device), positions, torch.from_numpy(probe)[None].to(device)
    with suppress(InputError, TrainingError):
        run = Reconstruction(*tensors, options)
        for _ in range(options.iterations):
            run.run_iteration()
        return run.history[-1]["r_factor"]
    return math.inf


def _nearest(positions: np.ndarray) -> np.ndarray:
    """Find the numbers of the `PATTERNS` nearest to the middle of a scan (n, 2), in their order."""
    distances = np.hypot(*(positions - np.median(positions, axis=0)).T)
    return np.sort(np.argsort(distances, kind="stable")[:PATTERNS])


def _low_frequencies(patterns: torch.Tensor) -> torch.Tensor:
    """Keep the `SIDE` x `SIDE` lowest frequencies, or all, of patterns (m, h, w) with the zero
    frequency at [0, 0], where it stays.
    """
    for axis in (1, 2):
        length = patterns.shape[axis]
        kept = torch.arange(min(SIDE, length)) - min(SIDE, length) // 2
        patterns = patterns.index_select(axis, torch.fft.ifftshift(kept) % length)
    return patterns


def as_bright_as(probe: np.ndarray, amplitudes: torch.Tensor) -> np.ndarray:
    """Scale the probe to as many photons as the brightest pattern has: no object amplifies."""
    return probe * np.float32(np.sqrt(brightest(amplitudes) / max(np.sum(np.abs(probe) ** 2), 1e-30)))


def brightest(amplitudes: torch.Tensor, pixels: torch.Tensor | None = None) -> float:
    """Count the photons of the brightest pattern, or those on its ``pixels`` (h, w); the brightest
    tenth does not count, of which one may be bright by a fault.
    """
    return float(np.quantile(_photons(amplitudes, pixels).numpy(), 0.9, method="lower"))


def _photons(amplitudes: torch.Tensor, pixels: torch.Tensor | None = None) -> torch.Tensor:
    """Count the photons of each pattern, (n,), or those on its ``pixels`` (h, w), bool."""
    parts = (part.square() for part in amplitudes.split(BLOCK))
    return torch.cat([(part if pixels is None else part * pixels).sum(dim=(1, 2)) for part in parts])
