"""A measured scan as networks see it, with labels."""

from adapter import job

with job(snakemake):
    from ptychoformer.measurement.labelled import make_labelled

    files, params, made = snakemake.input, snakemake.params, snakemake.output
    sources = dict(labels=files.get("labels"), reconstruction=files.get("reconstruction"))
    make_labelled(files.scan, params.scan, params.patterns, **sources, output=made.dataset, object_output=made.object)
