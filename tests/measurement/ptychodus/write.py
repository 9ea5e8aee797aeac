"""Writes the files beside this one with ptychodus 1.7.0, which simulates the patterns too: `python write.py`, where it is installed.

Nothing in them is symmetric: neither object nor probe, nor the scan, whose steps along x and y differ; one pattern has no position.
"""

from pathlib import Path

import numpy as np
from ptychodus.api.assemble import AssembledDiffractionData
from ptychodus.api.diffraction import SimpleDiffractionArray
from ptychodus.api.geometry import PixelGeometry
from ptychodus.api.io import save_diffraction_data, save_product
from ptychodus.api.object import Object, ObjectCenter
from ptychodus.api.probe import ProbeSequence
from ptychodus.api.probe_positions import ProbePosition, ProbePositionSequence
from ptychodus.api.product import Product, ProductMetadata
from ptychodus.api.simulate.diffraction import generate_diffraction_data
from ptychodus.plugins.h5_diffraction_file import H5DiffractionFileWriter

FOLDER = Path(__file__).parent
PIXEL, ENERGY, DISTANCE, PHOTONS = 20e-9, 8000.0, 1.5, 40_000
WINDOW, SHAPE = 16, (30, 36)


def main() -> None:
    """Simulate twelve patterns, and write them twice."""
    random = np.random.default_rng(0)
    pixels = PixelGeometry(width_m=PIXEL, height_m=PIXEL)
    object_ = random.uniform(0.4, 1, SHAPE) * np.exp(1j * random.uniform(-1, 1, SHAPE))
    y, x = np.indices((WINDOW, WINDOW)) - WINDOW / 2
    probe = np.exp(-((y / 3) ** 2) - ((x - y / 3) / 2) ** 2 + 0.2j * x + 0.05j * y**2)
    probe *= np.sqrt(PHOTONS / np.sum(np.abs(probe) ** 2))
    steps = [(5 * row - 6, 4 * column - 7 + row) for row in range(3) for column in range(4)]
    motion = [ProbePosition(number, column * PIXEL, row * PIXEL) for number, (row, column) in enumerate(steps, 3)]
    facts = {"probe_photon_count": PHOTONS, "exposure_time_s": 0.1, "mass_attenuation_m2_per_kg": 0.0}
    facts |= {"detector_distance_m": DISTANCE, "photon_energy_eV": ENERGY, "tomography_angle_deg": 0.0}
    product = Product(
        ProductMetadata(name="simulated", comments="", **facts),
        ProbePositionSequence(motion),
        ProbeSequence(probe[None, None].astype(np.complex64), None, pixels),
        Object(object_[None].astype(np.complex64), pixels, ObjectCenter(0.0, 0.0)),
        [],
    )
    seen = generate_diffraction_data(product)
    # Its intensities are those of a wave field whose pixels have an area; photons are a number of them.
    intensities = seen.get_patterns()
    patterns = np.rint(intensities * PHOTONS / intensities.sum(axis=(1, 2)).max()).astype(np.uint16)
    save_product(FOLDER / "product.h5", product)
    # As a detector that was read out once more: the last pattern belongs to no position.
    numbers = np.append(seen.get_indexes(), 99)
    more = np.append(patterns, patterns[:1], axis=0)
    save_diffraction_data(
        FOLDER / "diffraction.h5",
        AssembledDiffractionData(numbers, more, seen.get_pixel_geometry(), seen.get_bad_pixels()),
    )
    array = SimpleDiffractionArray("simulated", np.arange(len(patterns)), patterns)
    H5DiffractionFileWriter("/dp").write(FOLDER / "simulated_dp.hdf5", [array])


if __name__ == "__main__":
    main()
