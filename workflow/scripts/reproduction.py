"""The reproduction as a paper."""

from adapter import folder_of, job

with job(snakemake):
    from ptychoformer.contents import read_contents
    from ptychoformer.publication.inputs import read_trained_as
    from ptychoformer.publication.paper.document import make_paper
    from ptychoformer.publication.store.unpack import trained

    files, params, output = snakemake.input, snakemake.params, snakemake.output
    if params.runs:
        of_runs = trained(folder_of(files.store), params.runs)
    else:
        of_runs = read_trained_as(files.checkpoints, params.scale["training"], params.epochs)
    make_paper(
        tables=dict(zip(params.words, files.tables, strict=True)),
        pairs=dict(zip(params.words, files.pairs, strict=True)),
        figures=dict(zip(params.figures, files.figures, strict=True)),
        claims=files.claims,
        readings=files.readings,
        citation=files.citation,
        contents=read_contents(files.contents).noted(params.figure_notes),
        trained=of_runs,
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
