"""Figure 8: training-set size and overlap."""

from adapter import job

with job(snakemake):
    from ptychoformer.publication.fig8 import draw

    files, params = snakemake.input, snakemake.params
    scenes = {(run["n_train"], run["model"]): scene for run, scene in zip(params.runs, files.scenes, strict=True)}
    words = dict(models=params.models, overlap_models=params.overlap_models, overlaps=params.overlaps, **params.headline)
    draw(files.sizes, files.overlaps, scenes, files.dataset, **words, **dict(snakemake.output.items()))
