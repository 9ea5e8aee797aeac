"""Downloads, from a server on this machine."""

import hashlib
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ptychoformer.errors import InputError
from ptychoformer.simulation.fetch import fetch

CONTENT = b"photons" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def address(tmp_path):
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "probe.npy").write_bytes(CONTENT)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def output(tmp_path):
    return tmp_path / "downloads" / "probe.npy"


def test_a_file_arrives_whole(address, output):
    fetch(f"{address}/probe.npy", SHA256, output)
    assert output.read_bytes() == CONTENT
    assert [path.name for path in output.parent.iterdir()] == ["probe.npy"]


@pytest.mark.parametrize(
    ("name", "sha256", "reason"),
    [
        ("probe.npy", "0" * 64, f"another file than expected: its SHA-256 is {SHA256}, it should be {'0' * 64}"),
        ("nothing.npy", SHA256, "cannot be downloaded: the server answered 404 File not found"),
    ],
)
def test_another_answer_is_refused_and_leaves_nothing(address, output, name, sha256, reason):
    with pytest.raises(InputError, match=rf"{address}/{name} .*{reason}.*data_dir"):
        fetch(f"{address}/{name}", sha256, output)
    assert not list(output.parent.iterdir())


@pytest.mark.parametrize(
    ("url", "reason"),
    [("http://127.0.0.1:9/probe.npy", "no connection to the server"), ("probe.npy", "Invalid URL")],
)
def test_an_address_that_cannot_be_reached_is_named(output, url, reason):
    with pytest.raises(InputError, match=rf"{url} cannot be downloaded: {reason}.*data_dir"):
        fetch(url, SHA256, output)
    assert not list(output.parent.iterdir())
