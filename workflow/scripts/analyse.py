"""Repeated-measures ANOVA and paired t-tests."""

from adapter import job

with job(snakemake):
    from ptychoformer.evaluation.statistics import analyse

    analyse(snakemake.input.metrics, snakemake.output.anova, snakemake.output.pairwise, factor=snakemake.params.factor)
