"""A probe: computed, or from a file."""

from adapter import job

with job(snakemake):
    from ptychoformer.measurement.cxi import Optics
    from ptychoformer.simulation.probes import make_probe

    make_probe(
        snakemake.params.options, Optics(**snakemake.params.optics), dict(snakemake.input.items()), snakemake.output[0]
    )
