"""What each figure is drawn from: a function a figure, of its name.

Its script in `workflow/scripts` has the same name, and so has its module in `publication.figures`.
"""

from dataclasses import dataclass, field
from typing import Any

from ptychoformer.contents import CONTENTS
from ptychoformer.drawn import (
    experiments_of_fig8,
    labels_of_fig4,
    overlaps,
    references_of_fig6,
    runs_of_fig4,
    runs_of_fig8,
    views,
    weights_of_losses,
)
from ptychoformer.errors import InputError
from ptychoformer.paths import BANDS, SPECTRA, TRAINING
from ptychoformer.planning.inputs import METRICS, RESULTS, Inputs, files_of_runs, parts_of_runs


@dataclass(frozen=True)
class Drawing:
    """What a figure is drawn from.

    Args:
        input: files, or lists of files, by the names that its script knows them by.
        params: what else its script is told.
        code: modules that it is drawn by, besides its own.
    """

    input: dict[str, Any]
    params: dict[str, Any] = field(default_factory=dict)
    code: tuple[str, ...] = ()


def fig1(inputs: Inputs) -> Drawing:
    """Show a scan, and what it is of."""
    return Drawing(inputs.scan_to_draw(inputs.experiments.headline_run()), dict(condition=_first_condition(inputs)))


def fig2(inputs: Inputs) -> Drawing:
    """Show the layers of our network."""
    return Drawing(dict(architecture=f"{RESULTS}/training/architectures/{inputs.experiments.our_network()}.json"))


def fig3(inputs: Inputs) -> Drawing:
    """Show what our network attends to."""
    return Drawing(dict(attention=files_of_runs(f"{TRAINING}/attention.h5", [inputs.experiments.headline_run()])))


def fig4(inputs: Inputs) -> Drawing:
    """Show the networks of Table I, and ePIE, side by side."""
    runs = runs_of_fig4(inputs.experiments)
    params = dict(
        models=labels_of_fig4(inputs.experiments),
        condition=_first_condition(inputs),
        headline=inputs.experiments.headline("table1"),
        shown=views(inputs.experiments, "table1", runs) if inputs.plan.harvested else [],
    )
    return Drawing(inputs.kept_pictures(runs, "patches", "scenes"), params, code=("publication.store.views",))


def fig5(inputs: Inputs) -> Drawing:
    """Show the networks of the experiment on measured data."""
    pictures = inputs.pictures(inputs.experiments.runs_to_draw("measured"), "patches", "scenes")
    return Drawing(dict(metrics=METRICS.format(experiment="measured")) | pictures, _compared(inputs, "measured"))


def fig6(inputs: Inputs) -> Drawing:
    """Show networks on another object than they were trained on, with their floor and ceiling."""
    trained_on = inputs.experiments.first_dataset("table2")
    training = dict(
        training_dataset=inputs.datasets(trained_on)[0],
        object_of_training=inputs.object(trained_on),
    )
    references = references_of_fig6(inputs.experiments)
    pictures = inputs.pictures(inputs.experiments.runs_to_draw("table2"), "patches", "scenes")
    pictures |= {f"reference_{part}": files for part, files in parts_of_runs(references, "patches", "scenes").items()}
    params = _compared(inputs, "table2") | dict(references=[run["model"] for run in references])
    return Drawing(training | pictures, params)


def fig7(inputs: Inputs) -> Drawing:
    """Show training sets of several sizes on the scan."""
    experiments, config = inputs.experiments, inputs.config
    params = dict(
        sizes=experiments.sizes("sizes", experiments.first_dataset("sizes")),
        seed=config["seeds"][0],
        subset=config["training"]["subset"],
        block=experiments.headline("sizes")["block"],
    )
    return Drawing(inputs.scan_to_draw(experiments.runs_to_draw("sizes")[0]), params)


def fig8(inputs: Inputs) -> Drawing:
    """Show networks against the size of the training set and against the overlap."""
    shown = experiments_of_fig8(inputs.experiments)
    metrics = {experiment: METRICS.format(experiment=experiment) for experiment in shown}
    runs = runs_of_fig8(inputs.experiments) if "sizes" in shown else []
    params = dict(
        models=_networks(inputs, "sizes") if "sizes" in shown else {},
        overlap_models=_networks(inputs, "overlaps") if "overlaps" in shown else {},
        headline=inputs.experiments.headline(shown[0]),
        runs=runs,
        overlaps=overlaps(inputs.experiments) if "overlaps" in shown else {},
        shown=views(inputs.experiments, "sizes", runs) if runs and inputs.plan.harvested else [],
    )
    pictures = inputs.kept_pictures(runs, "scenes") if runs else {}
    return Drawing(metrics | pictures, params, code=("publication.store.views",))


def fig9(inputs: Inputs) -> Drawing:
    """Show the frequencies of the scenes of Table I's first condition."""
    measured = dict(spectra=f"{RESULTS}/{SPECTRA}", bands=f"{RESULTS}/{BANDS}")
    return Drawing(measured, _compared(inputs, "table1"))


def fig10(inputs: Inputs) -> Drawing:
    """Show the weighted losses of Table IV."""
    files = dict(metrics=METRICS.format(experiment="table4"), published=inputs.plan.published("table4.csv"))
    params = dict(
        alphas=weights_of_losses(inputs.experiments),
        model=inputs.experiments.our_network(),
        headline=inputs.experiments.headline("table4"),
    )
    return Drawing(files, params)


FIGURES = (fig1, fig2, fig3, fig4, fig5, fig6, fig7, fig8, fig9, fig10)


def drawings(inputs: Inputs) -> dict[str, Drawing]:
    """Return what every figure is drawn from, by its name.

    Raises:
        InputError: a figure stands here and not in the paper's contents, or there and not here.
    """
    found = {figure.__name__: figure(inputs) for figure in FIGURES}
    if different := set(found) ^ set(inputs.plan.contents.figures):
        raise InputError(
            f"Figure {min(different)} must stand in {CONTENTS} and in FIGURES of src/ptychoformer/planning/figures.py,"
            " found in one of them."
        )
    return found


def _networks(inputs: Inputs, experiment: str) -> dict[str, str]:
    """Return the networks of an experiment with what figures call them."""
    return inputs.experiments.drawn_labels("models", inputs.experiments.networks(experiment))


def _compared(inputs: Inputs, experiment: str) -> dict[str, Any]:
    """Return which networks are drawn, and on which block and level."""
    return dict(models=_networks(inputs, experiment), headline=inputs.experiments.headline(experiment))


def _first_condition(inputs: Inputs) -> dict[str, str]:
    """Return the first condition of Table I with what figures call it."""
    return inputs.experiments.drawn_labels("datasets", [inputs.experiments.first_dataset("table1")])
