"""Files that are written whole or not at all. Needs nothing but Python, so that the workflow
can use it while it parses.
"""

import errno
import fcntl
import hashlib
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from ptychoformer.errors import InputError, OutputError

_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
# What file systems say that lock nothing, or no folders (NFS).
_NO_LOCKS = {errno.ENOLCK, errno.EBADF, errno.EINVAL, errno.ENOTSUP, errno.ENOSYS}
ABANDONED = 600.0  # seconds in which nobody wrote into a shared file
JUST_BEGUN = 2.0  # seconds: a writer locks its file a moment after it has made it


@contextmanager
def atomic(path: str | os.PathLike, shared: bool = False) -> Iterator[Path]:
    """Yield a temporary name beside ``path`` (same suffix); rename it on success, else remove it.

    Every process has a name of its own, which it holds locked, so that two writers do not meet; the
    next one removes what killed ones left behind some seconds ago. What is left of a ``shared``
    file, which other machines may write, whose locks are not seen here, has to be old.

    Raises:
        OutputError: the disk is full or the folder cannot be written to.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.partial.{uuid.uuid4().hex}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(path, ABANDONED if shared else JUST_BEGUN)
        with open(temporary, "xb") as held:
            try_lock(held.fileno())
            yield temporary
            temporary.replace(path)
    except OSError as error:
        if reason := _why_not_written(error) or _in_the_way(path):
            raise OutputError(f"{path} cannot be written: {reason}. Nothing was left half-written.") from error
        raise
    finally:
        with suppress(NotADirectoryError):
            temporary.unlink(missing_ok=True)


def _remove_abandoned(path: Path, seconds: float) -> None:
    """Remove what nobody writes any more, if nobody did for some seconds."""
    begun = f".{path.stem}.partial."
    for other in path.parent.iterdir():
        if other.name.startswith(begun) and other.suffix == path.suffix:
            with suppress(OSError), open(other, "rb") as left:  # gone meanwhile, or another user's
                free = try_lock(left.fileno())
                needed = ABANDONED if free is None else seconds
                if free is not False and time.time() - other.lstat().st_mtime > needed:
                    other.unlink()


def try_lock(descriptor: int) -> bool | None:
    """Lock an open file or folder until it is closed or its process dies.

    Returns:
        Whether it could be; None where the file system does not know locks, or none of folders.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return None
        raise
    return True


def is_disk_full(error: OSError) -> bool:
    """Say whether an error means that there is no more room, or none for this user or this file."""
    return error.errno in _DISK_FULL


def _why_not_written(error: OSError) -> str | None:
    if is_disk_full(error):
        return "the disk is full; free some space and run the same command again"
    if error.errno in _FORBIDDEN:
        return f"permission denied ({error.strerror})"
    return None


def _in_the_way(path: Path) -> str | None:
    if path.is_dir():
        return "a folder lies there; move it away and run the same command again"
    other = not_a_folder(path.parent)
    return f"{other} is no folder; move it away and run the same command again" if other else None


def not_a_folder(folder: Path) -> Path | None:
    """Find what keeps a folder from being made, or written into, because it is none: a file, a link
    that leads nowhere; the lowest one that is there.
    """
    there = next((part for part in (folder, *folder.parents) if os.path.lexists(part)), None)
    return None if there is None or there.is_dir() else there


def check_folder(folder: Path) -> None:
    """Check that ``folder`` is one or can be made: neither it nor what it lies in is a file.

    Raises:
        OutputError: something is.
    """
    if other := not_a_folder(folder):
        raise OutputError(f"The folder {folder} cannot be made: {other} is no folder; move it away.")


def content_digest(path: str | os.PathLike) -> str:
    """Compute the SHA-256 of a file's content.

    Raises:
        OSError: it cannot be read.
    """
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_file(path: str | os.PathLike) -> None:
    """Check that there is a regular file to read, never a pipe or a device that would block.

    Raises:
        InputError: it is something else, or missing.
    """
    path = Path(path)
    if path.is_file():
        return
    if path.exists():
        raise InputError(f"{path} is no regular file{' but a folder' if path.is_dir() else ''}.")
    if path.is_symlink():
        raise InputError(f"{path} is a symbolic link to {os.readlink(path)}, which does not exist.")
    raise InputError(f"{path} does not exist.")


@contextmanager
def locked(folder: str | os.PathLike) -> Iterator[None]:
    """Keep other processes that ask for it out of ``folder``; no file is left there, and a kill
    ends it. Where folders cannot be locked (NFS) a file ``.lock`` in it is, which stays.

    Raises:
        OutputError: another process is there, or the folder cannot be written to.
    """
    with ExitStack() as opened:
        descriptor = os.open(folder, os.O_RDONLY)
        opened.callback(os.close, descriptor)
        if (free := try_lock(descriptor)) is None:
            free = try_lock(opened.enter_context(_opened(Path(folder, ".lock"))).fileno())
        if free is False:
            raise OutputError(
                f"{folder} is being written into by another process; wait for it or end it, or name another folder."
            )
        yield


@contextmanager
def alone(path: str | os.PathLike) -> Iterator[None]:
    """Keep other processes that ask for it from making the file ``path``, by a locked file
    ``.NAME.lock`` beside it. A killed process leaves that behind, unlocked.

    Raises:
        OutputError: another process is making it, or the folder cannot be written to.
    """
    path = Path(path)
    lock = path.with_name(f".{path.name}.lock")
    with _opened(lock) as file:
        free = try_lock(file.fileno())
        # Who ended after it was opened has taken it away, and another may have begun since.
        gone = free and not (lock.exists() and os.path.samestat(os.stat(lock), os.fstat(file.fileno())))
        if free is False or gone:
            raise OutputError(
                f"{path} is being written by another process; wait for it or end it, or name another output."
            )
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


def _opened(path: Path) -> BinaryIO:
    try:
        return open(path, "ab")
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {_why_not_written(error) or error}.") from error


def write_text(text: str, path: str | os.PathLike) -> None:
    """Write a UTF-8 text file."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
