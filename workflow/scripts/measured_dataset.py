"""A measured scan as networks see it, with labels."""

from adapter import job

with job(snakemake):
    from ptychoformer.measurement.labelled import make_labelled
    from ptychoformer.measurement.options import Patterns, Reading

    files, params, made = snakemake.input, snakemake.params, snakemake.output
    sources = dict(labels=files.get("labels"), reconstruction=files.get("reconstruction"))
    how = dict(reading=Reading.of(params.scan), patterns=Patterns(**params.patterns))
    make_labelled(files.scan, **how, **sources, output=made.dataset, object_output=made.object)
