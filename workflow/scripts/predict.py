"""Patches of the test block, as one network sees them."""

from adapter import job

with job(snakemake):
    from ptychoformer.evaluation.predict import predict

    kind = snakemake.params.kind
    predict(snakemake.input.dataset, snakemake.input.checkpoint, kind, snakemake.output[0], threads=snakemake.threads)
