"""Everything on one page."""

from adapter import folder_of, job

with job(snakemake):
    from ptychoformer.contents import read_contents
    from ptychoformer.publication.inputs import read_histories, read_trained_as
    from ptychoformer.publication.report.page import make_report
    from ptychoformer.publication.store.unpack import histories, trained

    files, params, output = snakemake.input, snakemake.params, snakemake.output[0]
    if params.runs:
        store = folder_of(files.store)
        of_runs = dict(histories=histories(store, params.curves), trained=trained(store, params.runs))
    else:
        trained_so = read_trained_as(files.checkpoints, params.scale["training"], params.epochs)
        of_runs = dict(histories=read_histories(files.histories), trained=trained_so)
    make_report(
        tables=dict(zip(params.words, files.tables, strict=True)),
        statistics=dict(zip(params.words, zip(files.anovas, files.pairs, strict=True), strict=True)),
        figures=dict(zip(params.figures, zip(files.pdfs, files.pngs, strict=True), strict=True)),
        claims=files.claims,
        contents=read_contents(files.contents).noted(params.figure_notes),
        **of_runs,
        reference=folder_of(files.reference),
        harvest_note=params.harvest_note,
        caution=params.caution,
        ours=params.ours,
        words=params.words,
        labels=params.labels,
        scale=params.scale,
        missing_scan=params.missing_scan,
        output=output,
    )
