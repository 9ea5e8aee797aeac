"""A generated test object: flux-closure nanostructures of Permalloy (Ni80Fe20) in the electron
microscope.

A seedable layout of squares, nested corners and groups of bars becomes amplitude by absorption and
phase by the electrostatic and magnetic Aharonov-Bohm shifts. Axes are x to the right, y down and z
along the beam, which is right-handed; vectors are stored (y, x).
"""

from itertools import pairwise

import numpy as np
from scipy import constants, ndimage
from scipy.fft import irfft2, next_fast_len, rfft2

from ptychoformer.errors import InputError
from ptychoformer.measurement.cxi import Optics
from ptychoformer.randomness import generator

# Squares, nested corners, horizontal bars and vertical bars.
KINDS = ("square", "corners", "rows", "columns")
CELLS = 5  # along the shorter side, so that one cell lies in the first or last fifth of any side
LARGEST_CELL = 102  # pixels
SMALLEST_CELL = 24  # pixels; smaller ones are not divided again
DIVIDED = 0.35  # share of cells that hold four small features in place of a large one
FEATURE_SIZE = (0.6, 0.8)  # of its cell
THINNEST_BAR = 3  # pixels, and no thinner than a 17th of an undivided cell
MOST_BARS = 4
SMALLEST_OBJECT = 64  # pixels


def permalloy(
    shape: tuple[int, int],
    seed: int,
    optics: Optics,
    thickness: float,
    induction: float,
    mean_inner_potential: float,
    absorption_length: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Make amplitude and phase (radians), each (H, W), of a film of ``thickness`` metres patterned
    by ``layout``.

    Amplitude is 1 beside the features and exp(-t / 2 Lambda) on them, Lambda being
    ``absorption_length`` in metres. ``induction`` is mu0 Ms in tesla, ``mean_inner_potential`` in
    volts.

    Raises:
        InputError: the shape is too small for a layout.
    """
    features = layout(shape, seed)
    amplitude = np.where(features, np.exp(-thickness / (2 * absorption_length)), 1.0)
    electrostatic = interaction_constant(optics.wavelength) * mean_inner_potential * thickness * features
    magnetic = magnetic_phase(flux_closure(features, seed), thickness, induction, optics.pixel_size)
    return amplitude, electrostatic + magnetic


def layout(shape: tuple[int, int], seed: int) -> np.ndarray:
    """Draw where there is metal: (H, W) bool, about a quarter of it, the same density and all kinds
    of features everywhere.

    The object is divided into at least five by five cells, some of them into four again; each cell
    holds one feature, and the kinds take shuffled turns, row by row.

    Raises:
        InputError: a side is shorter than 64 pixels.
    """
    if min(shape) < SMALLEST_OBJECT:
        raise InputError(
            f"A permalloy object of shape {tuple(shape)} is too small; each side must have at least {SMALLEST_OBJECT}"
            " pixels."
        )
    rng = generator(seed, "layout")
    pitch = min(min(shape) / CELLS, LARGEST_CELL)
    thinnest = max(THINNEST_BAR, int(pitch // 17))
    cells = _cells(shape, pitch, rng)
    kinds = [kind for _ in range(0, len(cells), len(KINDS)) for kind in rng.permutation(KINDS)]
    features = np.zeros(shape, bool)
    for (top, left, height, width), kind in zip(cells, kinds, strict=False):
        feature = _feature(kind, int(min(height, width) * rng.uniform(*FEATURE_SIZE)), thinnest, rng)
        # A margin of a pixel on every side keeps neighbours apart.
        top += rng.integers(1, height - len(feature))
        left += rng.integers(1, width - len(feature))
        features[top : top + len(feature), left : left + len(feature)] = feature
    return features


def _cells(shape: tuple[int, int], pitch: float, rng: np.random.Generator) -> list[tuple[int, int, int, int]]:
    """Divide the object into cells (top, left, height, width), row by row."""
    edges = [np.linspace(0, side, round(side / pitch) + 1).round().astype(int) for side in shape]
    divisible = pitch >= 2 * SMALLEST_CELL
    cells = []
    for top, bottom in pairwise(edges[0]):
        for left, right in pairwise(edges[1]):
            parts = 2 if divisible and rng.random() < DIVIDED else 1
            height, width = (bottom - top) // parts, (right - left) // parts
            cells += [(top + y * height, left + x * width, height, width) for y in range(parts) for x in range(parts)]
    return cells


def _feature(kind: str, side: int, thinnest: int, rng: np.random.Generator) -> np.ndarray:
    """Draw one feature in a (side, side) box: stripes of equal width and gap along a coordinate
    that depends on the kind.
    """
    y, x = np.indices((side, side))
    most = max(1, min(MOST_BARS, side // (2 * thinnest)))
    count = int(rng.integers(min(2, most), most + 1))
    if kind == "square":
        return np.maximum(y, x) < 3 * side // 4
    depth = {"corners": np.minimum(y, x), "rows": y, "columns": x}[kind]
    width = side // (2 * count)
    stripes = (depth // width % 2 == 0) & (depth < 2 * count * width)
    return np.rot90(stripes, rng.integers(4)) if kind == "corners" else stripes


def flux_closure(features: np.ndarray, seed: int) -> np.ndarray:
    """Compute the unit magnetisation (2, H, W), y and x, inside ``features`` (H, W), and zero
    outside.

    m = c curl(d z), with d the distance to the nearest edge and c = +-1 the chirality of each
    feature: free of divergence and tangential at the edges, hence without stray field. A square
    gets the four domains of Landau's pattern. Where d has its ridges, m turns over in a wall; a
    ridge pixel with equal depths on both sides is the wall's core and has m = 0.
    """
    labels, count = ndimage.label(features)
    chirality = np.concatenate([[0], generator(seed, "chirality").choice([-1, 1], count)])
    slope_y, slope_x = np.gradient(ndimage.distance_transform_edt(features))
    magnetisation = np.stack([-slope_x, slope_y])
    length = np.hypot(slope_y, slope_x)
    return chirality[labels] * np.divide(magnetisation, length, out=np.zeros_like(magnetisation), where=length > 0)


def magnetic_phase(magnetisation: np.ndarray, thickness: float, induction: float, pixel_size: float) -> np.ndarray:
    """Compute the magnetic phase (H, W), radians, of a film with unit ``magnetisation`` (2, H, W),
    y and x, constant through its thickness.

    The phase is -(e / hbar) times the line integral of A_z, and curl curl A = mu0 curl M, hence in
    Fourier space

        phase(k) = -i (e / hbar) B t (k_x m_y - k_y m_x) / k^2,    B = mu0 Ms.

    A uniform film has the slope e B t / hbar. The derivatives i k are taken as differences between
    neighbouring pixels, because exact ones would ring at the sharp edges of features. The plane is
    padded with vacuum to twice its size, and the phase counts from the vacuum farthest away.
    Thickness and pixel size in metres, induction in tesla.

    Reference: Mansuripur, J. Appl. Phys. 69, 2455 (1991); Beleggia & Zhu, Philos. Mag. 83, 1045
    (2003).
    """
    height, width = magnetisation.shape[1:]
    padded = next_fast_len(2 * height, real=True), next_fast_len(2 * width, real=True)
    angle_y = 2 * np.pi * np.fft.fftfreq(padded[0])[:, None]
    angle_x = 2 * np.pi * np.fft.rfftfreq(padded[1])
    k_y, k_x = np.sin(angle_y) / pixel_size, np.sin(angle_x) / pixel_size
    k_squared = (4 * np.sin(angle_y / 2) ** 2 + 4 * np.sin(angle_x / 2) ** 2) / pixel_size**2
    k_squared[0, 0] = 1  # the numerator vanishes there
    m_y, m_x = rfft2(magnetisation, padded)
    scale = constants.e / constants.hbar * induction * thickness
    phase = irfft2(-1j * scale * (k_x * m_y - k_y * m_x) / k_squared, padded)
    farthest = (height + padded[0]) // 2, (width + padded[1]) // 2
    return phase[:height, :width] - phase[farthest]


def interaction_constant(wavelength: float) -> float:
    """Compute C_E = 2 pi m e lambda / h^2 with the relativistic mass m, radians per volt and metre,
    for electrons of ``wavelength`` metres.
    """
    momentum = constants.h / wavelength
    mass = np.hypot(constants.m_e, momentum / constants.c)
    return 2 * np.pi * mass * constants.e * wavelength / constants.h**2
