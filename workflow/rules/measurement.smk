# From a measured scan to a dataset, and from all patterns of any scan to its object.


rule simulated_reconstruction:
    input:
        scan=INPUTS.trained_on,
    output:
        reconstruction="<results>/measurement/reconstructions/{dataset}/seed{seed}.h5",
        convergence="<results>/measurement/reconstructions/{dataset}/seed{seed}.csv",
    log:
        "<results>/measurement/reconstructions/{dataset}/seed{seed}.log",
    benchmark:
        "<results>/measurement/reconstructions/{dataset}/seed{seed}.benchmark.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=240,
        gpu=1,
    params:
        scan=dict(format="cxi"),
        options=PARAMETERS.simulated_reconstruction,
        code=planned_code("measurement.reconstruct"),
    message:
        "Reconstructing {wildcards.dataset}, seed {wildcards.seed}, from all of its patterns"
        " with the probe known (progress: {log})"
    script:
        "../scripts/reconstruct.py"


use rule simulated_reconstruction as reconstruction with:
    input:
        unpack(scan_files),
    output:
        reconstruction="<results>/measurement/reconstructions/{dataset}.h5",
        convergence="<results>/measurement/reconstructions/{dataset}.csv",
    log:
        "<results>/measurement/reconstructions/{dataset}.log",
    benchmark:
        "<results>/measurement/reconstructions/{dataset}.benchmark.tsv"
    params:
        files=PARAMETERS.files_of_scan,
        scan=PARAMETERS.scan,
        options=PARAMETERS.of_dataset("reconstruction"),
    message:
        "Reconstructing {wildcards.dataset} from all of its patterns (progress: {log})"


rule measured_dataset:
    input:
        unpack(scan_files),
        reconstruction=INPUTS.reconstruction_of_scan,
    output:
        dataset="<results>/measurement/datasets/{dataset}.cxi",
        object="<results>/measurement/objects/{dataset}.h5",
    log:
        "<results>/measurement/datasets/{dataset}.log",
    benchmark:
        "<results>/measurement/datasets/{dataset}.benchmark.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        files=PARAMETERS.files_of_scan,
        scan=PARAMETERS.scan,
        patterns=PARAMETERS.of_dataset("patterns"),
        code=planned_code("measurement.labelled"),
    message:
        "Preparing the measured scan {wildcards.dataset}"
    script:
        "../scripts/measured_dataset.py"
