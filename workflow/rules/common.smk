# What every rules file uses: the checked config, what is made of it, and where the files of
# wildcards lie.

import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.pathvars import Pathvars

sys.path.insert(0, str(Path(workflow.basedir) / "src"))

from ptychoformer.configuration import check_keys
from ptychoformer.drawn import runs_of_fig9
from ptychoformer.errors import InputError
from ptychoformer.evaluation import REFERENCES
from ptychoformer.paths import (
    BANDS,
    CELL,
    EPIE_EVALUATION,
    EVALUATION,
    OWN_EVALUATION,
    REFERENCE_EVALUATION,
    SPECTRA,
    TRAINING,
)
from ptychoformer.planning.code import planned_code
from ptychoformer.planning.figures import drawings
from ptychoformer.planning.inputs import Inputs, files_of_runs, files_of_store
from ptychoformer.planning.parameters import Parameters
from ptychoformer.planning.plan import Plan
from ptychoformer.provided import BY_CONTENT
from ptychoformer.publication.tables import notes

try:
    for path in workflow.configfiles:
        check_keys(path)
    # From where results go, which --directory may say.
    PLAN = Plan(config, project=os.path.relpath(workflow.basedir))
    INPUTS, PARAMETERS, EXPERIMENTS = Inputs(PLAN), Parameters(PLAN), PLAN.experiments
    DRAWINGS = drawings(INPUTS)
except InputError as error:
    raise WorkflowError(f"config: {error}") from None
workflow.pathvars.update(Pathvars.from_config(config))  # with the one name of the folder of results


wildcard_constraints:
    object="|".join(config["objects"]),
    probe="|".join(config["probes"]),
    dataset="|".join(config["datasets"]),
    test="|".join(config["datasets"]),
    model=r"[^/]+",
    loss=r"[^/]+",
    reference="|".join(name for name in REFERENCES if name != "epie"),
    n_train=r"\d+",
    seed=r"\d+",
    experiment="|".join(config["experiments"]),


def files_of(catalogue, name, roles=None):
    """Map roles to where the files lie that an entry of a catalogue names; content, not time,
    says whether a user's own file is another.
    """
    try:
        kept = PLAN.provided.of(catalogue, name, roles)
    except InputError as error:
        raise WorkflowError(f"config: {error}") from None
    kept = {role: f"<resources>/files/{file}" for role, file in kept.items()}
    return {role: ancient(path) if f"/{BY_CONTENT}/" in path else path for role, path in kept.items()}


def object_files(wildcards):
    return files_of("objects", wildcards.object)


def probe_files(wildcards):
    return files_of("probes", wildcards.probe)


def scan_files(wildcards):
    """Find the measured scan of a dataset, and labels that were published with it."""
    return files_of("datasets", wildcards.dataset, ("scan", "labels"))


def labels(name, form):
    """Name what `snakemake --report` lists a file of a table or a figure under."""
    shown = PLAN.listed()[name]
    return {"what": shown.source, "title": shown.title, "form": form}
