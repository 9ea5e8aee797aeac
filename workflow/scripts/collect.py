"""The metrics of all runs of an experiment in one table."""

from adapter import job

with job(snakemake):
    from ptychoformer.evaluation.metrics import collect

    collect(snakemake.input.metrics, snakemake.output[0])
