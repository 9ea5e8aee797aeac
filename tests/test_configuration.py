"""A wrong config is one sentence that names the key and what is allowed."""

import re
from copy import deepcopy
from dataclasses import fields
from pathlib import Path

import pandas as pd
import pytest
import yaml
from jsonschema import Draft202012Validator
from scipy import constants
from snakemake.utils import update_config

from ptychoformer import plugins
from ptychoformer.configuration import check_keys, complete, load, load_schema
from ptychoformer.drawn import sizes_to_draw
from ptychoformer.errors import InputError
from ptychoformer.experiments import headline_of, sizes_of
from ptychoformer.measurement.options import EngineOptions, Geometry, Reading, ReconstructionOptions, names_of
from ptychoformer.measurement.particles import MASSES, energy_of
from ptychoformer.plugins import loss_options
from ptychoformer.publication.claims.catalogue import read_claims
from ptychoformer.training.options import TrainingOptions

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = load_schema(ROOT)


def read(name):
    return yaml.safe_load((ROOT / name).read_text())


def merged(base, overlay):
    """What Snakemake makes of a config and an overlay."""
    base = deepcopy(base)
    for key, value in overlay.items():
        base[key] = merged(base[key], value) if isinstance(value, dict) and isinstance(base.get(key), dict) else value
    return base


def changed(path, value):
    """config.yaml with one key changed, such as ``training.epochs``."""
    config = read("config.yaml")
    *parents, last = path.split(".")
    place = config
    for parent in parents:
        place = place.setdefault(parent, {})
    place[last] = value
    return config


def test_the_schema_is_a_schema():
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("overlay", [None, "config/smoke.yaml", "config/paper.yaml", "config/trials.yaml"])
def test_every_scale_is_complete_and_completing_twice_changes_nothing(overlay):
    config = merged(read("config.yaml"), read(overlay) if overlay else {})
    completed = complete(config, SCHEMA)
    assert complete(completed, SCHEMA) == completed
    assert completed["training"]["factor"] == 0.5
    assert completed["datasets"]["clean"]["detector"]["poisson"] is False


@pytest.mark.parametrize(
    ("path", "read_as", "meant"),
    [
        ("seeds", ["0", "1"], [0, 1]),
        ("experiments.table1.n_train", ["400"], [400]),
        ("training.learning_rate", "1e-3", 1e-3),
        ("training.epochs", "1e1", 10),
        ("training.epochs", 1.0e1, 10),
        ("datasets.clean.detector.poisson", "true", True),
        ("models.dpi.experiments", "null", None),
        ("models.without_nlb.options", {"attention": "none"}, {"attention": "none"}),
        ("data_dir", "20191008", "20191008"),
        ("data_dir", "null", "null"),
    ],
)
def test_what_yaml_and_the_command_line_read_as_text_is_what_it_stands_for(path, read_as, meant):
    found = complete(changed(path, read_as), SCHEMA)
    for name in path.split("."):
        found = found[name]
    assert found == meant
    assert type(found) is type(meant)


def test_a_training_is_configured_by_the_options_that_it_takes_and_by_their_defaults():
    completed = complete(changed("training", {}), SCHEMA)["training"]
    assert completed.pop("seeds_together") is False  # of jobs, not of a training
    assert TrainingOptions(**completed) == TrainingOptions()
    assert all(type(value) is type(getattr(TrainingOptions, name)) for name, value in completed.items())
    properties = SCHEMA["properties"]["training"]["properties"]
    assert list(properties) == [*(field.name for field in fields(TrainingOptions)), "seeds_together"]
    for name, schema in properties.items():
        assert schema["description"]
        assert Draft202012Validator(schema).is_valid(schema["default"]), name


@pytest.mark.parametrize(
    ("path", "wrong", "allowed"),
    [
        ("training.epochs", 0, "an integer, at least 1 and at most 10000"),
        ("training.learning_rate", 0, "a number, greater than 0 and at most 1"),
        ("training.factor", 1, "a number, greater than 0 and less than 1"),
        ("training.validation_fraction", 0.6, "a number, greater than 0 and at most 0.5"),
        ("training.precision", "float16", "one of float32, mixed, bfloat16"),
        ("training.deterministic", 1, "true or false"),
    ],
)
def test_an_option_of_a_training_is_kept_within_what_its_annotation_allows(path, wrong, allowed):
    with pytest.raises(InputError, match=re.escape(f"{path}: {wrong!r} is not allowed; it must be {allowed}.")):
        complete(changed(path, wrong), SCHEMA)


@pytest.mark.parametrize(
    ("path", "options"),
    [("", Reading), ("geometry", Geometry), ("reconstruction", ReconstructionOptions)],
)
def test_a_measured_scan_is_configured_by_the_options_that_it_takes_and_by_their_defaults(path, options):
    schema = SCHEMA["$defs"]["measured"]
    properties = (schema["properties"][path] if path else schema)["properties"]
    said = {name: properties[name] for name in names_of(options)}
    assert path == "" or list(properties) == list(names_of(options))
    for name, part in said.items():
        assert part["description"]
        assert Draft202012Validator(part).is_valid(part["default"]), name
    defaults = {name: part["default"] for name, part in said.items()}
    assert (Reading.of if options is Reading else lambda plain: options(**plain))(defaults) == options()


def test_a_scan_is_simulated_with_any_particle_that_has_a_mass_and_photons():
    assert SCHEMA["properties"]["optics"]["properties"]["particle"]["enum"] == list(MASSES)


@pytest.mark.parametrize("overlay", [[], ["config/paper.yaml"]])
def test_the_simulated_electrons_have_the_paper_s_energy(overlay):
    optics = load([ROOT / name for name in ("config.yaml", *overlay)])["optics"]
    assert energy_of(optics["wavelength"], optics["particle"]) / constants.e == pytest.approx(200e3, rel=1e-3)


def test_the_reconstruction_with_a_known_probe_has_the_options_of_the_engine_and_its_own_defaults():
    properties = SCHEMA["properties"]["iterative"]["properties"]
    assert list(properties) == list(names_of(EngineOptions))
    chosen = EngineOptions(**complete(changed("iterative", {}), SCHEMA)["iterative"])
    own = {name for name in names_of(EngineOptions) if getattr(chosen, name) != getattr(EngineOptions(), name)}
    assert own == {"engine", "regularisation", "momentum", "positions_from", "full_resolution_from"}


@pytest.mark.parametrize(
    ("option", "wrong", "allowed"),
    [
        ("reconstruction.iterations", 0, "an integer, at least 1 and at most 100000"),
        ("reconstruction.regularisation", 0, "a number, greater than 0 and at most 1"),
        ("reconstruction.momentum", 1, "a number, at least 0 and less than 1"),
        ("reconstruction.engine", "pie", "one of epie, rpie"),
        ("reconstruction.probe_from", 0, "an integer or null, at least 1"),
        ("reconstruction.bin", 65, "an integer, at least 1 and at most 64"),
        ("patterns.crop", None, "an integer, at least 8 and at most 4096"),
        ("geometry.wavelength", 0, "a number or null, greater than 0"),
        ("positions_unit", "cm", "one of m, mm, um, nm, angstrom, pixel, null"),
        ("centre", [1], "a list or null, items: at least 2 and items: at most 2"),
        ("step", 0, "a number or null, greater than 0"),
    ],
)
def test_an_option_of_a_measured_scan_is_kept_within_what_its_annotation_allows(option, wrong, allowed):
    path, found = f"datasets.measured.{option}", "null" if wrong is None else repr(wrong)
    with pytest.raises(InputError, match=re.escape(f"{path}: {found} is not allowed; it must be {allowed}.")):
        complete(changed(path, wrong), SCHEMA)


def test_a_mask_and_a_probe_of_a_measured_scan_are_datasets_of_its_file():
    assert complete(changed("datasets.measured.mask", "entry/pixel_mask"), SCHEMA)
    assert complete(changed("datasets.measured.probe", "entry/probe"), SCHEMA)
    assert complete(changed("datasets.measured.probe", "found"), SCHEMA)
    with pytest.raises(
        InputError, match=r"datasets\.measured\.probe: 'object\.h5' is not allowed; it must .* copies, or 'found'\."
    ):
        complete(changed("datasets.measured.probe", "object.h5"), SCHEMA)
    with pytest.raises(InputError, match=r"datasets\.measured\.probe: ' ' is not allowed"):
        complete(changed("datasets.measured.probe", " "), SCHEMA)
    with pytest.raises(
        InputError, match=r"datasets\.measured\.mask: 'stop\.npy' is not allowed; it must be the path of"
    ):
        complete(changed("datasets.measured.mask", "stop.npy"), SCHEMA)


def test_a_learning_rate_that_could_never_fall_is_one_sentence():
    least = read("config.yaml").get("training", {}).get("min_learning_rate", TrainingOptions.min_learning_rate)
    assert complete(changed("training.learning_rate", least), SCHEMA)
    words = (
        r"training\.min_learning_rate: 0\.0001 is not allowed with training\.learning_rate 5e-05, which it would never"
    )
    with pytest.raises(InputError, match=words):
        complete(changed("training.learning_rate", least / 2), SCHEMA)


def test_a_config_and_its_overlays_are_merged_as_snakemake_merges_them(tmp_path):
    names = ["config.yaml", "config/paper.yaml", "config/full-size.yaml"]
    config = {}
    for name in names:
        update_config(config, read(name))
    assert load([ROOT / name for name in names], ROOT) == complete(config, SCHEMA)
    with pytest.raises(InputError, match=r"gone\.yaml cannot be read as a config"):
        load([tmp_path / "gone.yaml"], ROOT)


@pytest.mark.parametrize("content", [b"- seeds\n", b"seeds", b"7", b"\xff\xfe", b"seeds: [0", b"{[1]: 2}", b"a: *b"])
def test_what_is_no_config_is_one_sentence(tmp_path, content):
    (tmp_path / "mine.yaml").write_bytes(content)
    with pytest.raises(InputError, match=r"mine\.yaml cannot be read as a config"):
        load([ROOT / "config.yaml", tmp_path / "mine.yaml"], ROOT)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "models:\n  a: {}\n# more\nmodels:\n  b: {}\n",
            "line 4: models is in line 1 too, and only the last would count",
        ),
        ("training:\n  epochs: 3\n  epochs: 4\n", "line 3: epochs is in line 2 too"),
        ("training: {epochs: 3, epochs: 4}", "line 1: epochs is in line 1 too"),
        ('"seeds": [0]\nmore: [{a: 1,\n a: 2}]\n', "line 3: a is in line 2 too"),
    ],
)
def test_a_key_that_is_there_twice_is_told_with_its_lines(tmp_path, text, words):
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(InputError, match=rf"mine\.yaml, {words}"):
        load([ROOT / "config.yaml", tmp_path / "mine.yaml"], ROOT)


@pytest.mark.parametrize(
    "text",
    [
        "a: &a {x: 1}\nb: {<<: *a, x: 2}\nc: &c [*a, {x: 2}]\nd: {x: {x: *c}}\n",
        "a: &a {x: 1}\nb: &b {y: 1}\nc:\n  <<: *a\n  <<: *b\n",
        "a: &a {x: *a}\n",  # which holds itself
        '1: 2\n"1": 3\n',
        "",
        "\t- no YAML",
        '{"a": 1,\n\t"b": 2}',
    ],
)
def test_keys_that_are_there_once_and_what_is_no_yaml_are_let_through(tmp_path, text):
    (tmp_path / "mine.yaml").write_text(text)
    check_keys(tmp_path / "mine.yaml")


def test_another_folder_than_the_projects_is_told(tmp_path):
    with pytest.raises(InputError, match=r"config\.schema\.yaml does not exist; this runs in the project's folder"):
        load([ROOT / "config.yaml"], tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "meant", "nested"),
    [
        ("trainng.epochs", 3, "training.epochs", "training: {epochs: 3}"),
        ("training.epochs", "3", "training.epochs", 'training: {epochs: "3"}'),
        ("training.epoch", 3, "training.epochs", "training: {epochs: 3}"),
        ("evaluation.blok", "strip", "evaluation.block", 'evaluation: {block: "strip"}'),
        ("models.mine.kind", "dpi", "models.mine.kind", 'models: {mine: {kind: "dpi"}}'),
        (
            "dataset.clean.detector.photon",
            9.5,
            "datasets.clean.detector.photons",
            "datasets: {clean: {detector: {photons: 9.5}}}",
        ),
        (
            "objects.ad_ltem.amplitude.sha",
            "x",
            "objects.ad_ltem.amplitude.sha256",
            "objects: {ad_ltem: {amplitude: {sha256",
        ),
    ],
)
def test_a_key_with_dots_is_told_how_it_is_written(name, value, meant, nested):
    with pytest.raises(InputError) as caught:
        complete(read("config.yaml") | {name: value}, SCHEMA)
    sentence = str(caught.value)
    assert sentence.startswith(f"{name} is not a key of the config; did you mean '{meant}'? It is written {nested}")
    first, _, inner = nested.partition(": ")
    assert f"--config '{first}={inner}" in sentence


@pytest.mark.parametrize("name", ["moon.sun", "training.moon", "seeds.0", "...", "training.epochs.more"])
def test_dots_that_mean_nothing_are_told_what_there_is(name):
    with pytest.raises(InputError) as caught:
        complete(read("config.yaml") | {name: 1}, SCHEMA)
    assert "is written" not in str(caught.value)
    assert str(caught.value).startswith(f"{name} is not a key of the config; ")


def test_an_option_of_a_network_that_is_mistyped_is_known_by_its_neighbour():
    with pytest.raises(InputError, match=r"models\.dpi\.options\.siez is not an option of dpi; did you mean 'size'\?$"):
        complete(changed("models.dpi.options", {"siez": "small"}), SCHEMA)


def test_figure_8_shows_a_third_of_the_patterns_and_the_least():
    config = load([ROOT / "config.yaml", ROOT / "config/paper.yaml"], ROOT)
    assert sizes_to_draw(sizes_of(config, "sizes", "clean")) == [1000, 50]
    assert sizes_to_draw([24, 12]) == [24, 12]


def test_defaults_are_not_shared_between_entries():
    config = read("config.yaml")
    for name in ("one", "two"):
        config["datasets"][name] = {"object": "permalloy", "probe": "zone_plate"}
    completed = complete(config, SCHEMA)
    completed["datasets"]["one"]["scan"]["overlap"] = 0
    assert completed["datasets"]["two"]["scan"]["overlap"] == 0.75


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("trainin", {}, "trainin is not a key of the config; did you mean 'training'?"),
        ("training.epoch", 3, "training.epoch is not a key of the config; did you mean 'epochs'?"),
        ("datasets.clean.detector.nois", 1, "datasets.clean.detector.nois is not a key of the config; allowed are"),
        (
            "training.epochs",
            0,
            "training.epochs: 0 is not allowed; it must be an integer, at least 1 and at most 10000.",
        ),
        ("training.epochs", 2.5, "training.epochs: 2.5 is not allowed; it must be an integer"),
        ("training.epochs", "many", "training.epochs: 'many' is not allowed; it must be an integer"),
        ("training.learning_rate", "1e-3 s", "training.learning_rate: '1e-3 s' is not allowed; it must be a number"),
        (
            "training.learning_rate",
            "Infinity",
            "training.learning_rate: 'Infinity' is not allowed; it must be a number",
        ),
        ("datasets.clean", None, "datasets.clean: null is not allowed; it must be a mapping."),
        ("objects.permalloy", None, "objects.permalloy: null is not allowed; it must be a mapping."),
        ("probes.zone_plate", "npy", "probes.zone_plate: 'npy' is not allowed; it must be a mapping."),
        ("losses.mae", None, "losses.mae: null is not allowed; it must be a mapping."),
        ("losses.mae", [], "losses.mae: [] is not allowed; it must be a mapping."),
        (
            "datasets.clean.kind",
            {"a": 1},
            "datasets.clean.kind: {'a': 1} is not allowed; it must be one of simulated, measured.",
        ),
        (
            "objects.permalloy.kind",
            {"a": 1},
            "objects.permalloy.kind: {'a': 1} is not allowed; it must be one of permalloy,",
        ),
        ("losses.mse.kind", ["mse"], "losses.mse.kind: ['mse'] is not allowed; it must be one of"),
        ("models.dpi.kind", {"a": 1}, "models.dpi.kind: {'a': 1} is not allowed; it must be text."),
        (
            "data_dir",
            20191008,
            'data_dir: 20191008 is not allowed; it must be text or null. In quotes it is text: data_dir: "..." in a file,',
        ),
        ("data_dir", {"a": "b"}, "data_dir: {'a': 'b'} is not allowed; it must be text or null. In quotes it is text"),
        (
            "models.dpi.label",
            True,
            "models.dpi.label: true is not allowed; it must be text or null, one line of at most 100 letters. In quotes it is text",
        ),
        (
            "pathvars.results",
            "a {b}",
            "pathvars.results: 'a {b}' is not allowed; it must be the name of a folder without {, }, < and >.",
        ),
        ("pathvars.results", "a<b>", "pathvars.results: 'a<b>' is not allowed; it must be the name of a folder"),
        ("pathvars.results", "", "pathvars.results: '' is not allowed; it must be the name of a folder"),
        (
            "datasets.measured.scan.file",
            "/home/scan.cxi",
            "datasets.measured.scan.file: '/home/scan.cxi' is not allowed; it must be a path",
        ),
        (
            "objects.ad_ltem.phase.file",
            "../p.tiff",
            "objects.ad_ltem.phase.file: '../p.tiff' is not allowed; it must be a path below data_dir",
        ),
        (
            "datasets.measured.reconstruction",
            {"probe_modes": 3, "probe_from": None},
            "datasets.measured.reconstruction.probe_modes: 3 is not allowed where the probe is not refined",
        ),
        (
            "probes.ptynet.probe.file",
            "",
            "probes.ptynet.probe.file: '' is not allowed; it must be a path below data_dir",
        ),
        (
            "datasets.measured.labels",
            {"file": "a/../../b.npy"},
            "datasets.measured.labels.file: 'a/../../b.npy' is not allowed; it must be",
        ),
        (
            "datasets.measured.labels",
            {"file": "a.npy", "sha256": True},
            "datasets.measured.labels.sha256: true is not allowed; it must be 64 hexadecimal digits, or null.",
        ),
        (
            "probes.ptynet.probe.file",
            "ad_ltem/design_amp.tiff",
            "probes.ptynet.probe.file: 'ad_ltem/design_amp.tiff' is not allowed; objects.ad_ltem.amplitude has another url or sha256 for it.",
        ),
        ("training.validation", "blok", "training.validation: 'blok' is not allowed; it must be one of random, block."),
        (
            "datasets.clean.scan.overlap",
            0.97,
            "datasets.clean.scan.overlap: 0.97 is not allowed; it must be a number, at least 0 and at most 0.95.",
        ),
        ("datasets.clean.detector.poisson", "yes", "it must be true or false."),
        (
            "datasets.clean.object",
            "nowhere",
            "datasets.clean.object: 'nowhere' is not defined under objects; defined are permalloy, ad_ltem, straight, curved.",
        ),
        (
            "datasets.clean.probe",
            "nowhere",
            "datasets.clean.probe: 'nowhere' is not defined under probes; defined are zone_plate, ptynet.",
        ),
        (
            "models.ptychonn.experiments",
            ["table1", "table9"],
            "models.ptychonn.experiments: 'table9' is not defined under experiments; defined are table1, table2,",
        ),
        (
            "experiments.table1.datasets",
            ["dirty"],
            "experiments.table1.datasets: 'dirty' is not defined under datasets; defined are clean, noisy,",
        ),
        (
            "experiments.table1.n_train",
            ["some"],
            "experiments.table1.n_train[0]: 'some' is not allowed; it must be an integer of 2 to 4000000, or all.",
        ),
        (
            "experiments.table1.n_train",
            64,
            "experiments.table1.n_train: 64 is not allowed; it must be a list of integers of 2 to 4000000, or of the word all.",
        ),
        (
            "experiments.table2.test",
            "wavy",
            "experiments.table2.test: 'wavy' is not defined under datasets; defined are clean, noisy,",
        ),
        (
            "experiments.table2.test",
            None,
            "experiments.table2.test: null is not allowed; it must be a dataset that is not trained on.",
        ),
        (
            "experiments.table2.test",
            "straight",
            "experiments.table2.test: 'straight' is not allowed; it is trained on.",
        ),
        (
            "experiments.measured.datasets",
            ["clean"],
            "experiments.measured: dataset 'clean' is not allowed; it is simulated",
        ),
        (
            "experiments.overlaps.datasets",
            ["measured"],
            "experiments.overlaps: dataset 'measured' is not allowed; it is measured",
        ),
        ("experiments.table3.test", "curved", "experiments.table3.test: 'curved' is not allowed; it must be null"),
        (
            "experiments.table1.losses",
            ["mse", "mae"],
            "experiments.table1.losses: ['mse', 'mae'] is not allowed; what it prints has room for one.",
        ),
        (
            "experiments.sizes.datasets",
            ["clean", "noisy"],
            "experiments.sizes.datasets: ['clean', 'noisy'] is not allowed",
        ),
        (
            "experiments.sizes.n_train",
            [50],
            "experiments.sizes.n_train: [50] is not allowed; Figure 8 shows scenes of two sizes or more.",
        ),
        ("experiments.overlaps.n_train", [50, 60], "experiments.overlaps.n_train: [50, 60] is not allowed"),
        (
            "experiments.table4.datasets",
            ["clean", "noisy"],
            "experiments.table4.datasets: ['clean', 'noisy'] is not allowed",
        ),
        (
            "experiments.table4.losses",
            ["l2"],
            "experiments.table4.losses: 'l2' is not defined under losses; defined are mse, mae,",
        ),
        (
            "losses.weighted_90",
            {"kind": "weighted"},
            "losses.weighted_90.alpha is missing; it must be a number, at least 0 and at most 1.",
        ),
        (
            "losses.mse",
            {"kind": "mse", "alpha": 0.5},
            "losses.mse.alpha is not a key of the config; allowed are kind, label.",
        ),
        ("seeds", [], "seeds: [] is not allowed; it must be a list of different integers, such as [0, 1, 2]."),
        ("seeds", [1, 1], "it must be a list of different integers, such as [0, 1, 2]."),
        ("models.dpi.experiments", ["table1", "table1"], "a list of names under experiments, or null for all of them."),
        ("seeds", [0, -1], "seeds[1]: -1 is not allowed; it must be an integer, at least 0 and at most"),
        (
            "objects.permalloy.kind",
            "moon",
            "objects.permalloy.kind: 'moon' is not allowed; it must be one of permalloy, straight, curved, tiff.",
        ),
        (
            "objects.new",
            {"shape": [64, 64]},
            "objects.new.kind: is missing; it must be one of permalloy, straight, curved, tiff.",
        ),
        ("objects.ad_ltem.amplitude.sha256", "short", "objects.ad_ltem.amplitude.sha256: 'short' is not allowed"),
        (
            "models.release_attention.kind",
            "unet",
            "models.release_attention.kind: there is no network 'unet'; there are dpi, ptychoformer, ptychonn, ptynet, segformer, transunet; one of your own "
            "is named by the path of its .py file, or by the dotted name that imports it.",
        ),
        ("models.dpi.options", {"width": 3}, "models.dpi.options.width is not an option of dpi; allowed are size."),
        (
            "models.dpi.options",
            {"size": "huge"},
            "models.dpi.options.size: 'huge' is not allowed; it must be one of large, small.",
        ),
        (
            "models.ptynet.options",
            {"size": 3},
            "models.ptynet.options.size: 3 is not allowed; it must be one of small, large.",
        ),
        ("models.ptychoformer.options.blocks", "both", "it must be one of paper, release."),
        (
            "models.dpi.initialisation",
            "he",
            "models.dpi.initialisation: 'he' is not allowed; it must be one of torch, glorot, null.",
        ),
        (
            "models.dpi.inputs",
            "cube",
            "models.dpi.inputs: 'cube' is not allowed; it must be one of log, sqrt, sqrt_max.",
        ),
        ("models.dpi.inputs", None, "models.dpi.inputs: null is not allowed; it must be one of log, sqrt, sqrt_max."),
        (
            "models.ptychonn.options",
            {"width": 3},
            "models.ptychonn.options.width is not an option of ptychonn; allowed are none.",
        ),
        ("models.release_attention.options.attention", "papr", "it must be one of paper, release, mhsa, none."),
        ("datasets.clean.detector.photons", float("nan"), "datasets.clean.detector.photons: nan is not allowed"),
        (
            "objects.permalloy.amplitude_range",
            [1.0, 0.5],
            "amplitude_range: [1.0, 0.5] is not allowed; the first must be less than the second.",
        ),
        ("probes.zone_plate.stop", 0.5, "probes.zone_plate.stop: 0.5 is not allowed; it must be less than outer, 0.3."),
        (
            "probes.zone_plate.size",
            40,
            "probes.zone_plate.size: 40 is not allowed; model 'dpi' of experiments.table1 needs a multiple of 16.",
        ),
        (
            "losses.mse.kind",
            "l1",
            f"losses.mse.kind: 'l1' is not allowed; it must be one of {', '.join(plugins.loss_kinds())}; one of your own ",
        ),
        (
            "optics",
            {"pixel_size": 1, "distance": 1},
            "optics.wavelength is missing; it must be a number, greater than 0.",
        ),
        (
            "models.floor",
            {"kind": "dpi"},
            "models.floor: the name must be letters, digits, '_' and '-', and none of 'floor', 'ceiling', 'one_pattern' and 'epie'",
        ),
        (
            "datasets.a/b",
            {"object": "permalloy", "probe": "zone_plate"},
            "datasets.a/b: the name must be letters, digits, '_' and '-'",
        ),
        ("datasets", None, "datasets: null is not allowed; it must be a mapping."),
        (
            "seeds",
            [0, "0"],
            "seeds: [0, 0] is not allowed; it must be a list of different integers, such as [0, 1, 2].",
        ),
        ("experiments.table1.n_train", [40, "4e1"], "experiments.table1.n_train: [40, 40] is not allowed; it must be"),
        ("datasets", {2024: {}}, "not first, since it becomes a folder. YAML reads it as no text; in quotes it is."),
        ("models", {True: {"kind": "dpi"}}, "models.true: the name must be letters, digits, '_' and '-', and none of"),
    ],
)
def test_a_wrong_key_is_named_with_what_is_allowed(path, value, sentence):
    with pytest.raises(InputError) as caught:
        complete(changed(path, value), SCHEMA)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "experiment", "expected"),
    [
        ({}, "table1", ("lower_right", "scene")),
        ({"evaluation": {"block": "strip"}}, "sizes", ("strip", "scene")),
        ({"evaluation": {"block": "lower_left"}}, "table2", ("scan", "scene")),
        ({"evaluation": {"block": "lower_left"}}, "measured", ("strip", "scene")),
        ({"stitching": {"phase": "synchronised"}}, "table4", ("lower_right", "synchronised")),
    ],
)
def test_the_headline_is_one_of_the_config_where_a_scan_has_it(changes, experiment, expected):
    headline = headline_of(complete(merged(read("config.yaml"), changes), SCHEMA), experiment)
    assert (headline["block"], headline["level"]) == expected


@pytest.mark.parametrize("positions", ["recorded", "true", True])
def test_yaml_s_true_is_a_place_to_stitch_at(positions):
    config = complete(merged(read("config.yaml"), {"stitching": {"positions": positions}}), SCHEMA)
    assert str(config["stitching"]["positions"]).lower() in ("recorded", "true")
    with pytest.raises(
        InputError, match=r"stitching\.positions: 'nominal' is not allowed; it must be recorded or true"
    ):
        complete(merged(read("config.yaml"), {"stitching": {"positions": "nominal"}}), SCHEMA)


def test_options_of_a_loss_are_those_of_its_build():
    assert loss_options("huber") == {"delta": {"type": "number", "exclusiveMinimum": 0, "maximum": 100, "default": 1}}
    assert loss_options("weighted") == {"alpha": {"type": "number", "minimum": 0, "maximum": 1}}
    assert complete(read("config.yaml"), SCHEMA)["losses"]["huber"]["delta"] == 1
    with pytest.raises(
        InputError,
        match=r"losses\.huber\.delta: 0 is not allowed; it must be a number, greater than 0 and at most 100\.",
    ):
        complete(changed("losses.huber.delta", 0), SCHEMA)


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        (
            "models.mine",
            {"label": "Ptychoformer", "kind": "ptynet", "experiments": ["table5"]},
            "models.mine.label: 'Ptychoformer' is not allowed; experiments.table5 has models.ptychoformer of that label",
        ),
        (
            "models.mine",
            {"label": "ptychonn", "kind": "ptynet"},  # which is the name of one without a label
            "models.mine.label: 'ptychonn' is not allowed; experiments.table1 has models.ptychonn of that label too",
        ),
        (
            "models.mine",
            {"label": "Floor", "kind": "ptynet"},
            "models.mine.label: 'Floor' is not allowed; tables and figures call what is no network so.",
        ),
        (
            "models.mine",
            {"label": "ePIE", "kind": "ptynet"},  # its short name
            "models.mine.label: 'ePIE' is not allowed; tables and figures call what is no network so.",
        ),
        (
            "models.mine",
            {"label": "Truth", "kind": "ptynet"},
            "models.mine.label: 'Truth' is not allowed; tables and figures call what is no network so.",
        ),
        *(
            (
                "models.mine",
                {"label": label, "kind": "ptynet"},
                f"models.mine.label: '{label}' is not allowed; experiments.table1 has models.ptynet of that label too",
            )
            for label in ("PtyNet", "ptynet", "PtyNet ")  # which looks the same
        ),
        ("losses.mae.label", "MSE", "losses.mae.label: 'MSE' is not allowed; experiments.table4 has losses.mse"),
        ("datasets.curved.label", "Straight features", "datasets.curved.label: 'Straight features' is not allowed; "),
    ],
)
def test_two_entries_of_one_experiment_have_two_labels(path, value, sentence):
    config = changed(path, value)
    del config["models"]["ptychonn"]["label"]
    with pytest.raises(InputError, match=re.escape(sentence)):
        complete(config, SCHEMA)


def test_entries_that_are_never_compared_may_share_a_label():
    complete(changed("models.mine", {"label": "TransUNet", "kind": "ptynet", "experiments": ["table1"]}), SCHEMA)


@pytest.mark.parametrize(
    ("build", "options", "words"),
    [
        ("def build(window, *, width: int)", {}, "{}.width is missing; it must be an integer."),
        ("def build(window, *, widths: list[int] = (4,))", {"widths": [4, "x"]}, "{}.widths[1]: 'x' is not allowed;"),
        (
            "def build(window, *, widths: list[int] = (4,))",
            {"widths": 4},
            "{}.widths: 4 is not allowed; it must be a list",
        ),
        ("def build(window, *, width: int | float = 4)", {"width": "x"}, "it must be an integer or a number."),
        (
            "def build(window, width: int = 4)",
            {"width": 4},
            "'build' must name its options after a '*': def build(window, *, width=...).",
        ),
        ("def build(window, **options)", {"width": 4}, "must name its options after a '*'"),
        ("def build(window, width: int = 4)", {"depth": 4}, "allowed are none."),
    ],
)
def test_options_of_a_users_own_network_are_checked_as_its_build_has_them(tmp_path, build, options, words):
    (tmp_path / "net.py").write_text(f"{build}: ...")
    entry = {"label": "Mine", "kind": str(tmp_path / "net.py"), "options": options}
    with pytest.raises(InputError, match=re.escape(words.format("models.mine.options"))):
        complete(changed("models.mine", entry), SCHEMA)


def test_a_loss_of_a_users_own_is_checked_as_its_build_has_it_and_completed(tmp_path):
    (tmp_path / "loss.py").write_text("def build(forward, *, gamma: float = 0.5, sides: list[int]): ...")
    entry = {"kind": str(tmp_path / "loss.py"), "sides": "[1, 2]"}
    config = complete(changed("losses.mine", entry), SCHEMA)
    assert config["losses"]["mine"] == entry | {"label": None, "gamma": 0.5, "sides": [1, 2]}
    assert "mine" not in complete(read("config.yaml"), SCHEMA)["losses"]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"kind": "gone.py"}, "losses.mine.kind: there is no file 'gone.py' in "),
        ({"kind": "gone.mine"}, "losses.mine.kind: there is no module 'gone.mine' that can be imported"),
        ({"kind": "{}/empty.py"}, "empty.py defines no function 'build(forward, **options)', so it is no loss; it"),
        ({"kind": "{}/loss.py"}, "losses.mine.sides is missing; it must be a list."),
        ({"kind": "{}/label.py"}, "label.py: 'build' has an option label, which an entry of the config is not free to"),
        ({"kind": "{}/loss.py", "sides": 3}, "losses.mine.sides: 3 is not allowed; it must be a list."),
        ({"kind": "{}/loss.py", "sides": [], "gama": 1}, "losses.mine.gama is not a key of the config; did you mean '"),
    ],
)
def test_a_loss_of_a_users_own_that_is_wrong_is_one_sentence(tmp_path, entry, words):
    (tmp_path / "empty.py").write_text("")
    (tmp_path / "label.py").write_text("def build(forward, *, label: str = ''): ...")
    (tmp_path / "loss.py").write_text("def build(forward, *, gamma: float = 0.5, sides: list[int]): ...")
    with pytest.raises(InputError, match=re.escape(words)):
        complete(changed("losses.mine", entry | {"kind": entry["kind"].format(tmp_path)}), SCHEMA)


@pytest.mark.parametrize("widths", ["[1, 2]", [1.0, 2]])
def test_a_list_of_a_users_own_network_may_come_as_text(tmp_path, widths):
    (tmp_path / "net.py").write_text("def build(window, *, widths: list[int]): ...")
    entry = {"label": "Mine", "kind": str(tmp_path / "net.py"), "options": {"widths": widths}}
    assert complete(changed("models.mine", entry), SCHEMA)["models"]["mine"]["options"] == {"widths": [1, 2]}


@pytest.mark.parametrize(
    ("place", "found", "asked"),
    [
        ("models.ptychonn.kind", "dpi", "ptychonn"),
        ("models.with_mhsa.options.attention", "paper", "mhsa"),
        ("models.ptychoformer.options.decoder", "dense", "convolutional"),
        ("models.without_nlb.options.constraints", "none", "physical"),
        ("losses.mae.kind", "mse", "mae"),
        ("losses.weighted_90.alpha", 0.5, 0.9),
        ("losses.weighted_20.alpha", 0, 0.2),
    ],
)
def test_the_papers_results_are_compared_with_nothing_else(place, found, asked):
    words = (
        f"{place}: '{found}' is not allowed; the paper's results are compared with what has this name, so it must be"
        f" {asked}, and yours needs a name of its own under {place.split('.')[0]}."
    )
    with pytest.raises(InputError, match=f"^{re.escape(words)}$"):
        complete(changed(place, found), SCHEMA)


def test_a_network_of_ones_own_does_not_take_a_name_of_the_paper(tmp_path):
    (tmp_path / "good.py").write_text("def build(window): ...")
    overlay = {"models": {"ptychonn": {"kind": str(tmp_path / "good.py"), "label": "Mine"}}}
    with pytest.raises(InputError, match=r"^models\.ptychonn\.kind: '.*good\.py' is not allowed; the paper's results"):
        complete(merged(read("config.yaml"), overlay), SCHEMA)


def test_the_names_of_the_paper_are_those_that_it_prints_or_speaks_of():
    """And config.yaml has each as the schema asks for."""
    config = read("config.yaml")
    printed = {"models": set(), "losses": set()}
    for claim in read_claims(ROOT / "resources/published/claims.yaml"):
        printed["losses"] |= set(claim.test.along.get("loss", ()))
    for path in (ROOT / "resources/published").glob("*.csv"):
        table = pd.read_csv(path)
        if path.stem == "table4":
            printed["losses"] |= set(table["method"])
            printed["models"] |= set(table["condition"])
        else:
            printed["models"] |= set(table["method"])
    for catalogue, names in printed.items():
        asked = SCHEMA["properties"][catalogue]["x-published"]
        assert set(asked) == names
        assert {name: config[catalogue][name]["kind"] for name in asked} == {
            name: entry["kind"] for name, entry in asked.items()
        }
    complete(config, SCHEMA)  # which compares options


def test_networks_stand_in_the_order_of_the_paper_and_own_ones_behind_it():
    """Snakemake puts what a later file adds before or behind the rest."""
    config = read("config.yaml")
    own = {"mine": {"kind": "ptynet"}, "another": {"kind": "dpi"}}
    for models in (own | config["models"], config["models"] | own):
        found = list(complete(config | {"models": models}, SCHEMA)["models"])
        paper = list(SCHEMA["properties"]["models"]["x-published"])
        assert found[: len(paper)] == paper
        assert found[len(paper) :] == [name for name in models if name not in paper]


@pytest.mark.parametrize("name", ["dpi", "ptychoformer"])
def test_a_network_under_a_name_of_the_paper_is_told_so_whatever_options_it_has(name):
    config = read("config.yaml")
    config["models"][name]["kind"] = "ptychonn"
    with pytest.raises(InputError, match=rf"^models\.{name}\.kind: 'ptychonn' is not allowed; the paper's results are"):
        complete(config, SCHEMA)


def test_an_option_that_is_left_out_is_compared_by_its_default():
    words = "models.with_mhsa.options.attention: 'paper' is not allowed"
    with pytest.raises(InputError, match=f"^{re.escape(words)}"):
        complete(changed("models.with_mhsa.options", {}), SCHEMA)


def test_a_module_that_is_no_loss_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(plugins, "PACKAGE", tmp_path)
    (tmp_path / "training/losses").mkdir(parents=True)
    (tmp_path / "training/losses/mine.py").write_text("def made(forward): ...")
    with pytest.raises(
        InputError,
        match=r"^training/losses/mine\.py defines no function 'build\(forward, \*\*options\)', so it is no loss; it must stand there as 'def build'",
    ):
        load_schema(ROOT)
    (tmp_path / "training/losses/mine.py").write_text("def build(forward) ...")
    with pytest.raises(InputError, match=r"^training/losses/mine\.py, line 1: "):
        load_schema(ROOT)
