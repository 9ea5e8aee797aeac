"""Where things may lie that a config names: every path that is made of its words stays in the
folder that it belongs to, symbolic links followed.

Needs nothing but Python, so that the workflow can use it while it parses. What lies in a folder
that may not be entered is not there to `os.path`; a `Path` would raise an error.
"""

import os
import unicodedata
from pathlib import Path, PurePosixPath

from ptychoformer.errors import InputError

# Bytes of a name; file systems take 255, and those of provenance, before it is renamed, are longer
# than their files' by 58.
LONGEST = 190
# Folders of the project that hold no results; those whose names begin with a dot are not listed.
OWN = {"config", "docs", "profiles", "resources", "site", "src", "tests", "workflow"}
SYSTEM = ("bin", "boot", "dev", "etc", "lib", "lib32", "lib64", "proc", "run", "sbin", "sys", "usr", "var")
USERS = ("dev/shm", "run/media", "var/home", "var/scratch", "var/tmp")  # below SYSTEM
# Names that mean a device where a disk is shared with Windows.
DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{digit}" for port in ("com", "lpt") for digit in range(10))}


def same_name(name: str) -> str:
    """Return what two names share that are one and the same on some disks: macOS and Windows tell
    neither capitals nor ways to compose a letter.
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def fault_of_path(path: object) -> str:
    """Say what is wrong with a relative path of a file below some folder; empty if nothing is."""
    if not isinstance(path, str) or not path.strip("./ "):
        return "which is no path"
    parts = PurePosixPath(path).parts
    if path.startswith("/") or ".." in parts:
        return "which leads elsewhere"
    return next(filter(None, map(fault_of_part, parts)), "")


def fault_of_part(name: str) -> str:
    """Say what is wrong with the name of a file or folder; empty if nothing is."""
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in name):
        return "which holds a control character"
    if len(os.fsencode(name)) > LONGEST:
        return f"in which a name is longer than {LONGEST} bytes"
    return ""


def is_within(path: str | os.PathLike, folder: str | os.PathLike) -> bool:
    """Say whether ``path``, which need not exist, lies in ``folder``, symbolic links followed."""
    try:
        return Path(path).resolve().is_relative_to(Path(folder).resolve())
    except (OSError, RuntimeError):  # links in a circle
        return False


def check_results(folder: str | None, project: str | os.PathLike) -> None:
    """Check that results may go to ``folder``, the config's ``pathvars.results``.

    Below the working folder it may be any folder but the project's own ones. Elsewhere, such as on
    a scratch disk, it must exist: neither a slip of the pen nor somebody else's config makes
    folders there.

    Args:
        folder: a path, absolute or from the working folder; None is the default.
        project: its folder.

    Raises:
        InputError: they may not.
    """
    if folder and (fault := _fault_of_results(folder, Path(project).resolve())):
        raise InputError(
            f"pathvars.results: {folder!r} is not allowed, {fault}; it must be a folder of its own below the project,"
            " or the full path of one that exists elsewhere, such as on a scratch disk."
        )


def named_once(path: str) -> str:
    """Return the one name of a file or folder: from the working folder if it is below that, else
    its full path. Snakemake remembers how a file was made by the words of its path.
    """
    if not os.path.isabs(path):
        return os.path.relpath(path)
    found, here = Path(os.path.normpath(path)), Path.cwd()
    home = next((one for one in found.parents if os.path.exists(one) and os.path.samefile(one, here)), None)
    return str(found.relative_to(home) if home else found)


def _fault_of_results(folder: str, project: Path) -> str:
    parts = PurePosixPath(folder).parts
    if fault := next(filter(None, map(fault_of_part, parts)), ""):
        return fault
    if ".." in parts or any(part.startswith(("~", "-")) or part != part.strip() for part in parts):
        return "in which no name may be '..', begin with '~' or '-', or begin or end with a blank"
    try:
        target = Path(folder).resolve()
    except (OSError, RuntimeError):
        return "which is a symbolic link in a circle"
    for home in (Path.cwd().resolve(), project):
        if target == home or target in home.parents:
            return "which holds the project itself"
        if target.is_relative_to(home):
            first = target.relative_to(home).parts[0]
            return "which is one of the project's own folders" if _is_own(first) else ""
    # A link of the project leads there, below which folders are made as below the project itself.
    linked = not PurePosixPath(folder).is_absolute() and Path(parts[0]).is_dir()
    return _fault_elsewhere(target, made=linked)


def _is_own(name: str) -> bool:
    return name.startswith(".") or same_name(name) in OWN


def _fault_elsewhere(target: Path, *, made: bool) -> str:
    """Say what is wrong with a folder outside the project, which may be made where ``made`` says
    so.
    """
    system, users = (any(target.is_relative_to(Path("/", name)) for name in names) for names in (SYSTEM, USERS))
    if target == Path.home().resolve() or (system and not users):
        return "which is a home folder or one of the system's"
    if any(part.startswith(".") for part in target.parts):
        return "which is a hidden folder"
    there = next(folder for folder in (target, *target.parents) if os.path.exists(folder))
    if there.is_dir() and not os.access(there, os.X_OK):
        return "which may not be entered"
    if not there.is_dir() or (there != target and not made):
        return "which is no folder that exists"
    return "" if os.access(there, os.W_OK) else "which may not be written to"
