"""The paper's contents, as ``resources/published/contents.yaml`` lists them: sections,
experiments, tables and figures.
"""

import os
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path

import yaml

from ptychoformer.errors import InputError, first_line
from ptychoformer.schemas import FLAG, LIST, TEXT, complaint, mapping_to

CONTENTS = "resources/published/contents.yaml"  # in the project's folder
LISTS = ("datasets", "losses", "n_train")  # of an experiment in the config
BELOW = "{below}"  # in a caption, for what stands below all pictures of reconstructions


@dataclass(frozen=True)
class Experiment:
    """A set of runs that tables or figures read.

    Args:
        description: where the paper has it, and behind a colon what it is of.
        figures: that show it, keys of `Contents.figures`.
        room_for_one: its lists in the config that may hold one entry only.
    """

    description: str
    figures: tuple[str, ...]
    room_for_one: tuple[str, ...]

    @property
    def source(self) -> str:
        """Where the paper has it: ``Table IV, Figure 10``."""
        return self.description.partition(":")[0]


@dataclass(frozen=True)
class Table:
    """A table of the paper.

    Args:
        number: ``I`` to ``V``, or ``of Figure 5``, whose numbers the paper draws as bars alone.
        title: in a few words, without a full stop.
        section: of the paper, a key of `Contents.sections`.
        metrics: of each channel, as columns.
        papers_block: of the test patterns, where the paper tested.
        further_parts: what it shows besides the headline, names of `layout.FURTHER_PARTS`.
        published: whether the paper has it, so that its numbers are in ``resources/published``.
        note: explains names of its rows; empty where they need no words.
    """

    number: str
    title: str
    section: str
    metrics: tuple[str, ...]
    papers_block: str
    further_parts: tuple[str, ...]
    published: bool = True
    note: str = ""

    @property
    def source(self) -> str:
        """Where the paper has it: ``Table I``, ``Figure 5``."""
        return self.number.removeprefix("of ") if self.number.startswith("of ") else f"Table {self.number}"


@dataclass(frozen=True)
class Figure:
    """A figure of the paper, with our caption, in which letters of panels stand between double
    asterisks.
    """

    title: str
    caption: str


@dataclass(frozen=True)
class Contents:
    """All of it, in the order of the paper.

    Args:
        sections: ``IV-B`` and the like to the paper's heading.
        experiments: by name.
        tables: by the name of their experiment.
        figures: ``fig1``, ``fig2``, ...
    """

    sections: Mapping[str, str]
    experiments: Mapping[str, Experiment]
    tables: Mapping[str, Table]
    figures: Mapping[str, Figure]

    def noted(self, notes: Mapping[str, str]) -> "Contents":
        """Return the same contents with more to be said at the end of some figures' captions."""
        noted = {
            name: replace(self.figures[name], caption=f"{self.figures[name].caption} {note}")
            for name, note in notes.items()
        }
        return replace(self, figures={**self.figures, **noted})


def _entries(kind: type) -> dict[str, object]:
    """Make the schema of entries by name, each with the fields of a class of this module."""
    types = {str: TEXT, bool: FLAG, tuple[str, ...]: LIST}
    known = {field.name: types[field.type] for field in fields(kind)}
    needed = [field.name for field in fields(kind) if field.default is MISSING]
    return mapping_to({"type": "object", "properties": known, "additionalProperties": False, "required": needed})


_SCHEMA = {
    "type": "object",
    "properties": {
        "below": TEXT,
        "sections": mapping_to(TEXT),
        "experiments": _entries(Experiment),
        "tables": _entries(Table),
        "figures": _entries(Figure),
    },
    "required": ["below", "sections", "experiments", "tables", "figures"],
}


def read_contents(path: str | os.PathLike) -> Contents:
    """Read the file.

    Raises:
        InputError: it is missing, is no YAML, an entry lacks a key, has one too many or another
            type, or names what there is not.
    """
    try:
        read = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path} cannot be read as the paper's contents ({first_line(error)}).") from error
    if wrong := complaint(read, _SCHEMA):
        raise InputError(f"{path}: {wrong}.")
    found = Contents(
        sections=read["sections"],
        experiments={name: Experiment(**_frozen(entry)) for name, entry in read["experiments"].items()},
        tables={name: Table(**_frozen(entry)) for name, entry in read["tables"].items()},
        figures={
            name: Figure(**entry | {"caption": entry["caption"].replace(BELOW, read["below"])})
            for name, entry in read["figures"].items()
        },
    )
    _check(found, path)
    return found


def _check(contents: Contents, path: str | os.PathLike) -> None:
    for name, experiment in contents.experiments.items():
        if unknown := [key for key in experiment.room_for_one if key not in LISTS]:
            allowed = ", ".join(LISTS)
            raise InputError(
                f"{path}: experiments.{name}.room_for_one: '{unknown[0]}' is no list of an experiment; allowed are"
                f" {allowed}."
            )
        if unknown := [figure for figure in experiment.figures if figure not in contents.figures]:
            raise InputError(
                f"{path}: experiments.{name}.figures: there is no figure '{unknown[0]}'; there are"
                f" {', '.join(contents.figures)}."
            )
    for name, table in contents.tables.items():
        if name not in contents.experiments:
            raise InputError(
                f"{path}: tables.{name}: there is no experiment of this name; there are"
                f" {', '.join(contents.experiments)}."
            )
        if table.section not in contents.sections:
            raise InputError(
                f"{path}: tables.{name}.section: '{table.section}' is no section; there are"
                f" {', '.join(contents.sections)}."
            )


def _frozen(entry: Mapping[str, object]) -> dict[str, object]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
