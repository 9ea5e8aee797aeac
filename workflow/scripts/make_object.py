"""An object: generated, or from image files."""

from adapter import job

with job(snakemake):
    from ptychoformer.measurement.cxi import Optics
    from ptychoformer.simulation.objects import make_object

    make_object(
        snakemake.params.options, Optics(**snakemake.params.optics), dict(snakemake.input.items()), snakemake.output[0]
    )
