"""The probe that somebody gives for a scan, in place of its own: a dataset of its file, a file of
NumPy, or that of another reconstruction.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from ptychoformer.errors import InputError
from ptychoformer.files import check_file
from ptychoformer.measurement.modes import photons, read_modes
from ptychoformer.measurement.options import FOUND, PROBE_FILES, is_probe_file
from ptychoformer.measurement.origin import read_origin
from ptychoformer.measurement.readers import npy
from ptychoformer.measurement.readers.hdf5 import read_named
from ptychoformer.measurement.readers.scan import RawScan, first_mode
from ptychoformer.storage import open_hdf5


def with_probe(raw: RawScan, probe: str | None) -> RawScan:
    """Give a scan the ``probe`` that somebody names: `FOUND` for none, so that one is made from the
    patterns, the path of a dataset, or the name of a file. None leaves the scan its own.

    Raises:
        InputError: there is no such probe, or it is damaged, is no wave, or does not fit the scan's
            patterns.
    """
    if probe is None:
        return raw
    if probe == FOUND:
        return replace(raw, probe=None)
    if not is_probe_file(probe):
        modes = read_named(raw.path, probe, "probe", raw.frame, "c", PROBE_FILES)
        return _with_modes(raw, modes, f"{raw.path}: '{probe}'")
    if probe.lower().endswith(".npy"):
        return _with_modes(raw, _of_file(Path(probe)), probe)
    return _of_reconstruction(raw, probe)


def _with_modes(raw: RawScan, modes: np.ndarray, where: str) -> RawScan:
    """Take the first of modes (..., h, w) that fit the frame; warns of one that is shifted."""
    if modes.dtype.kind != "c":
        raise InputError(f"{where} must be a probe of complex numbers, found {modes.dtype}.")
    wave, warnings = first_mode(where, modes, raw.frame)
    if photons(_middle(np.fft.fftshift(wave))) > photons(_middle(wave)):
        warnings += (f"{where}: the light lies in the corners; a probe has its middle at [h // 2, w // 2] (fftshift).",)
    return replace(raw, probe=wave, warnings=raw.warnings + warnings)


def _middle(wave: np.ndarray) -> np.ndarray:
    """Cut out the middle half, along each side, of (h, w)."""
    height, width = wave.shape
    return wave[height // 4 : height - height // 4, width // 4 : width - width // 4]


def _of_file(path: Path) -> np.ndarray:
    check_file(path)
    return npy.read(npy.inspect(str(path), lambda: path.open("rb"), path.stat().st_size, "c"))


def _of_reconstruction(raw: RawScan, path: str) -> RawScan:
    """Take the brightest mode of the probe of another reconstruction, in a window as wide as if its
    patterns had not been binned: then its spectrum is, pixel by pixel, that on the detector.
    """
    origin = read_origin(path)
    with open_hdf5(path) as file:
        modes = read_modes(file, "probe/wavefield", "probe/modes")
    wave, warnings = first_mode(path, modes, modes.shape[1:])
    wave = np.pad(wave * half_pixel(origin.bin, len(wave), origin.crop).conj(), _beside(len(wave), origin.crop))
    return replace(raw, probe=wave, probe_origin=origin, warnings=raw.warnings + warnings)


def half_pixel(bin: int, window: int, crop: int) -> np.ndarray:
    """Return what patterns in blocks of ``bin`` x ``bin`` pixels multiply the wave in their window
    with, (window, window): a phase ramp if it is even, since they are sampled half a detector pixel
    beside the zero frequency then, see `preparation`.
    """
    at = np.arange(window) - window // 2
    ramp = np.exp(-1j * np.pi * at / crop) if bin % 2 == 0 else np.ones(window)
    return np.outer(ramp, ramp).astype(np.complex64)


def _beside(window: int, crop: int) -> tuple[int, int]:
    """Tell how many pixels widen a window to ``crop``, before and behind; the middle of n pixels is
    n // 2.
    """
    before = crop // 2 - window // 2
    return before, crop - window - before
