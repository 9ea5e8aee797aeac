"""Table I: ours, the paper's and the difference."""

from adapter import job

with job(snakemake):
    from ptychoformer.publication.table1 import make_table

    files, params = snakemake.input, snakemake.params
    words = dict(conditions=params.conditions, models=params.models, scale_note=params.scale_note)
    make_table(files.metrics, files.published, files.pairwise, **words, **dict(snakemake.output.items()))
