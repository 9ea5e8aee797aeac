"""Figure 5: a measured scan, as every network sees it."""

from adapter import job

with job(snakemake):
    from ptychoformer.publication.figures.fig5 import draw

    files, models = snakemake.input, snakemake.params.models
    run_files = dict(zip(models, zip(files.patches, files.scenes, strict=True), strict=True))
    draw(files.dataset, run_files, files.metrics, models, **snakemake.params.headline, **dict(snakemake.output.items()))
