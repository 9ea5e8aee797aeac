"""The probe that somebody gives for a scan, in place of its own: a dataset of its file, a file of
NumPy, or that of another reconstruction.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from ptychoformer.errors import InputError
from ptychoformer.files import check_file
from ptychoformer.measurement.modes import read_modes
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
    if is_probe_file(probe) and not probe.lower().endswith(".npy"):
        return _of_reconstruction(raw, probe)
    own = is_probe_file(probe)
    where = probe if own else f"{raw.path}: '{probe}'"
    modes = _of_file(Path(probe)) if own else read_named(raw.path, probe, "probe", raw.frame, "c", PROBE_FILES)
    if modes.dtype.kind != "c":
        raise InputError(f"{where} must be a probe of complex numbers, found {modes.dtype}.")
    wave, warnings = first_mode(where, modes, raw.frame)
    return replace(raw, probe=wave, warnings=raw.warnings + warnings)


def _of_file(path: Path) -> np.ndarray:
    check_file(path)
    return npy.read(npy.inspect(str(path), lambda: path.open("rb"), path.stat().st_size, "c"))


def _of_reconstruction(raw: RawScan, path: str) -> RawScan:
    """Take the brightest mode of the probe of another reconstruction, in a window as wide as if its
    patterns had not been binned: then its spectrum is, pixel by pixel, that on the detector.
    """
    origin = read_origin(path)
    with open_hdf5(path) as file:
        wave = read_modes(file, "probe/wavefield", "probe/modes")[0]
    beside = origin.crop // 2 - len(wave) // 2  # the middle of n pixels is n // 2
    wave = np.pad(wave, [(beside, origin.crop - len(wave) - beside)] * 2)
    window, warnings = origin.pixel_size and origin.pixel_size * origin.crop, ()
    if window is None:
        warnings = (f"{path} does not know the size of its pixels; its probe is taken to fit those of {raw.path}.",)
    return replace(raw, probe=wave, probe_window=window, warnings=raw.warnings + warnings)
