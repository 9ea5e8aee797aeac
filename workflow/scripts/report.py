"""Everything on one page."""

from adapter import job

with job(snakemake):
    from ptychoformer.publication.report import make_report

    params = {name: value for name, value in snakemake.params.items() if name != "code"}
    make_report(**dict(snakemake.input.items()), **params, output=snakemake.output[0])
