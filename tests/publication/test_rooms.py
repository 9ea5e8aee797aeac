"""The rooms of publication import each other one way: what is drawn and kept first, the pages that show all of it last."""

from pathlib import Path

from ptychoformer import provenance, publication

FOLDER = Path(publication.__file__).parent
# Room to the rooms that it may import from, besides itself and what lies beside them (names, inputs, selection and templates).
BELOW = {
    "figures": set(),
    "scan": {"figures"},
    "store": {"figures"},
    "tables": {"store"},
    "claims": {"store"},
    "harvest": {"store"},  # a command, with no room of its own
    "report": {"figures", "store", "tables", "claims", "harvest"},
    "paper": {"store", "tables", "claims", "report"},
}


def room_of(module):
    """The room of ``publication.claims.judge`` is ``claims``; what is in none has its own name."""
    return module.split(".")[1]


def test_rooms_are_known():
    assert {path.name for path in FOLDER.iterdir() if path.is_dir() and path.name != "__pycache__"} == set(BELOW) - {
        "harvest"
    }
    assert {path.name for path in FOLDER.glob("*.py")} == {
        "__init__.py",
        "harvest.py",
        "inputs.py",
        "names.py",
        "selection.py",
        "templates.py",
    }


def test_no_room_imports_from_one_above_it():
    for path in FOLDER.rglob("*.py"):
        module = ".".join(path.relative_to(FOLDER.parent).with_suffix("").parts).removesuffix(".__init__")
        imported = {room_of(name) for name in provenance._imports(module) if name.startswith("publication.")}
        own = room_of(module) if "." in module else ""
        assert imported - {own, "inputs", "names", "selection", "templates"} <= BELOW.get(own, set()), module
