# From a dataset to a trained network and what it sees in the test patterns; one job a run, or one
# for all seeds.


rule train:
    input:
        datasets=lambda wildcards: [INPUTS.trained_on(wildcards)],
        object=INPUTS.object_of_dataset,
    output:
        # The state of an unfinished training lies beside these, undeclared, so that a failed or
        # killed job goes on where it was.
        checkpoints=[f"<results>/{TRAINING}/model.pt"],
        histories=[f"<results>/{TRAINING}/history.csv"],
        # Predicted here, since a job of its own would start torch, and wait for a GPU, for a second
        # of work.
        patches=[f"<results>/{OWN_EVALUATION}/patches.h5"],
    log:
        f"<results>/{TRAINING}/train.log",
    benchmark:
        f"<results>/{TRAINING}/train.benchmark.tsv"
    wildcard_constraints:
        model="|".join(config["models"]),
    conda:
        "../../environment.yml"
    # One thread: two jobs side by side train faster than one with two threads.
    threads: 1
    resources:
        mem_mb=3000,
        runtime=240,
        gpu=1,
    params:
        model=PARAMETERS.network,
        loss=PARAMETERS.loss,
        training=PARAMETERS.training,
        code=PARAMETERS.training_code,
        prediction_code=planned_code("evaluation.predict"),
    message:
        "Training {wildcards.model} on {wildcards.n_train} patterns of {wildcards.dataset}"
        " ({wildcards.loss}), seed {wildcards.seed} (progress: {log})"
    script:
        "../scripts/train.py"


# The same outputs from a job that trains all seeds side by side, for a device that one training
# does not fill.
if config["training"]["seeds_together"]:

    ruleorder: train_together > train > predict

    use rule train as train_together with:
        input:
            datasets=INPUTS.trained_on_together,
            object=INPUTS.object_of_dataset,
        output:
            checkpoints=INPUTS.of_all_seeds(f"<results>/{TRAINING}/model.pt"),
            histories=INPUTS.of_all_seeds(f"<results>/{TRAINING}/history.csv"),
            patches=INPUTS.of_all_seeds(f"<results>/{OWN_EVALUATION}/patches.h5"),
        log:
            f"<results>/training/{CELL}/train.log",
        benchmark:
            f"<results>/training/{CELL}/train.benchmark.tsv"
        resources:
            mem_mb=3000 + 300 * len(config["seeds"]),
            runtime=240,
            gpu=1,
        message:
            "Training {wildcards.model} on {wildcards.n_train} patterns of {wildcards.dataset}"
            " ({wildcards.loss}), all seeds (progress: {log})"


rule architecture:
    output:
        "<results>/training/architectures/{model}.json",
    log:
        "<results>/training/architectures/{model}.log",
    benchmark:
        "<results>/training/architectures/{model}.benchmark.tsv"
    wildcard_constraints:
        model="|".join(config["models"]),
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        model=PARAMETERS.network,
        window=PARAMETERS.window(EXPERIMENTS.first_dataset("table1")),
        code=PARAMETERS.inspection_code,
    message:
        "Describing the layers of {wildcards.model}"
    script:
        "../scripts/describe_network.py"


rule attention:
    input:
        dataset=INPUTS.trained_on,
        object=INPUTS.object_of_dataset,
        checkpoint=f"<results>/{TRAINING}/model.pt",
    output:
        f"<results>/{TRAINING}/attention.h5",
    log:
        f"<results>/{TRAINING}/attention.log",
    benchmark:
        f"<results>/{TRAINING}/attention.benchmark.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        code=PARAMETERS.inspection_code,
    message:
        "Looking at the attention of {wildcards.model}, seed {wildcards.seed}"
    script:
        "../scripts/attention_maps.py"
