"""The figures of the report: their captions, and their pictures as a part of the page."""

import base64
import io
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from ptychoformer.errors import InputError

# Three quarters of what a page may weigh: base64 adds a third.
MOST_BYTES = 10_000_000
_SCREEN_PIXELS_PER_DOT = 0.45  # figures have 300 dots an inch; their smallest text, 6 points, is then 11 pixels high
# What stands below the pictures of reconstructions.
_BELOW = (
    "Numbers below pictures are PSNRs, of a phase as it is and of the relative phase, whose mean error is taken off: a pattern does not "
    "change with the constant phase of its window."
)
# Letters of panels stand between double asterisks.
_CAPTIONS = {
    "fig1": (
        "What diffraction patterns are like",
        "**a**, One simulated pattern and the mean over many, with rings at marked spatial frequencies. **b**, Decay of the "
        "intensity with radius. **c**, The pattern of **a** in polar coordinates, where rings are horizontal lines. **d**, How "
        "alike two pixels are, along a ring and across rings: the property that Polar Coordinate Attention rests on.",
    ),
    "fig2": (
        "Architecture of Ptychoformer as it was built",
        "Both branches, their fusion, the two decoders and the output constraints; every shape and number of parameters is read"
        " from the network itself.",
    ),
    "fig3": (
        "What Polar Coordinate Attention weighs",
        "**a to c**, The matrices of Eqs. 10 and 11 and the factor that they put on the logits of each key. **d**, Attention of"
        " a central and of an outer query in every block and head of the trained network, relative to an equal share for every "
        "key.",
    ),
    "fig4": (
        "Networks on single patterns and on the stitched scene",
        "**a, b**, Two scan points of the block that **c** names, beyond the reach of training where the scan allows it, chosen for the "
        "highest contrast of their labels and the least overlap, with their diffraction patterns. **c**, The scene of this block of the "
        f"test strip. {_BELOW} ePIE, last, reconstructs from all patterns together with the probe known. "
        "Errors are absolute differences from the truth; all panels of a row of **c**, and the same rows of **a** and **b**, "
        "share the colour scale at its right.",
    ),
    "fig5": (
        "Measured data",
        "Networks on a measured scan; the labels are the object that an iterative reconstruction finds from all patterns together. "
        "**a, b**, Amplitude and phase of one test pattern. **c, d**, The scene of the test strip; between it and the part of the object "
        "that trained lies a guard band. **e, f**, The part of the scene with the highest contrast. "
        f"{_BELOW} Colours leave out half a percent of the scene’s labels at either end. "
        "**g to i**, Scores of the scene against the labels, mean with 95 % interval over seeds.",
    ),
    "fig6": (
        "An object of another kind",
        "Networks that were trained on straight features alone see curved ones, without fine-tuning. **a, b**, Amplitude and "
        f"phase of one pattern. **c, d**, The scene of all patterns. {_BELOW}",
    ),
    "fig7": (
        "Training sets of falling size",
        "The part of the object that the patterns of each training set illuminate; the test strip, whose patterns all networks predict; "
        "the block of it that Figure 8 shows and measures; and the part of this block that no training pattern illuminates.",
    ),
    "fig8": (
        "Less data",
        f"**a, b**, Scenes of all networks at two sizes of the training set. {_BELOW} **c, d**, PSNR and SSIM of the scene, over the part "
        "of the block that no training pattern illuminates, and PSNR of its relative phase, against the size of the training set and "
        "against the overlap of the scan: mean with 95 % interval over seeds, beside floor, ceiling, what one pattern can tell (the true "
        "shape, with each window’s constant phase set to the mean of the training labels; its amplitude is the ceiling’s, and a network "
        "that guesses constants better may pass its phase) and the reconstruction from all patterns. A reference is written at the upper "
        "edge (↑) where its decibels lie far above.",
    ),
    "fig9": (
        "What is kept of the object’s frequencies",
        "Of the scenes of Figure 4, with every seed. "
        "**a**, Diagonal section of the power spectrum, the truth in black. **b**, Share of the energy by band, relative to the"
        " truth’s. **c**, Fourier ring correlation with the truth (not in the paper), marked where it falls below the half-bit "
        "threshold.",
    ),
    "fig10": (
        "Weight of the mean squared error in the loss",
        "PSNR and SSIM of the scene that the figure names against the weight α, mean with 95 % interval over seeds; either loss alone "
        "stands apart, and open circles are the paper’s values.",
    ),
}
_ABSENT = (
    "Skipped: the measured scan {file} is not at hand. With a copy of it under a folder, make paper DATA=folder uses that; asking for fig5 "
    "by name downloads it if the config knows its address, and every run after that includes this figure, its table and its claims."
)


@dataclass(frozen=True)
class Picture:
    """A figure on the page; ``source`` and ``pdf`` are empty if there is none.

    Args:
        number: the paper's.
        source: data URI.
        width, height: on the screen, CSS pixels.
        pdf: link, relative to the page.
    """

    number: str
    title: str
    caption: str
    source: str = ""
    width: int = 0
    height: int = 0
    pdf: str = ""


def pictures(
    figures: Mapping[str, tuple[str | os.PathLike, str | os.PathLike]], page: str | os.PathLike, missing_scan: str = ""
) -> list[Picture]:
    """The figures in the order of the paper, with a word on those that are not made.

    PNGs are embedded as they are, or at half their resolution if the page would weigh too much.

    Args:
        figures: ``fig1``, ``fig2``, ... to PDF and PNG.
        page: where it will lie.
        missing_scan: the file that Figure 5 was left out for.

    Raises:
        InputError: a file is missing or not a PNG, or the paper has no such figure.
    """
    if unknown := [name for name in figures if name not in _CAPTIONS]:
        raise InputError(f"The figure '{unknown[0]}' has no caption; there are captions of {', '.join(_CAPTIONS)}.")
    contents = {name: _read(png) for name, (_, png) in figures.items()}
    halved = sum(map(len, contents.values())) > MOST_BYTES
    made = {name: _picture(name, figures[name], contents[name], halved, Path(page).parent) for name in figures}
    if missing_scan:
        made["fig5"] = Picture("5", _CAPTIONS["fig5"][0], _ABSENT.format(file=missing_scan))
    return sorted(made.values(), key=lambda picture: int(picture.number))


def _number(name: str) -> str:
    return name.removeprefix("fig")


def _picture(name: str, files: tuple[str | os.PathLike, str | os.PathLike], content: bytes, halved: bool, folder: Path) -> Picture:
    pdf, png = map(Path, files)
    if not pdf.is_file():
        raise InputError(f"{pdf} does not exist.")
    try:
        with Image.open(io.BytesIO(content)) as image:
            width, height = (round(_SCREEN_PIXELS_PER_DOT * size) for size in image.size)
            content = _half(image) if halved else content
    except (OSError, UnidentifiedImageError) as error:
        raise InputError(f"{png} cannot be read as a picture; delete it and run again.") from error
    source = f"data:image/png;base64,{base64.b64encode(content).decode('ascii')}"
    return Picture(_number(name), *_CAPTIONS[name], source, width, height, Path(os.path.relpath(pdf, folder)).as_posix())


def _half(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.convert("RGB").reduce(2).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _read(path: str | os.PathLike) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}).") from error
