"""Pictures of one scan, one reconstruction, one training and one predicted scene, for whoever has
nothing else: one row of panels each.

Every ``draw_...`` returns its figure, and writes it as PNG where it is given a name (``png``), with
what the picture says of itself (``about``).
"""

import os
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from ptychoformer.errors import InputError
from ptychoformer.evaluation import CHANNELS
from ptychoformer.evaluation.patches import read_normalisation
from ptychoformer.evaluation.reproducibility import RINGS
from ptychoformer.measurement.gauge import lit_pixels
from ptychoformer.measurement.modes import read_modes, root_of_light
from ptychoformer.measurement.summary import Summary
from ptychoformer.publication.figures.parts.bars import photon_scale
from ptychoformer.publication.figures.parts.style import COLOURMAPS, house_style, save
from ptychoformer.publication.scan.rows import Picture, Row
from ptychoformer.storage import open_hdf5, read
from ptychoformer.tables import read_csv

PANEL = 2.2  # greatest side of a picture, inches
SCENE_PANEL, NARROWEST = 3.4, 0.8  # a scale bar and its label need some width
PATTERN_DECADES = 5
TAILS = 0.01  # of the values at either end that may leave the colour scale
LEAST_CONTRAST = 0.2  # of the labels' range that the colours of a scene span at least, so that a flat one looks flat
LARGEST_PICTURE = 1024  # pixels along a side that a scene is averaged down to
UNITS = {"amplitude": "arb. units", "phase": "rad"}
AXIS_UNITS = ((1e-3, "mm"), (1e-6, "µm"), (1e-9, "nm"))
FEWEST_TICKS = 3  # of an R factor; fewer would not tell what a value is
CONVERGENCE = ("iteration", "r_factor")  # columns that are drawn
# Dots that are still apart where the picture is shrunk to a third for a page.
DOTTED = {"color": "black", "linewidth": 1.0, "linestyle": (0, (1, 3))}
PROGRESS_DPI = 100  # drawn again and again, in a fifth of the time of a picture for print


def draw_scan(summary: Summary, png: str | os.PathLike | None = None, about: str = "") -> Figure:
    """Draw the mean pattern on a logarithmic scale, the positions in the order of the scan, and the
    probe if it is known.
    """
    mean, probe = summary.mean, summary.scan.probe
    pixel_size = summary.scan.optics.pixel_size if summary.scan.optics else None
    positions, unit = (summary.pixels, "pixels") if summary.metres is None else (summary.metres, "metres")
    with house_style():
        row = Row(2 if probe is None else 3, PANEL, PANEL)
        photons = photon_scale(PATTERN_DECADES, mean)
        row.picture(0, Picture("Mean pattern", mean, photons, COLOURMAPS["pattern"], "photons"))
        if probe is not None:
            modulus = np.abs(probe)
            title = "Probe as recorded, modulus"
            # Of others' files nobody knows, and their first guesses often have a norm of 1.
            unit_of_probe = "√photons" if summary.format == "cxi" else "arb. units"
            row.picture(
                1, Picture(title, modulus, _linear(modulus, tails=0), COLOURMAPS["error"], unit_of_probe, pixel_size)
            )
        _draw_positions(
            row.plot(1 if probe is None else 2, f"{len(positions)} positions, first dark, last bright"), positions, unit
        )
        return _saved(row.figure, png, about)


def _saved(figure: Figure, png: str | os.PathLike | None, about: str) -> Figure:
    if png:
        save(figure, png, about=about)
    return figure


def _draw_positions(axes: Axes, positions: np.ndarray, unit: str) -> None:
    factor, name = _axis_unit(positions) if unit == "metres" else (1.0, unit)
    y, x = (positions - positions.min(axis=0)).T / factor
    # Dots that do not hide each other, coloured from the first to the last.
    axes.scatter(x, y, s=min(6.0, 3000 / len(x)), c=np.arange(len(x)), cmap="viridis", linewidths=0, rasterized=True)
    axes.set(xlabel=f"x ({name})", ylabel=f"y ({name})")
    axes.set_aspect("equal", adjustable="datalim")
    axes.invert_yaxis()


def _axis_unit(positions: np.ndarray) -> tuple[float, str]:
    """Choose what to divide metres by, and its name."""
    largest = float(np.ptp(positions, axis=0).max())
    return next((unit for unit in AXIS_UNITS if largest >= unit[0]), AXIS_UNITS[-1])


def draw_reconstruction(
    reconstruction: str | os.PathLike,
    convergence: str | os.PathLike,
    png: str | os.PathLike | None = None,
    frc: str | os.PathLike | None = None,
    about: str = "",
) -> Figure:
    """Draw amplitude, phase, probe, the R factor of every iteration, and the Fourier ring
    correlation of two halves if there is one, a table with ``frequency``, ``frc`` and ``half_bit``.

    Raises:
        InputError: a file is damaged or lacks something.
    """
    with open_hdf5(reconstruction) as file:
        images = {channel: read(file, f"object/{channel}", 2)[:] for channel in CHANNELS}
        light, probe = read(file, "object/light", 2)[:], read_modes(file, "probe/wavefield", "probe/modes")
        pixel_size, r_factor = file.attrs.get("pixel_size"), file.attrs.get("r_factor")
    if r_factor is None:
        raise InputError(f"{reconstruction} does not say its R factor (the attribute 'r_factor').")
    with house_style():
        row = Row(4 if frc is None else 5, PANEL, PANEL)
        _draw_object(row, images, light, probe, pixel_size)
        title = f"R factor, {r_factor:#.3g} of the result (dotted)"
        _draw_convergence(row.plot(3, title), read_csv(convergence, {"iteration": int}, CONVERGENCE), r_factor)
        if frc is not None:
            _draw_rings(row.plot(4, "FRC of halves, half-bit dotted"), read_csv(frc, {}, RINGS))
        return _saved(row.figure, png, about)


def draw_progress(
    transmission: np.ndarray,
    probe: np.ndarray,
    light: np.ndarray,
    history: pd.DataFrame,
    *,
    iterations: int,
    pixel_size: float | None,
    png: str | os.PathLike,
    about: str,
) -> None:
    """Draw a reconstruction that goes on, as `draw_reconstruction` draws one that is done.

    Args:
        transmission, light: (H, W) complex object, and photons on each of its pixels.
        probe: (modes, h, w) complex.
        history: ``iteration`` and ``r_factor`` so far.
        iterations: how many there will be.
        pixel_size: metres.
    """
    images = {"amplitude": np.abs(transmission), "phase": np.angle(transmission)}
    last = history.iloc[-1]
    with house_style(), rc_context({"savefig.dpi": PROGRESS_DPI}):
        row = Row(4, PANEL, PANEL)
        _draw_object(row, images, light, probe, pixel_size)
        title = f"Iteration {last['iteration']:.0f} of {iterations}, R factor {last['r_factor']:#.3g}"
        _draw_convergence(row.plot(3, title), history, last["r_factor"])
        save(row.figure, png, about=about)


def _draw_object(
    row: Row, images: Mapping[str, np.ndarray], light: np.ndarray, probe: np.ndarray, pixel_size: float | None
) -> None:
    """Draw amplitude, phase and probe in the first three places of ``row``."""
    lit = lit_pixels(light)
    rows, columns = np.nonzero(lit)
    # What no light fell on is noise around the picture, and would decide its colours.
    seen = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    for place, channel in enumerate(CHANNELS):
        scale = _linear(images[channel][lit], TAILS)
        label = {"amplitude": "1 where it is clear", "phase": "rad"}[channel]
        shown = Picture(channel.capitalize(), images[channel][seen], scale, COLOURMAPS[channel], label, pixel_size)
        row.picture(place, shown)
    modulus = root_of_light(probe)
    scale = _linear(modulus, tails=0)
    title = f"Probe, modulus of {len(probe)} modes" if len(probe) > 1 else "Probe, modulus"
    row.picture(2, Picture(title, modulus, scale, COLOURMAPS["error"], "√photons", pixel_size))


def _draw_rings(axes: Axes, rings: pd.DataFrame) -> None:
    axes.plot(rings["frequency"], rings["frc"], color="black")
    axes.plot(rings["frequency"], rings["half_bit"], **DOTTED)
    axes.set(xlabel="cycles/pixel", xlim=(0, 0.5), ylim=(min(0, rings["frc"].min()), 1.02))


def _draw_convergence(axes: Axes, history: pd.DataFrame, result: float) -> None:
    axes.plot(history["iteration"], history["r_factor"], color="black")
    axes.axhline(result, **DOTTED)
    axes.set(xlabel="iteration", ylabel="R factor", yscale="log")
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    low, high = min(history["r_factor"].min(), result), history["r_factor"].max()
    decades = [digit * 10.0**power for power in range(-6, 2) for digit in (1, 2, 5)]
    for ticks in (decades, MaxNLocator(4).tick_values(low, high)):
        shown = [tick for tick in ticks if low / 1.3 <= tick <= high * 1.3]  # not 0, which has no place here
        if len(shown) >= FEWEST_TICKS:
            break
    axes.set_yticks(shown)
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter("{x:g}")


def draw_history(history: pd.DataFrame) -> Figure:
    """Draw training and validation loss of every epoch, on a logarithmic scale.

    Args:
        history: ``epoch``, ``train_loss`` and ``validation_loss``.
    """
    with house_style():
        row = Row(1, SCENE_PANEL, PANEL)
        axes = row.plot(0, "Losses")
        axes.plot(history["epoch"], history["train_loss"], color="grey", marker=".", label="training")
        axes.plot(history["epoch"], history["validation_loss"], color="black", marker=".", label="validation")
        axes.set(xlabel="epoch", ylabel="loss", yscale="log")
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.legend()
        return row.figure


def draw_scene(scene_file: str | os.PathLike, png: str | os.PathLike | None = None, about: str = "") -> Figure:
    """Draw amplitude and phase of a predicted scene, averaged down to what a picture can show; the
    whole of it is never in memory.

    Raises:
        InputError: the file is damaged.
    """
    with open_hdf5(scene_file) as file:
        images = {channel: read(file, f"scene/{channel}", 2) for channel in CHANNELS}
        height, width = images["amplitude"].shape
        step = -(-max(height, width) // LARGEST_PICTURE)
        small = {channel: decimated(image, step) for channel, image in images.items()}
        labels = read_normalisation(file["scene"])
        attributes: Mapping[str, Any] = dict(file["scene"].attrs)
    with house_style():
        row = Row(2, max(SCENE_PANEL * min(width / height, 1), NARROWEST), SCENE_PANEL * min(height / width, 1))
        for place, channel in enumerate(CHANNELS):
            image, (low, high) = small[channel], labels.limits(channel)
            scale = _linear(image, TAILS, LEAST_CONTRAST * (high - low))
            shown = {"pixel_size": attributes.get("pixel_size"), "step": step}
            row.picture(
                place, Picture(channel.capitalize(), image, scale, COLOURMAPS[channel], UNITS[channel], **shown)
            )
        return _saved(row.figure, png, about)


def decimated(image: h5py.Dataset, step: int) -> np.ndarray:
    """Average the pixels that are not NaN over blocks of ``step`` x ``step``: (ceil(H / step),
    ceil(W / step)); some rows are read at a time.
    """
    height, width = image.shape
    at_once = step * max(1, 2**20 // (width * step))
    parts = [_block_means(image[row : row + at_once], step) for row in range(0, height, at_once)]
    return np.concatenate(parts)


def _block_means(rows: np.ndarray, step: int) -> np.ndarray:
    if step == 1:
        return rows
    padded = np.pad(rows, [(0, -side % step) for side in rows.shape], constant_values=np.nan)
    blocks = padded.reshape(padded.shape[0] // step, step, -1, step)
    count = np.isfinite(blocks).sum(axis=(1, 3))
    return np.divide(np.nansum(blocks, axis=(1, 3)), count, out=np.full(count.shape, np.nan), where=count > 0)


def _linear(values: np.ndarray, tails: float, least: float = 0.0) -> Normalize:
    """Make a colour scale, ``least`` wide or more, for finite ``values`` but the most extreme."""
    finite = values[np.isfinite(values)]
    low, high = np.quantile(finite, (tails, 1 - tails)) if finite.size else (0.0, 1.0)
    wider = max(0.0, least - (high - low)) / 2
    low, high = low - wider, high + wider
    return Normalize(low, high if high > low else low + 1)
