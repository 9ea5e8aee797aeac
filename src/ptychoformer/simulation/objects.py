"""Objects: complex transmission functions on a pixel grid, generated or read from a pair of
TIFF images.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from ptychoformer.errors import InputError, first_line
from ptychoformer.files import check_file
from ptychoformer.measurement.cxi import Optics
from ptychoformer.memory import MOST_EXPANSION, check_room
from ptychoformer.simulation.permalloy import permalloy
from ptychoformer.simulation.shapes import curved, straight
from ptychoformer.storage import create_hdf5, write


def make_object(options: Mapping[str, Any], optics: Optics, files: Mapping[str, Path], output: Path) -> None:
    """Write an object as ``object/amplitude`` and ``object/phase`` (H, W) float32.

    ``kind`` is ``permalloy``, generated from ``shape``, ``seed`` and the constants of the film;
    ``straight`` or ``curved``, generated from ``shape``, ``seed``, ``transmission`` and
    ``phase_shift`` (radians); or ``tiff``, read from ``files["amplitude"]`` and ``files["phase"]``
    (radians) and of the declared ``shape``. Of any kind, the amplitude is then mapped linearly to
    ``amplitude_range``, unless that is None, and the phase multiplied by ``phase_scale``. The paper
    maps its phase to -pi/3 (phi + pi) / (2 pi); no pattern depends on the offset of the phase, so a
    ``phase_scale`` of -1/6 gives the same patterns.

    Raises:
        InputError: a file cannot be used, or the object does not allow the mapping.
    """
    amplitude, phase = _amplitude_and_phase(options, optics, files)
    if options["amplitude_range"] is not None:
        amplitude = mapped(amplitude, *options["amplitude_range"])
    with create_hdf5(output) as file:
        group = file.create_group("object")
        group.attrs.update({"kind": options["kind"], "pixel_size": optics.pixel_size})
        write(group, "amplitude", amplitude.astype(np.float32), "", "y,x")
        write(group, "phase", (options["phase_scale"] * phase).astype(np.float32), "rad", "y,x")


def mapped(amplitude: np.ndarray, low: float, high: float) -> np.ndarray:
    """Map the least and greatest value of ``amplitude`` linearly to ``low`` and ``high``.

    Raises:
        InputError: the amplitude has one value only.
    """
    least, greatest = amplitude.min(), amplitude.max()
    if least == greatest:
        raise InputError(
            f"amplitude_range: an amplitude of {least:g} everywhere cannot be mapped to [{low}, {high}]; it must be"
            " null."
        )
    return np.interp(amplitude, [least, greatest], [low, high])


def _amplitude_and_phase(
    options: Mapping[str, Any], optics: Optics, files: Mapping[str, Path]
) -> tuple[np.ndarray, np.ndarray]:
    shape = tuple(options["shape"])
    match options["kind"]:
        case "permalloy":
            film = {
                name: options[name] for name in ("thickness", "induction", "mean_inner_potential", "absorption_length")
            }
            return permalloy(shape, options["seed"], optics, **film)
        case "straight":
            return straight(shape, options["seed"], options["transmission"], options["phase_shift"])
        case "curved":
            return curved(shape, options["seed"], options["transmission"], options["phase_shift"])
        case "tiff":
            return read_tiff(files["amplitude"], shape), read_tiff(files["phase"], shape)
        case kind:
            raise InputError(f"objects: there is no kind '{kind}'; it must be permalloy, straight, curved or tiff.")


def read_tiff(path: Path, shape: tuple[int, int]) -> np.ndarray:
    """Read a grey-scale image (H, W), float64.

    Raises:
        InputError: the file is missing, damaged, complex or in colour, has another shape than the
            declared one, or holds NaN or infinity.
    """
    check_file(path)
    try:
        with tifffile.TiffFile(path) as file:
            _check_image(Path(path), file, shape)
            image = file.asarray()
    except InputError:
        raise
    except Exception as error:  # tifffile lets through whatever it stumbles over
        raise InputError(f"{path} cannot be read as TIFF, it may be truncated ({first_line(error)}).") from error
    if not np.isfinite(image).all():
        raise InputError(f"{path} holds NaN or infinity; repair it.")
    return image.astype(np.float64)


def _check_image(path: Path, file: tifffile.TiffFile, shape: tuple[int, int]) -> None:
    """Look at what the file says of its first image, before any of it is unpacked."""
    found = file.series[0]
    if found.ndim != 2 or found.dtype.kind not in "fiu":
        raise InputError(
            f"{path} must hold one grey-scale image of real numbers, found shape {found.shape} of {found.dtype}."
        )
    if found.shape != shape:
        raise InputError(f"{path} has the shape {found.shape}, but the config declares {shape}.")
    if found.nbytes > MOST_EXPANSION * (stored := path.stat().st_size):
        raise InputError(
            f"{path} cannot be read as TIFF, it may be truncated: it claims the shape {found.shape} of {found.dtype},"
            f" of which {stored} bytes are stored."
        )
    check_room(str(path), found.size * (found.dtype.itemsize + np.dtype(np.float64).itemsize))
