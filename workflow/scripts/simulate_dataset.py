"""One scan of one object under one condition."""

from adapter import job

with job(snakemake):
    from ptychoformer.measurement.cxi import Optics
    from ptychoformer.simulation.dataset import simulate_dataset

    files = dict(object_file=snakemake.input.object, probe_file=snakemake.input.probe, output=snakemake.output[0])
    condition = dict(
        scan=snakemake.params.scan, detector=snakemake.params.detector, optics=Optics(**snakemake.params.optics)
    )
    simulate_dataset(**files, **condition, seed=int(snakemake.wildcards.seed), threads=snakemake.threads)
