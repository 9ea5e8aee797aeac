"""Which runs of a config each figure shows, and against what it draws them.

Needs nothing but Python and the config, as `experiments`.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ptychoformer.evaluation import NEEDED_REFERENCES
from ptychoformer.experiments import Experiments, Run


def sizes_to_draw(sizes: Sequence[int]) -> list[int]:
    """Choose the two training sets whose reconstructions Figure 8 shows, of numbers of patterns.

    They are a third of the greatest (the paper's 1000 of 2928), and the least.
    """
    least, *others = sorted(sizes)
    return [min(others, key=lambda size: abs(math.log(3 * size / others[-1]))), least]


def runs_of_fig4(experiments: Experiments) -> list[Run]:
    """Return the networks of Table I, and ePIE, unless a store of runs lacks it."""
    networks = experiments.runs_to_draw("table1")
    many = networks[0] | dict(model="epie", loss="none")
    return networks if experiments.holdings and not experiments.are_held([many], "views") else [*networks, many]


def labels_of_fig4(experiments: Experiments) -> dict[str, str]:
    """Return what Figure 4 calls them."""
    known = experiments.drawn_labels("models", experiments.networks("table1")) | {"epie": "ePIE"}
    return {run["model"]: known[run["model"]] for run in runs_of_fig4(experiments)}


def references_of_fig6(experiments: Experiments) -> list[Run]:
    """Return the floor and the ceiling of its networks."""
    first = experiments.runs_to_draw("table2")[0]
    return [first | dict(model=name, loss="none") for name in NEEDED_REFERENCES]


def runs_of_fig8(experiments: Experiments) -> list[Run]:
    """Return the networks at the two sizes of the training set that are shown; from a store of
    runs, of the sizes of which it has the views, and none if it has fewer than two.
    """
    runs = {
        size: experiments.runs_to_draw("sizes", n_train=size)
        for size in experiments.sizes("sizes", experiments.first_dataset("sizes"))
    }
    if experiments.holdings:
        runs = {size: shown for size, shown in runs.items() if experiments.are_held(shown, "views")}
    shown = sizes_to_draw(list(runs)) if len(runs) > 1 else []
    return [run for size in shown for run in runs[size]]


def runs_of_fig9(experiments: Experiments) -> list[Run]:
    """Return the networks of Table I on its first condition; from a store of runs, with the seeds
    of which it has the spectra and bands of all of them.
    """
    runs = experiments.runs_of_spectra()
    if not experiments.holdings:
        return runs
    lacking = {run["seed"] for run in runs for part in ("spectra", "bands") if not experiments.are_held([run], part)}
    return [run for run in runs if run["seed"] not in lacking]


def retrained_for_fig9(experiments: Experiments) -> list[Run]:
    """Return the runs of Figure 9 that a store has trained again for it; none without a store."""
    if not experiments.holdings:
        return []
    return [run for run in runs_of_fig9(experiments) if experiments.holdings.retrained_on(run) is not None]


FEWEST_WEIGHTS = 2  # of weighted losses, which make a curve of Figure 10
PANELS_OF_FIG8 = {"sizes": "Figure 8 (a) to (c)", "overlaps": "Figure 8 (d)"}
LETTERS_OF_FIG8 = {"sizes": "c", "overlaps": "d"}  # of its plots


def experiments_of_fig8(experiments: Experiments) -> list[str]:
    """Return the experiments that Figure 8 shows: both, or what a store of runs holds of them."""
    return _held_for_fig8(experiments) or list(PANELS_OF_FIG8)


def overlaps(experiments: Experiments) -> dict[str, float]:
    """Return the overlap of every dataset of Figure 8 (d)."""
    datasets = experiments.config["datasets"]
    return {dataset: datasets[dataset]["scan"]["overlap"] for dataset in experiments.datasets("overlaps")}


def weights_of_losses(experiments: Experiments) -> dict[str, float]:
    """Return the MSE's weight in every loss of Table IV that is a weighted sum, or an end of it."""
    return _weights(experiments, experiments.config["experiments"]["table4"]["losses"])


def absent_weights(experiments: Experiments) -> list[str]:
    """Return what the losses are called that the config asks for, that have such a weight, and that
    are no whole part of a store of runs.
    """
    labels = experiments.labels("losses", _weights(experiments, experiments.config["losses"]))
    return [label for label in experiments.holdings.parts["table4"].absent_methods if label in labels.values()]


def _weights(experiments: Experiments, names: Iterable[str]) -> dict[str, float]:
    ends, losses = {"mse": 1.0, "nssim": 0.0}, experiments.config["losses"]
    found = {loss: ends.get(losses[loss]["kind"], losses[loss].get("alpha")) for loss in names}
    return {loss: alpha for loss, alpha in found.items() if alpha is not None}


def views(experiments: Experiments, experiment: str, runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Return what a figure shows of each training set, as `publication.store.views` keeps it."""
    sizes = dict.fromkeys(run["n_train"] for run in runs)
    place = {key: runs[0][key] for key in ("dataset", "seed")} | experiments.headline(experiment)
    return [
        place | dict(n_train=size, models=[run["model"] for run in runs if run["n_train"] == size]) for size in sizes
    ]


def _fig4_is_held(experiments: Experiments) -> bool:
    return "table1" in experiments.holdings.parts and experiments.are_held(runs_of_fig4(experiments), "views")


def _held_for_fig8(experiments: Experiments) -> list[str]:
    parts = experiments.holdings.parts if experiments.holdings else ()
    return [name for name in PANELS_OF_FIG8 if name in parts and (name == "overlaps" or runs_of_fig8(experiments))]


def _fig8_is_held(experiments: Experiments) -> bool:
    return bool(_held_for_fig8(experiments))


def _fig9_is_held(experiments: Experiments) -> bool:
    return "table1" in experiments.holdings.parts and bool(runs_of_fig9(experiments))


def _fig10_is_held(experiments: Experiments) -> bool:
    if "table4" not in experiments.holdings.parts:
        return False
    held = {loss for _, loss in experiments.holdings.parts["table4"].methods}
    weighted = [loss for loss, weight in weights_of_losses(experiments).items() if 0 < weight < 1 and loss in held]
    return len(weighted) >= FEWEST_WEIGHTS


# Figures that what a store of runs keeps may suffice for, with what says whether it does.
FIGURES_OF_A_STORE: dict[str, Callable[[Experiments], bool]] = {
    "fig4": _fig4_is_held,
    "fig8": _fig8_is_held,
    "fig9": _fig9_is_held,
    "fig10": _fig10_is_held,
}


def held_figures(experiments: Experiments) -> list[str]:
    """Return the figures that can be drawn from the holdings."""
    return [name for name, is_held in FIGURES_OF_A_STORE.items() if is_held(experiments)]
