# Reference runs in the place of datasets, trainings and scores: what is printed of them is made as
# ever.


ruleorder: unpack > collect
ruleorder: unpack > spectra


rule unpack:
    input:
        tables_of_store(HARVESTED),
    output:
        metrics=expand("<results>/evaluation/{experiment}/metrics.csv", experiment=SHOWN),
        bands=BANDS,
        spectra=["<results>/evaluation/table1/spectra.csv" for _ in BANDS],
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
        runs=[EXPERIMENTS.runs(experiment) + EXPERIMENTS.references(experiment) for experiment in SHOWN],
        spectra=EXPERIMENTS.runs_of_spectra() if BANDS else [],
        headline=EXPERIMENTS.headline("table1"),
        code=code_digest("publication.store.unpack"),
    message:
        "Taking the metrics of experiments from the reference runs"
    script:
        "../scripts/unpack.py"
