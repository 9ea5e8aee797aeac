"""The reproduction as a paper."""

from adapter import folder_of, job

with job(snakemake):
    from ptychoformer.contents import read_contents
    from ptychoformer.publication.inputs import read_trained
    from ptychoformer.publication.paper.document import make_paper
    from ptychoformer.publication.store.unpack import trained

    files, params, output = snakemake.input, snakemake.params, snakemake.output
    make_paper(
        tables=dict(zip(params.words, files.tables, strict=True)),
        pairs=dict(zip(params.words, files.pairs, strict=True)),
        figures=dict(zip(params.figures, files.figures, strict=True)),
        claims=files.claims,
        readings=files.readings,
        citation=files.citation,
        contents=read_contents(files.contents).noted(params.figure_notes),
        trained=trained(folder_of(files.store), params.runs) if params.runs else read_trained(files.checkpoints),
        words=params.words,
        labels=params.labels,
        ours=params.ours,
        scale=params.scale,
        missing_scan=params.missing_scan,
        harvest_note=params.harvest_note,
        caution=params.caution,
        source=output.source,
        pdf=output.pdf,
    )
