"""What a trained network attends to."""

from adapter import job

with job(snakemake):
    from ptychoformer.training.inspection import attention_maps

    attention_maps(snakemake.input.dataset, snakemake.input.checkpoint, snakemake.output[0])
