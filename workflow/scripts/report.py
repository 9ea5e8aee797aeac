"""Everything on one page."""

from adapter import folder_of, job

with job(snakemake):
    from ptychoformer.publication.inputs import read_histories
    from ptychoformer.publication.report.page import make_report
    from ptychoformer.publication.report.printed import Printed
    from ptychoformer.publication.store.unpack import histories

    files, params = snakemake.input, snakemake.params
    store = folder_of(files.store) if params.runs else None
    make_report(
        Printed.of(files, params, store),
        statistics=dict(zip(params.words, zip(files.anovas, files.pairs, strict=True), strict=True)),
        figures=dict(zip(params.figures, zip(files.pdfs, files.pngs, strict=True), strict=True)),
        reference=folder_of(files.reference),
        histories=histories(store, params.curves) if store else read_histories(files.histories),
        output=snakemake.output[0],
    )
