"""MSE, PSNR and SSIM of one run."""

from adapter import job

with job(snakemake):
    from ptychoformer.evaluation.metrics import measure

    files = snakemake.input
    measure(files.dataset, files.test, files.patches, files.scene, dict(snakemake.wildcards.items()), snakemake.output[0])
