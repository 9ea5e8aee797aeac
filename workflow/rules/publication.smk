# From numbers to what a paper prints: tables, figures, claims, and the report on one page.


for table in PAPER.tables:

    rule:
        name:
            table
        input:
            metrics=f"<results>/evaluation/{table}/metrics.csv",
            pairwise=f"<results>/evaluation/{table}/pairwise.csv",
            published=published_values(table),
        output:
            csv=f"<results>/publication/tables/{table}.csv",
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
            words=WORDS[table],
            code=code_digest("publication.tables.compare"),
        message:
            f"Printing Table {PAPER.tables[table].number}"
        script:
            "../scripts/table.py"


# What each figure is drawn of. Its script is that of its name, and its code the module of its name,
# with others where they are named.
FIGURES = {
    "fig1": dict(
        input=files_to_draw(EXPERIMENTS.headline_run()),
        params=dict(condition=EXPERIMENTS.drawn_labels("datasets", [EXPERIMENTS.first_dataset("table1")])),
    ),
    "fig2": dict(
        input=dict(architecture=f"<results>/training/architectures/{EXPERIMENTS.our_network()}.json"),
    ),
    "fig3": dict(
        input=dict(attention=files_of_runs(f"<results>/{TRAINING}/attention.h5", [EXPERIMENTS.headline_run()])),
    ),
    "fig4": dict(
        input=kept_pictures_of(EXPERIMENTS.runs_of_fig4(), "patches", "scenes"),
        params=dict(
            models=EXPERIMENTS.labels_of_fig4(),
            condition=EXPERIMENTS.drawn_labels("datasets", [EXPERIMENTS.first_dataset("table1")]),
            headline=EXPERIMENTS.headline("table1"),
            shown=EXPERIMENTS.views("table1", EXPERIMENTS.runs_of_fig4()) if HARVESTED else [],
        ),
        code=["publication.store.views"],
    ),
    "fig5": dict(
        input=dict(metrics="<results>/evaluation/measured/metrics.csv")
        | pictures_of(EXPERIMENTS.runs_to_draw("measured"), "patches", "scenes"),
        params=dict(
            models=EXPERIMENTS.drawn_labels("models", EXPERIMENTS.networks("measured")),
            headline=EXPERIMENTS.headline("measured"),
        ),
    ),
    "fig6": dict(
        input=dict(
            training_dataset=dataset_path(EXPERIMENTS.first_dataset("table2"), config["seeds"][0]),
            object_of_training=object_path(EXPERIMENTS.first_dataset("table2")),
        )
        | pictures_of(EXPERIMENTS.runs_to_draw("table2"), "patches", "scenes"),
        params=dict(
            models=EXPERIMENTS.drawn_labels("models", EXPERIMENTS.networks("table2")),
            headline=EXPERIMENTS.headline("table2"),
        ),
    ),
    "fig7": dict(
        input=files_to_draw(EXPERIMENTS.runs_to_draw("sizes")[0]),
        params=dict(
            sizes=EXPERIMENTS.sizes("sizes", EXPERIMENTS.first_dataset("sizes")),
            seed=config["seeds"][0],
            subset=config["training"]["subset"],
            block=EXPERIMENTS.headline("sizes")["block"],
        ),
    ),
    "fig8": dict(
        input=dict(sizes="<results>/evaluation/sizes/metrics.csv", overlaps="<results>/evaluation/overlaps/metrics.csv")
        | kept_pictures_of(EXPERIMENTS.runs_of_fig8(), "scenes"),
        params=dict(
            models=EXPERIMENTS.drawn_labels("models", EXPERIMENTS.networks("sizes")),
            overlap_models=EXPERIMENTS.drawn_labels("models", EXPERIMENTS.networks("overlaps")),
            runs=EXPERIMENTS.runs_of_fig8(),
            overlaps=EXPERIMENTS.overlaps(),
            headline=EXPERIMENTS.headline("sizes"),
            shown=EXPERIMENTS.views("sizes", EXPERIMENTS.runs_of_fig8()) if HARVESTED else [],
        ),
        code=["publication.store.views"],
    ),
    "fig9": dict(
        input=dict(spectra="<results>/evaluation/table1/spectra.csv", bands="<results>/evaluation/table1/bands.csv"),
        params=dict(
            models=EXPERIMENTS.drawn_labels("models", EXPERIMENTS.networks("table1")),
            headline=EXPERIMENTS.headline("table1"),
        ),
    ),
    "fig10": dict(
        input=dict(metrics="<results>/evaluation/table4/metrics.csv", published=published("table4.csv")),
        params=dict(
            alphas=EXPERIMENTS.weights_of_losses(),
            model=EXPERIMENTS.our_network(),
            headline=EXPERIMENTS.headline("table4"),
        ),
    ),
}

if different := set(FIGURES) ^ set(PAPER.figures):
    raise WorkflowError(
        f"Figure {min(different)} must stand in {CONTENTS} and in FIGURES"
        " of workflow/rules/publication.smk, found in one of them."
    )

for figure, drawn in FIGURES.items():

    rule:
        name:
            figure
        input:
            **drawn["input"],
        output:
            pdf=f"<results>/publication/figures/{figure}.pdf",
            png=f"<results>/publication/figures/{figure}.png",
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
            **drawn.get("params", {}),
            figure=figure,
            code=code_digest(f"publication.figures.{figure}", *drawn.get("code", [])),
        message:
            f"Drawing Figure {figure.removeprefix('fig')}: {PAPER.figures[figure].title}"
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
        claims=published("claims.yaml"),
        reference=tables_of_store(REFERENCE),
        bands=BANDS,
        metrics=expand("<results>/evaluation/{experiment}/metrics.csv", experiment=SHOWN),
    output:
        "<results>/publication/claims.csv",
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
        experiments=SHOWN,
        headline=EXPERIMENTS.headline("table1"),
        scales=notes.scales(EXPERIMENTS, SHOWN),
        harvested=HARVESTED is not None,
        code=code_digest("publication.claims.judge"),
    message:
        "Judging the paper's claims"
    script:
        "../scripts/claims.py"


rule report:
    input:
        **provenance_of_runs(),
        contents=published("contents.yaml"),
        tables=[f"<results>/publication/tables/{table}.csv" for table in SHOWN_TABLES],
        anovas=[f"<results>/evaluation/{table}/anova.csv" for table in SHOWN_TABLES],
        pairs=[f"<results>/evaluation/{table}/pairwise.csv" for table in SHOWN_TABLES],
        pdfs=[f"<results>/publication/figures/{figure}.pdf" for figure in SHOWN_FIGURES],
        pngs=[f"<results>/publication/figures/{figure}.png" for figure in SHOWN_FIGURES],
        claims="<results>/publication/claims.csv",
        reference=tables_of_store(REFERENCE),
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
        mem_mb=1000,
    params:
        words={table: WORDS[table] for table in SHOWN_TABLES},
        figures=SHOWN_FIGURES,
        ours=EXPERIMENTS.our_network(),
        scale=EXPERIMENTS.scale("table1"),
        missing_scan=missing_scan(),
        runs=EXPERIMENTS.all_runs(SHOWN) if HARVESTED else [],
        harvest_note=HARVEST_NOTE,
        code=code_digest("publication.report.page"),
    message:
        "Writing the report"
    script:
        "../scripts/report.py"
