# What every rules file uses: the checked config, its experiments, the paper's contents, and where
# the files of wildcards lie.

import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

sys.path.insert(0, str(Path(workflow.basedir) / "src"))

from ptychoformer import paths
from ptychoformer.configuration import complete, load_schema
from ptychoformer.contents import CONTENTS, read_contents
from ptychoformer.errors import InputError
from ptychoformer.experiments import Experiments, window_side
from ptychoformer.paths import CELL, EPIE_EVALUATION, EVALUATION, OWN_EVALUATION, REFERENCE_EVALUATION, TRAINING
from ptychoformer.places import check_results
from ptychoformer.plugins import network_code
from ptychoformer.provenance import code_digest
from ptychoformer.provided import BY_CONTENT, ProvidedFiles, check_project, data_folder, options_of
from ptychoformer.publication.tables import notes
from ptychoformer.publication.store.holdings import Holdings

PROJECT = os.path.relpath(workflow.basedir)  # from where results go, which --directory may say

try:
    check_project(workflow.basedir)
    config.update(complete(config, load_schema(workflow.basedir)))
    check_results(config["pathvars"].get("results"), workflow.basedir)
    # A folder of runs to print instead of training any, or nothing; the config is cut down to what
    # it holds whole.
    HARVESTED = config["harvested"] and str(Path(PROJECT, config["harvested"]))
    HOLDINGS = Holdings(HARVESTED, config) if HARVESTED else None
    config.update(HOLDINGS.narrowed(config) if HOLDINGS else {})
    config["data_dir"] = data_folder(config["data_dir"])
    PROVIDED = ProvidedFiles(config, memory=".snakemake/checksums")
    PROVIDED.check()
    EXPERIMENTS = Experiments(config, HOLDINGS)
    EXPERIMENTS.check()
    PAPER = read_contents(Path(workflow.basedir) / CONTENTS)
    WORDS = notes.words_of_tables(EXPERIMENTS, PAPER)
except InputError as error:
    raise WorkflowError(f"config: {error}") from None

# Runs that claims are judged on besides those of this config; where it prints these, there are no
# others. See `publication.store.files`.
REFERENCE = (
    ""
    if HARVESTED or not Path(PROJECT, "resources/reference/runs.csv").is_file()
    else str(Path(PROJECT, "resources/reference"))
)


wildcard_constraints:
    object="|".join(config["objects"]),
    probe="|".join(config["probes"]),
    dataset="|".join(config["datasets"]),
    test="|".join(config["datasets"]),
    model=r"[^/]+",
    loss=r"[^/]+",
    reference="floor|ceiling|one_pattern",
    n_train=r"\d+",
    seed=r"\d+",
    experiment="|".join(config["experiments"]),


def files_of_runs(pattern, runs):
    """A path pattern for every one of the runs, each path once."""
    return list(dict.fromkeys(pattern.format(**run) for run in runs))


def of_all_seeds(pattern):
    """A path pattern for each of the seeds; the other wildcards stay."""
    return [pattern.replace("{seed}", str(seed)) for seed in config["seeds"]]


def files_of(catalogue, name, roles=None):
    """Where the files lie that an entry of a catalogue names, by their role; content, not time,
    says whether a user's own file is another.
    """
    try:
        kept = PROVIDED.of(catalogue, name, roles)
    except InputError as error:
        raise WorkflowError(f"config: {error}") from None
    kept = {role: f"<resources>/files/{file}" for role, file in kept.items()}
    return {role: ancient(path) if f"/{BY_CONTENT}/" in path else path for role, path in kept.items()}


def object_files(wildcards):
    return files_of("objects", wildcards.object)


def probe_files(wildcards):
    return files_of("probes", wildcards.probe)


def options_of_object(wildcards):
    return options_of(config["objects"][wildcards.object])


def options_of_probe(wildcards):
    return options_of(config["probes"][wildcards.probe])


def source_of_file(wildcards):
    """Address and checksum of a file."""
    return PROVIDED.source(wildcards.file)


def network_of(wildcards):
    """A network, how it starts and what it sees: no result depends on its label."""
    return {key: config["models"][wildcards.model][key] for key in ("kind", "options", "initialisation", "inputs")}


def training_of(wildcards):
    """How a network is trained on a dataset; what trains beside it changes nothing."""
    training = {key: part for key, part in config["training"].items() if key != "seeds_together"}
    return training | dict(epochs=EXPERIMENTS.epochs(wildcards.dataset))


def loss_of(wildcards):
    """A loss without its label."""
    return {key: part for key, part in config["losses"][wildcards.loss].items() if key != "label"}


def part_of_dataset(part):
    """A function of wildcards: one part of a dataset's entry. Snakemake's `lookup` searches the
    whole config, for 10 ms a job.
    """
    return lambda wildcards: config["datasets"][wildcards.dataset][part]


def object_path(dataset):
    """The true object of a dataset, or what stands for it."""
    if EXPERIMENTS.is_measured(dataset):
        return f"<results>/{paths.MEASURED_OBJECT}".format(dataset=dataset)
    return f"<results>/{paths.SIMULATED_OBJECT}".format(object=config["datasets"][dataset]["object"])


def dataset_path(dataset, seed):
    """A dataset; of a measured one there is one file for all seeds."""
    pattern = paths.MEASURED_DATASET if EXPERIMENTS.is_measured(dataset) else paths.SIMULATED_DATASET
    return f"<results>/{pattern}".format(dataset=dataset, seed=seed)


def trained_on(wildcards):
    return dataset_path(wildcards.dataset, wildcards.seed)


def tested_on(wildcards):
    return dataset_path(wildcards.test, wildcards.seed)


def object_of_dataset(wildcards):
    return object_path(wildcards.dataset)


def object_of_test(wildcards):
    return object_path(wildcards.test)


def scans_of_run(wildcards):
    """Named inputs: what a run was trained and what it is tested on, and the objects that these
    link to.
    """
    return dict(
        dataset=trained_on(wildcards),
        object=object_of_dataset(wildcards),
        test=tested_on(wildcards),
        object_of_test=object_of_test(wildcards),
    )


def probe_of_dataset(wildcards):
    return f"<results>/simulation/probes/{config['datasets'][wildcards.dataset]['probe']}.h5"


def window_of(dataset):
    """Height and width of a dataset's patterns."""
    return [window_side(config, dataset)] * 2


def reconstruction_of_test(wildcards):
    return f"<results>/measurement/reconstructions/{wildcards.test}/seed{wildcards.seed}.h5"


def options_of_reconstruction(wildcards):
    """The probe is known, and so are the positions unless the stage was jittery."""
    exact = config["datasets"][wildcards.dataset]["scan"]["jitter"] == 0
    return config["iterative"] | dict(probe_from=None) | (dict(positions_from=None) if exact else {})


def scan_files(wildcards):
    """The measured scan of a dataset, and labels that were published with it."""
    return files_of("datasets", wildcards.dataset, ("scan", "labels"))


def reconstruction_of_scan(wildcards):
    """What a measured dataset has its labels from, unless they were published with it."""
    labels = config["datasets"][wildcards.dataset]["labels"]
    return [] if labels else f"<results>/measurement/reconstructions/{wildcards.dataset}.h5"


def options_of_scan(wildcards):
    """How a measured scan is read, whatever is made of it."""
    entry = config["datasets"][wildcards.dataset]
    by_path = ("data", "positions", "positions_unit", "positions_axes")
    return {key: entry[key] for key in ("format", "step", *by_path, "geometry", "centre", "keep_frames")}


def measured_is_at_hand():
    """Whether Figure 5 can be made without a download that nobody asked for."""
    entries = [config["datasets"][dataset] for dataset in EXPERIMENTS.datasets("measured")]
    return all(PROVIDED.at_hand(part) for entry in entries for part in (entry["scan"], entry["labels"]) if part)


def missing_scan():
    """The file that Figure 5 is left out for, or nothing."""
    left_out = not HARVESTED and not measured_is_at_hand()
    return config["datasets"][EXPERIMENTS.first_dataset("measured")]["scan"]["file"] if left_out else ""


def reconstruction_pictures():
    """Of the measured scans of Figure 5 that were reconstructed here."""
    wanted = [dataset for dataset in EXPERIMENTS.datasets("measured") if not config["datasets"][dataset]["labels"]]
    return [f"<results>/publication/reconstructions/{dataset}.png" for dataset in wanted if "measured" in SHOWN]


def inspection_code(wildcards):
    """Digest of what looks into a network, and of that network."""
    return code_digest("training.inspection", network_code(config["models"][wildcards.model]["kind"]))


def training_code(wildcards):
    """Digest of what training runs: the loop, and this network and this loss rather than all of
    them.
    """
    network, loss = config["models"][wildcards.model]["kind"], config["losses"][wildcards.loss]["kind"]
    return code_digest("training.fit", network_code(network), f"training.losses.{loss}")


def factor_of(wildcards):
    return EXPERIMENTS.factor(wildcards.experiment)


def metrics_of_experiment(wildcards):
    tested = EXPERIMENTS.runs(wildcards.experiment) + EXPERIMENTS.references(wildcards.experiment)
    return files_of_runs(f"<results>/{EVALUATION}/metrics.csv", tested)


def files_to_draw(run):
    """Named inputs of a figure that shows a dataset: itself, and the object that it links to."""
    return dict(dataset=dataset_path(run["test"], run["seed"]), object=object_path(run["test"]))


def pictures_of(runs, *parts):
    """Named inputs of a figure that shows networks side by side: a dataset, with `patches` or
    `scenes` of each.
    """
    names = dict(patches="patches.h5", scenes="scene.h5")
    return files_to_draw(runs[0]) | {
        part: files_of_runs(f"<results>/{EVALUATION}/{names[part]}", runs) for part in parts
    }


def kept_pictures_of(runs, *parts):
    """The same, or what the store of printed runs keeps of them."""
    return dict(views=f"{HARVESTED}/views.h5") if HARVESTED else pictures_of(runs, *parts)


def published(name):
    """A file of the paper's own numbers and statements."""
    return str(Path(PROJECT, "resources/published", name))


def published_values(table):
    """The paper's own numbers in a table, if it has them."""
    return [published(f"{table}.csv")] if PAPER.tables[table].published else []


def tables_of_store(folder):
    """The files of reference runs, as inputs; none without a folder."""
    return sorted(map(str, [*Path(folder).glob("*.gz"), Path(folder, "runs.csv")])) if folder else []


def provenance_of_runs():
    """Named inputs of the report: where its runs say how they were made."""
    if HARVESTED:
        return dict(store=tables_of_store(HARVESTED))
    return dict(
        histories=files_of_runs(f"<results>/{TRAINING}/history.csv", EXPERIMENTS.runs("table1")),
        checkpoints=files_of_runs(f"<results>/{TRAINING}/model.pt", EXPERIMENTS.all_runs(SHOWN)),
    )


# Experiments and figures whose data are there; the others are made when they are asked for by name.
if HARVESTED:
    SHOWN = [name for name in config["experiments"] if name in HOLDINGS.parts]
    if not SHOWN:
        raise WorkflowError(
            f"config: harvested: {HARVESTED} holds no whole seed of any experiment"
            " on the headline's block of this config."
        )
    SHOWN_FIGURES = EXPERIMENTS.held_figures()
else:
    SHOWN = [name for name in config["experiments"] if name != "measured" or measured_is_at_hand()]
    SHOWN_FIGURES = [name for name in PAPER.figures if name != "fig5" or measured_is_at_hand()]
SHOWN_TABLES = [name for name in PAPER.tables if name in SHOWN]
BANDS = ["<results>/evaluation/table1/bands.csv"] if not HARVESTED or "fig9" in SHOWN_FIGURES else []
HARVEST_NOTE = notes.harvest_note(HARVESTED, PAPER, [*SHOWN, *SHOWN_FIGURES]) if HARVESTED else ""
