"""Fig. 1: what diffraction patterns are like. They decay with radius, and, in polar
coordinates, rings are lines.
"""

import os

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Patch
from matplotlib.ticker import FixedLocator, LogFormatterSciNotation, LogLocator, NullLocator

from ptychoformer.evaluation.quantities import number
from ptychoformer.publication.figures.parts.bars import OUTLINE, beyond, colour_bar, frame, peak, photon_scale
from ptychoformer.publication.figures.parts.rings import Rings, load_rings, to_polar
from ptychoformer.publication.figures.parts.style import (
    COLOURMAPS,
    DOUBLE_COLUMN,
    axes_at,
    house_style,
    letter,
    save,
)
from ptychoformer.publication.figures.parts.sweeps import BAND_SHADE, band

PANEL, DECAY_WIDTH = 1.52, 2.1  # inches, of a pattern's side and of the decay
LEFT, GAP, TOP = 0.52, 0.1, 0.54
LOWER_TOP = TOP + PANEL + 0.74
POLAR_HEIGHT, PAIRS_HEIGHT = 1.62, 1.16
HEIGHT = LOWER_TOP + POLAR_HEIGHT + 0.4
PATTERNS_END = LEFT + 2 * PANEL + GAP
RIGHT_COLUMN = DOUBLE_COLUMN - DECAY_WIDTH - 0.14
DECADES = 6
DECAY_DECADES = 8
# Of the detector's half width, by the dashes of their outer limits. They are not the bands of Fig.
# 9, whose limits are thirds of the way to the spectrum's corner.
THIRDS = {"inner third": (0, (1, 1.2)), "middle third": (0, (4, 2)), "outer third": "-"}
WAYS = {"along": ("#332288", "along the ring"), "across": ("#CC6677", "across rings")}
WHAT = {"log": ("-", "log(1 + photons)"), "deviation": ("--", "less the pixel’s mean")}
NYQUIST = 0.5  # cycles per pixel
ON_LINES = {"frameon": True, "facecolor": "white", "edgecolor": "none", "framealpha": 1}  # a legend that covers them
FREQUENCIES = (-0.4, -0.2, 0, 0.2, 0.4)


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
    """Draw (a) patterns and (b) their decay above, (c) the pattern in polar coordinates and (d) who
    is alike below.
    """
    figure = Figure(figsize=(DOUBLE_COLUMN, HEIGHT))
    _draw_patterns(figure, rings, condition)
    _draw_decay(figure, rings)
    _draw_polar(figure, rings)
    _draw_correlation(figure, rings)
    return figure


def _scale(rings: Rings) -> LogNorm:
    """Make one scale for all images."""
    return photon_scale(DECADES, rings.typical, rings.mean)


def _draw_patterns(figure: Figure, rings: Rings, condition: str) -> None:
    _title(figure, (0.06, TOP), "a", f"{condition}, simulated patterns")
    titles = (f"pattern {rings.index}", f"mean of {rings.count} patterns")
    # Rows of a pattern go down the page, as those of the object do, and y goes up.
    left, right = (-rings.side // 2 - 0.5) / rings.side, (rings.side // 2 - 0.5) / rings.side
    for place, (image, title) in enumerate(zip((rings.typical, rings.mean), titles, strict=True)):
        axes = axes_at(figure, (LEFT + place * (PANEL + GAP), TOP, PANEL, PANEL))
        axes.imshow(image, norm=_scale(rings), cmap=COLOURMAPS["pattern"], extent=(left, right, -right, -left))
        axes.set_title(title, pad=3)
        axes.set(xticks=FREQUENCIES, yticks=FREQUENCIES, xlim=(left, right), ylim=(-right, -left))
        axes.set_xlabel("$q_x$ (cycles/pixel)")
        frame(axes)
        for third, dashes in zip((1, 2, 3), THIRDS.values(), strict=True):
            look = {"edgecolor": "white", "linewidth": 0.8, "linestyle": dashes}
            axes.add_patch(Circle((0, 0), third / 3 * NYQUIST, fill=False, **look))
        if place == 0:
            axes.set_ylabel("$q_y$ (cycles/pixel)", labelpad=1)
            _mark_radii(axes)
        else:
            axes.set_yticklabels([])
    _colour_bar(figure, rings, TOP, PANEL)


def _title(figure: Figure, corner: tuple[float, float], name: str, text: str) -> None:
    letter(figure, (*corner, 0, 0), name, text, above=TOP - 0.16)


def _mark_radii(axes: Axes) -> None:
    style = {"color": "white", "path_effects": OUTLINE, "ha": "right", "va": "top", "textcoords": "offset points"}
    for third in (1, 2, 3):
        where = third / 3 * NYQUIST * np.cos(np.pi / 4)
        axes.annotate(number(third / 3 * NYQUIST, 2), (where, where), (0, 0), **style)


def _colour_bar(figure: Figure, rings: Rings, top: float, height: float) -> None:
    box = (PATTERNS_END + 0.07, top + 0.05, 0.07, height - 0.1)
    scale = _scale(rings)
    extend = beyond(scale, rings.typical, rings.mean)
    label = "photons per pixel"
    colour_bar(figure, box, scale, COLOURMAPS["pattern"], label, LogLocator(numticks=8), extend)


def _draw_decay(figure: Figure, rings: Rings) -> None:
    _title(figure, (RIGHT_COLUMN - 0.46, TOP), "b", f"Radial decay, {rings.count} of {rings.total} patterns")
    axes = axes_at(figure, (RIGHT_COLUMN, TOP, DECAY_WIDTH, PANEL))
    frequency = np.arange(rings.decay.shape[1]) / rings.side
    # Read-out noise can leave a ring with no photons or fewer. On a logarithmic axis it lies below
    # the lower end, where the band runs to.
    top = peak(rings.decay)
    bottom = max(rings.decay[rings.decay > 0].min(initial=top), top / 10**DECAY_DECADES) / 2
    low, middle, high = np.maximum(rings.decay, bottom / 10)
    axes.plot(frequency, middle, color="black", marker=".", markersize=3)
    band(axes, frequency, low, high, "black")
    axes.set(yscale="log", xlim=(0, NYQUIST), ylim=(bottom, 30 * top))
    axes.set(xlabel="$|q|$ (cycles/pixel)", ylabel="azimuthal mean (photons per pixel)")
    axes.yaxis.set_major_locator(LogLocator(numticks=6))
    axes.yaxis.set_major_formatter(LogFormatterSciNotation())
    axes.yaxis.set_minor_locator(NullLocator())
    for third, (name, dashes) in enumerate(THIRDS.items()):
        axes.axvline((third + 1) / 3 * NYQUIST, color="0.4", linewidth=0.8, linestyle=dashes, zorder=0)
        axes.text((third + 0.5) / 3, 0.98, name, transform=axes.transAxes, ha="center", va="top")
    handles = [Line2D([], [], color="black", marker=".", markersize=3, label="median"), _band_handle()]
    axes.legend(handles=handles, loc="upper right", bbox_to_anchor=(1, 0.88), handlelength=1.6, **ON_LINES)
    # With the object's pixels of d metres, one cycle per pixel is 1 / d.
    per_nm = 1e-9 / rings.pixel_size
    second = axes.secondary_xaxis("top", functions=(lambda cycles: cycles * per_nm, lambda inverse: inverse / per_nm))
    second.set_xlabel("$|q|$ (1/nm)", labelpad=2)


def _band_handle() -> Patch:
    return Patch(color="black", alpha=BAND_SHADE, linewidth=0, label="10 to 90 % of patterns")


def _draw_polar(figure: Figure, rings: Rings) -> None:
    top = LOWER_TOP - 0.06
    letter(figure, (0.06, top, 0, 0), "c", f"Pattern {rings.index} in polar coordinates: rings are lines", above=0.08)
    axes = axes_at(figure, (LEFT, LOWER_TOP, PATTERNS_END - LEFT, POLAR_HEIGHT))
    # Azimuths of a pattern's rows grow down the page, those of the figure counter-clockwise.
    image = to_polar(rings.typical, 360)[:, ::-1]
    quarter = 0.25 / rings.side  # rows are half a pixel high
    extent = (-180, 180, (len(image) - 1) / 2 / rings.side + quarter, -quarter)
    axes.imshow(image, norm=_scale(rings), cmap=COLOURMAPS["pattern"], extent=extent, aspect="auto")
    for third, dashes in zip((1, 2), THIRDS.values()):
        axes.axhline(third / 3 * NYQUIST, color="white", linewidth=0.9, linestyle=dashes)
    axes.set(xlabel="azimuth from $q_x$ towards $q_y$ (degrees)", ylabel="$|q|$ (cycles/pixel)")
    axes.xaxis.set_major_locator(FixedLocator([-180, -90, 0, 90, 180]))
    axes.yaxis.set_major_locator(FixedLocator([0, 0.1, 0.2, 0.3, 0.4, 0.5]))
    frame(axes)
    _colour_bar(figure, rings, LOWER_TOP, POLAR_HEIGHT)


def _draw_correlation(figure: Figure, rings: Rings) -> None:
    inner, outer = rings.pair_radii
    text = f"Two pixels around radii of {inner:g} to {outer:g} pixels"
    letter(figure, (RIGHT_COLUMN - 0.46, LOWER_TOP - 0.06, 0, 0), "d", text, above=0.08)
    axes = axes_at(figure, (RIGHT_COLUMN, LOWER_TOP, DECAY_WIDTH, PAIRS_HEIGHT))
    for what, (line, _) in WHAT.items():
        for way, (colour, _) in WAYS.items():
            low, middle, high = rings.alike[what][way]
            axes.plot(rings.distances, middle, color=colour, linestyle=line, marker=".", markersize=3)
            band(axes, rings.distances, low, high, colour)
    axes.axhline(0, color="grey", linewidth=0.5)
    axes.set(xlabel="distance of the two (pixels)", ylabel="intraclass correlation", xlim=(0, rings.distances[-1]))
    handles = [Line2D([], [], color=colour, label=label) for colour, label in WAYS.values()]
    handles += [Line2D([], [], color="0.3", linestyle=line, label=label) for line, label in WHAT.values()]
    handles.insert(2, _band_handle())
    figure.legend(handles=handles, loc="lower right", ncols=2, handlelength=1.8, columnspacing=1, borderaxespad=0.3)
