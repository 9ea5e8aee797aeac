"""A user's own file, as it was when the work was planned."""

from pathlib import Path
from urllib.parse import unquote

from adapter import job

with job(snakemake):
    from ptychoformer.simulation.fetch import keep

    # data_dir is no parameter: the same content from elsewhere re-runs nothing.
    local = Path(snakemake.config["data_dir"], unquote(snakemake.wildcards.file))
    keep(local, snakemake.wildcards.digest, snakemake.output[0])
