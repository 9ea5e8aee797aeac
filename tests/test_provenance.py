"""A digest changes with what can change a result, and with nothing else."""

import json
import sys
import zlib
from importlib.util import cache_from_source
from pathlib import Path

import pytest

from ptychoformer import provenance
from ptychoformer.errors import InputError
from ptychoformer.provenance import code_digest, digest, read_provenance, record, sidecar


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of three modules: ``a.one`` imports ``a.two``, nothing imports ``b``."""
    (tmp_path / "a").mkdir()
    sources = {
        "a/__init__.py": '"""Package."""\n',
        "a/one.py": '"""One."""\nfrom ptychoformer.a.two import f\n\ndef g():\n    """Double."""\n    open("style.css"), "__init__.py"\n    return 2 * f()  # twice\n',
        "a/two.py": "def f():\n    return 1\n",
        "a/style.css": "red",
        "a/other.css": "red",
        "b.py": "x = 1\n",
    }
    for name, source in sources.items():
        (tmp_path / name).write_text(source)
    monkeypatch.setattr(provenance, "PACKAGE", tmp_path)

    def edit(name, old, new):
        for cached in (code_digest, provenance._source, provenance._code, provenance._imports):
            cached.cache_clear()
        path = tmp_path / name
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    edit("b.py", "x", "x")
    yield edit
    edit("b.py", "x", "x")


@pytest.mark.parametrize(
    ("name", "old", "new", "changes"),
    [
        ("a/one.py", "2 * f()", "3 * f()", True),
        ("a/two.py", "return 1", "return 2", True),
        ("a/style.css", "red", "blue", True),
        ("a/other.css", "red", "blue", False),
        ("a/__init__.py", "Package.", "Folder.", False),
        ("a/one.py", "# twice", "# two times", False),
        ("a/one.py", "Double.", "Two times.", False),
        ("a/one.py", "return 2", "return (2)", False),
        ("b.py", "x = 1", "x = 2", False),
    ],
)
def test_code_digest(package, name, old, new, changes):
    before = code_digest("a.one")
    package(name, old, new)
    assert (code_digest("a.one") != before) == changes


@pytest.mark.parametrize("damage", ["", "{", "null", '{"key": []}', '{"key": KEY, "source": {"code": "x"}}'])
def test_what_was_remembered_of_a_module_is_not_believed_once_it_is_damaged_or_of_other_code(
    package, tmp_path, monkeypatch, damage
):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    package("b.py", "x", "x")
    before = code_digest("a.one")
    memory = Path(cache_from_source(tmp_path / "a/one.py")).with_suffix(".code")
    remembered = json.loads(zlib.decompress(memory.read_bytes()))
    assert "return 2 * f()" in remembered["source"]["code"]
    written = zlib.compress(damage.replace("KEY", json.dumps(remembered["key"])).encode())
    memory.write_bytes(written if damage else b"no compressed file")
    package("b.py", "x", "x")
    assert code_digest("a.one") == before
    assert json.loads(zlib.decompress(memory.read_bytes())) == remembered
    package("a/one.py", "2 * f()", "3 * f()")
    assert code_digest("a.one") != before
    assert "return 3 * f()" in json.loads(zlib.decompress(memory.read_bytes()))["source"]["code"]


def test_what_another_reader_remembered_is_not_believed(package, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    package("b.py", "x", "x")
    before = code_digest("a.one")
    memory = Path(cache_from_source(tmp_path / "a/one.py")).with_suffix(".code")
    remembered = json.loads(zlib.decompress(memory.read_bytes()))
    remembered["source"]["code"] = "as an older version reads it"
    memory.write_bytes(zlib.compress(json.dumps(remembered).encode()))
    package("b.py", "x", "x")
    assert code_digest("a.one") != before  # the same reader's is
    monkeypatch.setattr(provenance, "_READ_BY", "another")
    package("b.py", "x", "x")
    assert code_digest("a.one") == before


def test_a_python_that_keeps_no_compiled_modules_remembers_nothing(package, tmp_path, monkeypatch):
    before = code_digest("a.one")
    monkeypatch.setattr(sys.implementation, "cache_tag", None)
    package("b.py", "x", "x")
    assert code_digest("a.one") == before


def test_who_wants_no_compiled_modules_gets_none_that_are_remembered(package, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    package("b.py", "x", "x")
    code_digest("a.one")
    assert not list(tmp_path.rglob("*.code"))


def test_a_digest_is_made_once_however_many_jobs_ask_for_it(package):
    code_digest("a.one")
    before = code_digest.cache_info()
    code_digest("a.one")
    assert (code_digest.cache_info().hits, code_digest.cache_info().misses) == (before.hits + 1, before.misses)


def test_a_model_digest_knows_its_own_network_only():
    assert code_digest("training.fit", "models.dpi") != code_digest("training.fit", "models.ptynet")
    assert "models.dpi" not in provenance._imports("models")


def test_a_training_digest_knows_its_own_loss_only():
    assert code_digest("training.fit", "training.losses.mse") != code_digest("training.fit", "training.losses.mae")
    assert not [name for name in provenance._imports("training.fit") if name.startswith("training.losses.")]


@pytest.mark.parametrize("module", ["training.contract", "errors", "memory"])
def test_what_only_refuses_is_in_no_digest(module):
    """That a trial of a network leaves no trace in what is trained is what `test_contract` shows."""
    assert module in provenance.UNCOUNTED
    assert provenance._path(module).is_file()
    reached = provenance._reached(["training.fit", "evaluation.predict", "measurement.reconstruct"])
    assert module not in reached
    assert {"training.run", "training.optimiser", "evaluation.network", "measurement.iterative"} <= set(reached)


def test_digest_depends_on_values_not_on_order():
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1}) != digest({"a": 1, "b": 3})


def test_a_sidecar_without_its_digest_is_refused(tmp_path):
    artefact = tmp_path / "metrics.csv"
    record(artefact, {"seed": 3}, seconds=1.5, facts={})
    content = json.loads(sidecar(artefact).read_text())
    del content["provenance_digest"]
    sidecar(artefact).write_text(json.dumps(content))
    with pytest.raises(InputError, match="cannot be read as provenance"):
        read_provenance(artefact)


def test_record_writes_what_a_result_came_from(tmp_path):
    artefact = tmp_path / "metrics.csv"
    record(artefact, {"seed": 3}, seconds=1.5, facts={"device": "Tesla T4"})
    content = json.loads(sidecar(artefact).read_text())
    assert content["configuration"] == {"seed": 3}
    assert content["seconds"] == 1.5
    assert content["device"] == "Tesla T4"
    assert {"python", "numpy", "torch"} <= set(content["libraries"])
