"""Figure 3: coordinates and learned attention."""

from adapter import job

with job(snakemake):
    from ptychoformer.publication.figures.fig3 import draw

    draw(*snakemake.input.attention, **dict(snakemake.output.items()))
