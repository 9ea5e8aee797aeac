# What every rules file uses: the checked config, catalogues, runs and their paths.

import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

sys.path.insert(0, str(Path(workflow.basedir) / "src"))

from ptychoformer.configuration import complete, load_schema
from ptychoformer.errors import InputError
from ptychoformer.provenance import code_digest
from ptychoformer.simulation.scan import grid_of, train_rows

try:
    config.update(complete(config, load_schema(Path(workflow.basedir) / "workflow/schemas/config.schema.yaml")))
except InputError as error:
    raise WorkflowError(f"config: {error}") from None

if config["data_dir"]:
    config["data_dir"] = os.path.expanduser(config["data_dir"])


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


def is_file(part):
    """Whether a part of a catalogue's entry names a file of somebody else's."""
    return isinstance(part, dict) and "file" in part


def files_of(entry):
    """Where the files lie that an entry of a catalogue names, by their role."""
    return {role: f"<resources>/files/{part['file']}" for role, part in entry.items() if is_file(part)}


def options_of(entry):
    """The other parts of an entry: where a file came from changes no result."""
    return {key: part for key, part in entry.items() if not is_file(part)}


def object_files(wildcards):
    return files_of(config["objects"][wildcards.object])


def probe_files(wildcards):
    return files_of(config["probes"][wildcards.probe])


def options_of_object(wildcards):
    return options_of(config["objects"][wildcards.object])


def options_of_probe(wildcards):
    return options_of(config["probes"][wildcards.probe])


def source_of_file(wildcards):
    """Address and checksum of a file."""
    parts = [part for catalogue in ("objects", "probes") for entry in config[catalogue].values() for part in entry.values()]
    return next({key: part[key] for key in ("url", "sha256")} for part in parts if is_file(part) and part["file"] == wildcards.file)


def network_of(wildcards):
    """A network without its label, on which no result depends."""
    return {key: part for key, part in config["models"][wildcards.model].items() if key != "label"}


def object_path(dataset):
    return f"<results>/simulation/objects/{config['datasets'][dataset]['object']}.h5"


def object_of_dataset(wildcards):
    return object_path(wildcards.dataset)


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


def object_of_fig4(wildcards):
    return object_path(runs_of_fig4()[0]["dataset"])


def scale_note(experiment):
    """What a reader must know of an experiment's size and object, in words."""
    datasets = config["experiments"][experiment]["datasets"]
    patterns = " or ".join(f"{size:,}" for size in sorted({n_train(experiment, dataset) for dataset in datasets}))
    epochs, seeds = config["training"]["epochs"], len(config["seeds"])
    note = f"Each network was trained on {patterns} patterns for {epochs} epochs, with {seeds} {'seed' if seeds == 1 else 'seeds'}."
    generated = any(config["objects"][config["datasets"][dataset]["object"]]["kind"] == "permalloy" for dataset in datasets)
    caution = " The object is a generated one, not the paper's: differences from the paper are of scale and object too."
    return note + caution if generated else note


def scale_of(experiment):
    """The subtree of the config that an experiment's numbers depend on."""
    entry = config["experiments"][experiment]
    datasets = {name: config["datasets"][name] for name in entry["datasets"]}
    parts = {
        catalogue: {name: config[catalogue][name] for name in dict.fromkeys(dataset[part] for dataset in datasets.values())}
        for catalogue, part in (("objects", "object"), ("probes", "probe"))
    }
    return {"seeds": config["seeds"], "n_train": entry["n_train"], "training": config["training"], "datasets": datasets, **parts}


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
