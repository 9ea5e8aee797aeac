"""Figure 9: spatial frequencies of the scenes."""

from adapter import job

with job(snakemake):
    from ptychoformer.publication.figures.fig9 import draw

    draw(snakemake.input.spectra, snakemake.input.bands, models=snakemake.params.models, **dict(snakemake.output.items()))
