"""What the report and the paper are told alike, gathered from the files and parameters of a job."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ptychoformer.contents import Contents, read_contents
from ptychoformer.paths import Run
from ptychoformer.publication.inputs import read_trained_as
from ptychoformer.publication.store.holdings import RETRAINED
from ptychoformer.publication.store.unpack import trained


@dataclass(frozen=True)
class Printed:
    """What is printed, and how it is called.

    Args:
        tables: ``table1`` ... to the tidy CSV of `compare.make_table`.
        claims: of `judge.judge`.
        contents: of the paper.
        trained: each run of every experiment to its provenance; what jobs left of other runs is not
            counted.
        retrained: the same of runs that were trained once more for Figure 9, which alone is of
            these.
        words: the names of the tables to what they were made with: the parts of a `layout.Layout`,
            and ``scale_note`` as `compare.make_table` takes it. Decides which tables are shown, in
            which order.
        labels: of everything in the config, the arguments of a `Labels`.
        ours: the network of Table I whose lead over the best of the paper's others is the headline.
        scale: what Table I's numbers depend on, a subtree of the config; nested keys are joined by
            dots.
        missing_scan: the file without which the measured data were left out.
        harvest_note: that the runs are not of this workflow, in words; empty if they are.
        caution: why the numbers mean nothing, told in red; empty if they do.
    """

    tables: Mapping[str, str | os.PathLike]
    claims: str | os.PathLike
    contents: Contents
    trained: Mapping[Run, Mapping[str, Any]]
    words: Mapping[str, Mapping[str, Any]]
    labels: Mapping[str, Mapping[str, str]]
    ours: str
    scale: Mapping[str, Any]
    missing_scan: str = ""
    harvest_note: str = ""
    caution: str = ""
    retrained: Mapping[Run, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, files: Any, params: Any, store: Path | None) -> "Printed":
        """Gather what a job is given.

        Args:
            files, params: its input and parameters, as `workflow/rules/report.smk` names them.
            store: the folder from which runs are printed; None if the workflow trained them.

        Raises:
            InputError: see `read_trained_as`, or a file cannot be read.
        """
        if store:
            made = trained(store, params.runs)
            retrained = trained(store / RETRAINED, params.retrained) if params.retrained else {}
        else:
            made = read_trained_as(files.checkpoints, params.scale["training"], params.epochs)
            retrained = {}
        return cls(
            tables=dict(zip(params.words, files.tables, strict=True)),
            claims=files.claims,
            contents=read_contents(files.contents).noted(params.figure_notes),
            trained=made,
            words=params.words,
            labels=params.labels,
            ours=params.ours,
            scale=params.scale,
            missing_scan=params.missing_scan,
            harvest_note=params.harvest_note,
            caution=params.caution,
            retrained=retrained,
        )
