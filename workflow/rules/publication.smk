# From numbers to what a paper prints: tables, figures, claims, and the report on one page. What is
# marked with `report` is shown by `snakemake --report` too.


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
            code=code_digest("publication.tables.compare"),
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
            code=code_digest(f"publication.figures.{figure}", *drawn.code),
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
        code=code_digest("publication.scan.pictures"),
    message:
        "Drawing the reconstruction of {wildcards.dataset} and its convergence"
    script:
        "../scripts/reconstruction_picture.py"


rule claims:
    input:
        claims=PLAN.published("claims.yaml"),
        reference=files_of_store(PLAN.reference()),
        bands=INPUTS.bands(),
        metrics=INPUTS.metrics_of_all(),
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
        harvested=PLAN.harvested is not None,
        code=code_digest("publication.claims.judge"),
    message:
        "Judging the paper's claims"
    script:
        "../scripts/claims.py"


# What the report and the paper are told alike.
ABOUT = dict(
    words={table: PLAN.words[table] for table in PLAN.shown_tables},
    labels=EXPERIMENTS.all_labels(),
    figures=PLAN.shown_figures,
    ours=EXPERIMENTS.our_network(),
    scale=EXPERIMENTS.scale("table1"),
    # Called by Snakemake, which would read braces in a text as wildcards.
    missing_scan=PARAMETERS.missing_scan,
    runs=EXPERIMENTS.all_runs(PLAN.shown) if PLAN.harvested else [],
    harvest_note=PLAN.harvest_note(),
    caution=PARAMETERS.caution,
)


rule report:
    input:
        **INPUTS.provenance_of_runs(),
        contents=PLAN.published("contents.yaml"),
        tables=[f"<results>/publication/tables/{table}.csv" for table in PLAN.shown_tables],
        anovas=[f"<results>/evaluation/{table}/anova.csv" for table in PLAN.shown_tables],
        pairs=[f"<results>/evaluation/{table}/pairwise.csv" for table in PLAN.shown_tables],
        pdfs=[f"<results>/publication/figures/{figure}.pdf" for figure in PLAN.shown_figures],
        pngs=[f"<results>/publication/figures/{figure}.png" for figure in PLAN.shown_figures],
        claims="<results>/publication/claims.csv",
        reference=files_of_store(PLAN.reference()),
    output:
        report(
            "<results>/report.html",
            category="Report",
            labels={"what": "Report", "title": "All of it on one page", "form": "HTML"},
        ),
    log:
        "<results>/report.log",
    benchmark:
        "<results>/report.benchmark.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        **ABOUT,
        code=code_digest("publication.report.page"),
    message:
        "Writing the report"
    script:
        "../scripts/report.py"


rule reproduction:
    input:
        **INPUTS.provenance_of_runs(),
        contents=PLAN.published("contents.yaml"),
        readings=str(PLAN.project / "docs/readings.md"),
        citation=str(PLAN.project / "CITATION.cff"),
        tables=[f"<results>/publication/tables/{table}.csv" for table in PLAN.shown_tables],
        pairs=[f"<results>/evaluation/{table}/pairwise.csv" for table in PLAN.shown_tables],
        figures=[f"<results>/publication/figures/{figure}.pdf" for figure in PLAN.shown_figures],
        claims="<results>/publication/claims.csv",
    output:
        pdf="<results>/reproduction.pdf",
        source="<results>/reproduction.typ",
    log:
        "<results>/reproduction.log",
    benchmark:
        "<results>/reproduction.benchmark.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        **ABOUT,
        code=code_digest("publication.paper.document"),
    message:
        "Typesetting the reproduction as a paper"
    script:
        "../scripts/reproduction.py"
