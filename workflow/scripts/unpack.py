"""Metrics and spectra of experiments from the reference runs."""

from adapter import folder_of, job

with job(snakemake):
    from ptychoformer.publication.store.unpack import unpack, unpack_spectra

    files, params, store = snakemake.output, snakemake.params, folder_of(snakemake.input)
    unpack(store, dict(zip([*files.metrics, *files.held], [*params.runs, *params.held], strict=True)))
    if params.spectra:
        outputs = dict(output_spectra_csv=files.spectra[0], output_bands_csv=files.bands[0])
        unpack_spectra(store, params.spectra, **params.headline, **outputs)
