"""What readers must know of an experiment's scale and of where its runs come from, in words."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain, groupby
from types import MappingProxyType
from typing import Any

from ptychoformer.contents import CONTENTS, Contents, Table
from ptychoformer.drawn import (
    FIGURES_OF_A_STORE,
    LETTERS_OF_FIG8,
    absent_weights,
    experiments_of_fig8,
    held_figures,
    retrained_for_fig9,
    runs_of_fig9,
    weights_of_losses,
)
from ptychoformer.errors import InputError
from ptychoformer.experiments import Experiments
from ptychoformer.publication.names import counted, device_name, in_a_row, listed_figures, object_name
from ptychoformer.publication.store.holdings import SEEDS_FIXED, Part
from ptychoformer.publication.tables.layout import Layout

INTERIM = f"Interim: fewer than the {SEEDS_FIXED} seeds that were fixed beforehand."


def words(experiments: Experiments, experiment: str, table: Table) -> dict[str, Any]:
    """Say what a table is called, and how its rows are: the parts of a `layout.Layout`, and the
    ``scale_note`` below it.
    """
    factor, entry = experiments.factor(experiment), experiments.config["experiments"][experiment]
    datasets = experiments.labels("datasets", entry["datasets"])
    networks = experiments.labels("models", experiments.networks(experiment))
    by_model = dict(conditions=datasets, methods=networks)
    by_loss = dict(conditions=networks, methods=experiments.labels("losses", entry["losses"]))
    return (
        dict(name=experiment, table=vars(table), factor=factor, scale_note=scale_note(experiments, experiment))
        | (by_model if factor == "model" else by_loss)
        | experiments.headline(experiment)
    )


def words_of_tables(experiments: Experiments, contents: Contents) -> dict[str, dict[str, Any]]:
    """Find the `words` of every table, checked before any job starts.

    Raises:
        InputError: a part, metric or block is unknown; the sentence names the table.
    """
    found = {name: words(experiments, name, table) for name, table in contents.tables.items()}
    for name, its_words in found.items():
        try:
            Layout.of(its_words)
        except InputError as error:
            raise InputError(f"{CONTENTS}: tables.{name}: {error}") from error
    return found


def scale_note(experiments: Experiments, experiment: str) -> str:
    """Write the sentences below a table on its size and its object."""
    config, datasets = experiments.config, experiments.datasets(experiment)
    patterns = " or ".join(f"{size:,}" for size in experiments.all_sizes(experiment))
    epochs, seeds = _epochs(experiments, experiment), _seeds(experiments, experiment)
    note = f"Each network was trained on {patterns} patterns for {epochs}, with {seeds}."
    simulated = [config["datasets"][dataset] for dataset in datasets if not experiments.is_measured(dataset)]
    generated = any(config["objects"][dataset["object"]]["kind"] != "tiff" for dataset in simulated)
    caution = " The object is a generated one, not the paper's, which differences from the paper may be due to."
    return (note + caution if generated else note) + _holdings_note(experiments, experiment)


def scales(experiments: Experiments, names: Iterable[str]) -> dict[str, str]:
    """Say how much each experiment's networks were trained, and on what; Figure 9's bands are
    measured on Table I's scenes.
    """
    found = {name: _scale(experiments, name) for name in names}
    again = ", trained again" if retrained_for_fig9(experiments) else ""
    return found | ({"bands": f"{found['table1']}{again}"} if "table1" in found else {})


def harvest_note(
    harvested: str,
    contents: Contents,
    shown: Collection[str],
    panels: Collection[str] = (),
    absent: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> str:
    """Write what the report has to say of runs that are printed from a store.

    Args:
        harvested: the store's folder.
        shown: experiments and figures that are printed.
        panels: of such figures that are not.
        absent: tables and figures, in words, to what they are printed without.
    """
    tables = [table.source for name, table in contents.tables.items() if name not in shown and name != "measured"]
    figures = [listed_figures([name]) for name in FIGURES_OF_A_STORE if name not in shown]
    others = listed_figures([name for name in contents.figures if name not in FIGURES_OF_A_STORE])
    whole = [", ".join([*tables, *panels, *figures])] if tables or panels or figures else []
    lacking = "; ".join([*whole, *(f"of {where}: {_listed(what)}" for where, what in absent.items())])
    left_out = f" Left out for lack of whole runs: {lacking}." if lacking else ""
    return (
        f"Printed from the reference runs in {harvested}; nothing was trained here.{left_out} {others} show what no"
        " store keeps."
    )


def figure_notes(experiments: Experiments) -> dict[str, str]:
    """Write what captions of means over seeds say besides: of how many, and what a store lacks."""
    notes = {"fig5": _note_of_fig5, "fig8": _note_of_fig8, "fig9": _note_of_fig9, "fig10": _note_of_fig10}
    shown = held_figures(experiments) if experiments.holdings else list(notes)
    return {name: note(experiments) for name, note in notes.items() if name in shown}


def _note_of_fig5(experiments: Experiments) -> str:
    return f"Here with {_seeds(experiments, 'measured')}."


def _note_of_fig8(experiments: Experiments) -> str:
    shown = experiments_of_fig8(experiments)
    counts = {name: _seeds(experiments, name) for name in shown}
    of_each = ", ".join(f"**{LETTERS_OF_FIG8[name]}** with {count}" for name, count in counts.items())
    seeds = f"with {counts[shown[0]]}" if len(set(counts.values())) == 1 else of_each
    parts = [experiments.holdings.parts[name] for name in shown] if experiments.holdings else []
    absent = dict.fromkeys(what for part in parts for what in part.absent)
    return f"Here {seeds}.{_shortcomings(any(part.interim for part in parts), absent)}{_devices_note(*parts)}"


def _note_of_fig9(experiments: Experiments) -> str:
    """Say of how many seeds the figure is; of a store, bands are kept of fewer than scores are."""
    if not experiments.holdings:
        return f"Here with {_seeds(experiments, 'table1')}."
    seeds = len({run["seed"] for run in runs_of_fig9(experiments)})
    count, absent = counted(seeds, "seed"), experiments.holdings.parts["table1"].absent_methods
    lacking = _shortcomings(seeds < SEEDS_FIXED, absent)
    elsewhere = _retrained_note(experiments, seeds)
    return f"Here with the {count} of which the reference runs have every network’s spectra.{elsewhere}{lacking}"


def _retrained_note(experiments: Experiments, seeds: int) -> str:
    """Say which of so many seeds of Figure 9 were trained again, on which devices."""
    if not (retrained := retrained_for_fig9(experiments)):
        return ""
    again = {run["seed"] for run in retrained}
    which = "They" if len(again) == seeds else f"Of them {in_a_row(map(str, sorted(again)))}"
    where = in_a_row(sorted({device_name(experiments.holdings.retrained_on(run)) for run in retrained}))
    return f" {which} were trained again for it, on {where}: these are not the scenes of Figure 4."


def _note_of_fig10(experiments: Experiments) -> str:
    part = experiments.holdings and experiments.holdings.parts["table4"]
    drawn = experiments.labels("losses", weights_of_losses(experiments)).values()
    lacking = (
        f"{_shortcomings(part.interim, absent_weights(experiments))}{_devices_note(part, only=drawn)}" if part else ""
    )
    return f"Here with {_seeds(experiments, 'table4')}.{lacking}"


def _scale(experiments: Experiments, experiment: str) -> str:
    of_what = ", ".join(dict.fromkeys(_object(experiments, dataset) for dataset in experiments.datasets(experiment)))
    sizes = ", ".join(f"{size:,}" for size in experiments.all_sizes(experiment))
    return f"{sizes} patterns of {of_what}, {_epochs(experiments, experiment)}"


def _object(experiments: Experiments, dataset: str) -> str:
    """Say what a scan is of; of a measured one all that is known is what it is called."""
    config = experiments.config
    if experiments.is_measured(dataset):
        return experiments.labels("datasets", [dataset])[dataset]
    return object_name(config["objects"][config["datasets"][dataset]["object"]])


def _epochs(experiments: Experiments, experiment: str) -> str:
    *others, last = sorted({experiments.epochs(dataset) for dataset in experiments.datasets(experiment)})
    return f"{', '.join(map(str, others))} or {counted(last, 'epoch')}" if others else counted(last, "epoch")


def _seeds(experiments: Experiments, experiment: str) -> str:
    cells = [
        (dataset, size)
        for dataset in experiments.datasets(experiment)
        for size in experiments.sizes(experiment, dataset)
    ]
    counts = {len(experiments.seeds(experiment, *cell)) for cell in cells} - {0}
    return counted(min(counts), "seed") if len(counts) == 1 else f"{min(counts)} to {max(counts)} seeds"


def _holdings_note(experiments: Experiments, experiment: str) -> str:
    part = experiments.holdings and experiments.holdings.parts.get(experiment)
    if not part:
        return ""
    return f" Reference runs, harvested from elsewhere.{_shortcomings(part.interim, part.absent)}{_devices_note(part)}"


def _devices_note(*parts: Part, only: Collection[str] | None = None) -> str:
    """Say what of parts of a store was trained on which device, where that is not one for all that
    is compared: there a seed pairs runs less well.

    Args:
        only: the names that are told, of all.
    """
    found: dict[str, dict[str, None]] = {}
    for device, names in chain.from_iterable(part.devices.items() for part in parts):
        found.setdefault(device, {}).update(dict.fromkeys(name for name in names if only is None or name in only))
    where = [f"{_listed(names)} on {device_name(device)}" for device, names in found.items() if names]
    return f" Not trained on one device: {'; '.join(where)}." if len(where) > 1 else ""


def _shortcomings(interim: bool, absent: Collection[str]) -> str:
    """Say what is to be known of runs of a store that are fewer than were asked for."""
    lacking = f" Not among the reference runs, or not whole there: {_listed(absent)}." if absent else ""
    return (f" {INTERIM}" if interim else "") + lacking


def _listed(names: Iterable[str]) -> str:
    """Put names in a row; what several begin with is said once: ``Weighted, α = 0.3, 0.4``."""
    begun = groupby((name.rpartition(" ") for name in names), lambda parts: parts[0])
    return ", ".join(f"{first} {', '.join(last for *_, last in alike)}".strip() for first, alike in begun)
