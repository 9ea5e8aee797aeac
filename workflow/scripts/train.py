"""One network trained on one dataset, and what it sees in the test patterns."""

from adapter import job


def tidy():
    """Delete the state of the training."""
    from ptychoformer.training.fit import delete_state

    delete_state(snakemake.output.checkpoint)


with job(snakemake, alone=[snakemake.output.checkpoint], afterwards=tidy) as facts:
    from ptychoformer.evaluation.predict import predict
    from ptychoformer.training.entries import LossEntry, NetworkEntry
    from ptychoformer.training.fit import fit
    from ptychoformer.training.options import TrainingOptions

    dataset, made, how = snakemake.input.dataset, snakemake.output, snakemake.params
    run = dict(n_train=int(snakemake.wildcards.n_train), seed=int(snakemake.wildcards.seed), threads=snakemake.threads)
    model, loss, training = NetworkEntry(**how.model), LossEntry.of(how.loss), TrainingOptions(**how.training)
    entries = dict(model=model, loss=loss, training=training, code=how.code)
    facts |= fit(dataset, checkpoint=made.checkpoint, history=made.history, **entries, **run)
    predict(dataset, made.checkpoint, model, made.patches, threads=snakemake.threads)
