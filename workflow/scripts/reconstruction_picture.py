"""A reconstructed object, its probe and how it converged."""

from adapter import job

with job(snakemake):
    from ptychoformer.publication.scan.pictures import draw_reconstruction

    draw_reconstruction(snakemake.input.reconstruction, snakemake.input.convergence, snakemake.output[0])
