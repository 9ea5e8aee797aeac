"""Fig. 9: what scenes keep of the object's frequencies: sections of the power spectrum, energy
by band, Fourier ring correlation.
"""

import math
import os
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter

from ptychoformer.errors import InputError
from ptychoformer.evaluation import CHANNELS
from ptychoformer.evaluation.columns import BAND_ENERGIES, SPECTRA, read_table
from ptychoformer.evaluation.spectra import BANDS, MAX_FREQUENCY, OBJECT
from ptychoformer.publication.figures.parts.style import (
    DOUBLE_COLUMN,
    LEGEND_LINE,
    axes_at,
    colour,
    heading,
    house_style,
    legend_rows,
    save,
)
from ptychoformer.publication.figures.parts.sweeps import band, half_width_of, line_style, mark_cut
from ptychoformer.publication.names import scene_name
from ptychoformer.publication.selection import select

UNITS = {"amplitude": "pixel²", "phase": "rad² pixel²"}
LEFT, RIGHT, TOP, GAP = 0.58, 0.06, 0.4, 0.08
SECTION, ROW_GAP = 0.95, 0.1
LOWER, BELOW, FOR_LEGEND = 1.6, 0.4, 0.26
BELOW_TICKS = 0.2
BETWEEN = 0.62
NETWORK_STYLE = {"linewidth": 0.9}
FADED = 0.3  # opacity of ring correlations beyond where they first fall below the threshold
FURTHER = 100  # how far below the truth networks are shown, which may lose all of a high frequency
NYQUIST = 0.5  # the highest frequency of a ring, cycles/pixel
# Ring correlations are shown from here on; below are the intervals of where they fall, in rows.
LOWEST, ROW = -0.4, 0.13
EDGED = {"markersize": 3, "markeredgecolor": "black", "markeredgewidth": 0.4}
BEHIND = {"facecolor": "white", "edgecolor": "none", "pad": 0.3}  # what the name of a band covers


def draw(
    spectra_csv: str | os.PathLike,
    bands_csv: str | os.PathLike,
    *,
    models: Mapping[str, str],
    block: str,
    level: str,
    pdf: str | os.PathLike,
    png: str | os.PathLike,
) -> None:
    """Draw the figure of one dataset's runs, means over their seeds.

    Args:
        spectra_csv, bands_csv: as written by `evaluation.spectra.spectra`.
        models: network to label, in the order of the columns.
        block: of the test patterns, and ``level``, of the scenes: whose spectra these are.

    Raises:
        InputError: a file breaks its contract, lacks a network, or holds two runs of a network and
            seed.
    """
    spectra, bands = read_runs(spectra_csv, SPECTRA, models), read_runs(bands_csv, BAND_ENERGIES, models)
    with house_style():
        save(compose(spectra, bands, models, scene_name(block, level)), pdf, png)


def read_runs(path: str | os.PathLike, columns: tuple[str, ...], models: Mapping[str, str]) -> pd.DataFrame:
    """Read the rows of the networks ``models``, one run per network and seed.

    Raises:
        InputError: see `draw`.
    """
    table = read_table(path, columns)
    table = table[table["model"].isin(models)]
    if missing := [model for model in models if model not in set(table["model"])]:
        raise InputError(f"{path} holds no spectra of the network '{missing[0]}'.")
    runs = table[["dataset", "test", "model", "loss", "n_train", "seed"]].drop_duplicates()
    if runs.duplicated(["model", "seed"]).any() or runs[["dataset", "test"]].drop_duplicates().shape[0] > 1:
        raise InputError(
            f"{path} holds several datasets, or two runs of one network and seed; Fig. 9 shows one condition."
        )
    return table


def compose(spectra: pd.DataFrame, bands: pd.DataFrame, models: Mapping[str, str], scene: str) -> Figure:
    """Draw sections above, bands and ring correlation below, one legend; ``scene`` says of what."""
    handles = [Line2D([], [], color="black", linewidth=0.9, label="truth")]
    handles += [
        Line2D([], [], markersize=3, label=label, **NETWORK_STYLE, **line_style(place, model))
        for place, (model, label) in enumerate(models.items())
    ]
    handles.append(Line2D([], [], color="grey", linewidth=0.8, linestyle="--", label="half-bit threshold"))
    lines = legend_rows([handle.get_label() for handle in handles])
    lower_top = TOP + 2 * SECTION + ROW_GAP + BELOW + 0.34
    height = lower_top + LOWER + BELOW + FOR_LEGEND + (lines - 1) * LEGEND_LINE
    figure = Figure(figsize=(DOUBLE_COLUMN, height))
    _draw_sections(figure, spectra, models, scene)
    _draw_lower(figure, spectra, bands, models, lower_top)
    figure.legend(handles=handles, loc="lower center", ncols=math.ceil(len(handles) / lines), borderaxespad=0.2)
    return figure


def _letter(axes: Axes, name: str, text: str, left: float) -> None:
    """Write letter and title above the panel, ``left`` points to the left of its edge."""
    style = {"xycoords": "axes fraction", "textcoords": "offset points", "va": "baseline"}
    axes.annotate(name, (0, 1), (-left, 14), fontsize=9, fontweight="bold", **style)
    axes.annotate(text, (0, 1), (-left + 12, 14), **style)


def _draw_sections(figure: Figure, spectra: pd.DataFrame, models: Mapping[str, str], scene: str) -> None:
    width = (DOUBLE_COLUMN - LEFT - RIGHT - (len(models) - 1) * GAP) / len(models)
    for row, channel in enumerate(CHANNELS):
        truth = section(spectra, channel, "psd_diagonal_truth")
        limits = _section_limits(truth["mean"], spectra, channel)
        for column, (model, label) in enumerate(models.items()):
            box = (LEFT + column * (width + GAP), TOP + row * (SECTION + ROW_GAP), width, SECTION)
            axes = axes_at(figure, box)
            curve = section(spectra[spectra["model"] == model], channel, "psd_diagonal")
            _draw_section(axes, truth, curve, colour(model))
            axes.set_ylim(limits)
            if row == 0:
                axes.set_title(heading(label, width), pad=2)
                for place, name in enumerate(BANDS):
                    at = (place + 0.5) / len(BANDS)
                    axes.text(at, 0.99, name, transform=axes.transAxes, ha="center", va="top", bbox=BEHIND)
                axes.tick_params(labelbottom=False)
            if column == 0:
                axes.set_ylabel(f"{channel} PSD\n({UNITS[channel]})", linespacing=1.1, labelpad=2)
            else:
                axes.tick_params(labelleft=False)
            if (row, column) == (0, 0):
                ends = " and ".join(f"{limit * MAX_FREQUENCY / 3:.2f}" for limit in (1, 2))
                _letter(axes, "a", f"Diagonal section of the {scene}; bands end at {ends} cycles/pixel (dotted)", 40)
    middle, below = LEFT + (DOUBLE_COLUMN - LEFT - RIGHT) / 2, TOP + 2 * SECTION + ROW_GAP + BELOW_TICKS
    figure.text(
        middle / DOUBLE_COLUMN, 1 - below / figure.get_figheight(), "frequency (cycles/pixel)", ha="center", va="top"
    )


def _draw_section(axes: Axes, truth: pd.DataFrame, curve: pd.DataFrame, colour: str) -> None:
    """Draw a network's section over that of the truth, and where bands end."""
    axes.plot(truth["frequency"], truth["mean"], color="black", linewidth=0.6)
    band(axes, curve["frequency"], curve["low"], curve["high"], colour)
    axes.plot(curve["frequency"], curve["mean"], color=colour, **NETWORK_STYLE)
    axes.set(yscale="log", xlim=(0, MAX_FREQUENCY), xticks=(0, 0.2, 0.4, 0.6))
    axes.yaxis.set_major_locator(LogLocator(numticks=5))
    axes.yaxis.set_minor_formatter(NullFormatter())
    for limit in (1, 2):
        axes.axvline(limit * MAX_FREQUENCY / 3, color="0.35", linewidth=0.6, linestyle=":")


def _section_limits(truth: pd.Series, spectra: pd.DataFrame, channel: str) -> tuple[float, float]:
    """Choose limits that show the truth, but for the next to no energy that a design on a grid has
    at some frequencies of its diagonal, and the networks, down to a `FURTHER`th of that at most.
    """
    curves = select(spectra, channel=channel, quantity="psd_diagonal").groupby(["model", "frequency"])["value"].mean()
    bottom = truth.quantile(0.25) / 3
    return max(min(bottom, curves.min() / 2), bottom / FURTHER), 3 * max(truth.max(), curves.max())


def section(spectra: pd.DataFrame, channel: str, quantity: str) -> pd.DataFrame:
    """Find the mean, lowest and highest value over seeds at each ``frequency``."""
    groups = select(spectra, channel=channel, quantity=quantity).groupby("frequency")["value"]
    return groups.agg(mean="mean", low="min", high="max").reset_index()


def _draw_lower(
    figure: Figure, spectra: pd.DataFrame, bands: pd.DataFrame, models: Mapping[str, str], top: float
) -> None:
    channels = (*CHANNELS, OBJECT)
    # Two panels of bands and three of ring correlation; within a group they share the axis of the
    # first.
    width = (DOUBLE_COLUMN - LEFT - RIGHT - BETWEEN - 3 * GAP) / 5
    ratios = band_ratios(bands)
    limits = _ratio_limits(ratios)
    for column, channel in enumerate(CHANNELS):
        axes = axes_at(figure, (LEFT + column * (width + GAP), top, width, LOWER))
        _draw_bands(axes, select(ratios, channel=channel), models)
        axes.set(yscale="log", ylim=limits)
        mark_cut(axes)
        axes.set_title(channel.capitalize(), pad=2)
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.tick_params(labelleft=column == 0)
        if column == 0:
            axes.set_ylabel("energy share / true share", labelpad=2)
            _letter(axes, "b", "Energy by band, 95 % interval", 40)
    for column, channel in enumerate(channels):
        left = LEFT + 2 * (width + GAP) - GAP + BETWEEN + column * (width + GAP)
        axes = axes_at(figure, (left, top, width, LOWER))
        _draw_correlation(axes, spectra, channel, models)
        axes.set_title("Complex object" if channel == OBJECT else channel.capitalize(), pad=2)
        axes.tick_params(labelleft=column == 0)
        if column == 0:
            axes.set_ylabel("ring correlation", labelpad=2)
            _letter(axes, "c", "Fourier ring correlation with the truth; below, where it falls, 95 % interval", 30)


def band_ratios(bands: pd.DataFrame) -> pd.DataFrame:
    """Compare each ``model``, ``channel`` and ``band`` with the truth: geometric ``mean`` over
    seeds of the share over the true share, and its 95 % interval.

    The interval ``low`` to ``high`` is of the logarithm's mean, by Student's t, NaN of a single
    seed; ``truth`` is the mean true share.
    """
    logarithm = np.log(np.maximum(bands["estimate"], np.finfo(float).tiny) / bands["truth"])
    groups = bands.assign(logarithm=logarithm).groupby(["model", "channel", "band"])
    table = groups.agg(
        mean=("logarithm", "mean"), half=("logarithm", half_width_of), truth=("truth", "mean")
    ).reset_index()
    return table.assign(
        mean=np.exp(table["mean"]),
        low=np.exp(table["mean"] - table["half"]),
        high=np.exp(table["mean"] + table["half"]),
    )


def _ratio_limits(ratios: pd.DataFrame) -> tuple[float, float]:
    """Choose decades around the means and one; wide intervals of few seeds may leave the panel."""
    low, high = np.floor(np.log10(ratios["mean"].min()) - 0.1), np.ceil(np.log10(ratios["mean"].max()) + 0.1)
    return 10.0 ** min(low, -1), 10.0 ** max(high, 1)


def _draw_bands(axes: Axes, ratios: pd.DataFrame, models: Mapping[str, str]) -> None:
    axes.axhline(1, color="black", linewidth=0.9)
    step = 0.7 / len(models)
    for place, model in enumerate(models):
        rows = select(ratios, model=model).set_index("band").loc[list(BANDS)]
        where = np.arange(len(BANDS)) + (place - (len(models) - 1) / 2) * step
        spread = np.array([rows["mean"] - rows["low"], rows["high"] - rows["mean"]])
        style = {**line_style(place, model), "linestyle": "none"}
        axes.errorbar(where, rows["mean"], spread, markersize=2.8, elinewidth=0.7, capsize=1.2, capthick=0.6, **style)
    truth = ratios.drop_duplicates("band").set_index("band").loc[list(BANDS), "truth"]
    axes.set_xticks(range(len(BANDS)), [f"{band}\n{_share(share)}" for band, share in truth.items()])
    axes.set_xlim(-0.55, len(BANDS) - 0.45)
    axes.set_xlabel("band, true share (%)", labelpad=1)


def _share(share: float) -> str:
    """Write a share in percent, with as many digits as it takes to tell the bands apart."""
    percent = 100 * share
    return f"{percent:.1f}" if percent >= 10 else f"{percent:.2g}"


def _draw_correlation(axes: Axes, spectra: pd.DataFrame, channel: str, models: Mapping[str, str]) -> None:
    axes.axhline(0, color="lightgrey", linewidth=0.5)
    threshold = section(spectra, channel, "half_bit")
    axes.plot(threshold["frequency"], threshold["mean"], color="grey", linewidth=0.8, linestyle="--")
    for place, model in enumerate(models):
        curve = section(spectra[spectra["model"] == model], channel, "frc")
        look = line_style(place, model)
        style = look | {"marker": "", "linewidth": 0.8}
        falls = select(spectra, channel=channel, quantity="crossing", model=model)["frequency"]
        beyond = curve["frequency"] > falls.mean()
        axes.plot(curve["frequency"], curve["mean"].mask(beyond), **style)
        # One point more, so that there is no gap between the two.
        axes.plot(curve["frequency"], curve["mean"].where(beyond.shift(-1, fill_value=True)), alpha=FADED, **style)
        mark = look | EDGED | {"linestyle": "none"}
        axes.plot(falls.mean(), np.interp(falls.mean(), threshold["frequency"], threshold["mean"]), zorder=3, **mark)
        _draw_interval(axes, falls, LOWEST - (place + 0.5) * ROW, mark)
    bottom = LOWEST - len(models) * ROW
    axes.axhspan(bottom, LOWEST, facecolor="white", edgecolor="grey", linewidth=0.4, zorder=2.5)
    axes.set(xlim=(0, NYQUIST), ylim=(bottom, 1.02), xticks=(0, 0.2, 0.4), yticks=(0, 0.5, 1))
    axes.set_xlabel("frequency (cycles/pixel)", labelpad=1)


def _draw_interval(axes: Axes, falls: pd.Series, height: float, mark: Mapping[str, object]) -> None:
    """Draw the mean of frequencies and its 95 % interval in a row of its own, with arrowheads where
    the interval goes on beyond the frequencies that there are.
    """
    mean, half = falls.mean(), half_width_of(falls)
    style = {"elinewidth": 0.7, "capsize": 1.2, "capthick": 0.6, "zorder": 3, **mark}
    axes.errorbar(mean, height, xerr=half, **style)
    for cut, edge, head in ((mean - half < 0, 0, "<"), (mean + half > NYQUIST, NYQUIST, ">")):
        if cut:
            arrow = {"marker": head, "markersize": 3, "color": mark["color"], "linestyle": "none", "zorder": 3}
            axes.plot(edge, height, clip_on=False, gid="cut", **arrow)
