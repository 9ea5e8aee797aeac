"""One network trained on one dataset, with one seed or with every seed side by side, and what each
sees in the test patterns.
"""

from adapter import job


def tidy():
    """Delete the states of the trainings."""
    from ptychoformer.training.fit import delete_state

    for checkpoint in snakemake.output.checkpoints:
        delete_state(checkpoint)


with job(snakemake, alone=snakemake.output.checkpoints, afterwards=tidy) as facts:
    from ptychoformer.evaluation.predict import predict
    from ptychoformer.training.entries import LossEntry, NetworkEntry
    from ptychoformer.training.fit import Run, fit_together
    from ptychoformer.training.options import TrainingOptions

    datasets, made, how = snakemake.input.datasets, snakemake.output, snakemake.params
    one = hasattr(snakemake.wildcards, "seed")
    seeds = [int(snakemake.wildcards.seed)] if one else snakemake.config["seeds"]
    runs = [Run(*files) for files in zip(datasets, seeds, made.checkpoints, made.histories, strict=True)]
    model, loss, training = NetworkEntry(**how.model), LossEntry.of(how.loss), TrainingOptions(**how.training)
    entries = dict(model=model, loss=loss, training=training, code=how.code)
    trained = fit_together(runs, n_train=int(snakemake.wildcards.n_train), threads=snakemake.threads, **entries)
    for run, patches, about in zip(runs, made.patches, trained, strict=True):
        predict(run.dataset, run.checkpoint, model, patches, threads=snakemake.threads)
        for artefact in (run.checkpoint, run.history, patches):
            facts[artefact] = about | {"wildcards": {"seed": str(run.seed)}}
