"""Figure 2: the architecture, as built."""

from adapter import job

with job(snakemake):
    from ptychoformer.publication.figures.fig2 import draw

    draw(snakemake.input.architecture, **dict(snakemake.output.items()))
