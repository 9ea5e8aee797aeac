"""The scenes of one run, and their and its patterns' MSE, PSNR and SSIM."""

from adapter import job

with job(snakemake):
    from ptychoformer.evaluation.metrics import measure
    from ptychoformer.evaluation.stitch import stitch

    files, results, how = snakemake.input, snakemake.output, snakemake.params
    stitch(files.patches, how.weighting, results.scene, at=how.positions, tie=how.tie)
    measure(files.dataset, files.test, files.patches, results.scene, dict(snakemake.wildcards.items()), results.metrics)
