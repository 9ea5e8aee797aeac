"""What a scene keeps of the object's detail: power spectra, energy by frequency band, and Fourier
ring correlation with the truth.

All of it is measured on the rectangle that the scene covers, under a Hann window, in the object's
own units (amplitude, radians), frequencies in cycles/pixel.

*Power spectral density and bands* are of amplitude and of phase with the mean kept. The paper says
neither what it did with the mean nor in which units, nor whether its "maximum frequency" is that of
an axis (1/2) or that of the corner (sqrt(1/2)), but its numbers tell: the low, mid and high band of
its true scene hold 99.58, 0.38 and 0.04 %. Our noise-free scene's amplitude, between 0.5 and 1, has
99.50, 0.46 and 0.03 % (99.57, 0.40 and 0.04 % without the window) if its mean is kept and the
limits lie at 1/3 and 2/3 of the corner's frequency. On the labels' 0 to 1 scale the low band falls
to 97.8 %, without the mean to 92.7 %; with limits taken from the axis the high band would hold two
thirds as much as the mid band.

*Fourier ring correlation* is of the mean-free images, per channel and of the complex object A exp(i
phi).
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ptychoformer.errors import InputError
from ptychoformer.evaluation import CHANNELS
from ptychoformer.evaluation.columns import BAND_ENERGIES, IDENTITY, SPECTRA
from ptychoformer.evaluation.stitch import Scene, read_scene
from ptychoformer.measurement.cxi import Scan, read_scan
from ptychoformer.tables import write_csv

BANDS = ("low", "mid", "high")
OBJECT = "object"  # the channel of the complex object
MAX_FREQUENCY = np.sqrt(0.5)  # cycles/pixel, in the corner of the spectrum
# Neighbouring Fourier coefficients of a Hann-windowed image are correlated: of a line of them, the
# effective number of independent ones is this fraction, mean(w^2)^2 / mean(w^4). A ring of a
# square image is a line that is one coefficient wide.
HANN_INDEPENDENT = 18 / 35
SMALLEST_SIDE = 8


def spectra(
    dataset_files: Mapping[int, str | os.PathLike],
    scenes: Iterable[tuple[str | os.PathLike, Mapping[str, str | int]]],
    *,
    block: str,
    level: str,
    output_spectra_csv: str | os.PathLike,
    output_bands_csv: str | os.PathLike,
) -> None:
    """Write the spectra and the band energies of every run's scene and of the object it should
    show, one run after the other.

    The quantities of the first file are ``psd_diagonal`` and ``psd_diagonal_truth`` (`diagonal` of
    the power spectral density), ``frc`` and ``half_bit`` (Fourier ring correlation and its
    threshold), and ``crossing``, one row a channel, whose frequency is the highest that is resolved
    (`crossing`) and whose value is that of the threshold there.

    Args:
        dataset_files: seed to the CXI file of the dataset that the runs were tested on.
        scenes: each scene's file and the run's ``dataset``, ``test``, ``model``, ``loss``,
            ``n_train`` and ``seed``.
        block: of the test patterns, whose scenes are measured.
        level: of the scenes, see `stitch.read_scene`.

    Raises:
        InputError: a file cannot be read, there is no scene, a seed has no dataset, or a scene does
            not lie on its object.
    """
    scans = {seed: read_scan(path) for seed, path in dataset_files.items()}
    curves, energies = [], []
    for path, run in scenes:
        if run["seed"] not in scans:
            raise InputError(f"{path} is a scene of seed {run['seed']}, for which no dataset was given.")
        identity = tuple(run[name] for name in IDENTITY)
        images = _images(read_scene(path, block, level), scans[run["seed"]], path)
        curves += [(*identity, *row) for row in _curves(images)]
        energies += [(*identity, *row) for row in _energies(images)]
    if not curves:
        raise InputError(f"There are no scenes to make {output_spectra_csv} of.")
    write_csv(pd.DataFrame(curves, columns=SPECTRA), output_spectra_csv)
    write_csv(pd.DataFrame(energies, columns=BAND_ENERGIES), output_bands_csv)


@dataclass(frozen=True)
class Pair:
    """An image as a network has it and as it is, both (h, w)."""

    estimate: np.ndarray
    truth: np.ndarray


def _images(scene: Scene, scan: Scan, path: str | os.PathLike) -> dict[str, Pair]:
    """Pair estimate and truth of amplitude, of phase in radians, and of the complex object."""
    (top, left), (height, width) = scene.origin, scene.amplitude.shape
    if min(top, left) < 0 or top + height > scan.amplitude.shape[0] or left + width > scan.amplitude.shape[1]:
        raise InputError(
            f"{path}: the scene of {height} x {width} pixels at {scene.origin} does not lie on its object."
        )
    if min(height, width) < SMALLEST_SIDE:
        raise InputError(
            f"{path}: a scene of {height} x {width} pixels is too small for spectra; its sides need {SMALLEST_SIDE}"
            " pixels."
        )
    if not np.isfinite(scene.amplitude).any():
        raise InputError(f"{path}: nothing was stitched in this scene.")
    place, labels = np.s_[top : top + height, left : left + width], scene.normalisation
    amplitude = _pair(labels.restored("amplitude", scene.amplitude.astype(float)), scan.amplitude[place])
    phase = _pair(labels.restored("phase", scene.phase.astype(float)), scan.phase[place])
    both = Pair(amplitude.estimate * np.exp(1j * phase.estimate), amplitude.truth * np.exp(1j * phase.truth))
    return {"amplitude": amplitude, "phase": phase, OBJECT: both}


def _pair(estimate: np.ndarray, truth: np.ndarray) -> Pair:
    """Give pixels that were not stitched the mean of the others, in the truth as well, so that a
    hole is no difference.
    """
    stitched = np.isfinite(estimate)
    return Pair(*(np.where(stitched, image, image[stitched].mean(dtype=float)) for image in (estimate, truth)))


def _curves(images: Mapping[str, Pair]) -> Iterator[tuple[str, str, float, float]]:
    for channel in CHANNELS:
        for quantity, image in (
            ("psd_diagonal", images[channel].estimate),
            ("psd_diagonal_truth", images[channel].truth),
        ):
            yield from ((channel, quantity, *point) for point in zip(*diagonal(power_spectrum(image)), strict=True))
    for channel in (*CHANNELS, OBJECT):
        frequency, correlation, independent = ring_correlation(images[channel].estimate, images[channel].truth)
        threshold = half_bit(independent)
        yield from ((channel, "frc", *point) for point in zip(frequency, correlation, strict=True))
        yield from ((channel, "half_bit", *point) for point in zip(frequency, threshold, strict=True))
        yield channel, "crossing", *crossing(frequency, correlation, threshold)


def _energies(images: Mapping[str, Pair]) -> Iterator[tuple[str, str, float, float]]:
    for channel in CHANNELS:
        shares = (band_shares(power_spectrum(image)) for image in (images[channel].estimate, images[channel].truth))
        yield from ((channel, *row) for row in zip(BANDS, *shares, strict=True))


def _hann(shape: tuple[int, int]) -> np.ndarray:
    """Compute the periodic Hann window (h, w), whose spectrum is three coefficients wide per axis,
    so that it leaks no further.
    """
    y, x = (np.sin(np.pi * np.arange(side) / side) ** 2 for side in shape)
    return np.outer(y, x)


def windowed(image: np.ndarray) -> np.ndarray:
    """Take the mean off an image (h, w), weighted by the Hann window, and apply the window."""
    window = _hann(image.shape)
    return (image - (image * window).sum() / window.sum()) * window


def radial_frequency(shape: tuple[int, int]) -> np.ndarray:
    """Compute the distance (h, w) from the spectrum's origin, cycles/pixel; zero frequency comes
    first, as in `numpy.fft.fft2`.
    """
    return np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.fftfreq(shape[1]))


def power_spectrum(image: np.ndarray) -> np.ndarray:
    """Compute the power spectral density (h, w) of an image (h, w), in its unit squared, zero
    frequency first.

    The mean is kept. Scaled so that its mean over all coefficients is the mean square of the image,
    weighted by the squared window (Parseval); white noise therefore has its variance everywhere.
    """
    window = _hann(image.shape)
    return np.abs(np.fft.fft2(image * window)) ** 2 / (window**2).sum()


def diagonal(spectrum: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Take the section of a spectrum (h, w), zero frequency first, along its diagonals: radial
    frequency (k,) in cycles/pixel, value (k,).

    The two diagonals of a real image's spectrum are different, and each is its own mirror image;
    this is the mean of both. Of a scene that is not square the nearest coefficients are taken.
    """
    frequency = np.arange(min(spectrum.shape) // 2 + 1) / min(spectrum.shape)
    y, x = (np.rint(frequency * side).astype(int) for side in spectrum.shape)
    return np.sqrt(2) * frequency, (spectrum[y, x] + spectrum[y, -x]) / 2


def band_shares(spectrum: np.ndarray) -> tuple[float, float, float]:
    """Divide a spectrum's energy into shares, summing to one: up to 1/3 of the corner's frequency,
    up to 2/3, and above.

    Raises:
        InputError: there is no energy.
    """
    radius = radial_frequency(spectrum.shape)
    band = np.digitize(radius, MAX_FREQUENCY * np.array([1, 2]) / 3, right=True)
    energy = np.bincount(band.ravel(), spectrum.ravel(), minlength=len(BANDS))
    if energy.sum() == 0:
        raise InputError("A scene that is zero everywhere has no spectrum.")
    return tuple(float(share) for share in energy / energy.sum())


def ring_correlation(estimate: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compute the Fourier ring correlation of two images (h, w), real or complex: frequency (k,) in
    cycles/pixel, correlation (k,), independent (k,).

    Re sum F1 conj(F2) / sqrt(sum |F1|^2 sum |F2|^2) over rings one coefficient wide, from the first
    to 1/2 cycles/pixel (Saxton and Baumeister, J. Microsc. 127, 127, 1982); 0 in a ring where an
    image has no energy. The means are removed before the window is applied. ``independent`` is the
    effective number of independent coefficients of a ring: those under a window are correlated, and
    of a real image every one occurs twice. It is right for nearly square images. Of oblong ones
    rings are several coefficients wide along the longer side, and hold fewer: for 64 x 256, 0.67 to
    0.93 of it, so that a resolution at the half-bit threshold is a few per cent too good.
    """
    first, second = (np.fft.fft2(windowed(image)) for image in (estimate, truth))
    side = min(truth.shape)
    ring = np.rint(radial_frequency(truth.shape) * side).astype(int).ravel()
    rings = np.arange(1, side // 2 + 1)

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(ring, values.ravel(), minlength=len(rings) + 1)[rings]

    power = total(np.abs(first) ** 2) * total(np.abs(second) ** 2)
    product = total((first * second.conj()).real)
    correlation = np.divide(product, np.sqrt(power), out=np.zeros(len(rings)), where=power > 0)
    twice = 1 if np.iscomplexobj(estimate) or np.iscomplexobj(truth) else 2
    return rings / side, correlation, total(np.ones(truth.shape)) * HANN_INDEPENDENT / twice


def half_bit(independent: np.ndarray) -> np.ndarray:
    """Compute the half-bit threshold of a ring of n independent coefficients (van Heel and Schatz,
    J. Struct. Biol. 151, 250, 2005).

    T = (0.2071 + 1.9102 / sqrt(n)) / (1.2071 + 0.9102 / sqrt(n)): the correlation that is expected
    of two images with a signal to noise ratio of 0.2071 each, which together hold half a bit per
    coefficient. Here one of the two is the truth, so that it is a strict demand.
    """
    return (0.2071 + 1.9102 / np.sqrt(independent)) / (1.2071 + 0.9102 / np.sqrt(independent))


def crossing(frequency: np.ndarray, correlation: np.ndarray, threshold: np.ndarray) -> tuple[float, float]:
    """Find where the correlation first falls from above the threshold to below: frequency in
    cycles/pixel, interpolated, and threshold.

    The first rings hold too few coefficients for any correlation to pass, so that it must have been
    above the threshold first. Frequency 0 if it never is (nothing is resolved), the last one if it
    stays above (everything is).
    """
    margin = correlation - threshold
    if not (margin > 0).any():
        return 0.0, float(threshold[0])
    above = int((margin > 0).argmax())
    below = np.flatnonzero(margin[above:] <= 0) + above
    if not len(below):
        return float(frequency[-1]), float(threshold[-1])
    last, first = below[0] - 1, below[0]
    part = margin[last] / (margin[last] - margin[first])
    return tuple(float(values[last] + part * (values[first] - values[last])) for values in (frequency, threshold))
