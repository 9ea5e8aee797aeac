"""Modules of a user's own that a config names: a file of Python by its path, or an importable
module by its dotted name.

Where they lie is found without running them, and without torch, so that the workflow can ask while
it parses.
"""

import importlib
import importlib.util
import re
import sys
import sysconfig
import traceback
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

from ptychoformer.errors import InputError, PtychoformerError


def is_outside(kind: str) -> bool:
    """Say whether a kind names a module outside the package, whose own have plain names."""
    return "." in kind or "/" in kind


def is_path(kind: str) -> bool:
    """Say whether a kind outside the package is the path of a file, rather than a dotted name."""
    return "/" in kind or kind.endswith(".py")


def source_of(kind: str) -> Path:
    """Find the file that a kind outside the package names, relative to the working folder.

    Raises:
        InputError: there is no such file or module.
    """
    if is_path(kind):
        path = Path(kind).expanduser()
        if path.suffix != ".py":
            raise InputError(f"'{kind}' is not allowed; the path of a module must end in .py.")
        if not path.is_file():
            raise InputError(f"there is no file '{kind}'{'' if path.is_absolute() else f' in {Path.cwd()}'}.")
        return path
    if not all(part.isidentifier() for part in kind.split(".")):
        raise InputError(f"'{kind}' is not allowed; it must be the path of a .py file, or the dotted name of a module.")
    spec = _spec(kind)
    if spec is None:
        raise InputError(
            f"there is no module '{kind}' that can be imported; its package must be installed, or its folder on"
            " PYTHONPATH."
        )
    if not (spec.origin or "").endswith(".py"):
        raise InputError(f"'{kind}' is not a module with a source in Python.")
    return Path(spec.origin)


def imported(kind: str, name: str, level: int = 0) -> list[str]:
    """Find what an ``import`` in a module outside runs of users' own: the kinds of the modules,
    those of the packages above them among them.

    All of the module's own package is, and all else that was not installed: on PYTHONPATH, in the
    working folder, or, of a file, beside it.

    Args:
        name: as it is written, "" in ``from . import x``.
        level: number of dots before it.
    """
    if level:
        if is_path(kind):  # of no package, so that this cannot be imported
            return []
        name = ".".join(filter(None, (_package_above(kind, level), name)))
    parts = name.split(".")
    own = not is_path(kind) and parts[0] == kind.split(".")[0]
    found = [
        place
        for place in (".".join(parts[:count]) for count in range(1, len(parts) + 1))
        if _is_there(place) and (own or _is_users(source_of(place)))
    ]
    if not found and is_path(kind) and source_of(kind).with_name(f"{parts[0]}.py").is_file():
        return [str(Path(kind).with_name(f"{parts[0]}.py"))]
    return found


def _package_above(kind: str, level: int) -> str:
    """Find the package that ``level`` dots mean in a module."""
    is_package = source_of(kind).stem == "__init__"
    return ".".join(kind.split(".")[: None if is_package and level == 1 else -level + is_package])


def _is_there(name: str) -> bool:
    """Say whether a dotted name is that of a module with a source in Python."""
    spec = _spec(name)
    return spec is not None and (spec.origin or "").endswith(".py")


@cache
def _installed() -> tuple[Path, ...]:
    """List the folders of what is nobody's own: Python's, those that pip and conda fill, this
    package.
    """
    named = (sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib"))
    return *(Path(folder).resolve() for folder in named), Path(__file__).resolve().parent


def _is_users(source: Path) -> bool:
    source = source.resolve()
    return not {"site-packages", "dist-packages"} & set(source.parts) and not any(
        source.is_relative_to(folder) for folder in _installed()
    )


@contextmanager
def noting(kind: str) -> Iterator[None]:
    """Note which modules of users' own a network or loss imports meanwhile (see `pulled_in`), and
    which folders it adds to those that modules are looked for in: where a module lies must not
    depend on whether it has run.
    """
    before, folders = set(sys.modules), set(sys.path)
    try:
        yield
    finally:
        known = {Path(folder).resolve() for folder in folders}  # maybe by another name
        _added.update({Path(folder).resolve() for folder in set(sys.path) - folders} - known)
        files = [getattr(sys.modules[name], "__file__", None) for name in set(sys.modules) - before]
        sources = {Path(file).resolve() for file in files if file}
        _pulled_in.setdefault(kind, set()).update(filter(_is_users, sources))


_pulled_in: dict[str, set[Path]] = {}
_added: set[Path] = set()


def pulled_in(kind: str) -> set[Path]:
    """Find the files of users' own that were imported while a module was loaded and built."""
    return _pulled_in.get(kind, set())


def load(kind: str) -> ModuleType:
    """Import a module outside the package.

    Raises:
        InputError: there is none, or it fails while it is imported; with the line.
    """
    path = source_of(kind)
    try:
        with noting(kind):
            return _loaded_file(path) if is_path(kind) else importlib.import_module(kind)
    except (PtychoformerError, MemoryError):
        raise
    except (Exception, SystemExit) as error:  # of a script that ends its process, too
        raise InputError(f"'{kind}' cannot be imported: {told(error, path)}{_beside(error, path)}.") from error


def _beside(error: BaseException, path: Path) -> str:
    """Say of a missing module that it lies beside the file that imports it, if it does."""
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return ""
    missing = path.with_name(error.name.partition(".")[0])
    for found, name in ((missing.with_suffix(".py"), f"{missing.name}.py"), (missing / "__init__.py", missing.name)):
        if found.is_file():
            return f"; {name} lies beside it, in a folder that must be on PYTHONPATH to be looked in"
    return ""


def told(error: BaseException, source: Path) -> str:
    """Put an error in words: its type, the first line of its message (two of one that ends in a
    colon), and the last line of ``source`` that led to it.
    """
    words = re.sub(r":\s*\n\s*", ": ", str(error).strip(), count=1).splitlines() or ["no message"]
    if isinstance(error, SyntaxError) and error.filename:
        return f"{type(error).__name__}: {error.msg} ({Path(error.filename).name}, line {error.lineno})"
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).resolve() == source.resolve()
    ]
    place = f" ({source.name}, line {lines[-1]})" if lines else ""
    return f"{type(error).__name__}: {words[0].rstrip('.')}{place}"


def _spec(name: str) -> ModuleSpec | None:
    """Find a module without running the packages above it, as `importlib.util.find_spec` does."""
    top, *parts = name.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):  # of a module that was not imported from anywhere
        return None
    if spec is not None and _folder_of(spec) in _added:
        return None
    for place in range(1, len(parts) + 1):
        if spec is None or spec.submodule_search_locations is None:
            return None
        spec = PathFinder.find_spec(".".join([top, *parts[:place]]), list(spec.submodule_search_locations))
    return spec


def _folder_of(spec: ModuleSpec) -> Path | None:
    """Find the folder of a module or package that belongs to no other."""
    places = [spec.origin] if spec.submodule_search_locations is None else list(spec.submodule_search_locations)
    return Path(places[0]).resolve().parent if places and places[0] else None


def _loaded_file(path: Path) -> ModuleType:
    path = path.resolve()
    name = f"_outside_{path.stem}_{zlib.crc32(str(path).encode()):08x}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
