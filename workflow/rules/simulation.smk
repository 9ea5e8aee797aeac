# From a scan plan to a dataset: objects, probes, then diffraction patterns (Eq. 2).


rule download:
    output:
        "<resources>/downloads/{file}",
    log:
        "<results>/simulation/downloads/{file}.log",
    benchmark:
        "<results>/simulation/downloads/{file}.benchmark.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=500,
    params:
        source=source_of_download,
    message:
        "Downloading {wildcards.file}"
    script:
        "../scripts/download.py"


rule object:
    input:
        unpack(object_files),
    output:
        "<results>/simulation/objects/{object}.h5",
    log:
        "<results>/simulation/objects/{object}.log",
    benchmark:
        "<results>/simulation/objects/{object}.benchmark.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        options=lookup("objects/{object}", within=config),
        optics=config["optics"],
        code=code_digest("simulation.objects"),
    message:
        "Making the object {wildcards.object}"
    script:
        "../scripts/make_object.py"


rule probe:
    input:
        unpack(probe_files),
    output:
        "<results>/simulation/probes/{probe}.h5",
    log:
        "<results>/simulation/probes/{probe}.log",
    benchmark:
        "<results>/simulation/probes/{probe}.benchmark.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=500,
    params:
        options=lookup("probes/{probe}", within=config),
        optics=config["optics"],
        code=code_digest("simulation.probes"),
    message:
        "Making the probe {wildcards.probe}"
    script:
        "../scripts/make_probe.py"


rule dataset:
    input:
        object=object_of_dataset,
        probe=probe_of_dataset,
    output:
        "<results>/simulation/datasets/{dataset}/seed{seed}.cxi",
    log:
        "<results>/simulation/datasets/{dataset}/seed{seed}.log",
    benchmark:
        "<results>/simulation/datasets/{dataset}/seed{seed}.benchmark.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        scan=lookup("datasets/{dataset}/scan", within=config),
        detector=lookup("datasets/{dataset}/detector", within=config),
        optics=config["optics"],
        code=code_digest("simulation.dataset"),
    message:
        "Simulating the scan {wildcards.dataset}, seed {wildcards.seed}"
    script:
        "../scripts/simulate_dataset.py"
