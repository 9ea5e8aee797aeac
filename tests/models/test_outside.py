"""Networks of a user's own, outside the package: found, checked, built, digested, and wrong in one sentence."""

import re
import subprocess
import sys

import pytest
import torch

from ptychoformer import provenance
from ptychoformer.errors import InputError
from ptychoformer.models import build, own_initialisation
from ptychoformer.outside import load, source_of
from ptychoformer.plugins import network_code, network_options, network_side
from ptychoformer.provenance import code_digest, source_digest, unsigned
from ptychoformer.training.optimiser import Adam

NET = """from typing import Annotated
from torch import nn

SIDE_MULTIPLE_OF = 4
INITIALISATION = "glorot"


def build(window, *, width: Annotated[int, {"minimum": 1}] = 4):
    return nn.Sequential(nn.Conv2d(1, width, 3, padding=1), nn.Conv2d(width, 2, 3, padding=1))
"""


def fresh():
    for cached in (code_digest, provenance._source, provenance._code, provenance._imports):
        cached.cache_clear()


@pytest.fixture(autouse=True)
def _digests_of_files_that_are_edited():
    fresh()
    yield
    fresh()


@pytest.fixture
def package(tmp_path, monkeypatch, request):
    """A package that can be imported, of a name of its own: ``net`` uses ``parts.blocks``, and nothing uses ``other``."""
    name = "own_" + "".join(letter if letter.isalnum() else "_" for letter in request.node.name)
    sources = {
        "__init__.py": "",
        "net.py": f"import torch\nfrom .parts import blocks\nimport {name}.constants\n\ndef build(window):\n    return blocks.made()\n",
        "parts/__init__.py": "",
        "parts/blocks.py": "from torch import nn\nfrom ..deep import SIZE\n\ndef made():\n    return nn.Conv2d(1, 2, SIZE)\n",
        "deep.py": "SIZE = 1\n",
        "constants.py": "A = 1\n",
        "other.py": "raise RuntimeError('nobody asked for this')\n",
    }
    for path, source in sources.items():
        (tmp_path / name / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name / path).write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path / name
    for module in [module for module in sys.modules if module.split(".")[0] == name]:
        del sys.modules[module]


@pytest.fixture
def file(tmp_path):
    (tmp_path / "net.py").write_text(NET)
    return tmp_path / "net.py"


def test_a_file_is_a_network_with_options_sides_and_weights_to_start_from(file):
    kind = str(file)
    assert network_options(kind) == {"width": {"type": "integer", "minimum": 1, "default": 4}}
    assert network_side(kind) == 4
    assert own_initialisation(kind) == "glorot"
    network = build(kind, (8, 8), {"width": 3})
    assert network[0].weight.shape == (3, 1, 3, 3)
    assert not network[0].bias.any()
    assert load(kind) is load(kind)


def test_a_path_is_one_from_the_working_folder_or_from_home(file, monkeypatch):
    monkeypatch.chdir(file.parent)
    monkeypatch.setenv("HOME", str(file.parent))
    for kind in ("net.py", "./net.py", "~/net.py"):
        assert source_of(kind).resolve() == file
        assert load(kind) is load(str(file))


def test_a_dotted_name_is_a_network_that_may_use_its_package(package):
    kind = f"{package.name}.net"
    assert source_of(kind) == package / "net.py"
    assert not [name for name in sys.modules if name.startswith(package.name)]  # nothing has run yet
    assert build(kind, (8, 8), {})(torch.zeros(1, 1, 8, 8)).shape == (1, 2, 8, 8)


def test_two_files_of_one_name_are_two_networks(tmp_path):
    for name, width in (("a", 1), ("b", 2)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "net.py").write_text(NET.replace("] = 4", f"] = {width}"))
    assert [build(str(tmp_path / name / "net.py"), (8, 8), {})[0].out_channels for name in "ab"] == [1, 2]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("gone.py", r"there is no file 'gone\.py' in /"),
        ("/gone/net.py", r"there is no file '/gone/net\.py'\.$"),
        ("nets/mine", r"'nets/mine' is not allowed; the path of a module must end in \.py"),
        ("nets/mine.txt", r"must end in \.py"),
        (
            "gone.mine",
            r"there is no module 'gone\.mine' that can be imported; its package must be installed, or its folder on PYTHONPATH",
        ),
        ("json.mine", r"there is no module 'json\.mine'"),
        ("json.decoder.mine", r"there is no module 'json\.decoder\.mine'"),
        ("a..b", r"'a\.\.b' is not allowed; it must be the path of a \.py file, or the dotted name of a module"),
        (".mine", "is not allowed"),
        ("my-nets.mine", "is not allowed"),
        ("numpy._core._multiarray_umath", "is not a module with a source in Python"),
    ],
)
def test_a_network_that_is_not_there_is_one_sentence(kind, words):
    with pytest.raises(InputError, match=words):
        network_options(kind)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("def made(window): ...", r"net\.py defines no function 'build\(window, \*\*options\)', so it is no network"),
        ("build = 3", "defines no function"),
        (
            "def build(window, width, depth=3): ...",
            r"net.py: 'build' asks for width besides window; options .*, as in def build\(window, \*, width\)",
        ),
        ("def build(*, width=3): ...", r"'build' takes nothing; expected is def build\(window, \*\*options\)"),
        ("x = 1\ndef build(window:\n", r"net\.py, line 2: "),
        ("x = 1\n\0", r"net\.py.*null bytes"),
        ("# -*- coding: moon -*-\n", r"net\.py.*: .*moon"),
        (
            "N = 4\ndef build(window, *, width: int = N): ...",
            "net.py: option 'width' of 'build': N is no literal; defaults and bounds must be, such as 4 or 'paper'",
        ),
        ("build = lambda window: 3", "it must stand there as 'def build', not indented, neither imported nor assigned"),
        ("from mine import build", "neither imported nor assigned"),
        ("if True:\n    def build(window): ...", "not indented"),
        (
            'def build(window, *, width: Annotated[int, "channels"] = 4): ...',
            "'width' .*: Annotated must hold a type and",
        ),
        (
            "def build(window, *, width: Annotated[int] = 4): ...",
            "'width' .*: Annotated must hold a type and a mapping",
        ),
        ("def build(window, *, width: Annotated[int, Ge(1)] = 4): ...", "such as Annotated.int, {'minimum': 1}"),
        (
            'def build(window, *, width: Annotated[int, {"min": 1}] = 4): ...',
            "'width' of 'build': 'min' is no bound; expected are keywords of JSON schema: minimum, ",
        ),
        (
            'def build(window, *, width: Annotated[int, {"minimum": "1"}] = 4): ...',
            r"'width' of 'build': {'minimum': '1'} is no JSON schema \('1' is not of type 'number'\)",
        ),
        ('def build(window, *, width: Annotated[int, {"type": "integr"}] = 4): ...', "'integr'} is no JSON schema"),
        ('def build(window, *, width: Annotated[str, {"pattern": "("}] = 4): ...', "is no JSON schema"),
        ('def build(window, *, width: Annotated[int, {"minimum": ONE}] = 4): ...', "'width' .* is no literal"),
        ("def build(window, *, width: Literal[ONE] = 4): ...", "'width' of 'build': ONE is no literal"),
    ],
)
def test_a_file_that_is_no_network_is_one_sentence(file, source, words):
    file.write_text(source)
    with pytest.raises(InputError, match=words):
        network_options(str(file))


@pytest.mark.parametrize(
    ("annotation", "schema"),
    [
        ("int | None", {"type": ["integer", "null"]}),
        ("None | int", {"type": ["null", "integer"]}),
        ("Optional[int]", {"type": ["integer", "null"]}),
        ("typing.Optional[list[int]]", {"type": ["array", "null"], "items": {"type": "integer"}}),
        ("int | float", {"type": ["integer", "number"]}),
        ("int | float | None", {"type": ["integer", "number", "null"]}),
        ("Union[int, str, None]", {"type": ["integer", "string", "null"]}),
        ("'int'", {"type": "integer"}),
        ("'int | None'", {"type": ["integer", "null"]}),
        ("list[int]", {"type": "array", "items": {"type": "integer"}}),
        ("list", {"type": "array"}),
        ("list[int | None]", {"type": "array", "items": {"type": ["integer", "null"]}}),
        ("None | Literal['a', 3]", {"enum": ["a", 3, None]}),
        ("Annotated[int, {'minimum': 1}] | None", {"type": ["integer", "null"], "minimum": 1}),
        ("Annotated[list[int], {'minItems': 1}]", {"type": "array", "items": {"type": "integer"}, "minItems": 1}),
        ("Annotated[int, {'minimum': 1}] | float", {}),
        ("Literal['a'] | int", {}),
        ("Callable", {}),
        ("dict[str, int]", {}),
        ("'not Python'", {}),
    ],
)
def test_an_annotation_says_what_is_allowed(file, annotation, schema):
    file.write_text(f"def build(window, *, width: {annotation}): ...")
    assert network_options(str(file)) == {"width": schema}


def test_the_last_build_is_that_of_the_file(file):
    file.write_text("def build(window, *, width=3): ...\ndef build(window, *, depth=4): ...")
    assert list(network_options(str(file))) == ["depth"]


@pytest.mark.parametrize(
    "source",
    ["SIDE_MULTIPLE_OF = 2 ** 3", "SIDE_MULTIPLE_OF: int = 0", "SIDE_MULTIPLE_OF = '16'", "SIDE_MULTIPLE_OF = -4"],
)
def test_a_multiple_of_sides_that_cannot_be_is_one_sentence(file, source):
    file.write_text(f"import torch\n{source}\n")
    shown = re.escape(f"net.py, line 2: {source} is not allowed; it must be an integer of at least 1, written out.")
    with pytest.raises(InputError, match=shown):
        network_side(str(file))


def test_a_multiple_of_sides_may_be_annotated(file):
    file.write_text("SIDES: int\nSIDE_MULTIPLE_OF: int = 5\n")
    assert network_side(str(file)) == 5


def test_a_start_that_there_is_not_is_one_sentence(file):
    file.write_text(NET.replace("glorot", "kaiming"))
    with pytest.raises(InputError, match=r"net\.py' is 'kaiming'; it must be one of torch, glorot"):
        build(str(file), (8, 8), {})


def test_what_is_missing_in_a_module_that_was_found_is_no_missing_module(file, monkeypatch):
    file.with_name("found_beside.py").write_text("made = 3\n")
    file.write_text("from found_beside import nothing\n" + NET)
    monkeypatch.syspath_prepend(str(file.parent))
    with pytest.raises(InputError, match=r"cannot import name 'nothing' .* \(net\.py, line 1\)\.$"):
        build(str(file), (8, 8), {})


def test_a_missing_module_that_lies_beside_the_file_is_found_there(file):
    file.with_name("blocks_beside.py").write_text("made = 3\n")
    file.write_text("from blocks_beside import made\n" + NET)
    words = r"\(net\.py, line 1\); blocks_beside\.py lies beside it, in a folder that must be on PYTHONPATH to be looked in\.$"
    with pytest.raises(InputError, match=words):
        build(str(file), (8, 8), {})


@pytest.mark.parametrize(
    ("before", "words"),
    [
        (
            "\nimport gone_for_good\n",
            r"net\.py' cannot be imported: ModuleNotFoundError: No module named 'gone_for_good' \(net\.py, line 2\)\.$",
        ),
        ("from torch import moon\n", r"ImportError: cannot import name 'moon' .* \(net\.py, line 1\)\.$"),
        ("\n\nx = 1 / 0\n", r"ZeroDivisionError: division by zero \(net\.py, line 3\)\.$"),
        ("raise SystemExit\n", r"SystemExit: no message \(net\.py, line 1\)\.$"),
        ("def f():\n    raise ValueError('a\\nb')\nf()\n", r"ValueError: a \(net\.py, line 2\)\.$"),
    ],
)
def test_a_file_that_fails_while_it_is_imported_names_the_line(file, before, words):
    file.write_text(before + NET)
    for _ in range(2):  # the second time too
        with pytest.raises(InputError, match=words):
            build(str(file), (8, 8), {})


def test_a_module_of_a_package_that_fails_while_it_is_imported_names_the_line(package):
    (package / "deep.py").write_text("SIZE = 1\ndef f(:\n")
    with pytest.raises(InputError, match=r"net' cannot be imported: SyntaxError: .* \(deep\.py, line 2\)"):
        load(f"{package.name}.net")
    with pytest.raises(InputError, match=r"deep, line 2: "):
        code_digest(network_code(f"{package.name}.net"))


@pytest.mark.parametrize(
    ("path", "old", "new", "changes"),
    [
        ("net.py", "made()", "made().float()", True),
        ("net.py", "\ndef build", "\n# The network.\ndef build", False),
        ("parts/blocks.py", "nn.Conv2d(1, 2,", "nn.Conv2d(1, 3,", True),
        ("deep.py", "1", "3", True),
        ("constants.py", "1", "2", True),
        ("__init__.py", "", "A = 1", True),
        ("parts/__init__.py", "", "A = 1", True),
        ("other.py", "nobody", "somebody", False),
    ],
)
def test_what_a_network_of_a_package_is_made_of_changes_its_digests_and_nothing_else_does(
    package, path, old, new, changes
):
    kind = f"{package.name}.net"
    before = code_digest("training.fit", network_code(kind)), source_digest(kind)
    text = (package / path).read_text()
    assert old in text
    (package / path).write_text(text.replace(old, new))
    fresh()
    after = code_digest("training.fit", network_code(kind)), source_digest(kind)
    assert [one != other for one, other in zip(before, after, strict=True)] == [changes] * 2


def test_the_digest_of_a_file_follows_its_code_what_it_loads_and_the_package_it_builds_on(file):
    kind = str(file)
    digests = [code_digest(network_code(kind))]
    for source in (
        NET.replace("width, 3", "width, 5"),
        NET + "\nfrom ptychoformer.models.parts.outputs import constrain\n",
        NET + "\nW = 'w.bin'\n",
    ):
        file.write_text(source)
        (file.parent / "w.bin").write_bytes(b"\xff\xfe")
        fresh()
        digests.append(code_digest(network_code(kind)))
    (file.parent / "w.bin").write_bytes(b"\xff\xfd")
    fresh()
    assert len({*digests, code_digest(network_code(kind))}) == 5
    assert "models.parts.outputs" not in provenance._imports(network_code(kind))


def test_an_own_network_is_found_without_torch(file):
    program = f"""
import sys
sys.modules["torch"] = None
from ptychoformer.plugins import network_code, network_options, network_side
from ptychoformer.provenance import code_digest
network_options({str(file)!r}), network_side({str(file)!r}), code_digest("training.fit", network_code({str(file)!r}))
"""
    finished = subprocess.run([sys.executable, "-c", program], text=True, capture_output=True)
    assert finished.returncode == 0, finished.stderr


@pytest.fixture
def places(tmp_path, monkeypatch, request):
    """A network in a file, and folders on PYTHONPATH and off it; fresh names, so that nothing is imported yet."""
    name = "own_" + "".join(letter if letter.isalnum() else "_" for letter in request.node.name)
    for folder in ("nets", "shared", "venv/site-packages"):
        (tmp_path / folder).mkdir(parents=True)
    for folder in ("shared", "venv/site-packages"):
        monkeypatch.syspath_prepend(tmp_path / folder)
    before = list(sys.path), set(sys.modules)
    yield tmp_path, name
    sys.path[:] = before[0]
    for module in [module for module in sys.modules if module.startswith((name, "_outside_"))]:
        del sys.modules[module]


def written(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def digests(kind):
    fresh()
    return code_digest("training.fit", network_code(kind)), source_digest(kind)


@pytest.mark.parametrize("how", ["import {0}", "from {0} import A", "import {0} as short", "if True:\n    import {0}"])
def test_a_module_on_the_path_is_signed_with_the_file_that_imports_it(places, how):
    folder, name = places
    written(folder / "nets/net.py", how.format(name) + "\n" + NET)
    written(folder / f"shared/{name}.py", "A = 1\n")
    kind = str(folder / "nets/net.py")
    before = digests(kind)
    written(folder / f"shared/{name}.py", "A = 2\n")
    assert not set(before) & set(digests(kind))
    build(kind, (8, 8), {})
    assert unsigned(kind) == []


def test_packages_are_signed_with_what_they_import_in_turn(places):
    """A package, the package above a module, a namespace without a source, and another module that one of them imports."""
    folder, name = places
    written(folder / "nets/net.py", f"import {name}_a.b.c\nimport {name}_space.one\n" + NET)
    parts = {
        f"{name}_a/__init__.py": "",
        f"{name}_a/b/__init__.py": "",
        f"{name}_a/b/c.py": f"from ..d import D\nimport {name}_far\n",
        f"{name}_a/d.py": "D = 1\n",
        f"{name}_far.py": "F = 1\n",
        f"{name}_space/one.py": "O = 1\n",
    }
    for path, text in parts.items():
        written(folder / "shared" / path, text)
    kind = str(folder / "nets/net.py")
    seen = [digests(kind)[1]]
    for path, text in parts.items():
        written(folder / "shared" / path, text + "X = 1\n")
        seen.append(digests(kind)[1])
    assert len(set(seen)) == len(parts) + 1
    build(kind, (8, 8), {})
    assert unsigned(kind) == []


def test_what_is_installed_is_not_signed(places):
    folder, name = places
    written(folder / "nets/net.py", f"import json\nimport {name}\n" + NET)
    written(folder / f"venv/site-packages/{name}.py", "A = 1\n")
    kind = str(folder / "nets/net.py")
    before = digests(kind)
    written(folder / f"venv/site-packages/{name}.py", "A = 2\n")
    assert digests(kind) == before
    build(kind, (8, 8), {})
    assert unsigned(kind) == []


def test_a_file_beside_that_is_imported_through_its_folder_is_signed(places):
    folder, name = places
    here = "import sys\nfrom pathlib import Path\nsys.path.insert(0, str(Path(__file__).parent))\n"
    written(folder / "nets/net.py", f"{here}import {name}\n" + NET)
    written(folder / f"nets/{name}.py", f"import {name}_next\n")
    written(folder / f"nets/{name}_next.py", "A = 1\n")
    kind = str(folder / "nets/net.py")
    seen = {digests(kind)[1]}
    for path in (f"nets/{name}.py", f"nets/{name}_next.py"):
        written(folder / path, (folder / path).read_text() + "X = 1\n")
        seen.add(digests(kind)[1])
    assert len(seen) == 3
    build(kind, (8, 8), {})
    assert digests(kind)[1] in seen  # where it lies does not depend on whether it has run
    assert unsigned(kind) == []


@pytest.mark.parametrize(
    "how",
    [
        "sys.path.insert(0, {0!r})\nimport {1}\n",
        "sys.path.insert(0, {0!r})\nimport importlib\nimportlib.import_module('{1}')\n",
        "sys.path.insert(0, {0!r})\ndef late():\n    import {1}\n",
    ],
)
def test_what_is_found_only_while_it_runs_is_told(places, how):
    folder, name = places
    source = "import sys\n" + how.format(str(folder / "hidden"), name) + NET
    if "late" in how:
        source = source.replace("    return nn", "    late()\n    return nn")
    written(folder / "nets/net.py", source)
    written(folder / f"hidden/{name}.py", "A = 1\n")
    kind = str(folder / "nets/net.py")
    before = digests(kind)
    build(kind, (8, 8), {})
    assert digests(kind) == before
    assert unsigned(kind) == [folder / f"hidden/{name}.py"]


def test_a_file_of_no_package_imports_nothing_relative(places):
    folder, name = places
    written(folder / "nets/net.py", f"try:\n    from . import {name}\nexcept ImportError:\n    pass\n" + NET)
    kind = str(folder / "nets/net.py")
    before = digests(kind)
    written(folder / f"nets/{name}.py", "A = 1\n")
    assert digests(kind) == before


VIEWS = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        mask = torch.polar(torch.ones(6, 4), torch.rand(6, 4))
        self.real, self.sliced = nn.Parameter(mask.real), nn.Parameter(torch.rand(6, 8)[:, :4])
        self.wide = nn.Parameter(torch.rand(4).expand(6, 4))
        self.register_buffer("grid", torch.meshgrid(torch.rand(6), torch.rand(4), indexing="ij")[0])

def build(window):
    return Net()
"""


def test_views_of_other_tensors_are_adjusted_from_end_to_end(tmp_path):
    (tmp_path / "views.py").write_text(VIEWS)
    network = build(str(tmp_path / "views.py"), (6, 4), {})
    before = {name: part.detach().clone() for name, part in network.named_parameters()}
    optimiser = Adam(network.parameters(), 0.1)
    (network.real.sum() + network.sliced.sum() + network.wide.sum()).backward()
    optimiser.step()
    for name, part in network.named_parameters():
        torch.testing.assert_close(part.detach(), before[name] - 0.1)
    network.load_state_dict(network.state_dict())  # into memory that no two numbers share
