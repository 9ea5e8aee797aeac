# From numbers to what a paper prints: tables, figures and claims. What is marked with `report` is
# shown by `snakemake --report` too.


report: "../report/workflow.rst"


# For ../report/caption.rst, which is told of a job and of the config alone; as a parameter of the
# job, a caption would draw its figure again with every word that changes.
config["captions"] = {name: shown.caption for name, shown in PLAN.listed().items()}


for table in PLAN.contents.tables:

    rule:
        name:
            table
        input:
            metrics=f"<results>/evaluation/{table}/metrics.csv",
            pairwise=f"<results>/evaluation/{table}/pairwise.csv",
            published=PLAN.published_values(table),
        output:
            csv=report(
                f"<results>/publication/tables/{table}.csv",
                caption="../report/caption.rst",
                category="Tables",
                labels=labels(table, "CSV"),
            ),
            md=f"<results>/publication/tables/{table}.md",
            tex=f"<results>/publication/tables/{table}.tex",
        log:
            f"<results>/publication/tables/{table}.log",
        benchmark:
            f"<results>/publication/tables/{table}.benchmark.tsv"
        conda:
            "../../environment.yml"
        threads: 1
        resources:
            mem_mb=500,
        params:
            words=PLAN.words[table],
            code=planned_code("publication.tables.compare"),
        message:
            f"Printing Table {PLAN.contents.tables[table].number}"
        script:
            "../scripts/table.py"


for figure, drawn in DRAWINGS.items():

    rule:
        name:
            figure
        input:
            **drawn.input,
        output:
            pdf=report(
                f"<results>/publication/figures/{figure}.pdf",
                caption="../report/caption.rst",
                category="Figures",
                labels=labels(figure, "PDF"),
            ),
            png=report(
                f"<results>/publication/figures/{figure}.png",
                caption="../report/caption.rst",
                category="Figures",
                labels=labels(figure, "PNG"),
            ),
        log:
            f"<results>/publication/figures/{figure}.log",
        benchmark:
            f"<results>/publication/figures/{figure}.benchmark.tsv"
        conda:
            "../../environment.yml"
        threads: 1
        resources:
            mem_mb=1000,
        params:
            **drawn.params,
            figure=figure,
            code=planned_code(f"publication.figures.{figure}", *drawn.code),
        message:
            f"Drawing Figure {figure.removeprefix('fig')}: {PLAN.contents.figures[figure].title}"
        script:
            # Named by a parameter, since this is read when the job runs, and the loop is at its
            # end.
            "../scripts/{params.figure}.py"


rule reconstruction_picture:
    input:
        reconstruction="<results>/measurement/reconstructions/{dataset}.h5",
        convergence="<results>/measurement/reconstructions/{dataset}.csv",
    output:
        "<results>/publication/reconstructions/{dataset}.png",
    log:
        "<results>/publication/reconstructions/{dataset}.log",
    benchmark:
        "<results>/publication/reconstructions/{dataset}.benchmark.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        code=planned_code("publication.scan.pictures"),
    message:
        "Drawing the reconstruction of {wildcards.dataset} and its convergence"
    script:
        "../scripts/reconstruction_picture.py"


rule claims:
    input:
        claims=PLAN.published("claims.yaml"),
        reference=files_of_store(PLAN.reference()),
        store=files_of_store(PLAN.harvested or ""),
        bands=INPUTS.bands(),
        metrics=INPUTS.metrics_of_claims(),
    output:
        report(
            "<results>/publication/claims.csv",
            category="Claims",
            labels={"what": "Claims", "title": "A verdict on each of the paper's statements", "form": "CSV"},
        ),
    log:
        "<results>/publication/claims.log",
    benchmark:
        "<results>/publication/claims.benchmark.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=500,
    params:
        experiments=PLAN.shown,
        headline=EXPERIMENTS.headline("table1"),
        scales=notes.scales(EXPERIMENTS, PLAN.shown),
        asked=PLAN.sizes_asked,
        asked_of_reference=PLAN.sizes_asked_of_reference,
        code=planned_code("publication.claims.judge"),
    message:
        "Judging the paper's claims"
    script:
        "../scripts/claims.py"
