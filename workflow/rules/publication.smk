# From numbers to what a paper prints: tables, figures, and the report on one page.


rule table1:
    input:
        metrics="<results>/evaluation/table1/metrics.csv",
        pairwise="<results>/evaluation/table1/pairwise.csv",
        published="resources/published/table1.csv",
    output:
        csv="<results>/publication/tables/table1.csv",
        md="<results>/publication/tables/table1.md",
        tex="<results>/publication/tables/table1.tex",
    log:
        "<results>/publication/tables/table1.log",
    benchmark:
        "<results>/publication/tables/table1.benchmark.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=500,
    params:
        conditions=labels("datasets", config["experiments"]["table1"]["datasets"]),
        models=labels("models", config["experiments"]["table1"]["models"]),
        scale_note=scale_note("table1"),
        code=code_digest("publication.table1"),
    message:
        "Printing Table I"
    script:
        "../scripts/table1.py"


rule fig4:
    input:
        dataset=dataset_of_fig4,
        object=object_of_fig4,
        patches=paths(f"<results>/evaluation/{RUN}/patches.h5", runs_of_fig4()),
        scenes=paths(f"<results>/evaluation/{RUN}/scene.h5", runs_of_fig4()),
    output:
        pdf="<results>/publication/figures/fig4.pdf",
        png="<results>/publication/figures/fig4.png",
    log:
        "<results>/publication/figures/fig4.log",
    benchmark:
        "<results>/publication/figures/fig4.benchmark.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        models=labels("models", config["experiments"]["table1"]["models"]),
        condition=labels("datasets", config["experiments"]["table1"]["datasets"][:1]),
        code=code_digest("publication.fig4"),
    message:
        "Drawing Figure 4"
    script:
        "../scripts/fig4.py"


rule report:
    input:
        table_csv=rules.table1.output.csv,
        anova_csv="<results>/evaluation/table1/anova.csv",
        pairwise_csv="<results>/evaluation/table1/pairwise.csv",
        figure_png=rules.fig4.output.png,
        figure_pdf=rules.fig4.output.pdf,
        histories=paths(f"<results>/training/{RUN}/history.csv", runs_of("table1")),
        checkpoints=paths(f"<results>/training/{RUN}/model.pt", runs_of("table1")),
    output:
        "<results>/report.html",
    log:
        "<results>/report.log",
    benchmark:
        "<results>/report.benchmark.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=500,
    params:
        conditions=labels("datasets", config["experiments"]["table1"]["datasets"]),
        models=labels("models", config["experiments"]["table1"]["models"]),
        scale=scale_of("table1"),
        scale_note=scale_note("table1"),
        code=code_digest("publication.report"),
    message:
        "Writing the report"
    script:
        "../scripts/report.py"
