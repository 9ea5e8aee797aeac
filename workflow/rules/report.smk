# All that is printed, together: the report on one page, and the reproduction as a paper.


# What the report and the paper are told alike.
ABOUT = dict(
    words={table: PLAN.words[table] for table in PLAN.shown_tables},
    labels=EXPERIMENTS.all_labels(),
    figures=PLAN.shown_figures,
    figure_notes=PLAN.figure_notes,
    ours=EXPERIMENTS.our_network(),
    scale=EXPERIMENTS.scale("table1"),
    epochs={dataset: EXPERIMENTS.epochs(dataset) for dataset in config["datasets"]},
    # Called by Snakemake, which would read braces in a text as wildcards.
    missing_scan=PARAMETERS.missing_scan,
    runs=PLAN.runs_of_page() if PLAN.harvested else [],
    retrained=PLAN.retrained_runs(),
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
        curves=EXPERIMENTS.runs("table1"),
        code=planned_code("publication.report.page"),
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
        code=planned_code("publication.paper.document"),
    message:
        "Typesetting the reproduction as a paper"
    script:
        "../scripts/reproduction.py"
