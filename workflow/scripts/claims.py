"""A verdict on every claim of the paper."""

from adapter import job

with job(snakemake):
    from ptychoformer.publication.claims import judge

    files, params = snakemake.input, snakemake.params
    metrics = dict(zip(params.experiments, files.metrics, strict=True))
    judge(files.claims, metrics, files.bands, next(iter(files.reference), None), scales=params.scales, output_csv=snakemake.output[0])
