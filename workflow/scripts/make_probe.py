"""A probe: computed, or from a file."""

from adapter import job

with job(snakemake):
    from ptychoformer.simulation.probes import make_probe

    from ptychoformer.measurement.cxi import Optics

    make_probe(snakemake.params.options, Optics(**snakemake.params.optics), dict(snakemake.input.items()), snakemake.output[0])
