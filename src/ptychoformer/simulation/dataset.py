"""One scan of one object under one condition, simulated chunk by chunk into a CXI file."""

import os
from collections.abc import Mapping

import numpy as np

from ptychoformer.errors import InputError
from ptychoformer.measurement.cxi import Optics, create_dataset, read_transmission
from ptychoformer.measurement.windows import windows
from ptychoformer.progress import progress
from ptychoformer.randomness import generator
from ptychoformer.simulation.diffraction import detect, diffraction, exit_waves
from ptychoformer.simulation.scan import grid_of, jittered, raster
from ptychoformer.storage import open_hdf5, read_whole

CHUNK = 256  # patterns held in memory at a time


def simulate_dataset(
    object_file: str | os.PathLike,
    probe_file: str | os.PathLike,
    scan: Mapping[str, float],
    detector: Mapping[str, float | bool],
    optics: Optics,
    seed: int,
    output: str | os.PathLike,
    threads: int = 1,
) -> None:
    """Write a raster scan's patterns as the CXI file ``output``, the same for the same seed.

    Args:
        object_file: holds ``object/amplitude`` and ``object/phase`` (H, W).
        probe_file: holds ``probe/wavefield`` (h, h).
        scan: ``overlap`` of neighbouring windows, and ``jitter``, the largest deviation of a true
            from a recorded position in pixels.
        detector: ``photons`` in the probe, ``coherence`` mu, and what `detect` reads.
        optics: geometry of the experiment.
        seed: of jitter and noise.
        threads: of the Fourier transforms.

    Raises:
        InputError: a file is damaged, the probe is not square, or the object is smaller than the
            probe.
    """
    transmission = read_transmission(object_file)
    probe = np.sqrt(np.float32(detector["photons"])) * _read_probe(probe_file)
    positions = raster(transmission.shape, len(probe), scan["overlap"])
    true_positions = jittered(positions, scan["jitter"], transmission.shape, len(probe), generator(seed, "jitter"))
    shot, readout = generator(seed, "noise").spawn(2)
    with create_dataset(
        output,
        window=probe.shape,
        positions=positions,
        true_positions=true_positions,
        grid=grid_of(transmission.shape, len(probe), scan["overlap"]),
        probe=probe,
        optics=optics,
        object_file=object_file,
        condition={**scan, **detector, "seed": seed},
    ) as patterns:
        starts = range(0, len(positions), CHUNK)
        for start in progress(starts, len(starts), f"patterns in chunks of {CHUNK}"):
            objects = windows(transmission, true_positions[start : start + CHUNK], probe.shape)
            intensity = diffraction(exit_waves(probe, objects, detector["coherence"]), threads)
            patterns[start : start + CHUNK] = detect(intensity, detector, shot, readout)


def _read_probe(path: str | os.PathLike) -> np.ndarray:
    with open_hdf5(path) as file:
        probe = read_whole(file, "probe/wavefield", 2)
    if probe.shape[0] != probe.shape[1]:
        raise InputError(f"{path}: a probe must be square, found shape {probe.shape}.")
    return probe
