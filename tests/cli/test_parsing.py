"""A command line that cannot be understood is explained, and what may have been meant is offered."""

import difflib

import pytest

from ptychoformer import cli

from .conftest import COMMANDS, main


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "required: COMMAND"),
        (
            ["guess"],
            "there is no command 'guess'; allowed are inspect, reconstruct, train, predict, export. `ptychoformer --help`",
        ),
        (["inspect"], "required: SCAN"),
        (["export"], "required: RUN, --onnx"),
        (["export", "run", "--onnx", "network.pb"], "the name of an ONNX file must end in .onnx"),
        (["inspect", "s.cxi", "--png", "s.pdf"], "must end in .png"),
        (["inspect", "s.cxi", "--png", ".png"], "'.png' is not allowed; the name of a picture must end in .png"),
        (["reconstruct", "s.cxi", "-o", "runs/.h5"], "'runs/.h5' is not allowed; the name of an HDF5 file must end"),
        (["inspect", ""], "SCAN: '' is not allowed; it must be the name of a file or folder."),
        (["train", "s.cxi", "--object", "o.h5", "-o", ""], "-o/--output: '' is not allowed; it must be the name of"),
        (["train", "s.cxi", "--object", " ", "-o", "run"], "--object: ' ' is not allowed; it must be the name of"),
        (["predict", "s.cxi", "--checkpoint", "", "-o", "o.h5"], "--checkpoint: '' is not allowed; it must be the"),
        (["predict", "s.cxi", "--checkpoint", "run", "-o", "o.h5", "--tiff", ""], "--tiff: '' is not allowed; it must"),
        (["export", "", "--onnx", "n.onnx"], "RUN: '' is not allowed; it must be the name of a file or folder."),
        (
            ["inspect", "s.cxi", "--wavelength", "nan"],
            "'nan' is not allowed; it must be a number at least 1e-14 and at most 1e-05",
        ),
        (
            ["inspect", "s.cxi", "--detector-pixel", "75"],
            "'75' is not allowed; it must be a number at least 1e-07 and at most 0.01",
        ),
        (["reconstruct", "s.cxi", "-o", "o.png"], "the name of an HDF5 file must end in .h5 or .hdf5"),
        (["inspect", "s.cxi", "--wavelength", "-1e-9"], "'-1e-9' is not allowed; it must be a number at least 1e-14"),
        (["inspect", "s.cxi", "--bin", "0"], "must be an integer of at least 1"),
        (["reconstruct", "s.cxi"], "required: -o/--output"),
        (["reconstruct", "s.cxi", "-o", "o.h5", "--momentum", "1"], "at least 0 and less than 1"),
        (["reconstruct", "s.cxi", "-o", "o.h5", "--engine", "dm"], ": 'dm' is not allowed; it must be one of "),
        (
            ["train", "s.cxi", "--object", "o.h5", "-o", "run", "--loss", "weighted"],
            "--loss: the loss 'weighted' needs alpha, which only a config can give; to be named here, all",
        ),
        (
            ["train", "s.cxi", "--object", "o.h5", "-o", "run", "--loss", "mes"],
            "there is no loss 'mes'; there are huber, ",
        ),
        (
            ["train", "s.cxi", "--object", "o.h5", "-o", "run", "--model", "resnet"],
            "there is no network 'resnet'; there are dpi, ",
        ),
        (
            ["train", "s.cxi", "--object", "o.h5", "-o", "run", "--inputs", "cube"],
            ": 'cube' is not allowed; it must be one of ",
        ),
        (
            ["train", "s.cxi", "--object", "o.h5", "-o", "run", "--initialisation", "he"],
            ": 'he' is not allowed; it must be one of ",
        ),
        (["predict", "s.cxi", "-o", "s.h5"], "required: --checkpoint"),
        (
            ["predict", "s.cxi", "--checkpoint", "r", "-o", "s.h5", "--phase", "unwrapped"],
            "--phase: 'unwrapped' is not allowed; it must be one of plain, synchronised. `ptychoformer predict --help`",
        ),
        (
            ["predict", "s.cxi", "--checkpoint", "r", "-o", "s.h5", "--tie", "-1"],
            "'-1' is not allowed; it must be a number at least 0",
        ),
        (
            ["predict", "s.cxi", "--checkpoint", "r", "-o", "s.h5", "--turbo"],
            "there is no option --turbo. `ptychoformer predict --",
        ),
        (["inspect", "s.cxi", "t.cxi"], "one argument too many, or one without its option: t.cxi. `ptychoformer insp"),
        (["inspect", "s.cxi", "--centre", "3"], "--centre: expected 2 arguments. `ptychoformer inspect --help`"),
        (["reconstruct", "s.cxi", "--r", "-o", "o.h5"], "ambiguous option: --r could match --re"),
    ],
)
def test_a_command_line_that_cannot_be_understood_is_explained(arguments, words, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(*arguments)
    assert stopped.value.code == 2
    said = capsys.readouterr()
    assert words in said.err
    assert said.err.startswith("Error: ")
    assert said.err.endswith(" --help` lists what there is.\n")
    assert said.err.count("\n") == 1
    assert said.out == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "s.cxi", "--objct", "o.h5", "-o", "run"], "no option --objct; did you mean '--object'?"),
        (["train", "s.cxi", "--object", "o.h5", "-o", "r", "--epoch-s=3"], "--epoch-s; did you mean '--epochs'?"),
        (["train", "s.cxi", "--learning_rate", "1"], "--learning_rate; did you mean '--learning-rate'?"),
        (["predict", "s.cxi", "--Checkpoint", "run"], "--Checkpoint; did you mean '--checkpoint'?"),
        (["reconstruct", "s.cxi", "-iterations", "9"], "no option -iterations; did you mean '--iterations'?"),
        (["inspect", "s.cxi", "-crop=9"], "no option -crop; did you mean '--crop'?"),
        (["inspect", "s.cxi", "--center", "3", "3"], "no option --center; did you mean '--centre'?"),
        (["inspect", "s.cxi", "--epochs", "3"], "no option --epochs. `ptychoformer inspect --help`"),
        (["export", "run", "--onxn", "n.onnx"], "no option --onxn; did you mean '--onnx'?"),
        (["--verison"], "no option --verison; did you mean '--version'? `ptychoformer --help`"),
        (["--crop", "9", "inspect", "s.cxi"], "no option --crop; options of a command come after its name."),
        (["recontruct", "s.cxi"], "no command 'recontruct'; did you mean 'reconstruct'?"),
        (["Train", "s.cxi"], "no command 'Train'; did you mean 'train'?"),
        (["inspct"], "no command 'inspct'; did you mean 'inspect'?"),
        (
            ["reconstruct", "s.cxi", "-o", "o.h5", "--engine", "rpei"],
            "--engine: 'rpei' is not allowed; it must be one of epie, rpie; did you mean 'rpie'?",
        ),
        (["inspect", "s.cxi", "--format", "ptycho"], "nanoprobe, hdf5; did you mean 'ptychodus'?"),
        (["predict", "s.cxi", "--phase", "synchronized"], "synchronised; did you mean 'synchronised'?"),
    ],
)
def test_what_may_have_been_meant_is_offered(arguments, words, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(*arguments)
    assert stopped.value.code == 2
    assert words in capsys.readouterr().err


def likeness(option, wrong):
    return difflib.SequenceMatcher(None, wrong[2:], option[2:]).ratio()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_found_with_a_letter_missing_twice_or_exchanged(command, capsys):
    whole = cli.parser()._subparsers._group_actions[0].choices[command]  # made once, not for every word
    for option in (name for name in whole._option_string_actions if name.startswith("--") and name != "--help"):
        for wrong in (option[:3] + option[4:], option[:4] + option[3:], option[:3] + option[4:2:-1] + option[5:]):
            if any(name.startswith(wrong) for name in whole._option_string_actions):
                continue  # short for one, or several
            with pytest.raises(SystemExit):
                whole.parse_args([wrong, "1"])
            guess = capsys.readouterr().err.split("did you mean '")[1].split("'")[0]
            assert likeness(guess, wrong) >= likeness(option, wrong)  # another one may be as near


@pytest.mark.parametrize(
    ("arguments", "name", "value"),
    [
        (["inspect", "s.cxi", "--positions-axes=-x,y"], "positions_axes", "-x,y"),
        (["inspect", "s.cxi", "--positions-axes", "-x,y"], "positions_axes", "-x,y"),
        (["inspect", "s.cxi", "--positions-axes", "-,x,-y"], "positions_axes", "-,x,-y"),
        (["inspect", "s.cxi", "--positions-turn", "-1e-1"], "positions_turn", -0.1),
        (["inspect", "s.cxi", "--positions-turn", "-.5"], "positions_turn", -0.5),
        (["reconstruct", "s.cxi", "-oo.h5"], "output", "o.h5"),
        (["reconstruct", "s.cxi", "--out", "o.h5"], "output", "o.h5"),
        (["inspect", "--", "--odd.cxi"], "scan", "--odd.cxi"),
        (["inspect", "-odd-.cxi", "--json"], None, None),
    ],
)
def test_what_argparse_takes_is_taken(arguments, name, value):
    if name is None:
        with pytest.raises(SystemExit):
            cli.parser().parse_args(arguments)
    else:
        assert getattr(cli.parser().parse_args(arguments), name) == value
