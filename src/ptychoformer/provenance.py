"""Where a result came from: digests of code and configuration, and the sidecar file that stands beside every artefact."""

import ast
import hashlib
import json
import platform
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from ptychoformer import __version__
from ptychoformer.files import write_text

PACKAGE = Path(__file__).parent
LIBRARIES = ("numpy", "scipy", "h5py", "torch", "scikit-image", "statsmodels", "pandas", "matplotlib", "snakemake")


def digest(value: Any) -> str:
    """Twelve hexadecimal digits that change with any JSON-like value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:12]


@cache
def code_digest(*modules: str) -> str:
    """Digest of the named modules (``"training.fit"``) and of every module of the package that they import.

    Comments, docstrings and layout do not count, so that only a change that could change a result re-runs anything; files beside a
    module that it names (a style sheet, a template) do.
    """
    names: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name not in names:
            names.add(name)
            waiting.extend(_imports(name))
    return digest({name: _code(name) for name in sorted(names)})


def _path(module: str) -> Path:
    base = PACKAGE.joinpath(*module.split("."))
    return base / "__init__.py" if base.is_dir() else base.with_suffix(".py")


@cache
def _nodes(module: str) -> list[ast.AST]:
    """The syntax tree without its docstrings, and every node under it."""
    nodes: list[ast.AST] = [ast.parse(_path(module).read_text(encoding="utf-8"))]
    for node in nodes:  # grows as it goes
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
        nodes.extend(ast.iter_child_nodes(node))
    return nodes


@cache
def _code(module: str) -> list[str]:
    folder, nodes = _path(module).parent, _nodes(module)
    names = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str) and "." in node.value}
    beside = sorted(name for name in names if "/" not in name and len(name) < 100 and (folder / name).is_file())
    return [ast.unparse(nodes[0]), *((folder / name).read_text(encoding="utf-8") for name in beside)]


@cache
def _imports(module: str) -> tuple[str, ...]:
    found = set()
    for node in _nodes(module):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        inside = (name.removeprefix("ptychoformer.") for name in names if name.startswith("ptychoformer."))
        found.update(name for name in inside if _path(name).is_file())
    return tuple(sorted(found))


@cache
def library_versions() -> dict[str, str]:
    """Installed versions of the libraries that results depend on, read without importing them."""
    versions = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def sidecar(artefact: str | Path) -> Path:
    """The name of the provenance file that stands beside an artefact."""
    artefact = Path(artefact)
    return artefact.with_name(f"{artefact.name}.provenance.json")


def record(artefact: str | Path, parameters: Mapping[str, Any], seconds: float, facts: Mapping[str, Any]) -> None:
    """Write the sidecar of ``artefact``: configuration and its digest, versions, machine, seconds, and ``facts`` such as the device."""
    content = {
        "artefact": Path(artefact).name,
        "package": __version__,
        "configuration": dict(parameters),
        "configuration_digest": digest(parameters),
        "libraries": library_versions(),
        "machine": f"{platform.system()} {platform.machine()}",
        "seconds": round(seconds, 3),
    } | dict(facts)
    write_text(json.dumps(content, indent=2, default=str) + "\n", sidecar(artefact))
