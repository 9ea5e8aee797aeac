"""Figure 10: how the weight in the loss matters."""

from adapter import job

with job(snakemake):
    from ptychoformer.publication.fig10 import draw

    files, params = snakemake.input, snakemake.params
    draw(files.metrics, files.published, alphas=params.alphas, model=params.model, **dict(snakemake.output.items()))
