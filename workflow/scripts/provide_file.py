"""A file of somebody else's: a local copy or a download, checked against its checksum."""

from urllib.parse import unquote

from adapter import job

with job(snakemake):
    from ptychoformer.simulation.fetch import provide

    # data_dir is no parameter: the same file from elsewhere re-runs nothing.
    file, source = unquote(snakemake.wildcards.file), snakemake.params.source
    provide(file, source["url"], source["sha256"], snakemake.config["data_dir"], snakemake.output[0])
