"""The quality of scenes against what an experiment varies: mean and 95 % interval over seeds."""

import os
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer

from ptychoformer.errors import InputError
from ptychoformer.evaluation import CHANNELS
from ptychoformer.evaluation.intervals import half_width
from ptychoformer.evaluation.metrics import read_metrics
from ptychoformer.evaluation.quantities import QUANTITIES
from ptychoformer.publication.figures.parts.style import colour
from ptychoformer.publication.selection import select

METRICS = ("psnr", "ssim")
PANELS = tuple((channel, metric) for channel in CHANNELS for metric in METRICS)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", (0, (4, 1)), (0, (4, 1, 1, 1)), (0, (2, 0.8)), (0, (6, 1, 1, 1, 1, 1)), (0, (1, 1)), (0, (8, 2)))
LEAST_SPAN = {"psnr": 1.0, "ssim": 5.0}  # dB and %, that a plot shows at least
REACH = 0.75  # how far intervals stretch a plot beyond its means, in parts of what these span
MARGIN = 0.06
BAND_SHADE = 0.2  # opacity of the band of a curve
# Beyond these no interval is drawn: no SSIM is larger, and of one below 0 nothing more can be told.
BOUNDS = {"ssim": (0.0, 100.0)}
UNBOUNDED = (-np.inf, np.inf)
REFERENCE_LOOK = {"color": "0.35", "linewidth": 0.8, "zorder": 1}  # of floor, ceiling and their like


def half_width_of(values: pd.Series) -> float:
    """Compute half of the 95 % interval of the mean of values; NaN of a single one."""
    return half_width(values.std(skipna=False), len(values))


def read_scenes(metrics_csv: str | os.PathLike, *, block: str, region: str, level: str) -> pd.DataFrame:
    """Read the scores of a block's scenes over a region, as rows of metrics without empty values.

    Args:
        region: ``whole``, all of the block, or ``unseen``, its part that no training pattern
            lights. How large a share of the block is unseen depends on the scan's overlap, so that
            scans of different overlap are comparable over that part alone.
        level: ``scene`` or ``synchronised``, how the phase was stitched.

    Raises:
        InputError: the file is missing or damaged, or holds no such score.
    """
    scenes = select(read_metrics(metrics_csv), block=block, region=region, level=level).dropna(subset="value")
    if scenes.empty:
        raise InputError(
            f"{metrics_csv} holds no scores of the level '{level}' on the block '{block}' over the region '{region}'."
        )
    return scenes


def summarise(scenes: pd.DataFrame, by: Sequence[str], metrics: Sequence[str] = METRICS) -> pd.DataFrame:
    """Compute mean over seeds, half width of its interval and number of seeds for each combination
    of ``by``, channel and metric.

    The columns are those of ``by`` and ``channel``, ``metric``, ``mean``, ``half``, ``n_seeds``;
    printed units (dB, %).

    Raises:
        InputError: a seed occurs twice in a group, so that the scores are not of one thing.
    """
    keys = [*by, "channel", "metric"]
    scenes = scenes[scenes["metric"].isin(metrics)]
    twice = scenes[scenes.duplicated([*keys, "seed"])]
    if len(twice):
        row = twice.iloc[0]
        where = ", ".join(f"{name} {row[name]}" for name in by)
        raise InputError(f"The metrics hold two runs of seed {row['seed']} for {where}; a figure needs one.")
    scaled = scenes.assign(
        value=scenes["value"] * scenes["metric"].map(lambda metric: QUANTITIES[metric].scale).astype(float)
    )
    # The PSNR of a perfect scene is infinite: it has a mean but no interval, and no place on an
    # axis.
    with np.errstate(invalid="ignore"):
        groups = scaled.groupby(keys)["value"]
        summary = groups.agg(mean="mean", half=half_width_of, n_seeds="count")
    return summary.reset_index()


def line_style(place: int, model: str) -> dict[str, object]:
    """Choose colour, marker and dashes of the network at ``place``, distinct in grey print too."""
    return {"color": colour(model), "marker": MARKERS[place % len(MARKERS)], "linestyle": DASHES[place % len(DASHES)]}


def draw_lines(
    axes: Axes,
    summary: pd.DataFrame,
    x: str,
    style: Mapping[str, object],
    offset: float = 0.0,
    log: bool = False,
    line: bool = True,
) -> None:
    """Draw means with their intervals against the column ``x``, from left to right.

    Args:
        style: colour, marker and linestyle.
        offset: how far to dodge, in fractions of the axis' unit, or of its decade if it is
            logarithmic.
        line: whether the means are joined.
    """
    rows = summary.sort_values(x)
    where = rows[x].to_numpy(float)
    where = where * 10**offset if log else where + offset
    style = dict(style) if line else {**style, "linestyle": "none"}
    axes.errorbar(
        where,
        rows["mean"],
        rows["half"],
        markersize=3,
        linewidth=0.9,
        elinewidth=0.7,
        capsize=1.5,
        capthick=0.6,
        **style,
    )


def reach_of(summary: pd.DataFrame, metric: str) -> tuple[float, float]:
    """Find the lowest and the highest value of a plot that shows all means, and of their intervals
    what does not dwarf the means.
    """
    summary = summary[np.isfinite(summary["mean"])]
    means, half = summary["mean"], summary["half"].fillna(0)
    room = REACH * max(means.max() - means.min(), LEAST_SPAN[metric])
    low, high = (means - half).min(), (means + half).max()
    least, most = BOUNDS.get(metric, UNBOUNDED)
    return (
        max(low, means.min() - room, min(least, means.min())),
        min(high, means.max() + room, max(most, means.max())),
    )


def limit(axes: Axes, low: float, high: float, metric: str) -> None:
    """Have the axis show from ``low`` to ``high``, and mark what it cuts, see `mark_cut`; it ends
    where a metric does if an interval goes on beyond, below by more than a margin.
    """
    if not np.isfinite([low, high]).all():  # nothing to be shown
        return
    margin, (least, most) = MARGIN * max(high - low, LEAST_SPAN[metric]), BOUNDS.get(metric, UNBOUNDED)
    bottom, top = low - margin, high + margin
    if low >= least and any(start < least - margin for _, start, _, _ in _intervals(axes)):
        bottom = max(bottom, least)
    if high <= most and any(end > most for _, _, end, _ in _intervals(axes)):
        top = min(top, most)
    axes.set_ylim(bottom, top)
    mark_cut(axes)


def mark_cut(axes: Axes) -> None:
    """Mark every interval that goes on beyond the axis with an arrowhead at its edge."""
    bottom, top = axes.get_ylim()
    for x, start, end, colour_of_bar in _intervals(axes):
        for cut, edge, head in ((start < bottom, bottom, "v"), (end > top, top, "^")):
            if cut:
                style = {"marker": head, "markersize": 3, "color": colour_of_bar, "linestyle": "none"}
                axes.plot(x, edge, clip_on=False, gid="cut", **style)


def _intervals(axes: Axes) -> list[tuple[float, float, float, object]]:
    """Find place, ends and colour of every interval that is drawn; a single seed has none."""
    return [
        (x, start, end, bars.lines[2][0].get_color())
        for bars in axes.containers
        if isinstance(bars, ErrorbarContainer)
        for (x, start), (_, end) in filter(len, bars.lines[2][0].get_segments())
    ]


def label_axes(axes: Axes, channel: str, metric: str, room: float = 0.0) -> None:
    """Write the metric with its unit beside the axis, the channel above, over ``room`` in inches
    for what is written there.
    """
    axes.set_ylabel(QUANTITIES[metric].with_unit, labelpad=2)
    axes.set_title(channel.capitalize().replace("_", " "), pad=3 + 72 * room)


def band(axes: Axes, where: np.ndarray, low: np.ndarray, high: np.ndarray, colour: str) -> None:
    """Fill the interval of a curve, ``low`` to ``high``, in a light shade of the curve's colour."""
    axes.fill_between(where, low, high, color=colour, alpha=BAND_SHADE, linewidth=0)
