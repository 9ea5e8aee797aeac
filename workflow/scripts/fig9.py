"""Figure 9: spatial frequencies of the scenes."""

from adapter import job

with job(snakemake):
    from ptychoformer.publication.figures.fig9 import draw

    chosen = dict(models=snakemake.params.models, **snakemake.params.headline)
    draw(snakemake.input.spectra, snakemake.input.bands, **chosen, **dict(snakemake.output.items()))
