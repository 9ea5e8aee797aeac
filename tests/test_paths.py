"""A run is its path."""

import pytest

from ptychoformer.errors import InputError
from ptychoformer.paths import (
    EPIE_EVALUATION,
    EVALUATION,
    OWN_EVALUATION,
    REFERENCE_EVALUATION,
    RUN,
    TRAINING,
    Run,
    names_of_run,
)

PARTS = {"dataset": "clean", "model": "dpi", "loss": "mse", "n_train": 700, "seed": 2}


def test_a_run_is_read_from_the_path_that_it_has():
    run = Run.of(f"results/{TRAINING}/history.csv".format(**PARTS))
    assert run == Run(**PARTS)
    assert Run.of(f"{run}/model.pt") == run
    assert str(run) == RUN.format(**PARTS) == "clean/dpi/mse/n700/seed2"


@pytest.mark.parametrize(
    "path",
    [
        "results/history.csv",
        "clean/dpi/mse/n700/history.csv",
        "clean/dpi/mse/700/seed2/model.pt",
        "clean/dpi/mse/n700/seedy/model.pt",
    ],
)
def test_another_path_is_no_runs(path):
    with pytest.raises(InputError, match="is not the path of a run"):
        Run.of(path)


def test_a_tested_run_is_read_from_its_folder():
    parts = {name: str(part) for name, part in PARTS.items()} | {"test": "noisy"}
    assert names_of_run(EVALUATION.format(**parts).removeprefix("evaluation/")) == parts
    for folder in (
        "table1",
        "clean/dpi/mse/n700/seed2",
        "clean/dpi/mse/n700/seed2/noisy",
        "a/clean/dpi/mse/n700/seed2/on_noisy",
        "clean/dpi/mse/nx/seed2/on_noisy",
    ):
        assert names_of_run(folder) is None


def test_special_evaluations_are_evaluations():
    assert OWN_EVALUATION.format(**PARTS) == EVALUATION.format(**PARTS, test="clean")
    parts = {name: part for name, part in PARTS.items() if name not in ("model", "loss")} | {"test": "clean"}
    assert REFERENCE_EVALUATION.format(**parts, reference="floor") == EVALUATION.format(
        **parts, model="floor", loss="none"
    )
    assert EPIE_EVALUATION.format(**parts) == EVALUATION.format(**parts, model="epie", loss="none")
