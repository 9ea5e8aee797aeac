"""One network trained on one dataset, and what it sees in the test patterns."""

from adapter import is_orphan, job

with job(snakemake, alone=[snakemake.output.checkpoint]) as facts:
    from ptychoformer.evaluation.predict import predict
    from ptychoformer.training.entries import LossEntry, NetworkEntry
    from ptychoformer.training.fit import delete_state, fit
    from ptychoformer.training.options import TrainingOptions

    dataset, made, how = snakemake.input.dataset, snakemake.output, snakemake.params
    run = dict(n_train=int(snakemake.wildcards.n_train), seed=int(snakemake.wildcards.seed), threads=snakemake.threads)
    model, loss, training = NetworkEntry(**how.model), LossEntry.of(how.loss), TrainingOptions(**how.training)
    entries = dict(model=model, loss=loss, training=training, code=how.code)
    facts |= fit(dataset, checkpoint=made.checkpoint, history=made.history, **entries, **run)
    predict(dataset, made.checkpoint, model, made.patches, threads=snakemake.threads)
    if not is_orphan():
        delete_state(made.checkpoint)
