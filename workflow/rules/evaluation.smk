# From a trained network to numbers: predictions, scenes, metrics, statistics.


rule predict:
    input:
        dataset="<results>/simulation/datasets/{dataset}/seed{seed}.cxi",
        object=object_of_dataset,
        checkpoint=f"<results>/training/{RUN}/model.pt",
    output:
        f"<results>/evaluation/{RUN}/patches.h5",
    log:
        f"<results>/evaluation/{RUN}/predict.log",
    benchmark:
        f"<results>/evaluation/{RUN}/predict.benchmark.tsv"
    wildcard_constraints:
        model="|".join(config["models"]),
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=2000,
        gpu=1,
    params:
        model=network_of,
        code=code_digest("evaluation.predict"),
    message:
        "Predicting {wildcards.dataset} with {wildcards.model}, seed {wildcards.seed}"
    script:
        "../scripts/predict.py"


rule reference:
    input:
        dataset="<results>/simulation/datasets/{dataset}/seed{seed}.cxi",
        object=object_of_dataset,
    output:
        "<results>/evaluation/{dataset}/{reference}/none/n{n_train}/seed{seed}/patches.h5",
    log:
        "<results>/evaluation/{dataset}/{reference}/none/n{n_train}/seed{seed}/reference.log",
    benchmark:
        "<results>/evaluation/{dataset}/{reference}/none/n{n_train}/seed{seed}/reference.benchmark.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        code=code_digest("evaluation.references"),
    message:
        "Making the {wildcards.reference} of {wildcards.dataset}, seed {wildcards.seed}"
    script:
        "../scripts/reference.py"


rule stitch:
    input:
        patches=f"<results>/evaluation/{RUN}/patches.h5",
    output:
        f"<results>/evaluation/{RUN}/scene.h5",
    log:
        f"<results>/evaluation/{RUN}/stitch.log",
    benchmark:
        f"<results>/evaluation/{RUN}/stitch.benchmark.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        weighting=config["stitching"]["weighting"],
        code=code_digest("evaluation.stitch"),
    message:
        "Stitching {wildcards.dataset} as {wildcards.model} sees it, seed {wildcards.seed}"
    script:
        "../scripts/stitch.py"


rule measure:
    input:
        dataset="<results>/simulation/datasets/{dataset}/seed{seed}.cxi",
        object=object_of_dataset,
        patches=f"<results>/evaluation/{RUN}/patches.h5",
        scene=f"<results>/evaluation/{RUN}/scene.h5",
    output:
        f"<results>/evaluation/{RUN}/metrics.csv",
    log:
        f"<results>/evaluation/{RUN}/measure.log",
    benchmark:
        f"<results>/evaluation/{RUN}/measure.benchmark.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        code=code_digest("evaluation.metrics"),
    message:
        "Measuring {wildcards.model} on {wildcards.dataset}, seed {wildcards.seed}"
    script:
        "../scripts/measure.py"


rule collect:
    input:
        metrics=metrics_of_experiment,
    output:
        "<results>/evaluation/{experiment}/metrics.csv",
    log:
        "<results>/evaluation/{experiment}/collect.log",
    benchmark:
        "<results>/evaluation/{experiment}/collect.benchmark.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=500,
    params:
        code=code_digest("evaluation.metrics"),
    message:
        "Collecting the metrics of {wildcards.experiment}"
    script:
        "../scripts/collect.py"


rule statistics:
    input:
        metrics="<results>/evaluation/{experiment}/metrics.csv",
    output:
        anova="<results>/evaluation/{experiment}/anova.csv",
        pairwise="<results>/evaluation/{experiment}/pairwise.csv",
    log:
        "<results>/evaluation/{experiment}/statistics.log",
    benchmark:
        "<results>/evaluation/{experiment}/statistics.benchmark.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=500,
    params:
        code=code_digest("evaluation.statistics"),
    message:
        "Testing the differences in {wildcards.experiment}: repeated-measures ANOVA and paired t-tests"
    script:
        "../scripts/analyse.py"
