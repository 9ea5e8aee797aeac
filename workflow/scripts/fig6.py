"""Figure 6: out of distribution, as every network sees it."""

from adapter import job

with job(snakemake):
    from ptychoformer.publication.figures.fig6 import draw

    files, models = snakemake.input, snakemake.params.models
    run_files = dict(zip(models, zip(files.patches, files.scenes, strict=True), strict=True))
    where = dict(training_dataset=files.training_dataset, **snakemake.params.headline)
    draw(files.dataset, run_files, models, **where, **dict(snakemake.output.items()))
