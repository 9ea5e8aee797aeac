"""A file of somebody else's: a local copy or a download, checked against its checksum."""

from urllib.parse import unquote

from adapter import job

with job(snakemake):
    from ptychoformer.simulation.fetch import provide

    # data_dir is no parameter: the same file from elsewhere re-runs nothing.
    file, config = unquote(snakemake.wildcards.file), snakemake.config
    provide(file, snakemake.params.source, config["data_dir"], config["downloads"], snakemake.output[0])
