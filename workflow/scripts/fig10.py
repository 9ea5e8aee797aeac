"""Figure 10: how the weight in the loss matters."""

from adapter import job

with job(snakemake):
    from ptychoformer.publication.figures.fig10 import draw

    files, params = snakemake.input, snakemake.params
    chosen = dict(alphas=params.alphas, model=params.model, **params.headline)
    draw(files.metrics, files.published, **chosen, **dict(snakemake.output.items()))
