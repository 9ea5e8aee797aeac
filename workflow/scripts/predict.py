"""Patches of the test block, as one network sees them."""

from adapter import job

with job(snakemake) as facts:
    from ptychoformer.evaluation.predict import predict

    files, model = snakemake.input, snakemake.params.model
    facts |= predict(files.dataset, files.checkpoint, model, snakemake.output[0], threads=snakemake.threads)
