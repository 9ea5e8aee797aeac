"""Floor, ceiling or many-pattern reconstruction of a dataset."""

from adapter import job

with job(snakemake):
    from ptychoformer.evaluation.references import reference_patches

    run, files = snakemake.wildcards, snakemake.input
    how = dict(
        n_train=int(run.n_train),
        seed=int(run.seed),
        subset=snakemake.params.subset,
        transferred=run.test != run.dataset,
    )
    how |= dict(reconstruction=files.get("reconstruction"))
    reference_patches(run.get("reference", "epie"), files.dataset, files.test, **how, output=snakemake.output[0])
