"""An object from all patterns of a scan together."""

from adapter import job

with job(snakemake) as facts:
    from ptychoformer.measurement.options import Reading, ReconstructionOptions
    from ptychoformer.measurement.reconstruct import reconstruct

    made, params = snakemake.output, snakemake.params
    how = dict(threads=snakemake.threads, seed=int(snakemake.wildcards.get("seed", 0)), code=params.code)
    facts |= reconstruct(
        snakemake.input.scan,
        Reading.of(params.scan),
        ReconstructionOptions(**params.options),
        output=made.reconstruction,
        convergence=made.convergence,
        **how,
    )
