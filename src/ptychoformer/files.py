"""Files that are written whole or not at all. Needs nothing but Python, so that the workflow
can use it while it parses.
"""

import errno
import fcntl
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ptychoformer.errors import OutputError

_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
ABANDONED = 600.0  # seconds in which nobody wrote into a shared file


@contextmanager
def atomic(path: str | os.PathLike, shared: bool = False) -> Iterator[Path]:
    """Yield a temporary name beside ``path`` (same suffix); rename it on success, remove it on any
    failure.

    The name is always the same, so that the next attempt writes over what a killed process left
    behind; unless the file is ``shared``: where several processes may write it at once each has a
    name of its own, and what killed ones left is removed when it is old.

    Raises:
        OutputError: the disk is full or the folder cannot be written to.
    """
    path = Path(path)
    own = f".{uuid.uuid4().hex}" if shared else ""
    temporary = path.with_name(f".{path.stem}.partial{own}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if shared:
            _remove_abandoned(path)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        if reason := _why_not_written(error):
            raise OutputError(f"{path} cannot be written: {reason}. Nothing was left half-written.") from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def _remove_abandoned(path: Path) -> None:
    begun = f".{path.stem}.partial."
    for other in path.parent.iterdir():
        if other.name.startswith(begun) and other.suffix == path.suffix:
            with suppress(FileNotFoundError):  # its writer ended meanwhile
                if time.time() - other.lstat().st_mtime > ABANDONED:
                    other.unlink()


def _why_not_written(error: OSError) -> str | None:
    if error.errno in _DISK_FULL:
        return "the disk is full; free some space and run the same command again"
    if error.errno in _FORBIDDEN:
        return f"permission denied ({error.strerror})"
    return None


@contextmanager
def locked(folder: str | os.PathLike) -> Iterator[None]:
    """Keep other processes that ask for it out of ``folder``; no file is left there, and a kill
    ends it.

    Raises:
        OutputError: another process is there.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OutputError(
                f"{folder} is being written into by another process; wait for it, or name another folder."
            ) from error
        yield
    finally:
        os.close(descriptor)


def write_text(text: str, path: str | os.PathLike) -> None:
    """A UTF-8 text file."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
