# A paper as a DAG: simulation -> training -> evaluation -> publication.
#
#   snakemake --cores all                                     everything, at laptop scale
#   snakemake --cores all table1                              one table (or fig4, report)
#   snakemake --cores all --configfile config/smoke.yaml      another scale

from snakemake.utils import min_version

min_version("9.14")


configfile: "config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/lock.smk"
include: "workflow/rules/simulation.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/evaluation.smk"
include: "workflow/rules/publication.smk"


rule all:
    default_target: True
    input:
        rules.table1.output,
        rules.fig4.output,
        rules.report.output,
