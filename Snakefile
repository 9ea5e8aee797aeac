# A paper as a DAG: simulation -> training -> evaluation -> publication.
#
#   snakemake --cores all                                     everything, at laptop scale
#   snakemake --cores all table1                              one table (or fig1 ... fig10, claims, report)
#   snakemake --cores all --configfile config/smoke.yaml      another scale

from snakemake.utils import min_version

min_version("9.14")


configfile: "config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/upkeep.smk"
include: "workflow/rules/simulation.smk"
include: "workflow/rules/measurement.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/evaluation.smk"
include: "workflow/rules/publication.smk"


rule all:
    default_target: True
    input:
        rules.table1.output,
        rules.table2.output,
        rules.table3.output,
        rules.table4.output,
        rules.table5.output,
        rules.fig1.output,
        rules.fig2.output,
        rules.fig3.output,
        rules.fig4.output,
        rules.fig6.output,
        rules.fig7.output,
        rules.fig8.output,
        rules.fig9.output,
        rules.fig10.output,
        [rules.fig5.output, rules.measured.output, reconstruction_pictures()] if measured_is_at_hand() else [],
        rules.claims.output,
        rules.report.output,
