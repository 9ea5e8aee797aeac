"""Patches that bound what a network can reach: the training mean, the true labels."""

from adapter import job

with job(snakemake):
    from ptychoformer.evaluation.references import reference_patches

    run = snakemake.wildcards
    reference_patches(run.reference, snakemake.input.dataset, int(run.n_train), int(run.seed), snakemake.output[0])
