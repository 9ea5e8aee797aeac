"""Training curves: the validation loss of every run, one panel per condition, one colour per
network, one thin line per seed.
"""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from ptychoformer.escaping import mathtext
from ptychoformer.paths import Run
from ptychoformer.publication.figures.parts.style import DOUBLE_COLUMN, colour, house_style, svg


def training_curves(
    histories: Mapping[Run, pd.DataFrame], conditions: Mapping[str, str], models: Mapping[str, str]
) -> bytes:
    """Draw the validation losses as an SVG document.

    Args:
        histories: run to its losses by epoch; runs of other datasets or networks are left out.
        conditions: dataset to label.
        models: network to label.
    """
    with house_style():
        figure = Figure(figsize=(DOUBLE_COLUMN, 2.4), layout="constrained")
        panels = figure.subplots(1, len(conditions), sharey=True, squeeze=False)[0]
        for axes, (dataset, label) in zip(panels, conditions.items(), strict=True):
            for run in sorted(histories):
                if run.dataset == dataset and run.model in models:
                    history = histories[run]
                    # A line through one point is invisible.
                    look = {"linewidth": 0.7, "marker": "." if len(history) == 1 else "", "color": colour(run.model)}
                    axes.plot(history["epoch"], history["validation_loss"], **look)
            axes.set(title=mathtext(label), xlabel="epoch", yscale="log")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter("{x:g}")
            axes.yaxis.set_minor_formatter(NullFormatter())
        panels[0].set_ylabel("validation loss")
        handles = [
            panels[0].plot([], [], color=colour(model), label=mathtext(label))[0] for model, label in models.items()
        ]
        figure.legend(handles=handles, loc="outside right center")
        return svg(figure)
