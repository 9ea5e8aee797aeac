"""Figure 7: training sets and test patterns on the object."""

from adapter import job

with job(snakemake):
    from ptychoformer.publication.figures.fig7 import draw

    params = snakemake.params
    chosen = dict(sizes=params.sizes, seed=params.seed, subset=params.subset, block=params.block)
    draw(snakemake.input.dataset, **chosen, **dict(snakemake.output.items()))
