"""What stands beside a picture: its frame, its colour bar and its scale bar."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.colors import Colormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import Locator, MaxNLocator
from matplotlib.transforms import ScaledTranslation

from ptychoformer.publication.figures.parts.lengths import round_length, with_prefix
from ptychoformer.publication.figures.parts.style import Box, axes_at

STEP = 1 / 256  # of a colour scale, that eight bits tell apart
OUTLINE = [withStroke(linewidth=1.4, foreground="black")]  # of white letters on a picture
LIGHT_OUTLINE = [withStroke(linewidth=1.8, foreground="white")]  # of coloured marks on a picture


def frame(axes: Axes) -> None:
    """Draw a thin frame, since white pixels on a white page would have no edge."""
    axes.spines[:].set(visible=True, color="grey", linewidth=0.3)


def colour_bar(
    figure: Figure,
    box: Box,
    scale: Normalize,
    colours: Colormap | str,
    label: str,
    ticks: Locator | None = None,
    extend: str = "neither",
) -> Colorbar:
    """Draw a colour bar, upright unless its box is wider than high.

    Args:
        scale: from values to colours.
        label: beside it, with the unit.
        ticks: where they are; as the scale has them if left out.
        extend: a pointed end, ``min``, ``max`` or ``both``, says that values beyond it are drawn in
            its last colour, see `beyond`.
    """
    orientation = "horizontal" if box[2] > box[3] else "vertical"
    bar = figure.colorbar(ScalarMappable(scale, colours), axes_at(figure, box), extend=extend, orientation=orientation)
    # Thin, so that white ends and white points have an edge on a white page.
    bar.outline.set(edgecolor="grey", linewidth=0.3)
    bar.set_label(label, labelpad=2)
    if ticks:
        bar.locator = ticks
        bar.update_ticks()
    bar.ax.minorticks_off()
    return bar


def beyond(scale: Normalize, *images: np.ndarray) -> str:
    """Say at which ends of a scale values lie beyond: ``neither``, ``min``, ``max``, ``both``."""
    # Of two colours that lie closer than a printed step nobody sees which is drawn.
    least = 0 if isinstance(scale, LogNorm) else STEP * (scale.vmax - scale.vmin)
    with np.errstate(invalid="ignore"):  # NaN is neither
        below = any(bool((image < scale.vmin - least).any()) for image in images)
        above = any(bool((image > scale.vmax + least).any()) for image in images)
    return {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}[below, above]


def photon_scale(decades: int, *images: np.ndarray) -> LogNorm:
    """Make one logarithmic scale for images in photons: all that lies so many ``decades`` under
    their `peak` has its last colour.
    """
    top = peak(*images)
    return LogNorm(top / 10**decades, top, clip=True)


def peak(*photons: np.ndarray) -> float:
    """Find the largest value, or one photon where there is none."""
    largest = max(float(values.max()) for values in photons)
    return largest if largest > 0 else 1.0


def ticks_of(height: float) -> MaxNLocator:
    """Choose ticks of a colour bar beside a row of ``height`` inches, as many as have room."""
    return MaxNLocator(4 if height > 0.6 else 2 if height > 0.3 else 1)


def scale_bar(axes: Axes, width: int, pixel_size: float | None) -> None:
    """Draw a bar of a round length, up to two fifths of a picture ``width`` pixels wide, below its
    left end, where nothing hides it.

    Args:
        pixel_size: metres; None for a length in pixels.
    """
    length = round_length(0.4 * width * (pixel_size or 1))
    below = axes.get_xaxis_transform() + ScaledTranslation(0, -0.085, axes.figure.dpi_scale_trans)
    end = length / (pixel_size or 1) - 0.5
    axes.plot((-0.5, end), (0, 0), color="black", linewidth=2, solid_capstyle="butt", transform=below, clip_on=False)
    style = {"ha": "left", "va": "center_baseline", "textcoords": "offset points"}
    axes.annotate(
        with_prefix(length) if pixel_size else f"{length:g} pixels",
        (end, 0),
        (3, 0),
        xycoords=below,
        annotation_clip=False,
        **style,
    )
