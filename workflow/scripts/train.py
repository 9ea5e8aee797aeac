"""One network trained on one dataset."""

from adapter import job

with job(snakemake) as facts:
    from ptychoformer.training.fit import fit

    size = dict(n_train=int(snakemake.wildcards.n_train), seed=int(snakemake.wildcards.seed), threads=snakemake.threads)
    facts |= fit(snakemake.input.dataset, **dict(snakemake.output.items()), **dict(snakemake.params.items()), **size)
