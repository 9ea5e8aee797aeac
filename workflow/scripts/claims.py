"""A verdict on every claim of the paper."""

from adapter import folder_of, job

with job(snakemake):
    from ptychoformer.publication.claims.judge import judge

    files, params = snakemake.input, snakemake.params
    metrics = dict(zip(params.experiments, files.metrics, strict=True))
    bands = next(iter(files.bands), None)
    about = dict(scales=params.scales, store=folder_of(files.store), **params.headline)
    asked = dict(asked=params.asked, asked_of_reference=params.asked_of_reference)
    judge(files.claims, metrics, bands, folder_of(files.reference), **about, **asked, output_csv=snakemake.output[0])
