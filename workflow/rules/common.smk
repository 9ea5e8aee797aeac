# What every rules file uses: the checked config, catalogues, runs and their paths.

import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

sys.path.insert(0, str(Path(workflow.basedir) / "src"))

from ptychoformer import configuration
from ptychoformer.configuration import complete, headline_of, load_schema, models_of, window_side
from ptychoformer.errors import InputError
from ptychoformer.evaluation import REFERENCES, SCENE, SYNCHRONISED
from ptychoformer.provenance import code_digest
from ptychoformer.publication.holdings import SEEDS_FIXED, Holdings
from ptychoformer.simulation.scan import STRIP, WHOLE_SCAN

try:
    config.update(complete(config, load_schema(Path(workflow.basedir) / "workflow/schemas/config.schema.yaml")))
except InputError as error:
    raise WorkflowError(f"config: {error}") from None

# A folder of runs to print instead of training any, or nothing; of the config, what it holds whole.
HARVESTED = config["harvested"]
try:
    HOLDINGS = Holdings(HARVESTED, config) if HARVESTED else None
except InputError as error:
    raise WorkflowError(f"config: {error}") from None
if HOLDINGS:
    config.update(HOLDINGS.narrowed(config))

if config["data_dir"]:
    config["data_dir"] = os.path.expanduser(config["data_dir"])


# What is trained with every seed.
CELL = "{dataset}/{model}/{loss}/n{n_train}"
RUN = f"{CELL}/seed{{seed}}"
# A run is tested on a dataset, its own or another.
TESTED = f"{RUN}/on_{{test}}"

# Runs that claims are judged on besides those of this config; where it prints these, there are no others. See `publication.store`.
REFERENCE = "" if HARVESTED or not Path("resources/reference/runs.csv").is_file() else "resources/reference"
TABLES = {
    "table1": dict(number="I", title="Noise-free and noisy conditions", metrics=["mse", "psnr", "ssim"]),
    "table2": dict(number="II", title="Out-of-distribution generalisation", metrics=["psnr", "ssim"]),
    "table3": dict(number="III", title="Ablations", metrics=["psnr", "ssim"]),
    "table4": dict(number="IV", title="Loss functions", metrics=["psnr", "ssim"]),
    "table5": dict(number="V", title="Other hybrid networks", metrics=["psnr", "ssim"]),
    "measured": dict(number="of Figure 5", title="Measured data", metrics=["mse", "psnr", "ssim"]),
}


wildcard_constraints:
    dataset=r"[^/]+",
    test=r"[^/]+",
    model=r"[^/]+",
    loss=r"[^/]+",
    reference="floor|ceiling|one_pattern",
    n_train=r"\d+",
    seed=r"\d+",
    experiment="|".join(config["experiments"]),


def sizes_of(experiment, dataset):
    """The numbers of training patterns that an experiment asks of a dataset."""
    return configuration.sizes_of(config, experiment, dataset)


def seeds_of(experiment, dataset, size):
    """The seeds of an experiment; of harvested runs, those that all of its networks have there."""
    part = HOLDINGS and HOLDINGS.parts.get(experiment)
    return part.seeds.get((dataset, size), ()) if part else config["seeds"]


def networks_of(experiment):
    """The networks of an experiment, in the order of the catalogue."""
    return models_of(config, experiment)


def combinations(experiment, networks):
    """Every combination of an experiment's lists with (model, loss) pairs, as wildcards."""
    entry = config["experiments"][experiment]
    return [
        dict(dataset=dataset, test=entry["test"] or dataset, model=model, loss=loss, n_train=size, seed=seed)
        for dataset in entry["datasets"]
        for model, loss in networks
        for size in sizes_of(experiment, dataset)
        for seed in seeds_of(experiment, dataset, size)
    ]


def runs_of(experiment, **only):
    """The runs of an experiment, or of a part of it (`dataset=...`, `model=...`, `seed=...`), as wildcards."""
    networks = [(model, loss) for model in networks_of(experiment) for loss in config["experiments"][experiment]["losses"]]
    return [run for run in combinations(experiment, networks) if all(run[key] == value for key, value in only.items())]


def references_of(experiment):
    """The references of every dataset, size and seed of an experiment, as wildcards."""
    wanted = combinations(experiment, [(reference, "none") for reference in REFERENCES])
    # A measured scan is its own reconstruction.
    return [run for run in wanted if not (run["model"] == "epie" and is_measured(run["test"]))]


def factor_of_experiment(experiment):
    """What an experiment compares: networks, or losses where it has several."""
    return "loss" if len(config["experiments"][experiment]["losses"]) > 1 else "model"


def factor_of(wildcards):
    return factor_of_experiment(wildcards.experiment)


def paths(pattern, runs):
    """A path pattern for every one of the runs."""
    return [pattern.format(**run) for run in runs]


def unique_paths(pattern, runs):
    """The same, each path once."""
    return list(dict.fromkeys(paths(pattern, runs)))


def of_all_seeds(pattern):
    """A path pattern for each of the seeds; the other wildcards stay."""
    return [pattern.replace("{seed}", str(seed)) for seed in config["seeds"]]


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
    parts = [part for catalogue in ("objects", "probes", "datasets") for entry in config[catalogue].values() for part in entry.values()]
    return next({key: part.get(key) for key in ("url", "sha256")} for part in parts if is_file(part) and part["file"] == wildcards.file)


def network_of(wildcards):
    """A network, how it starts and what it sees: no result depends on its label."""
    return {key: config["models"][wildcards.model][key] for key in ("kind", "options", "initialisation", "inputs")}


def epochs_on(dataset):
    """Epochs of the networks that are trained on a dataset."""
    return config["datasets"][dataset].get("epochs") or config["training"]["epochs"]


def training_of(wildcards):
    """How a network is trained on a dataset; what trains beside it changes nothing."""
    training = {key: part for key, part in config["training"].items() if key != "seeds_together"}
    return training | dict(epochs=epochs_on(wildcards.dataset))


def loss_of(wildcards):
    """A loss without its label."""
    return {key: part for key, part in config["losses"][wildcards.loss].items() if key != "label"}


def part_of_dataset(part):
    """A function of wildcards: one part of a dataset's entry. Snakemake's `lookup` searches the whole config, for 10 ms a job."""
    return lambda wildcards: config["datasets"][wildcards.dataset][part]


def is_measured(dataset):
    return config["datasets"][dataset]["kind"] == "measured"


def object_path(dataset):
    """The true object of a dataset, or what stands for it."""
    if is_measured(dataset):
        return f"<results>/measurement/objects/{dataset}.h5"
    return f"<results>/simulation/objects/{config['datasets'][dataset]['object']}.h5"


def dataset_path(dataset, seed):
    """A dataset; of a measured one there is one file for all seeds."""
    if is_measured(dataset):
        return f"<results>/measurement/datasets/{dataset}.cxi"
    return f"<results>/simulation/datasets/{dataset}/seed{seed}.cxi"


def trained_on(wildcards):
    return dataset_path(wildcards.dataset, wildcards.seed)


def tested_on(wildcards):
    return dataset_path(wildcards.test, wildcards.seed)


def scans_of_run(wildcards):
    """Named inputs: what a run was trained and what it is tested on, and the objects that these link to."""
    return dict(
        dataset=trained_on(wildcards),
        object=object_of_dataset(wildcards),
        test=tested_on(wildcards),
        object_of_test=object_of_test(wildcards),
    )


def reconstruction_of_test(wildcards):
    return f"<results>/measurement/reconstructions/{wildcards.test}/seed{wildcards.seed}.h5"


def options_of_reconstruction(wildcards):
    """The probe is known, and so are the positions unless the stage was jittery."""
    exact = config["datasets"][wildcards.dataset]["scan"]["jitter"] == 0
    return config["iterative"] | dict(probe_from=None) | (dict(positions_from=None) if exact else {})


def scan_files(wildcards):
    """The measured scan of a dataset, and labels that were published with it."""
    entry = config["datasets"][wildcards.dataset]
    wanted = {role: entry[role] for role in ("scan", "labels") if entry[role]}
    for role, part in wanted.items():
        if not (part.get("url") or file_is_at_hand(part["file"])):
            key, folder = f"datasets.{wildcards.dataset}.{role}.file", config["data_dir"] or "data_dir, which is not set"
            raise WorkflowError(f"config: {key}: there is no '{part['file']}' in {folder}, and no url to download it from.")
    return files_of(wanted)


def reconstruction_of_scan(wildcards):
    """What a measured dataset has its labels from, unless they were published with it."""
    labels = config["datasets"][wildcards.dataset]["labels"]
    return [] if labels else f"<results>/measurement/reconstructions/{wildcards.dataset}.h5"


def options_of_scan(wildcards):
    """How a measured scan is read, whatever is made of it."""
    entry = config["datasets"][wildcards.dataset]
    return {key: entry[key] for key in ("format", "step", "geometry", "centre")}


def file_is_at_hand(file):
    """Whether a file of somebody else's needs no download."""
    return any(Path(folder, file).is_file() for folder in ("resources/files", config["data_dir"]) if folder)


def measured_is_at_hand():
    """Whether Figure 5 can be made without a download that nobody asked for."""
    entries = [config["datasets"][dataset] for dataset in config["experiments"]["measured"]["datasets"]]
    return all(file_is_at_hand(part["file"]) for entry in entries for part in (entry["scan"], entry["labels"]) if part)


def reconstruction_pictures():
    """Of the measured scans of Figure 5 that were reconstructed here."""
    wanted = [dataset for dataset in config["experiments"]["measured"]["datasets"] if not config["datasets"][dataset]["labels"]]
    return [f"<results>/publication/reconstructions/{dataset}.png" for dataset in wanted]


def missing_scan():
    """The file that Figure 5 needs, in words, or nothing if it is there."""
    if measured_is_at_hand():
        return ""
    return config["datasets"][first_dataset("measured")]["scan"]["file"]


def object_of_dataset(wildcards):
    return object_path(wildcards.dataset)


def object_of_test(wildcards):
    return object_path(wildcards.test)


def probe_of_dataset(wildcards):
    return f"<results>/simulation/probes/{config['datasets'][wildcards.dataset]['probe']}.h5"


def window_of(dataset):
    """Height and width of a dataset's patterns."""
    return [window_side(config, dataset)] * 2


def inspection_code(wildcards):
    """Digest of what looks into a network, and of that network."""
    return code_digest("training.inspection", f"models.{config['models'][wildcards.model]['kind']}")


def training_code(wildcards):
    """Digest of what training runs: the loop, and this network and this loss rather than all of them."""
    network, loss = config["models"][wildcards.model]["kind"], config["losses"][wildcards.loss]["kind"]
    return code_digest("training.fit", f"models.{network}", f"training.losses.{loss}")


def metrics_of_experiment(wildcards):
    tested = runs_of(wildcards.experiment) + references_of(wildcards.experiment)
    return paths(f"<results>/evaluation/{TESTED}/metrics.csv", tested)


def tables_of_store(folder):
    """The files of reference runs, as inputs; none without a folder."""
    return sorted(map(str, [*Path(folder).glob("*.gz"), Path(folder, "runs.csv")])) if folder else []


def runs_of_report():
    """The runs of every experiment, each once."""
    return list({tuple(run.values()): run for experiment in EXPERIMENTS for run in runs_of(experiment)}.values())


def provenance_of_runs():
    """Named inputs of the report: where its runs say how they were made."""
    if HARVESTED:
        return dict(store=tables_of_store(HARVESTED))
    return dict(
        histories=paths(f"<results>/training/{RUN}/history.csv", runs_of("table1")),
        checkpoints=unique_paths(f"<results>/training/{RUN}/model.pt", runs_of_report()),
    )


def note_of_report():
    """What the report has to say of harvested runs, in words."""
    if not HARVESTED:
        return ""
    tables = [f"Table {TABLES[name]['number']}" for name in TABLES if name not in (*EXPERIMENTS, "measured")]
    figures = [f"Figure {number}" for number in (4, 8, 9, 10) if f"fig{number}" not in FIGURES]
    left_out = f" Left out for want of whole runs: {', '.join([*tables, *figures])}." if tables or figures else ""
    return f"Printed from the reference runs in {HARVESTED}; nothing was trained here.{left_out}"


def headline_run():
    """Our network on the first condition of Table I with the first seed: what Figures 1 to 3 are about."""
    return runs_of("table1", dataset=first_dataset("table1"), model=our_network())[0]


def our_network():
    """The network that the paper is about."""
    for model in networks_of("table1"):
        entry = config["models"][model]
        if entry["kind"] == "ptychoformer" and entry["options"].get("attention", "paper") == "paper":
            return model
    raise InputError("experiments.table1: a network of kind ptychoformer with attention paper must take part; Figures 2 and 3 show it.")


def stitched_at():
    """Positions that patches are stitched at; YAML reads an unquoted true as a boolean."""
    return str(config["stitching"]["positions"]).lower()


def headline(experiment):
    """Which block of the test patterns is shown, and which of its scenes."""
    return headline_of(config, experiment)


def first_dataset(experiment):
    return config["experiments"][experiment]["datasets"][0]


def files_to_draw(run):
    """Named inputs of a figure that shows a dataset: itself, and the object that it links to."""
    return dict(dataset=dataset_path(run["test"], run["seed"]), object=object_path(run["test"]))


def runs_to_draw(experiment, **only):
    """The networks of an experiment side by side: on its first dataset, with its greatest training set and the first seed."""
    dataset = first_dataset(experiment)
    only = dict(n_train=sizes_of(experiment, dataset)[-1]) | only
    return runs_of(experiment, dataset=dataset, seed=seeds_of(experiment, dataset, only["n_train"])[0], **only)


def runs_of_fig4():
    """The networks of Table I, and what all patterns together can tell."""
    networks = runs_to_draw("table1")
    many = networks[0] | dict(model="epie", loss="none")
    return networks if HARVESTED and not are_kept([many], "views") else [*networks, many]


def labels_of_fig4():
    known = labels("models", networks_of("table1")) | dict(epie="ePIE")
    return {run["model"]: known[run["model"]] for run in runs_of_fig4()}


def runs_of_fig8():
    sizes = configuration.sizes_to_draw(sizes_of("sizes", first_dataset("sizes")))
    return [run for size in sizes for run in runs_to_draw("sizes", n_train=size)]


def pictures_of(runs, patches):
    """Named inputs of Figure 4 or 8: a dataset and scenes of it, with single patches where they are shown; or what is kept of them."""
    if HARVESTED:
        return dict(views=f"{HARVESTED}/views.h5")
    parts = ("patches", "scene") if patches else ("scene",)
    files = {"patches": "patches", "scene": "scenes"}
    return files_to_draw(runs[0]) | {files[part]: paths(f"<results>/evaluation/{TESTED}/{part}.h5", runs) for part in parts}


def shown_of(experiment, runs):
    """What a figure shows of each training set, as `publication.views` keeps it."""
    sizes = dict.fromkeys(run["n_train"] for run in runs)
    place = {key: runs[0][key] for key in ("dataset", "seed")} | headline(experiment)
    return [place | dict(n_train=size, models=[run["model"] for run in runs if run["n_train"] == size]) for size in sizes]


def are_kept(runs, part):
    """Whether the harvested runs hold a part of each of these."""
    return all(
        run["seed"] in HOLDINGS.seeds(run["dataset"], run["test"], (run["model"], run["loss"]), run["n_train"], part) for run in runs
    )


def alphas():
    """Weight of the MSE in every loss of Table IV that is a weighted sum, or one of its ends."""
    ends = {"mse": 1.0, "nssim": 0.0}
    found = {
        loss: ends.get(config["losses"][loss]["kind"], config["losses"][loss].get("alpha"))
        for loss in config["experiments"]["table4"]["losses"]
    }
    return {loss: alpha for loss, alpha in found.items() if alpha is not None}


def overlaps():
    """Overlap of every dataset of Figure 8 (d)."""
    return {dataset: config["datasets"][dataset]["scan"]["overlap"] for dataset in config["experiments"]["overlaps"]["datasets"]}


def runs_of_spectra():
    """The scenes of Table I's first condition."""
    return runs_of("table1", dataset=first_dataset("table1"))


def words_of(experiment):
    """What a table is called, and how its rows are."""
    entry, factor = config["experiments"][experiment], factor_of_experiment(experiment)
    datasets, networks = labels("datasets", entry["datasets"]), labels("models", networks_of(experiment))
    by_model = dict(conditions=datasets, methods=networks)
    by_loss = dict(conditions=networks, methods=labels("losses", entry["losses"]))
    return (
        TABLES[experiment]
        | (by_model if factor == "model" else by_loss)
        | dict(factor=factor, scale_note=scale_note(experiment))
        | headline(experiment)
    )


def counted(number, noun):
    """A number of things in words."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def epochs_of(experiment):
    """How long an experiment trains, in words."""
    *others, last = sorted({epochs_on(dataset) for dataset in config["experiments"][experiment]["datasets"]})
    return f"{', '.join(map(str, others))} or {counted(last, 'epoch')}" if others else counted(last, "epoch")


def scale_note(experiment):
    """What a reader must know of an experiment's size and object, in words."""
    datasets = config["experiments"][experiment]["datasets"]
    sizes = sorted({size for dataset in datasets for size in sizes_of(experiment, dataset)})
    epochs, seeds = epochs_of(experiment), seeds_in_words(experiment)
    patterns = " or ".join(f"{size:,}" for size in sizes)
    note = f"Each network was trained on {patterns} patterns for {epochs}, with {seeds}."
    objects = [config["objects"][config["datasets"][dataset]["object"]] for dataset in datasets if not is_measured(dataset)]
    generated = any(entry["kind"] != "tiff" for entry in objects)
    caution = " The object is a generated one, not the paper's: differences from the paper are of scale and object too."
    return (note + caution if generated else note) + harvest_note(experiment)


def seeds_in_words(experiment):
    """How many seeds an experiment has."""
    datasets = config["experiments"][experiment]["datasets"]
    counts = {len(seeds_of(experiment, dataset, size)) for dataset in datasets for size in sizes_of(experiment, dataset)} - {0}
    return counted(min(counts), "seed") if len(counts) == 1 else f"{min(counts)} to {max(counts)} seeds"


def harvest_note(experiment):
    """What a reader must know of harvested runs, in words."""
    part = HOLDINGS and HOLDINGS.parts.get(experiment)
    if not part:
        return ""
    interim = f" Interim: fewer than the {SEEDS_FIXED} seeds that were fixed beforehand." if part.interim else ""
    absent = f" Not among the reference runs, or not whole there: {', '.join(part.absent)}." if part.absent else ""
    return f" Reference runs, harvested from elsewhere.{interim}{absent}"


def scale_in_words(experiment):
    """How much an experiment's networks were trained, and on what."""
    datasets = config["experiments"][experiment]["datasets"]
    sizes = sorted({size for dataset in datasets for size in sizes_of(experiment, dataset)})
    objects = dict.fromkeys(config["datasets"][dataset].get("object", dataset) for dataset in datasets)
    return f"{', '.join(f'{size:,}' for size in sizes)} patterns of '{', '.join(objects)}', {epochs_of(experiment)}"


def scales_in_words():
    """The scale of every experiment; Figure 9's bands are measured on Table I's scenes."""
    scales = {experiment: scale_in_words(experiment) for experiment in EXPERIMENTS}
    return scales | ({"bands": scales["table1"]} if "table1" in scales else {})


def scale_of(experiment):
    """The subtree of the config that an experiment's numbers depend on."""
    entry = config["experiments"][experiment]
    names = [*entry["datasets"], *([entry["test"]] if entry["test"] else [])]
    datasets = {name: config["datasets"][name] for name in names}
    parts = {
        catalogue: {
            name: config[catalogue][name] for name in dict.fromkeys(dataset[part] for dataset in datasets.values() if part in dataset)
        }
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
        headline_run()
        if len(sizes_of("sizes", first_dataset("sizes"))) < 2:
            raise InputError("experiments.sizes.n_train: all sizes are the same; Figure 8 shows scenes of two sizes or more.")
    except InputError as error:
        raise WorkflowError(f"config: {error}") from None


check()


def figures_of_harvest():
    """The figures that can be drawn of harvested runs."""
    held = set(HOLDINGS.parts)
    figures = {
        "fig4": "table1" in held and are_kept(runs_of_fig4(), "views"),
        "fig8": {"sizes", "overlaps"} <= held and are_kept(runs_of_fig8(), "views"),
        "fig9": "table1" in held and are_kept(runs_of_spectra(), "spectra"),
        "fig10": "table4" in held,
    }
    return [name for name, can_be_drawn in figures.items() if can_be_drawn]


# Experiments whose data are there; the others are made when they are asked for by name.
if HARVESTED:
    EXPERIMENTS = [name for name in config["experiments"] if name in HOLDINGS.parts]
    if not EXPERIMENTS:
        raise WorkflowError(f"config: harvested: {HARVESTED} holds no whole seed of any experiment on the headline's block of this config.")
    FIGURES = figures_of_harvest()
else:
    EXPERIMENTS = [name for name in config["experiments"] if name != "measured" or measured_is_at_hand()]
    FIGURES = [f"fig{number}" for number in range(1, 11) if number != 5 or measured_is_at_hand()]
SHOWN_TABLES = [name for name in TABLES if name in EXPERIMENTS]
BANDS = ["<results>/evaluation/table1/bands.csv"] if not HARVESTED or "fig9" in FIGURES else []
