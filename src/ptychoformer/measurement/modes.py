"""The modes of a probe: waves that do not interfere with each other, of which light that is not
fully coherent is made up (Thibault & Menzel, Nature 494, 68, 2013).

Other modes with the same sum over m of P_m(x) conj(P_m(y)) make the same light, so that no pattern
tells them apart. Here they are orthogonal, the brightest first: the principal components of that
sum, which are its coherent modes (Wolf, J. Opt. Soc. Am. 72, 343, 1982).
"""

from itertools import count, islice

import h5py
import numpy as np

from ptychoformer.errors import InputError
from ptychoformer.storage import read_whole

FIRST_SHARE = 0.02  # of the light, in each mode but the first, before a reconstruction


def first_modes(probe: np.ndarray, number: int) -> np.ndarray:
    """Make the modes (number, h, w), complex64, that a reconstruction begins with: the ``probe``
    (h, w), and its products with powers of the distance from its centre of mass, made orthogonal,
    as the modes of a Gaussian beam are. Together they hold the light of the probe.
    """
    if number == 1:
        return probe[None]
    light = np.abs(probe).astype(np.float64) ** 2
    y, x = (_from_centre_of_mass(light, axis) for axis in (0, 1))
    powers = islice(((total - along_x, along_x) for total in count() for along_x in range(total + 1)), number)
    products = np.stack([probe * y**along_y * x**along_x for along_y, along_x in powers])
    modes = np.linalg.qr(products.reshape(number, -1).T)[0].T.reshape(products.shape)
    held = np.sqrt(light.sum() * FIRST_SHARE) * modes
    held[0] = probe * np.sqrt(1 - FIRST_SHARE * (number - 1))
    return held.astype(np.complex64)


def _from_centre_of_mass(light: np.ndarray, axis: int) -> np.ndarray:
    """Measure distances along an axis from the centre of mass of ``light`` (h, w), in its standard
    deviations.
    """
    along = np.arange(light.shape[axis], dtype=np.float64)
    profile = light.sum(axis=1 - axis) / light.sum()
    along -= profile @ along
    return np.expand_dims(along / max(np.sqrt(profile @ along**2), 1.0), 1 - axis)


def orthogonal(modes: np.ndarray) -> np.ndarray:
    """Find the orthogonal modes of the same light as ``modes`` (modes, h, w), the brightest first.
    Each has the phase, which no pattern sees, of that given mode which holds most of it.
    """
    if len(modes) == 1:
        return modes
    parts, lengths, directions = np.linalg.svd(modes.reshape(len(modes), -1), full_matrices=False)
    most = parts[np.abs(parts).argmax(axis=0), np.arange(len(modes))]
    factors = lengths * most / np.abs(most)
    return (factors[:, None] * directions).reshape(modes.shape).astype(modes.dtype)


def shares(modes: np.ndarray) -> np.ndarray:
    """Compute the parts (modes,) of the light that orthogonal ``modes`` (modes, h, w) hold."""
    light = np.sum(np.abs(modes).astype(np.float64) ** 2, axis=(1, 2))
    return light / light.sum()


def photons(modes: np.ndarray) -> float:
    """Sum up the light of a probe (h, w), or of its ``modes`` (modes, h, w) together."""
    return float(np.sum(np.abs(modes).astype(np.float64) ** 2))


def root_of_light(modes: np.ndarray) -> np.ndarray:
    """Compute the modulus (h, w) of ``modes`` (modes, h, w) together."""
    return np.sqrt(np.sum(np.abs(modes) ** 2, axis=0))


def read_modes(file: h5py.File, probe: str, modes: str) -> np.ndarray:
    """Read the dataset ``modes`` (modes, h, w) of a file, or ``probe`` (h, w) as the only one where
    there are not several.

    Raises:
        InputError: it is missing, damaged or empty.
    """
    if modes not in file:
        return read_whole(file, probe, 2)[None]
    found = read_whole(file, modes, 3)
    if not len(found):
        raise InputError(f"{file.filename}: '{modes}' holds no mode.")
    return found
