"""The reproduction as a paper."""

from adapter import folder_of, job

with job(snakemake):
    from ptychoformer.publication.paper.document import make_paper
    from ptychoformer.publication.report.printed import Printed

    files, params, output = snakemake.input, snakemake.params, snakemake.output
    make_paper(
        Printed.of(files, params, folder_of(files.store) if params.runs else None),
        pairs=dict(zip(params.words, files.pairs, strict=True)),
        figures=dict(zip(params.figures, files.figures, strict=True)),
        readings=files.readings,
        citation=files.citation,
        source=output.source,
        pdf=output.pdf,
    )
