"""A table: ours, the paper's and the difference."""

from adapter import job

with job(snakemake):
    from ptychoformer.publication.tables import make_table
    from ptychoformer.publication.typeset import Layout

    files, words = snakemake.input, snakemake.params.words
    outputs = dict(snakemake.output.items())
    make_table(files.metrics, files.published, files.pairwise, Layout.of(words), scale_note=words["scale_note"], **outputs)
