"""Patches of the test patterns, as one network sees them."""

from adapter import job

with job(snakemake) as facts:
    from ptychoformer.evaluation.predict import predict
    from ptychoformer.training.entries import NetworkEntry

    files, run, model = snakemake.input, snakemake.wildcards, NetworkEntry(**snakemake.params.model)
    how = dict(transferred=run.test != run.dataset, threads=snakemake.threads)
    facts |= predict(files.test, files.checkpoint, model, snakemake.output[0], **how)
