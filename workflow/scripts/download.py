"""A file of somebody else's, checked against its checksum."""

from adapter import job

with job(snakemake):
    from ptychoformer.simulation.fetch import fetch

    fetch(snakemake.params.source["url"], snakemake.params.source["sha256"], snakemake.output[0])
