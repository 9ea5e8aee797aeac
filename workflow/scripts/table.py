"""A table: ours, the paper's and the difference."""

from adapter import job

with job(snakemake):
    from ptychoformer.publication.tables import make_table

    files = snakemake.input
    make_table(files.metrics, files.published, files.pairwise, **snakemake.params.words, **dict(snakemake.output.items()))
