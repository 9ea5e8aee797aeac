"""Everything on one page."""

from pathlib import Path

from adapter import job

with job(snakemake):
    from ptychoformer.publication.report import make_report

    files, params, output = snakemake.input, snakemake.params, snakemake.output[0]
    make_report(
        tables=dict(zip(params.words, files.tables, strict=True)),
        statistics=dict(zip(params.words, zip(files.anovas, files.pairs, strict=True), strict=True)),
        figures=dict(zip(params.figures, zip(files.pdfs, files.pngs, strict=True), strict=True)),
        **{name: files[name] for name in ("claims", "histories", "checkpoints")},
        reference=next(iter(files.reference), None),
        results=Path(output).parent,
        ours=params.ours,
        words=params.words,
        scale=params.scale,
        missing_scan=params.missing_scan,
        output=output,
    )
