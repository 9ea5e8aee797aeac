"""The layers of a network, with their shapes and parameters."""

from adapter import job

with job(snakemake):
    from ptychoformer.training.entries import NetworkEntry
    from ptychoformer.training.inspection import describe

    describe(NetworkEntry(**snakemake.params.model), tuple(snakemake.params.window), snakemake.output[0])
