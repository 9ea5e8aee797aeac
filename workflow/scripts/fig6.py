"""Figure 6: out of distribution, as every network sees it."""

from adapter import job

with job(snakemake):
    from ptychoformer.publication.figures.fig6 import draw

    files, params = snakemake.input, snakemake.params
    run_files = dict(zip(params.models, zip(files.patches, files.scenes, strict=True), strict=True))
    of_references = zip(files.reference_patches, files.reference_scenes, strict=True)
    references = dict(zip(params.references, of_references, strict=True))
    where = dict(training_dataset=files.training_dataset, references=references, **params.headline)
    draw(files.dataset, run_files, params.models, **where, **dict(snakemake.output.items()))
