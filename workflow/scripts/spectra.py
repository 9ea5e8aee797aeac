"""Spatial frequencies of all scenes of one condition."""

from adapter import job

with job(snakemake):
    from ptychoformer.evaluation.spectra import spectra

    files, runs = snakemake.input, snakemake.params.runs
    datasets = dict(zip(dict.fromkeys(run["seed"] for run in runs), files.datasets, strict=True))
    outputs = dict(output_spectra_csv=snakemake.output.spectra, output_bands_csv=snakemake.output.bands)
    spectra(datasets, zip(files.scenes, runs, strict=True), **snakemake.params.headline, **outputs)
