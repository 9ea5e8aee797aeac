# Reference runs in the place of datasets, trainings and scores: what is printed of them is made as
# ever.


ruleorder: unpack > collect
ruleorder: unpack > spectra


rule unpack:
    input:
        files_of_store(PLAN.harvested),
    output:
        metrics=INPUTS.metrics_of_all(),
        held=INPUTS.metrics_of_claims(),
        bands=INPUTS.bands(),
        spectra=[f"<results>/{SPECTRA}" for _ in INPUTS.bands()],
    log:
        "<results>/evaluation/unpack.log",
    benchmark:
        "<results>/evaluation/unpack.benchmark.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        runs=[EXPERIMENTS.runs(experiment) + EXPERIMENTS.references(experiment) for experiment in PLAN.shown],
        held=[PLAN.holdings.runs[experiment] for experiment in PLAN.shown],
        spectra=runs_of_fig9(EXPERIMENTS) if INPUTS.bands() else [],
        headline=EXPERIMENTS.headline("table1"),
        code=planned_code("publication.store.unpack"),
    message:
        "Taking the metrics of experiments from the reference runs"
    script:
        "../scripts/unpack.py"
