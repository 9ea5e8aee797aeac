"""Files from the internet, checked against their checksum."""

import os

import pooch
import requests

from ptychoformer.errors import InputError
from ptychoformer.storage import atomic

TIMEOUT = 30  # seconds without an answer


def fetch(url: str, sha256: str, output: str | os.PathLike) -> None:
    """Download ``url`` to ``output``, whole and with the hexadecimal checksum ``sha256``, or not at all.

    Raises:
        InputError: the address cannot be reached or does not answer with this file.
    """
    with atomic(output) as temporary:
        try:
            pooch.HTTPDownloader(timeout=TIMEOUT)(url, str(temporary), None)
        except requests.RequestException as error:
            raise InputError(f"{url} cannot be downloaded: {_reason(error)}. {_ADVICE}") from error
        if (found := pooch.file_hash(str(temporary), alg="sha256")) != sha256:
            raise InputError(f"{url} is another file than expected: its SHA-256 is {found}, it should be {sha256}. {_ADVICE}")


_ADVICE = "Set data_dir to a folder with a local copy to do without the download."


def _reason(error: requests.RequestException) -> str:
    if error.response is not None:
        return f"the server answered {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.Timeout):
        return f"no answer within {TIMEOUT} seconds"
    if isinstance(error, requests.ConnectionError):
        return "no connection to the server"
    return str(error)
