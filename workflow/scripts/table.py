"""A table: ours, the paper's and the difference."""

from adapter import job

with job(snakemake):
    from ptychoformer.publication.tables.compare import make_table
    from ptychoformer.publication.tables.layout import Layout

    files, words = snakemake.input, snakemake.params.words
    outputs = dict(snakemake.output.items())
    published = next(iter(files.published), None)
    make_table(files.metrics, published, files.pairwise, Layout.of(words), scale_note=words["scale_note"], **outputs)
