"""Downloads, from a server on this machine."""

import hashlib
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ptychoformer.errors import InputError
from ptychoformer.files import ABANDONED, atomic
from ptychoformer.simulation.fetch import fetch, keep

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


def test_two_workflows_may_download_the_same_file_at_the_same_time(address, output):
    with ThreadPoolExecutor(4) as pool:
        downloads = [pool.submit(fetch, f"{address}/probe.npy", SHA256, output) for _ in range(12)]
    assert not [error for download in downloads if (error := download.exception())]
    assert output.read_bytes() == CONTENT
    assert [path.name for path in output.parent.iterdir()] == ["probe.npy"]


def test_writers_of_a_shared_file_do_not_see_each_other(tmp_path):
    path = tmp_path / "probe.npy"
    with atomic(path, shared=True) as first, atomic(path, shared=True) as second:
        assert first != second
        first.write_bytes(b"1")
        second.write_bytes(b"2")
    assert path.read_bytes() == b"1"  # the last to end
    assert list(tmp_path.iterdir()) == [path]


def test_a_writer_that_ends_while_another_begins_disturbs_nobody(tmp_path):
    class Ended(type(tmp_path)):
        def iterdir(self):
            others = [*super().iterdir(), self / ".probe.partial.ended.npy"]  # seen a moment before it was renamed
            return iter(others)

    with atomic(Ended(tmp_path) / "probe.npy", shared=True) as temporary:
        temporary.write_bytes(b"whole")
    assert (tmp_path / "probe.npy").read_bytes() == b"whole"


def test_what_a_killed_writer_left_is_removed_when_it_is_old(tmp_path):
    left = [tmp_path / f".probe.partial.{name}.npy" for name in ("old", "young")]
    other = tmp_path / ".other.partial.old.npy"
    for file in (*left, other):
        file.write_bytes(b"half")
    past = time.time() - ABANDONED - 1
    for file in (left[0], other):
        os.utime(file, (past, past))
    with atomic(tmp_path / "probe.npy", shared=True) as temporary:
        temporary.write_bytes(b"whole")
    assert {path.name for path in tmp_path.iterdir()} == {"probe.npy", left[1].name, other.name}


def test_a_users_file_is_copied_as_it_was_when_the_work_was_planned(tmp_path, output):
    local = tmp_path / "mine.npy"
    local.write_bytes(CONTENT)
    keep(local, SHA256[:16], output)
    assert output.read_bytes() == CONTENT
    local.write_bytes(b"something else")
    with pytest.raises(InputError, match=r"mine\.npy changed since the work was planned; run the same command again"):
        keep(local, SHA256[:16], output.with_name("another.npy"))
    local.unlink()
    with pytest.raises(InputError, match=r"mine\.npy is no longer there"):
        keep(local, SHA256[:16], output.with_name("another.npy"))
    assert [path.name for path in output.parent.iterdir()] == ["probe.npy"]
