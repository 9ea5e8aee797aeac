# From numbers to what a paper prints: tables, figures, claims, and the report on one page.


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
        words=words_of("table1"),
        code=code_digest("publication.tables"),
    message:
        "Printing Table I"
    script:
        "../scripts/table.py"


use rule table1 as table2 with:
    input:
        metrics="<results>/evaluation/table2/metrics.csv",
        pairwise="<results>/evaluation/table2/pairwise.csv",
        published="resources/published/table2.csv",
    output:
        csv="<results>/publication/tables/table2.csv",
        md="<results>/publication/tables/table2.md",
        tex="<results>/publication/tables/table2.tex",
    log:
        "<results>/publication/tables/table2.log",
    benchmark:
        "<results>/publication/tables/table2.benchmark.tsv"
    params:
        words=words_of("table2"),
        code=code_digest("publication.tables"),
    message:
        "Printing Table II"


use rule table1 as table3 with:
    input:
        metrics="<results>/evaluation/table3/metrics.csv",
        pairwise="<results>/evaluation/table3/pairwise.csv",
        published="resources/published/table3.csv",
    output:
        csv="<results>/publication/tables/table3.csv",
        md="<results>/publication/tables/table3.md",
        tex="<results>/publication/tables/table3.tex",
    log:
        "<results>/publication/tables/table3.log",
    benchmark:
        "<results>/publication/tables/table3.benchmark.tsv"
    params:
        words=words_of("table3"),
        code=code_digest("publication.tables"),
    message:
        "Printing Table III"


use rule table1 as table4 with:
    input:
        metrics="<results>/evaluation/table4/metrics.csv",
        pairwise="<results>/evaluation/table4/pairwise.csv",
        published="resources/published/table4.csv",
    output:
        csv="<results>/publication/tables/table4.csv",
        md="<results>/publication/tables/table4.md",
        tex="<results>/publication/tables/table4.tex",
    log:
        "<results>/publication/tables/table4.log",
    benchmark:
        "<results>/publication/tables/table4.benchmark.tsv"
    params:
        words=words_of("table4"),
        code=code_digest("publication.tables"),
    message:
        "Printing Table IV"


use rule table1 as table5 with:
    input:
        metrics="<results>/evaluation/table5/metrics.csv",
        pairwise="<results>/evaluation/table5/pairwise.csv",
        published="resources/published/table5.csv",
    output:
        csv="<results>/publication/tables/table5.csv",
        md="<results>/publication/tables/table5.md",
        tex="<results>/publication/tables/table5.tex",
    log:
        "<results>/publication/tables/table5.log",
    benchmark:
        "<results>/publication/tables/table5.benchmark.tsv"
    params:
        words=words_of("table5"),
        code=code_digest("publication.tables"),
    message:
        "Printing Table V"


rule fig1:
    input:
        **files_to_draw(headline_run()),
    output:
        pdf="<results>/publication/figures/fig1.pdf",
        png="<results>/publication/figures/fig1.png",
    log:
        "<results>/publication/figures/fig1.log",
    benchmark:
        "<results>/publication/figures/fig1.benchmark.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        condition=labels("datasets", [first_dataset("table1")]),
        code=code_digest("publication.fig1"),
    message:
        "Drawing Figure 1: diffraction patterns"
    script:
        "../scripts/fig1.py"


rule fig2:
    input:
        architecture="<results>/training/architectures/{model}.json".format(**headline_run()),
    output:
        pdf="<results>/publication/figures/fig2.pdf",
        png="<results>/publication/figures/fig2.png",
    log:
        "<results>/publication/figures/fig2.log",
    benchmark:
        "<results>/publication/figures/fig2.benchmark.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        code=code_digest("publication.fig2"),
    message:
        "Drawing Figure 2: the architecture"
    script:
        "../scripts/fig2.py"


rule fig3:
    input:
        attention=paths(f"<results>/training/{RUN}/attention.h5", [headline_run()]),
    output:
        pdf="<results>/publication/figures/fig3.pdf",
        png="<results>/publication/figures/fig3.png",
    log:
        "<results>/publication/figures/fig3.log",
    benchmark:
        "<results>/publication/figures/fig3.benchmark.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        code=code_digest("publication.fig3"),
    message:
        "Drawing Figure 3: polar coordinate attention"
    script:
        "../scripts/fig3.py"


rule fig4:
    input:
        **pictures_of(runs_of_fig4(), patches=True),
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
        models=labels_of_fig4(),
        condition=labels("datasets", [first_dataset("table1")]),
        headline=headline("table1"),
        shown=shown_of("table1", runs_of_fig4()) if HARVESTED else [],
        code=code_digest("publication.fig4", "publication.views"),
    message:
        "Drawing Figure 4: points and scenes"
    script:
        "../scripts/fig4.py"


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
        code=code_digest("publication.snapshots"),
    message:
        "Drawing the reconstruction of {wildcards.dataset} and its convergence"
    script:
        "../scripts/reconstruction_picture.py"


use rule table1 as measured with:
    input:
        metrics="<results>/evaluation/measured/metrics.csv",
        pairwise="<results>/evaluation/measured/pairwise.csv",
        published="resources/published/measured.csv",
    output:
        csv="<results>/publication/tables/measured.csv",
        md="<results>/publication/tables/measured.md",
        tex="<results>/publication/tables/measured.tex",
    log:
        "<results>/publication/tables/measured.log",
    benchmark:
        "<results>/publication/tables/measured.benchmark.tsv"
    params:
        words=words_of("measured"),
        code=code_digest("publication.tables"),
    message:
        "Printing the table of Figure 5"


rule fig5:
    input:
        **files_to_draw(runs_to_draw("measured")[0]),
        metrics="<results>/evaluation/measured/metrics.csv",
        patches=paths(f"<results>/evaluation/{TESTED}/patches.h5", runs_to_draw("measured")),
        scenes=paths(f"<results>/evaluation/{TESTED}/scene.h5", runs_to_draw("measured")),
    output:
        pdf="<results>/publication/figures/fig5.pdf",
        png="<results>/publication/figures/fig5.png",
    log:
        "<results>/publication/figures/fig5.log",
    benchmark:
        "<results>/publication/figures/fig5.benchmark.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        models=labels("models", networks_of("measured")),
        headline=headline("measured"),
        code=code_digest("publication.fig5"),
    message:
        "Drawing Figure 5: measured data"
    script:
        "../scripts/fig5.py"


rule fig6:
    input:
        **files_to_draw(runs_to_draw("table2")[0]),
        training_dataset=[dataset_path(first_dataset("table2"), config["seeds"][0])],
        object_of_training=object_path(first_dataset("table2")),
        patches=paths(f"<results>/evaluation/{TESTED}/patches.h5", runs_to_draw("table2")),
        scenes=paths(f"<results>/evaluation/{TESTED}/scene.h5", runs_to_draw("table2")),
    output:
        pdf="<results>/publication/figures/fig6.pdf",
        png="<results>/publication/figures/fig6.png",
    log:
        "<results>/publication/figures/fig6.log",
    benchmark:
        "<results>/publication/figures/fig6.benchmark.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        models=labels("models", networks_of("table2")),
        headline=headline("table2"),
        code=code_digest("publication.fig6"),
    message:
        "Drawing Figure 6: out of distribution"
    script:
        "../scripts/fig6.py"


rule fig7:
    input:
        **files_to_draw(runs_to_draw("sizes")[0]),
    output:
        pdf="<results>/publication/figures/fig7.pdf",
        png="<results>/publication/figures/fig7.png",
    log:
        "<results>/publication/figures/fig7.log",
    benchmark:
        "<results>/publication/figures/fig7.benchmark.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        sizes=sizes_of("sizes", first_dataset("sizes")),
        seed=config["seeds"][0],
        subset=config["training"]["subset"],
        block=headline("sizes")["block"],
        code=code_digest("publication.fig7"),
    message:
        "Drawing Figure 7: training sets"
    script:
        "../scripts/fig7.py"


rule fig8:
    input:
        **pictures_of(runs_of_fig8(), patches=False),
        sizes="<results>/evaluation/sizes/metrics.csv",
        overlaps="<results>/evaluation/overlaps/metrics.csv",
    output:
        pdf="<results>/publication/figures/fig8.pdf",
        png="<results>/publication/figures/fig8.png",
    log:
        "<results>/publication/figures/fig8.log",
    benchmark:
        "<results>/publication/figures/fig8.benchmark.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        models=labels("models", networks_of("sizes")),
        overlap_models=labels("models", networks_of("overlaps")),
        runs=runs_of_fig8(),
        overlaps=overlaps(),
        headline=headline("sizes"),
        shown=shown_of("sizes", runs_of_fig8()) if HARVESTED else [],
        code=code_digest("publication.fig8", "publication.views"),
    message:
        "Drawing Figure 8: training sets and overlap"
    script:
        "../scripts/fig8.py"


rule fig9:
    input:
        spectra="<results>/evaluation/table1/spectra.csv",
        bands="<results>/evaluation/table1/bands.csv",
    output:
        pdf="<results>/publication/figures/fig9.pdf",
        png="<results>/publication/figures/fig9.png",
    log:
        "<results>/publication/figures/fig9.log",
    benchmark:
        "<results>/publication/figures/fig9.benchmark.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        models=labels("models", networks_of("table1")),
        code=code_digest("publication.fig9"),
    message:
        "Drawing Figure 9: spatial frequencies"
    script:
        "../scripts/fig9.py"


rule fig10:
    input:
        metrics="<results>/evaluation/table4/metrics.csv",
        published="resources/published/table4.csv",
    output:
        pdf="<results>/publication/figures/fig10.pdf",
        png="<results>/publication/figures/fig10.png",
    log:
        "<results>/publication/figures/fig10.log",
    benchmark:
        "<results>/publication/figures/fig10.benchmark.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        alphas=alphas(),
        model=our_network(),
        headline=headline("table4"),
        code=code_digest("publication.fig10"),
    message:
        "Drawing Figure 10: weights of the loss"
    script:
        "../scripts/fig10.py"


rule claims:
    input:
        claims="resources/published/claims.yaml",
        reference=tables_of_store(REFERENCE),
        bands=BANDS,
        metrics=expand("<results>/evaluation/{experiment}/metrics.csv", experiment=EXPERIMENTS),
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
        experiments=EXPERIMENTS,
        headline=headline("table1"),
        scales=scales_in_words(),
        harvested=HARVESTED is not None,
        code=code_digest("publication.claims"),
    message:
        "Judging the paper's claims"
    script:
        "../scripts/claims.py"


rule report:
    input:
        **provenance_of_runs(),
        tables=[f"<results>/publication/tables/{table}.csv" for table in SHOWN_TABLES],
        anovas=[f"<results>/evaluation/{table}/anova.csv" for table in SHOWN_TABLES],
        pairs=[f"<results>/evaluation/{table}/pairwise.csv" for table in SHOWN_TABLES],
        pdfs=[f"<results>/publication/figures/{figure}.pdf" for figure in FIGURES],
        pngs=[f"<results>/publication/figures/{figure}.png" for figure in FIGURES],
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
        words={table: words_of(table) for table in SHOWN_TABLES},
        figures=FIGURES,
        ours=our_network(),
        scale=scale_of("table1"),
        missing_scan="" if HARVESTED else missing_scan(),
        runs=runs_of_report() if HARVESTED else [],
        harvest_note=note_of_report(),
        code=code_digest("publication.report"),
    message:
        "Writing the report"
    script:
        "../scripts/report.py"
