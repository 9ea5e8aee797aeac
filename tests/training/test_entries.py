"""Entries of networks and losses: what is written of them, and what a rule hands over, is what stands in the config."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from ptychoformer.configuration import load
from ptychoformer.errors import InputError
from ptychoformer.planning.parameters import Parameters
from ptychoformer.plugins import fields_of, loss_options, network_options
from ptychoformer.provenance import _reached, digest
from ptychoformer.tensors import load as load_file
from ptychoformer.tensors import save
from ptychoformer.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from ptychoformer.training.entries import LossEntry, NetworkEntry
from ptychoformer.training.fit import fit
from ptychoformer.training.normalisation import Normalisation
from ptychoformer.training.options import TrainingOptions

ROOT = Path(__file__).resolve().parents[2]
NETWORK = {"kind": "dpi", "options": {"size": "small"}, "initialisation": "glorot", "inputs": "sqrt"}
LOSS = {"kind": "weighted", "alpha": 0.3}
# A file as it is written; users have such files.
WRITTEN = NETWORK | {
    "window": (32, 32),
    "normalisation": Normalisation(0.5, 1.0, -1.0, 2.0).as_attributes(),
    "weights": {"layer.weight": torch.arange(3.0)},
}


def test_a_checkpoint_lists_what_its_entry_holds_beside_the_rest(tmp_path):
    made = Checkpoint(NetworkEntry(**NETWORK), (32, 32), Normalisation(0.5, 1.0, -1.0, 2.0), WRITTEN["weights"])
    save_checkpoint(made, tmp_path / "made.pt")
    save(WRITTEN, tmp_path / "written.pt")
    assert (tmp_path / "made.pt").read_bytes() == (tmp_path / "written.pt").read_bytes().replace(b"written", b"made")
    assert list(load_file(tmp_path / "made.pt")) == list(WRITTEN)


def test_a_checkpoint_is_read_as_its_entry(tmp_path):
    save(WRITTEN, tmp_path / "model.pt")
    found = load_checkpoint(tmp_path / "model.pt")
    assert found.model == NetworkEntry("dpi", {"size": "small"}, "glorot", "sqrt")
    assert found.window == (32, 32)
    assert found.source == ""
    save(WRITTEN | {"source": "0123"}, tmp_path / "own.pt")
    assert load_checkpoint(tmp_path / "own.pt").source == "0123"


def test_a_checkpoint_says_how_batch_norms_average_where_that_is_not_as_before(tmp_path):
    save(WRITTEN | {"batch_norm": "keras"}, tmp_path / "model.pt")
    found = load_checkpoint(tmp_path / "model.pt")
    assert found.model == NetworkEntry(**NETWORK, batch_norm="keras")
    assert found.model.plain() == NETWORK | {"batch_norm": "keras"}
    save_checkpoint(found, tmp_path / "again.pt")
    assert load_file(tmp_path / "again.pt")["batch_norm"] == "keras"
    save(WRITTEN | {"batch_norm": "caffe"}, tmp_path / "model.pt")
    with pytest.raises(InputError, match="no checkpoint of a trained network"):
        load_checkpoint(tmp_path / "model.pt")


@pytest.mark.parametrize("name", sorted(set(WRITTEN) - {"kind", "weights"}))
def test_a_checkpoint_that_lacks_something_is_told(tmp_path, name):
    save({part: value for part, value in WRITTEN.items() if part != name}, tmp_path / "model.pt")
    with pytest.raises(InputError, match=f"of another version of the code, which differs in {name}; train"):
        load_checkpoint(tmp_path / "model.pt")


@pytest.mark.parametrize("name", ["model", "label", "epochs"])
def test_a_checkpoint_that_holds_something_else_is_told(tmp_path, name):
    save(WRITTEN | {name: "more"}, tmp_path / "model.pt")
    with pytest.raises(InputError, match=f"of another version of the code, which differs in {name}; train"):
        load_checkpoint(tmp_path / "model.pt")


def test_the_state_of_a_training_is_that_of_the_configs_entries(tmp_path, make_scan):
    """A state from before entries were classes is gone on with."""
    files = {"checkpoint": tmp_path / "model.pt", "history": tmp_path / "history.csv"}
    entries = {"model": NetworkEntry(**NETWORK), "loss": LossEntry.of(LOSS)}
    fit(make_scan(), **entries, n_train=20, seed=0, training=TrainingOptions(epochs=1, batch_size=8), **files)
    identity = load_file(tmp_path / "state.pt")["identity"]
    assert (identity["network"], identity["loss"]) == (digest(NETWORK), digest(LOSS))


@pytest.mark.parametrize("overlay", ["smoke", "paper", "gpu"])
def test_rules_hand_over_what_the_config_says_of_every_network_and_loss(overlay):
    config = load([ROOT / "config.yaml", ROOT / f"config/{overlay}.yaml"], ROOT)
    parameters = Parameters(SimpleNamespace(config=config, experiments=None))
    for name, entry in config["models"].items():
        made = NetworkEntry(**(handed := parameters.network(SimpleNamespace(model=name))))
        assert set(handed) == set(NETWORK)  # as before there was a choice of batch norms: nothing trains again
        assert vars(made) == {key: value for key, value in entry.items() if key not in ("label", "experiments")}
        assert set(made.options) <= set(network_options(made.kind))
    for name, entry in config["losses"].items():
        made = LossEntry.of(plain := parameters.loss(SimpleNamespace(loss=name)))
        assert made.plain() == plain == {key: value for key, value in entry.items() if key != "label"}
        assert set(made.options) == set(loss_options(made.kind))


def test_the_config_knows_the_fields_of_an_entry():
    fields = fields_of("NetworkEntry")
    assert list(fields) == [*NETWORK, "batch_norm"]
    assert {name for name, field in fields.items() if "default" not in field} == {"kind", "options"}
    assert all(field["description"] for field in fields.values())


@pytest.mark.parametrize("room", ["training.fit", "evaluation.predict", "training.inspection"])
def test_an_edit_of_how_scans_are_read_trains_and_predicts_nothing_anew(room):
    assert "training.entries" in _reached([room])
    assert "measurement.options" not in _reached([room])
