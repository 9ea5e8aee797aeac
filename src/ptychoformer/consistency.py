"""What a schema cannot say of a config: values that must fit each other, and entries that one
part names and another must define.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

from ptychoformer.errors import InputError
from ptychoformer.experiments import ALL, is_measured, models_of, window_side
from ptychoformer.measurement.options import FOUND, ReconstructionOptions, is_mask_file, is_probe_file
from ptychoformer.places import DEVICES, fault_of_path, same_name
from ptychoformer.plugins import network_options, network_side
from ptychoformer.provided import BY_CONTENT, fault_of_address, files_named, kept_name
from ptychoformer.publication.names import NO_NETWORKS
from ptychoformer.schemas import shown

_CATALOGUES = ("objects", "probes", "datasets", "models", "losses")


def check_references(config: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
    """Check a complete config in itself.

    Raises:
        InputError: one sentence about the first thing that is wrong.
    """
    _check_names(config)
    _check_files(config)
    _check_rates(config["training"])
    _check_objects_and_probes(config)
    for name, dataset in config["datasets"].items():
        if is_measured(config, name):
            _check_measured(name, dataset)
            continue
        _defined(f"datasets.{name}.object", dataset["object"], config["objects"], "objects")
        _defined(f"datasets.{name}.probe", dataset["probe"], config["probes"], "probes")
    for name, experiment in config["experiments"].items():
        tested = [] if experiment["test"] is None else [experiment["test"]]
        named = [
            ("datasets", "datasets", experiment["datasets"]),
            ("test", "datasets", tested),
            ("losses", "losses", experiment["losses"]),
        ]
        for key, catalogue, entries in named:
            for entry in entries:
                _defined(f"experiments.{name}.{key}", entry, config[catalogue], catalogue)
    for name, model in config["models"].items():
        for experiment in model["experiments"] or []:
            _defined(f"models.{name}.experiments", experiment, config["experiments"], "experiments")
    for name, experiment in config["experiments"].items():
        if not models_of(config, name):
            raise InputError(
                f"experiments.{name}: no network takes part; one under models must name it, or be of all experiments."
            )
        _check_room(name, experiment, schema["properties"]["experiments"]["properties"][name]["x-room-for-one"])
        _check_experiment(name, experiment, config)
        _check_labels(name, experiment, config, schema)


def check_published_names(config: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
    """Check that a name with which the paper's results are compared means what the paper means.

    Raises:
        InputError: a network or loss of another kind, or with other options, has such a name.
    """
    for catalogue in ("models", "losses"):
        for name, asked in schema["properties"][catalogue]["x-published"].items():
            if name in config[catalogue]:
                _check_published(f"{catalogue}.{name}", config[catalogue][name], asked, catalogue)


def _check_published(place: str, entry: Mapping[str, Any], asked: Mapping[str, Any], catalogue: str) -> None:
    for key, value in asked.items():
        found = entry[key]
        if key == "options":  # of its network, of which those that are left out have their defaults
            defaults = {name: part.get("default") for name, part in network_options(entry["kind"]).items()}
            _check_published(f"{place}.{key}", defaults | found, value, catalogue)
        elif found != value:
            raise InputError(
                f"{place}.{key}: '{found}' is not allowed; the paper's results are compared with what has this name,"
                f" so it must be {value}, and yours needs a name of its own under {catalogue}."
            )


def _check_rates(training: Mapping[str, Any]) -> None:
    """Check that the learning rate can fall."""
    least, start = training["min_learning_rate"], training["learning_rate"]
    if least > start:
        raise InputError(
            f"training.min_learning_rate: {least:g} is not allowed with training.learning_rate {start:g}, which it"
            f" would never let fall; it must be {start:g} or less."
        )


def _check_objects_and_probes(config: Mapping[str, Any]) -> None:
    """Check numbers of which one must be less than another."""
    for name, entry in config["objects"].items():
        low, high = entry["amplitude_range"] or (0, 1)
        if low >= high:
            raise InputError(
                f"objects.{name}.amplitude_range: [{low}, {high}] is not allowed; the first must be less than the"
                " second."
            )
    for name, entry in config["probes"].items():
        if entry["kind"] == "zone_plate" and entry["stop"] >= entry["outer"]:
            raise InputError(
                f"probes.{name}.stop: {entry['stop']} is not allowed; it must be less than outer, {entry['outer']}."
            )


def _check_measured(name: str, dataset: Mapping[str, Any]) -> None:
    for part in ("patterns", "reconstruction"):
        crop, bin = dataset[part]["crop"], dataset[part]["bin"]
        if crop is not None and crop % bin:
            raise InputError(
                f"datasets.{name}.{part}.crop: {crop} is not allowed; it must be a multiple of bin, {bin}."
            )
    options = ReconstructionOptions(**dataset["reconstruction"])
    if options.probe_modes > 1 and not options.finds_modes:
        raise InputError(
            f"datasets.{name}.reconstruction.probe_modes: {options.probe_modes} is not allowed where the probe is not"
            " refined (probe_from); it must be 1."
        )
    if dataset["probe"] == FOUND and options.probe_from is None:
        raise InputError(
            f"datasets.{name}.probe: {FOUND} is not allowed where the probe is taken as it is (probe_from: null)."
        )
    for part, is_file, more in (("mask", is_mask_file, ""), ("probe", is_probe_file, f", or '{FOUND}'")):
        if dataset[part] is not None and (is_file(dataset[part]) or not dataset[part].strip()):
            raise InputError(
                f"datasets.{name}.{part}: {shown(dataset[part])} is not allowed; it must be the path of a dataset in"
                f" the scan's file, the only one that the workflow copies{more}."
            )
    if dataset["labels"] is not None and not {"file"} <= set(dataset["labels"]) <= {"file", "url", "sha256"}:
        raise InputError(
            f"datasets.{name}.labels: {dataset['labels']} is not allowed; it must be a mapping of file, url and sha256,"
            " or null."
        )


def _check_names(config: Mapping[str, Any]) -> None:
    """Refuse names, and so folders, that some disks take for another's or for a device."""
    for catalogue in _CATALOGUES:
        names: dict[str, str] = {}
        for name in config[catalogue]:
            if same_name(name) in DEVICES:
                raise InputError(
                    f"{catalogue}.{name}: the name is that of a device where disks are shared; it must not be."
                )
            if (other := names.setdefault(same_name(name), name)) != name:
                raise InputError(
                    f"{catalogue}.{name}: there is '{other}' too; names must differ in more than capitals, which some"
                    " disks do not tell apart."
                )


def _check_files(config: Mapping[str, Any]) -> None:
    """Refuse files outside of ``data_dir``, sources that cannot be trusted, and two files that
    would be kept under one name.
    """
    sources: dict[str, tuple[str, str, tuple]] = {}
    for key, part in files_named(config):
        _check_file(key, part)
        file, source = kept_name(part["file"]), (part.get("url"), part.get("sha256"))
        if not any(source):
            continue
        _, other, known = sources.setdefault(same_name(file), (file, key, source))
        if (known, sources[same_name(file)][0]) != (source, file):
            raise InputError(f"{key}.file: '{file}' is not allowed; {other} has another url or sha256 for it.")
    for name, (file, key, _) in sources.items():
        for folder in map(str, PurePosixPath(name).parents):
            if folder in sources:
                raise InputError(
                    f"{key}.file: '{file}' is not allowed; {sources[folder][1]} has a file where this has a folder."
                )


def _check_file(key: str, part: Mapping[str, Any]) -> None:
    file, url, sha256 = part["file"], part.get("url"), part.get("sha256")
    fault = fault_of_path(file) or fault_of_path(kept_name(file))
    if fault or PurePosixPath(file).parts[0] == BY_CONTENT:
        raise InputError(
            f"{key}.file: {shown(file)} is not allowed; it must be a path below data_dir, which may be any folder"
            f"{f' ({fault})' if fault else f', and not below {BY_CONTENT}, where copies lie'}."
        )
    if sha256 is not None and not (isinstance(sha256, str) and re.fullmatch("[0-9a-f]{64}", sha256)):
        raise InputError(f"{key}.sha256: {shown(sha256)} is not allowed; it must be 64 hexadecimal digits, or null.")
    if url is not None and (fault := fault_of_address(url, sha256) if isinstance(url, str) else "it is no text"):
        raise InputError(f"{key}.url: {shown(url)} is not allowed; {fault}.")


def _check_labels(
    name: str, experiment: Mapping[str, Any], config: Mapping[str, Any], schema: Mapping[str, Any]
) -> None:
    """Refuse two rows or columns of an experiment that would be called the same, or nearly so."""
    tested = [experiment["test"]] if experiment["test"] else []
    compared = {
        "models": models_of(config, name),
        "datasets": [*experiment["datasets"], *tested],
        "losses": experiment["losses"],
    }
    for catalogue, entries in compared.items():
        labels: dict[str, str] = {}
        published = schema["properties"][catalogue].get("x-published", {})
        for entry in sorted(entries, key=lambda entry: entry not in published):  # the paper's have their labels first
            label = config[catalogue][entry]["label"] or entry
            seen = _as_seen(label)
            if catalogue == "models" and seen in map(_as_seen, NO_NETWORKS):
                raise InputError(
                    f"models.{entry}.label: {shown(label)} is not allowed; tables and figures call what is no"
                    " network so."
                )
            if (other := labels.setdefault(seen, entry)) != entry:
                raise InputError(
                    f"{catalogue}.{entry}.label: {shown(label)} is not allowed; experiments.{name} has"
                    f" {catalogue}.{other} of that label too, and nobody could tell them apart."
                )


def _as_seen(label: str) -> str:
    """Return what a reader keeps of a label: neither capitals nor how many blanks there are."""
    return " ".join(label.split()).casefold()


def _check_room(name: str, experiment: Mapping[str, Any], room_for_one: Iterable[str]) -> None:
    """Refuse more than one entry in lists whose table or figure has room for one."""
    for key in room_for_one:
        if len(found := experiment[key]) > 1:
            raise InputError(f"experiments.{name}.{key}: {found} is not allowed; what it prints has room for one.")


def _check_experiment(name: str, experiment: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    """Refuse what the table or figure of an experiment cannot show."""
    expected = "measured" if name == "measured" else "simulated"
    for dataset in [*experiment["datasets"], *([experiment["test"]] if experiment["test"] else [])]:
        if (kind := config["datasets"][dataset]["kind"]) != expected:
            raise InputError(
                f"experiments.{name}: dataset '{dataset}' is not allowed; it is {kind}, and only {expected} ones have a"
                " place there."
            )
    if name == "measured" and ALL in experiment["n_train"]:
        raise InputError(
            "experiments.measured.n_train: 'all' is not allowed for a measured dataset; it must be a number."
        )
    if name == "sizes" and len(experiment["n_train"]) < 2:
        raise InputError(
            f"experiments.sizes.n_train: {experiment['n_train']} is not allowed; Figure 8 shows scenes of two sizes or"
            " more."
        )
    if (experiment["test"] is None) == (name == "table2"):
        allowed = (
            "a dataset that is not trained on" if name == "table2" else "null: only table2 is tested on another dataset"
        )
        found = "null" if experiment["test"] is None else f"'{experiment['test']}'"
        raise InputError(f"experiments.{name}.test: {found} is not allowed; it must be {allowed}.")
    if (test := experiment["test"]) is not None:
        if test in experiment["datasets"]:
            raise InputError(f"experiments.{name}.test: '{test}' is not allowed; it is trained on.")
        sizes = {dataset: window_side(config, dataset) for dataset in [*experiment["datasets"], test]}
        if len(set(sizes.values())) > 1:
            found = ", ".join(f"{size} pixels in '{dataset}'" for dataset, size in sizes.items())
            raise InputError(
                f"experiments.{name}.test: patterns must be of one size to be trained on and tested on, found {found}."
            )


def _defined(key: str, entry: str, catalogue: Mapping[str, Any], catalogue_name: str) -> None:
    if entry not in catalogue:
        raise InputError(
            f"{key}: '{entry}' is not defined under {catalogue_name}; defined are {', '.join(catalogue) or 'none'}."
        )


def check_sizes(config: Mapping[str, Any]) -> None:
    """Check that every network can read the patterns of every dataset that it is trained on.

    Raises:
        InputError: one cannot.
    """
    for name, experiment in config["experiments"].items():
        for dataset in experiment["datasets"]:
            for model in models_of(config, name):
                size, multiple = window_side(config, dataset), network_side(config["models"][model]["kind"])
                if size % multiple:
                    key = (
                        f"datasets.{dataset}.patterns: a crop over bin of"
                        if is_measured(config, dataset)
                        else f"probes.{config['datasets'][dataset]['probe']}.size:"
                    )
                    raise InputError(
                        f"{key} {size} is not allowed; model '{model}' of experiments.{name} needs a multiple of"
                        f" {multiple}."
                    )
