"""Files of somebody else's: from a local folder or the internet, checked against their checksum."""

import os
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from threading import Thread
from typing import Any, BinaryIO
from urllib.parse import urljoin, urlsplit

import requests

from ptychoformer.errors import InputError
from ptychoformer.files import atomic, content_digest
from ptychoformer.provided import fault_of_address

TIMEOUT = 30  # seconds without an answer
MOST_REDIRECTS = 5
BLOCK = 2**16  # bytes read at a time
_ADVICE = "Set data_dir to a folder with a local copy to do without the download."


def provide(
    file: str,
    source: Mapping[str, str | None],
    data_dir: str | os.PathLike | None,
    limits: Mapping[str, float],
    output: str | os.PathLike,
) -> None:
    """Copy ``file`` from ``data_dir`` to ``output``, or download it if it is not there; checked
    either way, if a checksum is known.

    Args:
        source: its address, ``url``, and checksum, ``sha256``, each of which may be None.
        limits: of a download, see `fetch`.

    Raises:
        InputError: the file is in neither place, cannot be read, or is another one than expected.
    """
    local, url, sha256 = Path(data_dir or "", file), source["url"], source["sha256"]
    if data_dir and local.is_file():
        with atomic(output, shared=True) as temporary:
            _copy(local, temporary)
            _check(temporary, sha256, f"{local} is another file than expected")
    elif url:
        fetch(url, sha256, limits, output)
    else:
        raise InputError(
            f"{file} is not under data_dir ({data_dir or 'which is not set'}), and the config gives no url for it."
        )


def keep(local: str | os.PathLike, digest: str, output: str | os.PathLike) -> None:
    """Copy a user's own file, whose SHA-256 began with ``digest`` when the work was planned.

    Raises:
        InputError: it is no longer there, cannot be read, or holds something else by now.
    """
    with atomic(output, shared=True) as temporary:
        _copy(local, temporary)
        if not content_digest(temporary).startswith(digest):
            raise InputError(f"{local} changed since the work was planned; run the same command again.")


def _copy(local: str | os.PathLike, temporary: Path) -> None:
    """Copy a user's own file. What keeps it from being read is told of it, not of the copy, which
    `atomic` would take it for.

    Raises:
        InputError: it is no longer there, or cannot be read.
    """
    try:
        open(local, "rb").close()
    except FileNotFoundError as error:
        raise InputError(f"{local} is no longer there.") from error
    except OSError as error:
        raise InputError(f"{local} cannot be read ({error.strerror}).") from error
    shutil.copyfile(local, temporary)


def fetch(url: str, sha256: str | None, limits: Mapping[str, float], output: str | os.PathLike) -> None:
    """Download ``url`` to ``output``, whole and with the checksum ``sha256``, or not at all.

    Args:
        limits: ``bytes`` that the file may have, whatever the server says, and ``seconds`` that all
            of it may take.

    Raises:
        InputError: the address cannot be reached, does not answer with this file or within these
            limits, or is one that another could have answered for.
    """
    if fault := fault_of_address(url, sha256):
        raise InputError(f"{url} cannot be downloaded: {fault}. {_ADVICE}")
    # The file is closed at the end of the time, and with it what still comes is lost.
    with atomic(output, shared=True) as temporary, temporary.open("wb") as file:
        try:
            _within(limits["seconds"], lambda: _download(url, sha256, limits["bytes"], file))
            file.flush()
        except (requests.RequestException, _Refused) as error:
            raise InputError(f"{url} cannot be downloaded: {_reason(error)}. {_ADVICE}") from error
        _check(temporary, sha256, f"{url} is another file than expected", _ADVICE)


class _Refused(Exception):
    """What a server did that is not put up with, in words."""


def _within(seconds: float, work: Callable[[], None]) -> None:
    """Do ``work``; a server that answers byte by byte would keep it for ever, so another thread
    does, which is left to itself at the end of the time.
    """
    done: Future[None] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:
            done.set_exception(error)

    Thread(target=run, daemon=True).start()
    try:
        done.result(seconds)
    except TimeoutError as error:
        raise _Refused(f"it took longer than {seconds:g} seconds (downloads.seconds in the config)") from error


def _download(url: str, sha256: str | None, most: float, file: BinaryIO) -> None:
    with requests.Session() as session:
        session.max_redirects = MOST_REDIRECTS
        session.hooks["response"].append(lambda response, **_: _check_redirect(response, sha256))
        # Unpacked bytes would be no more those of the checksum, and a few may become many.
        headers = {"Accept-Encoding": "identity"}
        with session.get(url, stream=True, timeout=TIMEOUT, headers=headers) as response:
            response.raise_for_status()
            size = response.raw.length_remaining or 0  # as the server says, if it does
            blocks = response.iter_content(BLOCK)
            while size <= most and (block := next(blocks, b"")):
                file.write(block)
                size = max(size, file.tell())
            if size > most:
                raise _Refused(f"it is larger than {most:g} bytes (downloads.bytes in the config)")


def _check_redirect(response: requests.Response, sha256: str | None) -> None:
    """Refuse to be led from https elsewhere, or to what may not be downloaded."""
    if not response.is_redirect:
        return
    target = urljoin(response.url, response.headers["Location"])
    leaves_https = urlsplit(response.url).scheme == "https" != urlsplit(target).scheme
    if fault := "https may lead to nothing else" if leaves_https else fault_of_address(target, sha256):
        raise _Refused(f"the server sends on to {target}, and {fault}")


def _check(path: Path, sha256: str | None, what: str, advice: str = "") -> None:
    if sha256 and (found := content_digest(path)) != sha256:
        raise InputError(f"{what}: its SHA-256 is {found}, it should be {sha256}. {advice}".rstrip())


def _reason(error: Exception) -> str:
    response: Any = getattr(error, "response", None)
    if isinstance(error, requests.TooManyRedirects):
        return f"the server sends on more than {MOST_REDIRECTS} times"
    if response is not None:
        return f"the server answered {response.status_code} {response.reason}"
    if isinstance(error, requests.Timeout):
        return f"no answer within {TIMEOUT} seconds"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke off"
    if isinstance(error, requests.ConnectionError):
        return "no connection to the server"
    return str(error)
