"""Scenes as TIFF files for ImageJ."""

import os

import h5py
import numpy as np

from ptychoformer.errors import OutputError
from ptychoformer.evaluation import CHANNELS
from ptychoformer.evaluation.band import TILE
from ptychoformer.files import atomic

LARGEST_TIFF = 2**32 - 2**16  # bytes; ImageJ knows no larger ones


def tiff_names(prefix: str | os.PathLike) -> list[str]:
    """Name the files of a scene, one for each channel: PREFIX_amplitude.tif, PREFIX_phase.tif."""
    return [f"{os.fspath(prefix)}_{channel}.tif" for channel in CHANNELS]


def write_tiffs(scene: h5py.Group, prefix: str | os.PathLike, about: str = "") -> None:
    """Write a scene as the files of `tiff_names`, some rows at a time.

    They are float32, with the size of a pixel in micrometres if it is known.

    Args:
        scene: group that `stream.predict_scene` wrote.
        about: what the files say of themselves (ImageJ's Info), if anything.

    Raises:
        OutputError: the scene is too large for the format, or a file cannot be written.
    """
    for name, channel in zip(tiff_names(prefix), CHANNELS, strict=True):
        _write_tiff(scene[channel], scene.attrs.get("pixel_size"), name, about)


def _write_tiff(image: h5py.Dataset, pixel_size: float | None, path: str, about: str) -> None:
    import tifffile  # takes a tenth of a second, which only those who ask for TIFFs should pay

    if image.size * 4 > LARGEST_TIFF:
        raise OutputError(
            f"{path} cannot be written: ImageJ reads TIFFs of up to 4 GB, the scene has {image.shape} pixels."
        )
    metadata = {"axes": "YX"} | ({"unit": "um"} if pixel_size else {}) | ({"Info": about} if about else {})
    resolution = (1e-6 / pixel_size, 1e-6 / pixel_size) if pixel_size else None
    with atomic(path) as temporary:
        # An image of zeros first, into which the rows are written: tifffile itself wants all of an
        # image at once.
        tifffile.imwrite(
            temporary,
            shape=image.shape,
            dtype=np.float32,
            byteorder="<",
            imagej=True,
            resolution=resolution,
            metadata=metadata,
        )
        with tifffile.TiffFile(temporary) as file:
            start = file.pages[0].dataoffsets[0]
        with temporary.open("r+b") as file:
            file.seek(start)
            for row in range(0, len(image), TILE):
                file.write(image[row : row + TILE].astype("<f4").tobytes())
