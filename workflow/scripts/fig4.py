"""Figure 4: two scan points and the stitched scene, as every network sees them."""

from adapter import job

with job(snakemake):
    from ptychoformer.publication.fig4 import draw

    files, models = snakemake.input, snakemake.params.models
    run_files = dict(zip(models, zip(files.patches, files.scenes, strict=True), strict=True))
    (condition,) = snakemake.params.condition.values()
    draw(files.dataset, run_files, models, condition, **snakemake.params.headline, **dict(snakemake.output.items()))
