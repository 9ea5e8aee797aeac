"""What stands beside a picture: its frame, its colour bar and its scale bar."""

from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import Locator, MaxNLocator
from matplotlib.transforms import ScaledTranslation

from ptychoformer.publication.figures.parts.lengths import round_length, with_prefix
from ptychoformer.publication.figures.parts.style import Box, axes_at

OUTLINE = [withStroke(linewidth=1.4, foreground="black")]  # of letters on a picture


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
    """Draw a colour bar without a frame.

    Args:
        scale: from values to colours.
        label: beside it.
        ticks: where they are; as the scale has them if left out.
        extend: a pointed end, ``min``, ``max`` or ``both``, says that values beyond it are drawn in
            its last colour.
    """
    bar = figure.colorbar(ScalarMappable(scale, colours), axes_at(figure, box), extend=extend)
    bar.outline.set_visible(False)
    bar.set_label(label, fontsize=6, labelpad=2)
    if ticks:
        bar.locator = ticks
        bar.update_ticks()
    return bar


def ticks_of(height: float) -> MaxNLocator:
    """Ticks of a colour bar beside a row of ``height`` inches, as many as have room."""
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
    style = {"fontsize": 6, "ha": "left", "va": "center_baseline", "textcoords": "offset points"}
    axes.annotate(
        with_prefix(length) if pixel_size else f"{length:g} pixels",
        (end, 0),
        (3, 0),
        xycoords=below,
        annotation_clip=False,
        **style,
    )


def inner_scale_bar(axes: Axes, shape: tuple[int, int], pixel_size: float) -> None:
    """Draw a bar of a round length, up to two fifths of a picture (h, w), in its lower right
    corner, where panels leave no room below.
    """
    height, width = shape
    length = round_length(0.4 * width * pixel_size)
    thickness = 0.025 * height
    left, top = 0.95 * width - 0.5 - length / pixel_size, 0.95 * height - 0.5 - thickness
    axes.add_patch(
        Rectangle((left, top), length / pixel_size, thickness, facecolor="white", edgecolor="black", linewidth=0.4)
    )
    # Flush with the bar's right end, since a label wider than a short bar would leave the panel.
    style = {"color": "white", "fontsize": 6, "ha": "right", "path_effects": OUTLINE}
    axes.annotate(with_prefix(length), (left + length / pixel_size, top), (0, 1), textcoords="offset points", **style)
