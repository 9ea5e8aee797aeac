# From a trained network to numbers: predictions, scenes, metrics, statistics.


# A network's own dataset is predicted by the job that trained it.
ruleorder: train > predict


rule predict:
    input:
        test=INPUTS.tested_on,
        object=INPUTS.object_of_test,
        checkpoint=f"<results>/{TRAINING}/model.pt",
    output:
        f"<results>/{EVALUATION}/patches.h5",
    log:
        f"<results>/{EVALUATION}/predict.log",
    benchmark:
        f"<results>/{EVALUATION}/predict.benchmark.tsv"
    wildcard_constraints:
        model="|".join(config["models"]),
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=2000,
        gpu=1,
    params:
        model=PARAMETERS.network,
        code=planned_code("evaluation.predict"),
    message:
        "Predicting {wildcards.test} with {wildcards.model} trained on {wildcards.dataset}, seed {wildcards.seed}"
    script:
        "../scripts/predict.py"


rule reference:
    input:
        unpack(INPUTS.scans_of_run),
    output:
        f"<results>/{REFERENCE_EVALUATION}/patches.h5",
    log:
        f"<results>/{REFERENCE_EVALUATION}/reference.log",
    benchmark:
        f"<results>/{REFERENCE_EVALUATION}/reference.benchmark.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        subset=config["training"]["subset"],
        code=planned_code("evaluation.references"),
    message:
        "Making the {wildcards.reference} of {wildcards.test}, seed {wildcards.seed}"
    script:
        "../scripts/reference.py"


use rule reference as many_pattern_reference with:
    input:
        unpack(INPUTS.scans_of_run),
        reconstruction=INPUTS.reconstruction_of_test,
    output:
        f"<results>/{EPIE_EVALUATION}/patches.h5",
    log:
        f"<results>/{EPIE_EVALUATION}/reference.log",
    benchmark:
        f"<results>/{EPIE_EVALUATION}/reference.benchmark.tsv"
    message:
        "Cutting patches from the reconstruction of {wildcards.test}, seed {wildcards.seed}"


rule score:
    input:
        unpack(INPUTS.scans_of_run),
        patches=f"<results>/{EVALUATION}/patches.h5",
    output:
        # Together, since a job of its own would start Python and import for longer than it
        # stitches.
        scene=f"<results>/{EVALUATION}/scene.h5",
        metrics=f"<results>/{EVALUATION}/metrics.csv",
    log:
        f"<results>/{EVALUATION}/score.log",
    benchmark:
        f"<results>/{EVALUATION}/score.benchmark.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        weighting=config["stitching"]["weighting"],
        positions=str(config["stitching"]["positions"]).lower(),  # YAML reads an unquoted true as a boolean
        tie=config["stitching"]["tie"],
        code=planned_code("evaluation.stitch", "evaluation.metrics"),
    message:
        "Stitching and measuring {wildcards.test} as {wildcards.model} sees it, seed {wildcards.seed}"
    script:
        "../scripts/score.py"


rule collect:
    input:
        metrics=INPUTS.metrics,
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
        code=planned_code("evaluation.metrics"),
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
        factor=PARAMETERS.factor,
        code=planned_code("evaluation.statistics"),
    message:
        "Testing the differences in {wildcards.experiment}: repeated-measures ANOVA and paired t-tests"
    script:
        "../scripts/analyse.py"


rule spectra:
    input:
        datasets=INPUTS.datasets(EXPERIMENTS.first_dataset("table1")),
        object=INPUTS.object(EXPERIMENTS.first_dataset("table1")),
        scenes=files_of_runs(f"{EVALUATION}/scene.h5", EXPERIMENTS.runs_of_spectra()),
    output:
        spectra=f"<results>/{SPECTRA}",
        bands=f"<results>/{BANDS}",
    log:
        "<results>/evaluation/table1/spectra.log",
    benchmark:
        "<results>/evaluation/table1/spectra.benchmark.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        runs=EXPERIMENTS.runs_of_spectra(),
        headline=EXPERIMENTS.headline("table1"),
        code=planned_code("evaluation.spectra"),
    message:
        "Measuring the spatial frequencies of the scenes"
    script:
        "../scripts/spectra.py"
