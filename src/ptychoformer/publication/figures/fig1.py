"""Fig. 1: what diffraction patterns are like. They decay with radius, and, in polar
coordinates, rings are lines.
"""

import os

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Patch
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FixedLocator, LogFormatterSciNotation, LogLocator, NullLocator

from ptychoformer.evaluation.quantities import number
from ptychoformer.publication.figures.parts.bars import frame
from ptychoformer.publication.figures.parts.rings import Rings, load_rings, to_polar
from ptychoformer.publication.figures.parts.style import DOUBLE_COLUMN, house_style, save

HEIGHT = 4.35
DECADES = 6
DECAY_DECADES = 8
# Of the detector's half width, in colours that stay apart in grey. They are not the bands of Fig.
# 9, whose limits are thirds of the way to the spectrum's corner.
THIRDS = {"inner third": "#56B4E9", "middle third": "#E69F00", "outer third": "#CC79A7"}
WAYS = {"along": ("#332288", "along the ring"), "across": ("#CC6677", "across rings")}
WHAT = {"log": ("-", "log intensity"), "deviation": ("--", "the same, less each\npixel’s own mean")}
NYQUIST = 0.5  # cycles per pixel
FREQUENCIES = (-0.4, -0.2, 0, 0.2, 0.4)
_OUTLINE = [withStroke(linewidth=1.2, foreground="black")]


def draw(dataset_cxi: str | os.PathLike, *, condition: str, pdf: str | os.PathLike, png: str | os.PathLike) -> None:
    """Draw the figure for one dataset.

    Args:
        dataset_cxi: CXI file.
        condition: label of the dataset, for example ``Noise-free``.

    Raises:
        InputError: the dataset is damaged or its patterns are too small or no squares.
    """
    rings = load_rings(dataset_cxi)
    with house_style():
        save(compose(rings, condition), pdf, png)


def compose(rings: Rings, condition: str) -> Figure:
    """The figure: (a) patterns and (b) their decay above, (c) the pattern in polar coordinates
    and (d) who is alike below.
    """
    figure = Figure(figsize=(DOUBLE_COLUMN, HEIGHT), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.04, wspace=0.0, hspace=0.0)
    upper, lower = figure.subfigures(2, 1, height_ratios=(1.06, 1))
    patterns, decay = upper.subfigures(1, 2, width_ratios=(1.5, 1))
    polar, pairs = lower.subfigures(1, 2, width_ratios=(1.5, 1))
    _draw_patterns(patterns, rings, condition)
    _draw_decay(decay, rings)
    _draw_polar(polar, rings)
    _draw_correlation(pairs, rings)
    return figure


def _title(part: SubFigure, letter: str, text: str) -> None:
    part.suptitle(rf"$\bf{{{letter}}}$  {text}", x=0.01, ha="left", fontsize=7)


def _scale(rings: Rings) -> LogNorm:
    """One for all images; below its lower end, ``DECADES`` under the peak, all is black."""
    peak = _peak(rings.typical, rings.mean)
    return LogNorm(peak / 10**DECADES, peak, clip=True)


def _peak(*photons: np.ndarray) -> float:
    """The largest value, or one photon where there is none."""
    largest = max(float(values.max()) for values in photons)
    return largest if largest > 0 else 1.0


def _draw_patterns(part: SubFigure, rings: Rings, condition: str) -> None:
    _title(part, "a", f"{condition}, simulated patterns")
    panels = part.subplots(1, 2)
    titles = (f"pattern {rings.index}", f"mean of {rings.count}")
    edge = (-rings.side // 2 - 0.5) / rings.side, (rings.side // 2 - 0.5) / rings.side
    for axes, image, title in zip(panels, (rings.typical, rings.mean), titles, strict=True):
        # Rows of a pattern are frequencies that grow downwards.
        shown = axes.imshow(image, norm=_scale(rings), cmap=_colours(), extent=(*edge, *edge[::-1]))
        axes.set_title(title, pad=3)
        axes.set(xticks=FREQUENCIES, yticks=FREQUENCIES, xlim=edge, ylim=edge[::-1], xlabel="$q_x$ (cycles/pixel)")
        frame(axes)
        for third, colour in zip((1, 2, 3), THIRDS.values(), strict=True):
            # The last ring touches the frame, where a line of full width would be cut.
            radius = third / 3 * NYQUIST
            axes.add_patch(
                Circle((0, 0), radius, fill=False, edgecolor=colour, linewidth=0.8, linestyle=(0, (3, 2)), clip_on=True)
            )
    panels[0].set_ylabel("$q_y$ (cycles/pixel)")
    _mark_radii(panels[0])
    panels[1].set_yticklabels([])
    bar = part.colorbar(shown, ax=panels, shrink=0.85, aspect=18, pad=0.02, extend="min")
    _tidy_bar(bar)


def _mark_radii(axes: Axes) -> None:
    for third, colour in zip((1, 2, 3), THIRDS.values(), strict=True):
        where = third / 3 * NYQUIST * np.cos(np.pi / 4)
        style = {"color": colour, "fontsize": 6, "path_effects": _OUTLINE, "ha": "right", "va": "bottom"}
        axes.annotate(number(third / 3 * NYQUIST, 2), (where, -where), (-1, -6), textcoords="offset points", **style)


def _colours():
    return colormaps["inferno"]


def _tidy_bar(bar) -> None:
    bar.outline.set_visible(False)
    bar.ax.minorticks_off()
    bar.ax.yaxis.set_major_locator(LogLocator(numticks=8))
    bar.set_label("photons per pixel")


def _draw_decay(part: SubFigure, rings: Rings) -> None:
    _title(part, "b", f"Radial decay, {rings.count} of {rings.total} patterns")
    axes = part.subplots()
    frequency = np.arange(rings.decay.shape[1]) / rings.side
    # Read-out noise can leave a ring with no photons or fewer. On a logarithmic axis it lies below
    # the lower end, where the band runs to.
    peak = _peak(rings.decay)
    bottom = max(rings.decay[rings.decay > 0].min(initial=peak), peak / 10**DECAY_DECADES) / 2
    low, middle, high = np.maximum(rings.decay, bottom / 10)
    axes.fill_between(frequency, low, high, color="0.75", linewidth=0, label="10 to 90 % of patterns")
    axes.plot(frequency, middle, color="black", marker=".", markersize=3, label="median")
    axes.set(yscale="log", xlim=(0, NYQUIST), ylim=(bottom, 3 * peak))
    axes.set(xlabel="spatial frequency $|q|$ (cycles/pixel)", ylabel="azimuthal mean (photons per pixel)")
    axes.yaxis.set_major_locator(LogLocator(numticks=8))
    axes.yaxis.set_major_formatter(LogFormatterSciNotation())
    axes.yaxis.set_minor_locator(NullLocator())
    for third, (name, colour) in enumerate(THIRDS.items()):
        axes.axvspan(third / 3 * NYQUIST, (third + 1) / 3 * NYQUIST, color=colour, alpha=0.18, linewidth=0, zorder=0)
        axes.text((third + 0.5) / 3, 0.98, name, transform=axes.transAxes, ha="center", va="top", fontsize=6.5)
    axes.legend(loc="upper right", bbox_to_anchor=(1, 0.92), handlelength=1.6)
    # With the object's pixels of d metres, one cycle per pixel is 1 / d.
    per_nm = 1e-9 / rings.pixel_size
    second = axes.secondary_xaxis("top", functions=(lambda cycles: cycles * per_nm, lambda inverse: inverse / per_nm))
    second.set_xlabel("$|q|$ (1/nm)", labelpad=3)


def _draw_polar(part: SubFigure, rings: Rings) -> None:
    _title(part, "c", f"Pattern {rings.index} in polar coordinates: rings are horizontal lines")
    axes = part.subplots()
    image = to_polar(rings.typical, 360)
    quarter = 0.25 / rings.side  # rows are half a pixel high
    extent = (-180, 180, (len(image) - 1) / 2 / rings.side + quarter, -quarter)
    shown = axes.imshow(image, norm=_scale(rings), cmap=_colours(), extent=extent, aspect="auto")
    for third, colour in zip((1, 2), THIRDS.values()):
        axes.axhline(third / 3 * NYQUIST, color=colour, linewidth=0.9, linestyle=(0, (3, 2)))
    axes.set(xlabel="azimuth (degrees)", ylabel="$|q|$ (cycles/pixel)")
    axes.xaxis.set_major_locator(FixedLocator([-180, -90, 0, 90, 180]))
    axes.yaxis.set_major_locator(FixedLocator([0, 0.1, 0.2, 0.3, 0.4, 0.5]))
    frame(axes)
    _tidy_bar(part.colorbar(shown, ax=axes, aspect=18, pad=0.02, extend="min"))


def _draw_correlation(part: SubFigure, rings: Rings) -> None:
    inner, outer = rings.pair_radii
    _title(part, "d", f"Are ring neighbours more alike? (radii {inner:g} to {outer:g} pixels)")
    axes = part.subplots()
    for what, (line, _) in WHAT.items():
        for way, (colour, _) in WAYS.items():
            low, middle, high = rings.alike[what][way]
            axes.plot(rings.distances, middle, color=colour, linestyle=line, marker=".", markersize=3)
            axes.fill_between(rings.distances, low, high, color=colour, alpha=0.12, linewidth=0)
    axes.axhline(0, color="grey", linewidth=0.5)
    axes.set(xlabel="distance of two pixels (pixels)", ylabel="intraclass correlation", xlim=(0, rings.distances[-1]))
    handles = [Line2D([], [], color=colour, label=label) for colour, label in WAYS.values()]
    handles += [Line2D([], [], color="0.3", linestyle=line, label=label) for line, label in WHAT.values()]
    handles.insert(2, Patch(color="0.3", alpha=0.2, linewidth=0, label="10 to 90 % of patterns"))
    axes.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.45, -0.24), ncols=2, handlelength=2)
