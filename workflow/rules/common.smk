# What every rules file uses: the checked config, catalogues, runs and their paths.

import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

sys.path.insert(0, str(Path(workflow.basedir) / "src"))

from ptychoformer.configuration import complete, load_schema
from ptychoformer.errors import InputError
from ptychoformer.provenance import code_digest
from ptychoformer.simulation.scan import grid_of
from ptychoformer.training.split import train_rows

try:
    config.update(complete(config, load_schema(Path(workflow.basedir) / "workflow/schemas/config.schema.yaml")))
except InputError as error:
    raise WorkflowError(f"config: {error}") from None


REFERENCES = ("floor", "ceiling")
RUN = "{dataset}/{model}/{loss}/n{n_train}/seed{seed}"


wildcard_constraints:
    dataset=r"[^/]+",
    model=r"[^/]+",
    loss=r"[^/]+",
    reference="|".join(REFERENCES),
    n_train=r"\d+",
    seed=r"\d+",
    experiment="|".join(config["experiments"]),


def training_patterns(dataset):
    """How many patterns of a dataset may be trained on."""
    entry = config["datasets"][dataset]
    window = config["probes"][entry["probe"]]["size"]
    rows, columns = grid_of(config["objects"][entry["object"]]["shape"], window, entry["scan"]["overlap"])
    return train_rows(rows) * columns


def n_train(experiment, dataset):
    """The number of training patterns that an experiment asks of a dataset."""
    asked, there_are = config["experiments"][experiment]["n_train"], training_patterns(dataset)
    if asked != "all" and asked > there_are:
        raise WorkflowError(
            f"config: experiments.{experiment}.n_train: {asked} is not allowed; dataset '{dataset}' has {there_are} training patterns."
        )
    return there_are if asked == "all" else asked


def runs_of(experiment, **only):
    """The runs of an experiment, or of a part of it (`dataset=...`, `model=...`, `seed=...`), as wildcards."""
    entry = config["experiments"][experiment]
    runs = [
        dict(dataset=dataset, model=model, loss=loss, n_train=n_train(experiment, dataset), seed=seed)
        for dataset in entry["datasets"]
        for model in entry["models"]
        for loss in entry["losses"]
        for seed in config["seeds"]
    ]
    return [run for run in runs if all(run[key] == value for key, value in only.items())]


def references_of(experiment):
    """Floor and ceiling of every dataset and seed of an experiment, as wildcards."""
    return [
        dict(dataset=dataset, model=reference, loss="none", n_train=n_train(experiment, dataset), seed=seed)
        for dataset in config["experiments"][experiment]["datasets"]
        for reference in REFERENCES
        for seed in config["seeds"]
    ]


def paths(pattern, runs):
    """A path pattern for every one of the runs."""
    return [pattern.format(**run) for run in runs]


def labels(catalogue, names):
    """Names for tables and figures."""
    return {name: config[catalogue][name]["label"] or name for name in names}


def data_files(entry):
    """Every file that an entry of a catalogue names, by its role: under data_dir, or where it is downloaded to if it is not there."""
    folder = Path(config["data_dir"] or "")
    files = {role: part["file"] for role, part in entry.items() if isinstance(part, dict) and "file" in part}
    found = {role: folder / file for role, file in files.items() if config["data_dir"] and (folder / file).is_file()}
    return {role: found.get(role, f"<resources>/downloads/{file}") for role, file in files.items()}


def object_files(wildcards):
    return data_files(config["objects"][wildcards.object])


def probe_files(wildcards):
    return data_files(config["probes"][wildcards.probe])


def source_of_download(wildcards):
    """The catalogue's entry (address, checksum) for a file that is downloaded."""
    entries = [part for catalogue in ("objects", "probes") for entry in config[catalogue].values() for part in entry.values()]
    return next(part for part in entries if isinstance(part, dict) and part.get("file") == wildcards.file)


def object_of_dataset(wildcards):
    return f"<results>/simulation/objects/{config['datasets'][wildcards.dataset]['object']}.h5"


def probe_of_dataset(wildcards):
    return f"<results>/simulation/probes/{config['datasets'][wildcards.dataset]['probe']}.h5"


def training_code(wildcards):
    """Digest of what training runs: the loop, and this network rather than all of them."""
    return code_digest("training.fit", f"models.{config['models'][wildcards.model]['kind']}")


def metrics_of_experiment(wildcards):
    return paths(f"<results>/evaluation/{RUN}/metrics.csv", runs_of(wildcards.experiment) + references_of(wildcards.experiment))


def runs_of_fig4():
    """Every network on the first condition of Table I, with the first seed."""
    return runs_of("table1", dataset=config["experiments"]["table1"]["datasets"][0], seed=config["seeds"][0])


def dataset_of_fig4(wildcards):
    return "<results>/simulation/datasets/{dataset}/seed{seed}.cxi".format(**runs_of_fig4()[0])


def scale_note(experiment):
    """What a reader must know of an experiment's size, in a sentence."""
    sizes = sorted({n_train(experiment, dataset) for dataset in config["experiments"][experiment]["datasets"]})
    patterns, epochs, seeds = " or ".join(f"{size:,}" for size in sizes), config["training"]["epochs"], len(config["seeds"])
    return f"Each network was trained on {patterns} patterns for {epochs} epochs, with {seeds} {'seed' if seeds == 1 else 'seeds'}."


def check():
    """Look at data_dir and at every experiment's runs before any job starts."""
    if config["data_dir"] and not Path(config["data_dir"]).is_dir():
        raise WorkflowError(f"config: data_dir: there is no folder '{config['data_dir']}'; it must be a folder, or null to download.")
    try:
        for experiment in config["experiments"]:
            runs_of(experiment)
    except InputError as error:
        raise WorkflowError(f"config: {error}") from None


check()
