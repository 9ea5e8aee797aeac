"""Where a result came from: digests of code and configuration, and the sidecar file that stands
beside every artefact.
"""

import ast
import hashlib
import json
import platform
import sys
import zlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

from ptychoformer import __version__, outside
from ptychoformer.errors import InputError, OutputError, raise_unless_damaged
from ptychoformer.files import atomic, check_file, content_digest, write_text

PACKAGE = Path(__file__).parent
OUTSIDE = "outside:"  # before the name of a module that is not of the package: see `outside`
# Modules that refuse and do nothing else: whatever stands in them, what is not refused is the same.
UNCOUNTED = frozenset({"errors", "memory", "training.contract", "training.trial"})
# What is read again of formats without checksums, and networks: one of another run would fit too.
SIGNED = {".csv", ".json", ".pt"}
# What reads sources: this file, as it is imported, and Python's own parser.
_READ_BY = f"{content_digest(__file__)}, Python {sys.version}"
LIBRARIES = ("numpy", "scipy", "h5py", "torch", "scikit-image", "statsmodels", "pandas", "matplotlib", "snakemake")


def digest(value: Any) -> str:
    """Compute twelve hexadecimal digits that change with any JSON-like value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:12]


@cache
def code_digest(*modules: str) -> str:
    """Compute the digest of the named modules (``"training.fit"``, ``"outside:networks/mine.py"``)
    and of every module of the package that they import, but for `UNCOUNTED`; of a module outside
    also of what it imports of users' own (`outside.imported`).

    Comments, docstrings and layout do not count, so that only a change that could change a result
    re-runs anything; files beside a module that it names (a style sheet, a template) do.
    """
    return digest({name: _code(name) for name in _reached(modules)})


def contents_of(*modules: str) -> dict[str, str]:
    """Map the files of the modules that a `code_digest` covers to the SHA-256 of what they held
    when this process read them.
    """
    return {str(_path(name)): _first_content(name) for name in _reached(modules)}


def source_digest(kind: str) -> str:
    """Compute the digest of a module outside the package, and of what it imports of users' own
    alone.
    """
    return digest({name: _code(name) for name in _of_users_alone(kind)})


def unsigned(kind: str) -> list[Path]:
    """Find the files of users' own that a module outside has imported by now, but that
    `source_digest` does not know: found only while it runs, or compiled.
    """
    signed = {_path(name).resolve() for name in _of_users_alone(kind)}
    return sorted(outside.pulled_in(kind) - signed)


def check_unedited(kind: str) -> None:
    """Check that a module outside, and what it imports of users' own, is as this process read it
    first: Python runs what it has imported, whatever the files hold by now.

    Raises:
        InputError: a file was edited since.
    """
    edited = [_path(name) for name in _of_users_alone(kind) if content_digest(_path(name)) != _first_content(name)]
    if edited:
        raise InputError(
            f"{' and '.join(map(str, edited))} changed since this process began to use '{kind}'; start a new one"
            " (restart the notebook's kernel), which reads it anew."
        )


def _of_users_alone(kind: str) -> list[str]:
    return [name for name in _reached([f"{OUTSIDE}{kind}"]) if name.startswith(OUTSIDE)]


def parsed(path: Path, name: str) -> ast.Module:
    """Parse a file of Python into its syntax tree.

    Args:
        name: of the file, for the user.

    Raises:
        InputError: it cannot be read or is no Python; with the line.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{name} cannot be read as Python ({error}).") from error
    return _tree(content, name)


def _tree(content: bytes, name: str) -> ast.Module:
    try:
        return ast.parse(content)
    except SyntaxError as error:
        place = f", line {error.lineno}" if error.lineno else ""
        raise InputError(f"{name}{place}: {error.msg}.") from error
    except ValueError as error:  # of a file with null bytes
        raise InputError(f"{name} cannot be read as Python ({error}).") from error


def _reached(modules: Iterable[str]) -> list[str]:
    """Find the modules and all that they import, sorted."""
    names: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name not in names:
            names.add(name)
            waiting.extend(_imports(name))
    return sorted(names)


def _path(module: str) -> Path:
    if module.startswith(OUTSIDE):
        return outside.source_of(module.removeprefix(OUTSIDE))
    base = PACKAGE.joinpath(*module.split("."))
    return base / "__init__.py" if base.is_dir() else base.with_suffix(".py")


@cache
def _first_content(module: str) -> str:
    """Compute the SHA-256 of a module's file as it was when it was first asked for."""
    return content_digest(_path(module))


@dataclass(frozen=True)
class _Source:
    """What counts of a module.

    Args:
        code: without comments, docstrings and layout.
        imports: of each import what it names, from which module (None without one), and the level
            of a relative one.
        dotted: its strings with a dot, which may name files beside it.
    """

    code: str
    imports: list[tuple[list[str], str | None, int]]
    dotted: list[str]


@cache
def _source(module: str) -> _Source:
    """Read a module. Of the package's own what was read is remembered beside Python's cache of it:
    to parse them all takes longer than the rest of a plan.
    """
    _first_content(module)
    path = _path(module)
    content = path.read_bytes()
    if module.startswith(OUTSIDE):
        return _read(content, module.removeprefix(OUTSIDE))
    try:
        memory = Path(cache_from_source(path)).with_suffix(".code")
    except NotImplementedError:  # a Python that keeps no compiled modules
        return _read(content, module)
    key = [hashlib.sha256(content).hexdigest(), _READ_BY]
    with suppress(OSError, ValueError, TypeError, KeyError, zlib.error):
        known = json.loads(zlib.decompress(memory.read_bytes()))
        if known["key"] == key:
            return _Source(**known["source"])
    source = _read(content, module)
    # A folder that cannot be written to costs no more than reading the file again.
    if not sys.dont_write_bytecode:
        with suppress(OSError, OutputError), atomic(memory, shared=True) as temporary:
            # Compressed, so that a search through the sources does not find all of them twice.
            temporary.write_bytes(zlib.compress(json.dumps({"key": key, "source": vars(source)}).encode()))
    return source


def _read(content: bytes, name: str) -> _Source:
    nodes: list[ast.AST] = [_tree(content, name)]
    imports: list[tuple[list[str], str | None, int]] = []
    dotted = set()
    for node in nodes:  # grows as it goes
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and ast.get_docstring(node, clean=False) is not None
        ):
            node.body = node.body[1:]
        elif isinstance(node, ast.Import):
            imports.append(([alias.name for alias in node.names], None, 0))
        elif isinstance(node, ast.ImportFrom):
            imports.append(([alias.name for alias in node.names], node.module, node.level))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "." in node.value:
            dotted.add(node.value)
        nodes.extend(ast.iter_child_nodes(node))
    return _Source(ast.unparse(nodes[0]), imports, sorted(dotted))


@cache
def _code(module: str) -> list[str]:
    """Return the code of a module, and the content of each file beside it that it names."""
    folder, source = _path(module).parent, _source(module)
    # Modules of users' own count where one is named, those of the package where one is imported.
    names = (
        source.dotted if module.startswith(OUTSIDE) else [name for name in source.dotted if not name.endswith(".py")]
    )
    beside = sorted(name for name in names if "/" not in name and len(name) < 100 and (folder / name).is_file())
    return [source.code, *(_content(folder / name) for name in beside)]


def _content(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:  # weights that a network starts from, for example
        return content_digest(path)


@cache
def _imports(module: str) -> tuple[str, ...]:
    found = set()
    for names, base, _ in _source(module).imports:
        whole = [base, *(f"{base}.{name}" for name in names)] if base else names
        inside = (name.removeprefix("ptychoformer.") for name in whole if name.startswith("ptychoformer."))
        found.update(name for name in inside if name not in UNCOUNTED and _path(name).is_file())
    return tuple(sorted(found | _of_users(module)))


def _of_users(module: str) -> set[str]:
    """Find what a module outside imports of users' own, and the packages above it."""
    kind = module.removeprefix(OUTSIDE)
    if kind == module:
        return set()
    found = set() if kind.endswith(".py") else set(outside.imported(kind, kind))
    for names, base, level in _source(module).imports:
        parts = [base] if base else []
        whole = [".".join([*parts, *more]) for more in ([], *([name] for name in names))] if level or base else names
        found.update(place for name in whole for place in outside.imported(kind, name, level))
    return {f"{OUTSIDE}{name}" for name in found - {kind}}


@cache
def library_versions() -> dict[str, str]:
    """Look up the installed versions of the libraries that results depend on, without importing
    them.
    """
    versions = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def sidecar(artefact: str | Path) -> Path:
    """Name the provenance file that stands beside an artefact."""
    artefact = Path(artefact)
    return artefact.with_name(f"{artefact.name}.provenance.json")


def record(artefact: str | Path, parameters: Mapping[str, Any], seconds: float, facts: Mapping[str, Any]) -> None:
    """Write the sidecar of ``artefact``: configuration and its digest, versions, machine,
    seconds, ``facts`` such as the device, and of what is `SIGNED` the digest.
    """
    content = {
        "artefact": Path(artefact).name,
        "package": __version__,
        "configuration": dict(parameters),
        "configuration_digest": digest(parameters),
        "libraries": library_versions(),
        "machine": f"{platform.system()} {platform.machine()}",
        "seconds": round(seconds, 3),
    } | dict(facts)
    if Path(artefact).suffix in SIGNED and Path(artefact).is_file():
        content["sha256"] = content_digest(artefact)
    write_provenance(content, artefact)


def announce(artefact: str | Path, parameters: Mapping[str, Any]) -> None:
    """Write a sidecar that says what is about to take the place of ``artefact``, so that a process
    that is killed before `record` leaves none that is of other content.
    """
    content = {"artefact": Path(artefact).name, "package": __version__, "configuration": dict(parameters)}
    write_provenance(content | {"unfinished": True}, artefact)


def write_provenance(content: Mapping[str, Any], artefact: str | Path) -> None:
    """Write the sidecar of ``artefact``, with a digest of its own content."""
    content = json.loads(json.dumps(content, default=str))
    content["provenance_digest"] = digest({name: part for name, part in content.items() if name != "provenance_digest"})
    write_text(json.dumps(content, indent=2) + "\n", sidecar(artefact))


def read_provenance(artefact: str | Path) -> dict[str, Any]:
    """Read the sidecar of an artefact.

    Raises:
        InputError: it is missing, not JSON, or not as it was written.
    """
    path = sidecar(artefact)
    try:
        check_file(path)
        content = json.loads(path.read_text(encoding="utf-8"))
        written = content.pop("provenance_digest")
    except (InputError, OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise_unless_damaged(error, path)
        raise InputError(
            f"{path} cannot be read as provenance; delete {artefact} and run again to make both anew."
        ) from error
    if written != digest(content):
        raise InputError(f"{path} is not as it was written; delete {artefact} and run again to make both anew.")
    return content


def check_content(artefact: str | Path) -> None:
    """Check that an artefact is, to the bit, what its provenance says, if that says so.

    Raises:
        InputError: it is not.
    """
    if not sidecar(artefact).exists():
        return
    if read_provenance(artefact).get("sha256") not in (None, content_digest(artefact)):
        raise InputError(
            f"{artefact} is not as it was written: it is damaged, was edited, or is another one; delete it, and run"
            " the same command that made it again."
        )
