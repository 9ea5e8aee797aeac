"""Help teaches what there is, and the defaults are those of the workflow."""

import re
import subprocess
import sys

import pytest
import yaml

from ptychoformer import cli
from ptychoformer.cli import networks, reconstruct, train
from ptychoformer.configuration import complete, load_schema
from ptychoformer.measurement.options import ReconstructionOptions
from ptychoformer.models import BATCH_NORMS, INITIALISATIONS
from ptychoformer.training.entries import LossEntry
from ptychoformer.training.inputs import INPUTS
from ptychoformer.training.options import TrainingOptions
from ptychoformer.training.pace import batches

from .conftest import COMMANDS, ROOT, main


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(command, "--help")
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    assert "examples:" in text
    assert f"  ptychoformer {command} " in text
    assert len(text.splitlines()) > 25
    assert max(map(len, text.splitlines())) <= 140


def test_help_has_a_line_for_every_command(capsys):
    with pytest.raises(SystemExit):
        main("--help")
    about = capsys.readouterr().out.split("options:")[0]
    for command in COMMANDS:
        assert re.search(rf"^{command} {{2,}}\w", about, re.MULTILINE), command


def test_examples_of_help_can_be_parsed():
    for text in (command.EXAMPLES for command in cli.COMMANDS.values()):
        for line in text.splitlines()[1:]:
            words = line.split("   (")[0].split()
            assert words[0] == "ptychoformer"
            cli.parser().parse_args(words[1:])


def test_the_page_of_documentation_can_be_typed():
    text = (ROOT / "docs" / "own-scan.md").read_text(encoding="utf-8")
    lines = re.findall(r"^ {4}ptychoformer (.*)$", text, re.MULTILINE)
    assert {line.split()[0] for line in lines} == set(COMMANDS)
    for line in lines:
        cli.parser().parse_args(line.split("#")[0].split())


def test_the_overlay_of_the_documentation_is_a_config():
    text = (ROOT / "docs" / "own-scan.md").read_text(encoding="utf-8")
    overlay = yaml.safe_load(
        "\n".join(line[4:] for line in text[text.index("    pathvars:") :].split("\n\n")[0].splitlines())
    )
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    completed = complete(merged(config, overlay), load_schema(ROOT))
    assert completed["datasets"]["mine"]["geometry"]["detector_pixel"] == 75e-6


def merged(config, overlay):
    both = {
        key: merged(config[key], overlay[key])
        for key in config.keys() & overlay.keys()
        if isinstance(config[key], dict)
    }
    return config | overlay | both


@pytest.mark.parametrize("arguments", [[], ["--help"], ["inspect"]])
def test_what_needs_neither_torch_nor_pictures_imports_neither(arguments, scan):
    program = f"""
import sys
from ptychoformer.cli import main
try:
    main({[*arguments, str(scan)] if arguments == ["inspect"] else arguments!r})
except SystemExit:
    pass
sys.exit(any(name in sys.modules for name in ("torch", "matplotlib", "pandas", "tifffile")))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_defaults_are_those_of_the_workflow():
    schema = load_schema(ROOT)
    options = cli.parser().parse_args(["train", "scan.cxi", "--object", "o.h5", "-o", "run"])
    assert train.training_options(options, 2928) == TrainingOptions()  # the paper's number of training patterns
    models = schema["properties"]["models"]["additionalProperties"]["properties"]
    assert {name: getattr(options, name) for name in ("initialisation", "inputs", "batch_norm")} == {
        name: models[name]["default"] for name in ("initialisation", "inputs", "batch_norm")
    }
    assert {*INITIALISATIONS, None} == set(models["initialisation"]["enum"])
    assert list(INPUTS) == models["inputs"]["enum"]
    assert list(BATCH_NORMS) == models["batch_norm"]["enum"]
    options = cli.parser().parse_args(["reconstruct", "scan.cxi", "-o", "o.h5", "--refine-positions"])
    reconstruction = {
        name: part["default"]
        for name, part in schema["$defs"]["measured"]["properties"]["reconstruction"]["properties"].items()
    }
    assert reconstruct.reconstruction_options(options) == ReconstructionOptions(**reconstruction)


@pytest.mark.parametrize(
    ("given", "patterns", "helps"),
    [
        ([], 314, False),  # batches are as small as they get, there would be as many
        ([], 2928, True),
        (["--epochs", "5"], 314, True),
        (["--batch-size", "32"], 2928, False),
        (["--batch-size", "32", "--epochs", "5"], 2928, True),
    ],
)
def test_fewer_patterns_are_advised_where_they_make_a_training_shorter(given, patterns, helps):
    options = cli.parser().parse_args(["train", "scan.cxi", "--object", "o.h5", "-o", "run", *given])
    work = []
    for count in (patterns, patterns // 2):
        how = train.training_options(options, count)
        fitted = count - round(how.validation_fraction * count)
        work.append(how.epochs * batches(fitted, how.batch_size) * how.batch_size)  # patterns that are passed
    assert (work[1] < 0.9 * work[0]) == helps
    advice = train.shorter(options, train.training_options(options, patterns).batch_size)
    assert ("--patterns" in advice) == helps
    assert all(option in advice for option in ("--crop", "--bin", "--epochs", "--model"))


@pytest.mark.parametrize(
    ("option", "wrong", "allowed"),
    [
        ("--iterations", "100001", "an integer of at least 1 and at most 100000"),
        ("--bin", "65", "an integer of at least 1 and at most 64"),
        ("--regularisation", "0", "a number greater than 0 and at most 1"),
        ("--momentum", "1", "a number at least 0 and less than 1"),
        ("--step", "0", "a number greater than 0"),
        ("--engine", "pie", "'pie' is not allowed; it must be one of epie, rpie"),
    ],
)
def test_what_the_config_refuses_the_command_line_refuses(capsys, option, wrong, allowed):
    with pytest.raises(SystemExit):
        cli.main(["reconstruct", "scan.cxi", "-o", "o.h5", option, wrong])
    assert allowed in capsys.readouterr().err


def test_losses_are_those_without_required_options():
    assert {"huber", "mae", "mse", "npcc", "nssim", "nssim_diffraction"} <= set(networks.losses())
    assert "weighted" not in networks.losses()


def test_a_loss_is_recorded_with_its_options():
    assert networks.loss_entry("mse") == LossEntry("mse", {})
    assert networks.loss_entry("huber") == LossEntry("huber", {"delta": 1})
