"""Figure 1: what diffraction patterns have in common."""

from adapter import job

with job(snakemake):
    from ptychoformer.publication.figures.fig1 import draw

    (condition,) = snakemake.params.condition.values()
    draw(snakemake.input.dataset, condition=condition, **dict(snakemake.output.items()))
