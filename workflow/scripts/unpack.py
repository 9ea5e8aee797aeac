"""Metrics and spectra of experiments from the reference runs."""

from adapter import job

with job(snakemake):
    from ptychoformer.publication.unpack import unpack, unpack_spectra

    files, params = snakemake.output, snakemake.params
    unpack(params.store, dict(zip(files.metrics, params.runs, strict=True)))
    if params.spectra:
        outputs = dict(output_spectra_csv=files.spectra[0], output_bands_csv=files.bands[0])
        unpack_spectra(params.store, params.spectra, **params.headline, **outputs)
