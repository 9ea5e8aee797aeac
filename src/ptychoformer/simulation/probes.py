"""Probes: complex illuminations in a square window, generated or read from a file, with a total
intensity of 1.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy.fft import fft2, fftfreq, fftshift, ifft2, ifftshift
from scipy.special import erfc

from ptychoformer.errors import InputError, first_line
from ptychoformer.files import check_file
from ptychoformer.measurement.cxi import Optics
from ptychoformer.memory import check_room
from ptychoformer.storage import create_hdf5, write

# A beam wider than the window is cut off by it; on a grid of the window's own size it would come in
# again from the other side.
PADDING = 8
EDGE = 1.0  # pixels over which an aperture's transmission falls


def make_probe(options: Mapping[str, Any], optics: Optics, files: Mapping[str, Path], output: Path) -> None:
    """Write the probe described by ``options`` as ``probe/wavefield`` (size, size) complex64, with
    sum |P|^2 = 1.

    ``kind`` is ``zone_plate`` (see `zone_plate`), ``aperture`` (see `aperture`) or ``npy``: the
    file ``files["probe"]``, reduced by the factor ``bin`` (see `read_npy`).

    Raises:
        InputError: the file or the values of the options cannot be used.
    """
    wavefield = _wavefield(options, optics, files)
    intensity = np.sum(np.abs(wavefield) ** 2)
    if not intensity > 0:
        raise InputError(f"The probe of kind {options['kind']} is zero everywhere; it must let some light through.")
    with create_hdf5(output) as file:
        group = file.create_group("probe")
        group.attrs.update({"kind": options["kind"], "pixel_size": optics.pixel_size})
        write(group, "wavefield", (wavefield / np.sqrt(intensity)).astype(np.complex64), "", "y,x")


def _wavefield(options: Mapping[str, Any], optics: Optics, files: Mapping[str, Path]) -> np.ndarray:
    match options["kind"]:
        case "zone_plate":
            return zone_plate(options["size"], options["outer"], options["stop"], options["defocus"], optics)
        case "aperture":
            return aperture(options["size"], options["radius"], options["defocus"], optics)
        case "npy":
            return read_npy(files["probe"], options["bin"], options["size"])
        case kind:
            raise InputError(f"probes: there is no kind '{kind}'; it must be zone_plate, aperture or npy.")


def zone_plate(size: int, outer: float, stop: float, defocus: float, optics: Optics) -> np.ndarray:
    """Compute the beam (size, size) of a lens with an annular pupil, ``defocus`` metres behind its
    focus.

    ``outer`` and ``stop`` are the radii of pupil and central stop as fractions of the band's half
    width, which is half a cycle per pixel. Out of focus the beam is a ring-like shadow of the pupil
    with the radius lambda defocus outer / (2 pixel_size).

    Raises:
        InputError: the stop covers the pupil, or the beam is too wide for the padded grid.
    """
    if stop >= outer:
        raise InputError(
            f"The central stop of a zone plate must be smaller than its outer radius, found stop {stop}, outer {outer}."
        )
    frequency = _frequency(size)
    pupil = _disc(frequency, outer / 2) - _disc(frequency, stop / 2)
    return _cropped(ifft2(pupil * _propagator(size, outer, defocus, optics)))


def aperture(size: int, radius: float, defocus: float, optics: Optics) -> np.ndarray:
    """Compute the beam (size, size) ``defocus`` metres behind a round aperture of ``radius`` pixels
    with a slightly soft edge.

    Raises:
        InputError: the beam is too wide for the padded grid.
    """
    y, x = np.indices((PADDING * size,) * 2) - PADDING * size // 2
    disc = erfc((np.hypot(y, x) - radius) / EDGE) / 2
    return _cropped(ifft2(fft2(ifftshift(disc)) * _propagator(size, 1.0, defocus, optics)))


def read_npy(path: Path, factor: int, size: int) -> np.ndarray:
    """Read a probe stored by ``numpy.save``, and reduce it to (size, size) by the complex mean over
    blocks of ``factor`` x ``factor`` pixels.

    Raises:
        InputError: the file is missing or unreadable, not a finite 2-D array of numbers, or does
            not become (size, size).
    """
    check_file(path)
    try:
        # A view of the file: its size is held against what it says before memory is asked for.
        with np.errstate(over="ignore"):  # of a size beyond all numbers, which the shape tells
            probe = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # NumPy lets through whatever it stumbles over
        raise InputError(f"{path} cannot be read as an array saved by NumPy ({first_line(error)}).") from error
    if not isinstance(probe, np.ndarray) or probe.ndim != 2 or probe.dtype.kind not in "cfiu":
        found = f"shape {probe.shape} of {probe.dtype}" if isinstance(probe, np.ndarray) else "an archive"
        raise InputError(f"{path} must hold one 2-D array of real or complex numbers, found {found}.")
    if probe.shape != (size * factor, size * factor):
        raise InputError(f"{path} has the shape {probe.shape}, which bin {factor} does not reduce to size {size}.")
    check_room(str(path), 2 * probe.nbytes)
    if not np.isfinite(probe).all():
        raise InputError(f"{path} holds NaN or infinity; repair it.")
    return probe.reshape(size, factor, size, factor).mean(axis=(1, 3))


def _frequency(size: int) -> np.ndarray:
    """Compute the frequency on the padded grid, cycles per pixel, zero at [0, 0]."""
    return np.hypot(*np.meshgrid(fftfreq(PADDING * size), fftfreq(PADDING * size), indexing="ij"))


def _disc(frequency: np.ndarray, radius: float) -> np.ndarray:
    """Draw a disc, 1 within ``radius`` and 0 beyond, with the samples on its edge weighted by how
    much of them lies within.
    """
    sample = 1 / len(frequency)
    return np.clip((radius - frequency) / sample + 0.5, 0, 1) * (radius > 0)


def _propagator(size: int, outer: float, defocus: float, optics: Optics) -> np.ndarray:
    """Compute the paraxial transfer function exp(-i pi lambda z f^2) of free space, for a spectrum
    within ``outer`` of the half band.
    """
    fresnel = optics.wavelength * defocus / optics.pixel_size**2
    if abs(fresnel) * outer > PADDING * size:
        limit = PADDING * size * optics.pixel_size**2 / (optics.wavelength * outer)
        raise InputError(
            f"defocus: at {defocus:g} m the probe is too wide for a window of {size} pixels; it must be within"
            f" {limit:.3g} m."
        )
    return np.exp(-1j * np.pi * fresnel * _frequency(size) ** 2)


def _cropped(wave: np.ndarray) -> np.ndarray:
    """Cut the window around [0, 0] out of a wave on the padded grid; [0, 0] moves to its pixel
    (size // 2, size // 2).
    """
    size = len(wave) // PADDING
    corner = len(wave) // 2 - size // 2
    return fftshift(wave)[corner : corner + size, corner : corner + size]
