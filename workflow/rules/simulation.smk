# From a scan plan to a dataset: objects, probes, then diffraction patterns (Eq. 2).


# On a cluster they run where Snakemake does: a compute node often has no way to the internet, and
# need not see data_dir.
localrules:
    provided_file,
    own_file,


rule provided_file:
    output:
        # Not deleted before it is replaced: another workflow may be reading it.
        update("<resources>/files/{file}"),
    log:
        "<results>/simulation/files/{file}.log",
    benchmark:
        "<results>/simulation/files/{file}.benchmark.tsv"
    wildcard_constraints:
        file=f"(?!{BY_CONTENT}/).+",
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=500,
    params:
        source=PARAMETERS.source_of_file,
    message:
        "Fetching {wildcards.file} from data_dir or its authors"
    script:
        "../scripts/provide_file.py"


rule own_file:
    output:
        update(f"<resources>/files/{BY_CONTENT}/{{digest}}/{{file}}"),
    log:
        f"<results>/simulation/files/{BY_CONTENT}/{{digest}}/{{file}}.log",
    benchmark:
        f"<results>/simulation/files/{BY_CONTENT}/{{digest}}/{{file}}.benchmark.tsv"
    wildcard_constraints:
        digest="[0-9a-f]+",
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=500,
    message:
        "Copying {wildcards.file} from data_dir"
    script:
        "../scripts/keep_file.py"


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
        options=PARAMETERS.object,
        optics=config["optics"],
        code=planned_code("simulation.objects"),
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
        options=PARAMETERS.probe,
        optics=config["optics"],
        code=planned_code("simulation.probes"),
    message:
        "Making the probe {wildcards.probe}"
    script:
        "../scripts/make_probe.py"


rule dataset:
    input:
        object=INPUTS.object_of_dataset,
        probe=INPUTS.probe_of_dataset,
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
        scan=PARAMETERS.of_dataset("scan"),
        detector=PARAMETERS.of_dataset("detector"),
        optics=config["optics"],
        code=planned_code("simulation.dataset"),
    message:
        "Simulating the scan {wildcards.dataset}, seed {wildcards.seed}"
    script:
        "../scripts/simulate_dataset.py"
