"""A scene from patches."""

from adapter import job

with job(snakemake):
    from ptychoformer.evaluation.stitch import stitch

    how = snakemake.params
    stitch(snakemake.input.patches, how.weighting, snakemake.output[0], at=how.positions, tie=how.tie)
