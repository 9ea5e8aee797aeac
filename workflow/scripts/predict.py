"""Patches of the test patterns, as one network sees them."""

from adapter import job

with job(snakemake) as facts:
    from ptychoformer.evaluation.predict import predict

    files, run = snakemake.input, snakemake.wildcards
    how = dict(transferred=run.test != run.dataset, threads=snakemake.threads)
    facts |= predict(files.test, files.checkpoint, snakemake.params.model, snakemake.output[0], **how)
