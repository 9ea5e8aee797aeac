"""Files of somebody else's that entries of the config name: where they come from, and the names
under which the workflow keeps them.

Needs nothing but Python, so that the workflow can use it while it parses.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from ptychoformer.errors import InputError, OutputError
from ptychoformer.files import atomic, content_digest
from ptychoformer.places import is_within

FILES = "resources/files"  # in the project's folder
BY_CONTENT = "by_content"
DIGITS = 16  # of a SHA-256 in the name of a folder
# what means something in Snakemake's paths, and in these
ESCAPES = str.maketrans({letter: f"%{ord(letter):02X}" for letter in "%{}<>"})


def check_project(folder: str) -> None:
    """Check that Snakemake can work with the project where it lies.

    Raises:
        InputError: it cannot.
    """
    if set("{}") & set(folder):
        raise InputError(
            f"the project's folder is '{folder}'; Snakemake needs one without {{ and }}, which it reads as variables."
        )


def data_folder(folder: str | None) -> str | None:
    """Return ``data_dir``, in which ``~`` is a home folder.

    Raises:
        InputError: there is no such folder.
    """
    if not folder:
        return None
    if not os.path.isdir(found := Path(folder).expanduser()) or not os.access(found, os.X_OK):
        raise InputError(
            f"data_dir: there is no folder '{found}' that you may enter; it must be a folder, or null to download."
        )
    return str(found)


def is_file(part: Any) -> bool:
    """Say whether a part of a catalogue's entry names a file."""
    return isinstance(part, dict) and "file" in part


def options_of(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the other parts of an entry."""
    return {key: part for key, part in entry.items() if not is_file(part)}


def files_named(config: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the key and the part of every entry of a catalogue that names a file."""
    for catalogue in ("objects", "probes", "datasets"):
        for name, entry in config[catalogue].items():
            yield from ((f"{catalogue}.{name}.{role}", part) for role, part in entry.items() if is_file(part))


def fault_of_address(url: str, sha256: str | None) -> str:
    """Say why a file may not be downloaded from ``url``; empty if it may.

    Without a checksum, whoever stands between may put another file in the place of one that comes
    by plain http.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or not url.isprintable():
        return "it is no address, such as https://example.org/scan.cxi"
    if parts.scheme not in ("https", "http"):
        return f"files are downloaded by https, not by {parts.scheme}"
    return "" if parts.scheme == "https" or sha256 else "plain http needs a sha256"


class ProvidedFiles:
    """The files that a config names.

    One with a checksum in the config, or downloaded, is kept under its own name. What it holds may
    not change, or is the server's. A user's own file is whatever lies in ``data_dir`` now: it is
    kept under a name that holds a digest of its content, so that another content is another input
    of the jobs that read it, and the same content, touched or moved, is the same input.

    Args:
        config: complete.
        memory: folder for the digests of files that were read before.
    """

    def __init__(self, config: Mapping[str, Any], memory: str | os.PathLike):
        self._config, self._memory = config, Path(memory)

    def check(self) -> None:
        """Look at where every file is read and kept, before any job starts.

        Raises:
            InputError: a symbolic link leads one out of its folder.
        """
        for key, part in files_named(self._config):
            own = self._own(part)
            for path, folder in ((Path(FILES, _name(part)), FILES), (own, self._config["data_dir"])):
                if path and not is_within(path, folder):
                    raise InputError(
                        f"{key}.file: '{part['file']}' is not allowed, a symbolic link leads it out of {folder}; copy"
                        " the file into that folder."
                    )

    def of(self, catalogue: str, name: str, roles: Iterable[str] | None = None) -> dict[str, str]:
        """Map the roles of an entry's files (all, or those named) to paths below `FILES`.

        Raises:
            InputError: a file is nowhere, or cannot be read.
        """
        entry = self._config[catalogue][name]
        wanted = {role: part for role, part in entry.items() if is_file(part) and (roles is None or role in roles)}
        return {role: self._kept(part, f"{catalogue}.{name}.{role}.file") for role, part in wanted.items()}

    def at_hand(self, part: Mapping[str, Any]) -> bool:
        """Say whether a file needs no download: it is the user's own, or was downloaded before."""
        return self._own(part) is not None or (_has_source(part) and Path(FILES, _name(part)).is_file())

    def source(self, file: str) -> dict[str, Any]:
        """Return the address (``url``) and checksum (``sha256``) of a file that is kept under
        its own name.
        """
        part = next(part for _, part in files_named(self._config) if _name(part) == file and _has_source(part))
        return {key: part.get(key) for key in ("url", "sha256")}

    def _own(self, part: Mapping[str, Any]) -> Path | None:
        path = Path(self._config["data_dir"] or "", part["file"])
        return path if self._config["data_dir"] and os.path.isfile(path) else None

    def _kept(self, part: Mapping[str, Any], key: str) -> str:
        if not (part.get("url") or self.at_hand(part)):
            folder = self._config["data_dir"] or "data_dir, which is not set"
            raise InputError(f"{key}: there is no '{part['file']}' in {folder}, and no url to download it from.")
        if part.get("sha256") or not (own := self._own(part)):
            return _name(part)
        try:
            return f"{BY_CONTENT}/{sha256_of(own, self._memory)[:DIGITS]}/{_name(part)}"
        except OSError as error:
            raise InputError(f"{key}: {own} cannot be read ({error.strerror}).") from error


def _name(part: Mapping[str, Any]) -> str:
    return kept_name(part["file"])


def kept_name(file: str) -> str:
    """Return the name of a file below `FILES`, the same for all ways to write its path."""
    return str(PurePosixPath(file)).translate(ESCAPES)


def _has_source(part: Mapping[str, Any]) -> bool:
    return bool(part.get("url") or part.get("sha256"))


def sha256_of(path: Path, memory: Path) -> str:
    """Return the SHA-256 of a file, which is read only if ``memory`` has not seen it with this size
    and these times.

    Raises:
        OSError: it cannot be read.
    """
    found = os.stat(path)
    seen = [str(path.absolute()), found.st_size, found.st_mtime_ns, found.st_ctime_ns]
    note = memory / f"{hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[:DIGITS]}.json"
    with suppress(OSError, ValueError, TypeError, KeyError):
        if (known := json.loads(note.read_text(encoding="utf-8")))["seen"] == seen:
            return known["sha256"]
    digest = content_digest(path)
    # A folder that cannot be written to costs no more than reading the file again.
    with suppress(OSError, OutputError), atomic(note, shared=True) as temporary:
        temporary.write_text(json.dumps({"seen": seen, "sha256": digest}), encoding="utf-8")
    return digest
