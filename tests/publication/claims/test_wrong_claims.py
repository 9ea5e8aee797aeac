"""What the file of claims may hold wrongly ends in a sentence, and what ours names there is."""

from pathlib import Path

import pandas as pd
import pytest

from ptychoformer.configuration import load
from ptychoformer.contents import CONTENTS, read_contents
from ptychoformer.errors import InputError
from ptychoformer.publication.claims.catalogue import read_claims
from ptychoformer.publication.report.claims import sections
from ptychoformer.publication.report.labels import Labels

from .conftest import CLAIM, CLAIMS, TEST, read_entry

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("key", ["id", "place", "quote", "statement", "judges", "scope", "note"])
@pytest.mark.parametrize("value", [3, None, ["said"], {"said": 1}])
def test_what_is_no_text_is_named(tmp_path, key, value):
    with pytest.raises(InputError, match=rf"^Claim .*: {key}: .* is not allowed; it must be text\.$"):
        read_entry(tmp_path, CLAIM | {key: value})


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (dict(dataset=3), "test.dataset: 3 is not allowed; it must be text or a list"),
        (dict(channel=None), "test.channel: None is not allowed"),
        (dict(metric=[["psnr"]]), r"test.metric\[0\]: \['psnr'\] is not allowed; it must be text"),
        (dict(better={"a": 1}), "test.better: {'a': 1} is not allowed"),
        (dict(value="much"), "test.value: 'much' is not allowed; it must be a number"),
        (dict(significance=7), "test.significance: 7 is greater"),
        (dict(significance=0), "test.significance: 0 is less"),
        (dict(margin=[1]), r"test.margin: \[1\] is not allowed; it must be a mapping"),
        (dict(margin={"phase": 1}), "test.margin.phase: 1 is not allowed; it must be a mapping"),
        (dict(along={"loss": [1]}), r"test.along.loss\[0\]: 1 is not allowed; it must be text"),
        (dict(along=["mse"]), r"test.along: \['mse'\] is not allowed; it must be a mapping"),
        ({"from": "clean"}, "test.from: 'clean' is not allowed; it must be a mapping"),
        (dict(held=3), "test.held: 3 is not allowed; it must be text"),
        (dict(channel="amplitud"), "test: channel 'amplitud' is unknown, allowed are amplitude, phase, relative_phase"),
    ],
)
def test_what_a_test_cannot_be_is_named(tmp_path, change, complaint):
    with pytest.raises(InputError, match=f"^Claim one[:,] {complaint}"):
        read_entry(tmp_path, CLAIM | {"test": TEST | change})


@pytest.mark.parametrize("entry", ["one", None, 3, []])
def test_an_entry_is_a_mapping(tmp_path, entry):
    with pytest.raises(InputError, match=r"^Claim without an id: all of it: .* is not allowed; it must be a mapping"):
        read_entry(tmp_path, entry)


@pytest.mark.parametrize("test", ["greater", None, [1], 3])
def test_a_test_is_a_mapping(tmp_path, test):
    with pytest.raises(InputError, match=r"^Claim one: test: .* is not allowed; it must be a mapping"):
        read_entry(tmp_path, CLAIM | {"test": test})


def test_a_file_that_is_no_text_is_named(tmp_path):
    (tmp_path / "claims.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"claims\.yaml cannot be read as YAML"):
        read_claims(tmp_path / "claims.yaml")


def test_an_experiment_that_the_paper_has_not_is_named():
    verdicts = pd.DataFrame({"id": ["one"], "experiment": ["tabel1"]})
    with pytest.raises(InputError, match="Claim one is about the experiment 'tabel1', which there is not"):
        sections(verdicts, Labels(), read_contents(ROOT / CONTENTS))


def test_networks_losses_and_datasets_of_our_claims_are_those_of_the_config_at_full_size():
    config = load([ROOT / "config.yaml", ROOT / "config/paper.yaml"], ROOT)
    experiments = config["experiments"] | {"bands": config["experiments"]["table1"]}
    for claim in read_claims(CLAIMS):
        test, entry = claim.test, experiments[claim.test.experiment]
        compared, held = ("losses", "models") if test.compare == "loss" else ("models", "losses")
        named = {*test.better, *test.worse, *test.among, *test.along.get(test.compare, ())}
        assert named <= set(config[compared]), claim.id
        assert test.held in config[held], claim.id
        ends = {end["dataset"] for end in test.drop if "dataset" in end}
        assert {*test.dataset, *ends} <= set(entry["datasets"]), claim.id
        assert test.test == entry["test"], claim.id
        if test.compare == "loss":
            assert named <= set(entry["losses"]), claim.id
