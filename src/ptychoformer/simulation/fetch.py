"""Files of somebody else's: from a local folder or the internet, checked against their checksum."""

import os
import shutil
from pathlib import Path

import pooch
import requests

from ptychoformer.errors import InputError
from ptychoformer.files import atomic

TIMEOUT = 30  # seconds without an answer


def provide(
    file: str, url: str | None, sha256: str | None, data_dir: str | os.PathLike | None, output: str | os.PathLike
) -> None:
    """Copy ``file`` from ``data_dir`` to ``output``, or download it if it is not there; checked
    either way, if a checksum is known.

    Raises:
        InputError: the file is in neither place, or is another one than expected.
    """
    local = Path(data_dir or "", file)
    if data_dir and local.is_file():
        with atomic(output, shared=True) as temporary:
            shutil.copyfile(local, temporary)
            _check(temporary, sha256, f"{local} is another file than expected")
    elif url:
        fetch(url, sha256, output)
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
        try:
            shutil.copyfile(local, temporary)
        except FileNotFoundError as error:
            raise InputError(f"{local} is no longer there.") from error
        if not pooch.file_hash(str(temporary), alg="sha256").startswith(digest):
            raise InputError(f"{local} changed since the work was planned; run the same command again.")


def fetch(url: str, sha256: str | None, output: str | os.PathLike) -> None:
    """Download ``url`` to ``output``, whole and with the hexadecimal checksum ``sha256``, or not at
    all.

    Raises:
        InputError: the address cannot be reached or does not answer with this file.
    """
    with atomic(output, shared=True) as temporary:
        try:
            pooch.HTTPDownloader(timeout=TIMEOUT)(url, str(temporary), None)
        except requests.RequestException as error:
            raise InputError(f"{url} cannot be downloaded: {_reason(error)}. {_ADVICE}") from error
        _check(temporary, sha256, f"{url} is another file than expected", _ADVICE)


def _check(path: Path, sha256: str | None, what: str, advice: str = "") -> None:
    if sha256 and (found := pooch.file_hash(str(path), alg="sha256")) != sha256:
        raise InputError(f"{what}: its SHA-256 is {found}, it should be {sha256}. {advice}".rstrip())


_ADVICE = "Set data_dir to a folder with a local copy to do without the download."


def _reason(error: requests.RequestException) -> str:
    if error.response is not None:
        return f"the server answered {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.Timeout):
        return f"no answer within {TIMEOUT} seconds"
    if isinstance(error, requests.ConnectionError):
        return "no connection to the server"
    return str(error)
