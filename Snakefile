# A paper as a DAG: simulation -> training -> evaluation -> publication.
#
#   snakemake --cores all                                     everything, at laptop scale
#   snakemake --cores all table1                              one table (or fig1 ... reproduction)
#   snakemake --cores all --configfile config/smoke.yaml      another scale

import os

from snakemake.utils import min_version

min_version("9.14")


# Beside this file, wherever --directory is.
configfile: os.path.relpath(os.path.join(workflow.basedir, "config.yaml"))


include: "workflow/rules/common.smk"
include: "workflow/rules/upkeep.smk"
include: "workflow/rules/simulation.smk"
include: "workflow/rules/measurement.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/evaluation.smk"
include: "workflow/rules/publication.smk"
include: "workflow/rules/report.smk"


if PLAN.harvested:

    include: "workflow/rules/harvest.smk"


rule all:
    default_target: True
    input:
        [getattr(rules, name).output for name in (*PLAN.shown_tables, *PLAN.shown_figures)],
        INPUTS.reconstruction_pictures(),
        rules.claims.output,
        [rules.report.output, rules.reproduction.output] if "table1" in PLAN.shown else [],
    message:
        "Everything is made"


name_targets()
