"""A verdict on every claim of the paper."""

from adapter import job

with job(snakemake):
    from ptychoformer.publication.claims import judge

    files, params = snakemake.input, snakemake.params
    metrics = dict(zip(params.experiments, files.metrics, strict=True))
    reference = (next(iter(files[name]), None) for name in ("reference", "reference_bands"))
    judge(files.claims, metrics, files.bands, *reference, **params.headline, scales=params.scales, output_csv=snakemake.output[0])
