"""A scene from patches."""

from adapter import job

with job(snakemake):
    from ptychoformer.evaluation.stitch import stitch

    stitch(snakemake.input.patches, snakemake.params.weighting, snakemake.output[0])
