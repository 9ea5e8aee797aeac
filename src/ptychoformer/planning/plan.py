"""What the workflow makes of a config, and from what: checked before any job starts."""

import os
from pathlib import Path
from typing import Any, NamedTuple

from ptychoformer.configuration import FULL_SIZE, complete, load_schema, read_config
from ptychoformer.contents import CONTENTS, read_contents
from ptychoformer.drawn import PANELS_OF_FIG8, experiments_of_fig8, held_figures, retrained_for_fig9
from ptychoformer.errors import InputError
from ptychoformer.experiments import ALL, Experiments, Run, sizes_asked
from ptychoformer.places import check_results, named_once
from ptychoformer.provided import ProvidedFiles, check_project, data_folder
from ptychoformer.publication.names import listed_figures
from ptychoformer.publication.store.holdings import INDEX, Holdings
from ptychoformer.publication.tables import notes

MEMORY = ".snakemake/checksums"  # of users' files, see `provided.ProvidedFiles`
PUBLISHED = "resources/published"  # the paper's own numbers and statements, in the project's folder
REFERENCE = "resources/reference"  # the runs of full size there, see `publication.store.files`


class Shown(NamedTuple):
    """What a table or a figure is listed under: ``Table I``, its title, and what it shows."""

    source: str
    title: str
    caption: str


class Plan:
    """A config with all that is known from it, from the paper's contents and from users' files.

    Args:
        config: as it was written; completed here, in place, and cut down to what a store of
            reference runs holds whole, where it is printed from one.
        project: its folder, as it is reached from where results go.

    Raises:
        InputError: one sentence about the first thing that is wrong.
    """

    def __init__(self, config: dict[str, Any], project: str | os.PathLike = "."):
        check_project(os.path.abspath(project))
        config.update(complete(config, load_schema(project)))
        self.config, self.project = config, Path(project)
        if results := config["pathvars"].get("results"):
            check_results(results, project)
            config["pathvars"]["results"] = named_once(results)
        self.sizes_asked = sizes_asked(config)  # of all its runs, be they in a store or not
        # A folder of runs to print instead of training any, or nothing.
        self.harvested = config["harvested"] and str(self.project / config["harvested"])
        self.holdings = Holdings(self.harvested, config) if self.harvested else None
        self.sizes_asked_of_reference = self._sizes_asked_of_reference()
        config.update(self.holdings.narrowed(config) if self.holdings else {})
        config["data_dir"] = data_folder(config["data_dir"])
        self.provided = ProvidedFiles(config, memory=MEMORY)
        self.provided.check()
        self.experiments = Experiments(config, self.holdings)
        self.experiments.check()
        self.figure_notes = notes.figure_notes(self.experiments)
        self.contents = read_contents(self.project / CONTENTS).noted(self.figure_notes)
        self.words = notes.words_of_tables(self.experiments, self.contents)
        # Experiments and figures whose data are there; others are made when asked for by name.
        self.shown = [name for name in config["experiments"] if self._is_shown(name)]
        if self.harvested and not self.shown:
            raise InputError(
                f"harvested: {self.harvested} holds no whole seed of any experiment on the headline's block of this"
                " config."
            )
        self.shown_tables = [name for name in self.contents.tables if name in self.shown]
        self.shown_figures = self._shown_figures()

    def _is_shown(self, experiment: str) -> bool:
        if self.holdings:
            return experiment in self.holdings.parts
        return experiment != "measured" or self.measured_is_at_hand()

    def _shown_figures(self) -> list[str]:
        if self.holdings:
            return held_figures(self.experiments)
        return [name for name in self.contents.figures if name != "fig5" or self.measured_is_at_hand()]

    def measured_is_at_hand(self) -> bool:
        """Say whether Figure 5 can be made without a download that nobody asked for."""
        entries = [self.config["datasets"][dataset] for dataset in self.experiments.datasets("measured")]
        parts = [part for entry in entries for part in (entry["scan"], entry["labels"]) if part]
        return all(map(self.provided.at_hand, parts))

    def listed(self) -> dict[str, Shown]:
        """Return what every table and every figure is listed under, by name."""
        tables = {
            name: Shown(table.source, table.title, f"Section {table.section}: {self.contents.sections[table.section]}.")
            for name, table in self.contents.tables.items()
        }
        figures = {
            name: Shown(listed_figures([name]), figure.title, figure.caption)
            for name, figure in self.contents.figures.items()
        }
        return tables | figures

    def missing_scan(self) -> str:
        """Return the file without which Figure 5 is left out, or nothing."""
        if self.harvested or self.measured_is_at_hand():
            return ""
        return self.config["datasets"][self.experiments.first_dataset("measured")]["scan"]["file"]

    def harvest_note(self) -> str:
        """Return what the report has to say of runs that are printed from a store, or nothing."""
        if not self.harvested:
            return ""
        shown = [*self.shown, *self.shown_figures]
        drawn = experiments_of_fig8(self.experiments)
        half = [panels for name, panels in PANELS_OF_FIG8.items() if name not in drawn]
        where = {name: self.contents.experiments[name].source for name in self.shown}
        where |= {name: panels for name, panels in PANELS_OF_FIG8.items() if name in self.shown}
        absent = {
            where[name]: part.absent
            for name, part in self.holdings.parts.items()
            if part.absent and where[name] not in half
        }
        return notes.harvest_note(self.harvested, self.contents, shown, half, absent)

    def runs_of_page(self) -> list[Run]:
        """Return all runs that anything printed rests on: from a store, verdicts take what it holds
        besides what tables show.
        """
        if not self.holdings:
            return self.experiments.all_runs(self.shown)
        held = [run for name in self.shown for run in self.holdings.runs[name]]
        return list({tuple(run.values()): run for run in held}.values())

    def retrained_runs(self) -> list[Run]:
        """Return the runs that a store has trained again for Figure 9, if that is shown."""
        return retrained_for_fig9(self.experiments) if "fig9" in self.shown_figures else []

    def published(self, name: str) -> str:
        """Return the path of a file of the paper's own numbers and statements."""
        return str(self.project / PUBLISHED / name)

    def published_values(self, table: str) -> list[str]:
        """Return where the paper's own numbers of a table are, if it has any."""
        return [self.published(f"{table}.csv")] if self.contents.tables[table].published else []

    def reference(self) -> str:
        """Return the folder of the runs that claims are judged on besides those of this config.

        It is empty if there are none; where this config prints such runs, there are no others.
        """
        folder = self.project / REFERENCE
        return str(folder) if (folder / INDEX).is_file() and not self.harvested else ""

    def _sizes_asked_of_reference(self) -> dict[str, list[int | str]]:
        """Map experiments to their numbers of training patterns at the paper's full size,
        ascending, as that config has them, whatever the user's own is; nothing without reference
        runs.
        """
        if not self.reference():
            return {}
        experiments = read_config(self.project / FULL_SIZE).get("experiments", {})
        return {
            name: sorted(entry["n_train"], key=lambda size: (size == ALL, size))
            for name, entry in experiments.items()
            if "n_train" in entry
        }
