"""Modules of a user's own that a config names: a file of Python by its path, or an importable
module by its dotted name.

Where they lie is found without running them, and without torch, so that the workflow can ask while
it parses.
"""

import importlib
import importlib.util
import sys
import traceback
import zlib
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

from ptychoformer.errors import InputError, PtychoformerError


def is_outside(kind: str) -> bool:
    """Whether a kind names a module outside the package, whose own have plain names."""
    return "." in kind or "/" in kind


def source_of(kind: str) -> Path:
    """The file that a kind outside the package names; a relative path is one from the working
    folder.

    Raises:
        InputError: there is no such file or module.
    """
    if _is_path(kind):
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


def neighbour(kind: str, name: str, level: int) -> str:
    """The full name that an ``import`` in a module outside means; empty if it is of another package
    than the module.

    Args:
        name: as it is written, "" in ``from . import x``.
        level: number of dots before it.
    """
    if _is_path(kind):
        return ""
    if level:
        is_package = source_of(kind).stem == "__init__"
        package = kind.split(".")[: None if is_package and level == 1 else -level + is_package]
        name = ".".join([*package, *([name] if name else [])])
    return name if name.split(".")[0] == kind.split(".")[0] else ""


def is_there(name: str) -> bool:
    """Whether a dotted name is that of a module with a source in Python."""
    spec = _spec(name)
    return spec is not None and (spec.origin or "").endswith(".py")


def load(kind: str) -> ModuleType:
    """Import a module outside the package.

    Raises:
        InputError: there is none, or it fails while it is imported; with the line.
    """
    path = source_of(kind)
    try:
        return _loaded_file(path) if _is_path(kind) else importlib.import_module(kind)
    except (PtychoformerError, MemoryError):
        raise
    except (Exception, SystemExit) as error:  # of a script that ends its process, too
        raise InputError(f"'{kind}' cannot be imported: {told(error, path)}.") from error


def told(error: BaseException, source: Path) -> str:
    """An error in words: its type, the first line of its message, and the last line of
    ``source`` that led to it.
    """
    words = str(error).strip().splitlines() or ["no message"]
    if isinstance(error, SyntaxError) and error.filename:
        return f"{type(error).__name__}: {error.msg} ({Path(error.filename).name}, line {error.lineno})"
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).resolve() == source.resolve()
    ]
    place = f" ({source.name}, line {lines[-1]})" if lines else ""
    return f"{type(error).__name__}: {words[0].rstrip('.')}{place}"


def _is_path(kind: str) -> bool:
    return "/" in kind or kind.endswith(".py")


def _spec(name: str) -> ModuleSpec | None:
    """Where a module lies; unlike `importlib.util.find_spec` this does not run the packages
    above it.
    """
    top, *parts = name.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):  # of a module that was not imported from anywhere
        return None
    for place in range(1, len(parts) + 1):
        if spec is None or spec.submodule_search_locations is None:
            return None
        spec = PathFinder.find_spec(".".join([top, *parts[:place]]), list(spec.submodule_search_locations))
    return spec


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
